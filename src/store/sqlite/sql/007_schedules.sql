-- What runs by the clock: schedules, and each firing of one. A firing is unique by its schedule and
-- the time it is for.

-- due: when it fires next, microseconds; 0 = not planned yet, 9223372036854775807 = never again.
CREATE TABLE scriptorium_schedule (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    expr TEXT NOT NULL,
    label TEXT,
    missed INTEGER NOT NULL DEFAULT 1, -- 0 skip, 1 once, 2 all
    missed_max INTEGER NOT NULL DEFAULT 1,
    active INTEGER NOT NULL DEFAULT 1,
    rev INTEGER NOT NULL DEFAULT 1,
    due INTEGER NOT NULL DEFAULT 0,
    planned INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    runs INTEGER NOT NULL DEFAULT 0,
    error TEXT
) STRICT;
CREATE INDEX scriptorium_schedule_due ON scriptorium_schedule (due) WHERE active = 1;
CREATE INDEX scriptorium_schedule_planned ON scriptorium_schedule (planned) WHERE active = 1;

-- state: 0 running, 1 succeeded, 2 failed, 3 skipped, 4 lost.
CREATE TABLE scriptorium_schedule_run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule_id INTEGER NOT NULL,
    seq INTEGER NOT NULL, -- of the schedule: 1, 2, ...
    fire_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    missed INTEGER NOT NULL,
    label TEXT,
    state INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,
    worker TEXT,
    node TEXT,
    claimed INTEGER NOT NULL,
    ended INTEGER,
    invocation TEXT,
    message TEXT,
    UNIQUE (schedule_id, fire_at),
    UNIQUE (schedule_id, seq)
) STRICT;
CREATE INDEX scriptorium_schedule_run_running ON scriptorium_schedule_run (schedule_id)
    WHERE state = 0;
