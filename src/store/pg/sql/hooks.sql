-- The users' own functions -> called in our transactions, as the engine's role and with the settings
-- that its sessions have: our functions' search path and planner settings are no business of theirs.

-- A hook's name as text to be executed; raises when there is no such function that we may call.
CREATE OR REPLACE FUNCTION scriptorium.hook_name(setting text, hook text, args text, result regtype)
RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    f record;
    id oid;
BEGIN
    BEGIN
        id := to_regprocedure(format('%s(%s)', hook, args));
    EXCEPTION WHEN OTHERS THEN
        RAISE EXCEPTION '%: ''%'' is no name of a function; write it as schema.name', setting, hook
            USING ERRCODE = 'SCI01';
    END;
    IF id IS NULL THEN
        RAISE EXCEPTION '%: there is no function %(%) returns %; create it, and write its name with its schema',
            setting, hook, args, result USING ERRCODE = 'SCI01';
    END IF;
    SELECT p.prorettype, p.proretset, p.prokind,
           format('%I.%I', n.nspname, p.proname) AS name INTO f
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = id;
    IF f.prorettype <> result::oid OR f.proretset OR f.prokind <> 'f' THEN
        RAISE EXCEPTION '%: %(%) must be a function that returns %', setting, hook, args, result
            USING ERRCODE = 'SCI01';
    END IF;
    IF NOT has_function_privilege(id, 'EXECUTE') THEN
        RAISE EXCEPTION '%: the role % may not call %(%); GRANT EXECUTE ON FUNCTION %(%) TO %',
            setting, current_user, hook, args, f.name, args, quote_ident(current_user)
            USING ERRCODE = 'SCI01';
    END IF;
    RETURN f.name;
END $$;

-- At the start: are they there? watch: from now on ends are noted for on_ended, if there is such a
-- hook.
CREATE OR REPLACE FUNCTION scriptorium.hooks_check(input text, completed text, ended text,
                                                   watch boolean)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF input IS NOT NULL THEN
        PERFORM scriptorium.hook_name('hooks.input', input, 'uuid', 'jsonb');
    END IF;
    IF completed IS NOT NULL THEN
        PERFORM scriptorium.hook_name('hooks.on_completed', completed, 'uuid', 'void');
    END IF;
    IF ended IS NOT NULL THEN
        PERFORM scriptorium.hook_name('hooks.on_ended', ended, 'uuid, text', 'void');
    END IF;
    IF watch THEN
        PERFORM scriptorium.setting_set('outbox.ended', CASE WHEN ended IS NOT NULL THEN 'on' END);
    END IF;
END $$;

-- Runs a hook with one job, and for on_ended the outcome.
CREATE OR REPLACE FUNCTION scriptorium.call_hook(hook text, args text, result regtype, job uuid,
                                                 outcome text, OUT content text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = on
SET enable_nestloop = on SET enable_hashjoin = on SET enable_mergejoin = on
AS $$
DECLARE
    name text := scriptorium.hook_name('hook', hook, args, result);
    usual text;
BEGIN
    SELECT s.reset_val INTO usual FROM pg_settings s WHERE s.name = 'search_path';
    PERFORM set_config('search_path', usual, true);
    IF outcome IS NOT NULL THEN
        EXECUTE 'SELECT ' || name || '($1, $2)' USING job, outcome;
    ELSIF result = 'pg_catalog.jsonb'::regtype THEN
        EXECUTE 'SELECT ' || name || '($1)::text' INTO content USING job;
    ELSE
        EXECUTE 'SELECT ' || name || '($1)' USING job;
    END IF;
END $$;

-- What the input hook gives for the job's run: made once, kept as its first checkpoint. lost as in
-- check_held, 5 = busy, 4 = the hook raised; content null: nothing to add.
CREATE OR REPLACE FUNCTION scriptorium.input(job uuid, fence bigint, of_run integer, hook text)
RETURNS TABLE (lost integer, sqlstate text, message text, content text) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    made text;
    began timestamptz := scriptorium.clock();
BEGIN
    IF scriptorium.hold(ARRAY[job], ARRAY[fence]) IS NULL THEN
        RETURN QUERY SELECT CASE
            WHEN NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = job
                             AND q.fence = fence AND fence > 0) THEN scriptorium.why_lost(job)
            WHEN scriptorium.why_lost(job) = 2 THEN 2 ELSE 5 END, NULL::text, NULL::text, NULL::text;
        RETURN;
    END IF;
    SELECT s.content INTO made FROM scriptorium.step s
    WHERE s.job_id = job AND s.run = of_run AND s.step = 'input';
    IF FOUND THEN
        RETURN QUERY SELECT 0, NULL::text, NULL::text, nullif(made, '');
        RETURN;
    END IF;
    BEGIN
        made := scriptorium.call_hook(hook, 'uuid', 'jsonb', job, NULL);
        IF octet_length(made) > 8388608 THEN
            RAISE EXCEPTION 'the input hook gave % bytes; at most 8 MiB', octet_length(made)
                USING ERRCODE = 'SC001';
        ELSIF left(made, 1) <> '{' AND made <> 'null' THEN
            RAISE EXCEPTION 'the input hook gave no JSON object' USING ERRCODE = 'SC001';
        END IF;
    EXCEPTION WHEN QUERY_CANCELED OR ASSERT_FAILURE OR OTHERS THEN
        RETURN QUERY SELECT 4, SQLSTATE::text, SQLERRM::text, NULL::text;
        RETURN;
    END;
    made := nullif(made, 'null');
    INSERT INTO scriptorium.step (job_id, run, step, input_hash, input, output, cache_read,
                                  cache_write_5m, cache_write_1h, cost, started_at, ended_at, content)
    VALUES (job, of_run, 'input', '', 0, 0, 0, 0, 0, 0, began, scriptorium.clock(),
            coalesce(made, ''));
    RETURN QUERY SELECT 0, NULL::text, NULL::text, made;
END $$;

-- Runs the hook for runs that ended in failed, cancelled or deleted, each in a subtransaction with
-- the note that it was run, so that both happen or neither. A hook that raises is tried again, for a
-- day; `again` says how many had to be put off.
CREATE OR REPLACE FUNCTION scriptorium.run_ended(hook text, most integer, OUT done bigint,
                                                 OUT again bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    one record;
    now timestamptz := scriptorium.clock();
BEGIN
    done := 0;
    again := 0;
    FOR one IN
        SELECT o.n, o.job_id, o.outcome, o.attempts, o.ended_at FROM scriptorium.outbox o
        WHERE o.kind = 1 AND o.state = 0 AND o.due_at <= now
        ORDER BY o.due_at LIMIT most FOR UPDATE SKIP LOCKED
    LOOP
        BEGIN
            PERFORM scriptorium.call_hook(hook, 'uuid, text', 'void', one.job_id, one.outcome);
            UPDATE scriptorium.outbox o SET state = 1, done_at = scriptorium.clock(), error = NULL,
                attempts = o.attempts + 1 WHERE o.n = one.n;
            done := done + 1;
        EXCEPTION WHEN QUERY_CANCELED OR ASSERT_FAILURE OR OTHERS THEN
            UPDATE scriptorium.outbox o SET attempts = o.attempts + 1, error = SQLERRM,
                state = CASE WHEN now > one.ended_at + interval '1 day' THEN 2 ELSE 0 END,
                done_at = CASE WHEN now > one.ended_at + interval '1 day' THEN now END,
                due_at = now + least(interval '1 hour',
                                     interval '1 second' * (2 ^ least(one.attempts, 12)))
            WHERE o.n = one.n;
            again := again + 1;
        END;
    END LOOP;
END $$;

-- What is known of a job's last run, for hooks to read. The one function of ours that may be granted
-- to others: GRANT USAGE ON SCHEMA scriptorium and EXECUTE on it. It shows any job.
CREATE OR REPLACE FUNCTION scriptorium.job_output(job_id uuid) RETURNS jsonb LANGUAGE plpgsql STABLE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    of_job uuid := job_output.job_id;
    of_run integer;
    parsed jsonb;
    result jsonb;
    plan text;
BEGIN
    -- The run that the row shows: a completed job that was requeued has begun the next one.
    SELECT coalesce((SELECT r.run FROM scriptorium.run r WHERE r.job_id = of_job), 1) INTO of_run;
    SELECT s.content INTO plan FROM scriptorium.step s
    WHERE s.job_id = of_job AND s.run = of_run AND s.step ~ '^outline'
    ORDER BY s.n DESC LIMIT 1;
    BEGIN
        parsed := substring(plan from '\{.*\}')::jsonb;
    EXCEPTION WHEN OTHERS THEN
        parsed := to_jsonb(plan);
    END;
    SELECT jsonb_build_object(
        'job_id', of_job,
        'run', of_run,
        'outline', coalesce(parsed, to_jsonb(plan), 'null'::jsonb),
        'chunks', coalesce((
            SELECT jsonb_agg(jsonb_build_object('step', s.step, 'text', s.content, 'model', s.model)
                             ORDER BY s.n)
            FROM scriptorium.step s
            WHERE s.job_id = of_job AND s.run = of_run AND s.step ~ '^(chunk|expand)'), '[]'),
        'usage', jsonb_build_object(
            'calls', count(*), 'input', coalesce(sum(c.input), 0),
            'output', coalesce(sum(c.output), 0), 'cacheRead', coalesce(sum(c.cache_read), 0),
            'cacheWrite', coalesce(sum(c.cache_write_5m + c.cache_write_1h), 0)),
        'costUsd', round(coalesce(sum(c.cost), 0) / 1000000.0, 6)) INTO result
    FROM scriptorium.call c WHERE c.job_id = of_job AND c.run = of_run;
    RETURN result;
END $$;
