-- Ledger rows as they come and end -> what each day has cost. A new call -> whether the caps allow it.

CREATE OR REPLACE FUNCTION scriptorium.add_spend(day date, of_user uuid, part integer, more bigint,
                                                 held bigint)
RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO scriptorium.spend AS old (day, user_id, part, cost, reserved)
    VALUES (day, of_user, part, more, held)
    ON CONFLICT (day, user_id, part) DO UPDATE
    SET cost = old.cost + EXCLUDED.cost, reserved = old.reserved + EXCLUDED.reserved;
END $$;

-- Whoever writes the ledger, and however: the sums follow.
CREATE OR REPLACE FUNCTION scriptorium.on_call_money() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    more bigint := NEW.cost;
    held bigint := CASE NEW.state WHEN 0 THEN NEW.reserved ELSE 0 END;
    day date := (NEW.opened_at AT TIME ZONE 'UTC')::date;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        more := more - OLD.cost;
        held := held - CASE OLD.state WHEN 0 THEN OLD.reserved ELSE 0 END;
    END IF;
    IF more = 0 AND held = 0 THEN
        RETURN NULL;
    END IF;
    PERFORM scriptorium.add_spend(day, '00000000-0000-0000-0000-000000000000',
                                  get_byte(uuid_send(NEW.id), 15) % 16, more, held);
    IF NEW.user_id IS NOT NULL THEN
        PERFORM scriptorium.add_spend(day, NEW.user_id, 0, more, held);
    END IF;
    RETURN NULL;
END $$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'scriptorium.call'::regclass
                   AND tgname = 'scriptorium_money') THEN
        CREATE TRIGGER scriptorium_money AFTER INSERT OR UPDATE OF state, cost
            ON scriptorium.call FOR EACH ROW EXECUTE FUNCTION scriptorium.on_call_money();
    END IF;
END $$;

-- Today, by all (null) or by one user.
CREATE OR REPLACE FUNCTION scriptorium.spent(of_user uuid, OUT cost bigint, OUT reserved bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT coalesce(sum(s.cost), 0), coalesce(sum(s.reserved), 0) INTO cost, reserved
    FROM scriptorium.spend s
    WHERE s.day = (scriptorium.clock() AT TIME ZONE 'UTC')::date
      AND s.user_id = coalesce(of_user, '00000000-0000-0000-0000-000000000000');
END $$;

-- 0: opened; 1: the cap of the day would be passed, 2: that of the user. 0 = no cap. A call that is
-- there already (its answer got lost) is opened.
CREATE OR REPLACE FUNCTION scriptorium.call_begin(
    of_id uuid, job uuid, user_id uuid, worker uuid, run integer, attempt integer, step text,
    provider text, model text, estimated_input bigint, price_input bigint, price_output bigint,
    reserved bigint, day_cap bigint, user_cap bigint)
RETURNS integer LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
#variable_conflict use_variable
DECLARE
    s record;
BEGIN
    IF day_cap > 0 OR user_cap > 0 THEN
        IF EXISTS (SELECT FROM scriptorium.call c WHERE c.id = of_id) THEN
            RETURN 0;
        END IF;
        s := scriptorium.spent(NULL);
        IF day_cap > 0 AND s.cost + s.reserved + reserved > day_cap THEN
            RETURN 1;
        END IF;
        s := scriptorium.spent(user_id);
        IF user_cap > 0 AND user_id IS NOT NULL AND s.cost + s.reserved + reserved > user_cap THEN
            RETURN 2;
        END IF;
    END IF;
    INSERT INTO scriptorium.call (id, job_id, user_id, worker, run, attempt, step, provider, model,
                                  estimated_input, price_input, price_output, opened_at, reserved)
    VALUES (of_id, job, user_id, worker, run, attempt, step, provider, model, estimated_input,
            price_input, price_output, scriptorium.clock(), reserved)
    ON CONFLICT DO NOTHING;
    RETURN 0;
END $$;
