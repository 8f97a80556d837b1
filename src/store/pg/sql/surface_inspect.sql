-- What of the SQL surface is there, and what --with-cron would do about it. Reads only; lives in the
-- session's temporary schema. part: cron or net. kind: install (line: what), update (ours is there
-- already), keep (the real extension is there), refuse.
CREATE OR REPLACE FUNCTION pg_temp.scriptorium_surface(wanted boolean)
RETURNS TABLE (part text, kind text, line text) LANGUAGE plpgsql AS $$
DECLARE
    p record;
    whose text;
    preloaded text := '';
BEGIN
    FOR p IN VALUES ('cron', 'pg_cron',
                     'CREATE SCHEMA cron with cron.job, cron.job_run_details, cron.schedule(), '
                     'cron.schedule_in_database(), cron.alter_job(), cron.unschedule()'),
                    ('net', 'pg_net',
                     'CREATE SCHEMA net with net.http_post(), net.http_get(), net.http_delete(), '
                     'net._http_response') LOOP
        part := p.column1;
        whose := {{surface_kind}};
        IF whose = 'extension' THEN
            CONTINUE WHEN NOT wanted;
            kind := 'keep';
            line := format('%s is installed here: it is used as it is, schema %s is left untouched',
                           p.column2, p.column1);
        ELSIF whose = 'ours' THEN
            kind := 'update';
            line := '';
        ELSIF NOT wanted THEN
            CONTINUE;
        ELSIF EXISTS (SELECT FROM pg_namespace WHERE nspname = p.column1) THEN
            kind := 'refuse';
            line := format('there is a schema %I that is neither %s''s nor ours: rename or drop it, '
                           'or migrate without --with-cron', p.column1, p.column2);
        ELSIF NOT has_database_privilege(current_database(), 'CREATE') THEN
            kind := 'refuse';
            line := format('no right to create the schema %I: as the owner of the database, '
                           'GRANT CREATE ON DATABASE %I TO %I', p.column1, current_database(),
                           current_user);
        ELSE
            kind := 'install';
            line := p.column3;
            IF p.column1 = 'cron' THEN
                BEGIN -- where pg_cron is loaded only superusers may read it
                    preloaded := coalesce(current_setting('cron.database_name', true), '');
                EXCEPTION WHEN insufficient_privilege THEN
                    preloaded := '';
                END;
                IF preloaded NOT IN ('', current_database()) THEN
                    line := line || format(' -- the server''s pg_cron works in the database %I, not here',
                                           preloaded);
                END IF;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$
