-- Jobs whose run has ended, whoever ended it: the newest ten thousand, or a few more.
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
END;

-- A thousand at a time: each deletion would cost the job that ends.
CREATE TRIGGER scriptorium_drop_ended AFTER INSERT ON scriptorium_ended WHEN NEW.n % 1000 = 0
BEGIN
    DELETE FROM scriptorium_ended WHERE n <= NEW.n - 10000;
END;
