-- The engine's own state. One narrow row per pending or running job, gone when the job ends, so that
-- a claim never sees history; what lasts (steps, calls) lies beside it.

CREATE SCHEMA IF NOT EXISTS scriptorium;

CREATE TABLE scriptorium.migration (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- state: 0 due, 1 running (it has a fence), 2 due later, 3 due, but its user is at the cap.
CREATE TABLE scriptorium.queue (
    job_id uuid NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL,
    worker uuid,
    tag bigint NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL,
    claimed_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    priority smallint NOT NULL,
    state smallint NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_due ON scriptorium.queue (priority, tag) WHERE state = 0;
CREATE INDEX queue_user ON scriptorium.queue (user_id, priority, tag) WHERE state <> 1;
CREATE INDEX queue_running ON scriptorium.queue (user_id, fence) WHERE state = 1;
CREATE INDEX queue_later ON scriptorium.queue (run_at) WHERE state = 2;

-- Users with jobs in state 3.
CREATE TABLE scriptorium.capped (user_id uuid NOT NULL PRIMARY KEY);

-- Numbers that only grow and must not leave dead rows behind: each is a sequence. For a priority:
-- vt is the tag claimed last (the virtual time of fair queueing), floor where a claim starts to
-- read, next what floor will be a moment later. running_floor: no running job has a smaller fence.
CREATE SEQUENCE scriptorium.fence;
CREATE SEQUENCE scriptorium.running_floor MINVALUE 0;
CREATE SEQUENCE scriptorium.swept_at MINVALUE 0;
CREATE SEQUENCE scriptorium.rotated_at MINVALUE 0;
DO $$
BEGIN
    FOR p IN 1..10 LOOP
        EXECUTE format('CREATE SEQUENCE scriptorium.vt_%s MINVALUE 0', p);
        EXECUTE format('CREATE SEQUENCE scriptorium.floor_%s MINVALUE 0', p);
        EXECUTE format('CREATE SEQUENCE scriptorium.next_%s MINVALUE 0', p);
    END LOOP;
END $$;

-- Rows that another system set to processing.
CREATE TABLE scriptorium.foreign_job (
    job_id uuid NOT NULL PRIMARY KEY,
    since timestamptz NOT NULL
);

-- Jobs that have left 'completed': their checkpoints began anew. Without a row it is run 1.
CREATE TABLE scriptorium.run (
    job_id uuid NOT NULL PRIMARY KEY,
    run integer NOT NULL
);

-- A lease that is gone from the table is dead.
CREATE TABLE scriptorium.worker (
    id uuid NOT NULL PRIMARY KEY,
    name text,
    lease interval NOT NULL,
    held_since timestamptz NOT NULL, -- unbroken since then
    expires timestamptz NOT NULL,
    epoch bigint NOT NULL DEFAULT 0 -- claims of an earlier one come too late
) WITH (fillfactor = 50);

-- Checkpoints: finished steps of a job's run, in order of n.
CREATE TABLE scriptorium.step (
    n bigint GENERATED ALWAYS AS IDENTITY,
    job_id uuid NOT NULL,
    run integer NOT NULL,
    step text NOT NULL,
    input_hash text NOT NULL,
    stop text,
    model text,
    input bigint NOT NULL,
    output bigint NOT NULL,
    cache_read bigint NOT NULL,
    cache_write_5m bigint NOT NULL,
    cache_write_1h bigint NOT NULL,
    cost bigint NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    content text NOT NULL,
    PRIMARY KEY (job_id, run, step)
);

-- What running steps have written so far, as it came. A chain begins with the fence of the attempt
-- that started it; of two chains of a step only the later one counts. tokens, rate: of the call.
CREATE TABLE scriptorium.step_text (
    job_id uuid NOT NULL,
    step text NOT NULL,
    chain bigint NOT NULL,
    at bigint NOT NULL, -- bytes before this piece
    tokens bigint NOT NULL,
    rate bigint NOT NULL,
    call uuid,
    written_at timestamptz NOT NULL,
    input_hash text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (job_id, step, chain, at)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000);

-- The ledger. No reference to jobs: money outlives them. state: 0 open, 1 exact, 2 estimated,
-- 3 unbilled.
CREATE TABLE scriptorium.call (
    id uuid NOT NULL PRIMARY KEY,
    job_id uuid,
    user_id uuid,
    worker uuid,
    run integer NOT NULL,
    attempt integer NOT NULL,
    step text,
    provider text,
    model text,
    estimated_input bigint NOT NULL,
    price_input bigint NOT NULL,
    price_output bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    state smallint NOT NULL DEFAULT 0,
    saved_output bigint NOT NULL DEFAULT 0,
    saved_rate bigint NOT NULL DEFAULT 0,
    input bigint NOT NULL DEFAULT 0,
    output bigint NOT NULL DEFAULT 0,
    cache_read bigint NOT NULL DEFAULT 0,
    cache_write_5m bigint NOT NULL DEFAULT 0,
    cache_write_1h bigint NOT NULL DEFAULT 0,
    cost bigint NOT NULL DEFAULT 0,
    served_model text,
    request_id text,
    error text,
    http_status integer NOT NULL DEFAULT 0
);
CREATE INDEX call_job ON scriptorium.call (job_id);
CREATE INDEX call_open ON scriptorium.call (worker) WHERE state = 0;

CREATE TABLE scriptorium.setting (
    key text NOT NULL PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE scriptorium.idempotency (
    user_id uuid NOT NULL,
    key text NOT NULL,
    job_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);

-- How each attempt ended, for an hour: when a COMMIT's answer got lost, the same finish sent again
-- is told from a lost job. outcome as in store.h.
CREATE TABLE scriptorium.finished (
    fence bigint NOT NULL PRIMARY KEY,
    job_id uuid NOT NULL,
    outcome smallint NOT NULL,
    finished_at timestamptz NOT NULL
);

-- Ends of runs that somebody is to be told of; written while the settings 'outbox.webhook' and
-- 'outbox.ended' are on. kind: 0 a webhook, for each end; 1 the users' hook, once per run. state: 0
-- to be told, 1 told, 2 given up.
CREATE TABLE scriptorium.outbox (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind smallint NOT NULL,
    state smallint NOT NULL DEFAULT 0,
    job_id uuid NOT NULL,
    run integer NOT NULL,
    user_id uuid,
    outcome text NOT NULL, -- completed, failed, cancelled, deleted
    ended_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL, -- while it is being told: when others may try
    attempts integer NOT NULL DEFAULT 0,
    http_status integer,
    done_at timestamptz,
    error text
);
CREATE INDEX outbox_due ON scriptorium.outbox (kind, due_at) WHERE state = 0;
CREATE UNIQUE INDEX outbox_once ON scriptorium.outbox (job_id, run) WHERE kind = 1;
CREATE INDEX outbox_done ON scriptorium.outbox (done_at) WHERE state <> 0;
