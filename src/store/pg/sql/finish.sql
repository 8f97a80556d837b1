-- How attempts ended -> the queue row first, then the users' row, so that the triggers find nothing
-- left to do.

CREATE OR REPLACE FUNCTION scriptorium.seconds(since timestamptz, now timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE AS
$$SELECT greatest(0, pg_catalog.round(pg_catalog.date_part('epoch',
    $2 OPERATOR(pg_catalog.-) $1)))::integer$$;

-- Back to the queue, for jobs whose users' rows are locked. steps: current_step for people.
CREATE OR REPLACE FUNCTION scriptorium.give_back(
    ids uuid[], due timestamptz[], burn boolean, crashed boolean, step text, errors text[],
    now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    back record;
BEGIN
    WITH given AS (
        UPDATE scriptorium.queue q
        SET state = CASE WHEN i.due > now THEN 2 ELSE 0 END, fence = 0, worker = NULL,
            run_at = greatest(i.due, now), attempts = q.attempts + burn::integer,
            crashes = q.crashes + crashed::integer,
            tag = greatest(q.tag, scriptorium.floor(q.priority))
        FROM unnest(ids, due, errors) AS i (id, due, error)
        WHERE q.job_id = ANY (ids) AND q.job_id = i.id
        RETURNING q.job_id, q.attempts, i.error
    )
    SELECT array_agg(g.job_id) AS ids, array_agg(CASE WHEN burn THEN g.attempts END) AS attempts,
           array_agg(g.error) AS errors
    INTO back FROM given g;
    PERFORM scriptorium.rows_given_back(back.ids, back.attempts, step, back.errors, now);
    PERFORM scriptorium.wake('due');
END $$;

CREATE OR REPLACE FUNCTION scriptorium.fail(ids uuid[], errors text[], now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    ended record;
    users uuid[];
BEGIN
    WITH gone AS (
        DELETE FROM scriptorium.queue q WHERE q.job_id = ANY (ids)
        RETURNING q.job_id, q.user_id, q.claimed_at
    )
    SELECT array_agg(i.id) AS ids, array_agg(g.user_id) AS users, array_agg(i.error) AS errors,
           array_agg(scriptorium.seconds(g.claimed_at, now)) AS seconds
    INTO ended FROM gone g, unnest(ids, errors) AS i (id, error) WHERE g.job_id = i.id;
    PERFORM scriptorium.rows_failed(ended.ids, ended.seconds, ended.errors, now);
    PERFORM scriptorium.keep_ended(ended.ids, ended.users);
    IF scriptorium.has_outbox() THEN
        SELECT array_agg(j.user_id ORDER BY array_position(ids, j.id)) INTO users
        FROM {{jobs}} j WHERE j.id = ANY (ids);
        PERFORM scriptorium.note_ended(ids, users,
                                       array_fill('failed'::text, ARRAY[cardinality(ids)]));
    END IF;
    PERFORM scriptorium.wake('ended');
END $$;

CREATE OR REPLACE FUNCTION scriptorium.complete(ids uuid[], scripts text[], metadata text[],
                                                now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_joins}}
AS $$
#variable_conflict use_variable
DECLARE
    ended record;
    users uuid[];
BEGIN
    WITH gone AS (
        DELETE FROM scriptorium.queue q WHERE q.job_id = ANY (ids)
        RETURNING q.job_id, q.user_id, q.claimed_at
    )
    SELECT array_agg(i.id) AS ids, array_agg(g.user_id) AS users, array_agg(i.script) AS scripts,
           array_agg(i.metadata) AS metadata,
           array_agg(scriptorium.seconds(g.claimed_at, now)) AS seconds
    INTO ended FROM gone g, unnest(ids, scripts, metadata) AS i (id, script, metadata)
    WHERE g.job_id = i.id;
    PERFORM scriptorium.rows_completed(ended.ids, ended.seconds, ended.scripts, ended.metadata, now);
    PERFORM scriptorium.keep_ended(ended.ids, ended.users);
    DELETE FROM scriptorium.step_text t WHERE t.job_id = ANY (ids);
    IF scriptorium.has_outbox() THEN
        SELECT array_agg(j.user_id ORDER BY array_position(ids, j.id)) INTO users
        FROM {{jobs}} j WHERE j.id = ANY (ids);
        PERFORM scriptorium.note_ended(ids, users,
                                       array_fill('completed'::text, ARRAY[cardinality(ids)]));
    END IF;
    PERFORM scriptorium.wake('ended');
END $$;

-- Finishes jobs whose users' rows are locked. All or nothing.
CREATE OR REPLACE FUNCTION scriptorium.finish_held(
    jobs uuid[], fences bigint[], outcomes integer[], scripts text[], metadata text[],
    errors text[], run_at_us bigint[], hook text, now timestamptz)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT i.outcome, array_agg(i.job) AS ids, array_agg(i.script) AS scripts,
               array_agg(i.metadata) AS metadata, array_agg(i.error) AS errors,
               array_agg(coalesce(scriptorium.at(i.due), now)) AS due
        FROM unnest(jobs, outcomes, scripts, metadata, errors, run_at_us)
            AS i (job, outcome, script, metadata, error, due)
        GROUP BY i.outcome
    LOOP
        CASE one.outcome
        WHEN 0 THEN
            PERFORM scriptorium.complete(one.ids, one.scripts, one.metadata, now);
        WHEN 1 THEN
            PERFORM scriptorium.give_back(one.ids, one.due, true, false, 'retry_queued',
                                          one.errors, now);
        WHEN 2 THEN
            PERFORM scriptorium.fail(one.ids, one.errors, now);
        WHEN 3 THEN
            PERFORM scriptorium.give_back(one.ids, one.due, false, false, 'queued', one.errors,
                                          now);
        END CASE;
    END LOOP;
    INSERT INTO scriptorium.finished (fence, job_id, outcome, finished_at)
    SELECT i.fence, i.job, i.outcome, now FROM unnest(jobs, fences, outcomes) AS i (job, fence, outcome);
    IF hook IS NOT NULL AND 0 = ANY (outcomes) THEN
        PERFORM scriptorium.call_hook(hook, 'uuid', 'void', jobs[1], NULL);
    END IF;
END $$;

-- One batch in one piece. The users' rows are locked and written by the same subtransaction: two would
-- leave a multixact on each row.
CREATE OR REPLACE FUNCTION scriptorium.finish_batch(
    jobs uuid[], fences bigint[], outcomes integer[], scripts text[], metadata text[],
    errors text[], run_at_us bigint[], hook text)
RETURNS TABLE (lost integer, sqlstate text, message text) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz := scriptorium.clock();
    held uuid[] := scriptorium.hold(jobs, fences);
    losts integer[];
    w record;
BEGIN
    IF cardinality(held) = cardinality(jobs) THEN
        PERFORM scriptorium.finish_held(jobs, fences, outcomes, scripts, metadata, errors,
                                        run_at_us, hook, now);
        RETURN QUERY SELECT 0, NULL::text, NULL::text FROM unnest(jobs);
        RETURN;
    END IF;
    losts := ARRAY(
        SELECT CASE
            WHEN i.job = ANY (held) THEN 0
            WHEN EXISTS (SELECT FROM scriptorium.finished f
                         WHERE f.fence = i.fence AND f.job_id = i.job AND f.outcome = i.outcome)
                THEN 0
            WHEN EXISTS (SELECT FROM scriptorium.queue q
                         WHERE q.job_id = i.job AND q.fence = i.fence AND q.fence > 0)
                THEN CASE WHEN scriptorium.why_lost(i.job) = 2 THEN 2 ELSE 5 END
            ELSE scriptorium.why_lost(i.job) END
        FROM unnest(jobs, fences, outcomes) WITH ORDINALITY AS i (job, fence, outcome, n)
        ORDER BY i.n);
    IF held IS NOT NULL THEN
        SELECT array_agg(i.job) AS jobs, array_agg(i.fence) AS fences,
               array_agg(i.outcome) AS outcomes, array_agg(i.script) AS scripts,
               array_agg(i.metadata) AS metadata, array_agg(i.error) AS errors,
               array_agg(i.due) AS due
        INTO w FROM unnest(jobs, fences, outcomes, scripts, metadata, errors, run_at_us)
            AS i (job, fence, outcome, script, metadata, error, due)
        WHERE i.job = ANY (held);
        PERFORM scriptorium.finish_held(w.jobs, w.fences, w.outcomes, w.scripts, w.metadata,
                                        w.errors, w.due, hook, now);
    END IF;
    RETURN QUERY SELECT u.l, NULL::text, NULL::text FROM unnest(losts) AS u (l);
END $$;

-- Each item stands alone: if the batch fails, by a trigger of the users' or by the hook, it is
-- repeated item by item, and who fails then is refused, or busy. From anywhere in the batch: when locks
-- that triggers wait for use up the time, those behind are first at another time.
CREATE OR REPLACE FUNCTION scriptorium.finish(
    jobs uuid[], fences bigint[], outcomes integer[], scripts text[], metadata text[],
    errors text[], run_at_us bigint[], hook text)
RETURNS TABLE (lost integer, sqlstate text, message text) LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    n integer := cardinality(jobs);
    losts integer[] := array_fill(5, ARRAY[cardinality(jobs)]);
    states text[] := array_fill(NULL::text, ARRAY[cardinality(jobs)]);
    messages text[] := array_fill(NULL::text, ARRAY[cardinality(jobs)]);
    began timestamptz := clock_timestamp();
    first integer := floor(random() * cardinality(jobs));
    i integer;
    one integer;
BEGIN
    IF hook IS NULL OR NOT 0 = ANY (outcomes) THEN
        BEGIN
            RETURN QUERY SELECT b.* FROM scriptorium.finish_batch(
                jobs, fences, outcomes, scripts, metadata, errors, run_at_us, NULL) b;
            RETURN;
        EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN
            IF scriptorium.is_ours(SQLSTATE) THEN
                RAISE;
            END IF;
        END;
    END IF;
    FOR k IN 0..n - 1 LOOP
        EXIT WHEN k > 0 AND scriptorium.is_too_long(began);
        i := 1 + (first + k) % n;
        BEGIN
            SELECT b.lost INTO one FROM scriptorium.finish_batch(
                jobs[i:i], fences[i:i], outcomes[i:i], scripts[i:i], metadata[i:i], errors[i:i],
                run_at_us[i:i], hook) b;
            losts[i] := one;
        EXCEPTION WHEN QUERY_CANCELED OR ASSERT_FAILURE OR OTHERS THEN
            IF hook IS NULL OR outcomes[i] <> 0 THEN
                IF scriptorium.is_ours(SQLSTATE) THEN
                    RAISE;
                END IF;
                CONTINUE WHEN scriptorium.is_busy(SQLSTATE);
            END IF;
            losts[i] := 4;
            states[i] := SQLSTATE;
            messages[i] := SQLERRM;
        END;
    END LOOP;
    RETURN QUERY SELECT u.* FROM unnest(losts, states, messages) AS u;
END $$;
