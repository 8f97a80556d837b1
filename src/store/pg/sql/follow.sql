-- What jobs have come to since somebody last looked -> per job one row of kind 0, one of kind 1 for
-- each step that is new, and one of kind 2 for the text of the step that wrote last.

CREATE OR REPLACE FUNCTION scriptorium.follow(
    jobs uuid[], runs integer[], places bigint[], hashes text[], calls uuid[], offsets bigint[])
RETURNS TABLE (
    kind integer, item integer, user_id uuid, workflow_id uuid, status text, progress integer,
    current_chunk integer, total_chunks integer, retry_count integer, max_retries integer,
    priority integer, current_step text, error_message text, created_us bigint, started_us bigint,
    completed_us bigint, updated_us bigint, queued boolean, run_at_us bigint, run integer,
    whole boolean, key text, input_hash text, place bigint, output text, stop text, model text,
    input bigint, output_tokens bigint, cache_read bigint, cache_write_5m bigint,
    cache_write_1h bigint, cost bigint, call uuid, at bigint, content bytea)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
{{plan_lookups}}
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE items AS MATERIALIZED (
        SELECT i.n::integer AS n, i.job, i.call, i.offset_known, j.user_id, j.workflow_id,
               j.status::text AS status, j.progress::integer AS progress,
               j.current_chunk::integer AS current_chunk, j.total_chunks::integer AS total_chunks,
               j.retry_count::integer AS retry_count, j.max_retries::integer AS max_retries,
               j.priority::integer AS priority, j.current_step::text AS current_step,
               j.error_message::text AS error_message, j.created_at, j.started_at, j.completed_at,
               j.updated_at, q.job_id IS NOT NULL AS queued, q.run_at, coalesce(r.run, 1) AS run,
               i.place > 0 AS asked,
               CASE WHEN i.place > 0 AND i.run = coalesce(r.run, 1) AND EXISTS (
                   SELECT FROM scriptorium.step k
                   WHERE k.job_id = i.job AND k.run = i.run AND k.n = i.place
                     AND k.input_hash = i.hash) THEN i.place ELSE 0 END AS after
        FROM unnest(jobs, runs, places, hashes, calls, offsets) WITH ORDINALITY
            AS i (job, run, place, hash, call, offset_known, n)
        JOIN {{jobs}} j ON j.id = i.job
        LEFT JOIN scriptorium.queue q ON q.job_id = i.job
        LEFT JOIN scriptorium.run r ON r.job_id = i.job
    ), tails AS (
        -- The last piece of each step that has text, by the index alone: there are few.
        SELECT i.n, i.job, l.* FROM items i CROSS JOIN LATERAL (
            SELECT t.step, t.chain, t.at, t.call, t.input_hash, t.written_at
            FROM scriptorium.step_text t WHERE t.job_id = i.job
            ORDER BY t.step DESC, t.chain DESC, t.at DESC LIMIT 1) l
        UNION ALL
        SELECT p.n, p.job, l.* FROM tails p CROSS JOIN LATERAL (
            SELECT t.step, t.chain, t.at, t.call, t.input_hash, t.written_at
            FROM scriptorium.step_text t WHERE t.job_id = p.job AND t.step < p.step
            ORDER BY t.step DESC, t.chain DESC, t.at DESC LIMIT 1) l
    ), latest AS (
        SELECT DISTINCT ON (t.n) t.* FROM tails t
        ORDER BY t.n, t.written_at DESC, t.chain DESC, t.at DESC
    )
    SELECT 0, i.n, i.user_id, i.workflow_id, i.status, coalesce(i.progress, 0),
           coalesce(i.current_chunk, 0), coalesce(i.total_chunks, 0), coalesce(i.retry_count, 0),
           coalesce(i.max_retries, 3), coalesce(i.priority, 5), i.current_step, i.error_message,
           coalesce(scriptorium.us(i.created_at), 0), coalesce(scriptorium.us(i.started_at), 0),
           coalesce(scriptorium.us(i.completed_at), 0), coalesce(scriptorium.us(i.updated_at), 0),
           i.queued, coalesce(scriptorium.us(i.run_at), 0), i.run, i.asked AND i.after = 0,
           NULL::text, NULL::text, NULL::bigint, NULL::text, NULL::text, NULL::text, NULL::bigint,
           NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::uuid,
           NULL::bigint, NULL::bytea
    FROM items i
    UNION ALL
    SELECT 1, i.n, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           scriptorium.us(s.started_at), scriptorium.us(s.ended_at), NULL, NULL, NULL, NULL, NULL,
           s.step, s.input_hash, s.n, s.content, s.stop, s.model, s.input, s.output, s.cache_read,
           s.cache_write_5m, s.cache_write_1h, s.cost, NULL, NULL, NULL
    FROM items i JOIN scriptorium.step s
        ON s.job_id = i.job AND s.run = i.run AND s.n > i.after AND s.step <> 'input'
    UNION ALL
    SELECT 2, i.n, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, NULL, l.step, l.input_hash, NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, NULL, NULL, l.call, f.at,
           coalesce((SELECT string_agg(t.content, ''::bytea ORDER BY t.at)
                     FROM scriptorium.step_text t
                     WHERE t.job_id = i.job AND t.step = l.step AND t.chain = l.chain
                       AND t.at >= f.at), ''::bytea)
    FROM items i JOIN latest l ON l.n = i.n CROSS JOIN LATERAL (
        SELECT CASE WHEN l.call = i.call THEN i.offset_known ELSE 0 END AS at) f
    ORDER BY 2, 1, 24;
END $$;
