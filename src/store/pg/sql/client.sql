-- What clients and commands ask of jobs -> rows of the users' table, written as a client would write
-- them: the triggers keep the queue in step.

CREATE OR REPLACE FUNCTION scriptorium.insert_jobs(
    ids uuid[], users uuid[], workflows uuid[], priorities integer[], max_retries integer[],
    params text[], run_at_us bigint[], keys text[])
RETURNS TABLE (id uuid, existed boolean) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz := scriptorium.clock();
    new_ids uuid[] := ARRAY(SELECT coalesce(i.id, gen_random_uuid())
                            FROM unnest(ids) WITH ORDINALITY AS i (id, n) ORDER BY i.n);
    old boolean[] := array_fill(false, ARRAY[cardinality(ids)]);
    found_id uuid;
    k record;
    late_ids uuid[];
    fresh record;
BEGIN
    -- In one order everywhere, so that two batches with the same keys cannot wait for each other.
    FOR k IN
        SELECT i.n::integer AS n, i.u, i.key FROM unnest(users, keys) WITH ORDINALITY AS i (u, key, n)
        WHERE i.key IS NOT NULL ORDER BY i.u, i.key, i.n
    LOOP
        INSERT INTO scriptorium.idempotency (user_id, key, job_id, created_at)
        VALUES (k.u, k.key, new_ids[k.n], now) ON CONFLICT DO NOTHING;
        CONTINUE WHEN FOUND;
        SELECT d.job_id INTO found_id FROM scriptorium.idempotency d
        WHERE d.user_id = k.u AND d.key = k.key FOR UPDATE;
        IF EXISTS (SELECT FROM {{jobs}} j WHERE j.id = found_id) OR found_id = ANY (new_ids) THEN
            new_ids[k.n] := found_id;
            old[k.n] := true;
        ELSE
            UPDATE scriptorium.idempotency SET job_id = new_ids[k.n], created_at = now
            WHERE user_id = k.u AND key = k.key;
        END IF;
    END LOOP;
    SELECT array_agg(i.id ORDER BY i.n) AS ids, array_agg(i.u ORDER BY i.n) AS users,
           array_agg(i.w ORDER BY i.n) AS workflows, array_agg(i.retries ORDER BY i.n) AS retries,
           array_agg(i.priority ORDER BY i.n) AS priorities, array_agg(i.params ORDER BY i.n) AS params
    INTO fresh FROM unnest(new_ids, old, users, workflows, priorities, max_retries, params)
        WITH ORDINALITY AS i (id, old, u, w, priority, retries, params, n)
    WHERE NOT i.old;
    IF fresh.ids IS NOT NULL THEN
        PERFORM scriptorium.rows_inserted(fresh.ids, fresh.users, fresh.workflows, fresh.retries,
                                          fresh.priorities, fresh.params, now);
    END IF;
    SELECT array_agg(i.id) INTO late_ids FROM unnest(new_ids, old, run_at_us) AS i (id, old, due)
    WHERE NOT i.old AND scriptorium.at(i.due) > now;
    IF late_ids IS NOT NULL THEN
        UPDATE scriptorium.queue q SET state = 2, run_at = (
            SELECT scriptorium.at(i.due) FROM unnest(new_ids, old, run_at_us) AS i (id, old, due)
            WHERE i.id = q.job_id AND NOT i.old)
        WHERE q.job_id = ANY (late_ids);
    END IF;
    RETURN QUERY SELECT i.id, i.old FROM unnest(new_ids, old) AS i (id, old);
END $$;

-- For the users' own SQL: a job as part of their transaction, perhaps later, perhaps once per key. With
-- its owner's rights, so that one GRANT of this function is all that a caller needs; it is nobody's at
-- first, for it takes anybody's user_id.
CREATE OR REPLACE FUNCTION scriptorium.create_job(
    user_id uuid, params jsonb, priority integer DEFAULT 5, run_at timestamptz DEFAULT NULL,
    idempotency_key text DEFAULT NULL, workflow_id uuid DEFAULT NULL)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF user_id IS NULL OR jsonb_typeof(params) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'create_job needs a user_id and params such as {"topic": "Why bridges hum"}'
            USING ERRCODE = 'SCI01';
    ELSIF octet_length(idempotency_key) NOT BETWEEN 1 AND 255 THEN
        RAISE EXCEPTION 'an idempotency_key has 1 to 255 bytes' USING ERRCODE = 'SCI01';
    END IF;
    RETURN (SELECT i.id FROM scriptorium.insert_jobs(
        ARRAY[NULL::uuid], ARRAY[user_id], ARRAY[workflow_id], ARRAY[priority], ARRAY[NULL::integer],
        ARRAY[params::text], ARRAY[scriptorium.us(run_at)], ARRAY[idempotency_key]) i);
END $$;

-- ---- look ----

-- The order of what is due: every step-th place, so that there are at most so many.
DROP FUNCTION IF EXISTS scriptorium.places(integer);
CREATE OR REPLACE FUNCTION scriptorium.places(most integer)
RETURNS TABLE (priority integer, tag bigint, tie bigint, step bigint, total bigint) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT d.priority, d.tag, scriptorium.us(d.run_at), d.step, d.total FROM (
        SELECT q.priority::integer, q.tag, q.run_at, count(*) OVER () AS total,
               greatest(1, (count(*) OVER () + most - 1) / most) AS step,
               row_number() OVER (ORDER BY q.priority DESC, q.tag, q.run_at) - 1 AS n
        FROM scriptorium.queue q WHERE q.state = 0) d
    WHERE d.n % d.step = 0 ORDER BY d.n;
END $$;

-- Those jobs, in the order of the ids; with their texts, if wanted. Cost and tokens: over all calls, cut
-- ones too. due_: where a due job stands, by places(); null for any other.
CREATE OR REPLACE FUNCTION scriptorium.jobs_of(ids uuid[], texts boolean)
RETURNS TABLE (id uuid, user_id uuid, workflow_id uuid, status text, progress integer,
               current_chunk integer, total_chunks integer, retry_count integer,
               max_retries integer, priority integer, current_step text, error_message text,
               created_us bigint, started_us bigint, completed_us bigint, updated_us bigint,
               processing_seconds bigint, queued boolean, run_at_us bigint, run integer,
               cost bigint, input_tokens bigint, output_tokens bigint, cache_read bigint,
               cache_write bigint, params text, script text, metadata text,
               due_priority integer, due_tag bigint, due_tie bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_variable
BEGIN
    RETURN QUERY
    SELECT j.id, j.user_id, j.workflow_id, j.status::text, coalesce(j.progress, 0)::integer,
           coalesce(j.current_chunk, 0)::integer, coalesce(j.total_chunks, 0)::integer,
           coalesce(j.retry_count, 0)::integer, coalesce(j.max_retries, 3)::integer,
           coalesce(j.priority, 5)::integer, j.current_step::text, j.error_message::text,
           coalesce(scriptorium.us(j.created_at), 0), coalesce(scriptorium.us(j.started_at), 0),
           coalesce(scriptorium.us(j.completed_at), 0), coalesce(scriptorium.us(j.updated_at), 0),
           coalesce(j.processing_time_seconds, -1)::bigint, q.job_id IS NOT NULL,
           coalesce(scriptorium.us(q.run_at), 0), coalesce(r.run, 1),
           c.cost, c.input, c.output, c.cache_read, c.cache_write,
           CASE WHEN texts THEN j.generation_params::text END,
           CASE WHEN texts THEN j.generated_script::text END,
           CASE WHEN texts THEN j.script_metadata::text END,
           CASE WHEN q.state = 0 THEN q.priority::integer END, CASE WHEN q.state = 0 THEN q.tag END,
           CASE WHEN q.state = 0 THEN scriptorium.us(q.run_at) END
    FROM unnest(ids) WITH ORDINALITY AS i (id, n)
    JOIN {{jobs}} j ON j.id = i.id
    LEFT JOIN scriptorium.queue q ON q.job_id = i.id
    LEFT JOIN scriptorium.run r ON r.job_id = i.id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(k.cost), 0)::bigint AS cost,
               coalesce(sum(k.input + k.cache_read + k.cache_write_5m + k.cache_write_1h), 0)::bigint
                   AS input,
               coalesce(sum(k.output), 0)::bigint AS output,
               coalesce(sum(k.cache_read), 0)::bigint AS cache_read,
               coalesce(sum(k.cache_write_5m + k.cache_write_1h), 0)::bigint AS cache_write
        FROM scriptorium.call k WHERE k.job_id = i.id) c
    ORDER BY i.n;
END $$;

-- What a client is shown of jobs, each named once: the row of each as of jobs_of(), then the steps of
-- their runs, oldest first: without their texts, and with null in all of the row's columns but the id.
CREATE OR REPLACE FUNCTION scriptorium.show_jobs(ids uuid[])
RETURNS TABLE (of_step boolean, id uuid, user_id uuid, workflow_id uuid, status text, progress integer,
               current_chunk integer, total_chunks integer, retry_count integer,
               max_retries integer, priority integer, current_step text, error_message text,
               created_us bigint, started_us bigint, completed_us bigint, updated_us bigint,
               processing_seconds bigint, queued boolean, run_at_us bigint, run integer,
               cost bigint, input_tokens bigint, output_tokens bigint, cache_read bigint,
               cache_write bigint, params text, script text, metadata text,
               due_priority integer, due_tag bigint, due_tie bigint,
               key text, stop text, model text, step_input bigint, step_output bigint,
               step_cache_read bigint, step_cache_write_5m bigint, step_cache_write_1h bigint,
               step_cost bigint, began_us bigint, ended_us bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_variable
BEGIN
    RETURN QUERY
    SELECT false, j.*, NULL::text, NULL::text, NULL::text, NULL::bigint, NULL::bigint, NULL::bigint,
           NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint
    FROM scriptorium.jobs_of(ids, true) j;
    RETURN QUERY
    SELECT true, s.job_id, NULL::uuid, NULL::uuid, NULL::text, NULL::integer, NULL::integer,
           NULL::integer, NULL::integer, NULL::integer, NULL::integer, NULL::text, NULL::text, NULL::bigint,
           NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::boolean, NULL::bigint,
           NULL::integer, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint,
           NULL::text, NULL::text, NULL::text, NULL::integer, NULL::bigint, NULL::bigint,
           s.step, s.stop, s.model, s.input, s.output, s.cache_read, s.cache_write_5m,
           s.cache_write_1h, s.cost, scriptorium.us(s.started_at), scriptorium.us(s.ended_at)
    FROM unnest(ids) WITH ORDINALITY AS i (id, n)
    JOIN {{jobs}} j ON j.id = i.id
    LEFT JOIN scriptorium.run r ON r.job_id = i.id
    JOIN scriptorium.step s ON s.job_id = i.id AND s.run = coalesce(r.run, 1) AND s.step <> 'input'
    ORDER BY i.n, s.n;
END $$;

-- Which jobs a list has next, in its order: newest first, by id at the same time, those of no known time
-- last. Behind a place in that order: the job that stood there may be gone. What runs is found by the
-- queue, one user's jobs by the user; all of them by an index on (created_at, id), where the table has
-- one (docs/postgresql.md).
CREATE OR REPLACE FUNCTION scriptorium.page_ids(of_status text, of_user uuid, after_us bigint,
                                                behind uuid, most integer)
RETURNS uuid[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_variable
DECLARE
    since timestamptz := CASE WHEN behind IS NULL THEN 'infinity'
                              ELSE coalesce(scriptorium.at(after_us), '-infinity') END;
    after uuid := coalesce(behind, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    running uuid[];
    ids uuid[];
BEGIN
    IF of_status = 'processing' THEN
        running := ARRAY(SELECT q.job_id FROM scriptorium.queue q WHERE q.state = 1
                         UNION ALL SELECT f.job_id FROM scriptorium.foreign_job f);
    END IF;
    IF running IS NOT NULL OR of_user IS NOT NULL THEN
        RETURN ARRAY(
            SELECT t.id FROM {{jobs}} t
            WHERE (running IS NULL OR t.id = ANY (running))
              AND (of_user IS NULL OR t.user_id = of_user)
              AND (of_status IS NULL OR t.status::text = of_status)
              AND (coalesce(t.created_at, '-infinity'), t.id) < (since, after)
            ORDER BY coalesce(t.created_at, '-infinity') DESC, t.id DESC LIMIT most);
    END IF;
    ids := ARRAY(
        SELECT t.id FROM {{jobs}} t
        WHERE (of_status IS NULL OR t.status::text = of_status)
          AND (t.created_at, t.id) < (since, after)
        ORDER BY t.created_at DESC, t.id DESC LIMIT most);
    IF cardinality(ids) < most THEN
        ids := ids || ARRAY(
            SELECT t.id FROM {{jobs}} t
            WHERE (of_status IS NULL OR t.status::text = of_status)
              AND t.created_at IS NULL AND (since > '-infinity' OR t.id < after)
            ORDER BY t.id DESC LIMIT most - cardinality(ids));
    END IF;
    RETURN ids;
END $$;

-- ---- what a client may do to a row ----

CREATE OR REPLACE FUNCTION scriptorium.need_status(job uuid, refused text[], verb text)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    now_is text;
BEGIN
    SELECT coalesce(j.status::text, 'null') INTO now_is FROM {{jobs}} j WHERE j.id = job
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no job %', job USING ERRCODE = 'SCN01';
    ELSIF now_is = ANY (refused) THEN
        RAISE EXCEPTION 'job % is %: nothing to %', job, now_is, verb USING ERRCODE = 'SCI01';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.cancel_job(job uuid) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM scriptorium.need_status(job, '{completed,failed,cancelled}', 'cancel');
    PERFORM scriptorium.rows_cancelled(ARRAY[job]);
    RETURN 1;
END $$;

-- A pending job waits already. A running one starts over: its worker is fenced off.
CREATE OR REPLACE FUNCTION scriptorium.retry_job(job uuid) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM scriptorium.need_status(job, '{pending,processing}', 'retry');
    PERFORM scriptorium.rows_queued(ARRAY[job]);
    RETURN 1;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.delete_job(job uuid) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM scriptorium.need_status(job, '{}', 'delete');
    PERFORM scriptorium.row_deleted(job);
    RETURN 1;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.retry_all(of_status text, of_user uuid) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF of_status NOT IN ('failed', 'cancelled') THEN
        RAISE EXCEPTION 'only failed and cancelled jobs can be run again together'
            USING ERRCODE = 'SCI01';
    END IF;
    RETURN scriptorium.rows_queued((SELECT array_agg(l.id) FROM (
        SELECT j.id FROM {{jobs}} j
        WHERE j.status IN ('failed', 'cancelled')
          AND (of_status IS NULL OR j.status::text = of_status)
          AND (of_user IS NULL OR j.user_id = of_user) FOR NO KEY UPDATE) l));
END $$;

-- How long: since the last sign of life of whoever works on it, as far as we saw it or the row says.
CREATE OR REPLACE FUNCTION scriptorium.rescue_foreign(age_us bigint) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    RETURN scriptorium.rows_queued((SELECT array_agg(l.id) FROM (
        SELECT j.id FROM {{jobs}} j
        WHERE j.status = 'processing' AND j.id IN (
            SELECT f.job_id FROM scriptorium.foreign_job f
            WHERE greatest(f.since, j.started_at, j.updated_at)
                  <= scriptorium.clock() - age_us * '1 microsecond'::interval)
        FOR NO KEY UPDATE OF j) l));
END $$;
