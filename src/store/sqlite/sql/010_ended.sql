-- Jobs whose run has ended, whoever ended it: the newest ten thousand.
CREATE TABLE scriptorium_ended (
    n INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER scriptorium_keep_ended AFTER UPDATE OF status ON script_generation_jobs
WHEN NEW.status <> 'pending' AND NEW.status <> 'processing'
  AND (OLD.status = 'pending' OR OLD.status = 'processing')
BEGIN
    INSERT INTO scriptorium_ended (job_id, user_id, at)
    VALUES (NEW.id, NEW.user_id,
            CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000);
    DELETE FROM scriptorium_ended WHERE n <= (SELECT max(n) FROM scriptorium_ended) - 10000;
END;
