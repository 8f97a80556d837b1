-- What doctor wants to know of this database: facts by name, nothing judged. store.h has the names.

-- The SQL schedules, the extension's or ours; as the one who migrated, for row security hides them from
-- the engine. The schema may not be there: looked up as it runs. A key is null when a command reads a
-- setting that neither the database nor the command's user has.
CREATE OR REPLACE FUNCTION scriptorium.examine_cron()
RETURNS TABLE (name text, value text) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    setting CONSTANT text := 'app.settings.service_role_key';
BEGIN
    IF to_regclass('cron.job') IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT 'cron', CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')
                                     THEN 'pg_cron' ELSE 'scriptorium' END;
    RETURN QUERY EXECUTE format($q$
        SELECT n, v::text FROM (
            SELECT count(*) FILTER (WHERE j.active) AS cron_active,
                   count(*) FILTER (WHERE NOT j.active) AS cron_inactive,
                   count(*) FILTER (WHERE j.active AND position(%1$L IN j.command) > 0
                       AND coalesce(current_setting(%1$L, true), '') = ''
                       AND NOT EXISTS (
                           SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS c
                           WHERE c LIKE %1$L || '=_%%'
                             AND s.setdatabase IN (0, (SELECT oid FROM pg_database
                                                       WHERE datname = j.database))
                             AND s.setrole IN (0, (SELECT oid FROM pg_roles
                                                   WHERE rolname = j.username)))) AS cron_null_keys
            FROM cron.job j) f,
        LATERAL (VALUES ('cron_active', cron_active), ('cron_inactive', cron_inactive),
                        ('cron_null_keys', cron_null_keys)) AS t (n, v)$q$, setting);
    RETURN QUERY EXECUTE $q$
        SELECT 'cron_last_run_us', scriptorium.us(max(d.start_time))::text FROM cron.job_run_details d
        WHERE d.start_time IS NOT NULL HAVING max(d.start_time) IS NOT NULL
        UNION ALL
        SELECT 'cron_failed_hour', count(*)::text FROM cron.job_run_details d
        WHERE d.status = 'failed' AND d.start_time > now() - '1 hour'::interval
        UNION ALL
        SELECT 'cron_failing', count(*)::text FROM (
            SELECT DISTINCT ON (d.jobid) d.status FROM cron.job_run_details d
            JOIN cron.job j ON j.jobid = d.jobid AND j.active
            WHERE d.status IN ('succeeded', 'failed') AND d.start_time > now() - '1 hour'::interval
            ORDER BY d.jobid, d.runid DESC) newest
        WHERE newest.status = 'failed'
        UNION ALL
        (SELECT 'cron_failure', d.return_message FROM cron.job_run_details d
         WHERE d.status = 'failed' AND d.start_time > now() - '1 hour'::interval
         ORDER BY d.start_time DESC LIMIT 1)$q$;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.examine()
RETURNS TABLE (name text, value text) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
    late CONSTANT interval := '10 minutes';
BEGIN
    RETURN QUERY SELECT 'now_us', scriptorium.us(now)::text;
    RETURN QUERY SELECT 'server', 'PostgreSQL ' || current_setting('server_version');
    RETURN QUERY SELECT 'connections_used', sum(d.numbackends)::text FROM pg_stat_database d;
    RETURN QUERY SELECT 'connections_max', (current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer)::text;
    RETURN QUERY SELECT 'connections_ours', count(*)::text FROM pg_stat_activity a
        WHERE a.application_name LIKE 'scriptorium%';
    RETURN QUERY SELECT 'transaction_us', (extract(epoch FROM max(now - a.xact_start)) * 1000000)::bigint::text
        FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
        HAVING max(a.xact_start) IS NOT NULL;

    -- The users' table: what keeps the queue in step, and what we see of it.
    RETURN QUERY SELECT 'triggers_off', string_agg(w.name, ', ' ORDER BY w.name) FROM unnest(ARRAY[
            'scriptorium_insert', 'scriptorium_update', 'scriptorium_delete', 'scriptorium_truncate',
            'scriptorium_id', 'scriptorium_completed']) AS w (name)
        WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = (
                              SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                              WHERE n.nspname = {{schema_text}} AND c.relname = 'script_generation_jobs')
                          AND t.tgname = w.name AND t.tgenabled IN ('O', 'A'))
        HAVING count(*) > 0;
    RETURN QUERY SELECT 'hidden_jobs', count(*)::text FROM (
        SELECT FROM scriptorium.queue q WHERE NOT EXISTS (SELECT FROM {{jobs}} j WHERE j.id = q.job_id)
        LIMIT 1000) h;
    RETURN QUERY SELECT 'unqueued_jobs', count(*)::text FROM (
        SELECT FROM {{jobs}} j WHERE j.status = 'pending'
          AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)
        LIMIT 1000) h;
    RETURN QUERY SELECT 'foreign_since_us', scriptorium.us(min(f.since))::text
        FROM scriptorium.foreign_job f HAVING count(*) > 0;

    RETURN QUERY SELECT s.name, s.value FROM (
        SELECT count(*) AS n, min(j.id::text) AS id FROM scriptorium.queue q JOIN {{jobs}} j ON j.id = q.job_id
        WHERE q.state = 1 AND q.claimed_at < now - late AND j.updated_at < now - late) stuck,
        LATERAL (VALUES ('stuck_jobs', stuck.n::text), ('stuck_job', stuck.id)) AS s (name, value);
    RETURN QUERY SELECT 'leases_expired', count(*)::text FROM scriptorium.worker w
        WHERE w.expires < now - w.lease;
    RETURN QUERY SELECT c.name, c.value FROM scriptorium.examine_cron() c;
END $$;
