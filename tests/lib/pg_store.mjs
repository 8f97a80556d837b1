// In: a connection to a migrated database. Out: the verbs of the SQL side as functions with plain
// arguments, for tests and benches; what a client does to the users' table stays plain SQL.
import { randomUUID } from 'node:crypto';

export const SECOND = 1_000_000;

export async function rows(client, sql, ...values) {
    return (await client.query(sql, values)).rows;
}

export async function row(client, sql, ...values) {
    return (await rows(client, sql, ...values))[0];
}

export async function value(client, sql, ...values) {
    const found = await row(client, sql, ...values);
    return found && Object.values(found)[0];
}

/** A client's own INSERT; returns the id. */
export async function insert(client, columns = {}) {
    const all = { user_id: randomUUID(), generation_params: '{"topic": "bridges"}', ...columns };
    const names = Object.keys(all);
    return value(client, `INSERT INTO script_generation_jobs (${names.join(', ')})
        VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')}) RETURNING id`, ...Object.values(all));
}

export async function worker(client, lease = 15 * SECOND) {
    const id = randomUUID();
    await client.query('SELECT scriptorium.worker_open($1, $2, $3)', [id, 'test', lease]);
    return id;
}

/** The jobs claimed; their property `next` is the time at which the next delayed one is due. */
export async function claim(client, by, room = 1, cap = 0) {
    const found = await rows(client, 'SELECT * FROM scriptorium.claim($1, $2, $3)', by, room, cap);
    const jobs = found.slice(0, -1);
    jobs.next = found.at(-1).next_due_us;
    return jobs;
}

const list = (items, pick) => items.map((item) => pick(item) ?? null);

/** items: {id, fence, outcome, script, metadata, error, due}. */
export async function finish(client, items, hook = null) {
    return rows(client, 'SELECT * FROM scriptorium.finish($1, $2, $3, $4, $5, $6, $7, $8)',
        list(items, (i) => i.id), list(items, (i) => i.fence), list(items, (i) => i.outcome ?? 0),
        list(items, (i) => i.script ?? 'A script.'), list(items, (i) => i.metadata ?? '{"words": 2}'),
        list(items, (i) => i.error), list(items, (i) => i.due), hook);
}

export const COMPLETE = 0;
export const RETRY = 1;
export const FAIL = 2;
export const RELEASE = 3;
export const HELD = 0;
export const CANCELLED = 1;
export const DELETED = 2;
export const REPLACED = 3;
export const REFUSED = 4;
export const BUSY = 5;

/** items: {id, fence, step, progress, chunk, chunks, key, hash, at, text, call, tokens, rate}. */
export async function progress(client, items) {
    return rows(client, `SELECT * FROM scriptorium.progress($1, $2, $3, $4, $5, $6, $7, $8, $9,
            $10::bytea[], $11, $12, $13)`,
        list(items, (i) => i.id), list(items, (i) => i.fence), list(items, (i) => i.step),
        list(items, (i) => i.progress ?? 0), list(items, (i) => i.chunk ?? 0),
        list(items, (i) => i.chunks ?? 0), list(items, (i) => i.key), list(items, (i) => i.hash),
        list(items, (i) => i.at ?? 0), list(items, (i) => i.text && Buffer.from(i.text)),
        list(items, (i) => i.call), list(items, (i) => i.tokens), list(items, (i) => i.rate));
}

export async function held(client, items) {
    const found = await rows(client, 'SELECT * FROM scriptorium.check_held($1, $2)',
        items.map((i) => i.id), items.map((i) => i.fence));
    return found.map((r) => r.lost);
}

export async function text(client, id) {
    const found = await row(client, 'SELECT key, input_hash, content FROM scriptorium.run_state($1, 1) WHERE content IS NOT NULL', id);
    return found && { key: found.key, hash: found.input_hash, text: found.content.toString() };
}

export async function stepSave(client, job, step, call = null) {
    return value(client, `SELECT scriptorium.step_save($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
            $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)`,
        job.id, job.fence, job.run ?? 1, step.key, step.hash ?? 'hash', step.output ?? 'text',
        'end_turn', 'model', 10, 20, 0, 0, 0, 30, 1 * SECOND, 2 * SECOND,
        call?.id ?? null, call && 1, call && 10, call && 20, call && 0, call && 0, call && 0,
        call && 30, call && 'model', call && 'req', null, call && 200);
}

export async function callOpen(client, job, by, estimate = 1000) {
    const id = randomUUID();
    await client.query('SELECT scriptorium.call_open($1, $2, $3, $4, 1, 1, $5, $6, $7, $8, $9, $10)',
        [id, job.id, job.user_id, by, 'outline', 'sim', 'model', estimate, 3_000_000, 15_000_000]);
    return id;
}

/** Where a job is, in the words of docs/state-machine.md. */
export async function state(client, id) {
    const status = await value(client, 'SELECT status::text FROM script_generation_jobs WHERE id = $1', id);
    const queue = await row(client, 'SELECT state, fence FROM scriptorium.queue WHERE job_id = $1', id);
    if (!status) return queue ? 'queue row without a row' : 'absent';
    if (status === 'pending') return queue && queue.state !== 1 && queue.fence === 0 ? 'waiting' : 'pending, not queued';
    if (status === 'processing') return !queue ? 'foreign' : queue.state === 1 ? 'running' : 'processing, queued';
    return queue ? `${status}, queued` : status;
}

/** Lets time pass for the store: all of it reads one clock. */
export async function pass(client, us) {
    const before = (await value(client, "SELECT obj_description('scriptorium.clock()'::regprocedure)")) ?? '0';
    const ahead = Number(before) + us;
    await client.query(`CREATE OR REPLACE FUNCTION scriptorium.clock() RETURNS timestamptz LANGUAGE sql
        VOLATILE AS 'SELECT pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) interval ''${ahead} microseconds'''`);
    await client.query(`COMMENT ON FUNCTION scriptorium.clock() IS '${ahead}'`);
}
