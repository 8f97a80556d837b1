-- The queue follows the users' table by state alone, whoever writes and however many rows at once.
-- The engine changes its queue row first and the users' row second, so that for its own writes these
-- triggers find nothing left to do. All of them run as their owner: a client needs no right on
-- anything of ours, and sees nothing of it.
--
-- The planner is held to index look-ups per changed row: a plan made while the queue was empty must
-- not read all of it once it is full.

-- Tags for jobs that enter the queue: behind the user's other waiting jobs of that priority, and not
-- before the virtual time. Nothing is locked, so that inserts never wait for each other; two at the
-- same moment may get the same tag, which the ranked window of a claim heals. The user's last tag is
-- looked up once for all that come together, before they are there: index entries of the running
-- statement would be walked again for each of them.
CREATE OR REPLACE FUNCTION scriptorium.tags(ids uuid[], users uuid[], priorities smallint[])
RETURNS TABLE (id uuid, u uuid, p smallint, tag bigint) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT l.id, l.u, l.p,
           greatest(scriptorium.vt(l.p) + 1,
                    max(l.last) OVER (PARTITION BY l.u, l.p) + 1000000) + (l.nth - 1) * 1000000
    FROM (
        SELECT i.*, CASE WHEN i.nth = 1 THEN (
                   SELECT q.tag FROM scriptorium.queue q
                   WHERE q.user_id = i.u AND q.priority = i.p AND q.state <> 1
                     AND q.tag > scriptorium.vt(i.p)
                   ORDER BY q.tag DESC LIMIT 1) END AS last
        FROM (
            SELECT m.id, m.u, m.p, row_number() OVER (PARTITION BY m.u, m.p ORDER BY m.n) AS nth
            FROM unnest(ids, users, priorities) WITH ORDINALITY AS m (id, u, p, n)
        ) i
    ) l;
END $$;

-- Puts jobs into the queue: due now, and fenced off from whoever ran them.
CREATE OR REPLACE FUNCTION scriptorium.enqueue(ids uuid[], users uuid[], priorities smallint[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO scriptorium.queue AS old (job_id, user_id, priority, tag, run_at)
    SELECT t.id, t.u, t.p, t.tag, scriptorium.clock()
    FROM scriptorium.tags(ids, users, priorities) AS t
    ON CONFLICT (job_id) DO UPDATE
    SET user_id = EXCLUDED.user_id, priority = EXCLUDED.priority, tag = EXCLUDED.tag,
        run_at = EXCLUDED.run_at, state = 0, fence = 0, worker = NULL, claimed_at = NULL,
        attempts = 0, crashes = 0, version = NULL;
END $$;

-- Remembers, where somebody wants to know, that jobs ended.
CREATE OR REPLACE FUNCTION scriptorium.note_ended(ids uuid[], users uuid[], outcomes text[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
BEGIN
    INSERT INTO scriptorium.outbox (kind, endpoint, job_id, run, user_id, outcome, ended_at, due_at,
                                    tried_since)
    SELECT k.kind, k.endpoint, i.id, coalesce(r.run, 1), i.u, i.outcome, scriptorium.clock(),
           scriptorium.clock(), scriptorium.clock()
    FROM unnest(ids, users, outcomes) AS i (id, u, outcome)
    CROSS JOIN LATERAL (
        SELECT 0 AS kind, w.endpoint FROM scriptorium.webhook w WHERE w.outcome = i.outcome
        UNION ALL
        SELECT 1, NULL WHERE i.outcome <> 'completed' AND scriptorium.is_on('outbox.ended')) k
    LEFT JOIN scriptorium.run r ON r.job_id = i.id
    ON CONFLICT (job_id, run) WHERE kind = 1 DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.has_outbox() RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM scriptorium.webhook)
        OR EXISTS (SELECT FROM scriptorium.setting s WHERE s.key = 'outbox.ended');
END $$;

-- What open calls had cost when their text was forgotten.
CREATE OR REPLACE FUNCTION scriptorium.note_spent(calls uuid[], tokens bigint[], rates bigint[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
BEGIN
    UPDATE scriptorium.call c
    SET saved_output = greatest(c.saved_output, s.tokens), saved_rate = s.rate
    FROM (SELECT g.call, max(g.tokens) AS tokens, max(g.rate) AS rate
          FROM unnest(calls, tokens, rates) AS g (call, tokens, rate)
          WHERE g.call IS NOT NULL GROUP BY g.call) s
    WHERE c.id = s.call AND c.state IS NOT DISTINCT FROM 0;
END $$;

-- Forgets streamed text, but not what its calls had cost by then.
CREATE OR REPLACE FUNCTION scriptorium.drop_text(ids uuid[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    gone record;
BEGIN
    WITH d AS (
        DELETE FROM scriptorium.step_text t WHERE t.job_id = ANY (ids)
        RETURNING t.call, t.tokens, t.rate
    )
    SELECT array_agg(d.call) AS calls, array_agg(d.tokens) AS tokens, array_agg(d.rate) AS rates
    INTO gone FROM d;
    IF gone.calls IS NOT NULL THEN
        PERFORM scriptorium.note_spent(gone.calls, gone.tokens, gone.rates);
    END IF;
END $$;

-- Jobs whose row is gone: nothing of them stays but their calls.
CREATE OR REPLACE FUNCTION scriptorium.forget(ids uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    unfinished uuid[];
    users uuid[];
BEGIN
    IF ids IS NULL THEN
        RETURN;
    END IF;
    WITH q AS (
        DELETE FROM scriptorium.queue WHERE job_id = ANY (ids) RETURNING job_id, user_id
    ), f AS (
        DELETE FROM scriptorium.foreign_job WHERE job_id = ANY (ids) RETURNING job_id
    ), ended AS (
        SELECT job_id, user_id FROM q UNION ALL SELECT job_id, NULL FROM f
    )
    SELECT array_agg(job_id), array_agg(user_id) INTO unfinished, users FROM ended;
    IF unfinished IS NOT NULL THEN
        PERFORM scriptorium.note_ended(unfinished, users,
                                       array_fill('deleted'::text, ARRAY[cardinality(unfinished)]));
    END IF;
    PERFORM scriptorium.drop_text(ids);
    DELETE FROM scriptorium.step WHERE job_id = ANY (ids);
    DELETE FROM scriptorium.run WHERE job_id = ANY (ids);
    PERFORM scriptorium.wake('ended');
END $$;

-- A trigger of the users' that came before us has the last word: the rows count as they are now. Those
-- that row security hides from us count as they came.
CREATE OR REPLACE FUNCTION scriptorium.after_insert() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    ids uuid[];
    users uuid[];
    priorities smallint[];
    taken uuid[];
BEGIN
    SELECT array_agg(w.id) FILTER (WHERE w.status = 'pending'),
           array_agg(coalesce(w.user_id, '00000000-0000-0000-0000-000000000000'))
               FILTER (WHERE w.status = 'pending'),
           array_agg(scriptorium.priority(w.priority)) FILTER (WHERE w.status = 'pending'),
           array_agg(w.id) FILTER (WHERE w.status = 'processing')
    INTO ids, users, priorities, taken
    FROM (
        SELECT n.id, CASE WHEN j.id IS NULL THEN n.status ELSE j.status END::text AS status,
               CASE WHEN j.id IS NULL THEN n.user_id ELSE j.user_id END AS user_id,
               CASE WHEN j.id IS NULL THEN n.priority ELSE j.priority END AS priority
        FROM new_rows n LEFT JOIN {{jobs}} j ON j.id = n.id
        WHERE j.id IS NOT NULL OR row_security_active($n${{jobs}}$n$::regclass)
    ) w;
    IF ids IS NOT NULL THEN
        PERFORM scriptorium.enqueue(ids, users, priorities);
    END IF;
    IF taken IS NOT NULL THEN
        INSERT INTO scriptorium.foreign_job (job_id, since)
        SELECT unnest(taken), scriptorium.clock() ON CONFLICT DO NOTHING;
        PERFORM setval('scriptorium.foreign_at', scriptorium.us(scriptorium.clock()));
    END IF;
    PERFORM scriptorium.wake('due');
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.after_update() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_variable
DECLARE
    due_ids uuid[];
    due_users uuid[];
    due_priorities smallint[];
    moved_ids uuid[];
    moved_users uuid[];
    moved_priorities smallint[];
    taken uuid[];
    ended uuid[];
    ended_users uuid[];
    outcomes text[];
    no_longer_foreign uuid[];
    still_foreign uuid[];
    completed uuid[];
    stale uuid[] := '{}';
BEGIN
    -- Writes of the engine's, and most of the clients', leave nothing to do: no row is due, moved, taken, over
    -- or foreign, as the query below has it.
    IF NOT EXISTS (
        SELECT FROM new_rows n
        LEFT JOIN LATERAL (SELECT o.* FROM scriptorium.queue o
                           WHERE o.job_id = n.id LIMIT 1) q ON true
        WHERE EXISTS (SELECT FROM scriptorium.foreign_job f WHERE f.job_id = n.id)
           OR CASE coalesce(n.status::text, '')
              WHEN 'pending' THEN q.state IS NULL OR q.state = 1
                  OR q.priority <> scriptorium.priority(n.priority)
                  OR q.user_id <> coalesce(n.user_id, '00000000-0000-0000-0000-000000000000')
              WHEN 'processing' THEN q.state IS DISTINCT FROM 1
              ELSE q.state IS NOT NULL END) THEN
        RETURN NULL;
    END IF;
    LOOP
        SELECT array_agg(s.id) FILTER (WHERE s.due), array_agg(s.u) FILTER (WHERE s.due),
               array_agg(s.p) FILTER (WHERE s.due),
               array_agg(s.id) FILTER (WHERE s.moved), array_agg(s.u) FILTER (WHERE s.moved),
               array_agg(s.p) FILTER (WHERE s.moved),
               array_agg(s.id) FILTER (WHERE s.status = 'processing' AND s.state IS DISTINCT FROM 1
                                       AND NOT s.is_foreign),
               array_agg(s.id) FILTER (WHERE s.over), array_agg(s.u) FILTER (WHERE s.over),
               array_agg(s.status) FILTER (WHERE s.over),
               array_agg(s.id) FILTER (WHERE s.is_foreign AND s.status <> 'processing'),
               array_agg(s.id) FILTER (WHERE s.is_foreign AND s.status = 'processing'),
               array_agg(s.id) FILTER (WHERE s.over AND s.status = 'completed')
        INTO due_ids, due_users, due_priorities, moved_ids, moved_users, moved_priorities, taken, ended,
             ended_users, outcomes, no_longer_foreign, still_foreign, completed
        FROM (
            SELECT w.*, w.status = 'pending' AND (w.state IS NULL OR w.state = 1) AS due,
                   w.status = 'pending' AND w.state <> 1 AND (w.p <> w.queue_p OR w.u <> w.queue_u)
                       AS moved,
                   w.status NOT IN ('pending', 'processing') AND (w.state IS NOT NULL OR w.is_foreign)
                       AS over
            FROM (
                SELECT n.id, coalesce(n.status::text, '') AS status,
                       coalesce(n.user_id, '00000000-0000-0000-0000-000000000000') AS u,
                       scriptorium.priority(n.priority) AS p, q.state, q.priority AS queue_p,
                       q.user_id AS queue_u, f.job_id IS NOT NULL AS is_foreign
                FROM new_rows n
                LEFT JOIN LATERAL (SELECT o.* FROM scriptorium.queue o
                                   WHERE o.job_id = n.id LIMIT 1) q ON true
                LEFT JOIN LATERAL (SELECT o.job_id FROM scriptorium.foreign_job o
                                   WHERE o.job_id = n.id LIMIT 1) f ON true
                WHERE n.id <> ALL (stale)
            ) w
        ) s;
        EXIT WHEN stale <> '{}' OR coalesce(due_ids, moved_ids, taken, ended) IS NULL;
        -- An UPDATE that a trigger of the users' made of these rows has come before us and has been
        -- seen to: it has the last word. Rows that row security hides from us count as they are.
        SELECT coalesce(array_agg(n.id), '{}') INTO stale
        FROM new_rows n LEFT JOIN {{jobs}} j ON j.id = n.id
        WHERE CASE WHEN j.id IS NULL THEN NOT row_security_active($n${{jobs}}$n$::regclass)
                   ELSE (j.status::text, j.user_id, scriptorium.priority(j.priority))
                        IS DISTINCT FROM
                        (n.status::text, n.user_id, scriptorium.priority(n.priority)) END;
        EXIT WHEN stale = '{}';
    END LOOP;
    -- A row that runs is replaced, not changed: whoever works on it has lost it.
    IF due_ids IS NOT NULL THEN
        PERFORM scriptorium.enqueue(due_ids, due_users, due_priorities);
    END IF;
    IF moved_ids IS NOT NULL THEN
        PERFORM scriptorium.move(moved_ids, moved_users, moved_priorities);
    END IF;
    IF taken IS NOT NULL THEN
        DELETE FROM scriptorium.queue WHERE job_id = ANY (taken);
        INSERT INTO scriptorium.foreign_job (job_id, since)
        SELECT unnest(taken), scriptorium.clock() ON CONFLICT DO NOTHING;
    END IF;
    IF taken IS NOT NULL OR outcomes && '{completed,failed}' THEN -- our own ends leave no queue row to find
        PERFORM setval('scriptorium.foreign_at', scriptorium.us(scriptorium.clock()));
    END IF;
    IF no_longer_foreign IS NOT NULL THEN
        DELETE FROM scriptorium.foreign_job WHERE job_id = ANY (no_longer_foreign);
    END IF;
    IF still_foreign IS NOT NULL THEN -- a sign of life
        UPDATE scriptorium.foreign_job SET since = scriptorium.clock()
        WHERE job_id = ANY (still_foreign);
    END IF;
    IF ended IS NOT NULL THEN
        DELETE FROM scriptorium.queue WHERE job_id = ANY (ended);
        PERFORM scriptorium.keep_ended(ended, ended_users);
        PERFORM scriptorium.note_ended(ended, ended_users, outcomes);
    END IF;
    -- The text of a cut call stays with a failed or cancelled job: a re-run can go on with it.
    IF completed IS NOT NULL THEN
        PERFORM scriptorium.drop_text(completed);
    END IF;
    IF due_ids IS NOT NULL OR moved_ids IS NOT NULL THEN
        PERFORM scriptorium.wake('due');
    END IF;
    IF due_ids IS NOT NULL OR ended IS NOT NULL THEN
        PERFORM scriptorium.wake('ended');
    END IF;
    RETURN NULL;
END $$;

-- A waiting job got another priority, or another owner: a new place, the same due time.
CREATE OR REPLACE FUNCTION scriptorium.move(ids uuid[], users uuid[], priorities smallint[])
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_joins}}
AS $$
#variable_conflict use_column
BEGIN
    UPDATE scriptorium.queue old
    SET user_id = t.u, priority = t.p, state = CASE old.state WHEN 3 THEN 0 ELSE old.state END,
        tag = t.tag
    FROM scriptorium.tags(ids, users, priorities) AS t
    WHERE old.job_id = ANY (ids) AND old.job_id = t.id AND old.state IS DISTINCT FROM 1;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.after_delete() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM scriptorium.forget((SELECT array_agg(o.id) FROM old_rows o));
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.after_id_change() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM scriptorium.forget(ARRAY[OLD.id]);
    RETURN NULL;
END $$;

-- Whatever leaves 'completed' begins the next run: the old checkpoints are not used again.
CREATE OR REPLACE FUNCTION scriptorium.after_completed() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO scriptorium.run AS r (job_id, run) VALUES (NEW.id, 2)
    ON CONFLICT (job_id) DO UPDATE SET run = r.run + 1;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.after_truncate() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM scriptorium.forget((SELECT array_agg(q.job_id) FROM scriptorium.queue q));
    PERFORM scriptorium.forget((SELECT array_agg(f.job_id) FROM scriptorium.foreign_job f));
    DELETE FROM scriptorium.step_text;
    DELETE FROM scriptorium.step;
    DELETE FROM scriptorium.run;
    RETURN NULL;
END $$;

DO $do$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT * FROM pg_temp.scriptorium_triggers($n${{jobs}}$n$) LOOP
        EXECUTE statement;
    END LOOP;
END $do$;
