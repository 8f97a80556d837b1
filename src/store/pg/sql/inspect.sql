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

CREATE OR REPLACE FUNCTION pg_temp.scriptorium_inspect(in_schema text, in_engine text)
RETURNS TABLE (kind text, line text) LANGUAGE plpgsql AS $$
DECLARE
    engine text := coalesce(in_engine, current_user);
    name text := format('%I.script_generation_jobs', in_schema);
    t record;
    c record;
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

    -- The users' table.
    SELECT r.oid, r.relkind, r.relowner, r.relrowsecurity, r.relforcerowsecurity, r.relispartition,
           r.relhassubclass, r.relpersistence, r.reltuples INTO t
    FROM pg_class r JOIN pg_namespace s ON s.oid = r.relnamespace
    WHERE s.nspname = in_schema AND r.relname = 'script_generation_jobs'
      AND r.relkind IN ('r', 'v', 'm', 'p', 'f');
    IF NOT FOUND THEN
        IF NOT has_schema_privilege(in_schema, 'CREATE') THEN
            RETURN QUERY SELECT 'refuse', format(
                'no right to create %s: GRANT CREATE ON SCHEMA %I TO %I', name, in_schema,
                current_user);
        ELSE
            RETURN QUERY SELECT 'statement', format('CREATE TABLE %s with its indexes', name);
            IF engine <> current_user THEN
                RETURN QUERY SELECT 'statement', format(
                    'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', name, engine);
            END IF;
        END IF;
        RETURN;
    END IF;
    IF t.relkind <> 'r' OR t.relispartition OR t.relhassubclass OR t.relpersistence <> 'p' THEN
        RETURN QUERY SELECT 'refuse', format(
            '%s is %s: only an ordinary table can be adopted; name the schema of one', name,
            CASE WHEN t.relkind = 'v' THEN 'a view' WHEN t.relkind = 'm' THEN 'a materialized view'
                 WHEN t.relkind = 'p' THEN 'partitioned' WHEN t.relkind = 'f' THEN 'a foreign table'
                 WHEN t.relispartition THEN 'a partition'
                 WHEN t.relhassubclass THEN 'a table that others inherit from'
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
                RETURN QUERY SELECT 'statement', format('ALTER TABLE %s ADD COLUMN %I %s%s', name,
                    c.name, c.type, CASE WHEN c.value IS NULL THEN ''
                    ELSE format(', ALTER COLUMN %I SET DEFAULT %s', c.name, c.value) END);
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
            RETURN QUERY SELECT 'refuse', format(
                '%s.%I is %s, not %s: ALTER TABLE %s ALTER COLUMN %I TYPE %s USING %I::%s', name,
                c.name, c.is_now, c.type, name, c.name, c.type, c.name, c.type);
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
    FOR c IN
        SELECT k.conname, pg_get_constraintdef(k.oid) AS text FROM pg_constraint k
        WHERE k.conrelid = t.oid AND k.contype = 'c' AND k.conkey = ARRAY[(
            SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'status')]
    LOOP
        RETURN QUERY SELECT 'note', format('the check %I of %s does not name %s: writing that state '
            'will be refused', c.conname, name, string_agg(v, ', '))
        FROM unnest('{pending,processing,completed,failed,cancelled}'::text[]) v
        WHERE position(quote_literal(v) IN c.text) = 0 HAVING count(*) > 0;
    END LOOP;

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
    ELSIF NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.oid
                      AND g.tgname = 'scriptorium_insert') THEN
        RETURN QUERY SELECT 'statement', format('CREATE TRIGGER scriptorium_insert, '
            'scriptorium_update, scriptorium_delete, scriptorium_truncate, scriptorium_id, '
            'scriptorium_completed, scriptorium_tally_insert, scriptorium_tally_update, '
            'scriptorium_tally_delete, scriptorium_tally_truncate ON %s', name);
    ELSIF NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.oid
                      AND g.tgname = 'scriptorium_tally_insert') THEN
        RETURN QUERY SELECT 'statement', format('CREATE TRIGGER scriptorium_tally_insert, '
            'scriptorium_tally_update, scriptorium_tally_delete, scriptorium_tally_truncate ON %s',
            name);
    END IF;

    -- Rights of the engine.
    IF NOT has_schema_privilege(engine, in_schema, 'USAGE') THEN
        RETURN QUERY SELECT 'grant', format('GRANT USAGE ON SCHEMA %I TO %I', in_schema, engine);
    END IF;
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
        EXECUTE format('SELECT count(*) FROM %s WHERE status::text = ''pending''', name) INTO n;
        IF n > 0 THEN
            RETURN QUERY SELECT 'note', format('%s pending row%s: queued if not queued yet', n,
                                               CASE WHEN n > 1 THEN 's' ELSE '' END);
        END IF;
        IF to_regclass('scriptorium.queue') IS NULL THEN
            EXECUTE format('SELECT count(*) FROM %s WHERE status::text = ''processing''', name) INTO n;
        ELSE
            EXECUTE format('SELECT count(*) FROM %s j WHERE status::text = ''processing'' AND NOT EXISTS '
                '(SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)', name) INTO n;
        END IF;
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
