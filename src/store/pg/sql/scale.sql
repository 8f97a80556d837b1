-- How many workers, each with how many jobs at a time -> settings, and where schedules drive the workers
-- the schedules: rewritten, remembered, put back. cron.job may be pg_cron's own, which is written through
-- its functions only, or ours. As the owner of these functions, who owns the schedules or our table.

-- The number of a worker's schedule; 0: the single one; null: none of these.
CREATE OR REPLACE FUNCTION scriptorium.scale_number(name text) RETURNS integer LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN name = 'process-script-generation-jobs' THEN 0
        ELSE substring(name from '^process-script-jobs-worker-([1-9][0-9]{0,5})$')::integer END
$$;

CREATE OR REPLACE FUNCTION scriptorium.scale_name(number integer) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE number WHEN 0 THEN 'process-script-generation-jobs'
        ELSE 'process-script-jobs-worker-' || number END
$$;

-- 'worker-1' -> 'worker-3'
CREATE OR REPLACE FUNCTION scriptorium.scale_label(label text, number integer) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN label ~ '[0-9]$' THEN regexp_replace(label, '[0-9]+$', number::text)
        WHEN coalesce(label, '') = '' THEN 'worker-' || number ELSE label || '-' || number END
$$;

-- The users' command, to the letter, but for the worker id; one without an id gets one.
CREATE OR REPLACE FUNCTION scriptorium.scale_command(command text, number integer, of_job text)
RETURNS text LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found text[] := regexp_match(command,
        '^(.*?[''"]x-worker-id[''"]\s*[,:]\s*[''"])([^''"]*)([''"].*)$', 'i');
BEGIN
    IF found IS NOT NULL THEN
        RETURN found[1] || scriptorium.scale_label(found[2], number) || found[3];
    END IF;
    found := regexp_match(command, '^(.*?\mheaders\s*(?::=|=>)\s*jsonb?_build_object\s*\()(.*)$', 'i');
    IF found IS NOT NULL THEN
        RETURN found[1] || format('''x-worker-id'', ''worker-%s'', ', number) || found[2];
    END IF;
    found := regexp_match(command, '^(.*?\mheaders\s*(?::=|=>)\s*''\s*\{)(\s*".*)$', 'i');
    IF found IS NOT NULL THEN
        RETURN found[1] || format('"x-worker-id": "worker-%s", ', number) || found[2];
    END IF;
    RAISE EXCEPTION 'the command of schedule % names no x-worker-id and has no headers to put one in: '
        'its copies would all be one worker; add ''x-worker-id'', ''worker-1'' to its headers', of_job
        USING ERRCODE = 'SCI01';
END $$;

-- ---- cron.job ----

-- Of one user: who owns these functions, or has the oldest of them. A name is anybody's to use.
CREATE OR REPLACE FUNCTION scriptorium.scale_cron_jobs()
RETURNS TABLE (number integer, job_id bigint, name text, expr text, body text, db text, who text,
               is_active boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT scriptorium.cron_seen() THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT scriptorium.scale_number(j.jobname::text), j.jobid, j.jobname::text,
        j.schedule, j.command, j.database, j.username, j.active
    FROM cron.job j
    WHERE scriptorium.scale_number(j.jobname::text) IS NOT NULL AND j.database = current_database()
      AND j.username = (
        SELECT o.username FROM cron.job o
        WHERE scriptorium.scale_number(o.jobname::text) IS NOT NULL AND o.database = current_database()
        ORDER BY o.username <> current_user, o.jobid LIMIT 1)
    ORDER BY 1;
END $$;

-- Our own table, which its owner writes for whom a row of it names already. pg_cron lets superusers alone
-- do that.
CREATE OR REPLACE FUNCTION scriptorium.scale_cron_owned() RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(scriptorium.surface_kind('cron') = 'ours', false)
       AND (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = to_regclass('cron.job'))
$$;

CREATE OR REPLACE FUNCTION scriptorium.scale_cron_check(who text) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF who <> current_user AND NOT scriptorium.scale_cron_owned()
       AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION 'the schedules of the workers belong to %, and % may not change them: '
            'let a superuser or % run scriptorium migrate once, or change cron.job by hand',
            who, current_user, who USING ERRCODE = 'SCI01';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale_cron_put(
    name text, expr text, body text, db text, who text, is_active boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id bigint;
BEGIN
    PERFORM scriptorium.scale_cron_check(who);
    IF scriptorium.scale_cron_owned() THEN
        INSERT INTO cron.job (jobname, schedule, command, database, username, active)
        VALUES (name, expr, body, db, who, is_active)
        ON CONFLICT ON CONSTRAINT jobname_username_uniq
        DO UPDATE SET schedule = EXCLUDED.schedule, command = EXCLUDED.command,
                      database = EXCLUDED.database, active = EXCLUDED.active;
        RETURN;
    ELSIF who <> current_user THEN
        PERFORM cron.schedule_in_database(name, expr, body, db, who, is_active);
        RETURN;
    END IF;
    id := cron.schedule(name, expr, body);
    IF NOT is_active THEN
        PERFORM cron.alter_job(id, active := false);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale_cron_drop(job_id bigint, who text)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM scriptorium.scale_cron_check(who);
    PERFORM cron.unschedule(job_id);
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale_cron(workers integer) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base record;
    old record;
    has integer[] := ARRAY(SELECT number FROM scriptorium.scale_cron_jobs());
BEGIN
    SELECT * INTO base FROM scriptorium.scale_cron_jobs() ORDER BY number = 0, number LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR n IN least(workers - 1, 1)..(workers - (workers = 1)::integer) LOOP
        CONTINUE WHEN n = ANY (has);
        PERFORM scriptorium.scale_cron_put(scriptorium.scale_name(n), base.expr,
            CASE n WHEN 0 THEN base.body ELSE scriptorium.scale_command(base.body, n, base.name) END,
            base.db, base.who, base.is_active);
    END LOOP;
    FOR old IN SELECT * FROM scriptorium.scale_cron_jobs() LOOP
        IF (CASE workers WHEN 1 THEN old.number > 0 ELSE old.number NOT BETWEEN 1 AND workers END) THEN
            PERFORM scriptorium.scale_cron_drop(old.job_id, old.who);
        END IF;
    END LOOP;
END $$;

-- Only what these two have seen in cron.job themselves is ever written there again: a command runs as
-- its user, who may be anybody, and the engine's role calls them.
CREATE OR REPLACE FUNCTION scriptorium.scale_cron_remember(of_change bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO scriptorium.scale_cron_was (n, schedules)
    VALUES (of_change,
            coalesce((SELECT jsonb_agg(j) FROM scriptorium.scale_cron_jobs() j), '[]'));
END $$;

-- As it was: rows that have changed or gone are written again, others stay untouched.
DROP FUNCTION IF EXISTS scriptorium.scale_cron_restore(jsonb);
CREATE OR REPLACE FUNCTION scriptorium.scale_cron_restore(of_change bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was jsonb := (SELECT w.schedules FROM scriptorium.scale_cron_was w WHERE w.n = of_change);
    one record;
BEGIN
    IF was IS NULL OR NOT scriptorium.cron_seen() THEN
        RETURN;
    END IF;
    FOR one IN SELECT * FROM scriptorium.scale_cron_jobs() j
        WHERE j.who IN (SELECT w.who FROM jsonb_to_recordset(was) AS w (who text))
          AND NOT EXISTS (SELECT FROM jsonb_to_recordset(was) AS w (name text, who text)
                          WHERE w.name = j.name AND w.who = j.who)
    LOOP
        PERFORM scriptorium.scale_cron_drop(one.job_id, one.who);
    END LOOP;
    FOR one IN SELECT w.* FROM jsonb_to_recordset(was)
            AS w (name text, expr text, body text, db text, who text, is_active boolean)
        WHERE NOT EXISTS (
            SELECT FROM scriptorium.scale_cron_jobs() j
            WHERE (j.name, j.expr, j.body, j.who, j.is_active)
                = (w.name, w.expr, w.body, w.who, w.is_active))
    LOOP
        PERFORM scriptorium.scale_cron_put(one.name, one.expr, one.body, one.db, one.who,
                                           one.is_active);
    END LOOP;
END $$;

-- ---- our own schedules ----

CREATE OR REPLACE FUNCTION scriptorium.scale_own_jobs()
RETURNS TABLE (number integer, id bigint, name text, expr text, label text, missed integer,
               missed_max integer, is_active boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT scriptorium.scale_number(s.name), s.id, s.name, s.expr, s.label,
        s.missed::integer, s.missed_max, s.active
    FROM scriptorium.schedule s
    WHERE scriptorium.scale_number(s.name) IS NOT NULL
    ORDER BY 1;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale_own_put(
    new_name text, new_expr text, new_label text, new_missed integer, new_max integer,
    is_active boolean)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
BEGIN
    INSERT INTO scriptorium.schedule AS s (name, expr, label, missed, missed_max, active, created_at,
                                           changed_at)
    VALUES (new_name, new_expr, new_label, new_missed, new_max, is_active, now, now)
    ON CONFLICT (name) DO UPDATE SET expr = EXCLUDED.expr, label = EXCLUDED.label,
        missed = EXCLUDED.missed, missed_max = EXCLUDED.missed_max, active = EXCLUDED.active,
        rev = s.rev + 1, due_at = '-infinity', changed_at = now;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale_own(workers integer) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base record;
    has integer[] := ARRAY(SELECT number FROM scriptorium.scale_own_jobs());
BEGIN
    SELECT * INTO base FROM scriptorium.scale_own_jobs() ORDER BY number = 0, number LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR n IN least(workers - 1, 1)..(workers - (workers = 1)::integer) LOOP
        CONTINUE WHEN n = ANY (has);
        PERFORM scriptorium.scale_own_put(scriptorium.scale_name(n), base.expr,
            CASE n WHEN 0 THEN base.label ELSE scriptorium.scale_label(base.label, n) END,
            base.missed, base.missed_max, base.is_active);
    END LOOP;
    DELETE FROM scriptorium.schedule WHERE id IN (
        SELECT o.id FROM scriptorium.scale_own_jobs() o
        WHERE CASE workers WHEN 1 THEN o.number > 0 ELSE o.number NOT BETWEEN 1 AND workers END);
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale_own_restore(was jsonb) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM scriptorium.schedule WHERE id IN (
        SELECT o.id FROM scriptorium.scale_own_jobs() o WHERE NOT EXISTS (
            SELECT FROM jsonb_to_recordset(was) AS w (name text) WHERE w.name = o.name));
    PERFORM scriptorium.scale_own_put(w.name, w.expr, w.label, w.missed, w.missed_max, w.is_active)
    FROM jsonb_to_recordset(was) AS w (name text, expr text, label text, missed integer,
                                       missed_max integer, is_active boolean)
    WHERE NOT EXISTS (
        SELECT FROM scriptorium.scale_own_jobs() o
        WHERE (o.name, o.expr, o.missed, o.missed_max, o.is_active)
            = (w.name, w.expr, w.missed, w.missed_max, w.is_active)
          AND o.label IS NOT DISTINCT FROM w.label);
END $$;

-- ---- the whole ----

-- of_worker: whose place among the live workers is wanted, or null. counted: with due and running.
CREATE OR REPLACE FUNCTION scriptorium.scale_get(of_worker uuid, counted boolean)
RETURNS TABLE (workers integer, concurrency integer, can_undo boolean, schedules integer,
               processes integer, place integer, due bigint, running bigint, paused boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz := scriptorium.clock();
BEGIN
    SELECT max(s.value::integer) FILTER (WHERE s.key = 'workers'),
           max(s.value::integer) FILTER (WHERE s.key = 'concurrent_limit') INTO workers, concurrency
    FROM scriptorium.setting s
    WHERE s.key IN ('workers', 'concurrent_limit') AND s.value ~ '^[1-9][0-9]{0,5}$';
    SELECT count(*), coalesce(max(l.place) FILTER (WHERE l.id = of_worker), 0) INTO processes, place
    FROM (SELECT w.id, row_number() OVER (ORDER BY w.id) AS place FROM scriptorium.worker w
          WHERE w.expires >= now) l;
    can_undo := EXISTS (SELECT FROM scriptorium.scale_change);
    paused := scriptorium.is_on('paused');
    workers := coalesce(workers, 0);
    concurrency := coalesce(concurrency, 0);
    schedules := 0;
    IF counted THEN
        SELECT count(*) FILTER (WHERE q.state IN (0, 3) OR (q.state = 2 AND q.run_at <= now)),
               count(*) FILTER (WHERE q.state = 1) INTO due, running FROM scriptorium.queue q;
        schedules := (SELECT count(*) FROM scriptorium.scale_cron_jobs() j WHERE j.is_active)
                   + (SELECT count(*) FROM scriptorium.scale_own_jobs() o WHERE o.is_active);
    END IF;
    RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale_remember() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    change bigint;
BEGIN
    INSERT INTO scriptorium.scale_change (at, workers, concurrency, schedules)
    VALUES (scriptorium.clock(), scriptorium.setting_get('workers'),
            scriptorium.setting_get('concurrent_limit'),
            jsonb_build_object('own', coalesce(
                (SELECT jsonb_agg(o) FROM scriptorium.scale_own_jobs() o), '[]')))
    RETURNING n INTO change;
    PERFORM scriptorium.scale_cron_remember(change);
    DELETE FROM scriptorium.scale_change WHERE n <= change - 100;
END $$;

-- 0 = as it is; what was never set is taken from the schedules, or from the fallback.
CREATE OR REPLACE FUNCTION scriptorium.scale_set(new_workers integer, new_concurrency integer,
                                                 fallback integer)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now_is record;
    w integer;
    c integer;
BEGIN
    PERFORM scriptorium.change_begin();
    SELECT * INTO now_is FROM scriptorium.scale_get(NULL, true);
    w := coalesce(nullif(new_workers, 0), nullif(now_is.workers, 0), nullif(now_is.schedules, 0), 1);
    c := coalesce(nullif(new_concurrency, 0), nullif(now_is.concurrency, 0), fallback);
    PERFORM scriptorium.scale_remember();
    PERFORM scriptorium.scale_cron(w);
    PERFORM scriptorium.scale_own(w);
    PERFORM scriptorium.setting_set('workers', w::text);
    PERFORM scriptorium.setting_set('concurrent_limit', c::text);
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale_undo() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was record;
BEGIN
    PERFORM scriptorium.change_begin();
    SELECT * INTO was FROM scriptorium.scale_change c ORDER BY c.n DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is nothing to undo: scale has changed nothing yet'
            USING ERRCODE = 'SCI01';
    END IF;
    PERFORM scriptorium.scale_cron_restore(was.n);
    DELETE FROM scriptorium.scale_change c WHERE c.n = was.n;
    PERFORM scriptorium.scale_own_restore(was.schedules -> 'own');
    PERFORM scriptorium.setting_set('workers', was.workers);
    PERFORM scriptorium.setting_set('concurrent_limit', was.concurrency);
END $$;

CREATE OR REPLACE FUNCTION scriptorium.scale(new_workers integer, new_concurrency integer,
                                             fallback integer, undo boolean)
RETURNS TABLE (workers integer, concurrency integer, can_undo boolean, schedules integer,
               processes integer, place integer, due bigint, running bigint, paused boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
    BEGIN
        IF undo THEN
            PERFORM scriptorium.scale_undo();
        ELSE
            PERFORM scriptorium.scale_set(new_workers, new_concurrency, fallback);
        END IF;
    EXCEPTION WHEN lock_not_available THEN
        PERFORM scriptorium.change_refuse(ARRAY['cron.job', 'scriptorium.schedule',
                                                'scriptorium.setting', 'scriptorium.scale_change']);
    END;
    RETURN QUERY SELECT * FROM scriptorium.scale_get(NULL, true);
END $$;
