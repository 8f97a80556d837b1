-- The queue follows the users' table by state alone. The engine changes its queue row first and
-- the users' row second, so that for its own writes these triggers find nothing left to do.

-- To enter the queue is to be due now, behind the user's other pending jobs of that priority, and
-- not before the virtual time (job/fair.h). A row is there already only after INSERT OR REPLACE.
CREATE TRIGGER scriptorium_insert_pending AFTER INSERT ON script_generation_jobs
WHEN NEW.status = 'pending'
BEGIN
    DELETE FROM scriptorium_foreign WHERE job_id = NEW.id;
    INSERT OR REPLACE INTO scriptorium_queue (job_id, user_id, priority, tag, run_at)
    VALUES (
        NEW.id, NEW.user_id, coalesce(NEW.priority, 5),
        max((SELECT virtual_time FROM scriptorium_fair WHERE priority = coalesce(NEW.priority, 5)),
            coalesce((SELECT tag + 1000000
                      FROM scriptorium_queue INDEXED BY scriptorium_queue_user
                      WHERE user_id = NEW.user_id AND priority = coalesce(NEW.priority, 5)
                        AND state <> 1
                      ORDER BY tag DESC LIMIT 1), 0)),
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000);
END;

CREATE TRIGGER scriptorium_insert_other AFTER INSERT ON script_generation_jobs
WHEN NEW.status <> 'pending'
BEGIN
    DELETE FROM scriptorium_queue WHERE job_id = NEW.id;
    DELETE FROM scriptorium_foreign WHERE job_id = NEW.id AND NEW.status <> 'processing';
    INSERT INTO scriptorium_foreign (job_id, since)
    SELECT NEW.id, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000
    WHERE NEW.status = 'processing'
      AND NOT EXISTS (SELECT 1 FROM scriptorium_foreign WHERE job_id = NEW.id);
END;

-- The condition recognises, by state, the four writes of the engine that leave nothing to do; it
-- only saves time. One trigger, because each costs every write of the table's status.
CREATE TRIGGER scriptorium_set_status AFTER UPDATE OF status ON script_generation_jobs
WHEN NOT CASE NEW.status
    WHEN 'processing' THEN
        EXISTS (SELECT 1 FROM scriptorium_queue WHERE job_id = NEW.id AND state = 1)
    WHEN 'pending' THEN OLD.status = 'processing' AND
        EXISTS (SELECT 1 FROM scriptorium_queue WHERE job_id = NEW.id AND state <> 1)
    ELSE OLD.status = 'processing'
        AND NOT EXISTS (SELECT 1 FROM scriptorium_queue WHERE job_id = NEW.id)
        AND NOT EXISTS (SELECT 1 FROM scriptorium_foreign WHERE job_id = NEW.id)
    END
BEGIN
    -- What no longer fits leaves the queue: a running job that is set to pending is replaced, a
    -- waiting one that is set to processing was taken by a foreign worker.
    DELETE FROM scriptorium_queue
    WHERE job_id = NEW.id
      AND NOT (NEW.status = 'pending' AND state <> 1)
      AND NOT (NEW.status = 'processing' AND state = 1);
    DELETE FROM scriptorium_foreign WHERE job_id = NEW.id AND NEW.status <> 'processing';
    INSERT INTO scriptorium_foreign (job_id, since)
    SELECT NEW.id, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000
    WHERE NEW.status = 'processing'
      AND NOT EXISTS (SELECT 1 FROM scriptorium_queue WHERE job_id = NEW.id)
      AND NOT EXISTS (SELECT 1 FROM scriptorium_foreign WHERE job_id = NEW.id);
    -- The text of a cut call stays with a failed or cancelled job: a re-run goes on with it.
    DELETE FROM scriptorium_text WHERE job_id = NEW.id AND NEW.status = 'completed';
    -- Whatever leaves 'completed' begins the next run: the old checkpoints are not used again.
    UPDATE scriptorium_run SET run = run + 1
    WHERE job_id = NEW.id AND OLD.status = 'completed' AND NEW.status <> 'completed';
    INSERT INTO scriptorium_run (job_id, run)
    SELECT NEW.id, 2
    WHERE OLD.status = 'completed' AND NEW.status <> 'completed'
      AND NOT EXISTS (SELECT 1 FROM scriptorium_run WHERE job_id = NEW.id);
    INSERT INTO scriptorium_queue (job_id, user_id, priority, tag, run_at)
    SELECT
        NEW.id, NEW.user_id, coalesce(NEW.priority, 5),
        max((SELECT virtual_time FROM scriptorium_fair WHERE priority = coalesce(NEW.priority, 5)),
            coalesce((SELECT tag + 1000000
                      FROM scriptorium_queue INDEXED BY scriptorium_queue_user
                      WHERE user_id = NEW.user_id AND priority = coalesce(NEW.priority, 5)
                        AND state <> 1
                      ORDER BY tag DESC LIMIT 1), 0)),
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000
    WHERE NEW.status = 'pending'
      AND NOT EXISTS (SELECT 1 FROM scriptorium_queue WHERE job_id = NEW.id);
END;

-- INSERT OR REPLACE takes the old row away without telling the triggers: what is left of it shows
-- that there was one. The new row is another job, as after a deletion.
CREATE TRIGGER scriptorium_insert_again AFTER INSERT ON script_generation_jobs
WHEN EXISTS (SELECT 1 FROM scriptorium_step WHERE job_id = NEW.id)
  OR EXISTS (SELECT 1 FROM scriptorium_text WHERE job_id = NEW.id)
  OR EXISTS (SELECT 1 FROM scriptorium_run WHERE job_id = NEW.id)
BEGIN
    DELETE FROM scriptorium_run WHERE job_id = NEW.id;
    DELETE FROM scriptorium_text WHERE job_id = NEW.id;
    DELETE FROM scriptorium_step WHERE job_id = NEW.id;
END;

-- With another id a row is another job, too.
CREATE TRIGGER scriptorium_set_id AFTER UPDATE OF id ON script_generation_jobs
WHEN NEW.id <> OLD.id
BEGIN
    DELETE FROM scriptorium_queue WHERE job_id = OLD.id;
    DELETE FROM scriptorium_foreign WHERE job_id = OLD.id;
    DELETE FROM scriptorium_run WHERE job_id = OLD.id;
    DELETE FROM scriptorium_text WHERE job_id = OLD.id;
    DELETE FROM scriptorium_step WHERE job_id = OLD.id;
    INSERT OR REPLACE INTO scriptorium_foreign (job_id, since)
    SELECT NEW.id, CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000
    WHERE NEW.status = 'processing';
    INSERT OR REPLACE INTO scriptorium_queue (job_id, user_id, priority, tag, run_at)
    SELECT
        NEW.id, NEW.user_id, coalesce(NEW.priority, 5),
        max((SELECT virtual_time FROM scriptorium_fair WHERE priority = coalesce(NEW.priority, 5)),
            coalesce((SELECT tag + 1000000
                      FROM scriptorium_queue INDEXED BY scriptorium_queue_user
                      WHERE user_id = NEW.user_id AND priority = coalesce(NEW.priority, 5)
                        AND state <> 1
                      ORDER BY tag DESC LIMIT 1), 0)),
        CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000
    WHERE NEW.status = 'pending';
END;

-- A waiting job got another priority, or another owner: a new place, the same due time.
CREATE TRIGGER scriptorium_set_place AFTER UPDATE OF priority, user_id ON script_generation_jobs
WHEN NEW.priority IS NOT OLD.priority OR NEW.user_id <> OLD.user_id
BEGIN
    UPDATE scriptorium_queue
    SET priority = coalesce(NEW.priority, 5), user_id = NEW.user_id,
        tag = max(
            (SELECT virtual_time FROM scriptorium_fair WHERE priority = coalesce(NEW.priority, 5)),
            coalesce((SELECT q.tag + 1000000
                      FROM scriptorium_queue q INDEXED BY scriptorium_queue_user
                      WHERE q.user_id = NEW.user_id AND q.priority = coalesce(NEW.priority, 5)
                        AND q.state <> 1
                      ORDER BY q.tag DESC LIMIT 1), 0))
    WHERE job_id = NEW.id AND state <> 1;
END;

CREATE TRIGGER scriptorium_delete AFTER DELETE ON script_generation_jobs
BEGIN
    DELETE FROM scriptorium_queue WHERE job_id = OLD.id;
    DELETE FROM scriptorium_foreign WHERE job_id = OLD.id;
    DELETE FROM scriptorium_run WHERE job_id = OLD.id;
    DELETE FROM scriptorium_text WHERE job_id = OLD.id;
    DELETE FROM scriptorium_step WHERE job_id = OLD.id;
END;

CREATE TRIGGER scriptorium_call_opened AFTER INSERT ON scriptorium_call
BEGIN
    UPDATE scriptorium_total SET calls = calls + 1;
END;

CREATE TRIGGER scriptorium_call_closed AFTER UPDATE OF state ON scriptorium_call
BEGIN
    UPDATE scriptorium_total
    SET estimated = estimated + (NEW.state = 2) - (OLD.state = 2),
        input = input + NEW.input - OLD.input,
        output = output + NEW.output - OLD.output,
        cache_read = cache_read + NEW.cache_read - OLD.cache_read,
        cache_write_5m = cache_write_5m + NEW.cache_write_5m - OLD.cache_write_5m,
        cache_write_1h = cache_write_1h + NEW.cache_write_1h - OLD.cache_write_1h,
        cost = cost + NEW.cost - OLD.cost;
END;
