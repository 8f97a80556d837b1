-- The users' table and the engine's own state beside it. Times of the engine are microseconds
-- since 1970; times people read are RFC 3339 text in UTC.

-- The columns that can be large come last: SQLite reads a row from its start, and a list of jobs
-- must not walk through their scripts.
CREATE TABLE script_generation_jobs (
    id TEXT NOT NULL PRIMARY KEY DEFAULT (
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' ||
              substr(hex(randomblob(2)), 2) || '-' ||
              substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' ||
              hex(randomblob(6))))
        -- nil means "none" everywhere else
        CONSTRAINT id_is_a_lower_case_uuid CHECK (
            length(CAST(id AS BLOB)) = 36 AND id GLOB '????????-????-????-????-????????????'
            AND length(replace(id, '-', '')) = 32
            AND replace(id, '-', '') NOT GLOB '*[^0-9a-f]*'
            AND id <> '00000000-0000-0000-0000-000000000000'),
    workflow_id TEXT,
    user_id TEXT NOT NULL
        CONSTRAINT user_id_is_a_lower_case_uuid CHECK (
            length(CAST(user_id AS BLOB)) = 36
            AND user_id GLOB '????????-????-????-????-????????????'
            AND length(replace(user_id, '-', '')) = 32
            AND replace(user_id, '-', '') NOT GLOB '*[^0-9a-f]*'),
    status TEXT NOT NULL DEFAULT 'pending'
        CONSTRAINT status_is_known
        -- not IN: that would build a temporary table for every write
        CHECK (status = 'pending' OR status = 'processing' OR status = 'completed'
               OR status = 'failed' OR status = 'cancelled'),
    progress INTEGER DEFAULT 0
        CONSTRAINT progress_is_a_percentage CHECK (progress BETWEEN 0 AND 100),
    current_chunk INTEGER DEFAULT 0,
    total_chunks INTEGER DEFAULT 0,
    current_step TEXT,
    error_message TEXT,
    retry_count INTEGER DEFAULT 0,
    max_retries INTEGER DEFAULT 3,
    created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    started_at TEXT,
    completed_at TEXT,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    processing_time_seconds INTEGER,
    priority INTEGER DEFAULT 5
        CONSTRAINT priority_is_1_to_10 CHECK (priority BETWEEN 1 AND 10),
    generation_params TEXT
        CONSTRAINT generation_params_is_json CHECK (generation_params IS NULL OR json_valid(generation_params)),
    script_metadata TEXT
        CONSTRAINT script_metadata_is_json CHECK (script_metadata IS NULL OR json_valid(script_metadata)),
    generated_script TEXT
) STRICT;
CREATE INDEX script_generation_jobs_status ON script_generation_jobs (status);
CREATE INDEX script_generation_jobs_user ON script_generation_jobs (user_id);
CREATE INDEX script_generation_jobs_created ON script_generation_jobs (created_at);

-- One row per pending or running job. state: 0 due, 1 running (it has a fence), 2 due later.
CREATE TABLE scriptorium_queue (
    job_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tag INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    worker TEXT,
    claimed_at INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE INDEX scriptorium_queue_due ON scriptorium_queue (priority DESC, tag, user_id, run_at)
    WHERE state = 0;
CREATE INDEX scriptorium_queue_user ON scriptorium_queue (user_id, priority, tag) WHERE state <> 1;
CREATE INDEX scriptorium_queue_running ON scriptorium_queue (user_id, worker) WHERE state = 1;
CREATE INDEX scriptorium_queue_later ON scriptorium_queue (run_at) WHERE state = 2;

-- Rows that another system set to processing.
CREATE TABLE scriptorium_foreign (
    job_id TEXT NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Jobs that were run again after they had completed: their checkpoints begin anew.
CREATE TABLE scriptorium_run (
    job_id TEXT NOT NULL PRIMARY KEY,
    run INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE scriptorium_worker (
    id TEXT NOT NULL PRIMARY KEY,
    opener TEXT NOT NULL, -- the open store it belongs to
    name TEXT,
    lease INTEGER NOT NULL,
    held_since INTEGER NOT NULL, -- unbroken since then
    expires INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Checkpoints: finished steps of a job's run, in order of n.
CREATE TABLE scriptorium_step (
    n INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    step TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    stop TEXT,
    model TEXT,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX scriptorium_step_job ON scriptorium_step (job_id, run, step);

-- What the running step has written so far, as it came.
CREATE TABLE scriptorium_text (
    n INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    step TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX scriptorium_text_job ON scriptorium_text (job_id);

-- The ledger. No reference to jobs: money outlives them. state: 0 open, 1 exact, 2 estimated,
-- 3 unbilled.
CREATE TABLE scriptorium_call (
    id TEXT NOT NULL PRIMARY KEY,
    job_id TEXT,
    user_id TEXT,
    worker TEXT,
    run INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    step TEXT,
    provider TEXT,
    model TEXT,
    estimated_input INTEGER NOT NULL,
    price_input INTEGER NOT NULL,
    price_output INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER,
    state INTEGER NOT NULL DEFAULT 0,
    saved_output INTEGER NOT NULL DEFAULT 0,
    saved_rate INTEGER NOT NULL DEFAULT 0,
    input INTEGER NOT NULL DEFAULT 0,
    output INTEGER NOT NULL DEFAULT 0,
    cache_read INTEGER NOT NULL DEFAULT 0,
    cache_write_5m INTEGER NOT NULL DEFAULT 0,
    cache_write_1h INTEGER NOT NULL DEFAULT 0,
    cost INTEGER NOT NULL DEFAULT 0,
    served_model TEXT,
    request_id TEXT,
    error TEXT,
    http_status INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE INDEX scriptorium_call_job ON scriptorium_call (job_id);
CREATE INDEX scriptorium_call_open ON scriptorium_call (worker) WHERE state = 0;

-- Sums over the ledger, so that nobody has to read all of it.
CREATE TABLE scriptorium_total (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    calls INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    cache_read INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    cost INTEGER NOT NULL
) STRICT;
INSERT INTO scriptorium_total VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0);

CREATE TABLE scriptorium_setting (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID, STRICT;

-- The last fence given out.
CREATE TABLE scriptorium_seq (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    fence INTEGER NOT NULL
) STRICT;
INSERT INTO scriptorium_seq VALUES (1, 0);

-- Fair queueing: the virtual time of each priority is the tag claimed last.
CREATE TABLE scriptorium_fair (
    priority INTEGER PRIMARY KEY,
    virtual_time INTEGER NOT NULL
) STRICT;
INSERT INTO scriptorium_fair VALUES
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0);

CREATE TABLE scriptorium_idempotency (
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,
    job_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) WITHOUT ROWID, STRICT;
