-- HTTP requests from SQL, by the names, defaults and columns of pg_net. A request is a row of the
-- transaction that makes it: sent after its COMMIT, never without. Clients may add requests and read
-- the answers to their own; nobody but the owner reads the queue, which holds their keys.

DO $do$
BEGIN
    IF to_regnamespace('net') IS NULL THEN -- once: whoever closes it to some keeps it closed
        CREATE SCHEMA net;
        GRANT USAGE ON SCHEMA net TO PUBLIC;
    END IF;
END $do$;

CREATE TABLE IF NOT EXISTS net.http_request_queue (
    id bigserial PRIMARY KEY,
    method text NOT NULL CHECK (method IN ('GET', 'POST', 'DELETE')),
    url text NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    body bytea,
    timeout_milliseconds integer NOT NULL DEFAULT 5000,
    username name NOT NULL DEFAULT current_user,
    held_until timestamptz -- a daemon has taken it to send it
);
ALTER TABLE net.http_request_queue ADD COLUMN IF NOT EXISTS taken uuid; -- by which request of a daemon's
DROP INDEX IF EXISTS net.http_request_queue_waits;
CREATE INDEX IF NOT EXISTS http_request_queue_turn ON net.http_request_queue (username, id)
    WHERE held_until IS NULL;
CREATE INDEX IF NOT EXISTS http_request_queue_taken ON net.http_request_queue (taken)
    WHERE taken IS NOT NULL;

CREATE TABLE IF NOT EXISTS net._http_response (
    id bigint PRIMARY KEY,
    status_code integer,
    content_type text,
    headers jsonb,
    content text,
    timed_out boolean,
    error_msg text,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS _http_response_created_idx ON net._http_response (created);

-- Whose answer it is; beside the answers, whose columns are a contract. Each sees their own rows.
CREATE TABLE IF NOT EXISTS net.scriptorium_owner (
    id bigint PRIMARY KEY REFERENCES net._http_response ON DELETE CASCADE,
    username name NOT NULL
);

-- What no server can be sent is refused where the author sees it.
CREATE OR REPLACE FUNCTION net.scriptorium_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    h record;
BEGIN
    IF NEW.url !~* '^https?://[^/?#]' OR NEW.url ~ '[[:space:][:cntrl:]]' THEN
        RAISE EXCEPTION 'url must be an http or https URL without spaces' USING ERRCODE = '22023';
    ELSIF octet_length(NEW.url) > 8192 OR octet_length(NEW.headers::text) > 65536
          OR octet_length(NEW.body) > 4194304 THEN
        RAISE EXCEPTION 'a request may have 8 KiB of URL, 64 KiB of headers and 4 MiB of body'
            USING ERRCODE = '54000';
    ELSIF NEW.timeout_milliseconds NOT BETWEEN 1 AND 600000 THEN
        RAISE EXCEPTION 'timeout_milliseconds must be between 1 and 600000' USING ERRCODE = '22023';
    ELSIF jsonb_typeof(NEW.headers) <> 'object' THEN
        RAISE EXCEPTION 'headers must be a JSON object' USING ERRCODE = '22023';
    END IF;
    FOR h IN SELECT e.key, e.value FROM jsonb_each_text(NEW.headers) e LOOP
        IF h.key !~ '^[A-Za-z0-9!#$%&''*+.^_`|~-]+$' OR h.value ~ '[\r\n]' THEN
            RAISE EXCEPTION 'the header % cannot be sent: a name is one word, a value one line',
                quote_literal(h.key) USING ERRCODE = '22023';
        ELSIF h.value IS NULL THEN
            RAISE WARNING 'the header % is null and will not be sent; is the setting it is made of '
                          '(app.settings.service_role_key?) there?', h.key;
        END IF;
    END LOOP;
    NEW.held_until := NULL;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS scriptorium_check ON net.http_request_queue;
CREATE TRIGGER scriptorium_check BEFORE INSERT ON net.http_request_queue
    FOR EACH ROW EXECUTE FUNCTION net.scriptorium_check();

CREATE OR REPLACE FUNCTION net.scriptorium_encode(part text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(string_agg(CASE
        WHEN chr(b) ~ '[A-Za-z0-9._~-]' AND b < 128 THEN chr(b)
        ELSE '%' || upper(lpad(to_hex(b), 2, '0')) END, '' ORDER BY i), '')
    FROM (SELECT i, get_byte(bytes, i) AS b
          FROM (SELECT convert_to(part, 'UTF8') AS bytes) t,
               generate_series(0, octet_length(bytes) - 1) i) u
    WHERE b > 0
$$;

CREATE OR REPLACE FUNCTION net.scriptorium_url(url text, params jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT url || coalesce(CASE WHEN strpos(url, '?') > 0 THEN '&' ELSE '?' END || string_agg(
        net.scriptorium_encode(key) || '=' || net.scriptorium_encode(coalesce(value, '')), '&'
        ORDER BY n), '')
    FROM jsonb_each_text(coalesce(params, '{}')) WITH ORDINALITY AS p (key, value, n)
$$;

CREATE OR REPLACE FUNCTION net.http_get(url text, params jsonb DEFAULT '{}',
    headers jsonb DEFAULT '{}', timeout_milliseconds integer DEFAULT 5000)
RETURNS bigint LANGUAGE plpgsql STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO net.http_request_queue (method, url, headers, timeout_milliseconds)
    VALUES ('GET', net.scriptorium_url(http_get.url, params), http_get.headers,
            http_get.timeout_milliseconds);
    RETURN currval('net.http_request_queue_id_seq');
END $$;

CREATE OR REPLACE FUNCTION net.http_delete(url text, params jsonb DEFAULT '{}',
    headers jsonb DEFAULT '{}', timeout_milliseconds integer DEFAULT 5000, body jsonb DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO net.http_request_queue (method, url, headers, timeout_milliseconds, body)
    VALUES ('DELETE', net.scriptorium_url(http_delete.url, params),
            coalesce(http_delete.headers, '{}'), coalesce(http_delete.timeout_milliseconds, 5000),
            convert_to(http_delete.body::text, 'UTF8'));
    RETURN currval('net.http_request_queue_id_seq');
END $$;

CREATE OR REPLACE FUNCTION net.http_post(url text, body jsonb DEFAULT '{}', params jsonb DEFAULT '{}',
    headers jsonb DEFAULT '{"Content-Type": "application/json"}',
    timeout_milliseconds integer DEFAULT 5000)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := coalesce(http_post.headers, '{}');
    content_type text := (SELECT e.value FROM jsonb_each_text(
        CASE jsonb_typeof(given) WHEN 'object' THEN given ELSE '{}' END) e
        WHERE lower(e.key) = 'content-type' LIMIT 1);
BEGIN
    IF content_type IS NULL AND jsonb_typeof(given) = 'object' THEN
        given := given || '{"Content-Type": "application/json"}';
    ELSIF content_type <> 'application/json' THEN
        RAISE EXCEPTION 'Content-Type header must be "application/json"';
    END IF;
    INSERT INTO net.http_request_queue (method, url, headers, timeout_milliseconds, body)
    VALUES ('POST', net.scriptorium_url(http_post.url, params), given,
            coalesce(http_post.timeout_milliseconds, 5000),
            convert_to(http_post.body::text, 'UTF8'));
    RETURN currval('net.http_request_queue_id_seq');
END $$;

-- ---- who may what ----

ALTER TABLE net.http_request_queue ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scriptorium_add ON net.http_request_queue;
CREATE POLICY scriptorium_add ON net.http_request_queue FOR INSERT
    WITH CHECK (username = current_user);
ALTER TABLE net.scriptorium_owner ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scriptorium_own ON net.scriptorium_owner;
CREATE POLICY scriptorium_own ON net.scriptorium_owner USING (username = current_user);
ALTER TABLE net._http_response ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scriptorium_own ON net._http_response;
CREATE POLICY scriptorium_own ON net._http_response USING (EXISTS (
    SELECT FROM net.scriptorium_owner o WHERE o.id = _http_response.id AND o.username = current_user));
DROP FUNCTION IF EXISTS net.scriptorium_owner_of(bigint); -- an old way, which told whose it is
GRANT INSERT (method, url, headers, body, timeout_milliseconds) ON net.http_request_queue TO PUBLIC;
GRANT USAGE ON SEQUENCE net.http_request_queue_id_seq TO PUBLIC;
GRANT SELECT, DELETE ON net._http_response TO PUBLIC;
GRANT SELECT ON net.scriptorium_owner TO PUBLIC;
REVOKE ALL ON FUNCTION net.scriptorium_check() FROM PUBLIC;

-- ---- the daemon's side; as in surface_cron.sql it waits for no client ----

-- Does it go to one of these places (scheme and host, separated by blanks or commas), and not beyond?
CREATE OR REPLACE FUNCTION scriptorium.net_is_at(url text, places text)
RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM (SELECT rtrim(w, '/') AS place FROM regexp_split_to_table(places, '[ ,\t\n]+') w) p
                   WHERE p.place <> '' AND lower(left(url, length(p.place))) = lower(p.place)
                     AND substr(url, length(p.place) + 1, 1) IN ('', '/', '?', '#'))
$$;

-- Requests to be sent now, once each: from here on nobody else sends them. A daemon that got no answer
-- asks again under the same token and is given what it was given then. As many as max, of those to the
-- daemon's own places as many as own_max. Users take turns, what is on its way counted; the last spare
-- places are for who has nothing there. unsent: headers that have no value.
DROP FUNCTION IF EXISTS scriptorium.net_take(integer);
DROP FUNCTION IF EXISTS scriptorium.net_take(integer, uuid);
CREATE OR REPLACE FUNCTION scriptorium.net_take(max integer, spare integer, own_max integer, own text,
                                                token uuid)
RETURNS TABLE (id bigint, method text, url text, headers text, unsent text, body bytea, timeout integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
#variable_conflict use_column
DECLARE
    ids bigint[];
BEGIN
    PERFORM scriptorium.surface_check('net');
    ids := ARRAY(SELECT t.id FROM net.http_request_queue t WHERE t.taken = token);
    IF ids = '{}' THEN
        WITH RECURSIVE users AS (
            SELECT (SELECT w.username FROM net.http_request_queue w
                    WHERE w.held_until IS NULL ORDER BY w.username LIMIT 1) AS username
            UNION ALL
            SELECT (SELECT w.username FROM net.http_request_queue w
                    WHERE w.held_until IS NULL AND w.username > u.username ORDER BY w.username LIMIT 1)
            FROM users u WHERE u.username IS NOT NULL
        ), sent AS (
            SELECT q.username, count(*) AS n FROM net.http_request_queue q
            WHERE q.taken IS NOT NULL AND NOT scriptorium.net_is_at(q.url, own) GROUP BY 1
        ), turns AS (
            SELECT w.id, w.own, row_number() OVER (PARTITION BY u.username, w.own ORDER BY w.id)
                + CASE WHEN w.own THEN 0 ELSE coalesce(s.n, 0) END AS turn
            FROM users u
            CROSS JOIN LATERAL (
                SELECT q.id, scriptorium.net_is_at(q.url, own) AS own
                FROM net.http_request_queue q
                WHERE q.held_until IS NULL AND q.username = u.username
                ORDER BY q.id LIMIT 256) w
            LEFT JOIN sent s ON s.username = u.username
        ), placed AS (
            SELECT t.*, row_number() OVER (PARTITION BY t.own ORDER BY t.turn, t.id) AS place FROM turns t
        )
        SELECT array_agg(p.id) INTO ids FROM placed p
        WHERE p.place <= CASE WHEN p.own THEN own_max WHEN p.turn = 1 THEN max ELSE max - spare END;
        ids := ARRAY(SELECT w.id FROM net.http_request_queue w
                     WHERE w.id = ANY (ids) AND w.held_until IS NULL ORDER BY w.id FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN QUERY
    UPDATE net.http_request_queue q SET held_until = clock_timestamp() + interval '30 seconds',
        taken = token
    WHERE q.id = ANY (ids)
    RETURNING q.id, q.method, q.url,
        (SELECT string_agg(e.key || ': ' || e.value, E'\n') FROM jsonb_each_text(q.headers) e
         WHERE e.value IS NOT NULL),
        (SELECT string_agg(e.key, ', ') FROM jsonb_each_text(q.headers) e WHERE e.value IS NULL),
        q.body, q.timeout_milliseconds;
END $$;

-- Nothing of it was sent: somebody else may.
CREATE OR REPLACE FUNCTION scriptorium.net_give_back(request bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
BEGIN
    PERFORM scriptorium.surface_check('net');
    UPDATE net.http_request_queue q SET held_until = NULL, taken = NULL WHERE q.id = request;
END $$;

CREATE OR REPLACE FUNCTION scriptorium.net_done(request bigint, status integer, content_type text,
    headers text, content text, timed_out boolean, error_msg text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
#variable_conflict use_variable
DECLARE
    owner name;
BEGIN
    PERFORM scriptorium.surface_check('net');
    DELETE FROM net.http_request_queue q WHERE q.id = request RETURNING q.username INTO owner;
    INSERT INTO net._http_response AS r (id, status_code, content_type, headers, content, timed_out,
                                         error_msg, created)
    VALUES (request, status, content_type, headers::jsonb, content, timed_out, error_msg,
            scriptorium.clock())
    ON CONFLICT (id) DO UPDATE SET status_code = EXCLUDED.status_code,
        content_type = EXCLUDED.content_type, headers = EXCLUDED.headers,
        content = EXCLUDED.content, timed_out = EXCLUDED.timed_out,
        error_msg = EXCLUDED.error_msg, created = EXCLUDED.created;
    IF owner IS NOT NULL THEN
        INSERT INTO net.scriptorium_owner (id, username) VALUES (request, owner)
        ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- These are on their way still. Those that nobody holds any more are told as what they are, and
-- answers older than keep_seconds go.
CREATE OR REPLACE FUNCTION scriptorium.net_hold(requests bigint[], keep_seconds bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
AS $$
DECLARE
    r record;
BEGIN
    PERFORM scriptorium.surface_check('net');
    UPDATE net.http_request_queue SET held_until = clock_timestamp() + interval '30 seconds'
    WHERE id = ANY (requests);
    FOR r IN SELECT q.id FROM net.http_request_queue q
             WHERE q.held_until < clock_timestamp() FOR UPDATE SKIP LOCKED LOOP
        PERFORM scriptorium.net_done(r.id, NULL, NULL, NULL, NULL, NULL,
            'the daemon went away while it sent this request: whether it arrived is not known, and '
            'it is not sent again');
    END LOOP;
    DELETE FROM net._http_response WHERE id IN (
        SELECT a.id FROM net._http_response a
        WHERE a.created < scriptorium.clock() - keep_seconds * interval '1 second'
        LIMIT 10000 FOR UPDATE SKIP LOCKED);
EXCEPTION WHEN lock_not_available THEN
    -- Somebody keeps the answers locked; what is on its way must be held all the same.
    UPDATE net.http_request_queue SET held_until = clock_timestamp() + interval '30 seconds'
    WHERE id = ANY (requests);
END $$;
