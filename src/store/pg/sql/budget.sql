-- What processes would use of the provider's limits -> each one's part for the next moments.

-- A part by max-min fairness: who wants little gets it, the others share the rest evenly. What nobody
-- wants is divided too, for what comes in a moment, and one portion of that stays free for a process
-- that is yet to come.
CREATE OR REPLACE FUNCTION scriptorium.fair_part(most bigint, mine bigint, others bigint[])
RETURNS bigint LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wishes bigint[];
    total numeric;
    rest numeric := most;
    left_over integer;
    one bigint;
BEGIN
    SELECT array_agg(least(u.w, most) ORDER BY u.w), sum(least(u.w, most)) INTO wishes, total
    FROM unnest(others || mine) AS u (w);
    left_over := cardinality(wishes);
    IF total <= most THEN
        RETURN least(mine, most) + div(most - total, left_over + 1);
    END IF;
    FOREACH one IN ARRAY wishes LOOP
        EXIT WHEN one * left_over > rest;
        rest := rest - one;
        left_over := left_over - 1;
    END LOOP;
    RETURN least(mine, CASE left_over WHEN 0 THEN most ELSE div(rest, left_over) END);
END $$;

-- One limit for one process. Never more than what others do not hold at this moment: a part that grows
-- waits until those that shrink have asked again. Streams that run keep what they need.
CREATE OR REPLACE FUNCTION scriptorium.part_of(of_class text, by uuid, place integer, most bigint,
                                               mine bigint, committed bigint, now timestamptz)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wishes bigint[];
    held numeric;
BEGIN
    IF most <= 0 THEN
        RETURN -1;
    END IF;
    SELECT coalesce(array_agg(p.wanted[place]), '{}'), coalesce(sum(greatest(p.part[place], 0)), 0)
    INTO wishes, held FROM scriptorium.budget_part p
    WHERE p.rate_class = of_class AND p.worker <> by AND p.until > now;
    RETURN greatest(0, least(greatest(scriptorium.fair_part(most, mine, wishes), committed),
                             most - held));
END $$;

-- News for all: limits that were told later than those we know, refusals that last longer, an overload.
CREATE OR REPLACE FUNCTION scriptorium.budget_note(
    of_class text, told bigint[], told_us bigint, frozen_us bigint[], cut_us bigint,
    now timestamptz)
RETURNS scriptorium.budget LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    b scriptorium.budget;
    was scriptorium.budget;
    at timestamptz := now - told_us * '1 microsecond'::interval;
    cut timestamptz := now - cut_us * '1 microsecond'::interval;
BEGIN
    INSERT INTO scriptorium.budget (rate_class) VALUES (of_class) ON CONFLICT DO NOTHING;
    SELECT * INTO b FROM scriptorium.budget x WHERE x.rate_class = of_class;
    was := b;
    IF told_us >= 0 AND at > coalesce(b.told_at, '-infinity')
       AND ((b.requests, b.input, b.output) <> (told[1], told[2], told[3])
            OR at > coalesce(b.told_at, '-infinity') + '30 seconds'::interval)
       OR told_us < 0 AND b.told_at IS NULL AND greatest(told[1], told[2], told[3]) > 0 THEN
        b.requests := coalesce(nullif(told[1], 0), b.requests);
        b.input := coalesce(nullif(told[2], 0), b.input);
        b.output := coalesce(nullif(told[3], 0), b.output);
        b.told_at := CASE WHEN told_us >= 0 THEN at END;
    END IF;
    FOR i IN 1..3 LOOP
        IF frozen_us[i] > 0 AND now + frozen_us[i] * '1 microsecond'::interval
                > coalesce(b.frozen_until[i], '-infinity') + '100 ms'::interval THEN
            b.frozen_until[i] := now + frozen_us[i] * '1 microsecond'::interval;
        END IF;
    END LOOP;
    IF cut_us >= 0 AND cut > coalesce(b.cut_at, '-infinity') + '500 ms'::interval THEN
        b.cut_at := cut;
    END IF;
    IF b IS DISTINCT FROM was THEN
        UPDATE scriptorium.budget x
        SET requests = b.requests, input = b.input, output = b.output, told_at = b.told_at,
            frozen_until = b.frozen_until, cut_at = b.cut_at
        WHERE x.rate_class = of_class;
    END IF;
    RETURN b;
END $$;

-- Microseconds from now until then, 0 when that is over.
CREATE OR REPLACE FUNCTION scriptorium.us_left(until timestamptz, now timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE AS
$$SELECT greatest(0, coalesce(pg_catalog.date_part('epoch', $1 OPERATOR(pg_catalog.-) $2), 0)
 OPERATOR(pg_catalog.*) 1000000)::bigint$$;

CREATE OR REPLACE FUNCTION scriptorium.budget_share(
    by uuid, classes text[], want_requests bigint[], want_input bigint[], want_output bigint[],
    committed bigint[], told_requests bigint[], told_input bigint[], told_output bigint[],
    told_us bigint[], frozen_requests bigint[], frozen_input bigint[], frozen_output bigint[],
    cut_us bigint[])
RETURNS TABLE (part_requests bigint, part_input bigint, part_output bigint,
               limit_requests bigint, limit_input bigint, limit_output bigint,
               left_requests bigint, left_input bigint, left_output bigint, since_cut bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_variable
DECLARE
    now timestamptz;
    b scriptorium.budget;
    part bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(6002718403);
    now := scriptorium.clock();
    FOR i IN 1..coalesce(cardinality(classes), 0) LOOP
        b := scriptorium.budget_note(
            classes[i], ARRAY[told_requests[i], told_input[i], told_output[i]], told_us[i],
            ARRAY[frozen_requests[i], frozen_input[i], frozen_output[i]], cut_us[i], now);
        part := ARRAY[
            scriptorium.part_of(classes[i], by, 1, coalesce(nullif(b.requests, 0), told_requests[i]),
                                want_requests[i], 0, now),
            scriptorium.part_of(classes[i], by, 2, coalesce(nullif(b.input, 0), told_input[i]),
                                want_input[i], 0, now),
            scriptorium.part_of(classes[i], by, 3, coalesce(nullif(b.output, 0), told_output[i]),
                                want_output[i], committed[i], now)];
        INSERT INTO scriptorium.budget_part AS old (rate_class, worker, wanted, part, until)
        VALUES (classes[i], by, ARRAY[want_requests[i], want_input[i], want_output[i]], part,
                now + '3 seconds'::interval)
        ON CONFLICT (rate_class, worker) DO UPDATE
        SET wanted = EXCLUDED.wanted, part = EXCLUDED.part, until = EXCLUDED.until;
        RETURN QUERY SELECT part[1], part[2], part[3], b.requests, b.input, b.output,
            scriptorium.us_left(b.frozen_until[1], now), scriptorium.us_left(b.frozen_until[2], now),
            scriptorium.us_left(b.frozen_until[3], now),
            CASE WHEN b.cut_at IS NULL THEN -1 ELSE scriptorium.us_left(now, b.cut_at) END;
    END LOOP;
    IF random() < 0.02 THEN -- nobody reads them any more
        DELETE FROM scriptorium.budget_part p WHERE p.until < now - '1 minute'::interval;
    END IF;
END $$;
