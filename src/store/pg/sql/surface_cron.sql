-- Schedules in SQL, by the names, columns, errors and permissions of pg_cron. Clients write cron.job,
-- through the functions or by hand, as themselves: row security keeps each to their own rows, and a
-- trigger checks what they write. The daemon reads and answers through the functions in schema
-- scriptorium, which run as the owner. Files like this one may run again and again.
--
-- username is the column's default and no client may set it, so that nobody schedules for others.

CREATE SCHEMA IF NOT EXISTS cron;
CREATE SEQUENCE IF NOT EXISTS cron.jobid_seq;
CREATE SEQUENCE IF NOT EXISTS cron.runid_seq;

CREATE TABLE IF NOT EXISTS cron.job (
    jobid bigint PRIMARY KEY DEFAULT nextval('cron.jobid_seq'),
    schedule text NOT NULL,
    command text NOT NULL,
    nodename text NOT NULL DEFAULT 'localhost',
    nodeport integer NOT NULL DEFAULT coalesce(inet_server_port(), current_setting('port')::integer),
    database text NOT NULL DEFAULT current_database(),
    username text NOT NULL DEFAULT current_user,
    active boolean NOT NULL DEFAULT true,
    jobname name,
    CONSTRAINT jobname_username_uniq UNIQUE (jobname, username)
);

CREATE TABLE IF NOT EXISTS cron.job_run_details (
    jobid bigint,
    runid bigint PRIMARY KEY DEFAULT nextval('cron.runid_seq'),
    job_pid integer,
    database text,
    username text,
    command text,
    status text,
    return_message text,
    start_time timestamptz,
    end_time timestamptz
);

-- When a job is due; microseconds. next: 0 = nobody has computed it yet, the largest = never again.
-- A node takes a firing by moving since and next on from what it has read: once, whoever is first.
CREATE TABLE IF NOT EXISTS cron.scriptorium_state (
    jobid bigint PRIMARY KEY REFERENCES cron.job ON DELETE CASCADE,
    since bigint NOT NULL,
    next bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS scriptorium_state_next ON cron.scriptorium_state (next);
-- Why the latest daemon that tried could not read the schedule, since when that is told, and when the
-- next may try; null: nobody failed.
ALTER TABLE cron.scriptorium_state ADD COLUMN IF NOT EXISTS problem text,
    ADD COLUMN IF NOT EXISTS told_at bigint, ADD COLUMN IF NOT EXISTS retry_at bigint;

-- Runs under way; a node that lives moves held_until on. since: the job's, when it was taken. pid: of the
-- server process that runs it, from its beginning on. why: what is to be told when that has ended.
CREATE TABLE IF NOT EXISTS cron.scriptorium_run (
    runid bigint PRIMARY KEY,
    jobid bigint NOT NULL,
    held_until timestamptz NOT NULL
);
ALTER TABLE cron.scriptorium_run
    ADD COLUMN IF NOT EXISTS taken uuid, -- by which request of a node's
    ADD COLUMN IF NOT EXISTS username text, ADD COLUMN IF NOT EXISTS since bigint,
    ADD COLUMN IF NOT EXISTS pid integer, ADD COLUMN IF NOT EXISTS began timestamptz,
    ADD COLUMN IF NOT EXISTS why text;
CREATE INDEX IF NOT EXISTS scriptorium_run_job ON cron.scriptorium_run (jobid);

-- ---- what may stand in a schedule; src/text/cron.c has the same verdict ----

-- The values of a field: elements separated by commas, each *, N or N-M, the first and the last with
-- a step. Null: it is none.
CREATE OR REPLACE FUNCTION cron.scriptorium_field(field text, low integer, high integer, names text[])
RETURNS integer[] LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    element text;
    found text[];
    word text;
    ends integer[];
    step integer;
    all_values integer[] := '{}';
BEGIN
    FOREACH element IN ARRAY regexp_split_to_array(lower(field COLLATE "C"), ',') LOOP
        found := regexp_match(element, '^(?:(\*)|([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?)(?:/0*([1-9][0-9]*))?$');
        IF found IS NULL OR (found[4] IS NOT NULL AND found[1] IS NULL AND found[3] IS NULL) THEN
            RETURN NULL;
        END IF;
        step := CASE WHEN length(found[4]) < 4 THEN found[4]::integer ELSE 1000 END;
        step := CASE WHEN found[4] IS NULL THEN 1 ELSE step END;
        ends := CASE WHEN found[1] IS NOT NULL THEN ARRAY[low, high] ELSE '{}' END;
        FOREACH word IN ARRAY CASE WHEN found[1] IS NOT NULL THEN '{}'
                                   ELSE ARRAY[found[2], coalesce(found[3], found[2])] END LOOP
            ends := ends || CASE WHEN word ~ '^[a-z]' THEN array_position(names, word) - 1 + low
                                 WHEN length(ltrim(word, '0')) < 4 THEN word::integer END;
        END LOOP;
        IF ends[1] IS NULL OR ends[2] IS NULL OR ends[1] < low OR ends[2] > high OR ends[1] > ends[2] THEN
            RETURN NULL;
        END IF;
        all_values := all_values || ARRAY(SELECT generate_series(ends[1], ends[2], step));
    END LOOP;
    RETURN all_values;
END $$;

-- A name that the zone database has, in its spelling; no abbreviation and no offset. The server makes a
-- zone of any letters with a number after them: those, a few names, are looked up in the list of all,
-- which takes long.
CREATE OR REPLACE FUNCTION cron.scriptorium_is_zone(zone text)
RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC'
AS $$
BEGIN
    IF zone !~ '^[A-Za-z][A-Za-z0-9_/+-]*$' THEN
        RETURN false;
    ELSIF zone ~ '[0-9]' THEN
        RETURN EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = zone);
    END IF;
    PERFORM set_config('TimeZone', zone, true); -- until this returns
    RETURN current_setting('TimeZone') = zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END $$;

CREATE OR REPLACE FUNCTION cron.scriptorium_is_schedule(schedule text)
RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rest text := btrim(schedule, E' \t');
    zone text := substring(rest from '^CRON_TZ=([^ \t]*)[ \t]');
    f text[];
    days integer[];
    months integer[];
BEGIN
    IF schedule IS NULL OR octet_length(schedule) > 200 THEN
        RETURN false;
    END IF;
    IF zone IS NOT NULL THEN
        IF NOT cron.scriptorium_is_zone(zone) THEN
            RETURN false;
        END IF;
        rest := ltrim(substr(rest, length('CRON_TZ=') + length(zone) + 1), E' \t');
    END IF;
    IF lower(rest COLLATE "C") IN ('@yearly', '@annually', '@monthly', '@weekly', '@daily',
                                   '@midnight', '@hourly', '@reboot')
       OR lower(rest COLLATE "C") ~ '^0*([1-9]|[1-5][0-9])[ \t]+seconds?$' THEN
        RETURN true;
    END IF;
    f := regexp_split_to_array(rest, '[ \t]+');
    IF array_length(f, 1) <> 5 THEN
        RETURN false;
    END IF;
    days := CASE WHEN f[3] = '$' THEN '{1}' ELSE cron.scriptorium_field(f[3], 1, 31, '{}') END;
    months := cron.scriptorium_field(f[4], 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
    IF days IS NULL OR months IS NULL
       OR cron.scriptorium_field(f[1], 0, 59, '{}') IS NULL
       OR cron.scriptorium_field(f[2], 0, 23, '{}') IS NULL
       OR cron.scriptorium_field(f[5], 0, 7, '{sun,mon,tue,wed,thu,fri,sat}') IS NULL THEN
        RETURN false;
    END IF;
    -- Where the weekday alone is not enough, some year has to have such a day.
    RETURN left(f[3], 1) <> '*' AND left(f[5], 1) <> '*' OR EXISTS (
        SELECT FROM unnest(days) d, unnest(months) m
        WHERE d <= ('{31,29,31,30,31,30,31,31,30,31,30,31}'::integer[])[m]);
END $$;

-- ---- rows: checked, and noted for the daemon ----

-- As who writes; what the owner or a superuser writes by hand is checked too. Row security is not
-- asked when a role may pass it by (BYPASSRLS); a command of somebody else's is not for it either.
CREATE OR REPLACE FUNCTION cron.scriptorium_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- Who owns the table could do it in many ways.
    for_all boolean := (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
        OR (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = TG_RELID);
    was_user text := current_user;
    was_database text := current_database();
BEGIN
    IF TG_OP <> 'INSERT' AND NOT for_all AND OLD.username <> current_user THEN
        RAISE EXCEPTION 'permission denied for job %: it is another role''s', OLD.jobid
            USING ERRCODE = '42501';
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSIF TG_OP = 'UPDATE' THEN
        was_user := OLD.username;
        was_database := OLD.database;
    END IF;
    IF NEW.username <> was_user AND NOT for_all THEN
        RAISE EXCEPTION 'must be superuser to create a job for another role' USING ERRCODE = 'XX000';
    END IF;
    IF NEW.username <> was_user
       AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = NEW.username) THEN
        RAISE EXCEPTION 'role "%" does not exist', NEW.username USING ERRCODE = '42704';
    END IF;
    IF NEW.database <> was_database THEN
        IF NOT has_function_privilege(
                'cron.schedule_in_database(text,text,text,text,text,boolean)', 'EXECUTE') THEN
            RAISE EXCEPTION 'permission denied for another database: it goes with the right to call '
                            'cron.schedule_in_database()' USING ERRCODE = '42501';
        ELSIF NOT EXISTS (SELECT FROM pg_database d WHERE d.datname = NEW.database) THEN
            RAISE EXCEPTION 'database "%" does not exist', NEW.database USING ERRCODE = '3D000';
        END IF;
    END IF;
    IF (NEW.username <> was_user OR NEW.database <> was_database)
       AND NOT has_database_privilege(NEW.username, NEW.database, 'CONNECT') THEN
        RAISE EXCEPTION 'User % does not have CONNECT privilege on %', NEW.username, NEW.database
            USING ERRCODE = 'XX000';
    END IF;
    IF NOT cron.scriptorium_is_schedule(NEW.schedule) THEN
        RAISE EXCEPTION 'invalid schedule: %', NEW.schedule USING ERRCODE = '22023',
            HINT = 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''';
    END IF;
    IF octet_length(NEW.command) > 1048576 THEN
        RAISE EXCEPTION 'a command may have 1 MiB' USING ERRCODE = '54000';
    END IF;
    RETURN NEW;
END $$;

-- As the owner, and therefore for this table alone: whoever may make a trigger of it on a table of their
-- own decides what NEW is. Firings count from now on: what the old schedule missed is not made up for.
CREATE OR REPLACE FUNCTION cron.scriptorium_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_RELID <> 'cron.job'::regclass THEN
        RAISE EXCEPTION 'this trigger belongs to cron.job' USING ERRCODE = '42501';
    END IF;
    INSERT INTO cron.scriptorium_state AS s (jobid, since, next)
    VALUES (NEW.jobid, scriptorium.us(scriptorium.clock()), 0)
    ON CONFLICT (jobid) DO UPDATE SET since = EXCLUDED.since, next = 0, problem = NULL;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS scriptorium_check ON cron.job;
CREATE TRIGGER scriptorium_check BEFORE INSERT OR UPDATE OR DELETE ON cron.job
    FOR EACH ROW EXECUTE FUNCTION cron.scriptorium_check();
DROP TRIGGER IF EXISTS scriptorium_note ON cron.job;
CREATE TRIGGER scriptorium_note AFTER INSERT ON cron.job
    FOR EACH ROW EXECUTE FUNCTION cron.scriptorium_note();
-- The same schedule saved again, as migrations do, leaves what is due as it is.
DROP TRIGGER IF EXISTS scriptorium_note_change ON cron.job;
CREATE TRIGGER scriptorium_note_change AFTER UPDATE OF jobid, schedule, active ON cron.job FOR EACH ROW
    WHEN ((OLD.jobid, OLD.schedule, OLD.active) IS DISTINCT FROM (NEW.jobid, NEW.schedule, NEW.active))
    EXECUTE FUNCTION cron.scriptorium_note();

-- ---- the users' functions ----

CREATE OR REPLACE FUNCTION cron.schedule(schedule text, command text)
RETURNS bigint LANGUAGE plpgsql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id bigint;
BEGIN
    INSERT INTO cron.job AS j (schedule, command)
    VALUES (schedule.schedule, schedule.command) RETURNING j.jobid INTO id;
    RETURN id;
END $$;

CREATE OR REPLACE FUNCTION cron.schedule(job_name text, schedule text, command text)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id bigint;
BEGIN
    IF job_name IS NULL THEN
        RAISE EXCEPTION 'job_name can not be NULL' USING ERRCODE = 'XX000';
    ELSIF schedule IS NULL THEN
        RAISE EXCEPTION 'schedule can not be NULL' USING ERRCODE = 'XX000';
    ELSIF command IS NULL THEN
        RAISE EXCEPTION 'command can not be NULL' USING ERRCODE = 'XX000';
    END IF;
    INSERT INTO cron.job AS j (jobname, schedule, command)
    VALUES (job_name, schedule.schedule, schedule.command)
    ON CONFLICT ON CONSTRAINT jobname_username_uniq
    DO UPDATE SET schedule = EXCLUDED.schedule, command = EXCLUDED.command
    RETURNING j.jobid INTO id;
    RETURN id;
END $$;

CREATE OR REPLACE FUNCTION cron.schedule_in_database(job_name text, schedule text, command text,
    database text, username text DEFAULT NULL, active boolean DEFAULT true)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    id bigint;
    me text := current_user;
    given alias FOR $4;
    whose text := coalesce($5, current_user);
BEGIN
    IF $1 IS NULL THEN
        RAISE EXCEPTION 'job_name can not be NULL' USING ERRCODE = 'XX000';
    ELSIF $2 IS NULL THEN
        RAISE EXCEPTION 'schedule can not be NULL' USING ERRCODE = 'XX000';
    ELSIF $3 IS NULL THEN
        RAISE EXCEPTION 'command can not be NULL' USING ERRCODE = 'XX000';
    ELSIF whose = me THEN
        INSERT INTO cron.job AS j (jobname, schedule, command, database, active)
        VALUES ($1, $2, $3, coalesce(given, current_database()), coalesce($6, true))
        ON CONFLICT ON CONSTRAINT jobname_username_uniq
        DO UPDATE SET schedule = EXCLUDED.schedule, command = EXCLUDED.command,
                      database = EXCLUDED.database, active = EXCLUDED.active
        RETURNING j.jobid INTO id;
        RETURN id;
    ELSIF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = me) THEN
        RAISE EXCEPTION 'must be superuser to create a job for another role' USING ERRCODE = 'XX000';
    END IF;
    INSERT INTO cron.job AS j (jobname, schedule, command, database, username, active)
    VALUES ($1, $2, $3, coalesce(given, current_database()), whose, coalesce($6, true))
    ON CONFLICT ON CONSTRAINT jobname_username_uniq
    DO UPDATE SET schedule = EXCLUDED.schedule, command = EXCLUDED.command,
                  database = EXCLUDED.database, active = EXCLUDED.active
    RETURNING j.jobid INTO id;
    RETURN id;
END $$;

CREATE OR REPLACE FUNCTION cron.alter_job(job_id bigint, schedule text DEFAULT NULL,
    command text DEFAULT NULL, database text DEFAULT NULL, username text DEFAULT NULL,
    active boolean DEFAULT NULL)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    super boolean := (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user);
BEGIN
    IF $1 IS NULL THEN
        RAISE EXCEPTION 'job_id can not be NULL' USING ERRCODE = 'XX000';
    ELSIF $5 IS NOT NULL AND NOT super THEN
        RAISE EXCEPTION 'must be superuser to alter username' USING ERRCODE = 'XX000';
    ELSIF num_nonnulls($2, $3, $4, $5, $6) = 0 THEN
        RAISE EXCEPTION 'no updates specified' USING ERRCODE = 'XX000', HINT =
            'You must specify at least one job attribute to change when calling alter_job';
    ELSIF super THEN
        UPDATE cron.job j SET schedule = coalesce($2, j.schedule), command = coalesce($3, j.command),
            database = coalesce($4, j.database), username = coalesce($5, j.username),
            active = coalesce($6, j.active)
        WHERE j.jobid = $1;
    ELSE -- who may not write the user's name
        UPDATE cron.job j SET schedule = coalesce($2, j.schedule), command = coalesce($3, j.command),
            database = coalesce($4, j.database), active = coalesce($6, j.active)
        WHERE j.jobid = $1 AND j.username = current_user;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'Job % does not exist or you don''t own it', $1 USING ERRCODE = 'XX000';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION cron.unschedule(job_id bigint)
RETURNS boolean LANGUAGE plpgsql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM cron.job j WHERE j.jobid = job_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'could not find valid entry for job %', job_id USING ERRCODE = 'XX000';
    END IF;
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION cron.unschedule(job_name text)
RETURNS boolean LANGUAGE plpgsql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM cron.job j WHERE j.jobname = job_name::name AND j.username = current_user;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'could not find valid entry for job ''%''', job_name USING ERRCODE = 'XX000';
    END IF;
    RETURN true;
END $$;

-- ---- who may what ----

ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS cron_job_policy ON cron.job;
CREATE POLICY cron_job_policy ON cron.job USING (username = current_user);
ALTER TABLE cron.job_run_details ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS cron_job_run_details_policy ON cron.job_run_details;
CREATE POLICY cron_job_run_details_policy ON cron.job_run_details USING (username = current_user);

GRANT SELECT, DELETE, INSERT (jobname, schedule, command, database, active),
      UPDATE (schedule, command, database, active) ON cron.job TO PUBLIC;
GRANT SELECT, DELETE ON cron.job_run_details TO PUBLIC;
GRANT SELECT, USAGE ON SEQUENCE cron.jobid_seq TO PUBLIC;
GRANT SELECT ON SEQUENCE cron.runid_seq TO PUBLIC;
-- As in pg_cron the administrator decides who schedules at all (USAGE ON SCHEMA cron), and who may do
-- these two.
REVOKE ALL ON FUNCTION cron.schedule_in_database(text,text,text,text,text,boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION cron.alter_job(bigint,text,text,text,text,boolean) FROM PUBLIC;
-- A trigger fires without it; to make one takes it.
REVOKE ALL ON FUNCTION cron.scriptorium_check(), cron.scriptorium_note() FROM PUBLIC;
GRANT USAGE ON SCHEMA cron TO {{engine}};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO {{engine}};

-- ---- the daemon's side ----
-- Each asks first whether the schema is ours still: they run as their owner. In PL/pgSQL, which plans a
-- statement when its turn comes; planning alone can run what stands in a view.
-- Nothing here waits for a client that keeps a row locked in an open transaction: one user's rows must
-- not hold up the others'. What is locked is skipped, or refused with 55P03 and tried again. So is a
-- table that somebody keeps locked, after lock_timeout.

-- What needs a look: due firings of jobs that do not run already, then jobs whose next firing is not
-- known. @reboot is due once for each start of the server. Users take turns: each one's first before
-- anybody's second, those counted that run already. No more than room; where there are several users the
-- last spare places are for who has none. untold: if a daemon cannot read it, it says so. now: the one
-- clock of all nodes.
DROP FUNCTION IF EXISTS scriptorium.cron_due(integer);
CREATE OR REPLACE FUNCTION scriptorium.cron_due(max integer, room integer, spare integer)
RETURNS TABLE (jobid bigint, jobname text, schedule text, since bigint, next bigint, due boolean,
               untold boolean, now bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
#variable_conflict use_column
DECLARE
    now_us bigint := scriptorium.us(scriptorium.clock());
    booted bigint := scriptorium.us(pg_postmaster_start_time());
    shared integer;
BEGIN
    PERFORM scriptorium.surface_check('cron');
    shared := (SELECT CASE WHEN min(j.username) <> max(j.username) THEN room - spare ELSE room END
               FROM cron.job j WHERE j.active);
    RETURN QUERY
    WITH look AS (
        SELECT s.jobid, coalesce(j.jobname::text, 'job ' || j.jobid) AS jobname, j.schedule, s.since, s.next,
            s.next > 0 AS due,
            s.problem IS NULL OR s.told_at NOT BETWEEN now_us - 3000000000 AND now_us AS untold,
            row_number() OVER (PARTITION BY j.username, s.next > 0 ORDER BY s.next, s.jobid)
                + coalesce(r.n, 0) AS turn
        FROM cron.scriptorium_state s JOIN cron.job j ON j.jobid = s.jobid
        LEFT JOIN (SELECT u.username, count(*) AS n FROM cron.scriptorium_run u GROUP BY 1) r
            ON r.username = j.username
        WHERE j.active
          AND (s.next <= now_us
               OR (s.next = 9223372036854775807 AND s.since < booted
                   AND lower(j.schedule) LIKE '%@reboot%'))
          AND (s.problem IS NULL OR s.retry_at NOT BETWEEN now_us AND now_us + 10000000)
          AND NOT EXISTS (SELECT FROM cron.scriptorium_run r WHERE r.jobid = s.jobid)
    ), placed AS (
        SELECT l.*, row_number() OVER (PARTITION BY l.due ORDER BY l.turn, l.next, l.jobid) AS place
        FROM look l
    )
    SELECT p.jobid, p.jobname, p.schedule, p.since, p.next, p.due, p.untold, now_us
    FROM placed p
    WHERE NOT p.due OR p.place <= shared OR (p.turn = 1 AND p.place <= room)
    ORDER BY p.due, p.place LIMIT max;
END $$;

-- A daemon cannot read what passed the check here: it knows a time zone less. The job stays as due as it
-- is, for a node that can, or for this one later; once an hour its user is told by a run that failed.
CREATE OR REPLACE FUNCTION scriptorium.cron_unreadable(job bigint, seen bigint, message text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
DECLARE
    now_us bigint := scriptorium.us(scriptorium.clock());
    s record;
BEGIN
    PERFORM scriptorium.surface_check('cron');
    SELECT * INTO s FROM cron.scriptorium_state t WHERE t.jobid = job AND t.since = seen
        FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    ELSIF s.problem IS NULL OR s.told_at NOT BETWEEN now_us - 3000000000 AND now_us THEN
        INSERT INTO cron.job_run_details (jobid, database, username, command, status, return_message,
                                          start_time, end_time)
        SELECT j.jobid, j.database, j.username, j.command, 'failed', message, scriptorium.clock(),
               scriptorium.clock()
        FROM cron.job j WHERE j.jobid = job;
        UPDATE cron.scriptorium_state SET told_at = now_us WHERE jobid = job;
    END IF;
    UPDATE cron.scriptorium_state SET problem = message, retry_at = now_us + 10000000 WHERE jobid = job;
END $$;

-- Moves jobs on to their next firing. Those that are due get a run, each from one node alone. A node
-- that got no answer asks again under the same token and is given what it was given then.
DROP FUNCTION IF EXISTS scriptorium.cron_take(bigint[], text[], bigint[], bigint[], bigint[]);
CREATE OR REPLACE FUNCTION scriptorium.cron_take(jobs bigint[], schedules text[], sinces bigint[],
                                                 olds bigint[], nexts bigint[],
                                                 token uuid DEFAULT NULL)
RETURNS TABLE (runid bigint, jobid bigint, jobname text, command text, database text, username text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
#variable_conflict use_column
DECLARE
    t record;
    j record;
    run bigint;
    counted bigint;
BEGIN
    PERFORM scriptorium.surface_check('cron');
    UPDATE cron.scriptorium_run r SET held_until = clock_timestamp() + interval '30 seconds'
    WHERE r.taken = token;
    RETURN QUERY SELECT d.runid, d.jobid, (SELECT c.jobname::text FROM cron.job c WHERE c.jobid = d.jobid),
                        d.command, d.database, d.username
                 FROM cron.scriptorium_run r JOIN cron.job_run_details d ON d.runid = r.runid
                 WHERE r.taken = token;
    FOR t IN SELECT * FROM unnest(jobs, schedules, sinces, olds, nexts)
             AS u (job, schedule, since, old, next) ORDER BY u.job LOOP
        SELECT * INTO j FROM cron.job WHERE jobid = t.job AND schedule = t.schedule AND active
            FOR KEY SHARE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        PERFORM FROM cron.scriptorium_state s WHERE s.jobid = t.job FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        UPDATE cron.scriptorium_state s SET next = t.next, problem = NULL,
            since = CASE WHEN t.old > 0 THEN scriptorium.us(scriptorium.clock()) ELSE s.since END
        WHERE s.jobid = t.job AND s.since = t.since AND s.next = t.old RETURNING s.since INTO counted;
        CONTINUE WHEN NOT FOUND OR t.old = 0
            OR EXISTS (SELECT FROM cron.scriptorium_run r WHERE r.jobid = t.job);
        INSERT INTO cron.job_run_details AS d (jobid, database, username, command, status)
        VALUES (j.jobid, j.database, j.username, j.command, 'starting') RETURNING d.runid INTO run;
        INSERT INTO cron.scriptorium_run (runid, jobid, held_until, taken, username, since)
        VALUES (run, j.jobid, clock_timestamp() + interval '30 seconds', token, j.username, counted);
        RETURN QUERY SELECT run, j.jobid, j.jobname::text, j.command, j.database, j.username;
    END LOOP;
END $$;

-- The run begins as that process of the server, and is no other node's any more. False: it is another's.
DO $do$
BEGIN
    IF (SELECT prorettype <> 'boolean'::regtype FROM pg_proc
        WHERE oid = to_regprocedure('scriptorium.cron_began(bigint,integer)')) THEN
        DROP FUNCTION scriptorium.cron_began(bigint, integer);
    END IF;
END $do$;
CREATE OR REPLACE FUNCTION scriptorium.cron_began(run bigint, of_pid integer)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
BEGIN
    PERFORM scriptorium.surface_check('cron');
    PERFORM FROM cron.job_run_details WHERE runid = run FOR UPDATE NOWAIT;
    UPDATE cron.scriptorium_run SET pid = of_pid, began = clock_timestamp()
    WHERE runid = run AND (pid IS NULL OR pid = of_pid);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE cron.job_run_details
    SET status = 'running', job_pid = of_pid, start_time = scriptorium.clock()
    WHERE runid = run AND status = 'starting';
    RETURN true;
END $$;

-- Also after others have given the run up: what is known is better than what was feared.
CREATE OR REPLACE FUNCTION scriptorium.cron_ended(run bigint, succeeded boolean, message text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
BEGIN
    PERFORM scriptorium.surface_check('cron');
    PERFORM FROM cron.job_run_details WHERE runid = run FOR UPDATE NOWAIT;
    UPDATE cron.job_run_details SET status = CASE WHEN succeeded THEN 'succeeded' ELSE 'failed' END,
        return_message = message, start_time = coalesce(start_time, scriptorium.clock()),
        end_time = scriptorium.clock()
    WHERE runid = run;
    DELETE FROM cron.scriptorium_run WHERE runid = run;
END $$;

-- It has not begun: its firing is as due as it was, here or on another node, unless the schedule is
-- another by now.
CREATE OR REPLACE FUNCTION scriptorium.cron_give_back(run bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
DECLARE
    r record;
BEGIN
    PERFORM scriptorium.surface_check('cron');
    PERFORM FROM cron.job_run_details WHERE runid = run FOR UPDATE NOWAIT;
    DELETE FROM cron.scriptorium_run u WHERE u.runid = run AND u.pid IS NULL RETURNING * INTO r;
    IF FOUND THEN
        DELETE FROM cron.job_run_details WHERE runid = run;
        UPDATE cron.scriptorium_state SET next = scriptorium.us(scriptorium.clock())
        WHERE jobid = r.jobid AND since = r.since;
    END IF;
END $$;

-- Nobody hears the end of the command any more. As long as its process is alive the run is not over, or
-- the job would be started beside it. A pid that a pooler made up is nobody's: then it is over. What a
-- process does is hidden from who is neither its user nor a monitor: for a day it counts as busy.
CREATE OR REPLACE FUNCTION scriptorium.cron_lost(run bigint, message text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
DECLARE
    r record;
BEGIN
    PERFORM scriptorium.surface_check('cron');
    UPDATE cron.scriptorium_run u SET held_until = '-infinity', why = coalesce(u.why, message)
    WHERE u.runid = run RETURNING * INTO r;
    IF NOT FOUND THEN
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM pg_stat_activity a
                      WHERE a.pid = r.pid AND a.usename = r.username
                        AND coalesce(a.backend_start <= r.began, true)
                        AND coalesce(a.state <> 'idle',
                                     r.began > clock_timestamp() - interval '1 day')) THEN
        PERFORM scriptorium.cron_ended(run, false, r.why);
        RETURN;
    END IF;
    message := format('%s; the server still runs it as process %s, and the schedule waits for its end: '
                      'SELECT pg_terminate_backend(%s) ends it', r.why, r.pid, r.pid);
    UPDATE cron.job_run_details SET return_message = message
    WHERE runid = run AND return_message IS DISTINCT FROM message;
END $$;

-- These go on. Those that nobody holds any more: what has not begun is given back, what has is lost. And
-- a firing of the future tells that the clock has been set back: by more than it may be wrong, its job
-- counts anew, or it would wait for that time to come.
CREATE OR REPLACE FUNCTION scriptorium.cron_hold(runs bigint[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
DECLARE
    r record;
    now_us bigint := scriptorium.us(scriptorium.clock());
BEGIN
    PERFORM scriptorium.surface_check('cron');
    UPDATE cron.scriptorium_run SET held_until = clock_timestamp() + interval '30 seconds'
    WHERE runid = ANY (runs);
    FOR r IN SELECT u.* FROM cron.scriptorium_run u WHERE u.held_until < clock_timestamp()
             FOR UPDATE SKIP LOCKED LOOP
        BEGIN
            IF r.pid IS NULL AND r.since IS NOT NULL THEN
                PERFORM scriptorium.cron_give_back(r.runid);
            ELSE
                PERFORM scriptorium.cron_lost(r.runid,
                    'the daemon that ran it went away; how far the command came is not known');
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            CONTINUE; -- at the next look
        END;
    END LOOP;
    UPDATE cron.scriptorium_state SET since = now_us, next = 0 WHERE jobid IN (
        SELECT s.jobid FROM cron.scriptorium_state s
        WHERE s.since > now_us + 10800000000 -- three hours, as of the other schedules
        FOR UPDATE SKIP LOCKED);
END $$;

-- The newest runs of each job stay, and as many of all jobs that are gone. A row that a client holds
-- goes the next time. Returns how many went.
CREATE OR REPLACE FUNCTION scriptorium.cron_forget(keep bigint) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
DECLARE
    old bigint[];
    gone bigint;
BEGIN
    PERFORM scriptorium.surface_check('cron');
    old := ARRAY(
        SELECT r.runid FROM (
            SELECT d.runid, row_number() OVER (PARTITION BY j.jobid ORDER BY d.runid DESC) AS place
            FROM cron.job_run_details d LEFT JOIN cron.job j ON j.jobid = d.jobid) r
        WHERE r.place > keep AND NOT EXISTS (
            SELECT FROM cron.scriptorium_run s WHERE s.runid = r.runid)
        LIMIT 10000);
    DELETE FROM cron.job_run_details WHERE runid IN (
        SELECT d.runid FROM cron.job_run_details d WHERE d.runid = ANY (old) FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END $$;
