-- What each day cost, in all and by user, kept with the ledger: a cap is checked by reading a few rows. A
-- call counts for the day (UTC) on which it began. reserved: what open calls are expected to cost.
ALTER TABLE scriptorium.call ADD COLUMN reserved bigint NOT NULL DEFAULT 0;

-- The sum of all users is spread over 16 rows (user_id 0), so that calls do not wait for each other.
CREATE TABLE scriptorium.spend (
    day date NOT NULL,
    user_id uuid NOT NULL,
    part smallint NOT NULL,
    cost bigint NOT NULL DEFAULT 0,
    reserved bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, user_id, part)
) WITH (fillfactor = 50);

INSERT INTO scriptorium.spend (day, user_id, part, cost)
SELECT (c.opened_at AT TIME ZONE 'UTC')::date, u.id, 0, sum(c.cost)
FROM scriptorium.call c
CROSS JOIN LATERAL (VALUES (c.user_id), ('00000000-0000-0000-0000-000000000000'::uuid)) u (id)
WHERE u.id IS NOT NULL GROUP BY 1, 2;
