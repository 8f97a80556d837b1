// In: clients and engines that write, together, and a long history. Out: the counts are those of the
// tables, whoever wrote what, and nobody reads the history for them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { FAIL, callOpen, claim, finish, insert, pass, row, rows, value, worker } from '../lib/pg_store.mjs';

const MINUTE = 60_000_000;
let server, db;
before(async () => {
    server = await start();
    db = await server.connect();
    await migrate(db);
});
after(() => server.remove());
beforeEach(async () => {
    await db.query('TRUNCATE script_generation_jobs, scriptorium.call, scriptorium.ended');
});

/** What stats() says, beside the same counted out. */
async function bothCounts(client = db) {
    const s = await row(client, 'SELECT * FROM scriptorium.stats()');
    const told = { pending: s.pending, processing: s.processing, completed: s.completed, failed: s.failed, cancelled: s.cancelled,
        calls: s.calls, estimated: s.calls_estimated, input: s.input, output: s.output, read: s.cache_read, cost: s.cost };
    const real = await row(client, `SELECT j.*, c.* FROM (
            SELECT count(*) FILTER (WHERE status = 'pending') AS pending, count(*) FILTER (WHERE status = 'processing') AS processing,
                   count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
                   count(*) FILTER (WHERE status = 'cancelled') AS cancelled FROM script_generation_jobs) j, (
            SELECT count(*) AS calls, count(*) FILTER (WHERE state = 2) AS estimated, coalesce(sum(input), 0)::int AS input,
                   coalesce(sum(output), 0)::int AS output, coalesce(sum(cache_read), 0)::int AS read,
                   coalesce(sum(cost), 0)::int AS cost FROM scriptorium.call) c`);
    return [told, real];
}

async function agree(client = db) {
    const [told, real] = await bothCounts(client);
    assert.deepEqual(told, real);
    return told;
}

const close = (id, state, n) => db.query('SELECT scriptorium.call_close($1, $2, $3, $4, $5, 0, 0, $6, $7, $8, NULL, 200)',
    [id, state, n, 2 * n, n, 3 * n, 'model', 'req']);

test('every way of writing a row and a call', async () => {
    const by = await worker(db);
    await insert(db, { status: 'completed', processing_time_seconds: 7 });
    const ids = [];
    for (let i = 0; i < 6; i++) ids.push(await insert(db));
    const jobs = await claim(db, by, 3);
    const calls = [await callOpen(db, jobs[0], by), await callOpen(db, jobs[1], by)];
    await close(calls[0], 1, 10);
    await close(calls[1], 2, 20);
    await close(calls[1], 1, 25);
    await finish(db, [{ ...jobs[0] }, { ...jobs[1], outcome: FAIL, error: 'x' }]);
    await db.query("UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1", [ids[5]]);
    assert.deepEqual(await agree(), { pending: 2, processing: 1, completed: 2, failed: 1, cancelled: 1,
        calls: 2, estimated: 0, input: 35, output: 70, read: 35, cost: 105 });
    await db.query("UPDATE script_generation_jobs SET status = 'pending', processing_time_seconds = NULL WHERE status IN ('failed', 'completed')");
    await agree();
    await db.query(`INSERT INTO script_generation_jobs (id, user_id) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET status = 'failed'`, [ids[0], randomUUID()]);
    await agree();
    await db.query('DELETE FROM script_generation_jobs WHERE id = ANY ($1)', [ids.slice(0, 3)]);
    await agree();
    await db.query('BEGIN');
    await insert(db);
    await db.query('DELETE FROM script_generation_jobs');
    await agree();
    await db.query('ROLLBACK');
    await agree();
    await db.query('TRUNCATE script_generation_jobs');
    assert.equal((await agree()).pending, 0);
});

test('"recent" is created in the last hour, to the minute, and the average of those', async () => {
    const stats = () => row(db, 'SELECT * FROM scriptorium.stats()');
    await insert(db, { status: 'completed', processing_time_seconds: 10 });
    await insert(db, { status: 'completed', processing_time_seconds: 20 });
    const [first] = await rows(db, 'SELECT id FROM script_generation_jobs LIMIT 1');
    await insert(db, { status: 'completed', processing_time_seconds: 99, created_at: '2020-01-01' });
    await insert(db, { status: 'failed', created_at: null });
    let s = await stats();
    assert.deepEqual([s.completed, s.recent_completed, s.seconds_completed, s.recent_failed, s.seconds_failed], [3, 2, 15, 0, -1]);
    await db.query('DELETE FROM script_generation_jobs WHERE id = $1', [first.id]);
    s = await stats();
    assert.deepEqual([s.completed, s.recent_completed], [2, 1]);
    await pass(db, 50 * MINUTE);
    assert.equal((await stats()).recent_completed, 1);
    await pass(db, 12 * MINUTE);
    s = await stats();
    assert.deepEqual([s.completed, s.recent_completed, s.seconds_completed], [2, 0, -1]);
    await pass(db, -62 * MINUTE);
});

test('clients at once, while the rows are put together: no one waits, the sums stay right', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => server.connect()));
    const open = clients.pop();
    await open.query('BEGIN');
    await insert(open); // does not commit for long: nobody waits for it
    await Promise.all(clients.map(async (client, n) => {
        await client.query("SET lock_timeout = '5s'");
        for (let i = 0; i < 60; i++) {
            const id = await insert(client, { status: ['pending', 'completed', 'failed'][(i + n) % 3] });
            if (i % 2) await client.query("UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1", [id]);
            if (i % 7 === 0) await client.query('DELETE FROM script_generation_jobs WHERE id = $1', [id]);
            if (i % 5 === 0) await db.query('SELECT scriptorium.tally_fold()');
        }
    }));
    await agree();
    await db.query(`INSERT INTO scriptorium.job_tally SELECT 'pending', '-infinity', v, 0, 0
        FROM generate_series(1, 1000) i, unnest('{1,-1}'::int[]) v`);
    await db.query('SELECT scriptorium.tally_fold()');
    assert.ok(await value(db, 'SELECT count(*) FROM scriptorium.job_tally') < 1000, 'they were put together');
    await agree();
    await open.query('COMMIT');
    await agree();
    for (const client of [...clients, open]) await client.end();
});

test('what was written while the triggers were off is found by the next migration', async () => {
    await insert(db);
    await db.query('ALTER TABLE script_generation_jobs DISABLE TRIGGER USER');
    await insert(db, { status: 'completed' });
    await db.query("UPDATE script_generation_jobs SET status = 'failed' WHERE status = 'pending'");
    await db.query('ALTER TABLE script_generation_jobs ENABLE TRIGGER USER');
    const [told, real] = await bothCounts();
    assert.notDeepEqual(told, real);
    await migrate(db);
    await agree();
});

test('rows that were there before us are counted', async () => {
    const client = await server.connect({ database: await server.database() });
    await client.query(`CREATE TABLE script_generation_jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid,
        status text DEFAULT 'pending', created_at timestamptz DEFAULT now(), completed_at timestamptz)`);
    await client.query(`INSERT INTO script_generation_jobs (status, completed_at)
        SELECT 'completed', now() - i * interval '20 minutes' FROM generate_series(1, 5) i`);
    await client.query('INSERT INTO script_generation_jobs DEFAULT VALUES');
    await migrate(client);
    const told = await agree(client);
    assert.deepEqual([told.pending, told.completed], [1, 5]);
    const ended = await rows(client, 'SELECT * FROM scriptorium.live(NULL, 1, 10, 10, 10) WHERE ended_us > 0');
    assert.equal(ended.length, 5, 'all were created, and so written, in the last hour');
    await client.end();
});

test('neither the counts nor what lives is asked of the users\' table or the ledger', async () => {
    const by = await worker(db);
    for (let i = 0; i < 300; i++) await insert(db, { status: 'completed' });
    for (let i = 0; i < 3; i++) await insert(db);
    const [it] = await claim(db, by);
    await callOpen(db, it, by);
    await finish(db, [it]);
    const other = await server.connect();
    await other.query("SET lock_timeout = '5s'");
    await db.query('BEGIN');
    await db.query('LOCK TABLE script_generation_jobs, scriptorium.call IN ACCESS EXCLUSIVE MODE');
    const s = await row(other, 'SELECT * FROM scriptorium.stats()');
    assert.deepEqual([s.completed, s.pending, s.calls], [301, 2, 1]);
    await db.query('ROLLBACK');
    assert.deepEqual(await read(other, 'SELECT * FROM scriptorium.live(NULL, 1, 500, 200, 500)'),
        { answered: 3, scanned: 0, fetched: 1 }, 'one row for the job that ended');
    await other.end();
});

/** How many rows of the users' table a question reads. */
async function read(client, sql, ...values) {
    await client.query('BEGIN');
    const look = () => row(client, `SELECT seq_tup_read::int AS scanned, coalesce(idx_tup_fetch, 0)::int AS fetched
        FROM pg_stat_xact_user_tables WHERE relname = 'script_generation_jobs'`);
    const before = await look();
    const answered = (await rows(client, sql, ...values)).length;
    const now = await look();
    await client.query('COMMIT');
    return { answered, scanned: now.scanned - before.scanned, fetched: now.fetched - before.fetched };
}

test('a page of all jobs is read by the index on created_at, running ones by the queue', async () => {
    const by = await worker(db);
    await db.query(`INSERT INTO script_generation_jobs (user_id, status, created_at)
        SELECT gen_random_uuid(), 'completed', now() - i * interval '1 second' FROM generate_series(1, 20000) i`);
    await db.query("INSERT INTO script_generation_jobs (user_id, status, created_at) SELECT gen_random_uuid(), 'completed', NULL FROM generate_series(1, 3)");
    for (let i = 0; i < 4; i++) await insert(db);
    await claim(db, by, 3);
    await db.query('ANALYZE script_generation_jobs');
    const page = async (...args) => {
        const r = await read(db, 'SELECT * FROM scriptorium.jobs_of(scriptorium.page_ids($1, $2, $3, $4, $5), false)', ...args);
        assert.equal(r.scanned, 0);
        assert.ok(r.fetched <= 3 * r.answered + 10, `${r.fetched} rows read for ${r.answered}`);
        return r.answered;
    };
    assert.equal(await page(null, null, null, null, 50), 50);
    const last = (await rows(db, 'SELECT * FROM scriptorium.jobs_of(scriptorium.page_ids(NULL, NULL, NULL, NULL, 1000), false)')).at(-1);
    assert.equal(await page(null, null, last.created_us, last.id, 50), 50);
    assert.equal(await page('completed', null, null, null, 50), 50);
    assert.equal(await page('processing', null, null, null, 50), 3);
    const oldest = await row(db, `SELECT id, scriptorium.us(created_at) AS us FROM script_generation_jobs
        WHERE created_at IS NOT NULL ORDER BY created_at LIMIT 1`);
    assert.equal(await page(null, null, oldest.us, oldest.id, 50), 3, 'those without a time come last');
});
