-- Rows that were there before us -> queue rows for the pending ones, a note of those that another
-- system works on. Also mends what was written while the triggers were off.

DROP FUNCTION IF EXISTS scriptorium.adopt(integer);

-- Up to `most` pending rows, oldest first; returns how many. The rows are locked while it decides, so
-- that a client who changes one meanwhile either was seen or comes after. Those that clients hold come
-- last: waiting, it waits for them, three seconds for each.
CREATE OR REPLACE FUNCTION scriptorium.adopt(most integer, waiting boolean DEFAULT true)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET lock_timeout = '3s'
AS $$
#variable_conflict use_variable
DECLARE
    held text;
    ids uuid[];
    users uuid[];
    priorities smallint[];
BEGIN
    FOREACH held IN ARRAY CASE WHEN waiting THEN '{SKIP LOCKED,""}' ELSE '{SKIP LOCKED}' END::text[] LOOP
        EXECUTE $q$
            INSERT INTO scriptorium.foreign_job (job_id, since)
            SELECT l.id, coalesce(greatest(l.started_at, l.updated_at), l.created_at, scriptorium.clock())
            FROM (
                SELECT j.id, j.started_at, j.updated_at, j.created_at FROM {{jobs}} j
                WHERE j.status = 'processing'
                  AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)
                  AND NOT EXISTS (SELECT FROM scriptorium.foreign_job f WHERE f.job_id = j.id)
                FOR SHARE OF j $q$ || held || $q$
            ) l
            ON CONFLICT DO NOTHING $q$;
        EXECUTE $q$
            SELECT array_agg(l.id ORDER BY l.created_at, l.id),
                   array_agg(coalesce(l.user_id, '00000000-0000-0000-0000-000000000000')
                             ORDER BY l.created_at, l.id),
                   array_agg(scriptorium.priority(l.priority) ORDER BY l.created_at, l.id)
            FROM (
                SELECT j.id, j.user_id, j.priority, j.created_at FROM {{jobs}} j
                WHERE j.status = 'pending'
                  AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)
                ORDER BY j.created_at LIMIT $1 FOR SHARE OF j $q$ || held || $q$
            ) l $q$ INTO ids, users, priorities USING most;
        EXIT WHEN ids IS NOT NULL;
    END LOOP;
    IF ids IS NOT NULL THEN
        PERFORM scriptorium.enqueue(ids, users, priorities);
        PERFORM scriptorium.wake('due');
    END IF;
    RETURN coalesce(cardinality(ids), 0);
END $$;

-- Row security may hide rows from whoever migrates: then the engine, to whom its policy shows them,
-- queues them when it has started.
CREATE OR REPLACE FUNCTION scriptorium.adopt_hidden() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF scriptorium.is_on('adopt.hidden') AND scriptorium.adopt(1000, false) = 0 THEN
        DELETE FROM scriptorium.setting s WHERE s.key = 'adopt.hidden';
    END IF;
END $$;

DO $$
BEGIN
    IF row_security_active($n${{jobs}}$n$::regclass) THEN
        INSERT INTO scriptorium.setting VALUES ('adopt.hidden', 'on') ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- The schema of the table that all of this was made for.
CREATE OR REPLACE FUNCTION scriptorium.adopted() RETURNS text LANGUAGE sql IMMUTABLE
AS $f$SELECT {{schema_text}}::text$f$;

-- Other tables than ours that feed the queue, or null.
CREATE OR REPLACE FUNCTION scriptorium.strays() RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ')
            FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE g.tgfoid = 'scriptorium.after_insert'::regproc
              AND (n.nspname <> {{schema_text}} OR c.relname <> 'script_generation_jobs'));
END $$;

-- The grants that the caller lacks to work the table's rows off, or null.
CREATE OR REPLACE FUNCTION scriptorium.lacking() RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t record;
    rights text;
BEGIN
    SELECT c.oid, n.oid AS schema INTO t FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = {{schema_text}} AND c.relname = 'script_generation_jobs';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT string_agg(p.name, ', ' ORDER BY p.name) INTO rights
    FROM (VALUES ('SELECT', '{id,workflow_id,user_id,priority,max_retries,created_at,generation_params,'
                      'status,progress,current_chunk,total_chunks,current_step,error_message,retry_count,'
                      'generated_script,script_metadata,started_at,completed_at,updated_at,'
                      'processing_time_seconds}'::name[]),
                 ('UPDATE', '{status,progress,current_chunk,total_chunks,current_step,error_message,'
                      'retry_count,generated_script,script_metadata,started_at,completed_at,updated_at,'
                      'processing_time_seconds}')) AS p (name, columns)
    WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = ANY (p.columns)
                  AND NOT a.attisdropped AND NOT has_column_privilege(t.oid, a.attnum, p.name));
    RETURN nullif(concat_ws('; ',
        CASE WHEN NOT has_schema_privilege(t.schema, 'USAGE') THEN
            format('GRANT USAGE ON SCHEMA %I TO %I', {{schema_text}}, current_user) END,
        CASE WHEN rights IS NOT NULL THEN
            format('GRANT %s ON %s TO %I', rights, format('%I.script_generation_jobs', {{schema_text}}),
                   current_user) END), '');
END $$;

-- A program that is to use the table in that schema (null: wherever it is) -> our version, or why it
-- cannot work here.
CREATE OR REPLACE FUNCTION scriptorium.greet(schema text) RETURNS integer LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lacking text := scriptorium.lacking();
BEGIN
    IF schema <> {{schema_text}} THEN
        RAISE EXCEPTION 'adopted is %; set SCRIPTORIUM_SCHEMA=%', format('%I.script_generation_jobs', {{schema_text}}),
            {{schema_text}}
            USING ERRCODE = 'SCI01';
    ELSIF lacking IS NOT NULL THEN
        RAISE EXCEPTION 'to be run by the table''s owner: %', lacking USING ERRCODE = '42501';
    END IF;
    RETURN scriptorium.version();
END $$;

-- A server that has become read-only answers as before, and takes nothing.
CREATE OR REPLACE FUNCTION scriptorium.ready() RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'it takes no writes any more' USING ERRCODE = '25006';
    END IF;
END $$;
