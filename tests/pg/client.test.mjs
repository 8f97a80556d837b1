// In: what commands and the API ask of jobs. Out: rows, counts, refusals.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { FAIL, SECOND, callOpen, claim, finish, insert, pass, row, rows, state, value, worker } from '../lib/pg_store.mjs';

let server, db, by;
before(async () => {
    server = await start();
    db = await server.connect();
    await migrate(db);
});
after(() => server.remove());
beforeEach(async () => {
    await db.query('TRUNCATE script_generation_jobs, scriptorium.idempotency, scriptorium.call');
    by = await worker(db);
});

/** jobs: {id, user, workflow, priority, retries, params, due, key}. */
async function add(client, ...jobs) {
    const column = (pick, otherwise = null) => jobs.map((j) => pick(j) ?? otherwise);
    return rows(client, 'SELECT * FROM scriptorium.insert_jobs($1, $2, $3, $4, $5, $6, $7, $8)',
        column((j) => j.id), column((j) => j.user), column((j) => j.workflow), column((j) => j.priority),
        column((j) => j.retries), column((j) => j.params, '{}'), column((j) => j.due), column((j) => j.key));
}

const get = (id) => row(db, 'SELECT * FROM scriptorium.jobs_of(ARRAY[$1::uuid], true)', id);

test('inserted jobs, in order, with what was given and what was not', async () => {
    const [user, workflow, id] = [randomUUID(), randomUUID(), randomUUID()];
    const answers = await add(db, { id, user, workflow, priority: 9, retries: 0, params: '{"topic": "a"}' }, { user });
    assert.equal(answers[0].id, id);
    assert.deepEqual(answers.map((a) => a.existed), [false, false]);
    const [a, b] = [await get(id), await get(answers[1].id)];
    assert.deepEqual([a.user_id, a.workflow_id, a.priority, a.max_retries, a.params, a.status, a.current_step, a.queued],
        [user, workflow, 9, 0, '{"topic": "a"}', 'pending', 'queued', true]);
    assert.deepEqual([b.workflow_id, b.priority, b.max_retries], [null, 5, 3]);
    const all = await rows(db, 'SELECT priority, step, total FROM scriptorium.places(10)');
    assert.deepEqual(all, [{ priority: 9, step: 1, total: 2 }, { priority: 5, step: 1, total: 2 }]);
    assert.deepEqual(await rows(db, 'SELECT priority, step, total FROM scriptorium.places(1)'),
        [{ priority: 9, step: 2, total: 2 }]);
});

test('the same key of the same user is the same job', async () => {
    const [user, other] = [randomUUID(), randomUUID()];
    const [first] = await add(db, { user, key: 'k' });
    const again = await add(db, { user, key: 'k' }, { user: other, key: 'k' }, { user, key: 'l' }, { user, key: 'l' });
    assert.deepEqual(again.map((a) => a.existed), [true, false, false, true]);
    assert.equal(again[0].id, first.id);
    assert.equal(again[2].id, again[3].id);
    assert.equal(await value(db, 'SELECT count(*) FROM script_generation_jobs'), 3);
});

test('the key of a deleted job is free again', async () => {
    const user = randomUUID();
    const [first] = await add(db, { user, key: 'k' });
    await db.query('SELECT scriptorium.delete_job($1)', [first.id]);
    const [second] = await add(db, { user, key: 'k' });
    assert.equal(second.existed, false);
    assert.notEqual(second.id, first.id);
});

test('the same key from many connections at once is one job', async () => {
    const user = randomUUID();
    const pool = server.pool({}, 10);
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => add(pool, { user, key: `k${i % 3}` }, { user, key: `k${(i + 1) % 3}` })));
    await pool.end();
    assert.equal(new Set(answers.flat().map((a) => a.id)).size, 3);
    assert.equal(answers.flat().filter((a) => !a.existed).length, 3);
    assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.queue'), 3);
});

test('an insert in a transaction that is rolled back is no job, and its key is free', async () => {
    const user = randomUUID();
    await db.query('BEGIN');
    await add(db, { user, key: 'k' });
    await db.query('ROLLBACK');
    assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.queue'), 0);
    assert.equal((await add(db, { user, key: 'k' }))[0].existed, false);
});

test('an id that is there already, and params that are not JSON', async () => {
    const id = await insert(db);
    await assert.rejects(add(db, { id, user: randomUUID() }), { code: '23505' });
    await assert.rejects(add(db, { user: randomUUID(), params: '{' }), { code: '22P02' });
});

test('listed newest first, by status and user, page by page', async () => {
    const user = randomUUID();
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(await insert(db, { user_id: user, created_at: `2026-01-0${5 - i}` }));
    const equal = await insert(db, { created_at: '2026-01-03' });
    const list = (...args) => rows(db, 'SELECT * FROM scriptorium.jobs_of(scriptorium.page_ids($1, $2, $3, $4, $5), false)', ...args);
    const listed = async (...args) => (await list(...args)).map((r) => r.id);
    const behind = (it) => [it?.created_us ?? null, it?.id ?? null];
    const all = await list(null, null, ...behind(), 10);
    assert.deepEqual(all.map((r) => r.id).filter((id) => id !== equal), ids);
    const [, second] = await list(null, user, ...behind(), 2);
    assert.equal(second.id, ids[1]);
    assert.deepEqual(await listed(null, user, ...behind(second), 2), ids.slice(2, 4));
    const pages = [];
    for (let last; ;) {
        const page = await list(null, null, ...behind(last), 1);
        if (page.length === 0) break;
        pages.push(last = page[0]);
    }
    assert.deepEqual(pages, all, 'rows of the same moment are neither skipped nor shown twice');
    await db.query('SELECT scriptorium.cancel_job($1)', [ids[3]]);
    assert.deepEqual(await listed('cancelled', null, ...behind(), 10), [ids[3]]);
    await db.query('SELECT scriptorium.delete_job($1)', [second.id]);
    assert.deepEqual(await listed(null, user, ...behind(second), 2), ids.slice(2, 4), 'the cursor outlives its row');
});

test('what is left of a job that is gone is not shown', async () => {
    const [id, other] = [await insert(db), await insert(db)];
    await db.query(`INSERT INTO scriptorium.step (job_id, run, step, input_hash, input, output, cache_read, cache_write_5m,
        cache_write_1h, cost, content) SELECT unnest($1::uuid[]), 1, 'outline', 'h', 0, 0, 0, 0, 0, 0, '{}'`, [[id, other]]);
    await db.query('SET session_replication_role = replica'); // no trigger sees it go
    await db.query('DELETE FROM script_generation_jobs WHERE id = $1', [id]);
    await db.query('RESET session_replication_role');
    const shown = await rows(db, 'SELECT of_step, id, key FROM scriptorium.show_jobs($1)', [id, other]);
    assert.deepEqual(shown, [{ of_step: false, id: other, key: null }, { of_step: true, id: other, key: 'outline' }]);
    await db.query('DELETE FROM scriptorium.step WHERE job_id = $1', [id]);
    await db.query('DELETE FROM scriptorium.queue WHERE job_id = $1', [id]);
});

test('cancel, retry and delete, where the state allows it', async () => {
    const verb = (name, id) => value(db, `SELECT scriptorium.${name}($1)`, id);
    const id = await insert(db);
    await assert.rejects(verb('retry_job', id), { code: 'SCI01', message: `job ${id} is pending: nothing to retry` });
    assert.equal(await verb('cancel_job', id), 1);
    assert.equal(await state(db, id), 'cancelled');
    await assert.rejects(verb('cancel_job', id), { code: 'SCI01' });
    assert.equal(await verb('retry_job', id), 1);
    assert.equal(await state(db, id), 'waiting');
    assert.equal(await verb('delete_job', id), 1);
    for (const name of ['cancel_job', 'retry_job', 'delete_job'])
        await assert.rejects(verb(name, id), { code: 'SCN01', message: `there is no job ${id}` });
});

test('all failed and cancelled ones again, or those of one user', async () => {
    const user = randomUUID();
    await insert(db, { status: 'failed' });
    await insert(db, { status: 'cancelled', user_id: user });
    await insert(db, { status: 'failed', user_id: user });
    const done = await insert(db, { status: 'completed', user_id: user });
    const again = (...args) => value(db, 'SELECT scriptorium.retry_all($1, $2)', ...args);
    assert.equal(await again('failed', user), 1);
    assert.equal(await again(null, null), 2);
    assert.equal(await again(null, null), 0);
    assert.equal(await state(db, done), 'completed');
    await assert.rejects(again('completed', null), { code: 'SCI01' });
});

test('another system\'s rows are left alone until they are old enough', async () => {
    const id = await insert(db, { status: 'processing' });
    const own = await insert(db);
    await claim(db, by);
    await pass(db, 20 * 60 * SECOND);
    const again = (age) => value(db, 'SELECT scriptorium.rescue_foreign($1)', age);
    assert.equal(await again(30 * 60 * SECOND), 0);
    assert.equal(await again(10 * 60 * SECOND), 1);
    assert.equal(await state(db, id), 'waiting');
    assert.equal(await state(db, own), 'running');
});

test('counts of the table, the queue and the ledger', async () => {
    await insert(db, { status: 'completed', processing_time_seconds: 10 });
    await insert(db, { status: 'completed', processing_time_seconds: 20 });
    await insert(db, { status: 'completed', processing_time_seconds: 99, created_at: '2020-01-01' });
    await insert(db, { status: 'processing' });
    await insert(db);
    await insert(db);
    const [it] = await claim(db, by);
    await callOpen(db, it, by);
    const now = await value(db, 'SELECT scriptorium.us(scriptorium.clock())');
    await add(db, { user: randomUUID(), due: now + 60 * SECOND });
    await finish(db, [{ ...it, outcome: FAIL, error: 'x' }]);
    const s = await row(db, 'SELECT * FROM scriptorium.stats()');
    assert.deepEqual([s.pending, s.processing, s.completed, s.failed, s.cancelled], [2, 1, 3, 1, 0]);
    assert.deepEqual([s.due, s.delayed, s.running, s.foreign_jobs], [1, 1, 0, 1]);
    assert.deepEqual([s.calls, s.calls_estimated, s.cost], [1, 0, 0]);
    await pass(db, -20 * 60 * SECOND); // the clock of earlier tests: "recent" is by the real time of insertion
    assert.equal((await row(db, 'SELECT * FROM scriptorium.stats()')).seconds_completed, 15);
});

test('settings', async () => {
    const set = (k, v) => db.query('SELECT scriptorium.setting_set($1, $2)', [k, v]);
    const read = (k) => value(db, 'SELECT scriptorium.setting_get($1)', k);
    assert.equal(await read('a'), null);
    await set('a', '1');
    await set('a', '2');
    assert.equal(await read('a'), '2');
    await set('a', null);
    assert.equal(await read('a'), null);
});

test('the queries that users monitor with', async () => {
    await insert(db, { status: 'completed', processing_time_seconds: 10 });
    await insert(db);
    const [it] = await claim(db, by);
    const counts = await rows(db, `SELECT status, COUNT(*), AVG(processing_time_seconds) FROM script_generation_jobs
        WHERE created_at > NOW() - INTERVAL '1 hour' GROUP BY status ORDER BY status`);
    assert.deepEqual(counts.map((c) => [c.status, c.count]), [['completed', 1], ['processing', 1]]);
    const now = await rows(db, `SELECT id, status, current_step, progress, EXTRACT(EPOCH FROM (NOW() - started_at)) AS seconds
        FROM script_generation_jobs WHERE status = 'processing' ORDER BY started_at DESC`);
    assert.deepEqual([now[0].id, now[0].current_step, now[0].progress], [it.id, 'initializing', 5]);
});

test('create_job: part of the caller\'s transaction, later, once per key, and only for whom it was granted to', async () => {
    const user = randomUUID();
    await db.query('BEGIN');
    const gone = await value(db, `SELECT scriptorium.create_job($1, '{"topic": "a"}')`, user);
    await db.query('ROLLBACK');
    assert.equal(await state(db, gone), 'absent');
    const first = await value(db, `SELECT scriptorium.create_job($1, '{"topic": "a"}', idempotency_key => 'order-17')`, user);
    const again = await value(db, `SELECT scriptorium.create_job($1, '{"topic": "b"}', idempotency_key => 'order-17')`, user);
    assert.equal(again, first);
    const later = await value(db, `SELECT scriptorium.create_job($1, '{"topic": "c"}', 9, '2100-01-01T00:00:00Z')`, user);
    const job = await get(later);
    assert.deepEqual([job.priority, job.run_at_us, job.params], [9, Date.UTC(2100, 0, 1) * 1000, '{"topic": "c"}']);
    assert.deepEqual((await claim(db, by, 10)).map((j) => j.id), [first]);
    for (const bad of ["NULL, '{}'", "gen_random_uuid(), '[]'", "gen_random_uuid(), NULL", "gen_random_uuid(), '{}', idempotency_key => ''"])
        await assert.rejects(db.query(`SELECT scriptorium.create_job(${bad})`), { code: 'SCI01' }, bad);
    await db.query('CREATE ROLE shop LOGIN; GRANT USAGE ON SCHEMA scriptorium TO shop');
    const shop = await server.connect({ user: 'shop' });
    const ask = `SELECT scriptorium.create_job('${user}', '{"topic": "d"}')`;
    await assert.rejects(shop.query(ask), { code: '42501' });
    await db.query('GRANT EXECUTE ON FUNCTION scriptorium.create_job TO shop');
    assert.equal(await state(db, (await shop.query(ask)).rows[0].create_job), 'waiting');
    await assert.rejects(shop.query('SELECT * FROM scriptorium.queue'), { code: '42501' });
    // What triggers of the users' look up without a schema is not the caller's choice: it would have the owner's rights.
    await db.query(`CREATE TABLE who (name text); CREATE FUNCTION note(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
        CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO shop;
        CREATE FUNCTION noting() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO who VALUES (note(''ours'')); RETURN NULL; END';
        CREATE TRIGGER noting AFTER INSERT ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION noting()`);
    await shop.query("CREATE FUNCTION evil.note(text) RETURNS text LANGUAGE sql AS 'SELECT current_user::text'");
    await db.query('ALTER ROLE shop SET search_path = evil, public');
    const sly = await server.connect({ user: 'shop' });
    await sly.query(ask);
    assert.deepEqual((await rows(db, 'SELECT name FROM who')).map((r) => r.name), ['ours']);
    await db.query('DROP FUNCTION noting CASCADE');
    await shop.end();
    await sly.end();
});
