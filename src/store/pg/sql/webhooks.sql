-- Ends of runs, as note_ended() has written them -> told to endpoints: leased, sent by the engine
-- outside of any transaction, and noted. A row that is leased and never noted is due again later.

-- From now on ends are noted for these (parallel arrays of pairs), and for nobody else. What waits
-- for others is kept for a day, in case they come back.
CREATE OR REPLACE FUNCTION scriptorium.endpoints_set(endpoints text[], outcomes text[])
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n bigint;
BEGIN
    DELETE FROM scriptorium.webhook w WHERE NOT EXISTS (
        SELECT FROM unnest(endpoints, outcomes) AS i (endpoint, outcome)
        WHERE i.endpoint = w.endpoint AND i.outcome = w.outcome);
    INSERT INTO scriptorium.webhook (endpoint, outcome)
    SELECT i.endpoint, i.outcome FROM unnest(endpoints, outcomes) AS i (endpoint, outcome)
    ON CONFLICT DO NOTHING;
    UPDATE scriptorium.outbox o SET state = 2, done_at = scriptorium.clock(),
        error = 'the endpoint is not configured any more'
    WHERE o.kind = 0 AND o.state = 0 AND o.endpoint <> ALL (endpoints)
      AND o.tried_since < scriptorium.clock() - interval '1 day';
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- The endpoint wants no more.
CREATE OR REPLACE FUNCTION scriptorium.endpoint_drop(of_endpoint text, why text)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n bigint;
BEGIN
    DELETE FROM scriptorium.webhook WHERE endpoint = of_endpoint;
    UPDATE scriptorium.outbox SET state = 2, done_at = scriptorium.clock(), error = why
    WHERE kind = 0 AND state = 0 AND endpoint = of_endpoint;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- What a delivery is, and what is known of its run now.
CREATE OR REPLACE FUNCTION scriptorium.delivery(o scriptorium.outbox)
RETURNS TABLE (n bigint, id uuid, endpoint text, job_id uuid, user_id uuid, run integer,
               outcome text, ended_us bigint, state integer, attempts integer, since_us bigint,
               due_us bigint, done_us bigint, http_status integer, error text, job_error text,
               words text, calls bigint, input bigint, output bigint, cache_read bigint,
               cache_write_5m bigint, cache_write_1h bigint, cost bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_nestloop = on
SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_variable
BEGIN
    RETURN QUERY
    SELECT (o).n, (o).id, (o).endpoint, (o).job_id, (o).user_id, (o).run, (o).outcome,
           scriptorium.us((o).ended_at), (o).state::integer, (o).attempts,
           scriptorium.us((o).tried_since), scriptorium.us((o).due_at),
           coalesce(scriptorium.us((o).done_at), 0), coalesce((o).http_status, 0), (o).error,
           CASE WHEN (o).outcome = 'failed' THEN j.error_message::text END,
           CASE WHEN (o).outcome = 'completed' THEN to_jsonb(j.script_metadata) ->> 'words' END,
           c.calls, c.input, c.output, c.cache_read, c.cache_write_5m, c.cache_write_1h, c.cost
    FROM (SELECT count(*) AS calls, coalesce(sum(c.input), 0)::bigint AS input,
                 coalesce(sum(c.output), 0)::bigint AS output,
                 coalesce(sum(c.cache_read), 0)::bigint AS cache_read,
                 coalesce(sum(c.cache_write_5m), 0)::bigint AS cache_write_5m,
                 coalesce(sum(c.cache_write_1h), 0)::bigint AS cache_write_1h,
                 coalesce(sum(c.cost), 0)::bigint AS cost
          FROM scriptorium.call c WHERE c.job_id = (o).job_id AND c.run = (o).run) c
    LEFT JOIN LATERAL (SELECT r.error_message, r.script_metadata FROM {{jobs}} r
                       WHERE r.id = (o).job_id AND r.status::text = (o).outcome) j ON true;
END $$;

-- Due ones, oldest first; others may have them after the lease.
CREATE OR REPLACE FUNCTION scriptorium.deliveries_take(of_endpoint text, most integer,
                                                       lease_us bigint)
RETURNS TABLE (n bigint, id uuid, endpoint text, job_id uuid, user_id uuid, run integer,
               outcome text, ended_us bigint, state integer, attempts integer, since_us bigint,
               due_us bigint, done_us bigint, http_status integer, error text, job_error text,
               words text, calls bigint, input bigint, output bigint, cache_read bigint,
               cache_write_5m bigint, cache_write_1h bigint, cost bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz := scriptorium.clock();
    one scriptorium.outbox;
BEGIN
    FOR one IN
        WITH due AS MATERIALIZED (
            SELECT o.n FROM scriptorium.outbox o
            WHERE o.kind = 0 AND o.state = 0 AND o.endpoint = of_endpoint AND o.due_at <= now
            ORDER BY o.due_at LIMIT most FOR UPDATE SKIP LOCKED
        )
        UPDATE scriptorium.outbox o
        SET attempts = o.attempts + 1, due_at = now + lease_us * interval '1 microsecond'
        FROM due WHERE o.n = due.n
        RETURNING o.*
    LOOP
        RETURN QUERY SELECT d.* FROM scriptorium.delivery(one) d;
    END LOOP;
END $$;

-- How attempts ended. One that somebody else has taken meanwhile is left alone. What is over is
-- forgotten after a week, a little each time.
CREATE OR REPLACE FUNCTION scriptorium.deliveries_note(
    ns bigint[], tries integer[], states integer[], dues bigint[], statuses integer[],
    errors text[])
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
DECLARE
    noted bigint;
    now timestamptz := scriptorium.clock();
BEGIN
    UPDATE scriptorium.outbox o
    SET state = i.state, due_at = coalesce(scriptorium.at(i.due), o.due_at),
        http_status = nullif(i.http_status, 0), error = i.error,
        done_at = CASE WHEN i.state <> 0 THEN now END
    FROM unnest(ns, tries, states, dues, statuses, errors)
        AS i (n, tries, state, due, http_status, error)
    WHERE o.n = i.n AND o.kind = 0 AND o.state IS NOT DISTINCT FROM 0 AND o.attempts = i.tries;
    GET DIAGNOSTICS noted = ROW_COUNT;
    DELETE FROM scriptorium.outbox o WHERE o.n = ANY (ARRAY(
        SELECT x.n FROM scriptorium.outbox x
        WHERE x.kind = 0 AND x.state <> 0 AND x.done_at < now - interval '7 days'
        ORDER BY x.done_at LIMIT 200 FOR UPDATE SKIP LOCKED));
    RETURN noted;
END $$;

-- Newest first; null = any; `before`: 0, or the last n of the page before.
CREATE OR REPLACE FUNCTION scriptorium.deliveries(of_state integer, of_endpoint text,
                                                  before bigint, most integer)
RETURNS TABLE (n bigint, id uuid, endpoint text, job_id uuid, user_id uuid, run integer,
               outcome text, ended_us bigint, state integer, attempts integer, since_us bigint,
               due_us bigint, done_us bigint, http_status integer, error text, job_error text,
               words text, calls bigint, input bigint, output bigint, cache_read bigint,
               cache_write_5m bigint, cache_write_1h bigint, cost bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.* FROM (
        SELECT o FROM scriptorium.outbox o
        WHERE o.kind = 0 AND (of_state IS NULL OR o.state = of_state)
          AND (of_endpoint IS NULL OR o.endpoint = of_endpoint) AND (before = 0 OR o.n < before)
        ORDER BY o.n DESC LIMIT most) x, scriptorium.delivery(x.o) d
    ORDER BY d.n DESC
$$;

-- To be told again, from the start: one, whatever became of it, or all that were given up.
CREATE OR REPLACE FUNCTION scriptorium.deliveries_retry(of_id uuid, of_endpoint text)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n bigint;
    now timestamptz := scriptorium.clock();
BEGIN
    UPDATE scriptorium.outbox o
    SET state = 0, attempts = 0, due_at = now, tried_since = now, done_at = NULL
    WHERE o.kind = 0 AND (o.id = of_id OR (of_id IS NULL AND o.state = 2))
      AND (of_endpoint IS NULL OR o.endpoint = of_endpoint);
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n = 0 AND of_id IS NOT NULL THEN
        RAISE EXCEPTION 'there is no delivery %', of_id USING ERRCODE = 'SCN01';
    END IF;
    RETURN n;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.endpoints()
RETURNS TABLE (endpoint text, outcomes integer, waiting bigint, failing bigint, delivered bigint,
               given_up bigint, oldest_us bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.endpoint,
           (SELECT coalesce(sum(1 << array_position(
                       ARRAY['completed', 'failed', 'cancelled', 'deleted'], w.outcome) - 1), 0)
            FROM scriptorium.webhook w WHERE w.endpoint = e.endpoint)::integer,
           count(o.n) FILTER (WHERE o.state = 0),
           count(o.n) FILTER (WHERE o.state = 0 AND o.error IS NOT NULL),
           count(o.n) FILTER (WHERE o.state = 1), count(o.n) FILTER (WHERE o.state = 2),
           coalesce(scriptorium.us(min(o.tried_since) FILTER (WHERE o.state = 0)), 0)
    FROM (SELECT w.endpoint FROM scriptorium.webhook w
          UNION SELECT x.endpoint FROM scriptorium.outbox x WHERE x.kind = 0) e
    LEFT JOIN scriptorium.outbox o ON o.kind = 0 AND o.endpoint = e.endpoint
    GROUP BY e.endpoint ORDER BY e.endpoint
$$;
