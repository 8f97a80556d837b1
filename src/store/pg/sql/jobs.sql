-- The users' table: created as documented, or its missing columns added: nullable, without a
-- rewrite, and with a default for new rows only. Nothing is dropped, renamed or retyped. What the
-- engine's role needs on it is granted, where the one who migrates may do that.
DO $do$
DECLARE
    want record;
    plan record;
    target regclass := to_regclass($name${{jobs}}$name$);
BEGIN
    IF target IS NULL THEN
        CREATE TABLE {{jobs}} (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            workflow_id uuid,
            user_id uuid NOT NULL,
            status text NOT NULL DEFAULT 'pending' CHECK (
                status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
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
        );
        CREATE INDEX script_generation_jobs_status_idx ON {{jobs}} (status);
        CREATE INDEX script_generation_jobs_user_id_idx ON {{jobs}} (user_id);
        CREATE INDEX script_generation_jobs_workflow_id_idx ON {{jobs}} (workflow_id);
        CREATE INDEX script_generation_jobs_pending_idx ON {{jobs}} (status, priority DESC)
            WHERE status = 'pending';
        CREATE INDEX script_generation_jobs_created_idx ON {{jobs}} (created_at, id);
        target := to_regclass($name${{jobs}}$name$);
    END IF;
    FOR want IN SELECT * FROM pg_temp.scriptorium_columns() AS c
        WHERE NOT EXISTS (SELECT FROM pg_attribute a
                          WHERE a.attrelid = target AND a.attname = c.name AND NOT a.attisdropped)
    LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', target, want.name, want.type);
        IF want.value IS NOT NULL THEN
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', target, want.name,
                           want.value);
        END IF;
    END LOOP;
    FOR plan IN SELECT * FROM pg_temp.scriptorium_inspect({{schema_text}}, {{engine_text}}) LOOP
        IF plan.kind = 'statement' AND plan.line ~ '^(GRANT|CREATE POLICY) ' THEN
            EXECUTE plan.line;
        END IF;
    END LOOP;
END $do$;
