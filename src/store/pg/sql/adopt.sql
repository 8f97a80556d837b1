-- Rows that were there before us -> queue rows for the pending ones, a note of those that another
-- system works on. Also mends what was written while the triggers were off.

-- Up to `most` pending rows, oldest first; returns how many. The rows are locked while it decides,
-- so that a client who changes one meanwhile either was seen or comes after.
CREATE OR REPLACE FUNCTION scriptorium.adopt(most integer) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
    ids uuid[];
    users uuid[];
    priorities smallint[];
BEGIN
    INSERT INTO scriptorium.foreign_job (job_id, since)
    SELECT l.id, coalesce(greatest(l.started_at, l.updated_at), l.created_at, scriptorium.clock())
    FROM (
        SELECT j.id, j.started_at, j.updated_at, j.created_at FROM {{jobs}} j
        WHERE j.status = 'processing'
          AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)
          AND NOT EXISTS (SELECT FROM scriptorium.foreign_job f WHERE f.job_id = j.id)
        FOR SHARE OF j
    ) l
    ON CONFLICT DO NOTHING;
    SELECT array_agg(l.id ORDER BY l.created_at, l.id),
           array_agg(coalesce(l.user_id, '00000000-0000-0000-0000-000000000000')
                     ORDER BY l.created_at, l.id),
           array_agg(scriptorium.priority(l.priority) ORDER BY l.created_at, l.id)
    INTO ids, users, priorities
    FROM (
        SELECT j.id, j.user_id, j.priority, j.created_at FROM {{jobs}} j
        WHERE j.status = 'pending'
          AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)
        ORDER BY j.created_at LIMIT most FOR SHARE OF j
    ) l;
    IF ids IS NOT NULL THEN
        PERFORM scriptorium.enqueue(ids, users, priorities);
        PERFORM scriptorium.wake('due');
    END IF;
    RETURN coalesce(cardinality(ids), 0);
END $$;
