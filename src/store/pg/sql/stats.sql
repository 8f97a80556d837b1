-- Questions about the whole -> counts, sums, settings.

-- Rows whose sums are the counts: kept by triggers, or counted out as long as nobody could (tally.sql).
CREATE OR REPLACE FUNCTION scriptorium.job_sums()
RETURNS TABLE (status text, minute timestamptz, jobs bigint, timed bigint, seconds numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF scriptorium.is_on('tally.counted') THEN
        RETURN QUERY SELECT t.* FROM scriptorium.job_tally t;
    ELSE
        RETURN QUERY SELECT t.* FROM scriptorium.jobs_counted() t;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.call_sums()
RETURNS TABLE (calls bigint, estimated bigint, input bigint, output bigint, cache_read bigint,
               cache_write_5m bigint, cache_write_1h bigint, cost bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF scriptorium.is_on('tally.counted') THEN
        RETURN QUERY SELECT t.* FROM scriptorium.call_tally t;
    ELSE
        RETURN QUERY SELECT t.* FROM scriptorium.calls_counted() t;
    END IF;
END $$;

-- recent_: created in the last hour, to the minute.

CREATE OR REPLACE FUNCTION scriptorium.stats()
RETURNS TABLE (pending bigint, processing bigint, completed bigint, failed bigint,
               cancelled bigint, recent_pending bigint, recent_processing bigint,
               recent_completed bigint, recent_failed bigint, recent_cancelled bigint,
               seconds_pending double precision, seconds_processing double precision,
               seconds_completed double precision, seconds_failed double precision,
               seconds_cancelled double precision, due bigint, delayed bigint, running bigint,
               foreign_jobs bigint, oldest_due_us bigint, input bigint, output bigint,
               cache_read bigint, cache_write_5m bigint, cache_write_1h bigint, calls bigint,
               calls_estimated bigint, cost bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH sums AS MATERIALIZED (
        SELECT s.status, sum(s.jobs)::bigint AS jobs,
               coalesce(sum(s.jobs) FILTER (WHERE s.minute >= t.since), 0)::bigint AS recent,
               coalesce(sum(s.seconds) FILTER (WHERE s.minute >= t.since)
                        / nullif(sum(s.timed) FILTER (WHERE s.minute >= t.since), 0), -1)::float8
                   AS seconds
        FROM scriptorium.job_sums() s,
             (SELECT date_trunc('minute', scriptorium.clock() - '1 hour'::interval) AS since) t
        GROUP BY s.status
    )
    SELECT j.*, q.*, c.* FROM (
        SELECT coalesce(max(jobs) FILTER (WHERE status = 'pending'), 0),
               coalesce(max(jobs) FILTER (WHERE status = 'processing'), 0),
               coalesce(max(jobs) FILTER (WHERE status = 'completed'), 0),
               coalesce(max(jobs) FILTER (WHERE status = 'failed'), 0),
               coalesce(max(jobs) FILTER (WHERE status = 'cancelled'), 0),
               coalesce(max(recent) FILTER (WHERE status = 'pending'), 0),
               coalesce(max(recent) FILTER (WHERE status = 'processing'), 0),
               coalesce(max(recent) FILTER (WHERE status = 'completed'), 0),
               coalesce(max(recent) FILTER (WHERE status = 'failed'), 0),
               coalesce(max(recent) FILTER (WHERE status = 'cancelled'), 0),
               coalesce(max(seconds) FILTER (WHERE status = 'pending'), -1),
               coalesce(max(seconds) FILTER (WHERE status = 'processing'), -1),
               coalesce(max(seconds) FILTER (WHERE status = 'completed'), -1),
               coalesce(max(seconds) FILTER (WHERE status = 'failed'), -1),
               coalesce(max(seconds) FILTER (WHERE status = 'cancelled'), -1)
        FROM sums
    ) j, (
        SELECT count(*) FILTER (WHERE o.due), count(*) FILTER (WHERE o.state = 2 AND NOT o.due),
               count(*) FILTER (WHERE o.state = 1),
               (SELECT count(*) FROM scriptorium.foreign_job),
               coalesce(min(scriptorium.us(o.run_at)) FILTER (WHERE o.due), 0)
        FROM (SELECT q.state, q.run_at, q.state IN (0, 3) OR (q.state = 2 AND q.run_at <= t.now) AS due
              FROM scriptorium.queue q, (SELECT scriptorium.clock() AS now) t) o
    ) q, (
        SELECT coalesce(sum(c.input), 0)::bigint, coalesce(sum(c.output), 0)::bigint,
               coalesce(sum(c.cache_read), 0)::bigint, coalesce(sum(c.cache_write_5m), 0)::bigint,
               coalesce(sum(c.cache_write_1h), 0)::bigint, coalesce(sum(c.calls), 0)::bigint,
               coalesce(sum(c.estimated), 0)::bigint, coalesce(sum(c.cost), 0)::bigint
        FROM scriptorium.call_sums() c
    ) c
$$;

CREATE OR REPLACE FUNCTION scriptorium.workers()
RETURNS TABLE (id uuid, name text, held_since_us bigint, expires_us bigint, running bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.id, w.name, scriptorium.us(w.held_since), scriptorium.us(w.expires),
           coalesce(r.n, 0)::bigint
    FROM scriptorium.worker w LEFT JOIN (
        SELECT q.worker, count(*) AS n FROM scriptorium.queue q WHERE q.state = 1 GROUP BY q.worker
    ) r ON r.worker = w.id
    ORDER BY w.held_since, w.id LIMIT 1000
$$;

CREATE OR REPLACE FUNCTION scriptorium.setting_set(of_key text, new_value text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF new_value IS NULL THEN
        DELETE FROM scriptorium.setting WHERE key = of_key;
    ELSE
        INSERT INTO scriptorium.setting VALUES (of_key, new_value)
        ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value;
    END IF;
    PERFORM scriptorium.wake('due');
END $$;

CREATE OR REPLACE FUNCTION scriptorium.setting_get(of_key text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS 'SELECT value FROM scriptorium.setting WHERE key = of_key';
