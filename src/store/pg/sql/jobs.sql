-- The users' table: created as documented, or its missing columns added: nullable, without a
-- rewrite, and with a default for new rows only. Nothing is dropped, renamed or retyped. What the
-- engine's role needs on it is granted, where the one who migrates may do that.
DO $do$
DECLARE
    plan record;
    statement text;
BEGIN
    IF to_regclass($name${{jobs}}$name$) IS NULL THEN
        FOR statement IN SELECT * FROM pg_temp.scriptorium_table($name${{jobs}}$name$) LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
    FOR plan IN SELECT * FROM pg_temp.scriptorium_inspect({{schema_text}}, {{engine_text}}) LOOP
        IF plan.kind = 'statement' AND plan.line ~ '^(ALTER TABLE|GRANT|CREATE POLICY) ' THEN
            EXECUTE plan.line;
        END IF;
    END LOOP;
END $do$;
