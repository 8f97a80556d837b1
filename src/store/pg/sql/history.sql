-- Claims on behalf of a label -> at most so many of its jobs at a time. What happened -> the newest of
-- it, kept and listed.

CREATE OR REPLACE FUNCTION scriptorium.claim_labelled(
    by uuid, room integer, cap integer, epoch bigint, of_label text, label_cap integer)
RETURNS TABLE (id uuid, user_id uuid, workflow_id uuid, fence bigint, run integer,
               attempts integer, crashes integer, max_retries integer, priority integer,
               created_us bigint, waited_us bigint, params text, due_left boolean,
               next_due_us bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    most integer := label_cap;
    ids uuid[] := '{}';
    fences bigint[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(6002718399); -- that of every claim
    SELECT s.value::integer INTO most FROM scriptorium.setting s
    WHERE s.key = 'concurrent_limit' AND s.value ~ '^[1-9][0-9]{0,5}$';
    most := coalesce(most, label_cap);
    DELETE FROM scriptorium.label l WHERE NOT EXISTS (
        SELECT FROM scriptorium.queue q
        WHERE q.job_id = l.job_id AND q.state = 1 AND q.fence = l.fence);
    room := least(room, most - (SELECT count(*) FROM scriptorium.label l
                                WHERE l.label = of_label));
    IF room > 0 THEN
        FOR id, user_id, workflow_id, fence, run, attempts, crashes, max_retries, priority,
            created_us, waited_us, params, next_due_us
            IN SELECT * FROM scriptorium.claim(by, room, cap, epoch)
        LOOP
            CONTINUE WHEN id IS NULL; -- the last row; next_due_us stays
            ids := ids || id;
            fences := fences || fence;
            RETURN NEXT;
        END LOOP;
    END IF;
    IF cardinality(ids) > 0 THEN
        INSERT INTO scriptorium.label (job_id, fence, label)
        SELECT u.job_id, u.fence, of_label FROM unnest(ids, fences) AS u (job_id, fence)
        ON CONFLICT (job_id) DO UPDATE SET fence = EXCLUDED.fence, label = EXCLUDED.label;
    END IF;
    due_left := cardinality(ids) = 0 AND (
        EXISTS (SELECT FROM scriptorium.queue q WHERE q.state = 0)
        OR EXISTS (SELECT FROM scriptorium.capped)
        OR EXISTS (SELECT FROM scriptorium.queue q
                   WHERE q.state = 2 AND q.run_at <= scriptorium.clock()));
    id := NULL;
    next_due_us := coalesce(next_due_us, 0);
    RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.invocation_save(
    of_id uuid, at_us bigint, new_duration bigint, new_status integer, new_processed integer,
    new_succeeded integer, new_failed integer, new_settled integer, of_caller text, of_label text,
    of_worker text, of_version text, new_error text, keep bigint)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE scriptorium.invocation SET duration = new_duration, status = new_status,
        processed = new_processed, succeeded = new_succeeded, failed = new_failed,
        settled = new_settled <> 0, error = new_error
    WHERE id = of_id;
    IF NOT FOUND THEN
        INSERT INTO scriptorium.invocation (id, at, duration, status, processed, succeeded, failed,
            settled, caller, label, worker, version, error)
        VALUES (of_id, scriptorium.at(at_us), new_duration, new_status, new_processed,
            new_succeeded, new_failed, new_settled <> 0, of_caller, of_label, of_worker,
            of_version, new_error)
        ON CONFLICT (id) DO NOTHING;
        DELETE FROM scriptorium.invocation
        WHERE n <= (SELECT max(n) FROM scriptorium.invocation) - keep;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.invocations(after_id uuid, most integer)
RETURNS TABLE (id uuid, at_us bigint, duration bigint, status integer, processed integer,
               succeeded integer, failed integer, settled boolean, caller text, label text,
               worker text, version text, error text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.id, scriptorium.us(i.at), i.duration, i.status, i.processed, i.succeeded, i.failed,
           i.settled, i.caller, i.label, i.worker, i.version, i.error
    FROM scriptorium.invocation i
    WHERE after_id IS NULL
       OR i.n < (SELECT o.n FROM scriptorium.invocation o WHERE o.id = after_id)
    ORDER BY i.n DESC LIMIT most
$$;

-- One at a time: a reader that follows the log must not see a number and later a smaller one.
CREATE OR REPLACE FUNCTION scriptorium.log_add(
    ats bigint[], jobs uuid[], invocations uuid[], levels text[], events text[], messages text[],
    detailed text[], workers text[], keep bigint)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(6002718400);
    INSERT INTO scriptorium.log (at, job_id, invocation, level, event, message, details, worker)
    SELECT scriptorium.at(u.at), u.job, u.invocation, u.level, u.event, u.message, u.details,
           u.worker
    FROM unnest(ats, jobs, invocations, levels, events, messages, detailed, workers)
        WITH ORDINALITY AS u (at, job, invocation, level, event, message, details, worker, place)
    ORDER BY u.place;
    DELETE FROM scriptorium.log WHERE n <= (SELECT max(n) FROM scriptorium.log) - keep;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.log_lines(
    of_job uuid, of_invocation uuid, after_n bigint, most integer)
RETURNS TABLE (n bigint, at_us bigint, job_id uuid, invocation uuid, level text, event text,
               message text, details text, worker text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF after_n <> 0 THEN
        RETURN QUERY SELECT x.n, scriptorium.us(x.at), x.job_id, x.invocation, x.level, x.event,
                            x.message, x.details, x.worker
        FROM scriptorium.log x
        WHERE (of_job IS NULL OR x.job_id = of_job)
          AND (of_invocation IS NULL OR x.invocation = of_invocation) AND x.n > after_n
        ORDER BY x.n LIMIT most;
    ELSE
        RETURN QUERY SELECT l.n, scriptorium.us(l.at), l.job_id, l.invocation, l.level, l.event,
                            l.message, l.details, l.worker
        FROM (SELECT * FROM scriptorium.log x
              WHERE (of_job IS NULL OR x.job_id = of_job)
                AND (of_invocation IS NULL OR x.invocation = of_invocation)
              ORDER BY x.n DESC LIMIT most) l
        ORDER BY l.n;
    END IF;
END $$;
