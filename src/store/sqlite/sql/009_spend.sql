-- What each day cost, in all (user_id '') and by user, kept with the ledger: a cap is checked by reading
-- one row. A call counts for the day (UTC, days since 1970) on which it began. reserved: what open
-- calls are expected to cost.
ALTER TABLE scriptorium_call ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;

CREATE TABLE scriptorium_spend (
    day INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    cost INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    PRIMARY KEY (day, user_id)
) WITHOUT ROWID, STRICT;

INSERT INTO scriptorium_spend
SELECT opened_at / 86400000000, coalesce(user_id, ''), sum(cost), 0 FROM scriptorium_call
WHERE user_id IS NOT NULL GROUP BY 1, 2;
INSERT INTO scriptorium_spend
SELECT opened_at / 86400000000, '', sum(cost), 0 FROM scriptorium_call GROUP BY 1;

CREATE TRIGGER scriptorium_money_held AFTER INSERT ON scriptorium_call WHEN NEW.reserved > 0
BEGIN
    INSERT INTO scriptorium_spend
    SELECT NEW.opened_at / 86400000000, u.id, 0, NEW.reserved
    FROM (SELECT '' AS id UNION SELECT NEW.user_id) u WHERE u.id IS NOT NULL
    ON CONFLICT (day, user_id) DO UPDATE SET reserved = reserved + excluded.reserved;
END;

CREATE TRIGGER scriptorium_money_spent AFTER UPDATE OF state ON scriptorium_call
BEGIN
    INSERT INTO scriptorium_spend
    SELECT NEW.opened_at / 86400000000, u.id, NEW.cost - OLD.cost,
           CASE WHEN OLD.state = 0 AND NEW.state <> 0 THEN -NEW.reserved ELSE 0 END
    FROM (SELECT '' AS id UNION SELECT NEW.user_id) u WHERE u.id IS NOT NULL
    ON CONFLICT (day, user_id) DO UPDATE
    SET cost = cost + excluded.cost, reserved = reserved + excluded.reserved;
END;
