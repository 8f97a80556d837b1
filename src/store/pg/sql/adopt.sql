-- Rows that were there before us -> queue rows for the pending ones, a note of those that another
-- system works on. Also mends what was written while the triggers were off.

DROP FUNCTION IF EXISTS scriptorium.adopt(integer);

-- Up to `most` pending rows, oldest first; returns how many. The rows are locked while it decides, so
-- that a client who changes one meanwhile either was seen or comes after. Those that clients hold come
-- last: waiting, it waits for them, three seconds for each.
CREATE OR REPLACE FUNCTION scriptorium.adopt(most integer, waiting boolean DEFAULT true)
RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET lock_timeout = '3s'
AS $$
#variable_conflict use_variable
DECLARE
    held text;
    ids uuid[];
    users uuid[];
    priorities smallint[];
BEGIN
    FOREACH held IN ARRAY CASE WHEN waiting THEN '{SKIP LOCKED,""}' ELSE '{SKIP LOCKED}' END::text[] LOOP
        EXECUTE $q$
            INSERT INTO scriptorium.foreign_job (job_id, since)
            SELECT l.id, coalesce(greatest(l.started_at, l.updated_at), l.created_at, scriptorium.clock())
            FROM (
                SELECT j.id, j.started_at, j.updated_at, j.created_at FROM {{jobs}} j
                WHERE j.status = 'processing'
                  AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)
                  AND NOT EXISTS (SELECT FROM scriptorium.foreign_job f WHERE f.job_id = j.id)
                FOR SHARE OF j $q$ || held || $q$
            ) l
            ON CONFLICT DO NOTHING $q$;
        EXECUTE $q$
            SELECT array_agg(l.id ORDER BY l.created_at, l.id),
                   array_agg(coalesce(l.user_id, '00000000-0000-0000-0000-000000000000')
                             ORDER BY l.created_at, l.id),
                   array_agg(scriptorium.priority(l.priority) ORDER BY l.created_at, l.id)
            FROM (
                SELECT j.id, j.user_id, j.priority, j.created_at FROM {{jobs}} j
                WHERE j.status = 'pending'
                  AND NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = j.id)
                ORDER BY j.created_at LIMIT $1 FOR SHARE OF j $q$ || held || $q$
            ) l $q$ INTO ids, users, priorities USING most;
        EXIT WHEN ids IS NOT NULL;
    END LOOP;
    IF ids IS NOT NULL THEN
        PERFORM scriptorium.enqueue(ids, users, priorities);
        PERFORM scriptorium.wake('due');
    END IF;
    RETURN coalesce(cardinality(ids), 0);
END $$;

-- Row security may hide rows from whoever migrates: then the engine, to whom its policy shows them,
-- queues them when it has started.
CREATE OR REPLACE FUNCTION scriptorium.adopt_hidden() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF scriptorium.is_on('adopt.hidden') AND scriptorium.adopt(1000, false) = 0 THEN
        DELETE FROM scriptorium.setting s WHERE s.key = 'adopt.hidden';
    END IF;
END $$;

DO $$
BEGIN
    IF row_security_active($n${{jobs}}$n$::regclass) THEN
        INSERT INTO scriptorium.setting VALUES ('adopt.hidden', 'on') ON CONFLICT DO NOTHING;
    END IF;
END $$;
