// In: due jobs, workers, users at their caps, clients that hold rows. Out: who gets what, in which order.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { SECOND, callOpen, claim, finish, insert, pass, progress, row, rows, state, value, worker, HELD, RELEASE, RETRY } from '../lib/pg_store.mjs';

let server, db, by;
before(async () => {
    server = await start();
    db = await server.connect();
    await migrate(db);
});
after(() => server.remove());
beforeEach(async () => {
    await db.query('TRUNCATE script_generation_jobs');
    by = await worker(db, 3600 * SECOND);
});

async function fill(n, users, columns = {}) {
    for (const [i, user] of users.entries())
        await db.query(`INSERT INTO script_generation_jobs (user_id, priority)
            SELECT $1, $2 FROM generate_series(1, $3)`, [user, columns.priority ?? 5, Array.isArray(n) ? n[i] : n]);
}

/** Rows that this transaction has read of the jobs, the queue and the ledger. */
const READ = `SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables
    WHERE relname IN ('script_generation_jobs', 'queue', 'call')`;

const users = (n) => Array.from({ length: n }, () => randomUUID());

test('what a claim returns and writes', async () => {
    const user = randomUUID();
    const id = await insert(db, { user_id: user, priority: 7, max_retries: 1, generation_params: '{"topic": "tides"}' });
    const [job] = await claim(db, by);
    assert.deepEqual(
        [job.id, job.user_id, job.workflow_id, job.run, job.attempts, job.crashes, job.max_retries, job.priority, job.params],
        [id, user, null, 1, 0, 0, 1, 7, '{"topic": "tides"}']);
    assert.ok(job.fence > 0 && job.waited_us >= 0 && job.created_us > 0);
    const r = await row(db, 'SELECT * FROM script_generation_jobs WHERE id = $1', id);
    assert.deepEqual([r.status, r.current_step, r.progress, r.retry_count], ['processing', 'initializing', 5, 0]);
    assert.ok(r.started_at);
});

test('a worker without a lease claims nothing', async () => {
    await assert.rejects(claim(db, randomUUID()), { code: 'SCL01' });
});

test('plans made while the tables were empty look jobs and calls up by their key', async () => {
    const mine = await server.connect({ database: await server.database() });
    await migrate(mine);
    await mine.query('CREATE INDEX ON script_generation_jobs (status)');
    const me = await worker(mine);
    let jobs;
    const life = { // of some jobs, each step as a process does it
        claim: async () => { jobs = await claim(mine, me, 10); },
        call: async () => { for (const job of jobs) job.call = await callOpen(mine, job, me); },
        progress: () => progress(mine, jobs.map((job) => ({ ...job, tokens: 5, rate: 50 }))),
        text: () => progress(mine, jobs.map((job) => ({ ...job, key: 'outline', hash: 'h', text: 'abc', tokens: 7, rate: 50 }))),
        close: async () => { for (const { call } of jobs) await mine.query('SELECT scriptorium.end_call($1, 1, 10, 20, 0, 0, 0, 30, NULL, NULL, NULL, 200)', [call]); },
        retry: () => finish(mine, jobs.map((job) => ({ ...job, outcome: RETRY }))),
        again: async () => { jobs = await claim(mine, me, 10); },
        complete: () => finish(mine, jobs),
    };
    await insert(mine);
    for (const step of Object.values(life)) await step();
    await mine.query('INSERT INTO script_generation_jobs (user_id) SELECT gen_random_uuid() FROM generate_series(1, 3000)');
    await mine.query(`INSERT INTO scriptorium.call (id, worker, run, attempt, estimated_input, price_input, price_output, opened_at)
        SELECT gen_random_uuid(), $1, 1, 1, 1, 1, 1, now() FROM generate_series(1, 3000)`, [me]);
    const read = {};
    for (const [name, step] of Object.entries(life)) {
        await mine.query('BEGIN');
        const before = Number(await value(mine, READ));
        await step();
        read[name] = Number(await value(mine, READ)) - before;
        await mine.query('COMMIT');
        assert.equal(jobs.length, 10);
    }
    await mine.end();
    assert.deepEqual(Object.entries(read).filter(([, n]) => n > 1000), [], 'rows read for 10 of 3000');
});

test('many claimers at once: every job once, every fence once', async () => {
    await fill(60, users(10));
    const pool = server.pool({}, 12);
    const all = [];
    await Promise.all(Array.from({ length: 12 }, async () => {
        const client = await pool.connect();
        const me = await worker(client);
        for (;;) {
            const jobs = await claim(client, me, 7, 60);
            if (jobs.length === 0) break;
            all.push(...jobs);
        }
        client.release();
    }));
    await pool.end();
    assert.equal(all.length, 600);
    assert.equal(new Set(all.map((j) => j.id)).size, 600);
    assert.equal(new Set(all.map((j) => j.fence)).size, 600);
});

test('priority is strict, and order within it is that of insertion', async () => {
    const user = randomUUID();
    const ids = [];
    for (const priority of [5, 1, 10, 5, 9]) ids.push(await insert(db, { user_id: user, priority }));
    const order = [];
    for (let i = 0; i < 5; i++) order.push((await claim(db, by))[0].id);
    assert.deepEqual(order, [ids[2], ids[4], ids[0], ids[3], ids[1]]);
});

test('one job beside another user\'s thousand is next', async () => {
    const [many, one] = users(2);
    await fill(1000, [many]);
    await claim(db, by, 1);
    await fill(1, [one]);
    const jobs = await claim(db, by, 2);
    assert.ok(jobs.some((j) => j.user_id === one));
});

test('ten users with equal demand get equal shares: Jain above 0.99', async () => {
    // One user inserts all of theirs before the next does: the order of insertion is as unfair as can be.
    await fill(100, users(10));
    const served = new Map();
    for (let i = 0; i < 50; i++) { // half of the work, ten slots
        const jobs = await claim(db, by, 10);
        for (const job of jobs) served.set(job.user_id, (served.get(job.user_id) ?? 0) + 1);
        await finish(db, jobs);
    }
    const shares = [...served.values()];
    const sum = shares.reduce((a, b) => a + b, 0);
    const squares = shares.reduce((a, b) => a + b * b, 0);
    assert.equal(sum, 500);
    assert.ok((sum * sum) / (10 * squares) > 0.99, `shares ${shares}`);
});

test('a cap holds across claims and workers, and what ends makes room', async () => {
    const [a, b] = users(2);
    await fill([20, 2], [a, b]);
    const other = await worker(db);
    const first = await claim(db, by, 3, 4);
    const second = await claim(db, other, 10, 4);
    const running = [...first, ...second];
    assert.equal(running.filter((j) => j.user_id === a).length, 4);
    assert.equal(running.filter((j) => j.user_id === b).length, 2);
    assert.equal((await claim(db, by, 10, 4)).length, 0);
    await finish(db, running.filter((j) => j.user_id === a).slice(0, 3));
    assert.equal((await claim(db, by, 10, 4)).length, 3);
    assert.equal((await claim(db, by, 50, 0)).length, 13, 'no cap: the rest');
});

test('a user at the cap with thousands of urgent jobs hides nobody', async () => {
    const [busy, quiet] = users(2);
    await fill(5000, [busy], { priority: 10 });
    await fill(3, [quiet], { priority: 1 });
    const jobs = await claim(db, by, 10, 2);
    assert.equal(jobs.filter((j) => j.user_id === busy).length, 2);
    assert.equal(jobs.filter((j) => j.user_id === quiet).length, 2);
    // Those that stepped aside come back, in order, as room is made.
    let served = 2;
    let current = jobs.filter((j) => j.user_id === busy);
    for (let i = 0; i < 20; i++) {
        await finish(db, current);
        current = (await claim(db, by, 10, 2)).filter((j) => j.user_id === busy);
        served += current.length;
    }
    assert.equal(served, 42);
    assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.queue WHERE user_id = $1', busy), 5000 - 40);
});

test('a delayed job waits, and the claim says until when', async () => {
    const due = Date.now() * 1000 + 60 * SECOND;
    await rows(db, 'SELECT * FROM scriptorium.insert_jobs($1, $2, $3, $4, $5, $6, $7, $8)',
        [null], [randomUUID()], [null], [5], [3], ['{}'], [due], [null]);
    const none = await claim(db, by);
    assert.equal(none.length, 0);
    assert.equal(none.next, due);
    await pass(db, 59 * SECOND);
    assert.equal((await claim(db, by)).length, 0);
    await pass(db, 2 * SECOND);
    assert.equal((await claim(db, by)).length, 1);
    assert.equal((await claim(db, by)).next, 0);
});

test('a retry comes back after its delay with one attempt more; a release burns nothing', async () => {
    await insert(db);
    const [first] = await claim(db, by);
    const now = await value(db, 'SELECT scriptorium.us(scriptorium.clock())');
    await finish(db, [{ ...first, outcome: RETRY, error: 'no luck', due: now + 30 * SECOND }]);
    assert.equal((await claim(db, by)).next, now + 30 * SECOND);
    await pass(db, 31 * SECOND);
    const [second] = await claim(db, by);
    assert.equal(second.attempts, 1);
    assert.ok(second.fence > first.fence);
    await finish(db, [{ ...second, outcome: RELEASE, error: null, due: null }]);
    const [third] = await claim(db, by);
    assert.equal(third.attempts, 1);
    assert.equal(await value(db, 'SELECT retry_count FROM script_generation_jobs WHERE id = $1', third.id), 1);
});

test('paused: nothing is claimed until it is resumed', async () => {
    await insert(db);
    await db.query("SELECT scriptorium.setting_set('paused', '1')");
    assert.equal((await claim(db, by)).length, 0);
    await db.query("SELECT scriptorium.setting_set('paused', NULL)");
    assert.equal((await claim(db, by)).length, 1);
});

test('a client that holds rows in an open transaction delays nobody else', async () => {
    const held = [];
    for (let i = 0; i < 5; i++) held.push(await insert(db));
    const client = await server.connect();
    await client.query('BEGIN');
    await client.query("UPDATE script_generation_jobs SET generation_params = '{}'");
    await client.query("UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1", [held[0]]);
    const free = await insert(db);
    await db.query("SET statement_timeout = '5s'");
    const jobs = [...(await claim(db, by, 3)), ...(await claim(db, by, 3)), ...(await claim(db, by, 3))];
    assert.deepEqual(jobs.map((j) => j.id), [free]);
    await client.query('COMMIT');
    await client.end();
    await pass(db, 2 * SECOND); // a sweep looks at everything
    const rest = await claim(db, by, 10);
    assert.deepEqual(new Set(rest.map((j) => j.id)), new Set(held.slice(1)));
    await db.query('RESET statement_timeout');
});

test('jobs inserted long before they are committed are found', async () => {
    const slow = await server.connect();
    await slow.query('BEGIN');
    const late = await insert(slow);
    for (let i = 0; i < 20; i++) { // meanwhile the virtual time goes on
        await insert(db);
        await finish(db, await claim(db, by));
        await pass(db, 300_000);
    }
    await slow.query('COMMIT');
    await slow.end();
    await pass(db, SECOND);
    assert.equal((await claim(db, by))[0]?.id, late);
});

test('an orphan in the queue is removed, not run', async () => {
    const id = await insert(db);
    await db.query('ALTER TABLE script_generation_jobs DISABLE TRIGGER USER');
    await db.query('DELETE FROM script_generation_jobs WHERE id = $1', [id]);
    await db.query('ALTER TABLE script_generation_jobs ENABLE TRIGGER USER');
    assert.equal((await claim(db, by)).length, 0);
    assert.equal(await state(db, id), 'absent');
});

test('what went by while the triggers were off is mended by adopt', async () => {
    await db.query('SET session_replication_role = replica');
    const id = await insert(db);
    await db.query('RESET session_replication_role');
    assert.equal(await state(db, id), 'pending, not queued');
    assert.equal(await value(db, 'SELECT scriptorium.adopt(100)'), 1);
    assert.equal((await claim(db, by))[0].id, id);
});

test('clients and claimers at full speed: nobody deadlocks, nothing is lost', async () => {
    const pool = server.pool({}, 8);
    const ids = [];
    let stop = false;
    const seed = Number(process.env.SEED ?? 7);
    let random = seed;
    const next = (n) => (random = (random * 1103515245 + 12345) % 2147483648) % n;
    const engine = async () => {
        const client = await pool.connect();
        const me = await worker(client, 3600 * SECOND);
        while (!stop) {
            const jobs = await claim(client, me, 20, 0);
            const answers = jobs.length ? await finish(client, jobs) : [];
            let again = jobs.filter((_, i) => answers[i].lost === 5);
            while (again.length) {
                const more = await finish(client, again);
                again = again.filter((_, i) => more[i].lost === 5);
            }
        }
        client.release();
    };
    const chaos = async () => {
        const client = await pool.connect();
        for (let i = 0; i < 150; i++) {
            const many = next(4) === 0;
            const which = ids.length ? Array.from({ length: many ? 10 : 1 }, () => ids[next(ids.length)]) : [];
            const write = [
                "UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = ANY ($1)",
                "UPDATE script_generation_jobs SET status = 'pending' WHERE id = ANY ($1)",
                'DELETE FROM script_generation_jobs WHERE id = ANY ($1)',
                'UPDATE script_generation_jobs SET priority = 1 + (random() * 9)::int WHERE id = ANY ($1)',
            ][next(4)];
            // Two clients may deadlock with each other over rows in another order: not our affair.
            if (which.length < 2) await client.query(write, [which]);
            else await client.query(write, [which]).catch((e) => assert.equal(e.code, '40P01'));
            if (next(2)) ids.push(...(await rows(client, `INSERT INTO script_generation_jobs (user_id)
                SELECT gen_random_uuid() FROM generate_series(1, 5) RETURNING id`)).map((r) => r.id));
        }
        client.release();
    };
    const engines = [engine(), engine(), engine()];
    await Promise.all([chaos(), chaos()]);
    stop = true;
    await Promise.all(engines);
    await pool.end();
    await pass(db, 2 * SECOND);
    for (;;) {
        const jobs = await claim(db, by, 100);
        if (jobs.length === 0) break;
        assert.ok((await finish(db, jobs)).every((a) => a.lost === HELD));
    }
    assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.queue'), 0, `SEED=${seed}`);
    assert.equal(await value(db, "SELECT count(*) FROM script_generation_jobs WHERE status IN ('pending', 'processing')"), 0);
});
