-- What doctor wants to know of this database: facts by name, nothing judged. store.h has the names.

-- Has a setting a value for every session, from the server's configuration? That of this session may
-- come from its database or role, whom the commands of others do not share.
CREATE OR REPLACE FUNCTION scriptorium.examine_setting_of_all(of_setting text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF has_table_privilege('pg_file_settings', 'SELECT')
       AND has_function_privilege('pg_show_all_file_settings()', 'EXECUTE')
       AND EXISTS (SELECT FROM pg_file_settings f
                   WHERE f.name = of_setting AND f.setting <> '' AND f.error IS NULL) THEN
        RETURN true;
    END IF;
    RETURN coalesce(current_setting(of_setting, true), '') <> '' AND NOT EXISTS (
        SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS c
        WHERE c LIKE of_setting || '=%'
          AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
          AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user)));
END $$;

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
    IF NOT scriptorium.cron_seen() THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT 'cron', CASE scriptorium.surface_kind('cron') WHEN 'extension' THEN 'pg_cron'
                                                                      ELSE 'scriptorium' END;
    RETURN QUERY EXECUTE format($q$
        SELECT n, v::text FROM (
            SELECT count(*) FILTER (WHERE j.active) AS cron_active,
                   count(*) FILTER (WHERE NOT j.active) AS cron_inactive,
                   count(*) FILTER (WHERE j.active AND position(%1$L IN j.command) > 0
                       AND NOT scriptorium.examine_setting_of_all(%1$L)
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

-- Of the server's limit, the database's and the role's the one that leaves the fewest connections; the
-- latter two do not hold for superusers.
CREATE OR REPLACE FUNCTION scriptorium.examine_connections()
RETURNS TABLE (name text, value text) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.n, f.v FROM (
        SELECT l.whose, l.used, l.most FROM (
            SELECT 'the server' AS whose, (SELECT sum(d.numbackends) FROM pg_stat_database d) AS used,
                   current_setting('max_connections')::integer
                   - current_setting('superuser_reserved_connections')::integer
                   - coalesce(current_setting('reserved_connections', true)::integer, 0) AS most
            UNION ALL
            SELECT 'the database ' || d.datname, s.numbackends, d.datconnlimit
            FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid
            JOIN pg_roles r ON r.rolname = session_user AND NOT r.rolsuper
            WHERE d.datname = current_database() AND d.datconnlimit >= 0
            UNION ALL
            SELECT 'the role ' || r.rolname,
                   (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid), r.rolconnlimit
            FROM pg_roles r
            WHERE r.rolname = session_user AND r.rolconnlimit >= 0 AND NOT r.rolsuper) l
        ORDER BY l.most - l.used LIMIT 1) tightest,
    LATERAL (VALUES ('connections_of', tightest.whose), ('connections_used', tightest.used::text),
                    ('connections_max', tightest.most::text)) AS f (n, v)
$$;

-- Queued jobs whose rows we see and may not change, as the policies for UPDATE have it: at most a
-- thousand of the first ten thousand. What a policy compares is put into the query as the server
-- itself puts it into the engine's.
CREATE OR REPLACE FUNCTION scriptorium.examine_locked() RETURNS bigint LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    jobs CONSTANT oid := (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                          WHERE n.nspname = {{schema_text}} AND c.relname = 'script_generation_jobs');
    passes text;
    n bigint;
BEGIN
    IF NOT row_security_active(jobs) THEN
        RETURN 0;
    END IF;
    SELECT coalesce('(' || string_agg(p.qual, ' OR ') FILTER (WHERE p.polpermissive) || ')', 'false')
           || coalesce(' AND ' || string_agg(p.qual, ' AND ') FILTER (WHERE NOT p.polpermissive), '')
    INTO passes
    FROM (SELECT o.polpermissive,
                 '(' || coalesce(pg_get_expr(o.polqual, o.polrelid), 'true') || ')' AS qual
          FROM pg_policy o
          WHERE o.polrelid = jobs AND o.polcmd IN ('w', '*')
            AND EXISTS (SELECT FROM unnest(o.polroles) AS r
                        WHERE r = 0 OR pg_has_role(current_user, r, 'USAGE'))) p;
    EXECUTE format($q$SELECT count(*) FROM (SELECT FROM %s WHERE id IN (
        SELECT q.job_id FROM scriptorium.queue q LIMIT 10000) AND (%s) IS NOT TRUE LIMIT 1000) h$q$,
        $n${{jobs}}$n$, passes) INTO n;
    RETURN n;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.examine()
RETURNS TABLE (name text, value text) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz := scriptorium.clock();
    late CONSTANT interval := '10 minutes';
BEGIN
    RETURN QUERY SELECT 'now_us', scriptorium.us(now)::text;
    RETURN QUERY SELECT 'server', 'PostgreSQL ' || current_setting('server_version');
    RETURN QUERY SELECT c.name, c.value FROM scriptorium.examine_connections() c;
    RETURN QUERY SELECT 'connections_ours', count(*)::text FROM pg_stat_activity a
        WHERE a.application_name LIKE 'scriptorium%';
    RETURN QUERY SELECT 'database_bytes', pg_database_size(current_database())::text;
    IF pg_has_role(session_user, 'pg_read_all_settings', 'USAGE') THEN
        RETURN QUERY SELECT 'data_directory', current_setting('data_directory')
            WHERE inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8'
                  OR inet_server_addr() = '::1';
    END IF;
    RETURN QUERY SELECT 'transaction_us', (extract(epoch FROM max(now - a.xact_start)) * 1000000)::bigint::text
        FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
        HAVING max(a.xact_start) IS NOT NULL;

    -- The users' table: what keeps the queue in step, and what we see of it.
    RETURN QUERY SELECT 'triggers_off', string_agg(w.name, ', ' ORDER BY w.name) FROM unnest(ARRAY[
            'scriptorium_insert', 'scriptorium_update', 'scriptorium_delete', 'scriptorium_truncate',
            'scriptorium_id', 'scriptorium_completed', 'scriptorium_tally_insert',
            'scriptorium_tally_update', 'scriptorium_tally_delete', 'scriptorium_tally_truncate'])
            AS w (name)
        WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = (
                              SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                              WHERE n.nspname = {{schema_text}} AND c.relname = 'script_generation_jobs')
                          AND t.tgname = w.name AND t.tgenabled IN ('O', 'A'))
        HAVING count(*) > 0;
    RETURN QUERY SELECT 'unlisted_jobs', c.reltuples::bigint::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = {{schema_text}} AND c.relname = 'script_generation_jobs'
          AND c.reltuples >= 100000 AND NOT EXISTS (
              SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'created_at'
              WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
                AND i.indkey[0] = a.attnum);
    RETURN QUERY SELECT 'stray_tables', scriptorium.strays() WHERE scriptorium.strays() IS NOT NULL;
    RETURN QUERY SELECT 'rights_lacking', string_agg(p, ', ')
        FROM unnest('{INSERT,DELETE}'::text[]) p
        WHERE NOT has_table_privilege($n${{jobs}}$n$::regclass, p) HAVING count(*) > 0;
    RETURN QUERY SELECT 'hidden_jobs', (scriptorium.examine_locked() + count(*))::text FROM (
        SELECT FROM scriptorium.queue q WHERE row_security_active($n${{jobs}}$n$::regclass)
          AND NOT EXISTS (SELECT FROM {{jobs}} j WHERE j.id = q.job_id)
        LIMIT 1000) h;
    RETURN QUERY SELECT 'unqueued_jobs', count(*)::text FROM (
        SELECT FROM {{jobs}} j WHERE j.status = 'pending'
          AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)
        LIMIT 1000) h;
    RETURN QUERY SELECT 'foreign_since_us', scriptorium.us(min(f.since))::text
        FROM scriptorium.foreign_job f HAVING count(*) > 0;
    RETURN QUERY SELECT 'foreign_at_us', nullif(scriptorium.last('scriptorium.foreign_at'), 0)::text;

    RETURN QUERY SELECT s.name, s.value FROM (
        SELECT count(*) AS n, min(j.id::text) AS id FROM scriptorium.queue q JOIN {{jobs}} j ON j.id = q.job_id
        WHERE q.state = 1 AND q.claimed_at < now - late AND j.updated_at < now - late) stuck,
        LATERAL (VALUES ('stuck_jobs', stuck.n::text), ('stuck_job', stuck.id)) AS s (name, value);
    RETURN QUERY SELECT 'leases_expired', count(*)::text FROM scriptorium.worker w
        WHERE w.expires < now - w.lease;
    RETURN QUERY SELECT c.name, c.value FROM scriptorium.examine_cron() c;
    RETURN QUERY SELECT c.name, c.value FROM scriptorium.examine_calls() c;
END $$;
