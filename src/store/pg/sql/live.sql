-- Ends of runs, as they come -> which jobs run, wait, and have ended lately: what somebody who looks at all
-- jobs asks each second. From our own tables, whose size does not grow with the history.

CREATE OR REPLACE FUNCTION scriptorium.keep_ended(ids uuid[], users uuid[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO scriptorium.ended (ended_at, job_id, user_id)
    SELECT scriptorium.clock(), i.id, i.u FROM unnest(ids, users) AS i (id, u);
END $$;

-- The oldest row says whether there is anything to do: this runs each second in each process.
CREATE OR REPLACE FUNCTION scriptorium.drop_ended(now timestamptz) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
    till timestamptz := now - '1 hour'::interval;
BEGIN
    IF (SELECT e.ended_at FROM scriptorium.ended e ORDER BY e.ended_at LIMIT 1) < till THEN
        DELETE FROM scriptorium.ended WHERE ctid = ANY (ARRAY(
            SELECT e.ctid FROM scriptorium.ended e WHERE e.ended_at < till
            ORDER BY e.ended_at LIMIT 100000));
    END IF;
END $$;

-- of_user null: everybody's. Status of those that run is 'processing', whoever runs them; of those that wait
-- 'pending'; ended_us is null for both. Of more that wait than asked for: those that are next, and those
-- that came last. Of a job that has ended and is in the table still: its state now, in the order of ends; after:
-- behind that job of those that ended at since_us. since_us 0: none.
CREATE OR REPLACE FUNCTION scriptorium.live(
    of_user uuid, since_us bigint, most_running integer, most_waiting integer, most_ended integer,
    after uuid DEFAULT NULL)
RETURNS TABLE (id uuid, status text, ended_us bigint) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_custom_plan SET enable_seqscan = off
SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_variable
DECLARE
    half integer := (most_waiting + 1) / 2;
    waiting bigint;
BEGIN
    RETURN QUERY
    SELECT r.job_id, 'processing', NULL::bigint FROM (
        (SELECT q.job_id FROM scriptorium.queue q
         WHERE q.state = 1 AND (of_user IS NULL OR q.user_id = of_user)
         ORDER BY q.fence DESC LIMIT most_running)
        UNION ALL
        SELECT f.job_id FROM scriptorium.foreign_job f
        WHERE of_user IS NULL
           OR EXISTS (SELECT FROM {{jobs}} j WHERE j.id = f.job_id AND j.user_id = of_user)
    ) r LIMIT most_running;

    SELECT count(*) INTO waiting FROM (
        SELECT FROM scriptorium.queue q
        WHERE q.state <> 1 AND (of_user IS NULL OR q.user_id = of_user) LIMIT most_waiting + 1) w;
    IF waiting <= most_waiting THEN
        RETURN QUERY SELECT q.job_id, 'pending', NULL::bigint FROM scriptorium.queue q
        WHERE q.state <> 1 AND (of_user IS NULL OR q.user_id = of_user);
    ELSIF of_user IS NULL THEN
        RETURN QUERY SELECT u.job_id, 'pending', NULL::bigint FROM (
            (SELECT l.job_id FROM generate_series(10, 1, -1) p CROSS JOIN LATERAL (
                SELECT q.job_id FROM scriptorium.queue q WHERE q.state = 0 AND q.priority = p
                ORDER BY q.tag LIMIT half) l LIMIT half)
            UNION
            (SELECT l.job_id FROM generate_series(10, 1, -1) p CROSS JOIN LATERAL (
                SELECT q.job_id, q.run_at FROM scriptorium.queue q WHERE q.state = 0 AND q.priority = p
                ORDER BY q.tag DESC LIMIT half) l ORDER BY l.run_at DESC LIMIT half)) u;
    ELSE
        RETURN QUERY SELECT u.job_id, 'pending', NULL::bigint FROM (
            (SELECT l.job_id FROM generate_series(10, 1, -1) p CROSS JOIN LATERAL (
                SELECT q.job_id FROM scriptorium.queue q
                WHERE q.user_id = of_user AND q.state <> 1 AND q.priority = p
                ORDER BY q.tag LIMIT half) l LIMIT half)
            UNION
            (SELECT l.job_id FROM generate_series(10, 1, -1) p CROSS JOIN LATERAL (
                SELECT q.job_id, q.run_at FROM scriptorium.queue q
                WHERE q.user_id = of_user AND q.state <> 1 AND q.priority = p
                ORDER BY q.tag DESC LIMIT half) l ORDER BY l.run_at DESC LIMIT half)) u;
    END IF;

    RETURN QUERY
    SELECT e.job_id, j.status::text, scriptorium.us(e.ended_at)
    FROM scriptorium.ended e JOIN {{jobs}} j ON j.id = e.job_id
    WHERE e.ended_at >= scriptorium.at(since_us) AND (of_user IS NULL OR e.user_id = of_user)
      AND (after IS NULL OR (e.ended_at, e.job_id) > (scriptorium.at(since_us), after))
      AND j.status::text NOT IN ('pending', 'processing')
    ORDER BY e.ended_at, e.job_id LIMIT most_ended;
END $$;
