-- Webhooks: who is told of which ends of runs, and how far each telling has come.

CREATE TABLE scriptorium_webhook (
    outcome TEXT NOT NULL, -- completed, failed, cancelled, deleted
    endpoint TEXT NOT NULL,
    PRIMARY KEY (outcome, endpoint)
) WITHOUT ROWID, STRICT;

-- One row per end and endpoint. state: 0 to be told, 1 told, 2 given up. tried_since: the end, or
-- when an operator had it told again. due: while it is being told, when it may be told again.
CREATE TABLE scriptorium_outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    endpoint TEXT NOT NULL,
    job_id TEXT NOT NULL,
    user_id TEXT,
    run INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    ended INTEGER NOT NULL,
    tried_since INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    http_status INTEGER NOT NULL DEFAULT 0,
    error TEXT
) STRICT;
CREATE INDEX scriptorium_outbox_waiting ON scriptorium_outbox (endpoint, due) WHERE state = 0;
CREATE INDEX scriptorium_outbox_over ON scriptorium_outbox (done) WHERE state <> 0;

-- A run ends when its row leaves pending and processing, whoever writes.
CREATE TRIGGER scriptorium_note_ended AFTER UPDATE OF status ON script_generation_jobs
WHEN (OLD.status = 'pending' OR OLD.status = 'processing') AND NEW.id = OLD.id
  AND EXISTS (SELECT 1 FROM scriptorium_webhook WHERE outcome = NEW.status)
BEGIN
    INSERT INTO scriptorium_outbox (id, endpoint, job_id, user_id, run, outcome, ended, tried_since)
    SELECT
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' ||
              substr(hex(randomblob(2)), 2) || '-' ||
              substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' ||
              hex(randomblob(6))),
        w.endpoint, NEW.id, NEW.user_id,
        coalesce((SELECT run FROM scriptorium_run WHERE job_id = NEW.id), 1), NEW.status,
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000,
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000
    FROM scriptorium_webhook w WHERE w.outcome = NEW.status;
END;

-- Before: the run's number goes with the row.
CREATE TRIGGER scriptorium_note_deleted BEFORE DELETE ON script_generation_jobs
WHEN (OLD.status = 'pending' OR OLD.status = 'processing')
  AND EXISTS (SELECT 1 FROM scriptorium_webhook WHERE outcome = 'deleted')
BEGIN
    INSERT INTO scriptorium_outbox (id, endpoint, job_id, user_id, run, outcome, ended, tried_since)
    SELECT
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' ||
              substr(hex(randomblob(2)), 2) || '-' ||
              substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' ||
              hex(randomblob(6))),
        w.endpoint, OLD.id, OLD.user_id,
        coalesce((SELECT run FROM scriptorium_run WHERE job_id = OLD.id), 1), 'deleted',
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000,
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000
    FROM scriptorium_webhook w WHERE w.outcome = 'deleted';
END;

-- With another id a row is another job.
CREATE TRIGGER scriptorium_note_renamed BEFORE UPDATE OF id ON script_generation_jobs
WHEN NEW.id <> OLD.id AND (OLD.status = 'pending' OR OLD.status = 'processing')
  AND EXISTS (SELECT 1 FROM scriptorium_webhook WHERE outcome = 'deleted')
BEGIN
    INSERT INTO scriptorium_outbox (id, endpoint, job_id, user_id, run, outcome, ended, tried_since)
    SELECT
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' ||
              substr(hex(randomblob(2)), 2) || '-' ||
              substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' ||
              hex(randomblob(6))),
        w.endpoint, OLD.id, OLD.user_id,
        coalesce((SELECT run FROM scriptorium_run WHERE job_id = OLD.id), 1), 'deleted',
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000,
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000
    FROM scriptorium_webhook w WHERE w.outcome = 'deleted';
END;
