-- Workers that live, leave or vanish -> their leases, and jobs taken back from the dead.

CREATE OR REPLACE FUNCTION scriptorium.worker_open(id uuid, name text, lease_us bigint)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
    lease interval := lease_us * '1 microsecond'::interval;
BEGIN
    INSERT INTO scriptorium.worker (id, name, lease, held_since, expires)
    VALUES (worker_open.id, worker_open.name, lease, now, now + lease) ON CONFLICT DO NOTHING;
END $$;

-- A renewal after the end starts a new unbroken span.
CREATE OR REPLACE FUNCTION scriptorium.worker_renew(of_worker uuid) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
BEGIN
    UPDATE scriptorium.worker
    SET held_since = CASE WHEN now > expires THEN now ELSE held_since END, expires = now + lease
    WHERE id = of_worker;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the worker''s lease is gone' USING ERRCODE = 'SCL01';
    END IF;
END $$;

-- What a call has produced whose process is gone: what was saved, and half of what its stream makes
-- in the time for which text may go unseen: a tick of the reading and two ways (180 ms, as in the
-- embedded store) and an interval between two saves. That is 100 ms, or what its last saves have kept:
-- a batch waits for the one before, and so for a database that is slow. The end falls into a long
-- interval sooner than into a short one; one above a second was an outage, not an interval.
CREATE OR REPLACE FUNCTION scriptorium.produced(
    of_job uuid, of_call uuid, saved_output bigint, saved_rate bigint)
RETURNS bigint LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_variable
DECLARE
    saved record;
    seen bigint := saved_output;
    rate bigint := saved_rate;
    unseen_us bigint;
BEGIN
    SELECT t.tokens, t.rate INTO saved FROM scriptorium.step_text t
    WHERE t.job_id = of_job AND t.call = of_call ORDER BY t.tokens DESC, t.at DESC LIMIT 1;
    IF saved.tokens >= saved_output THEN
        seen := saved.tokens;
        rate := saved.rate;
    END IF;
    SELECT 180000 + greatest(100000, sum(i.us * i.us) / nullif(sum(i.us), 0)) INTO unseen_us
    FROM (SELECT least(1000000, scriptorium.us(l.written_at) - scriptorium.us(l.earlier)) AS us
          FROM (SELECT t.written_at, lag(t.written_at) OVER (ORDER BY t.at) AS earlier
                FROM scriptorium.step_text t WHERE t.job_id = of_job AND t.call = of_call
                ORDER BY t.at DESC LIMIT 10) l
          WHERE l.earlier IS NOT NULL) i;
    RETURN seen + greatest(0, (rate * unseen_us + 1000000) / 2000000);
END $$;

-- Calls of workers that are gone are charged.
CREATE OR REPLACE FUNCTION scriptorium.end_lost_calls() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    c record;
    produced bigint;
BEGIN
    FOR c IN
        SELECT l.id, l.job_id, l.estimated_input, l.saved_output, l.saved_rate, l.price_input,
               l.price_output
        FROM scriptorium.call l LEFT JOIN scriptorium.worker w ON w.id = l.worker
        WHERE l.state = 0 AND w.id IS NULL LIMIT 1000 FOR UPDATE OF l SKIP LOCKED
    LOOP
        produced := scriptorium.produced(c.job_id, c.id, c.saved_output, c.saved_rate);
        PERFORM scriptorium.end_call(
            c.id, 2, c.estimated_input, produced, 0, 0, 0,
            div(c.estimated_input::numeric * c.price_input + produced::numeric * c.price_output
                + 500000, 1000000)::bigint,
            NULL, NULL, 'the process that made the call ended before the call did', 0);
    END LOOP;
END $$;

-- Takes running jobs back, as far as no client holds them; crashed: their worker is dead. That counts
-- against those which had a model call of it open: the first crash waits for nothing, the next ones
-- 10 s, 20 s and 40 s and up to as much again, by the fence, and the fifth fails the job
-- (docs/state-machine.md).
CREATE OR REPLACE FUNCTION scriptorium.take_back(
    jobs uuid[], fences bigint[], crashed boolean, OUT requeued bigint, OUT failed bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
    ids uuid[] := scriptorium.hold(jobs, fences);
    poison uuid[];
    free uuid[];
    again uuid[];
    due timestamptz[];
BEGIN
    SELECT array_agg(s.job_id) FILTER (WHERE s.suspect AND s.crashes >= 4),
           array_agg(s.job_id) FILTER (WHERE NOT s.suspect),
           array_agg(s.job_id) FILTER (WHERE s.suspect AND s.crashes < 4),
           array_agg(now + CASE s.crashes WHEN 0 THEN '0'::interval
                           ELSE (10000000::bigint << (s.crashes - 1)) * (16 + s.fence % 16) / 16
                                * '1 microsecond'::interval END)
               FILTER (WHERE s.suspect AND s.crashes < 4)
    INTO poison, free, again, due
    FROM (SELECT q.job_id, q.crashes, q.fence, crashed AND EXISTS (
              SELECT FROM scriptorium.call c
              WHERE c.job_id = q.job_id AND c.worker IS NOT DISTINCT FROM q.worker
                AND c.state IS NOT DISTINCT FROM 0) AS suspect
          FROM scriptorium.queue q WHERE q.job_id = ANY (ids)) s;
    IF free IS NOT NULL THEN
        PERFORM scriptorium.give_back(free, array_fill(now, ARRAY[cardinality(free)]), false,
                                      false, 'queued',
                                      array_fill(NULL::text, ARRAY[cardinality(free)]), now);
    END IF;
    IF again IS NOT NULL THEN
        PERFORM scriptorium.give_back(again, due, false, true, 'queued',
                                      array_fill(NULL::text, ARRAY[cardinality(again)]), now);
    END IF;
    IF poison IS NOT NULL THEN
        PERFORM scriptorium.fail(poison, array_fill(
            'given up: the process that worked on it ended 5 times in a row without any progress'
            ::text, ARRAY[cardinality(poison)]), now);
    END IF;
    requeued := coalesce(cardinality(free), 0) + coalesce(cardinality(again), 0);
    failed := coalesce(cardinality(poison), 0);
END $$;

-- The same for each alone, should a trigger of the users' refuse one. What it has to wait for is found by
-- the next sweep.
CREATE OR REPLACE FUNCTION scriptorium.take_all_back(
    jobs uuid[], fences bigint[], crashed boolean, OUT requeued bigint, OUT failed bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    one record;
    n integer := coalesce(cardinality(jobs), 0);
    began timestamptz := clock_timestamp();
    first integer := floor(random() * n);
    i integer;
BEGIN
    BEGIN
        SELECT b.* INTO requeued, failed FROM scriptorium.take_back(jobs, fences, crashed) b;
        RETURN;
    EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN
        IF scriptorium.is_ours(SQLSTATE) THEN
            RAISE;
        END IF;
    END;
    requeued := 0;
    failed := 0;
    FOR k IN 0..n - 1 LOOP
        EXIT WHEN scriptorium.is_too_long(began);
        i := 1 + (first + k) % n;
        BEGIN
            SELECT b.* INTO one FROM scriptorium.take_back(jobs[i:i], fences[i:i], crashed) b;
            requeued := requeued + one.requeued;
            failed := failed + one.failed;
        EXCEPTION WHEN ASSERT_FAILURE OR OTHERS THEN
            IF scriptorium.is_ours(SQLSTATE) THEN
                RAISE;
            ELSIF NOT scriptorium.is_busy(SQLSTATE) THEN
                RAISE WARNING 'job % cannot be taken back: %', jobs[i], SQLERRM;
            END IF;
        END;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.worker_close(of_worker uuid) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    ids uuid[];
    fences bigint[];
    n bigint;
BEGIN
    SELECT array_agg(q.job_id), array_agg(q.fence) INTO ids, fences
    FROM scriptorium.queue q WHERE q.state = 1 AND q.worker = of_worker;
    SELECT b.requeued INTO n FROM scriptorium.take_all_back(ids, fences, false) b;
    -- What a client held at this moment is found by the next rescue.
    DELETE FROM scriptorium.worker WHERE id = of_worker;
    DELETE FROM scriptorium.budget_part p WHERE p.worker = of_worker;
    PERFORM scriptorium.end_lost_calls();
    RETURN n;
END $$;

-- Saved text takes no lock, so that of a job that is deleted or completed at the same moment may come
-- a moment later and stay. Nobody reads it, but a deleted job's words must not lie about.
CREATE OR REPLACE FUNCTION scriptorium.drop_late_text() RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n bigint;
BEGIN
    DELETE FROM scriptorium.step_text t
    WHERE NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = t.job_id)
      AND NOT EXISTS (SELECT FROM {{jobs}} j WHERE j.id = t.job_id AND j.status <> 'completed')
      AND NOT row_security_active($n${{jobs}}$n$::regclass); -- which may only hide the job
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- A row that was deleted while no trigger of ours saw it, by a restore or through a table that ours
-- inherits from, leaves its job in the queue. One that waits is found when it is picked; of one that runs the
-- worker learns here that it is gone.
CREATE OR REPLACE FUNCTION scriptorium.drop_orphans() RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    n bigint;
BEGIN
    IF row_security_active($n${{jobs}}$n$::regclass) OR scriptorium.strays() IS NOT NULL THEN
        RETURN 0; -- it may only be hidden, or another table's
    END IF;
    DELETE FROM scriptorium.queue WHERE job_id IN (
        SELECT q.job_id FROM scriptorium.queue q
        WHERE q.state = 1 AND NOT EXISTS (SELECT FROM {{jobs}} j WHERE j.id = q.job_id)
        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n > 0 THEN
        PERFORM scriptorium.wake('ended');
    END IF;
    RETURN n;
END $$;

-- Calls of the function endpoint that were made by those who have died: nobody will tell how their jobs
-- ended. The jobs are given back, and end in another's hands.
CREATE OR REPLACE FUNCTION scriptorium.settle_invocations() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE scriptorium.invocation i
    SET settled = true, error = coalesce(i.error, 'the process that was called ended before its jobs')
    WHERE NOT i.settled AND i.worker NOT IN (
        SELECT w.name FROM scriptorium.worker w WHERE w.name IS NOT NULL);
END $$;

-- Only a worker that has held its own lease unbroken for one lease may judge others: after an outage
-- all leases have run out, and those who come back a moment later are not dead. A lease is lost
-- when its row is deleted here, in the transaction that gives its jobs back; until then it may be
-- renewed. What a client holds at this moment is left to the next sweep.
CREATE OR REPLACE FUNCTION scriptorium.rescue(by uuid, OUT requeued bigint, OUT failed bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
    rescuer scriptorium.worker;
    ids uuid[];
    fences bigint[];
BEGIN
    requeued := 0;
    failed := 0;
    IF by IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO rescuer FROM scriptorium.worker w WHERE w.id = by;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the worker''s lease is gone' USING ERRCODE = 'SCL01';
    END IF;
    IF now > rescuer.expires OR now - rescuer.held_since < rescuer.lease THEN
        RETURN;
    END IF;
    DELETE FROM scriptorium.worker WHERE id IN (
        SELECT w.id FROM scriptorium.worker w WHERE w.expires < now FOR UPDATE SKIP LOCKED);
    IF FOUND THEN
        PERFORM scriptorium.settle_invocations();
    END IF;
    SELECT array_agg(o.job_id), array_agg(o.fence) INTO ids, fences FROM (
        SELECT q.job_id, q.fence
        FROM scriptorium.queue q LEFT JOIN scriptorium.worker w ON w.id = q.worker
        WHERE q.state = 1 AND w.id IS NULL LIMIT 1000) o;
    IF ids IS NOT NULL THEN
        SELECT b.* INTO requeued, failed FROM scriptorium.take_all_back(ids, fences, true) b;
    END IF;
    PERFORM scriptorium.end_lost_calls();
    PERFORM scriptorium.adopt_hidden();
    -- The oldest row says whether there is anything to do: this runs each second in each process.
    IF (SELECT f.finished_at FROM scriptorium.finished f ORDER BY f.fence LIMIT 1)
       < now - '1 hour'::interval THEN
        DELETE FROM scriptorium.finished WHERE fence IN (
            SELECT o.fence FROM (SELECT f.fence, f.finished_at FROM scriptorium.finished f
                                 ORDER BY f.fence LIMIT 100000) o
            WHERE o.finished_at < now - '1 hour'::interval);
    END IF;
    PERFORM scriptorium.drop_ended(now);
    IF random() < 0.1 THEN
        PERFORM scriptorium.tally_fold();
    END IF;
    IF random() < 0.01 THEN -- every minute or two
        PERFORM scriptorium.drop_late_text();
        PERFORM scriptorium.drop_orphans();
    END IF;
END $$;
