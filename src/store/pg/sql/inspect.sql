-- The database as it is -> what migrating would do, or why it cannot. Reads only; lives in the
-- session's temporary schema and is gone with it.

CREATE OR REPLACE FUNCTION pg_temp.scriptorium_columns()
RETURNS TABLE (name text, type text, value text, accepts text[]) LANGUAGE sql AS $$
    VALUES ('id', 'uuid', NULL, '{uuid}'::text[]),
           ('workflow_id', 'uuid', NULL, '{uuid}'),
           ('user_id', 'uuid', NULL, '{uuid}'),
           ('status', 'text', '''pending''', '{text}'),
           ('progress', 'integer', '0', '{number}'),
           ('current_chunk', 'integer', '0', '{number}'),
           ('total_chunks', 'integer', '0', '{number}'),
           ('current_step', 'text', NULL, '{text}'),
           ('error_message', 'text', NULL, '{text}'),
           ('retry_count', 'integer', '0', '{number}'),
           ('max_retries', 'integer', '3', '{number}'),
           ('generation_params', 'jsonb', NULL, '{jsonb,json}'),
           ('generated_script', 'text', NULL, '{text}'),
           ('script_metadata', 'jsonb', NULL, '{jsonb,json}'),
           ('created_at', 'timestamptz', 'now()', '{timestamptz}'),
           ('started_at', 'timestamptz', NULL, '{timestamptz}'),
           ('completed_at', 'timestamptz', NULL, '{timestamptz}'),
           ('updated_at', 'timestamptz', 'now()', '{timestamptz}'),
           ('processing_time_seconds', 'integer', NULL, '{number}'),
           ('priority', 'integer', '5', '{number}')
$$;

-- The tables that feed our queue. There should be one.
CREATE OR REPLACE FUNCTION pg_temp.scriptorium_feeding()
RETURNS TABLE (schema text, t oid, name text) LANGUAGE sql AS $$
    SELECT n.nspname::text, c.oid, format('%I.%I', n.nspname, c.relname)
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace o ON o.oid = p.pronamespace
    WHERE o.nspname = 'scriptorium' AND p.proname = 'after_insert' ORDER BY c.oid
$$;

-- The schema of the table that is adopted, or null: where our triggers are; when they were lost, as by
-- a restore, what our functions were made for.
CREATE OR REPLACE FUNCTION pg_temp.scriptorium_adopted() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text := (SELECT f.schema FROM pg_temp.scriptorium_feeding() f LIMIT 1);
BEGIN
    IF found IS NULL AND EXISTS (
        SELECT FROM pg_proc p JOIN pg_namespace o ON o.oid = p.pronamespace
        WHERE o.nspname = 'scriptorium' AND p.proname = 'adopted' AND has_schema_privilege(o.oid, 'USAGE')
          AND has_function_privilege(p.oid, 'EXECUTE')) THEN
        EXECUTE 'SELECT scriptorium.adopted()' INTO found;
    END IF;
    RETURN found;
END $$;

-- What makes the users' table, where there is none.
CREATE OR REPLACE FUNCTION pg_temp.scriptorium_table(name text) RETURNS SETOF text LANGUAGE sql AS $$
    VALUES (format('CREATE TABLE %s (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id uuid,
    user_id uuid NOT NULL,
    status text NOT NULL DEFAULT ''pending'' CHECK (
        status IN (''pending'', ''processing'', ''completed'', ''failed'', ''cancelled'')),
    progress integer DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    current_chunk integer DEFAULT 0,
    total_chunks integer DEFAULT 0,
    current_step text,
    error_message text,
    retry_count integer DEFAULT 0,
    max_retries integer DEFAULT 3,
    generation_params jsonb,
    generated_script text,
    script_metadata jsonb,
    created_at timestamptz DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz DEFAULT now(),
    processing_time_seconds integer,
    priority integer DEFAULT 5 CHECK (priority BETWEEN 1 AND 10)
)', name)),
           (format('CREATE INDEX script_generation_jobs_status_idx ON %s (status)', name)),
           (format('CREATE INDEX script_generation_jobs_user_id_idx ON %s (user_id)', name)),
           (format('CREATE INDEX script_generation_jobs_workflow_id_idx ON %s (workflow_id)', name)),
           (format('CREATE INDEX script_generation_jobs_pending_idx ON %s (status, priority DESC) '
                   'WHERE status = ''pending''', name)),
           (format('CREATE INDEX script_generation_jobs_created_idx ON %s (created_at, id)', name))
$$;

-- The triggers that are missing. name: that of a table, which may not be there yet.
CREATE OR REPLACE FUNCTION pg_temp.scriptorium_triggers(name text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('CREATE TRIGGER %s %s EXECUTE FUNCTION scriptorium.%s()', w.name,
                  format(w.body, scriptorium_triggers.name), w.call)
    FROM (VALUES
        ('scriptorium_insert', 'AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
            'FOR EACH STATEMENT', 'after_insert'),
        ('scriptorium_update', 'AFTER UPDATE ON %s REFERENCING NEW TABLE AS new_rows '
            'FOR EACH STATEMENT', 'after_update'),
        ('scriptorium_delete', 'AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows '
            'FOR EACH STATEMENT', 'after_delete'),
        ('scriptorium_truncate', 'AFTER TRUNCATE ON %s FOR EACH STATEMENT', 'after_truncate'),
        ('scriptorium_id', 'AFTER UPDATE OF id ON %s FOR EACH ROW WHEN (OLD.id <> NEW.id)',
            'after_id_change'),
        ('scriptorium_completed', 'AFTER UPDATE ON %s FOR EACH ROW WHEN (OLD.status = ''completed'' '
            'AND NEW.status IS DISTINCT FROM OLD.status)', 'after_completed'),
        ('scriptorium_tally_insert', 'AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows '
            'FOR EACH STATEMENT', 'tally_jobs'),
        ('scriptorium_tally_update', 'AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows '
            'NEW TABLE AS new_rows FOR EACH STATEMENT', 'tally_jobs'),
        ('scriptorium_tally_delete', 'AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows '
            'FOR EACH STATEMENT', 'tally_jobs'),
        ('scriptorium_tally_truncate', 'AFTER TRUNCATE ON %s FOR EACH STATEMENT', 'tally_jobs'))
        w (name, body, call)
    WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = to_regclass(scriptorium_triggers.name)
                      AND g.tgname = w.name)
    UNION ALL
    SELECT format('ALTER TABLE %s ENABLE TRIGGER %I', scriptorium_triggers.name, g.tgname)
    FROM pg_trigger g
    WHERE g.tgrelid = to_regclass(scriptorium_triggers.name) AND g.tgname LIKE 'scriptorium\_%'
      AND g.tgenabled NOT IN ('O', 'A')
$$;

-- Whether the checks and the NOT NULLs of the users' table let pass what we write: notes.
CREATE OR REPLACE FUNCTION pg_temp.scriptorium_rules(t regclass, name text)
RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    c record;
    v text;
    refused text[];
    passes boolean;
BEGIN
    FOR c IN
        SELECT k.conname, a.attname, format_type(a.atttypid, a.atttypmod) AS type,
               pg_get_expr(k.conbin, k.conrelid) AS rule, w.written
        FROM (VALUES
            ('status', '{pending,processing,completed,failed,cancelled}'::text[]),
            ('current_step', '{queued,initializing,preparing_data,outline,generating_chunk_1_of_1,'
                'generating_chunk_12_of_24,validating_quality,expanding,saving_script,completed,failed,'
                'cancelled}'),
            ('progress', '{0,5,50,100}'), ('priority', '{1,5,10}'), ('current_chunk', '{0,1,24}'),
            ('total_chunks', '{0,1,24}'), ('retry_count', '{0,1,4}')) w (name, written)
        JOIN pg_attribute a ON a.attrelid = t AND a.attname = w.name AND NOT a.attisdropped
        JOIN pg_constraint k ON k.conrelid = t AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
        ORDER BY a.attnum, k.conname
    LOOP
        refused := '{}';
        FOREACH v IN ARRAY c.written LOOP
            BEGIN
                EXECUTE format('SELECT %s FROM (SELECT %L::%s AS %I) r', c.rule, v, c.type, c.attname)
                INTO passes;
            EXCEPTION WHEN OTHERS THEN -- a value that its type does not know is refused elsewhere
                passes := true;
            END;
            refused := refused || CASE WHEN NOT passes THEN v END;
        END LOOP;
        refused := array_remove(refused, NULL);
        IF refused <> '{}' THEN
            RETURN NEXT format('the check %I of %s does not let %I be %s, which is written there',
                               c.conname, name, c.attname, array_to_string(refused, ', '));
        END IF;
    END LOOP;
    RETURN QUERY
    SELECT format('the column %I of %s may not be null: %s', a.attname, name,
                  CASE WHEN a.attname IN ('completed_at', 'processing_time_seconds')
                       THEN 'no job can be started, as the engine clears it then'
                       WHEN a.attname = 'error_message'
                       THEN 'no job can be completed, as the engine clears it then'
                       ELSE 'it has no default, and enqueue and the API can insert no job without it '
                            'unless a trigger of yours fills it' END)
    FROM pg_attribute a
    WHERE a.attrelid = t AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped
      AND (a.attname IN ('completed_at', 'processing_time_seconds', 'error_message')
           OR (NOT a.atthasdef AND a.attidentity = '' AND a.attname NOT IN (
               'id', 'user_id', 'status', 'progress', 'current_step', 'max_retries', 'priority',
               'generation_params', 'created_at', 'updated_at')))
    ORDER BY a.attnum;
END $$;

CREATE OR REPLACE FUNCTION pg_temp.scriptorium_inspect(in_schema text, in_engine text)
RETURNS TABLE (kind text, line text) LANGUAGE plpgsql AS $$
DECLARE
    engine text := coalesce(in_engine, current_user);
    name text := format('%I.script_generation_jobs', in_schema);
    t record;
    c record;
    unqueued text;
    missing text[];
    lacking text[];
    n bigint;
    -- Grants on the users' table are ours to give only if we own it.
    grants text := 'grant';
BEGIN
    -- Who asks, and where.
    IF pg_is_in_recovery() THEN
        RETURN QUERY SELECT 'refuse', 'this server is a standby: connect to the primary';
        RETURN;
    END IF;
    IF current_setting('server_version_num')::integer < 130000 THEN
        RETURN QUERY SELECT 'refuse', format('PostgreSQL %s is too old: 13 or later is needed',
                                             current_setting('server_version'));
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = engine) THEN
        RETURN QUERY SELECT 'refuse', format('there is no role %I: CREATE ROLE %I LOGIN', engine, engine);
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = in_schema) THEN
        RETURN QUERY SELECT 'refuse', format('there is no schema %I: create it, or name another',
                                             in_schema);
        RETURN;
    END IF;
    SELECT nspowner, pg_has_role(nspowner, 'USAGE') AS mine INTO t
    FROM pg_namespace WHERE nspname = 'scriptorium';
    IF FOUND AND NOT t.mine THEN
        RETURN QUERY SELECT 'refuse', format(
            'the schema scriptorium belongs to %I: migrate as that role, or as a member of it',
            pg_get_userbyid(t.nspowner));
    ELSIF NOT FOUND AND NOT has_database_privilege(current_database(), 'CREATE') THEN
        RETURN QUERY SELECT 'refuse', format(
            'no right to create the schema scriptorium: as the owner of the database, '
            'GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user);
    ELSIF NOT FOUND THEN
        RETURN QUERY SELECT 'statement', 'CREATE SCHEMA scriptorium';
    END IF;
    IF NOT has_schema_privilege(engine, in_schema, 'USAGE') THEN
        RETURN QUERY SELECT CASE WHEN has_schema_privilege(in_schema, 'USAGE WITH GRANT OPTION')
                                 THEN 'statement' ELSE 'grant' END,
                            format('GRANT USAGE ON SCHEMA %I TO %I', in_schema, engine);
    END IF;

    -- The users' table.
    SELECT r.oid, r.relkind, r.relowner, r.relrowsecurity, r.relforcerowsecurity, r.relispartition,
           r.relhassubclass, r.relpersistence, r.reltuples INTO t
    FROM pg_class r JOIN pg_namespace s ON s.oid = r.relnamespace
    WHERE s.nspname = in_schema AND r.relname = 'script_generation_jobs'
      AND r.relkind IN ('r', 'v', 'm', 'p', 'f');
    -- Another that feeds the queue would have its jobs mistaken for this one's.
    SELECT f.schema, f.name INTO c FROM pg_temp.scriptorium_feeding() f
    WHERE f.t IS DISTINCT FROM t.oid LIMIT 1;
    IF FOUND THEN
        RETURN QUERY SELECT 'refuse', CASE
            WHEN EXISTS (SELECT FROM pg_temp.scriptorium_feeding() f WHERE f.t = t.oid) THEN format(
                '%s and %s both carry our triggers, and there is one queue: drop those of the one that '
                'is not to be worked on (DROP TRIGGER scriptorium_insert ON ..., and the others)',
                name, c.name)
            WHEN c.schema <> in_schema THEN format(
                'adopted is %s; set SCRIPTORIUM_SCHEMA=%s (to leave it for %s, drop its triggers '
                'scriptorium_* first)', c.name, c.schema, name)
            ELSE format('%s, which had another name, carries our triggers: drop them first (DROP '
                'TRIGGER scriptorium_insert ON %s, and the others)', c.name, c.name) END;
        RETURN;
    END IF;
    IF t.oid IS NULL THEN
        IF NOT has_schema_privilege(in_schema, 'CREATE') THEN
            RETURN QUERY SELECT 'refuse', format(
                'no right to create %s: GRANT CREATE ON SCHEMA %I TO %I', name, in_schema,
                current_user);
        ELSE
            RETURN QUERY SELECT 'statement', s FROM pg_temp.scriptorium_table(name) s;
            RETURN QUERY SELECT 'statement', s FROM pg_temp.scriptorium_triggers(name) s;
            IF engine <> current_user THEN
                RETURN QUERY SELECT 'statement', format(
                    'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', name, engine);
            END IF;
        END IF;
        RETURN;
    END IF;
    IF t.relkind <> 'r' OR t.relispartition OR t.relhassubclass OR t.relpersistence <> 'p'
       OR EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = t.oid) THEN
        RETURN QUERY SELECT 'refuse', format(
            '%s is %s: only an ordinary table can be adopted; name the schema of one', name,
            CASE WHEN t.relkind = 'v' THEN 'a view' WHEN t.relkind = 'm' THEN 'a materialized view'
                 WHEN t.relkind = 'p' THEN 'partitioned' WHEN t.relkind = 'f' THEN 'a foreign table'
                 WHEN t.relispartition THEN 'a partition'
                 WHEN t.relhassubclass THEN 'a table that others inherit from'
                 WHEN t.relpersistence = 'p' THEN 'a table that inherits from another'
                 ELSE 'not a permanent table' END);
        RETURN;
    END IF;

    IF pg_has_role(t.relowner, 'USAGE') THEN
        grants := 'statement';
    END IF;

    -- Its columns.
    FOR c IN
        SELECT w.name, w.type, w.value, w.accepts, a.atttypid, a.atttypmod, a.attgenerated,
               format_type(a.atttypid, a.atttypmod) AS is_now,
               y.typtype, y.typcategory, y.typname
        FROM pg_temp.scriptorium_columns() w
        LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = w.name
            AND NOT a.attisdropped AND a.attnum > 0
        LEFT JOIN pg_type y ON y.oid = a.atttypid
    LOOP
        IF c.atttypid IS NULL THEN
            IF c.name = 'id' THEN
                RETURN QUERY SELECT 'refuse', format('%s has no column id: add one, '
                    'id uuid PRIMARY KEY DEFAULT gen_random_uuid()', name);
            ELSE
                missing := missing || c.name;
                RETURN QUERY SELECT 'statement', format('ALTER TABLE %s ADD COLUMN %I %s', name,
                                                        c.name, c.type);
                RETURN QUERY SELECT 'statement', format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s',
                                                        name, c.name, c.value)
                WHERE c.value IS NOT NULL;
            END IF;
        ELSIF c.attgenerated <> '' THEN
            RETURN QUERY SELECT 'refuse', format('%s.%I is a generated column: the engine must be '
                'able to write it', name, c.name);
        ELSIF c.name = 'status' AND c.typtype = 'e' THEN
            RETURN QUERY SELECT 'refuse', format('%s.status is the enum %s, which lacks %s: '
                'ALTER TYPE %s ADD VALUE for each', name, c.is_now, string_agg(quote_literal(v), ', '),
                c.is_now)
            FROM unnest('{pending,processing,completed,failed,cancelled}'::text[]) v
            WHERE NOT EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = c.atttypid
                              AND e.enumlabel = v)
            HAVING count(*) > 0;
        ELSIF NOT (c.typname = ANY (c.accepts)
                   OR ('text' = ANY (c.accepts) AND c.typtype IN ('b', 'd') AND c.typcategory = 'S')
                   OR ('number' = ANY (c.accepts) AND c.typtype IN ('b', 'd')
                       AND c.typcategory = 'N' AND c.typname <> 'money')) THEN
            RETURN QUERY SELECT 'refuse', format('%s.%I is %s, not %s: ', name, c.name, c.is_now, c.type)
                || CASE
                WHEN c.typcategory = 'S' OR c.type = 'text' OR EXISTS (
                    SELECT FROM pg_cast k WHERE k.castsource = c.atttypid
                      AND k.casttarget = c.type::regtype) THEN format(
                    'ALTER TABLE %s ALTER COLUMN %I TYPE %s USING %I::%s', name, c.name, c.type, c.name,
                    c.type)
                WHEN c.typtype = 'd' THEN format('a domain, which the engine does not know: ALTER TABLE %s '
                    'ALTER COLUMN %I TYPE %s', name, c.name, c.type)
                WHEN c.name = 'id' THEN format('the engine knows jobs by a uuid, and no %s can become '
                    'one: keep it under another name (ALTER TABLE %s RENAME COLUMN id TO number), then '
                    'ALTER TABLE %s ADD COLUMN id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid()',
                    c.is_now, name, name)
                ELSE format('no %s can become one: keep it under another name (ALTER TABLE %s RENAME '
                    'COLUMN %I TO old_%s); migrate then adds the column', c.is_now, name, c.name, c.name)
                END;
        ELSIF c.typcategory = 'S' AND c.atttypmod > 4
              AND c.atttypmod - 4 < (CASE c.name WHEN 'status' THEN 10 WHEN 'current_step' THEN 32
                                     ELSE 200 END) THEN
            RETURN QUERY SELECT 'refuse', format(
                '%s.%I is %s, too short for what is written there: ALTER TABLE %s ALTER COLUMN %I '
                'TYPE text', name, c.name, c.is_now, name, c.name);
        END IF;
    END LOOP;
    IF NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'id'
        WHERE i.indrelid = t.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
          AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
    ) AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'id') THEN
        RETURN QUERY SELECT 'refuse', format('%s.id is not unique: ALTER TABLE %s ADD PRIMARY KEY '
            '(id), or CREATE UNIQUE INDEX CONCURRENTLY ON %s (id)', name, name, name);
    END IF;
    RETURN QUERY SELECT 'note', r FROM pg_temp.scriptorium_rules(t.oid, name) r;

    -- Rights of the role that migrates.
    IF missing IS NOT NULL AND NOT pg_has_role(t.relowner, 'USAGE') THEN
        RETURN QUERY SELECT 'refuse', format(
            'only the owner of %s, %I, may add the missing column%s %s: migrate as that role, or as '
            'a member of it', name, pg_get_userbyid(t.relowner),
            CASE WHEN cardinality(missing) > 1 THEN 's' ELSE '' END, array_to_string(missing, ', '));
    END IF;
    lacking := ARRAY(SELECT p FROM unnest('{SELECT,UPDATE,TRIGGER}'::text[]) p
                     WHERE NOT has_table_privilege(t.oid, p));
    IF NOT has_schema_privilege(in_schema, 'USAGE') THEN
        RETURN QUERY SELECT 'refuse', format('no right to use the schema %I: GRANT USAGE ON SCHEMA %I '
            'TO %I', in_schema, in_schema, current_user);
    ELSIF lacking <> '{}' THEN
        RETURN QUERY SELECT 'refuse', format('no right to put triggers on %s and to queue its rows: '
            'GRANT %s ON %s TO %I', name, array_to_string(lacking, ', '), name, current_user);
    ELSE
        RETURN QUERY SELECT 'statement', s FROM pg_temp.scriptorium_triggers(name) s;
    END IF;

    -- Rights of the engine.
    IF NOT (has_table_privilege(engine, t.oid, 'SELECT')
            AND has_table_privilege(engine, t.oid, 'INSERT')
            AND has_table_privilege(engine, t.oid, 'UPDATE')
            AND has_table_privilege(engine, t.oid, 'DELETE')) THEN
        RETURN QUERY SELECT grants, format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', name,
                                            engine);
    END IF;
    IF t.relrowsecurity AND NOT EXISTS (
        SELECT FROM pg_roles r WHERE r.rolname = engine AND (r.rolsuper OR r.rolbypassrls))
       AND (t.relforcerowsecurity OR NOT pg_has_role(engine, t.relowner, 'USAGE')) THEN
        IF NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.oid AND p.polcmd = '*'
                       AND p.polpermissive AND pg_get_expr(p.polqual, t.oid) = 'true'
                       AND (p.polroles = '{0}' OR (SELECT r.oid FROM pg_roles r
                                                   WHERE r.rolname = engine) = ANY (p.polroles)))
        THEN
            RETURN QUERY SELECT grants, format('CREATE POLICY scriptorium_engine ON %s TO %I '
                'USING (true) WITH CHECK (true)', name, engine);
            IF pg_has_role(engine, t.relowner, 'USAGE') THEN
                RETURN QUERY SELECT 'note', format('that policy shows all rows of %s to %I: if your '
                    'application logs in as %I too, give the engine a role of its own '
                    '(SCRIPTORIUM_ENGINE_ROLE)', name, engine, engine);
            END IF;
        END IF;
        RETURN QUERY SELECT 'note', format('the restrictive policy %I of %s applies to %I too: rows '
            'it hides are never worked on', p.polname, name, engine)
        FROM pg_policy p WHERE p.polrelid = t.oid AND NOT p.polpermissive
          AND (p.polroles = '{0}' OR (SELECT r.oid FROM pg_roles r
                                      WHERE r.rolname = engine) = ANY (p.polroles));
    END IF;

    -- Its rows, as far as we may see them.
    IF engine <> current_user AND row_security_active(t.oid) THEN
        RETURN QUERY SELECT 'note', format('row security hides rows of %s from %I, who migrates: '
            'pending ones are queued when the engine has started', name, current_user);
    END IF;
    IF 'status' = ANY (missing) THEN
        RETURN QUERY SELECT 'note', format('the rows of %s get no status: set it to ''pending'' to '
            'run one', name);
    ELSIF has_table_privilege(t.oid, 'SELECT') THEN
        -- Before there is a queue, all of them.
        unqueued := CASE WHEN to_regclass('scriptorium.queue') IS NULL THEN '' ELSE
            'AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)' END;
        EXECUTE format('SELECT count(*) FROM %s j WHERE status::text = ''pending'' %s', name, unqueued)
        INTO n;
        IF n > 0 THEN
            RETURN QUERY SELECT 'note', format('%s pending row%s to be queued', n,
                                               CASE WHEN n > 1 THEN 's are' ELSE ' is' END);
        END IF;
        EXECUTE format('SELECT count(*) FROM %s j WHERE status::text = ''processing'' %s', name, unqueued)
        INTO n;
        IF n > 0 THEN
            RETURN QUERY SELECT 'note', format('%s row%s ''processing'' for somebody else: left '
                'alone; `scriptorium jobs rescue --older-than 30m` queues %s again', n,
                CASE WHEN n > 1 THEN 's are' ELSE ' is' END,
                CASE WHEN n > 1 THEN 'them' ELSE 'it' END);
        END IF;
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'created_at'
        WHERE i.indrelid = t.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum
    ) THEN
        RETURN QUERY SELECT 'note', format('a list of all jobs, newest first, reads all of %s: '
            'CREATE INDEX CONCURRENTLY ON %s (created_at, id); migrate does not, as it takes its time '
            'and each of your writes a little', name, name);
    END IF;
END $$;
