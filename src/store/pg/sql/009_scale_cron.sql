-- The SQL schedules that a change of scale has replaced. Not in scale_change, which the engine's role may
-- write: what an undo puts back runs as its user, so only the owner says what that is.
CREATE TABLE scriptorium.scale_cron_was (
    n bigint PRIMARY KEY REFERENCES scriptorium.scale_change ON DELETE CASCADE,
    schedules jsonb NOT NULL
);
INSERT INTO scriptorium.scale_cron_was (n, schedules)
SELECT c.n, coalesce(c.schedules -> 'cron', '[]') FROM scriptorium.scale_change c;
UPDATE scriptorium.scale_change SET schedules = schedules - 'cron';
