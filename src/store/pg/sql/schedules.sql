-- Schedules -> kept, planned, fired once. Whoever plans a schedule names the revision that it saw; the
-- first is believed, and owns the firings.

-- As the driver reads them.
CREATE OR REPLACE VIEW scriptorium.schedule_seen AS
SELECT s.id, s.name, s.expr, s.label, s.missed::integer AS missed, s.missed_max, s.active, s.rev,
       CASE WHEN isfinite(s.due_at) THEN scriptorium.us(s.due_at) ELSE 0 END AS due_us,
       s.due_at <> '-infinity' AS planned,
       CASE WHEN isfinite(s.planned_at) THEN scriptorium.us(s.planned_at) ELSE 0 END AS planned_us,
       scriptorium.us(s.created_at) AS created_us, scriptorium.us(s.changed_at) AS changed_us,
       s.error
FROM scriptorium.schedule s;

CREATE OR REPLACE VIEW scriptorium.schedule_run_seen AS
SELECT r.id, r.schedule_id, scriptorium.us(r.fire_at) AS fire_us, r.name, r.label,
       r.state::integer AS state, r.attempt,
       scriptorium.us(r.claimed_at) AS claimed_us,
       coalesce(scriptorium.us(r.ended_at), 0) AS ended_us, r.invocation, r.node, r.message
FROM scriptorium.schedule_run r;

CREATE OR REPLACE FUNCTION scriptorium.schedule_save(
    new_name text, new_expr text, new_label text, new_missed integer, new_missed_max integer,
    new_active boolean)
RETURNS SETOF scriptorium.schedule_seen LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz := scriptorium.clock();
    saved bigint;
BEGIN
    INSERT INTO scriptorium.schedule AS s (name, expr, label, missed, missed_max, active,
        created_at, changed_at)
    VALUES (new_name, new_expr, new_label, new_missed, new_missed_max, new_active, now, now)
    ON CONFLICT (name) DO UPDATE SET expr = EXCLUDED.expr, label = EXCLUDED.label,
        missed = EXCLUDED.missed, missed_max = EXCLUDED.missed_max, active = EXCLUDED.active,
        rev = s.rev + 1,
        due_at = CASE WHEN s.expr = EXCLUDED.expr AND s.active = EXCLUDED.active
                      THEN s.due_at ELSE '-infinity' END,
        changed_at = CASE WHEN s.expr = EXCLUDED.expr AND s.active = EXCLUDED.active
                          THEN s.changed_at ELSE EXCLUDED.changed_at END
    RETURNING s.id INTO saved;
    PERFORM scriptorium.wake('due');
    RETURN QUERY SELECT v.* FROM scriptorium.schedule_seen v WHERE v.id = saved;
END $$;

-- The runs of schedules that are gone stay for a while, by number.
CREATE OR REPLACE FUNCTION scriptorium.schedule_remove(of_name text) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM scriptorium.schedule s WHERE s.name = of_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no schedule %', of_name USING ERRCODE = 'SCN01';
    END IF;
    DELETE FROM scriptorium.schedule_run WHERE id IN (
        SELECT r.id FROM scriptorium.schedule_run r
        WHERE r.state <> 0 AND NOT EXISTS (SELECT FROM scriptorium.schedule s
                                           WHERE s.id = r.schedule_id)
        ORDER BY r.id DESC OFFSET 10000);
    RETURN 1;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.schedules(of_name text, after_id bigint, most integer)
RETURNS SETOF scriptorium.schedule_seen LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT v.* FROM scriptorium.schedule_seen v
    WHERE v.id > after_id AND (of_name IS NULL OR v.name = of_name)
    ORDER BY v.id LIMIT most
$$;

-- Those of cron.job, the extension's or ours; as the one who migrated, if they may look. What only the
-- extension knows is null or 0.
CREATE OR REPLACE FUNCTION scriptorium.schedules_in_sql(of_name text, after_id bigint, most integer)
RETURNS SETOF scriptorium.schedule_seen LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ours boolean := scriptorium.surface_kind('cron') = 'ours';
BEGIN
    IF NOT scriptorium.cron_seen() THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format($q$
        SELECT j.jobid, coalesce(j.jobname::text, 'job ' || j.jobid), j.schedule, j.username, 1, 1,
               j.active, 1::bigint, %s
        FROM cron.job j %s
        WHERE j.jobid > $2 AND ($1 IS NULL OR j.jobname = $1)
        ORDER BY j.jobid LIMIT $3$q$,
        CASE WHEN ours THEN 'CASE WHEN s.next BETWEEN 1 AND 9223372036854775806 THEN s.next ELSE 0 END,
                             false, 0::bigint, 0::bigint, 0::bigint, s.problem'
             ELSE '0::bigint, false, 0::bigint, 0::bigint, 0::bigint, NULL::text' END,
        CASE WHEN ours THEN 'LEFT JOIN cron.scriptorium_state s ON s.jobid = j.jobid' ELSE '' END)
        USING of_name, after_id, most;
END $$;

-- The last row has no id, but due_us: when the first of the others will be due, 0 = never; and
-- planned_us: the time.
CREATE OR REPLACE FUNCTION scriptorium.schedule_due(most integer)
RETURNS SETOF scriptorium.schedule_seen LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now timestamptz := scriptorium.clock();
BEGIN
    RETURN QUERY SELECT v.* FROM scriptorium.schedule_seen v WHERE v.id IN (
        SELECT s.id FROM scriptorium.schedule s
        WHERE s.active AND s.due_at <= now
        ORDER BY s.due_at LIMIT most);
    RETURN QUERY SELECT v.* FROM scriptorium.schedule_seen v WHERE v.id IN (
        SELECT s.id FROM scriptorium.schedule s
        WHERE s.active AND s.planned_at > now + '3 hours'::interval AND s.due_at > now
        LIMIT most);
    RETURN QUERY SELECT NULL::bigint, NULL, NULL, NULL, NULL::integer, NULL::integer,
        NULL::boolean, NULL::bigint,
        coalesce((SELECT CASE WHEN isfinite(s.due_at) THEN scriptorium.us(s.due_at) ELSE 0 END
                  FROM scriptorium.schedule s
                  WHERE s.active AND s.due_at > now ORDER BY s.due_at LIMIT 1), 0),
        NULL::boolean, scriptorium.us(now), NULL::bigint, NULL::bigint, NULL;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.schedule_worker(by uuid) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    node text;
BEGIN
    SELECT w.name INTO node FROM scriptorium.worker w WHERE w.id = by;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the worker''s lease is gone' USING ERRCODE = 'SCL01';
    END IF;
    RETURN node;
END $$;

-- Firings of schedules that the caller holds locked; runs is already raised by their number.
CREATE OR REPLACE FUNCTION scriptorium.schedule_fire(
    by uuid, node text, of_ids bigint[], ats timestamptz[], skips integer[], notes text[],
    keep bigint)
RETURNS SETOF scriptorium.schedule_run_seen LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz := scriptorium.clock();
    fired bigint[];
BEGIN
    WITH made AS (
        INSERT INTO scriptorium.schedule_run (schedule_id, seq, fire_at, name, label, missed, state,
            worker, node, claimed_at, ended_at, message)
        SELECT s.id, s.runs + 1 - row_number() OVER (PARTITION BY s.id ORDER BY u.at DESC), u.at,
               s.name, s.label, s.missed, CASE WHEN u.skip <> 0 THEN 3 ELSE 0 END, by, node, now,
               CASE WHEN u.skip <> 0 THEN now END, u.note
        FROM unnest(of_ids, ats, skips, notes) AS u (id, at, skip, note)
        JOIN scriptorium.schedule s ON s.id = u.id
        ORDER BY u.at, s.id
        ON CONFLICT (schedule_id, fire_at) DO NOTHING
        RETURNING id, state)
    SELECT array_agg(m.id) INTO fired FROM made m WHERE m.state = 0;
    DELETE FROM scriptorium.schedule_run r USING scriptorium.schedule s
    WHERE s.id = ANY (of_ids) AND r.schedule_id = s.id AND r.seq <= s.runs - keep
      AND r.state <> 0;
    RETURN QUERY SELECT v.* FROM scriptorium.schedule_run_seen v WHERE v.id = ANY (fired)
                 ORDER BY v.id;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.schedule_plan(
    by uuid, ids bigint[], revs bigint[], dues bigint[], errors text[], of_ids bigint[],
    ats bigint[], skips integer[], notes text[], keep bigint)
RETURNS SETOF scriptorium.schedule_run_seen LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz := scriptorium.clock();
    node text := scriptorium.schedule_worker(by);
    believed bigint[] := ARRAY(
        SELECT s.id FROM scriptorium.schedule s
        JOIN unnest(ids, revs) AS u (id, rev) ON s.id = u.id AND s.rev = u.rev
        WHERE s.active ORDER BY s.id FOR UPDATE OF s SKIP LOCKED);
    firing_of bigint[];
    firing_at timestamptz[];
    firing_skip integer[];
    firing_note text[];
BEGIN
    SELECT array_agg(u.id ORDER BY u.place), array_agg(scriptorium.at(u.at) ORDER BY u.place),
           array_agg(u.skip ORDER BY u.place), array_agg(u.note ORDER BY u.place)
    INTO firing_of, firing_at, firing_skip, firing_note
    FROM unnest(of_ids, ats, skips, notes) WITH ORDINALITY AS u (id, at, skip, note, place)
    WHERE u.id = ANY (believed);
    UPDATE scriptorium.schedule s SET rev = s.rev + 1, planned_at = now, error = u.error,
        due_at = coalesce(scriptorium.at(u.due), 'infinity'),
        runs = s.runs + coalesce(f.n, 0)
    FROM unnest(ids, dues, errors) AS u (id, due, error)
    LEFT JOIN (SELECT x.id, count(*) AS n FROM unnest(firing_of) AS x (id) GROUP BY x.id) f
        ON f.id = u.id
    WHERE s.id = u.id AND s.id = ANY (believed);
    IF firing_of IS NOT NULL THEN
        RETURN QUERY SELECT * FROM scriptorium.schedule_fire(by, node, firing_of, firing_at,
                                                             firing_skip, firing_note, keep);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.schedule_boot(by uuid, at_us bigint, keep bigint)
RETURNS SETOF scriptorium.schedule_run_seen LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    node text := scriptorium.schedule_worker(by);
    ids bigint[] := ARRAY(
        SELECT s.id FROM scriptorium.schedule s
        WHERE s.active AND s.expr ~* '@reboot\s*$'
        ORDER BY s.id FOR UPDATE);
BEGIN
    UPDATE scriptorium.schedule s SET runs = s.runs + 1 WHERE s.id = ANY (ids);
    RETURN QUERY SELECT * FROM scriptorium.schedule_fire(by, node, ids,
        array_fill(scriptorium.at(at_us), ARRAY[cardinality(ids)]), array_fill(0, ARRAY[cardinality(ids)]),
        array_fill(NULL::text, ARRAY[cardinality(ids)]), keep);
END $$;

-- ---- runs ----

CREATE OR REPLACE FUNCTION scriptorium.run_take(by uuid)
RETURNS SETOF scriptorium.schedule_run_seen LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    now timestamptz := scriptorium.clock();
    node_name text := scriptorium.schedule_worker(by);
    orphans bigint[] := ARRAY(
        SELECT r.id FROM scriptorium.schedule_run r
        WHERE r.state = 0 AND NOT EXISTS (SELECT FROM scriptorium.worker w WHERE w.id = r.worker)
        ORDER BY r.id LIMIT 1000 FOR UPDATE OF r SKIP LOCKED);
BEGIN
    IF cardinality(orphans) > 0 THEN
        UPDATE scriptorium.schedule_run r SET state = 4, ended_at = now,
            message = coalesce(r.message || '; ', '') || 'its worker ended before it was done'
        WHERE r.id = ANY (orphans) AND (r.missed = 0 OR r.attempt >= 3);
        UPDATE scriptorium.schedule_run r SET worker = by, node = node_name, claimed_at = now,
            attempt = r.attempt + 1
        WHERE r.id = ANY (orphans) AND r.state = 0;
    END IF;
    RETURN QUERY SELECT v.* FROM scriptorium.schedule_run_seen v WHERE v.id IN (
        SELECT r.id FROM scriptorium.schedule_run r WHERE r.state = 0 AND r.worker = by)
        ORDER BY v.id LIMIT 1000;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.run_end(
    ids bigint[], attempts integer[], states integer[], invocations uuid[], messages text[])
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    n bigint;
BEGIN
    UPDATE scriptorium.schedule_run r SET state = u.state, ended_at = scriptorium.clock(),
        invocation = u.invocation, message = coalesce(r.message || '; ' || u.message, u.message, r.message)
    FROM unnest(ids, attempts, states, invocations, messages)
        AS u (id, attempt, state, invocation, message)
    WHERE r.id = u.id AND r.attempt = u.attempt AND r.state = 0;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.runs(of_name text, before_id bigint, most integer)
RETURNS SETOF scriptorium.schedule_run_seen LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT v.* FROM scriptorium.schedule_run_seen v
    WHERE (before_id = 0 OR v.id < before_id) AND (of_name IS NULL OR v.name = of_name)
    ORDER BY v.id DESC LIMIT most;
END $$;
