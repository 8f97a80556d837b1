-- What running attempts report -> progress, text and checkpoints, while the job is still theirs.

-- Why a job is not ours: 1 cancelled, 2 deleted, 3 replaced (it runs elsewhere, waits, or ended).
CREATE OR REPLACE FUNCTION scriptorium.why_lost(job uuid) RETURNS integer LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    RETURN (
        SELECT coalesce((SELECT CASE WHEN j.status = 'cancelled' THEN 1 ELSE 3 END
                         FROM {{jobs}} j WHERE j.id = job), 2));
END $$;

-- Takes the jobs' rows in the users' table as far as no client has them, and returns those whose queue
-- row carries the fence. Who holds the users' row holds the queue row too: until the end of the
-- transaction nobody can change what was found. The queue is read after the lock, by a statement of
-- its own, and so sees what was committed until then.
CREATE OR REPLACE FUNCTION scriptorium.hold(jobs uuid[], fences bigint[]) RETURNS uuid[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    locked uuid[];
BEGIN
    SELECT array_agg(l.id) INTO locked FROM (
        SELECT j.id FROM {{jobs}} j WHERE j.id = ANY (jobs) FOR NO KEY UPDATE SKIP LOCKED) l;
    RETURN (
        SELECT array_agg(i.job) FROM unnest(jobs, fences) AS i (job, fence), scriptorium.queue q
        WHERE q.job_id = ANY (locked) AND q.job_id = i.job AND q.fence = i.fence AND q.fence > 0);
END $$;

CREATE OR REPLACE FUNCTION scriptorium.check_held(jobs uuid[], fences bigint[])
RETURNS TABLE (lost integer)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
BEGIN
    RETURN QUERY
    SELECT CASE WHEN q.job_id IS NOT NULL THEN 0 ELSE scriptorium.why_lost(i.job) END
    FROM unnest(jobs, fences) WITH ORDINALITY AS i (job, fence, n)
    LEFT JOIN scriptorium.queue q ON q.job_id = i.job AND q.fence = i.fence AND q.fence > 0
    ORDER BY i.n;
END $$;

-- A finished step or saved text: the count of crashes starts over. Rarely anything to do.
CREATE OR REPLACE FUNCTION scriptorium.calm(ids uuid[], fences bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
BEGIN
    UPDATE scriptorium.queue SET crashes = 0 WHERE job_id IN (
        SELECT q.job_id FROM scriptorium.queue q
        WHERE q.job_id = ANY (ids) AND q.fence = ANY (fences) AND q.crashes > 0
        FOR UPDATE SKIP LOCKED);
END $$;

-- Streamed text of jobs that are held, at most one piece per job and step. No lock: a chain carries
-- the fence of the attempt that began it, and only the latest chain counts, so that a piece which
-- comes too late is never read. A piece that does not continue what is there is left out; one of the
-- same call that repeats some of it, because an answer got lost, adds what is new.
CREATE OR REPLACE FUNCTION scriptorium.add_text(
    jobs uuid[], fences bigint[], steps text[], hashes text[], offsets bigint[], texts bytea[],
    calls uuid[], tokens bigint[], rates bigint[], now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
DECLARE
    gone record;
BEGIN
    IF 0 = ANY (offsets) THEN
        -- What was there may be of a call that is still open: its process died, and before anybody
        -- noticed a client ran its job again.
        WITH d AS (
            DELETE FROM scriptorium.step_text t
            USING unnest(jobs, fences, steps, offsets) AS i (job, fence, step, at)
            WHERE i.at = 0 AND t.job_id = i.job AND t.step = i.step AND t.chain <= i.fence
            RETURNING t.call, t.tokens, t.rate
        )
        SELECT array_agg(d.call) AS calls, array_agg(d.tokens) AS tokens, array_agg(d.rate) AS rates
        INTO gone FROM d;
        IF gone.calls IS NOT NULL THEN
            PERFORM scriptorium.note_spent(gone.calls, gone.tokens, gone.rates);
        END IF;
    END IF;
    INSERT INTO scriptorium.step_text
        (job_id, step, chain, at, tokens, rate, call, written_at, input_hash, content)
    SELECT i.job, i.step, CASE i.at WHEN 0 THEN i.fence ELSE l.chain END,
           CASE i.at WHEN 0 THEN 0 ELSE l.ends END,
           coalesce(i.tokens, 0), coalesce(i.rate, 0), i.call, now, i.hash,
           CASE i.at WHEN 0 THEN i.content ELSE substr(i.content, (l.ends - i.at + 1)::integer) END
    FROM unnest(jobs, fences, steps, hashes, offsets, texts, calls, tokens, rates)
        AS i (job, fence, step, hash, at, content, call, tokens, rate)
    LEFT JOIN LATERAL (
        SELECT t.chain, t.input_hash, t.call, t.at + octet_length(t.content) AS ends
        FROM scriptorium.step_text t WHERE t.job_id = i.job AND t.step = i.step
        ORDER BY t.chain DESC, t.at DESC LIMIT 1
    ) l ON true
    WHERE i.at = 0 OR (l.input_hash = i.hash AND (l.ends = i.at OR (l.call = i.call
        AND l.ends > i.at AND l.ends < i.at + octet_length(i.content))))
    ON CONFLICT DO NOTHING;
END $$;

-- The users' rows of jobs that are held; those a client has locked are left for the next time.
CREATE OR REPLACE FUNCTION scriptorium.write_progress(
    jobs uuid[], fences bigint[], steps text[], progress integer[], current_chunk integer[],
    total_chunks integer[], now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    ids uuid[] := scriptorium.hold(jobs, fences);
    w record;
BEGIN
    SELECT array_agg(i.job) AS ids, array_agg(i.step) AS steps, array_agg(i.progress) AS progress,
           array_agg(i.chunk) AS chunk, array_agg(i.chunks) AS chunks
    INTO w FROM unnest(jobs, steps, progress, current_chunk, total_chunks)
        AS i (job, step, progress, chunk, chunks)
    WHERE i.job = ANY (ids);
    IF w.ids IS NOT NULL THEN
        PERFORM scriptorium.rows_progress(w.ids, w.steps, w.progress, w.chunk, w.chunks, now);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.progress(
    jobs uuid[], fences bigint[], steps text[], progress integer[], current_chunk integer[],
    total_chunks integer[], text_steps text[], text_hashes text[], text_offsets bigint[],
    texts bytea[], calls uuid[], output_tokens bigint[], rates bigint[])
RETURNS TABLE (lost integer, message text) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz := scriptorium.clock();
    losts integer[];
    messages text[] := array_fill(NULL::text, ARRAY[cardinality(jobs)]);
    w record;
    began timestamptz;
    first integer;
    i integer;
    text_rounds integer;
BEGIN
    losts := ARRAY(SELECT c.lost FROM scriptorium.check_held(jobs, fences) c);
    SELECT max(r.round) INTO text_rounds FROM (
        SELECT row_number() OVER (PARTITION BY u.job, u.step) AS round
        FROM unnest(jobs, losts, text_steps, texts) AS u (job, lost, step, content)
        WHERE u.lost = 0 AND u.step IS NOT NULL AND octet_length(u.content) > 0) r;
    FOR turn IN 1..coalesce(text_rounds, 0) LOOP
        SELECT array_agg(t.job) AS jobs, array_agg(t.fence) AS fences, array_agg(t.step) AS steps,
               array_agg(t.hash) AS hashes, array_agg(t.at) AS offsets,
               array_agg(t.content) AS texts, array_agg(t.call) AS calls,
               array_agg(t.tokens) AS tokens, array_agg(t.rate) AS rates
        INTO w FROM (
            SELECT u.*, row_number() OVER (PARTITION BY u.job, u.step ORDER BY u.n) AS round
            FROM unnest(jobs, fences, losts, text_steps, text_hashes, text_offsets, texts, calls,
                        output_tokens, rates) WITH ORDINALITY
                AS u (job, fence, lost, step, hash, at, content, call, tokens, rate, n)
            WHERE u.lost = 0 AND u.step IS NOT NULL AND octet_length(u.content) > 0) t
        WHERE t.round = turn;
        PERFORM scriptorium.add_text(w.jobs, w.fences, w.steps, w.hashes, w.offsets, w.texts,
                                     w.calls, w.tokens, w.rates, now);
        PERFORM scriptorium.calm(w.jobs, w.fences)
        WHERE EXISTS (SELECT FROM scriptorium.queue q
                      WHERE q.job_id = ANY (w.jobs) AND q.crashes > 0);
    END LOOP;

    -- The ledger learns what was produced even when the job is lost; of held jobs the text says it.
    -- After the text: a client that deletes a job locks the two in this order.
    UPDATE scriptorium.call c
    SET saved_output = greatest(c.saved_output, i.tokens), saved_rate = coalesce(i.rate, 0)
    FROM (SELECT u.call, max(u.tokens) AS tokens, max(u.rate) AS rate
          FROM unnest(calls, output_tokens, rates, losts, text_steps, texts)
              AS u (call, tokens, rate, lost, step, content)
          WHERE u.call IS NOT NULL
            AND (u.lost <> 0 OR u.step IS NULL OR coalesce(octet_length(u.content), 0) = 0)
          GROUP BY u.call) i
    WHERE c.id = i.call AND c.state IS NOT DISTINCT FROM 0;

    -- Of several items for one job the last speaks for it.
    SELECT array_agg(s.job) AS jobs, array_agg(s.fence) AS fences, array_agg(s.step) AS steps,
           array_agg(s.progress) AS progress, array_agg(s.chunk) AS chunk,
           array_agg(s.chunks) AS chunks, array_agg(s.n) AS places
    INTO w FROM (
        SELECT DISTINCT ON (u.job) u.* FROM unnest(jobs, fences, losts, steps, progress,
                current_chunk, total_chunks) WITH ORDINALITY
            AS u (job, fence, lost, step, progress, chunk, chunks, n)
        WHERE u.lost = 0 AND u.step IS NOT NULL ORDER BY u.job, u.n DESC) s;
    IF w.jobs IS NOT NULL THEN
        BEGIN
            PERFORM scriptorium.write_progress(w.jobs, w.fences, w.steps, w.progress, w.chunk,
                                               w.chunks, now);
        EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN
            IF scriptorium.is_ours(SQLSTATE) THEN
                RAISE;
            END IF;
            -- One by one, from anywhere: what there is no time for is shown the next time.
            began := clock_timestamp();
            first := floor(random() * cardinality(w.jobs));
            FOR k IN 0..cardinality(w.jobs) - 1 LOOP
                EXIT WHEN scriptorium.is_too_long(began);
                i := 1 + (first + k) % cardinality(w.jobs);
                BEGIN
                    PERFORM scriptorium.write_progress(
                        w.jobs[i:i], w.fences[i:i], w.steps[i:i], w.progress[i:i], w.chunk[i:i],
                        w.chunks[i:i], now);
                EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN
                    IF scriptorium.is_ours(SQLSTATE) THEN
                        RAISE;
                    ELSIF NOT scriptorium.is_busy(SQLSTATE) THEN
                        losts[w.places[i]] := 4;
                        messages[w.places[i]] := SQLERRM;
                    END IF;
                END;
            END LOOP;
        END;
    END IF;
    RETURN QUERY SELECT u.* FROM unnest(losts, messages) AS u;
END $$;

-- Who is to blame when a write of the users' rows fails. Ours: the statement's time is over, the server is
-- out of space or memory, we raised it ourselves, or lack a privilege on the table; the whole request is to be
-- repeated. Anything else was raised by triggers and rules of the users', whatever class they gave it, and
-- concerns one job.
CREATE OR REPLACE FUNCTION scriptorium.is_ours(state text) RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN state IN ('57014', '53100', '53200', '58030', 'SCL01', 'SCN01', 'SCI01')
        OR (state = '42501' AND scriptorium.lacking() IS NOT NULL);
END $$;

-- Somebody else holds what a trigger wanted, or both waited for each other: the job's turn comes again soon.
CREATE OR REPLACE FUNCTION scriptorium.is_busy(state text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS
$$SELECT pg_catalog.left($1, 2) = '40' OR $1 = '55P03'$$;

-- For how long the jobs of a batch are tried one by one: each may wait for a lock.
CREATE OR REPLACE FUNCTION scriptorium.is_too_long(since timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE AS
$$SELECT pg_catalog.clock_timestamp() > $1 + '300 milliseconds'::interval$$;

CREATE OR REPLACE FUNCTION scriptorium.step_save(
    job uuid, fence bigint, run integer, key text, input_hash text, output text, stop text,
    model text, input bigint, output_tokens bigint, cache_read bigint, cache_write_5m bigint,
    cache_write_1h bigint, cost bigint, started_us bigint, ended_us bigint, call uuid,
    call_state integer, call_input bigint, call_output bigint, call_cache_read bigint,
    call_cache_write_5m bigint, call_cache_write_1h bigint, call_cost bigint, served_model text,
    request_id text, error text, http_status integer)
RETURNS integer LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_variable
DECLARE
    lost integer;
BEGIN
    -- A client's transaction may hold the row: then it decides, and we ask again.
    PERFORM FROM scriptorium.queue q WHERE q.job_id = job AND q.fence = step_save.fence AND q.fence > 0
    FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
        lost := 0;
    ELSE
        SELECT c.lost INTO lost FROM scriptorium.check_held(ARRAY[job], ARRAY[fence]) c;
        lost := CASE lost WHEN 0 THEN 5 ELSE lost END;
    END IF;
    IF call IS NOT NULL THEN
        PERFORM scriptorium.end_call(call, call_state, call_input, call_output, call_cache_read,
                                     call_cache_write_5m, call_cache_write_1h, call_cost,
                                     served_model, request_id, error, http_status);
    END IF;
    IF lost <> 0 THEN
        RETURN lost;
    END IF;
    PERFORM scriptorium.calm(ARRAY[job], ARRAY[fence]);
    DELETE FROM scriptorium.step s WHERE s.job_id = job AND s.run = step_save.run AND s.step = key;
    INSERT INTO scriptorium.step (job_id, run, step, input_hash, stop, model, input, output,
                                  cache_read, cache_write_5m, cache_write_1h, cost, started_at,
                                  ended_at, content)
    VALUES (job, run, key, coalesce(input_hash, ''), stop, model, input, output_tokens, cache_read,
            cache_write_5m, cache_write_1h, cost, scriptorium.at(started_us),
            scriptorium.at(ended_us), coalesce(output, ''));
    DELETE FROM scriptorium.step_text t WHERE t.job_id = job AND t.step = key;
    RETURN 0;
END $$;

-- All that a run goes on from, in one statement whose plans are kept: its steps; the text of the step that
-- wrote last, with content; and a row without a key: the version of the job, and what the run has cost so far.
CREATE OR REPLACE FUNCTION scriptorium.run_state(job uuid, of_run integer)
RETURNS TABLE (key text, input_hash text, output text, stop text, model text, input bigint,
               output_tokens bigint, cache_read bigint, cache_write_5m bigint,
               cache_write_1h bigint, cost bigint, started_us bigint, ended_us bigint, content bytea)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.step, s.input_hash, s.content, s.stop, s.model, s.input, s.output, s.cache_read,
           s.cache_write_5m, s.cache_write_1h, s.cost, scriptorium.us(s.started_at),
           scriptorium.us(s.ended_at), NULL::bytea
    FROM scriptorium.step s
    WHERE s.job_id = job AND s.run = of_run AND s.step <> 'input' ORDER BY s.n;
    RETURN QUERY
    SELECT l.step, l.input_hash, NULL::text, NULL::text, NULL::text, 0::bigint, 0::bigint, 0::bigint,
           0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint,
           (SELECT string_agg(t.content, ''::bytea ORDER BY t.at) FROM scriptorium.step_text t
            WHERE t.job_id = job AND t.step = l.step AND t.chain = l.chain)
    FROM (SELECT t.step, t.chain, t.input_hash FROM scriptorium.step_text t
          WHERE t.job_id = job ORDER BY t.written_at DESC, t.chain DESC, t.at DESC LIMIT 1) l;
    RETURN QUERY
    SELECT NULL::text, NULL::text, NULL::text, NULL::text, NULL::text,
           coalesce((SELECT q.version FROM scriptorium.queue q WHERE q.job_id = job), -1)::bigint,
           0::bigint, 0::bigint, 0::bigint, 0::bigint,
           (SELECT coalesce(sum(c.cost), 0)::bigint FROM scriptorium.call c
            WHERE c.job_id = job AND c.run = of_run),
           0::bigint, 0::bigint, NULL::bytea;
END $$;
