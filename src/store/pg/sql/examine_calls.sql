-- Whether the calls that schedules in SQL make get through: who would call, since when each schedule
-- waits for its next firing, what became of the requests. Facts for doctor, as in examine.sql; as the
-- one who migrated, for row security hides the rows from the engine.

-- A worker's schedule has a worker's name, or calls the function.
CREATE OR REPLACE FUNCTION scriptorium.is_worker_schedule(name text, command text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN scriptorium.scale_number(name) IS NOT NULL
        OR coalesce(position('/process-script-jobs' IN command) > 0, false);
END $$;

-- Of each active schedule, unless it runs just now: its text and the time after which it was to fire
-- next. pg_cron knows no such time before the first run, and reads hours in a zone of its own.
CREATE OR REPLACE FUNCTION scriptorium.examine_firings()
RETURNS TABLE (name text, value text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ours CONSTANT boolean := scriptorium.surface_kind('cron') = 'ours';
    zone CONSTANT text := nullif(current_setting('cron.timezone', true), '');
BEGIN
    RETURN QUERY EXECUTE CASE WHEN ours THEN $q$
        SELECT 'cron_firing', json_build_object('name', coalesce(j.jobname, j.jobid::text),
                                                'schedule', j.schedule, 'since_us', s.since)::text
        FROM cron.job j JOIN cron.scriptorium_state s ON s.jobid = j.jobid
        WHERE j.active AND NOT EXISTS (SELECT FROM cron.scriptorium_run r
                                       WHERE r.jobid = j.jobid AND r.held_until > clock_timestamp())
        ORDER BY scriptorium.is_worker_schedule(j.jobname::text, j.command) DESC, j.jobid LIMIT 200$q$
    WHEN current_setting('cron.log_run', true) IS DISTINCT FROM 'off' THEN $q$
        SELECT 'cron_firing', json_build_object('name', coalesce(j.jobname, j.jobid::text),
            'schedule', CASE WHEN $1 = 'GMT' THEN '' ELSE coalesce('CRON_TZ=' || $1 || ' ', '') END
                        || j.schedule,
            'since_us', scriptorium.us(d.start_time))::text
        FROM cron.job j
        CROSS JOIN LATERAL (SELECT r.start_time, r.end_time FROM cron.job_run_details r
                            WHERE r.jobid = j.jobid AND r.start_time IS NOT NULL
                            ORDER BY r.runid DESC LIMIT 1) d
        WHERE j.active AND d.end_time IS NOT NULL
        ORDER BY scriptorium.is_worker_schedule(j.jobname::text, j.command) DESC, j.jobid LIMIT 200$q$
    ELSE 'SELECT NULL::text, NULL::text WHERE false' END USING zone;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.examine_answers()
RETURNS TABLE (name text, value text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF scriptorium.surface_kind('net') IS NULL OR NOT has_schema_privilege('net', 'USAGE')
       OR to_regclass('net._http_response') IS NULL
       OR NOT has_table_privilege('net._http_response', 'SELECT') THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE $q$
        WITH answer AS (
            SELECT a.id, a.created, a.status_code, a.error_msg,
                   (a.status_code >= 400 OR a.error_msg IS NOT NULL) IS TRUE AS failed
            FROM net._http_response a WHERE a.created > scriptorium.clock() - '1 hour'::interval)
        SELECT f.n, f.v FROM (
            SELECT count(*) FILTER (WHERE a.failed) AS failed, scriptorium.us(max(a.created)
                   FILTER (WHERE a.failed)) AS failed_us,
                   scriptorium.us(max(a.created) FILTER (WHERE NOT a.failed)) AS good_us
            FROM answer a) s,
        LATERAL (VALUES ('answers_failed_hour', s.failed::text),
                        ('answer_failed_us', s.failed_us::text),
                        ('answer_good_us', s.good_us::text),
                        ('answer_failure',
                         (SELECT coalesce(a.error_msg, 'status ' || a.status_code) FROM answer a
                          WHERE a.failed ORDER BY a.created DESC, a.id DESC LIMIT 1))) AS f (n, v)
        WHERE f.v IS NOT NULL$q$;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.examine_calls()
RETURNS TABLE (name text, value text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF scriptorium.cron_seen() THEN
        RETURN QUERY EXECUTE $q$
            SELECT f.n, f.v::text FROM (
                SELECT count(*) FILTER (WHERE j.active) AS active,
                       count(*) FILTER (WHERE NOT j.active) AS inactive
                FROM cron.job j
                WHERE j.database = current_database()
                  AND scriptorium.is_worker_schedule(j.jobname::text, j.command)) s,
            LATERAL (VALUES ('cron_workers_active', s.active),
                            ('cron_workers_inactive', s.inactive)) AS f (n, v)$q$;
        RETURN QUERY SELECT f.name, f.value FROM scriptorium.examine_firings() f;
    END IF;
    RETURN QUERY SELECT a.name, a.value FROM scriptorium.examine_answers() a;
END $$;
