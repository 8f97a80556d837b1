-- Questions about the whole -> counts, sums, settings.

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
    SELECT a.*, r.*, q.*, c.* FROM (
        SELECT coalesce(sum(n) FILTER (WHERE status = 'pending'), 0)::bigint,
               coalesce(sum(n) FILTER (WHERE status = 'processing'), 0)::bigint,
               coalesce(sum(n) FILTER (WHERE status = 'completed'), 0)::bigint,
               coalesce(sum(n) FILTER (WHERE status = 'failed'), 0)::bigint,
               coalesce(sum(n) FILTER (WHERE status = 'cancelled'), 0)::bigint
        FROM (SELECT j.status::text AS status, count(*) AS n FROM {{jobs}} j GROUP BY 1) g
    ) a, (
        SELECT count(*) FILTER (WHERE j.status::text = 'pending'),
               count(*) FILTER (WHERE j.status::text = 'processing'),
               count(*) FILTER (WHERE j.status::text = 'completed'),
               count(*) FILTER (WHERE j.status::text = 'failed'),
               count(*) FILTER (WHERE j.status::text = 'cancelled'),
               coalesce(avg(j.processing_time_seconds) FILTER (WHERE j.status::text = 'pending'), -1)::float8,
               coalesce(avg(j.processing_time_seconds) FILTER (WHERE j.status::text = 'processing'), -1)::float8,
               coalesce(avg(j.processing_time_seconds) FILTER (WHERE j.status::text = 'completed'), -1)::float8,
               coalesce(avg(j.processing_time_seconds) FILTER (WHERE j.status::text = 'failed'), -1)::float8,
               coalesce(avg(j.processing_time_seconds) FILTER (WHERE j.status::text = 'cancelled'), -1)::float8
        FROM {{jobs}} j WHERE j.created_at >= scriptorium.clock() - '1 hour'::interval
    ) r, (
        SELECT count(*) FILTER (WHERE o.due), count(*) FILTER (WHERE o.state = 2 AND NOT o.due),
               count(*) FILTER (WHERE o.state = 1),
               (SELECT count(*) FROM scriptorium.foreign_job),
               coalesce(min(scriptorium.us(o.run_at)) FILTER (WHERE o.due), 0)
        FROM (SELECT q.state, q.run_at, q.state IN (0, 3) OR (q.state = 2 AND q.run_at <= t.now) AS due
              FROM scriptorium.queue q, (SELECT scriptorium.clock() AS now) t) o
    ) q, (
        SELECT coalesce(sum(c.input), 0)::bigint, coalesce(sum(c.output), 0)::bigint,
               coalesce(sum(c.cache_read), 0)::bigint, coalesce(sum(c.cache_write_5m), 0)::bigint,
               coalesce(sum(c.cache_write_1h), 0)::bigint, count(*),
               count(*) FILTER (WHERE c.state = 2), coalesce(sum(c.cost), 0)::bigint
        FROM scriptorium.call c
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
