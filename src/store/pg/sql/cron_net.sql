-- Schemas cron and net are open names: whoever may create a schema can have made them. Out: whose they
-- are. Functions of ours that run as their owner touch nothing there before they have asked.

-- 'extension': of pg_cron or pg_net; 'ours': made by who asks, or by a superuser, who need no trick to
-- act for them; null: not there, or anybody's.
CREATE OR REPLACE FUNCTION scriptorium.surface_kind(part text) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT {{surface_kind}} $$;

-- May who asks read SQL schedules here?
CREATE OR REPLACE FUNCTION scriptorium.cron_seen() RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN scriptorium.surface_kind('cron') IS NOT NULL AND has_schema_privilege('cron', 'USAGE')
        AND to_regclass('cron.job') IS NOT NULL AND has_table_privilege('cron.job', 'SELECT');
END $$;

-- For the daemon: which of the two it serves.
CREATE OR REPLACE FUNCTION scriptorium.surfaces(OUT cron boolean, OUT net boolean) LANGUAGE sql STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(scriptorium.surface_kind('cron') = 'ours', false),
           coalesce(scriptorium.surface_kind('net') = 'ours', false)
$$;

-- Ours may be dropped, and somebody else's stand there, while a daemon works.
CREATE OR REPLACE FUNCTION scriptorium.surface_check(part text) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF scriptorium.surface_kind(part) IS DISTINCT FROM 'ours' THEN
        RAISE EXCEPTION 'the schema % is not ours any more', part USING ERRCODE = '3F000';
    END IF;
END $$;
