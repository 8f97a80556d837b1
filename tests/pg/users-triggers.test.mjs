// In: triggers of the users' that raise, or wait for what somebody holds. Out: the job they speak of waits; all
// other jobs are claimed, shown, ended and taken back.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { BUSY, HELD, REFUSED, SECOND, claim, finish, insert, pass, progress, rows, state, value, worker } from '../lib/pg_store.mjs';

let server, db, by;
before(async () => {
    server = await start();
    db = await server.connect();
    await migrate(db);
    // A wait without end would be one of these tests' failures.
    await db.query("SET statement_timeout = '20s'");
    await db.query(`
        CREATE TABLE profiles (user_id uuid PRIMARY KEY, n integer DEFAULT 0);
        CREATE FUNCTION bad() RETURNS uuid LANGUAGE sql AS $$SELECT nullif(current_setting('test.bad', true), '')::uuid$$;
        CREATE FUNCTION raises() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.id = bad() THEN
                RAISE EXCEPTION 'not this one' USING ERRCODE = current_setting('test.sqlstate');
            END IF;
            RETURN NEW;
        END $$;
        CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE profiles SET n = n + 1 WHERE user_id = NEW.user_id;
            RETURN NEW;
        END $$`);
});
after(() => server.remove());
beforeEach(async () => {
    await db.query('TRUNCATE script_generation_jobs; TRUNCATE profiles');
    by = await worker(db, 3600 * SECOND);
});

const on = (name) => db.query(`CREATE TRIGGER ${name} BEFORE UPDATE ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION ${name}()`);
const off = (name) => db.query(`DROP TRIGGER ${name} ON script_generation_jobs`);
const raise = (id, sqlstate) => db.query("SELECT set_config('test.bad', $1, false), set_config('test.sqlstate', $2, false)", [id, sqlstate]);
const show = (jobs) => progress(db, jobs.map((j) => ({ ...j, step: 'outline', progress: 15 })));
async function states(jobs) {
    const found = [];
    for (const j of jobs) found.push(await state(db, j.id));
    return found;
}
const shown = (jobs) => rows(db, 'SELECT progress FROM script_generation_jobs WHERE id = ANY ($1)', jobs.map((j) => j.id));

// What users' code raises: its own words, asserts, other servers' and extensions' trouble, what only looks like ours.
const theirs = ['P0001', 'P0004', '08001', '22012', '23514', '42501', '53300', '55000', '57P01', '58P01', 'XX000', 'SC001'];
const passing = ['40001', '40P01', '55P03'];

for (const sqlstate of [...theirs, ...passing]) {
    const waits = passing.includes(sqlstate);
    test(`a trigger that raises ${sqlstate} for one job stops no other, whatever is written`, async () => {
        const bad = await insert(db, { priority: 9 });
        const good = new Set();
        for (let i = 0; i < 3; i++) good.add(await insert(db));
        await on('raises');
        await raise(bad, sqlstate);
        const others = await claim(db, by, 4);
        assert.deepEqual(new Set(others.map((j) => j.id)), good);
        assert.equal(await state(db, bad), 'waiting');

        await raise(null, sqlstate);
        await pass(db, 61 * SECOND);
        const [it] = await claim(db, by, 1);
        assert.equal(it.id, bad);
        const jobs = [others[0], it, others[1]];
        await raise(bad, sqlstate);
        assert.deepEqual((await show(jobs)).map((a) => a.lost), [HELD, waits ? HELD : REFUSED, HELD]);
        assert.deepEqual((await shown([others[0], others[1]])).map((r) => r.progress), [15, 15]);

        assert.deepEqual((await finish(db, jobs)).map((a) => a.lost), [HELD, waits ? BUSY : REFUSED, HELD]);
        assert.deepEqual(await states(jobs), ['completed', 'running', 'completed']);

        assert.equal(await value(db, 'SELECT scriptorium.worker_close($1)', by), 1, 'the other that ran is given back');
        assert.deepEqual([await state(db, bad), await state(db, others[2].id)], ['running', 'waiting']);
        await off('raises');
    });
}

test('what the server itself is out of is no job\'s fault: the whole request is to be repeated', async () => {
    for (const sqlstate of ['53100', '53200', '58030']) {
        const bad = await insert(db);
        await on('raises');
        await raise(bad, sqlstate);
        await assert.rejects(claim(db, by, 4), { code: sqlstate });
        await off('raises');
        const jobs = await claim(db, by, 4);
        await on('raises');
        await assert.rejects(show(jobs), { code: sqlstate });
        await assert.rejects(finish(db, jobs), { code: sqlstate });
        await off('raises');
        await finish(db, jobs);
    }
});

// A client that holds the row of a user's profile, which the trigger counts in.
async function holding(user) {
    const client = await server.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM profiles WHERE user_id = $1 FOR UPDATE', [user]);
    return { letGo: async () => { await client.query('ROLLBACK'); await client.end(); } };
}

async function twoUsers(many, few) {
    const users = [randomUUID(), randomUUID()];
    await db.query('INSERT INTO profiles SELECT unnest($1::uuid[])', [users]);
    for (let i = 0; i < many; i++) await insert(db, { user_id: users[0] });
    for (let i = 0; i < few; i++) await insert(db, { user_id: users[1] });
    return users;
}

test('a trigger that waits for what a client holds: others are claimed, and its own as soon as it is let go', async () => {
    const [held, free] = await twoUsers(40, 3);
    await on('counts');
    const client = await holding(held);
    const jobs = await claim(db, by, 60);
    assert.deepEqual(new Set(jobs.map((j) => j.user_id)), new Set([free]));
    assert.equal(jobs.length, 3);
    assert.equal((await claim(db, by, 60)).length, 0);
    await client.letGo();
    await pass(db, 3 * SECOND);
    assert.equal((await claim(db, by, 60)).length, 40);
    await off('counts');
});

test('the same at their end, and while they run: what nothing holds up is written, whatever its place', async () => {
    const [held, free] = await twoUsers(12, 12);
    const jobs = await claim(db, by, 24);
    assert.equal(jobs.length, 24);
    await on('counts');
    const client = await holding(held);
    assert.deepEqual([...new Set((await show(jobs)).map((a) => a.lost))], [HELD]);
    // As the driver does it: the busy ones again.
    let left = jobs;
    for (let i = 0; i < 200 && left.some((j) => j.user_id === free); i++) {
        const answers = await finish(db, left);
        left = left.filter((_, k) => answers[k].lost === BUSY);
    }
    assert.deepEqual(left.map((j) => j.user_id), Array(12).fill(held));
    await client.letGo();
    assert.deepEqual((await finish(db, left)).map((a) => a.lost), Array(12).fill(HELD));
    await off('counts');
});

test('a dead worker\'s jobs: those that nothing holds up are taken back', async () => {
    const [held, free] = await twoUsers(3, 3);
    const jobs = await claim(db, by, 6);
    await on('counts');
    const client = await holding(held);
    const rescuer = await worker(db, SECOND);
    await pass(db, 2 * SECOND); // its lease has been over: it judges when it has held the next one for as long
    await db.query('SELECT scriptorium.worker_renew($1)', [rescuer]);
    await db.query('UPDATE scriptorium.worker SET expires = scriptorium.clock() - $2::interval WHERE id = $1', [by, '1 second']);
    const sweep = async () => {
        await pass(db, 0.4 * SECOND);
        await db.query('SELECT scriptorium.worker_renew($1)', [rescuer]);
        await db.query('SELECT scriptorium.rescue($1)', [rescuer]);
    };
    const of = (user) => states(jobs.filter((j) => j.user_id === user));
    for (let i = 0; i < 50 && (await of(free)).includes('running'); i++) await sweep();
    assert.deepEqual([await of(free), await of(held)], [Array(3).fill('waiting'), Array(3).fill('running')]);
    await client.letGo();
    await sweep();
    assert.deepEqual(await of(held), Array(3).fill('waiting'));
    await off('counts');
});
