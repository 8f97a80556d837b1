-- What runs by the clock: schedules, and each firing of one. A firing is unique by its schedule and
-- the time it is for.

-- due_at: when it fires next; -infinity = not planned yet, infinity = never again. expr is checked and
-- planned by the program; who changes a row here raises rev and sets due_at to -infinity.
CREATE TABLE scriptorium.schedule (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    expr text NOT NULL,
    label text, -- the worker id of its calls; null = default
    missed smallint NOT NULL DEFAULT 1, -- 0 skip, 1 once, 2 all
    missed_max integer NOT NULL DEFAULT 1,
    active boolean NOT NULL DEFAULT true,
    rev bigint NOT NULL DEFAULT 1,
    due_at timestamptz NOT NULL DEFAULT '-infinity',
    planned_at timestamptz NOT NULL DEFAULT '-infinity',
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL, -- its times count from here
    runs bigint NOT NULL DEFAULT 0,
    error text
) WITH (fillfactor = 70);
CREATE INDEX schedule_due ON scriptorium.schedule (due_at) WHERE active;
CREATE INDEX schedule_planned ON scriptorium.schedule (planned_at) WHERE active;

-- state: 0 running, 1 succeeded, 2 failed, 3 skipped, 4 lost. What is run is copied: the schedule may
-- change or go meanwhile.
CREATE TABLE scriptorium.schedule_run (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id bigint NOT NULL,
    seq bigint NOT NULL, -- of the schedule: 1, 2, ...
    fire_at timestamptz NOT NULL,
    name text NOT NULL,
    missed smallint NOT NULL,
    label text,
    state smallint NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    worker uuid,
    node text,
    claimed_at timestamptz NOT NULL,
    ended_at timestamptz,
    invocation uuid,
    message text,
    UNIQUE (schedule_id, fire_at),
    UNIQUE (schedule_id, seq)
) WITH (fillfactor = 70);
CREATE INDEX schedule_run_running ON scriptorium.schedule_run (schedule_id) WHERE state = 0;
