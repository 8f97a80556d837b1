-- A worker that has room -> the jobs it may run next, fenced: by priority, then in fair order.

-- Delayed jobs whose time has come. Those that a sweep has promoted already leave dead index
-- entries before its time; only a sweep looks there again.
CREATE OR REPLACE FUNCTION scriptorium.promote(now timestamptz, since timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    ids uuid[];
BEGIN
    SELECT array_agg(d.job_id) INTO ids FROM (
        SELECT q.job_id FROM scriptorium.queue q
        WHERE q.state = 2 AND q.run_at <= now AND q.run_at > since
        ORDER BY q.run_at LIMIT 10000 FOR UPDATE SKIP LOCKED
    ) d;
    IF ids IS NOT NULL THEN
        UPDATE scriptorium.queue
        SET state = 0, tag = greatest(tag, scriptorium.floor(priority))
        WHERE job_id = ANY (ids);
    END IF;
END $$;

-- Jobs of users who were at their cap come back as far as there is room for them now.
CREATE OR REPLACE FUNCTION scriptorium.uncap(cap integer, room integer)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    one record;
    ids uuid[];
BEGIN
    FOR one IN
        SELECT c.user_id,
               CASE WHEN cap = 0 THEN room ELSE cap - (
                   SELECT count(*) FROM scriptorium.queue q
                   WHERE q.user_id = c.user_id AND q.state = 1
                     AND q.fence >= scriptorium.last('scriptorium.running_floor')
               ) END AS free
        FROM scriptorium.capped c
    LOOP
        CONTINUE WHEN one.free <= 0;
        SELECT array_agg(d.job_id) INTO ids FROM (
            SELECT q.job_id FROM scriptorium.queue q
            WHERE q.user_id = one.user_id AND q.state <> 1 AND q.state = 3
            ORDER BY q.priority DESC, q.tag LIMIT one.free FOR UPDATE SKIP LOCKED
        ) d;
        IF ids IS NULL THEN
            DELETE FROM scriptorium.capped WHERE user_id = one.user_id
                AND NOT EXISTS (SELECT FROM scriptorium.queue q
                                WHERE q.user_id = one.user_id AND q.state <> 1 AND q.state = 3);
        ELSE
            UPDATE scriptorium.queue
            SET state = 0, tag = greatest(tag, scriptorium.floor(priority))
            WHERE job_id = ANY (ids);
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.last(seq regclass) RETURNS bigint
LANGUAGE sql VOLATILE AS 'SELECT coalesce(pg_catalog.pg_sequence_last_value($1), 0)';

-- Due jobs from the front, ranked: inside a priority by how many jobs the user runs or has before
-- this one in the window, then by tag. `floors` says for each priority where to begin to read.
CREATE OR REPLACE FUNCTION scriptorium.look(
    room integer, cap integer, width integer, floors bigint[],
    OUT seen integer, OUT picked uuid[], OUT over_cap uuid[], OUT over_users uuid[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    ids uuid[];
    users uuid[];
    priorities integer[];
BEGIN
    SELECT count(*), array_agg(d.job_id), array_agg(d.user_id), array_agg(d.priority)
    INTO seen, ids, users, priorities
    FROM (
        SELECT w.job_id, w.user_id, p AS priority
        FROM generate_series(10, 1, -1) AS p
        CROSS JOIN LATERAL (
            SELECT q.job_id, q.user_id FROM scriptorium.queue q
            WHERE q.state = 0 AND q.priority = p AND q.tag >= floors[p]
            ORDER BY q.tag LIMIT width
        ) w
        LIMIT width
    ) d;
    IF seen < 2 THEN -- as most of the time: nothing to rank
        IF cap = 0 OR cap > (
                SELECT count(*) FROM scriptorium.queue q
                WHERE q.user_id = users[1] AND q.state = 1
                  AND q.fence >= scriptorium.last('scriptorium.running_floor')) THEN
            picked := ids;
        END IF;
        RETURN;
    END IF;
    WITH counted AS (
        SELECT n.*, CASE WHEN n.nth = 1 THEN (
                   SELECT count(*) FROM scriptorium.queue q
                   WHERE q.user_id = n.user_id AND q.state = 1
                     AND q.fence >= scriptorium.last('scriptorium.running_floor')
               ) END AS running
        FROM (SELECT due.*, row_number() OVER (PARTITION BY user_id ORDER BY place) AS nth
              FROM unnest(ids, users, priorities) WITH ORDINALITY
                  AS due (job_id, user_id, priority, place)) n
    ), ranked AS (
        SELECT counted.*, nth - 1 + max(running) OVER (PARTITION BY user_id) AS rank FROM counted
    ), turned AS (
        SELECT ranked.*, cap > 0 AND rank >= cap AS over,
               row_number() OVER (ORDER BY cap > 0 AND rank >= cap, priority DESC, rank, place) AS turn
        FROM ranked
    )
    SELECT array_agg(job_id ORDER BY turn) FILTER (WHERE NOT over AND turn <= room),
           array_agg(job_id) FILTER (WHERE over), array_agg(DISTINCT user_id) FILTER (WHERE over)
    INTO picked, over_cap, over_users FROM turned;
END $$;

-- Where the next claims begin to read. What lies below was claimed, but under an old snapshot
-- somewhere its dead rows would be walked again and again. Behind by 200 ms, for those who insert
-- now and commit a moment later; a sweep, once a second or as seldom as sweep_again() says, reads from the
-- very front.
CREATE OR REPLACE FUNCTION scriptorium.raise_floors(sweep boolean) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    front bigint;
    start bigint;
BEGIN
    FOR p IN 1..10 LOOP
        start := CASE WHEN sweep THEN 0 ELSE scriptorium.next_floor(p) END;
        SELECT q.tag INTO front FROM scriptorium.queue q
        WHERE q.state = 0 AND q.priority = p AND q.tag >= start ORDER BY q.tag LIMIT 1;
        -- New jobs come in right behind the virtual time, even where older ones lie further on.
        front := least(front, scriptorium.vt(p));
        PERFORM setval(format('scriptorium.floor_%s', p),
                       least(front, scriptorium.next_floor(p)))
        WHERE scriptorium.floor(p) <> least(front, scriptorium.next_floor(p));
        PERFORM setval(format('scriptorium.next_%s', p), front)
        WHERE scriptorium.next_floor(p) <> front;
    END LOOP;
    IF sweep THEN
        PERFORM setval('scriptorium.running_floor', coalesce(
            (SELECT min(q.fence) FROM scriptorium.queue q WHERE q.state = 1),
            scriptorium.last('scriptorium.fence')));
    END IF;
END $$;

-- A sweep walks over all dead rows that an old snapshot somewhere keeps: the longer it takes the longer it
-- rests, up to three seconds. Only what was inserted long before it was committed waits for it.
CREATE OR REPLACE FUNCTION scriptorium.sweep_again(now_us bigint, took interval) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM setval('scriptorium.sweep_due',
                   now_us + greatest(1000000, least(3000000, (extract(epoch FROM took) * 50000000)::bigint)));
END $$;

-- Fences the picked jobs, the queue row first. Returns one row per job taken; who is locked by a
-- client, or not pending any more, is not among them. IS NOT DISTINCT FROM fits no index: the jobs are
-- looked up by their key, even by a plan made while the table was empty and all indexes seemed as good.
CREATE OR REPLACE FUNCTION scriptorium.take(by uuid, picked uuid[], now timestamptz)
RETURNS TABLE (id uuid, user_id uuid, workflow_id uuid, fence bigint, run integer,
               attempts integer, crashes integer, max_retries integer, priority integer,
               created_us bigint, waited_us bigint, params text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    ids uuid[];
    mine record;
BEGIN
    SELECT array_agg(l.id) INTO ids FROM (
        SELECT j.id FROM {{jobs}} j WHERE j.id = ANY (picked) AND j.status IS NOT DISTINCT FROM 'pending'
        FOR NO KEY UPDATE SKIP LOCKED
    ) l;
    IF ids IS NULL THEN
        RETURN;
    END IF;
    WITH taken AS (
        UPDATE scriptorium.queue q
        SET state = 1, fence = nextval('scriptorium.fence'), worker = by, claimed_at = now,
            version = coalesce(q.version, (SELECT w.version FROM scriptorium.worker w
                                           WHERE w.id = by))
        WHERE q.job_id = ANY (ids) AND q.state IS NOT DISTINCT FROM 0
        RETURNING q.job_id, q.tag, q.fence, q.run_at, q.attempts, q.crashes, q.priority
    ), times AS (
        SELECT setval('scriptorium.vt_' || t.priority, t.tag)
        FROM (SELECT m.priority, max(m.tag) AS tag FROM taken m GROUP BY m.priority) t
        WHERE t.tag > scriptorium.vt(t.priority)
    )
    SELECT array_agg(m.job_id) AS ids, array_agg(m.fence) AS fences, array_agg(m.run_at) AS run_at,
           array_agg(m.attempts) AS attempts, array_agg(m.crashes) AS crashes,
           array_agg(m.priority) AS priorities
    INTO mine FROM taken m WHERE (SELECT count(*) FROM times) >= 0;
    IF mine.ids IS NULL THEN
        RETURN;
    END IF;
    PERFORM scriptorium.rows_started(mine.ids, mine.attempts, now);
    RETURN QUERY
    SELECT j.id, j.user_id, j.workflow_id, m.fence,
           coalesce((SELECT x.run FROM scriptorium.run x WHERE x.job_id = m.id), 1),
           m.attempts, m.crashes, coalesce(j.max_retries, 3)::integer, m.priority::integer,
           scriptorium.us(j.created_at),
           greatest(0, scriptorium.us(now) - scriptorium.us(m.run_at)), j.generation_params::text
    FROM unnest(mine.ids, mine.fences, mine.run_at, mine.attempts, mine.crashes, mine.priorities)
        AS m (id, fence, run_at, attempts, crashes, priority),
        unnest(picked) WITH ORDINALITY AS p (id, turn), {{jobs}} j
    WHERE j.id = ANY (mine.ids) AND j.id = m.id AND p.id = m.id ORDER BY p.turn;
END $$;

-- What was picked and could not be taken. A row that a client has locked goes behind, so that it
-- does not pile up in front. A queue row whose job is not pending is an orphan, left by a client that
-- wrote with triggers off or from an old snapshot: it goes away, unless row security may just
-- hide the job from us, or it is another table's.
CREATE OR REPLACE FUNCTION scriptorium.leave(ids uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_variable
DECLARE
    left_ids uuid[];
    orphans uuid[];
BEGIN
    SELECT array_agg(l.job_id) INTO left_ids FROM (
        SELECT q.job_id FROM scriptorium.queue q
        WHERE q.job_id = ANY (ids) AND q.state IS NOT DISTINCT FROM 0
        FOR UPDATE SKIP LOCKED) l;
    IF left_ids IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(i.id) INTO orphans
    FROM unnest(left_ids) AS i (id) LEFT JOIN {{jobs}} j ON j.id = i.id
    WHERE CASE WHEN j.id IS NULL THEN NOT row_security_active($n${{jobs}}$n$::regclass)
                                      AND scriptorium.strays() IS NULL
               ELSE j.status IS NULL OR j.status <> 'pending' END;
    DELETE FROM scriptorium.queue WHERE job_id = ANY (orphans);
    UPDATE scriptorium.queue SET tag = greatest(tag, scriptorium.vt(priority)) + 1000000
    WHERE job_id = ANY (left_ids) AND job_id <> ALL (coalesce(orphans, '{}'));
END $$;

-- Jobs that cannot be started now step back: a rule of the users' refuses them, or a trigger waits for
-- what a client holds. The others go on.
CREATE OR REPLACE FUNCTION scriptorium.put_off(ids uuid[], until timestamptz) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
BEGIN
    UPDATE scriptorium.queue SET state = 2, run_at = until
    WHERE job_id IN (SELECT q.job_id FROM scriptorium.queue q
                     WHERE q.job_id = ANY (ids) AND q.state IS NOT DISTINCT FROM 0
                     FOR UPDATE SKIP LOCKED);
END $$;

-- The same as take(), for each job by itself, after it failed for all. Of a user whose job finds something
-- locked no other is tried; after a while none is: each wait for a lock holds up all other claims.
CREATE OR REPLACE FUNCTION scriptorium.take_each(by uuid, picked uuid[], now timestamptz)
RETURNS TABLE (id uuid, user_id uuid, workflow_id uuid, fence bigint, run integer,
               attempts integer, crashes integer, max_retries integer, priority integer,
               created_us bigint, waited_us bigint, params text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
DECLARE
    began timestamptz := clock_timestamp();
    one record;
    refused uuid[];
    busy uuid[];
    busy_users uuid[] := '{}';
BEGIN
    FOR one IN
        SELECT i.id, (SELECT q.user_id FROM scriptorium.queue q WHERE q.job_id = i.id) AS user_id
        FROM unnest(picked) WITH ORDINALITY AS i (id, n) ORDER BY i.n
    LOOP
        EXIT WHEN scriptorium.is_too_long(began);
        IF one.user_id = ANY (busy_users) THEN
            busy := busy || one.id;
            CONTINUE;
        END IF;
        BEGIN
            RETURN QUERY SELECT t.* FROM scriptorium.take(by, ARRAY[one.id], now) t;
        EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN
            IF scriptorium.is_ours(SQLSTATE) THEN
                RAISE;
            ELSIF scriptorium.is_busy(SQLSTATE) THEN
                busy := busy || one.id;
                busy_users := busy_users || one.user_id;
                CONTINUE;
            END IF;
            RAISE WARNING 'job % cannot be started: %', one.id, SQLERRM;
            refused := refused || one.id;
            PERFORM scriptorium.log_add(
                ARRAY[scriptorium.us(now)], ARRAY[one.id], NULL, ARRAY['error'], ARRAY['refused'],
                ARRAY['a rule of the table does not let the job start: tried again in a minute'],
                ARRAY[SQLERRM], NULL, 4611686018427387904);
        END;
    END LOOP;
    PERFORM scriptorium.put_off(refused, now + '1 minute'::interval);
    PERFORM scriptorium.put_off(busy, now + '2 seconds'::interval);
END $$;

-- A claim of an earlier epoch than the worker's was sent down a connection that broke, and comes after
-- the worker has asked what its lost claims got: it takes nothing.
CREATE OR REPLACE FUNCTION scriptorium.claim(by uuid, room integer, cap integer,
                                             epoch bigint DEFAULT 0)
RETURNS TABLE (id uuid, user_id uuid, workflow_id uuid, fence bigint, run integer,
               attempts integer, crashes integer, max_retries integer, priority integer,
               created_us bigint, waited_us bigint, params text, next_due_us bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz;
    now_us bigint;
    swept_us bigint; -- a variable: at() is inlined
    sweep boolean;
    floors bigint[];
    seen record;
    width integer := greatest(64, room * 3);
    tries integer := 0;
    taken bigint;
    since timestamptz;
    again boolean := false;
    began timestamptz;
    looked interval;
BEGIN
    IF NOT EXISTS (SELECT FROM scriptorium.worker w WHERE w.id = by) THEN
        RAISE EXCEPTION 'the worker''s lease is gone' USING ERRCODE = 'SCL01';
    END IF;
    IF scriptorium.is_on('paused') THEN
        RETURN QUERY SELECT NULL::uuid, NULL::uuid, NULL::uuid, NULL::bigint, NULL::integer,
            NULL::integer, NULL::integer, NULL::integer, NULL::integer,
            scriptorium.us(scriptorium.clock()), NULL::bigint, NULL::text, -1::bigint;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(6002718399);
    IF claim.epoch < (SELECT w.epoch FROM scriptorium.worker w WHERE w.id = by) THEN
        RAISE EXCEPTION 'this claim comes too late' USING ERRCODE = 'SCI01';
    END IF;
    began := clock_timestamp();
    now := scriptorium.clock();
    now_us := scriptorium.us(now);
    swept_us := scriptorium.last('scriptorium.swept_at');
    since := coalesce(scriptorium.at(swept_us - 1000000), '-infinity');
    sweep := now_us >= scriptorium.last('scriptorium.sweep_due')
        OR now_us < swept_us; -- the clock was put back
    IF sweep OR EXISTS (SELECT FROM scriptorium.queue q
                        WHERE q.state = 2 AND q.run_at <= now AND q.run_at > since) THEN
        PERFORM scriptorium.promote(now, CASE WHEN sweep THEN '-infinity' ELSE since END);
    END IF;
    IF EXISTS (SELECT FROM scriptorium.capped) THEN
        PERFORM scriptorium.uncap(cap, room);
    END IF;
    SELECT array_agg(CASE WHEN sweep THEN 0 ELSE scriptorium.floor(p) END ORDER BY p) INTO floors
    FROM generate_series(1, 10) AS p;
    LOOP
        tries := tries + 1;
        seen := scriptorium.look(room, cap, width, floors);
        EXIT WHEN seen.seen < width OR coalesce(cardinality(seen.picked), 0) >= room
            OR seen.over_cap IS NULL OR tries > 16;
        -- Users at their cap fill the window: their jobs step aside until they have room.
        UPDATE scriptorium.queue SET state = 3 WHERE job_id IN (
            SELECT q.job_id FROM scriptorium.queue q
            WHERE q.job_id = ANY (seen.over_cap) FOR UPDATE SKIP LOCKED);
        INSERT INTO scriptorium.capped (user_id) SELECT unnest(seen.over_users)
        ON CONFLICT DO NOTHING;
        width := greatest(width, 1024);
    END LOOP;
    looked := clock_timestamp() - began;
    IF seen.picked IS NOT NULL THEN
        BEGIN
            RETURN QUERY SELECT t.*, NULL::bigint FROM scriptorium.take(by, seen.picked, now) t;
            GET DIAGNOSTICS taken = ROW_COUNT;
        EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN
            IF scriptorium.is_ours(SQLSTATE) THEN
                RAISE;
            END IF;
            again := true;
        END;
        IF again THEN
            RETURN QUERY SELECT t.*, NULL::bigint FROM scriptorium.take_each(by, seen.picked, now) t;
        ELSIF taken < cardinality(seen.picked) THEN
            PERFORM scriptorium.leave(seen.picked);
        END IF;
    END IF;
    began := clock_timestamp();
    IF sweep OR now_us - scriptorium.last('scriptorium.rotated_at') NOT BETWEEN 0 AND 199999 THEN
        PERFORM scriptorium.raise_floors(sweep);
        PERFORM setval('scriptorium.rotated_at', now_us);
    END IF;
    IF sweep THEN
        PERFORM setval('scriptorium.swept_at', now_us);
        PERFORM scriptorium.sweep_again(now_us, looked + (clock_timestamp() - began));
    END IF;
    RETURN QUERY SELECT NULL::uuid, NULL::uuid, NULL::uuid, NULL::bigint, NULL::integer,
        NULL::integer, NULL::integer, NULL::integer, NULL::integer, now_us, NULL::bigint, NULL::text,
        coalesce(scriptorium.us((
            SELECT q.run_at FROM scriptorium.queue q WHERE q.state = 2 AND q.run_at > since
            ORDER BY q.run_at LIMIT 1)), 0);
END $$;

-- What claims got whose answer was lost: the worker's jobs with a later fence than it knows of. From
-- now on only claims of the new epoch take anything.
CREATE OR REPLACE FUNCTION scriptorium.claim_again(by uuid, after_fence bigint, new_epoch bigint)
RETURNS TABLE (id uuid, user_id uuid, workflow_id uuid, fence bigint, run integer,
               attempts integer, crashes integer, max_retries integer, priority integer,
               created_us bigint, waited_us bigint, params text, next_due_us bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM pg_advisory_xact_lock(6002718399);
    UPDATE scriptorium.worker w SET epoch = greatest(w.epoch, new_epoch) WHERE w.id = by;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the worker''s lease is gone' USING ERRCODE = 'SCL01';
    END IF;
    RETURN QUERY
    SELECT q.job_id, j.user_id, j.workflow_id, q.fence,
           coalesce((SELECT x.run FROM scriptorium.run x WHERE x.job_id = q.job_id), 1),
           q.attempts, q.crashes, coalesce(j.max_retries, 3)::integer, q.priority::integer,
           coalesce(scriptorium.us(j.created_at), 0),
           greatest(0, scriptorium.us(q.claimed_at) - scriptorium.us(q.run_at)),
           j.generation_params::text, 0::bigint
    FROM scriptorium.queue q JOIN {{jobs}} j ON j.id = q.job_id
    WHERE q.state = 1 AND q.worker = by AND q.fence > after_fence ORDER BY q.fence;
    RETURN QUERY SELECT NULL::uuid, NULL::uuid, NULL::uuid, NULL::bigint, NULL::integer,
        NULL::integer, NULL::integer, NULL::integer, NULL::integer, NULL::bigint, NULL::bigint,
        NULL::text, 0::bigint;
END $$;
