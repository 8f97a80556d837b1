-- Rows of the users' table and of the ledger as they come and go -> tallies that know how many there are.
-- A statement that changes a count adds a row that says by how much, and so waits for nobody; their sum is
-- the count, exact in every snapshot. Now and then they are put together.

-- Of a job created so long ago the minute does not matter: "recent" is an hour.
CREATE OR REPLACE FUNCTION scriptorium.tally_minute(created timestamptz, now timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS
$$SELECT CASE WHEN $1 OPERATOR(pg_catalog.>) ($2 OPERATOR(pg_catalog.-) '65 minutes'::interval)
 THEN pg_catalog.date_trunc('minute', $1) ELSE '-infinity'::timestamptz END$$;

-- The users' column may hold anything its type allows.
CREATE OR REPLACE FUNCTION scriptorium.tally_seconds(seconds double precision) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$SELECT CASE WHEN ($1 OPERATOR(pg_catalog.>=) 0) AND ($1 OPERATOR(pg_catalog.<=) 1e12) THEN $1::numeric END$$;

CREATE OR REPLACE FUNCTION scriptorium.tally_jobs() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz := scriptorium.clock();
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO scriptorium.job_tally
        SELECT coalesce(n.status::text, ''), scriptorium.tally_minute(n.created_at, now), count(*),
               count(scriptorium.tally_seconds(n.processing_time_seconds::float8)),
               coalesce(sum(scriptorium.tally_seconds(n.processing_time_seconds::float8)), 0)
        FROM new_rows n GROUP BY 1, 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO scriptorium.job_tally
        SELECT coalesce(o.status::text, ''), scriptorium.tally_minute(o.created_at, now), -count(*),
               -count(scriptorium.tally_seconds(o.processing_time_seconds::float8)),
               -coalesce(sum(scriptorium.tally_seconds(o.processing_time_seconds::float8)), 0)
        FROM old_rows o GROUP BY 1, 2;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO scriptorium.job_tally
        SELECT u.status, u.minute, sum(u.n), sum(u.n * (u.seconds IS NOT NULL)::integer),
               coalesce(sum(u.n * u.seconds), 0)
        FROM (
            SELECT coalesce(n.status::text, '') AS status, 1 AS n,
                   scriptorium.tally_minute(n.created_at, now) AS minute,
                   scriptorium.tally_seconds(n.processing_time_seconds::float8) AS seconds
            FROM new_rows n
            UNION ALL
            SELECT coalesce(o.status::text, ''), -1, scriptorium.tally_minute(o.created_at, now),
                   scriptorium.tally_seconds(o.processing_time_seconds::float8)
            FROM old_rows o) u
        GROUP BY 1, 2
        HAVING sum(u.n) <> 0 OR sum(u.n * (u.seconds IS NOT NULL)::integer) <> 0
            OR sum(u.n * u.seconds) <> 0;
    ELSE -- TRUNCATE: nobody else writes the table until we commit
        INSERT INTO scriptorium.job_tally
        SELECT t.status, t.minute, -sum(t.jobs), -sum(t.timed), -sum(t.seconds)
        FROM scriptorium.job_tally t GROUP BY 1, 2;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.tally_calls() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO scriptorium.call_tally
        SELECT count(*), count(*) FILTER (WHERE n.state = 2), sum(n.input), sum(n.output),
               sum(n.cache_read), sum(n.cache_write_5m), sum(n.cache_write_1h), sum(n.cost)
        FROM new_rows n HAVING count(*) > 0;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO scriptorium.call_tally
        SELECT -count(*), -count(*) FILTER (WHERE o.state = 2), -sum(o.input), -sum(o.output),
               -sum(o.cache_read), -sum(o.cache_write_5m), -sum(o.cache_write_1h), -sum(o.cost)
        FROM old_rows o HAVING count(*) > 0;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO scriptorium.call_tally
        SELECT u.* FROM (
            SELECT 0, sum(m.n * (m.state = 2)::integer) AS estimated, sum(m.n * m.input) AS input,
                   sum(m.n * m.output) AS output, sum(m.n * m.cache_read) AS cache_read,
                   sum(m.n * m.cache_write_5m) AS cache_write_5m,
                   sum(m.n * m.cache_write_1h) AS cache_write_1h, sum(m.n * m.cost) AS cost
            FROM (SELECT 1 AS n, w.* FROM new_rows w UNION ALL SELECT -1, w.* FROM old_rows w) m) u
        WHERE u.estimated <> 0 OR u.input <> 0 OR u.output <> 0 OR u.cache_read <> 0
           OR u.cache_write_5m <> 0 OR u.cache_write_1h <> 0 OR u.cost <> 0;
    ELSE
        INSERT INTO scriptorium.call_tally
        SELECT -sum(t.calls), -sum(t.estimated), -sum(t.input), -sum(t.output), -sum(t.cache_read),
               -sum(t.cache_write_5m), -sum(t.cache_write_1h), -sum(t.cost)
        FROM scriptorium.call_tally t HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END $$;

-- ---- put together ----

-- The sum stays the same: whoever reads meanwhile sees the rows as they were, or as they are. At most so many
-- at a time, as nobody may have come by for long.
CREATE OR REPLACE FUNCTION scriptorium.tally_fold() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
    enough CONSTANT integer := 1000;
    most CONSTANT integer := 100000;
BEGIN
    IF NOT pg_try_advisory_xact_lock(6002718403) THEN
        RETURN; -- another node is at it
    END IF;
    IF (SELECT count(*) FROM (SELECT FROM scriptorium.job_tally LIMIT enough) t) = enough THEN
        WITH gone AS (
            DELETE FROM scriptorium.job_tally
            WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM scriptorium.job_tally t LIMIT most))
            RETURNING *)
        INSERT INTO scriptorium.job_tally
        SELECT g.status, scriptorium.tally_minute(g.minute, now), sum(g.jobs), sum(g.timed),
               sum(g.seconds)
        FROM gone g GROUP BY 1, 2
        HAVING sum(g.jobs) <> 0 OR sum(g.timed) <> 0 OR sum(g.seconds) <> 0;
    END IF;
    IF (SELECT count(*) FROM (SELECT FROM scriptorium.call_tally LIMIT enough) t) = enough THEN
        WITH gone AS (
            DELETE FROM scriptorium.call_tally
            WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM scriptorium.call_tally t LIMIT most))
            RETURNING *)
        INSERT INTO scriptorium.call_tally
        SELECT sum(g.calls), sum(g.estimated), sum(g.input), sum(g.output), sum(g.cache_read),
               sum(g.cache_write_5m), sum(g.cache_write_1h), sum(g.cost)
        FROM gone g HAVING count(*) > 0;
    END IF;
END $$;

-- ---- counted out ----

CREATE OR REPLACE FUNCTION scriptorium.jobs_counted()
RETURNS TABLE (status text, minute timestamptz, jobs bigint, timed bigint, seconds numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz := scriptorium.clock();
BEGIN
    RETURN QUERY
    SELECT coalesce(j.status::text, ''), scriptorium.tally_minute(j.created_at, now), count(*),
           count(scriptorium.tally_seconds(j.processing_time_seconds::float8)),
           coalesce(sum(scriptorium.tally_seconds(j.processing_time_seconds::float8)), 0)
    FROM {{jobs}} j GROUP BY 1, 2;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.calls_counted()
RETURNS TABLE (calls bigint, estimated bigint, input bigint, output bigint, cache_read bigint,
               cache_write_5m bigint, cache_write_1h bigint, cost bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT count(*), count(*) FILTER (WHERE c.state = 2), coalesce(sum(c.input), 0)::bigint,
           coalesce(sum(c.output), 0)::bigint, coalesce(sum(c.cache_read), 0)::bigint,
           coalesce(sum(c.cache_write_5m), 0)::bigint, coalesce(sum(c.cache_write_1h), 0)::bigint,
           coalesce(sum(c.cost), 0)::bigint
    FROM scriptorium.call c;
END $$;

-- What the tallies lack, or have too much: at first all that was there before their triggers, later what was
-- written while those were off. Counting and sum see the same snapshot, and every write after it adds
-- its own row, so that nobody has to wait meanwhile. Where row security hides rows from whoever migrates
-- it is left: stats() goes on counting.
CREATE OR REPLACE FUNCTION scriptorium.tally_recount() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF row_security_active($n${{jobs}}$n$::regclass) THEN
        RETURN;
    END IF;
    LOCK TABLE {{jobs}} IN ACCESS SHARE MODE; -- a TRUNCATE comes before the snapshot, or after us
    INSERT INTO scriptorium.job_tally
    SELECT u.status, u.minute, sum(u.jobs), sum(u.timed), sum(u.seconds)
    FROM (SELECT * FROM scriptorium.jobs_counted()
          UNION ALL
          SELECT t.status, t.minute, -t.jobs, -t.timed, -t.seconds FROM scriptorium.job_tally t) u
    GROUP BY 1, 2 HAVING sum(u.jobs) <> 0 OR sum(u.timed) <> 0 OR sum(u.seconds) <> 0;
    INSERT INTO scriptorium.call_tally
    SELECT sum(u.calls), sum(u.estimated), sum(u.input), sum(u.output), sum(u.cache_read),
           sum(u.cache_write_5m), sum(u.cache_write_1h), sum(u.cost)
    FROM (SELECT * FROM scriptorium.calls_counted()
          UNION ALL
          SELECT -t.calls, -t.estimated, -t.input, -t.output, -t.cache_read, -t.cache_write_5m,
                 -t.cache_write_1h, -t.cost FROM scriptorium.call_tally t) u;
    IF NOT scriptorium.is_on('tally.counted') THEN
        INSERT INTO scriptorium.ended (ended_at, job_id, user_id)
        SELECT greatest(j.completed_at, j.updated_at, j.created_at), j.id,
               coalesce(j.user_id, '00000000-0000-0000-0000-000000000000')
        FROM {{jobs}} j
        WHERE j.status::text NOT IN ('pending', 'processing')
          AND greatest(j.completed_at, j.updated_at, j.created_at)
              BETWEEN scriptorium.clock() - '1 hour'::interval AND scriptorium.clock();
        INSERT INTO scriptorium.setting VALUES ('tally.counted', 'on') ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- Creating the first one waits for whoever writes the table: from then on no write is missed.
DO $do$
DECLARE
    want record;
BEGIN
    FOR want IN SELECT * FROM (VALUES
        ('scriptorium.call', 'scriptorium_tally_insert', 'INSERT', 'REFERENCING NEW TABLE AS new_rows',
         'calls'),
        ('scriptorium.call', 'scriptorium_tally_update', 'UPDATE',
         'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows', 'calls'),
        ('scriptorium.call', 'scriptorium_tally_delete', 'DELETE', 'REFERENCING OLD TABLE AS old_rows',
         'calls'),
        ('scriptorium.call', 'scriptorium_tally_truncate', 'TRUNCATE', '', 'calls')
    ) AS t (of_table, name, event, tables, what)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = want.of_table::regclass
                       AND tgname = want.name) THEN
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT '
                           'EXECUTE FUNCTION scriptorium.tally_%s()', want.name, want.event,
                           want.of_table, want.tables, want.what);
        END IF;
    END LOOP;
END $do$;
