-- Versions of the pipeline -> stored once each, listed, made the active one.

CREATE OR REPLACE FUNCTION scriptorium.active_version() RETURNS integer
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((SELECT s.value::integer FROM scriptorium.setting s
                     WHERE s.key = 'deployment' AND s.value ~ '^[0-9]{1,9}$'), 0)
$$;

-- What one row of the list is; content only where `whole`.
CREATE OR REPLACE FUNCTION scriptorium.deployments(of_version integer, whole boolean)
RETURNS TABLE (version integer, hash text, name text, content text, at_us bigint, made_by text,
               program text, note text, replaced integer, active boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.version, d.hash, d.name, CASE WHEN whole THEN d.content END,
           scriptorium.us(d.made_at), d.made_by, d.program, d.note, d.replaced,
           d.version = scriptorium.active_version()
    FROM scriptorium.deployment d
    WHERE of_version IS NULL OR d.version = of_version ORDER BY d.version DESC LIMIT 1000
$$;

CREATE OR REPLACE FUNCTION scriptorium.deployment_activate(of_version integer)
RETURNS SETOF integer LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    active integer;
BEGIN
    PERFORM scriptorium.change_begin();
    active := scriptorium.active_version();
    IF of_version < 0 AND active = 0 THEN
        RAISE EXCEPTION 'version 0, the built-in pipeline, is active: there is none before it'
            USING ERRCODE = 'SCI01';
    END IF;
    IF of_version < 0 THEN
        of_version := coalesce((SELECT d.replaced FROM scriptorium.deployment d
                                WHERE d.version = active), 0);
    END IF;
    IF of_version <> 0 AND NOT EXISTS (SELECT FROM scriptorium.deployment d
                                       WHERE d.version = of_version) THEN
        RAISE EXCEPTION 'there is no version % of the pipeline', of_version
            USING ERRCODE = 'SCN01';
    END IF;
    PERFORM scriptorium.setting_set('deployment', of_version::text);
    RETURN NEXT of_version;
END $$;

-- The same files again are the version that they are already; either way it becomes the active one.
CREATE OR REPLACE FUNCTION scriptorium.deployment_add(
    of_hash text, of_name text, of_content text, by text, of_program text, of_note text)
RETURNS TABLE (version integer, existed boolean) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    active integer;
    made integer;
BEGIN
    PERFORM scriptorium.change_begin();
    active := scriptorium.active_version();
    SELECT d.version INTO made FROM scriptorium.deployment d WHERE d.hash = of_hash;
    existed := made IS NOT NULL;
    IF NOT existed THEN
        SELECT coalesce(max(d.version), 0) + 1 INTO made FROM scriptorium.deployment d;
        INSERT INTO scriptorium.deployment
            (version, hash, name, content, made_at, made_by, program, note, replaced)
        VALUES (made, of_hash, of_name, of_content, scriptorium.clock(), by, of_program, of_note,
                active);
    ELSIF made <> active THEN
        UPDATE scriptorium.deployment d SET replaced = active WHERE d.version = made;
    END IF;
    IF made <> active THEN
        PERFORM scriptorium.setting_set('deployment', made::text);
    END IF;
    version := made;
    RETURN NEXT;
END $$;

-- Jobs that this worker begins from now on are made by that version; null: by none.
CREATE OR REPLACE FUNCTION scriptorium.worker_version(of_worker uuid, new_version integer)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE scriptorium.worker SET version = new_version WHERE id = of_worker;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the worker''s lease is gone' USING ERRCODE = 'SCL01';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.worker_open_with(id uuid, name text, lease_us bigint,
                                                        new_version integer)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM scriptorium.worker_open(id, name, lease_us);
    PERFORM scriptorium.worker_version(id, new_version);
END $$;
