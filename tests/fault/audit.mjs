// In: a database with our schema. Out: a record, kept by triggers of the harness's own, of who changed
// what in which order: users' rows, fences, checkpoints, calls. The record is the judge's evidence.
const schema = `
CREATE SCHEMA chaos;
CREATE TABLE chaos.event (
    n bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tx bigint NOT NULL DEFAULT txid_current(),
    who text NOT NULL DEFAULT current_setting('application_name'),
    kind text NOT NULL,   -- job, queue, step, call, mark; text: only what its attempt should not have written
    job_id uuid NOT NULL,
    was text, now text,   -- a job's status; a queue row's state
    fence bigint,         -- of the queue row now; of a queue event: the new one; of a text: its attempt's
    holder text,          -- who claimed that fence
    held boolean,         -- of a call: its worker is the one that the fence was given to
    old_fence bigint,
    step text, run integer, call_id uuid,
    mark text             -- of a request that came with a key
);
CREATE TABLE chaos.orders (mark text PRIMARY KEY); -- the product's own rows
CREATE TABLE chaos.claim (fence bigint PRIMARY KEY, who text NOT NULL, worker uuid, until timestamptz);

CREATE FUNCTION chaos.on_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.fence = OLD.fence AND NEW.state = OLD.state THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.fence > 0 AND (TG_OP = 'INSERT' OR NEW.fence <> OLD.fence) THEN
        INSERT INTO chaos.claim VALUES (NEW.fence, current_setting('application_name'), NEW.worker);
    END IF;
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND NEW.fence <> OLD.fence) THEN
        UPDATE chaos.claim SET until = clock_timestamp() WHERE fence = OLD.fence;
    END IF;
    INSERT INTO chaos.event (kind, job_id, was, now, fence, old_fence)
    VALUES ('queue', CASE TG_OP WHEN 'DELETE' THEN OLD.job_id ELSE NEW.job_id END,
            CASE TG_OP WHEN 'INSERT' THEN NULL ELSE OLD.state END,
            CASE TG_OP WHEN 'DELETE' THEN NULL ELSE NEW.state END,
            CASE TG_OP WHEN 'DELETE' THEN NULL ELSE NEW.fence END,
            CASE TG_OP WHEN 'INSERT' THEN NULL ELSE OLD.fence END);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_queue AFTER INSERT OR UPDATE OR DELETE ON scriptorium.queue
    FOR EACH ROW EXECUTE FUNCTION chaos.on_queue();

CREATE FUNCTION chaos.note(kind text, job uuid, was text, now text, step text, run integer, call uuid, by uuid)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO chaos.event (kind, job_id, was, now, fence, holder, held, step, run, call_id)
    SELECT $1, $2, $3, $4, q.fence, c.who, c.worker = $8, $5, $6, $7
    FROM (SELECT 1) one LEFT JOIN scriptorium.queue q ON q.job_id = $2 AND q.state = 1
    LEFT JOIN chaos.claim c ON c.fence = q.fence
$$;
CREATE FUNCTION chaos.on_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM chaos.note('job', CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END,
                       CASE TG_OP WHEN 'INSERT' THEN NULL ELSE OLD.status END,
                       CASE TG_OP WHEN 'DELETE' THEN 'deleted' ELSE NEW.status END, NULL, NULL, NULL, NULL);
    RETURN NULL;
END $$;
CREATE FUNCTION chaos.on_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.event (kind, job_id, mark) VALUES ('mark', NEW.id, NEW.generation_params ->> 'mark');
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_mark AFTER INSERT ON public.script_generation_jobs
    FOR EACH ROW WHEN (NEW.generation_params ? 'mark') EXECUTE FUNCTION chaos.on_mark();
CREATE TRIGGER chaos_job AFTER INSERT OR UPDATE OR DELETE ON public.script_generation_jobs
    FOR EACH ROW EXECUTE FUNCTION chaos.on_job();

CREATE FUNCTION chaos.on_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM chaos.note('step', NEW.job_id, NULL, NEW.stop, NEW.step, NEW.run, NULL, NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_step AFTER INSERT OR UPDATE ON scriptorium.step FOR EACH ROW EXECUTE FUNCTION chaos.on_step();

-- Text is saved too often to keep a record of all of it. It takes no lock, so that a piece may come a
-- moment after its attempt was over, as a chain of its own; later than that, or in another's chain, it
-- may not. A chain carries the fence of its attempt.
CREATE FUNCTION chaos.on_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.event (kind, job_id, fence, holder, step)
    SELECT 'text', n.job_id, n.chain, c.who, n.step
    FROM new_rows n LEFT JOIN chaos.claim c ON c.fence = n.chain
    WHERE c.who IS DISTINCT FROM current_setting('application_name')
       OR c.until < clock_timestamp() - interval '2 s';
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_text AFTER INSERT ON scriptorium.step_text REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION chaos.on_text();
CREATE TRIGGER chaos_text_again AFTER UPDATE ON scriptorium.step_text REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION chaos.on_text();

CREATE FUNCTION chaos.on_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM chaos.note('call', NEW.job_id, NULL, NULL, NEW.step, NEW.run, NEW.id, NEW.worker);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_call AFTER INSERT ON scriptorium.call FOR EACH ROW EXECUTE FUNCTION chaos.on_call();

-- The product's own effects, by hooks: something is reserved, a script is saved and paid for, the
-- reservation given back. Each hook raises now and then, after it has done its work.
CREATE TABLE chaos.effect (n bigserial PRIMARY KEY, kind text NOT NULL, job_id uuid NOT NULL, outcome text,
    tx bigint NOT NULL DEFAULT txid_current());
CREATE FUNCTION chaos.effect(kind text, job_id uuid, outcome text, moody integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.effect (kind, job_id, outcome) VALUES (effect.kind, effect.job_id, effect.outcome);
    IF abs(hashtext(effect.job_id::text || clock_timestamp())) % 100 < moody THEN
        RAISE EXCEPTION 'a deadlock, say' USING ERRCODE = '40P01';
    END IF;
END $$;
CREATE FUNCTION chaos.on_input(job_id uuid) RETURNS jsonb LANGUAGE plpgsql AS
    $$BEGIN PERFORM chaos.effect('input', $1, NULL, 0); RETURN '{"tone": "warm"}'; END$$;
CREATE FUNCTION chaos.on_completed(job_id uuid) RETURNS void LANGUAGE sql AS
    $$SELECT chaos.effect('completed', $1, 'completed', 10)$$;
CREATE FUNCTION chaos.on_ended(job_id uuid, outcome text) RETURNS void LANGUAGE sql AS
    $$SELECT chaos.effect('ended', $1, $2, 10)$$;
`;

export const hooks = { SCRIPTORIUM_HOOK_INPUT: 'chaos.on_input', SCRIPTORIUM_HOOK_ON_COMPLETED: 'chaos.on_completed',
  SCRIPTORIUM_HOOK_ON_ENDED: 'chaos.on_ended' };

export async function install(client) {
  await client.query(schema);
}

// What must hold in every snapshot, whatever is going on. One statement, so one snapshot.
const invariants = `
SELECT 'a queue row without its users'' row' AS what, q.job_id FROM scriptorium.queue q
  WHERE NOT EXISTS (SELECT FROM public.script_generation_jobs j WHERE j.id = q.job_id)
UNION ALL
SELECT 'a ' || j.status || ' row whose queue row says ' || coalesce(q.state::text, 'nothing'), j.id
  FROM public.script_generation_jobs j LEFT JOIN scriptorium.queue q ON q.job_id = j.id
  WHERE CASE j.status WHEN 'pending' THEN q.state IS NULL OR q.state = 1
                      WHEN 'processing' THEN q.state IS DISTINCT FROM 1
                      ELSE q.state IS NOT NULL END
UNION ALL
SELECT 'a running queue row without a fence', job_id FROM scriptorium.queue
  WHERE state = 1 AND (fence = 0 OR worker IS NULL)
UNION ALL
SELECT 'a job thought to be somebody else''s', job_id FROM scriptorium.foreign_job`;

/** Returns what is broken in this snapshot, as lines. */
export async function look(world) {
  return (await world.ask(invariants)).map((r) => `${r.what}: ${r.job_id}`);
}

/** Running rows whose worker's lease is gone or over for longer than `ms`. */
export async function orphans(world, ms = 0) {
  return world.ask(`SELECT q.job_id FROM scriptorium.queue q
    LEFT JOIN scriptorium.worker w ON w.id = q.worker
    WHERE q.state = 1 AND (w.id IS NULL OR w.expires < clock_timestamp() - $1 * interval '1 ms')`, [ms]);
}
