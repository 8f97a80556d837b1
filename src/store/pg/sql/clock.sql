-- Time and fair order: what every other function reads.

CREATE OR REPLACE FUNCTION scriptorium.clock() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT pg_catalog.clock_timestamp()';

-- Microseconds since 1970, and back; null and 0 are no time.
CREATE OR REPLACE FUNCTION scriptorium.us(t timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS
'SELECT (pg_catalog.date_part(''epoch'', $1) OPERATOR(pg_catalog.*) 1000000)::bigint';

CREATE OR REPLACE FUNCTION scriptorium.at(us bigint) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS
$$SELECT CASE WHEN $1 OPERATOR(pg_catalog.>) 0 THEN '1970-01-01 00:00:00+00'::timestamptz
 OPERATOR(pg_catalog.+) ($1 OPERATOR(pg_catalog.*) '1 microsecond'::interval) END$$;

-- The users' columns may hold anything their types allow.
CREATE OR REPLACE FUNCTION scriptorium.priority(p double precision) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT CASE WHEN $1 OPERATOR(pg_catalog.<) 1 THEN 1 WHEN $1 OPERATOR(pg_catalog.>) 10 THEN 10
 ELSE coalesce($1, 5) END::smallint';

-- Read straight from the sequences: no row of ours is touched.
CREATE OR REPLACE FUNCTION scriptorium.vt(p integer) RETURNS bigint
LANGUAGE sql VOLATILE AS
$$SELECT coalesce(pg_catalog.pg_sequence_last_value((ARRAY[
    'scriptorium.vt_1'::regclass, 'scriptorium.vt_2', 'scriptorium.vt_3', 'scriptorium.vt_4',
    'scriptorium.vt_5', 'scriptorium.vt_6', 'scriptorium.vt_7', 'scriptorium.vt_8',
    'scriptorium.vt_9', 'scriptorium.vt_10'])[$1]), 0)$$;

CREATE OR REPLACE FUNCTION scriptorium.floor(p integer) RETURNS bigint
LANGUAGE sql VOLATILE AS
$$SELECT coalesce(pg_catalog.pg_sequence_last_value((ARRAY[
    'scriptorium.floor_1'::regclass, 'scriptorium.floor_2', 'scriptorium.floor_3',
    'scriptorium.floor_4', 'scriptorium.floor_5', 'scriptorium.floor_6', 'scriptorium.floor_7',
    'scriptorium.floor_8', 'scriptorium.floor_9', 'scriptorium.floor_10'])[$1]), 0)$$;

CREATE OR REPLACE FUNCTION scriptorium.next_floor(p integer) RETURNS bigint
LANGUAGE sql VOLATILE AS
$$SELECT coalesce(pg_catalog.pg_sequence_last_value((ARRAY[
    'scriptorium.next_1'::regclass, 'scriptorium.next_2', 'scriptorium.next_3',
    'scriptorium.next_4', 'scriptorium.next_5', 'scriptorium.next_6', 'scriptorium.next_7',
    'scriptorium.next_8', 'scriptorium.next_9', 'scriptorium.next_10'])[$1]), 0)$$;

-- Wakes listeners. A full notification queue would fail the COMMIT of whoever notifies: then
-- polling has to do.
CREATE OR REPLACE FUNCTION scriptorium.wake(what text) RETURNS void
LANGUAGE sql VOLATILE AS
$$SELECT CASE WHEN pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) 0.5
 THEN pg_catalog.pg_notify('scriptorium', $1) END$$;

CREATE OR REPLACE FUNCTION scriptorium.is_on(name text) RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM scriptorium.setting s
                   WHERE s.key = name AND s.value NOT IN ('', '0', 'false', 'off'));
END $$;

CREATE OR REPLACE FUNCTION scriptorium.version() RETURNS integer
LANGUAGE sql STABLE AS 'SELECT coalesce(max(version), 0) FROM scriptorium.migration';
