-- Changes of how the whole is run (scale, deploy, rollback): one at a time, and none waits long for
-- somebody's open transaction.

-- Who holds what was waited for: sessions with that advisory lock, or with more than a look at one of
-- these tables. Which of their rows was meant the server does not tell.
CREATE OR REPLACE FUNCTION scriptorium.change_refuse(tables text[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    oids oid[] := ARRAY(SELECT to_regclass(t)::oid FROM unnest(tables) AS t);
    holders text := (
        SELECT string_agg(h.name, ', ') FROM (
            SELECT DISTINCT format('session %s of role %s (%s)', a.pid, a.usename,
                                   coalesce(nullif(a.application_name, ''), 'no name')) AS name
            FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.granted AND l.pid <> pg_backend_pid() AND a.usename IS NOT NULL
              AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
              AND (l.relation = ANY (oids) AND l.mode <> 'AccessShareLock'
                   OR l.locktype = 'advisory' AND (l.classid, l.objid, l.objsubid) = (1, 1707751105, 1))
            LIMIT 3) h);
BEGIN
    RAISE EXCEPTION 'nothing has changed: waited two seconds for a lock held by %; end that transaction, '
        'or try again later', coalesce(holders, 'a transaction that has ended meanwhile')
        USING ERRCODE = 'SCB01';
END $$;

CREATE OR REPLACE FUNCTION scriptorium.change_begin() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(6002718401);
EXCEPTION WHEN lock_not_available THEN
    PERFORM scriptorium.change_refuse('{}');
END $$;
