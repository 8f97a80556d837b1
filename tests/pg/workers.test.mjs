// In: workers that stop renewing, come back, or leave. Out: whose jobs are taken back, when, and how often.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { HELD, REPLACED, SECOND, callOpen, claim, finish, insert, pass, progress, row, rows, state, value, worker } from '../lib/pg_store.mjs';

const LEASE = 15 * SECOND;
let server, db;
before(async () => {
    server = await start();
    db = await server.connect();
    await migrate(db);
});
after(() => server.remove());
beforeEach(async () => {
    await db.query('TRUNCATE script_generation_jobs, scriptorium.worker, scriptorium.call');
});

const rescue = (by) => row(db, 'SELECT * FROM scriptorium.rescue($1)', by);
const renew = (id) => db.query('SELECT scriptorium.worker_renew($1)', [id]);

/** Time goes by; those who live renew every third of a lease. */
async function live(us, ...alive) {
    for (let gone = 0; gone < us; gone += LEASE / 3) {
        await pass(db, Math.min(LEASE / 3, us - gone));
        for (const id of alive) await renew(id);
    }
}

test('a dead worker\'s jobs are taken back once its lease is over, no retry burned', async () => {
    const rescuer = await worker(db);
    await live(2 * LEASE, rescuer);
    const victim = await worker(db);
    await insert(db);
    const [it] = await claim(db, victim);
    await callOpen(db, it, victim);
    await live(LEASE - SECOND, rescuer);
    assert.deepEqual(await rescue(rescuer), { requeued: 0, failed: 0 });
    assert.equal(await state(db, it.id), 'running');
    await live(2 * SECOND, rescuer);
    assert.deepEqual(await rescue(rescuer), { requeued: 1, failed: 0 });
    assert.equal(await state(db, it.id), 'waiting');
    const q = await row(db, 'SELECT attempts, crashes FROM scriptorium.queue');
    assert.deepEqual(q, { attempts: 0, crashes: 1 });
    const r = await row(db, 'SELECT current_step, progress, retry_count FROM script_generation_jobs');
    assert.deepEqual(r, { current_step: 'queued', progress: 0, retry_count: 0 });
    await assert.rejects(renew(victim), { code: 'SCL01' });
    await assert.rejects(claim(db, victim), { code: 'SCL01' });
    assert.equal((await finish(db, [it]))[0].lost, REPLACED);
});

test('until somebody marks it dead a late worker may renew and go on', async () => {
    const victim = await worker(db);
    await insert(db);
    const [it] = await claim(db, victim);
    await pass(db, 10 * LEASE);
    await renew(victim);
    assert.equal((await finish(db, [it]))[0].lost, HELD);
});

test('who was away itself judges nobody until it has held its lease for one lease', async () => {
    const [a, b] = [await worker(db), await worker(db)];
    await insert(db);
    const [it] = await claim(db, b);
    await live(2 * LEASE, a, b);
    await pass(db, 5 * LEASE); // the database was away for both
    await renew(a);
    assert.deepEqual(await rescue(a), { requeued: 0, failed: 0 });
    await live(LEASE - SECOND, a);
    assert.deepEqual(await rescue(a), { requeued: 0, failed: 0 });
    await renew(b); // a moment later, as it should
    await live(2 * SECOND, a, b);
    assert.deepEqual(await rescue(a), { requeued: 0, failed: 0 });
    assert.equal((await finish(db, [it]))[0].lost, HELD);
});

test('a rescuer whose own lease is over judges nobody', async () => {
    const [a, b] = [await worker(db), await worker(db)];
    await insert(db);
    await claim(db, b);
    await live(2 * LEASE, a);
    await pass(db, LEASE + SECOND);
    assert.deepEqual(await rescue(a), { requeued: 0, failed: 0 });
    await assert.rejects(rescue(randomUUID()), { code: 'SCL01' });
    assert.deepEqual(await rescue(null), { requeued: 0, failed: 0 });
});

test('the fifth crash in a call without progress in between fails the job', async () => {
    const rescuer = await worker(db);
    await live(2 * LEASE, rescuer);
    const id = await insert(db);
    for (let crash = 1; crash <= 5; crash++) {
        const victim = await worker(db);
        const [it] = await claim(db, victim);
        assert.equal(it.crashes, crash - 1);
        await callOpen(db, it, victim);
        await live(LEASE + SECOND, rescuer);
        assert.deepEqual(await rescue(rescuer), crash < 5 ? { requeued: 1, failed: 0 } : { requeued: 0, failed: 1 });
        if (crash === 5) break;
        // Nothing after the first, then 10, 20, 40 s and a sixteenth more for each step of the fence.
        const least = [0, 10, 20, 40][crash - 1] * SECOND;
        const due = await value(db, 'SELECT scriptorium.us(run_at) - scriptorium.us(scriptorium.clock()) FROM scriptorium.queue');
        const wait = least + least / 16 * (it.fence % 16);
        assert.ok(due <= wait && due > wait - SECOND, `due in ${due}, not ${wait}`);
        await live(wait, rescuer);
    }
    assert.equal(await state(db, id), 'failed');
    assert.match(await value(db, 'SELECT error_message FROM script_generation_jobs'), /5 times in a row/);
});

test('a crash outside a call counts for nothing', async () => {
    const rescuer = await worker(db);
    await live(2 * LEASE, rescuer);
    await insert(db);
    for (let crash = 1; crash <= 7; crash++) {
        const [it] = await claim(db, await worker(db));
        assert.equal(it.crashes, 0);
        await callOpen(db, it, rescuer); // another worker's: not this death's
        await live(LEASE + SECOND, rescuer);
        assert.deepEqual(await rescue(rescuer), { requeued: 1, failed: 0 });
    }
});

test('saved text starts the count of crashes over', async () => {
    const rescuer = await worker(db);
    await live(2 * LEASE, rescuer);
    await insert(db);
    for (let crash = 1; crash <= 7; crash++) {
        const victim = await worker(db);
        const [it] = await claim(db, victim);
        await callOpen(db, it, victim);
        if (crash === 4) await progress(db, [{ ...it, key: 'a', hash: 'h', text: 'x' }]);
        await live(LEASE + SECOND, rescuer);
        assert.deepEqual(await rescue(rescuer), { requeued: 1, failed: 0 });
        await live(80 * SECOND, rescuer);
    }
});

test('a worker that leaves gives its jobs back, due at once', async () => {
    const [a, b] = [await worker(db), await worker(db)];
    for (let i = 0; i < 3; i++) await insert(db);
    await claim(db, a, 2);
    const [other] = await claim(db, b, 1);
    assert.equal(await value(db, 'SELECT scriptorium.worker_close($1)', a), 2);
    assert.equal(await state(db, other.id), 'running');
    assert.equal((await claim(db, b, 5)).length, 2);
    assert.deepEqual((await rows(db, 'SELECT DISTINCT attempts, crashes FROM scriptorium.queue')), [{ attempts: 0, crashes: 0 }]);
});

test('calls of the dead are closed as estimated: what was saved and half an interval more', async () => {
    const rescuer = await worker(db);
    await live(2 * LEASE, rescuer);
    const victim = await worker(db);
    await insert(db);
    const [it] = await claim(db, victim);
    const call = await callOpen(db, it, victim, 1000);
    const mine = await callOpen(db, it, rescuer, 1000);
    await progress(db, [{ ...it, key: 'a', hash: 'h', text: 'x', call, tokens: 200, rate: 60 }]);
    await live(LEASE + SECOND, rescuer);
    await rescue(rescuer);
    // 60 tokens a second for 140 ms are 8. 1,000 tokens at $3 and 208 at $15 a million: 3,000 + 3,120 micro-dollars.
    assert.deepEqual(await row(db, 'SELECT state, input, output, cost FROM scriptorium.call WHERE id = $1', call),
        { state: 2, input: 1000, output: 208, cost: 6120 });
    assert.equal(await value(db, 'SELECT state FROM scriptorium.call WHERE id = $1', mine), 0);
});

/** A worker, dead by now, whose one call has saved 10 tokens more, at 60 a second, after each of these times. */
async function ofTheDead(rescuer, ...gaps) {
    await live(2 * LEASE, rescuer);
    const victim = await worker(db);
    await insert(db);
    const [it] = await claim(db, victim);
    const call = await callOpen(db, it, victim, 1000);
    for (const [i, us] of gaps.entries()) {
        await pass(db, us);
        await progress(db, [{ ...it, key: 'a', hash: 'h', at: i, text: 'x', call, tokens: 10 * (i + 1), rate: 60 }]);
    }
    return { it, call, output: async () => {
        await live(LEASE + SECOND, rescuer);
        await rescue(rescuer);
        return value(db, 'SELECT output FROM scriptorium.call WHERE id = $1 AND state = 2', call);
    } };
}

// The clock is moved on, but goes by itself as well.
function about(output, least) {
    assert.ok(output >= least && output <= least + 6, `${output} tokens, not about ${least}`);
}

test('saves that come slowly leave more unseen when their process dies', async () => {
    // What came in 180 ms and in the interval between two saves, half of it: (0.18 + 0.5) s x 60 / 2 = 20.4.
    about(await (await ofTheDead(await worker(db), 0, SECOND / 2, SECOND / 2)).output(), 30 + 20);
});

test('the end falls into a long interval rather than into a short one, but an outage is no interval', async () => {
    // 0.1 s and 0.9 s: a tenth of all moments lies in the first. (0.18 + 0.1 x 0.1 + 0.9 x 0.9) s x 60 / 2 = 30.
    about(await (await ofTheDead(await worker(db), 0, SECOND / 10, 9 * SECOND / 10)).output(), 30 + 30);
    // At most a second counts: (0.18 + 1) s x 60 / 2 = 35.4.
    assert.equal(await (await ofTheDead(await worker(db), 0, 9 * SECOND)).output(), 20 + 35);
});

test('a call of the dead is charged for text that a later attempt has written over', async () => {
    const [rescuer, other] = [await worker(db), await worker(db)];
    const dead = await ofTheDead(rescuer, 0);
    await db.query("UPDATE script_generation_jobs SET status = 'pending'");
    await renew(other);
    const [again] = await claim(db, other);
    await progress(db, [{ ...again, key: 'a', hash: 'h', at: 0, text: 'y', call: await callOpen(db, again, other), tokens: 1, rate: 60 }]);
    assert.equal(await dead.output(), 10 + 8); // 60 tokens a second for 140 ms
});

test('what a client holds during the rescue is found by the next sweep', async () => {
    const rescuer = await worker(db);
    await live(2 * LEASE, rescuer);
    await insert(db);
    const [it] = await claim(db, await worker(db));
    await live(LEASE + SECOND, rescuer);
    const client = await server.connect();
    await client.query('BEGIN');
    await client.query('UPDATE script_generation_jobs SET workflow_id = gen_random_uuid()');
    await db.query("SET statement_timeout = '5s'");
    assert.deepEqual(await rescue(rescuer), { requeued: 0, failed: 0 });
    await client.query('COMMIT');
    await client.end();
    assert.deepEqual(await rescue(rescuer), { requeued: 1, failed: 0 });
    assert.equal(await state(db, it.id), 'waiting');
    await db.query('RESET statement_timeout');
});

test('two rescuers at once take each job back once', async () => {
    const rescuers = [await worker(db), await worker(db), await worker(db)];
    await live(2 * LEASE, ...rescuers);
    const victim = await worker(db);
    for (let i = 0; i < 40; i++) await insert(db);
    for (const it of await claim(db, victim, 40)) await callOpen(db, it, victim);
    await live(LEASE + SECOND, ...rescuers);
    const clients = await Promise.all(rescuers.map(() => server.connect()));
    const answers = await Promise.all(clients.map((c, i) => row(c, 'SELECT * FROM scriptorium.rescue($1)', rescuers[i])));
    for (const c of clients) await c.end();
    assert.equal(answers.reduce((sum, a) => sum + a.requeued, 0), 40);
    assert.deepEqual(await rows(db, 'SELECT DISTINCT crashes FROM scriptorium.queue'), [{ crashes: 1 }]);
});
