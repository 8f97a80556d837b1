-- Workers that live, leave or vanish -> their leases, and jobs taken back from the dead.

CREATE OR REPLACE FUNCTION scriptorium.worker_open(id uuid, name text, lease_us bigint)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
    lease interval := lease_us * '1 microsecond'::interval;
BEGIN
    INSERT INTO scriptorium.worker VALUES (id, name, lease, now, now + lease);
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

-- Calls of workers that are gone: charged for what was saved and, as the end fell anywhere between
-- two saves, for half an interval of 100 ms more.
CREATE OR REPLACE FUNCTION scriptorium.end_lost_calls() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_nestloop = on
SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    c record;
    saved record;
    produced bigint;
BEGIN
    FOR c IN
        SELECT l.id, l.job_id, l.estimated_input, l.saved_output, l.saved_rate, l.price_input,
               l.price_output
        FROM scriptorium.call l LEFT JOIN scriptorium.worker w ON w.id = l.worker
        WHERE l.state = 0 AND w.id IS NULL LIMIT 1000 FOR UPDATE OF l SKIP LOCKED
    LOOP
        SELECT t.tokens, t.rate INTO saved FROM scriptorium.step_text t
        WHERE t.job_id = c.job_id AND t.call = c.id ORDER BY t.tokens DESC, t.at DESC LIMIT 1;
        IF saved.tokens >= c.saved_output THEN
            produced := saved.tokens + greatest(0, (saved.rate * 280000 + 1000000) / 2000000);
        ELSE
            produced := c.saved_output + greatest(0, (c.saved_rate * 280000 + 1000000) / 2000000);
        END IF;
        PERFORM scriptorium.end_call(
            c.id, 2, c.estimated_input, produced, 0, 0, 0,
            round((c.estimated_input::numeric * c.price_input + produced::numeric * c.price_output)
                  / 1000000)::bigint,
            NULL, NULL, 'the process that made the call ended before the call did', 0);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.worker_close(of_worker uuid) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_nestloop = on
SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
    ids uuid[];
    fences bigint[];
BEGIN
    SELECT array_agg(q.job_id), array_agg(q.fence) INTO ids, fences
    FROM scriptorium.queue q WHERE q.state = 1 AND q.worker = of_worker;
    ids := scriptorium.hold(ids, fences);
    IF ids IS NOT NULL THEN
        PERFORM scriptorium.give_back(ids, array_fill(now, ARRAY[cardinality(ids)]), false, false,
                                      'queued', array_fill(NULL::text, ARRAY[cardinality(ids)]), now);
    END IF;
    -- What a client held at this moment is found by the next rescue.
    DELETE FROM scriptorium.worker WHERE id = of_worker;
    PERFORM scriptorium.end_lost_calls();
    RETURN coalesce(cardinality(ids), 0);
END $$;

-- Only a worker that has held its own lease unbroken for one lease may judge others: after an outage
-- all leases have run out, and those who come back a moment later are not dead. A lease is lost
-- when its row is deleted here, in the transaction that gives its jobs back; until then it may be
-- renewed. What a client holds at this moment is left to the next sweep.
CREATE OR REPLACE FUNCTION scriptorium.rescue(by uuid, OUT requeued bigint, OUT failed bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET enable_seqscan = off SET enable_nestloop = on
SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
    rescuer scriptorium.worker;
    ids uuid[];
    fences bigint[];
    poison uuid[];
    again uuid[];
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
    SELECT array_agg(o.job_id), array_agg(o.fence) INTO ids, fences FROM (
        SELECT q.job_id, q.fence
        FROM scriptorium.queue q LEFT JOIN scriptorium.worker w ON w.id = q.worker
        WHERE q.state = 1 AND w.id IS NULL LIMIT 1000) o;
    ids := scriptorium.hold(ids, fences);
    SELECT array_agg(q.job_id) FILTER (WHERE q.crashes >= 4),
           array_agg(q.job_id) FILTER (WHERE q.crashes < 4)
    INTO poison, again FROM scriptorium.queue q WHERE q.job_id = ANY (ids);
    IF again IS NOT NULL THEN
        PERFORM scriptorium.give_back(again, array_fill(now, ARRAY[cardinality(again)]), false,
                                      true, 'queued',
                                      array_fill(NULL::text, ARRAY[cardinality(again)]), now);
    END IF;
    IF poison IS NOT NULL THEN
        PERFORM scriptorium.fail(poison, array_fill(
            'given up: the process that worked on it ended 5 times in a row without any progress'
            ::text, ARRAY[cardinality(poison)]), now);
    END IF;
    requeued := coalesce(cardinality(again), 0);
    failed := coalesce(cardinality(poison), 0);
    PERFORM scriptorium.end_lost_calls();
    DELETE FROM scriptorium.finished WHERE fence IN (
        SELECT f.fence FROM scriptorium.finished f
        WHERE f.finished_at < now - '1 hour'::interval ORDER BY f.fence LIMIT 100000);
END $$;
