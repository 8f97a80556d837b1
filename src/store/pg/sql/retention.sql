-- What is old, or a user's who wants to be forgotten -> texts and rows gone, some at a time. Money stays: the
-- ledger is never touched but for its error texts.

-- Looks at the next rows in order of their ids, never at all of them, and goes on there the next time.
-- An age of 0 keeps for ever. A row that a client holds, or that the database does not let us change,
-- is left for the next round. more: the end was not reached. changed: jobs.
CREATE OR REPLACE FUNCTION scriptorium.sweep(completed_us bigint, failed_us bigint,
    cancelled_us bigint, whole_rows boolean, look integer, OUT changed bigint, OUT more boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz := scriptorium.clock();
    cursor_at uuid;
    seen uuid[];
    one uuid;
    did bigint;
BEGIN
    changed := 0;
    more := false;
    IF NOT pg_try_advisory_xact_lock(6002718402) THEN
        RETURN; -- another node is at it
    END IF;
    cursor_at := nullif(scriptorium.setting_get('retention.cursor'), '')::uuid;
    seen := ARRAY(SELECT j.id FROM {{jobs}} j WHERE cursor_at IS NULL OR j.id > cursor_at
                  ORDER BY j.id LIMIT look);
    FOR one IN
        SELECT j.id FROM {{jobs}} j WHERE j.id = ANY (seen)
          AND now - coalesce(j.completed_at, j.updated_at, j.created_at) >
              nullif(CASE j.status::text WHEN 'completed' THEN completed_us WHEN 'failed' THEN failed_us
                     WHEN 'cancelled' THEN cancelled_us ELSE 0 END, 0) * interval '1 microsecond'
        FOR UPDATE SKIP LOCKED
    LOOP
        BEGIN
            IF whole_rows THEN
                PERFORM scriptorium.row_deleted(one);
                did := 1;
            ELSE
                did := scriptorium.blank(ARRAY[one]);
                DELETE FROM scriptorium.step s WHERE s.job_id = one;
                DELETE FROM scriptorium.step_text t WHERE t.job_id = one;
                DELETE FROM scriptorium.log l WHERE l.job_id = one;
            END IF;
            changed := changed + did;
        EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN
            IF scriptorium.is_ours(SQLSTATE) THEN
                RAISE;
            END IF;
        END;
    END LOOP;
    more := coalesce(cardinality(seen), 0) = look;
    INSERT INTO scriptorium.setting VALUES
        ('retention.cursor', CASE WHEN more THEN seen[look]::text ELSE '' END)
    ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value;
    PERFORM scriptorium.sweep_own(now, look);
END $$;

-- What only grows otherwise: keys of jobs that are gone, notes of hooks that have run, and of a hook that
-- is configured no more, a day after it could have been tried.
CREATE OR REPLACE FUNCTION scriptorium.sweep_own(now timestamptz, look integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    was text := scriptorium.setting_get('retention.keys');
    last_user uuid := nullif(split_part(was, ' ', 1), '')::uuid;
    last_key text := substr(was, 38);
    seen record;
BEGIN
    SELECT array_agg(k.user_id ORDER BY k.user_id, k.key) AS users,
           array_agg(k.key ORDER BY k.user_id, k.key) AS keys,
           array_agg(k.job_id ORDER BY k.user_id, k.key) AS jobs INTO seen
    FROM (SELECT i.user_id, i.key, i.job_id FROM scriptorium.idempotency i
          WHERE last_user IS NULL OR (i.user_id, i.key) > (last_user, last_key)
          ORDER BY i.user_id, i.key LIMIT look) k;
    DELETE FROM scriptorium.idempotency i
    USING unnest(seen.users, seen.keys, seen.jobs) AS u (user_id, key, job)
    WHERE i.user_id = u.user_id AND i.key = u.key AND i.job_id = u.job
      AND i.created_at < now - interval '1 hour' -- its job may not be committed yet
      AND NOT EXISTS (SELECT FROM {{jobs}} j WHERE j.id = u.job);
    INSERT INTO scriptorium.setting VALUES ('retention.keys',
        CASE WHEN cardinality(seen.keys) = look THEN seen.users[look] || ' ' || seen.keys[look] ELSE '' END)
    ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value;
    DELETE FROM scriptorium.outbox o WHERE o.n = ANY (ARRAY(
        SELECT d.n FROM scriptorium.outbox d
        WHERE d.state <> 0 AND d.done_at < now - interval '30 days' ORDER BY d.done_at LIMIT look));
    IF NOT scriptorium.is_on('outbox.ended') THEN -- nobody has tried these, or will
        DELETE FROM scriptorium.outbox o WHERE o.n = ANY (ARRAY(
            SELECT d.n FROM scriptorium.outbox d
            WHERE d.kind = 1 AND d.state = 0 AND d.due_at < now - interval '1 day'
            ORDER BY d.due_at LIMIT look));
    END IF;
END $$;

-- ---- one user ----

-- Requests and answers that name the user or one of these jobs, where net.* is installed.
CREATE OR REPLACE FUNCTION scriptorium.erase_net(words text[]) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n bigint := 0;
    part bigint;
BEGIN
    IF scriptorium.surface_kind('net') IS NULL OR NOT has_schema_privilege('net', 'USAGE')
       OR NOT has_table_privilege('net._http_response', 'SELECT, DELETE')
       OR NOT has_table_privilege('net.http_request_queue', 'SELECT, DELETE') THEN
        RETURN 0;
    END IF;
    DELETE FROM net._http_response r
    WHERE EXISTS (SELECT FROM unnest(words) w WHERE position(w IN r.content) > 0);
    GET DIAGNOSTICS n = ROW_COUNT;
    DELETE FROM net.http_request_queue q WHERE EXISTS (
        SELECT FROM unnest(words) w
        WHERE position(convert_to(w, 'UTF8') IN coalesce(q.body, '')) > 0 OR position(w IN q.url) > 0);
    GET DIAGNOSTICS part = ROW_COUNT;
    RETURN n + part;
END $$;

-- The next jobs of the user after that one; null: from the first, which is cancelled with all others
-- that wait or run. last_id null: there are no more.
CREATE OR REPLACE FUNCTION scriptorium.erase(of_user uuid, after_id uuid, look integer,
    OUT last_id uuid, OUT cancelled bigint, OUT jobs bigint, OUT steps bigint, OUT lines bigint,
    OUT keys bigint, OUT outbox bigint, OUT requests bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    ids uuid[];
    part bigint;
BEGIN
    cancelled := 0;
    keys := 0;
    IF after_id IS NULL THEN
        cancelled := scriptorium.rows_cancelled((SELECT array_agg(l.id) FROM (
            SELECT j.id FROM {{jobs}} j
            WHERE j.user_id = of_user AND j.status IN ('pending', 'processing')
            FOR NO KEY UPDATE) l));
        DELETE FROM scriptorium.idempotency i WHERE i.user_id = of_user;
        GET DIAGNOSTICS keys = ROW_COUNT;
    END IF;
    ids := ARRAY(SELECT j.id FROM {{jobs}} j
                 WHERE j.user_id = of_user AND (after_id IS NULL OR j.id > after_id)
                 ORDER BY j.id LIMIT look);
    -- Jobs whose row is gone have left their calls.
    IF after_id IS NULL THEN
        UPDATE scriptorium.call c SET error = NULL WHERE c.user_id = of_user AND c.error IS NOT NULL;
    END IF;
    jobs := coalesce(cardinality(ids), 0);
    PERFORM scriptorium.blank(ids);
    DELETE FROM scriptorium.step s WHERE s.job_id = ANY (ids);
    GET DIAGNOSTICS steps = ROW_COUNT;
    DELETE FROM scriptorium.step_text t WHERE t.job_id = ANY (ids);
    GET DIAGNOSTICS part = ROW_COUNT;
    steps := steps + part;
    DELETE FROM scriptorium.log l WHERE l.job_id = ANY (ids);
    GET DIAGNOSTICS lines = ROW_COUNT;
    DELETE FROM scriptorium.outbox o
    WHERE o.state <> 0 AND (o.job_id = ANY (ids) OR (after_id IS NULL AND o.user_id = of_user));
    GET DIAGNOSTICS outbox = ROW_COUNT;
    -- What is still to be told stays; what was said of an attempt may quote the user.
    UPDATE scriptorium.outbox o SET error = NULL
    WHERE o.state = 0 AND o.error IS NOT NULL
      AND (o.job_id = ANY (ids) OR (after_id IS NULL AND o.user_id = of_user));
    requests := scriptorium.erase_net(ARRAY(SELECT unnest(ids)::text UNION ALL SELECT of_user::text));
    last_id := CASE WHEN jobs = look THEN ids[look] END;
END $$;
