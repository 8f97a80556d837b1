-- Model calls, opened and closed -> the ledger. Nothing here asks for a fence: money that was spent
-- is recorded whoever spent it.

CREATE OR REPLACE FUNCTION scriptorium.call_open(
    id uuid, job uuid, user_id uuid, worker uuid, run integer, attempt integer, step text,
    provider text, model text, estimated_input bigint, price_input bigint, price_output bigint)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    INSERT INTO scriptorium.call (id, job_id, user_id, worker, run, attempt, step, provider, model,
                                  estimated_input, price_input, price_output, opened_at)
    VALUES (id, job, user_id, worker, run, attempt, step, provider, model, estimated_input,
            price_input, price_output, scriptorium.clock())
    ON CONFLICT DO NOTHING;
END $$;

-- An exact figure replaces an estimate, never the other way round; and of two estimates the larger
-- one counts: a worker that was thought dead saw more of its call than it had saved.
CREATE OR REPLACE FUNCTION scriptorium.end_call(
    of_call uuid, new_state integer, input bigint, output bigint, cache_read bigint,
    cache_write_5m bigint, cache_write_1h bigint, cost bigint, served_model text, request_id text,
    error text, http_status integer)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE scriptorium.call c
    SET state = $2, closed_at = scriptorium.clock(), input = $3, output = $4, cache_read = $5,
        cache_write_5m = $6, cache_write_1h = $7, cost = $8, served_model = $9, request_id = $10,
        error = $11, http_status = coalesce($12, 0)
    WHERE c.id = $1
      AND (c.state IS NOT DISTINCT FROM 0 OR (c.state = 2 AND ($2 = 1 OR ($2 = 2 AND $4 > c.output))));
END $$;

CREATE OR REPLACE FUNCTION scriptorium.call_close(
    of_call uuid, new_state integer, input bigint, output bigint, cache_read bigint,
    cache_write_5m bigint, cache_write_1h bigint, cost bigint, served_model text, request_id text,
    error text, http_status integer)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM scriptorium.call c WHERE c.id = of_call) THEN
        RAISE EXCEPTION 'there is no call %', of_call USING ERRCODE = 'SCN01';
    END IF;
    PERFORM scriptorium.end_call(of_call, new_state, input, output, cache_read, cache_write_5m,
                                 cache_write_1h, cost, served_model, request_id, error,
                                 http_status);
END $$;
