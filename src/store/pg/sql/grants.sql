-- Who may call what: nobody but the engine's role. Clients need no right on anything of ours; what
-- the triggers do they do as their owner.
DO $do$
DECLARE
    object text;
BEGIN
    FOR object IN SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = 'scriptorium'::regnamespace LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', object);
    END LOOP;
    FOR object IN SELECT c.oid::regclass FROM pg_class c
        WHERE c.relnamespace = 'scriptorium'::regnamespace AND c.relkind IN ('r', 'v')
          AND c.relname NOT IN ('migration', 'scale_cron_was') LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', object, {{engine_text}});
    END LOOP;
END $do$;
REVOKE ALL ON SCHEMA scriptorium FROM PUBLIC;
GRANT USAGE ON SCHEMA scriptorium TO {{engine}};
GRANT SELECT ON scriptorium.migration TO {{engine}};
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA scriptorium TO {{engine}};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA scriptorium TO {{engine}};
-- Writes anybody's schedule with the owner's rights: for the owner's functions, which know what.
DO $do$
BEGIN
    IF (SELECT proowner FROM pg_proc WHERE oid = 'scriptorium.scale_cron_put'::regproc)
       <> (SELECT oid FROM pg_roles WHERE rolname = {{engine_text}}) THEN
        REVOKE ALL ON FUNCTION scriptorium.scale_cron_put(text, text, text, text, text, boolean)
            FROM {{engine}};
    END IF;
END $do$;
