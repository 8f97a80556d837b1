-- What the engine has decided of jobs -> the users' rows. Triggers of the users' run inside these
-- statements and must find what they find when a client writes: in here, and only in here, the search
-- path is the session's own. So nothing else may be looked up in it: operators are spelled out.
-- The engine's writes are for many jobs at once, of rows that it has locked: what they still wait for is what
-- a trigger of the users' wants. They wait for that a moment only.

-- Until the end of the function that calls this one. A function with its owner's rights gets a path that
-- its caller has no say in.
CREATE OR REPLACE FUNCTION scriptorium.as_client() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_user OPERATOR(pg_catalog.=) session_user THEN
        SET LOCAL search_path TO DEFAULT;
    ELSE
        SET LOCAL search_path TO pg_catalog, {{schema}}, pg_temp;
    END IF;
END $$;

-- A row that a trigger of the users' leaves as it is counts as refused: the queue must not go on alone.
CREATE OR REPLACE FUNCTION scriptorium.all_written(n bigint, ids uuid[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF n <> cardinality(ids) THEN
        RAISE EXCEPTION 'a trigger of the table does not let the row be changed';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.rows_started(ids uuid[], attempts integer[], now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    n bigint;
BEGIN
    PERFORM scriptorium.as_client();
    UPDATE {{jobs}} AS j
    SET status = 'processing', current_step = 'initializing', progress = 5, retry_count = i.attempts,
        started_at = now, updated_at = now, completed_at = NULL, processing_time_seconds = NULL
    FROM ROWS FROM (pg_catalog.unnest(ids), pg_catalog.unnest(attempts)) AS i (id, attempts)
    WHERE j.id OPERATOR(pg_catalog.=) ANY (ids) AND j.id OPERATOR(pg_catalog.=) i.id;
    GET DIAGNOSTICS n = ROW_COUNT;
    SET CONSTRAINTS ALL IMMEDIATE; -- who refuses only at the commit would refuse the whole batch
    PERFORM scriptorium.all_written(n, ids);
END $$;

-- attempts null: as before.
CREATE OR REPLACE FUNCTION scriptorium.rows_given_back(
    ids uuid[], attempts integer[], step text, errors text[], now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    n bigint;
BEGIN
    PERFORM scriptorium.as_client();
    UPDATE {{jobs}} AS j
    SET status = 'pending', progress = 0, current_step = step,
        error_message = coalesce(i.error, j.error_message),
        retry_count = coalesce(i.attempts, j.retry_count), updated_at = now
    FROM ROWS FROM (pg_catalog.unnest(ids), pg_catalog.unnest(attempts), pg_catalog.unnest(errors))
        AS i (id, attempts, error)
    WHERE j.id OPERATOR(pg_catalog.=) ANY (ids) AND j.id OPERATOR(pg_catalog.=) i.id;
    GET DIAGNOSTICS n = ROW_COUNT;
    SET CONSTRAINTS ALL IMMEDIATE;
    PERFORM scriptorium.all_written(n, ids);
END $$;

CREATE OR REPLACE FUNCTION scriptorium.rows_failed(
    ids uuid[], seconds integer[], errors text[], now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    n bigint;
BEGIN
    PERFORM scriptorium.as_client();
    UPDATE {{jobs}} AS j
    SET status = 'failed', current_step = 'failed', error_message = i.error, updated_at = now,
        processing_time_seconds = i.seconds
    FROM ROWS FROM (pg_catalog.unnest(ids), pg_catalog.unnest(seconds), pg_catalog.unnest(errors))
        AS i (id, seconds, error)
    WHERE j.id OPERATOR(pg_catalog.=) ANY (ids) AND j.id OPERATOR(pg_catalog.=) i.id;
    GET DIAGNOSTICS n = ROW_COUNT;
    SET CONSTRAINTS ALL IMMEDIATE;
    PERFORM scriptorium.all_written(n, ids);
END $$;

-- Deferred constraints stay deferred: the completion hook may rely on them.
CREATE OR REPLACE FUNCTION scriptorium.rows_completed(
    ids uuid[], seconds integer[], scripts text[], metadata text[], now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    n bigint;
BEGIN
    PERFORM scriptorium.as_client();
    -- What was done in the last second was not reported: all chunks are.
    UPDATE {{jobs}} AS j
    SET status = 'completed', progress = 100, current_step = 'completed', error_message = NULL,
        current_chunk = coalesce(i.chunks, j.total_chunks),
        total_chunks = coalesce(i.chunks, j.total_chunks), completed_at = now, updated_at = now, processing_time_seconds = i.seconds,
        generated_script = i.script, script_metadata = i.metadata::pg_catalog.json
    FROM (SELECT u.*, pg_catalog.json_extract_path_text(u.metadata::pg_catalog.json,
                                                        'chunks')::integer AS chunks
          FROM ROWS FROM (pg_catalog.unnest(ids), pg_catalog.unnest(seconds),
                          pg_catalog.unnest(scripts), pg_catalog.unnest(metadata))
              AS u (id, seconds, script, metadata)) AS i
    WHERE j.id OPERATOR(pg_catalog.=) ANY (ids) AND j.id OPERATOR(pg_catalog.=) i.id;
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM scriptorium.all_written(n, ids);
END $$;

CREATE OR REPLACE FUNCTION scriptorium.rows_progress(
    ids uuid[], steps text[], progress integer[], current_chunk integer[], total_chunks integer[],
    now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
{{plan_joins}}
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM scriptorium.as_client();
    UPDATE {{jobs}} AS j
    SET current_step = i.step, progress = greatest(coalesce(j.progress, 0), i.progress),
        current_chunk = i.chunk, total_chunks = i.chunks, updated_at = now
    FROM ROWS FROM (pg_catalog.unnest(ids), pg_catalog.unnest(steps), pg_catalog.unnest(progress),
                    pg_catalog.unnest(current_chunk), pg_catalog.unnest(total_chunks))
        AS i (id, step, progress, chunk, chunks)
    WHERE j.id OPERATOR(pg_catalog.=) ANY (ids) AND j.id OPERATOR(pg_catalog.=) i.id;
    SET CONSTRAINTS ALL IMMEDIATE;
END $$;

-- ---- as clients do it ----

CREATE OR REPLACE FUNCTION scriptorium.rows_inserted(
    ids uuid[], users uuid[], workflows uuid[], retries integer[], priorities integer[],
    params text[], now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM scriptorium.as_client();
    INSERT INTO {{jobs}} (id, user_id, workflow_id, status, progress, current_step, max_retries,
                          priority, generation_params, created_at, updated_at)
    SELECT i.id, i.u, i.w, 'pending', 0, 'queued', coalesce(i.retries, 3), coalesce(i.priority, 5),
           i.params::pg_catalog.json, now, now
    FROM ROWS FROM (pg_catalog.unnest(ids), pg_catalog.unnest(users), pg_catalog.unnest(workflows),
                    pg_catalog.unnest(retries), pg_catalog.unnest(priorities),
                    pg_catalog.unnest(params)) WITH ORDINALITY
        AS i (id, u, w, retries, priority, params, n)
    ORDER BY i.n;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.rows_queued(ids uuid[]) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz := scriptorium.clock();
    n bigint;
BEGIN
    PERFORM scriptorium.as_client();
    UPDATE {{jobs}} AS j
    SET status = 'pending', current_step = 'queued', progress = 0, retry_count = 0, updated_at = now
    WHERE j.id OPERATOR(pg_catalog.=) ANY (ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.rows_cancelled(ids uuid[]) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz := scriptorium.clock();
    n bigint;
BEGIN
    PERFORM scriptorium.as_client();
    UPDATE {{jobs}} AS j SET status = 'cancelled', current_step = 'cancelled', updated_at = now
    WHERE j.id OPERATOR(pg_catalog.=) ANY (ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.row_deleted(job uuid) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM scriptorium.as_client();
    DELETE FROM {{jobs}} AS j WHERE j.id OPERATOR(pg_catalog.=) job;
END $$;

-- The users' rows without their texts; those that have none already are not written. Columns that may
-- not be null get nothing: '{}' or ''.
CREATE OR REPLACE FUNCTION scriptorium.blank(ids uuid[]) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    sets text;
    command text;
    full_ids uuid[] := ARRAY(
        SELECT j.id FROM {{jobs}} j WHERE j.id = ANY (ids) AND (
            j.error_message IS NOT NULL OR coalesce(j.generation_params::text, '{}') <> '{}'
            OR coalesce(j.generated_script, '') <> '' OR coalesce(j.script_metadata::text, '{}') <> '{}'));
    n bigint;
BEGIN
    SELECT string_agg(format('%I = %s', a.attname, CASE WHEN NOT a.attnotnull THEN 'NULL'
                                 WHEN y.typcategory = 'S' THEN '''''' ELSE '''{}''' END), ', ')
    INTO sets
    FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
    WHERE a.attrelid = $n${{jobs}}$n$::regclass AND NOT a.attisdropped AND a.attname IN
        ('generation_params', 'generated_script', 'script_metadata', 'error_message');
    command := format('UPDATE %s SET %s WHERE id OPERATOR(pg_catalog.=) ANY ($1)', $n${{jobs}}$n$, sets);
    PERFORM scriptorium.as_client();
    EXECUTE command USING full_ids;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;
