// In: a plain server, migrated with the SQL surface. Out: cron.* as pg_cron has it: names, errors, who
// may see and change what.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { row, rows, value } from '../lib/pg_store.mjs';

let server;
before(async () => {
    server = await start({ database: false });
    const client = await server.connect({ database: 'postgres' });
    await client.query('CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE eve LOGIN; CREATE ROLE worker LOGIN; CREATE ROLE service LOGIN BYPASSRLS');
    await client.end();
});
after(() => server.remove());

// ann and bob may schedule, eve may not; worker is the daemon's role.
async function prepared(t) {
    const name = await server.database();
    const as = async (user) => {
        const client = await server.connect({ database: name, user });
        t.after(() => client.end());
        return client;
    };
    const admin = await as('postgres');
    await migrate(admin, { withCron: true, engine: 'worker' });
    await admin.query('GRANT USAGE ON SCHEMA cron TO ann, bob');
    return { name, as, admin, ann: await as('ann'), bob: await as('bob') };
}

const told = (promise, code, message) => assert.rejects(promise, { code, message });

test('the columns are those of pg_cron', async (t) => {
    const { admin } = await prepared(t);
    const columns = (table) => rows(admin, `SELECT attname || ' ' || format_type(atttypid, atttypmod) AS c
        FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`, table);
    assert.deepEqual((await columns('cron.job')).map((r) => r.c), ['jobid bigint', 'schedule text', 'command text',
        'nodename text', 'nodeport integer', 'database text', 'username text', 'active boolean', 'jobname name']);
    assert.deepEqual((await columns('cron.job_run_details')).map((r) => r.c), ['jobid bigint', 'runid bigint',
        'job_pid integer', 'database text', 'username text', 'command text', 'status text', 'return_message text',
        'start_time timestamp with time zone', 'end_time timestamp with time zone']);
});

test('schedule, by name again, unschedule; the errors have pg_cron\'s words', async (t) => {
    const { name, ann } = await prepared(t);
    const id = await value(ann, "SELECT cron.schedule('nightly', '0 3 * * *', 'VACUUM')");
    assert.equal(await value(ann, "SELECT cron.schedule('nightly', '0 4 * * *', 'ANALYZE')"), id);
    const other = await value(ann, "SELECT cron.schedule('*/5 * * * *', 'SELECT 1')");
    assert.notEqual(other, id);
    assert.deepEqual(await row(ann, 'SELECT * FROM cron.job WHERE jobid = $1', id), {
        jobid: id, schedule: '0 4 * * *', command: 'ANALYZE', nodename: 'localhost', nodeport: server.port,
        database: name, username: 'ann', active: true, jobname: 'nightly' });
    assert.equal(await value(ann, "SELECT cron.unschedule('nightly')"), true);
    assert.equal(await value(ann, 'SELECT cron.unschedule($1::bigint)', other), true);
    assert.equal(await value(ann, 'SELECT count(*) FROM cron.job'), 0);
    await told(ann.query("SELECT cron.unschedule('nightly')"), 'XX000', "could not find valid entry for job 'nightly'");
    await told(ann.query('SELECT cron.unschedule(4711)'), 'XX000', 'could not find valid entry for job 4711');
    await assert.rejects(ann.query("SELECT cron.schedule('x', '61 * * * *', 'SELECT 1')"), { code: '22023',
        message: 'invalid schedule: 61 * * * *', hint: "Use cron format (e.g. 5 4 * * *), or interval format '[1-59] seconds'" });
    await told(ann.query("SELECT cron.schedule(NULL, '* * * * *', 'SELECT 1')"), 'XX000', 'job_name can not be NULL');
    assert.equal(await value(ann, 'SELECT cron.schedule(NULL, NULL)'), null);
});

test('a name belongs to its user: two may use the same', async (t) => {
    const { ann, bob, admin } = await prepared(t);
    const a = await value(ann, "SELECT cron.schedule('tidy', '@daily', 'SELECT 1')");
    const b = await value(bob, "SELECT cron.schedule('tidy', '@hourly', 'SELECT 2')");
    assert.notEqual(a, b);
    assert.equal(await value(admin, 'SELECT count(*) FROM cron.job'), 2);
    assert.deepEqual((await rows(bob, 'SELECT jobid, schedule FROM cron.job')), [{ jobid: b, schedule: '@hourly' }]);
    await told(bob.query('SELECT cron.unschedule($1::bigint)', [a]), 'XX000', `could not find valid entry for job ${a}`);
    assert.equal((await bob.query('UPDATE cron.job SET active = false WHERE jobid = $1', [a])).rowCount, 0);
    assert.equal((await bob.query('DELETE FROM cron.job WHERE jobid = $1', [a])).rowCount, 0);
    assert.equal(await value(bob, "SELECT cron.unschedule('tidy')"), true);
    assert.equal(await value(admin, 'SELECT count(*) FROM cron.job'), 1);
});

test('nobody schedules for somebody else, by the functions or by hand', async (t) => {
    const { ann, admin } = await prepared(t);
    await told(ann.query("SELECT cron.schedule_in_database('x', '* * * * *', 'SELECT 1', current_database())"), '42501',
        'permission denied for function schedule_in_database');
    await admin.query('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO ann');
    await told(ann.query("SELECT cron.schedule_in_database('x', '* * * * *', 'SELECT 1', current_database(), 'bob')"),
        'XX000', 'must be superuser to create a job for another role');
    const id = await value(ann, "SELECT cron.schedule_in_database('x', '* * * * *', 'SELECT 1', 'postgres')");
    await told(ann.query("SELECT cron.alter_job($1, username := 'bob')", [id]), 'XX000', 'must be superuser to alter username');
    await told(ann.query("INSERT INTO cron.job (schedule, command, username) VALUES ('* * * * *', 'x', 'bob')"), '42501',
        'permission denied for table job');
    await told(ann.query("UPDATE cron.job SET username = 'bob'"), '42501', 'permission denied for table job');
    await told(ann.query("INSERT INTO cron.job_run_details (command) VALUES ('x')"), '42501', 'permission denied for table job_run_details');
    await told(ann.query('SELECT * FROM cron.scriptorium_state'), '42501', 'permission denied for table scriptorium_state');
    await told(ann.query('SELECT scriptorium.cron_due(1, 1, 0)'), '42501', 'permission denied for schema scriptorium');
    assert.equal(await value(admin, "SELECT cron.schedule_in_database('y', '* * * * *', 'SELECT 1', 'postgres', 'bob', false)") > id, true);
    assert.deepEqual(await row(admin, "SELECT username, database, active FROM cron.job WHERE jobname = 'y'"),
        { username: 'bob', database: 'postgres', active: false });
});

test('a role that row security does not hold back sees others\' jobs, and cannot put words into them', async (t) => {
    const { as, ann, admin } = await prepared(t);
    await admin.query('GRANT USAGE ON SCHEMA cron TO service; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO service');
    const service = await as('service');
    const id = await value(ann, "SELECT cron.schedule('a', '* * * * *', 'SELECT 1')");
    assert.equal(await value(service, 'SELECT count(*) FROM cron.job'), 1);
    for (const sql of [`UPDATE cron.job SET command = 'DROP TABLE x' WHERE jobid = ${id}`, `SELECT cron.unschedule(${id})`,
        `DELETE FROM cron.job WHERE jobid = ${id}`])
        await told(service.query(sql), '42501', `permission denied for job ${id}: it is another role's`);
    await told(service.query(`SELECT cron.alter_job(${id}, command := 'x')`), 'XX000', /don't own it/);
    assert.deepEqual(await rows(ann, 'SELECT command, username FROM cron.job'), [{ command: 'SELECT 1', username: 'ann' }]);
    await service.query("SELECT cron.schedule('mine', '@daily', 'SELECT 2')");
    await service.query("UPDATE cron.job SET command = 'SELECT 3' WHERE jobname = 'mine'");
    assert.equal(await value(service, "SELECT cron.unschedule('mine')"), true);
    await admin.query("UPDATE cron.job SET command = 'SELECT 4'");
    assert.equal(await value(ann, 'SELECT command FROM cron.job'), 'SELECT 4');
});

test('the engine\'s role scales schedules, and cannot write one of somebody else\'s', async (t) => {
    const { as, name, ann, admin } = await prepared(t);
    const worker = await as('worker');
    await ann.query("SELECT cron.schedule('process-script-jobs-worker-1', '* * * * *', $$SELECT f('x-worker-id', 'worker-1')$$)");
    const forged = { name: 'process-script-jobs-worker-2', expr: '* * * * *', body: 'ALTER ROLE worker SUPERUSER', db: name,
        who: 'postgres', is_active: true };
    for (const sql of ["SELECT scriptorium.scale_cron_put('x', '* * * * *', 'SELECT 1', current_database(), 'postgres', true)",
        'SELECT * FROM scriptorium.scale_cron_was', `INSERT INTO scriptorium.scale_cron_was VALUES (1, '[${JSON.stringify(forged)}]')`])
        await told(worker.query(sql), '42501', /^permission denied/);
    await worker.query('INSERT INTO scriptorium.scale_change (at, schedules) VALUES (now(), $1)',
        [JSON.stringify({ cron: [forged], own: [] })]);
    await worker.query('SELECT * FROM scriptorium.scale(0, 0, 3, true)');
    const commands = () => rows(admin, 'SELECT username, command FROM cron.job ORDER BY jobname');
    const one = { username: 'ann', command: "SELECT f('x-worker-id', 'worker-1')" };
    assert.deepEqual(await commands(), [one]);
    await worker.query('SELECT * FROM scriptorium.scale(2, 0, 3, false)');
    assert.deepEqual(await commands(), [one, { username: 'ann', command: "SELECT f('x-worker-id', 'worker-2')" }]);
    await worker.query('SELECT * FROM scriptorium.scale(0, 0, 3, true)');
    assert.deepEqual(await commands(), [one]);
});

// The owner has migrated, the engine scales, and the workers' schedules are ann's.
test('scale without superusers: ann\'s schedules stay ann\'s, and another user\'s of those names are left alone', async (t) => {
    const name = await server.database();
    const as = async (user) => {
        const client = await server.connect({ database: name, user });
        t.after(() => client.end());
        return client;
    };
    const admin = await as('postgres');
    await admin.query(`CREATE ROLE owner LOGIN; ALTER DATABASE ${name} OWNER TO owner; ALTER SCHEMA public OWNER TO owner`);
    const owner = await as('owner');
    await migrate(owner, { withCron: true, engine: 'worker' });
    await owner.query('GRANT USAGE ON SCHEMA cron TO ann, bob');
    const [ann, bob, worker] = [await as('ann'), await as('bob'), await as('worker')];
    const command = (n) => `SELECT f('x-worker-id', 'worker-${n}')`;
    const schedule = (client, n) => client.query('SELECT cron.schedule($1, $2, $3)', [`process-script-jobs-worker-${n}`, '* * * * *', command(n)]);
    await schedule(ann, 1);
    await schedule(bob, 1);
    await schedule(bob, 7);
    const jobs = async () => (await rows(admin, 'SELECT username, jobname, command, active FROM cron.job ORDER BY username, jobname'))
        .map((j) => `${j.username} ${j.jobname.at(-1)} ${j.command.at(-3)} ${j.active}`);
    const bobs = ['bob 1 1 true', 'bob 7 7 true'];
    await worker.query('SELECT * FROM scriptorium.scale(3, 3, 3, false)');
    assert.deepEqual(await jobs(), ['ann 1 1 true', 'ann 2 2 true', 'ann 3 3 true', ...bobs]);
    await worker.query('SELECT * FROM scriptorium.scale(2, 3, 3, false)');
    assert.deepEqual(await jobs(), ['ann 1 1 true', 'ann 2 2 true', ...bobs]);
    await worker.query('SELECT * FROM scriptorium.scale(0, 0, 3, true)');
    await worker.query('SELECT * FROM scriptorium.scale(0, 0, 3, true)');
    assert.deepEqual(await jobs(), ['ann 1 1 true', ...bobs]);
    for (const sql of [`SELECT scriptorium.scale_cron_put('x', '* * * * *', 'SELECT 1', '${name}', 'bob', true)`,
        'SELECT scriptorium.scale_cron_drop(1, \'ann\')', "SELECT cron.schedule_in_database('x', '* * * * *', 'SELECT 1', current_database(), 'bob')"])
        await assert.rejects(worker.query(sql), sql);
    // A table that is somebody else's, as pg_cron's is: the remedy, and nothing has changed.
    await admin.query('ALTER TABLE cron.job OWNER TO postgres; GRANT SELECT ON cron.job TO owner; ALTER TABLE cron.job DISABLE ROW LEVEL SECURITY');
    await told(worker.query('SELECT * FROM scriptorium.scale(3, 3, 3, false)'), 'SCI01',
        /belong to ann, and owner may not change them: let a superuser or ann run scriptorium migrate/);
    assert.deepEqual(await jobs(), ['ann 1 1 true', ...bobs]);
});

test('another database goes with the right to schedule there, and has to exist', async (t) => {
    const { ann, bob, admin } = await prepared(t);
    await told(bob.query("INSERT INTO cron.job (schedule, command, database) VALUES ('* * * * *', 'x', 'postgres')"), '42501',
        /^permission denied for another database/);
    await admin.query('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO ann');
    await told(ann.query("SELECT cron.schedule_in_database('x', '* * * * *', 'SELECT 1', 'nowhere')"), '3D000',
        'database "nowhere" does not exist');
    const closed = await server.database();
    await admin.query(`REVOKE CONNECT ON DATABASE ${closed} FROM PUBLIC`);
    const refusal = ['XX000', `User ann does not have CONNECT privilege on ${closed}`];
    await told(ann.query(`SELECT cron.schedule_in_database('x', '* * * * *', 'SELECT 1', '${closed}')`), ...refusal);
    const id = await value(admin, `SELECT cron.schedule_in_database('x', '* * * * *', 'SELECT 1', '${closed}')`);
    await told(admin.query("SELECT cron.alter_job($1, username := 'ann')", [id]), ...refusal);
    await admin.query("SELECT cron.alter_job($1, username := 'ann', database := 'postgres')", [id]);
    assert.deepEqual(await row(ann, 'SELECT database, username FROM cron.job'), { database: 'postgres', username: 'ann' });
});

test('alter_job: what is null stays; only one\'s own', async (t) => {
    const { ann, bob, admin } = await prepared(t);
    const id = await value(ann, "SELECT cron.schedule('a', '* * * * *', 'SELECT 1')");
    await told(ann.query('SELECT cron.alter_job($1, active := false)', [id]), '42501', 'permission denied for function alter_job');
    await admin.query('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO ann, bob');
    await ann.query("SELECT cron.alter_job($1, active := false, schedule := '@hourly')", [id]);
    assert.deepEqual(await row(ann, 'SELECT schedule, command, active FROM cron.job'),
        { schedule: '@hourly', command: 'SELECT 1', active: false });
    await told(bob.query("SELECT cron.alter_job($1, schedule := '@daily')", [id]), 'XX000', `Job ${id} does not exist or you don't own it`);
    await assert.rejects(ann.query('SELECT cron.alter_job($1)', [id]), { code: 'XX000', message: 'no updates specified',
        hint: 'You must specify at least one job attribute to change when calling alter_job' });
    await told(ann.query("SELECT cron.alter_job($1, schedule := 'never')", [id]), '22023', 'invalid schedule: never');
    await admin.query("SELECT cron.alter_job($1, username := 'bob')", [id]);
    assert.equal(await value(bob, 'SELECT count(*) FROM cron.job'), 1);
});

test('without USAGE on the schema there is nothing', async (t) => {
    const { as } = await prepared(t);
    const eve = await as('eve');
    await told(eve.query('SELECT * FROM cron.job'), '42501', 'permission denied for schema cron');
    await told(eve.query("SELECT cron.schedule('* * * * *', 'SELECT 1')"), '42501', 'permission denied for schema cron');
});

test('a job runs as who it is, also under SET ROLE', async (t) => {
    const { admin } = await prepared(t);
    await admin.query('SET ROLE bob');
    await admin.query("SELECT cron.schedule('mine', '* * * * *', 'SELECT 1')");
    await admin.query('RESET ROLE');
    assert.equal(await value(admin, 'SELECT username FROM cron.job'), 'bob');
});

const take = (client, jobs, next, token = null) => rows(client, 'SELECT * FROM scriptorium.cron_take($1, $2, $3, $4, $5, $6)',
    jobs.map((j) => j.jobid), jobs.map((j) => j.schedule), jobs.map((j) => j.since), jobs.map((j) => j.next), jobs.map(() => next), token);
const due = (client, room = 100, spare = 0) => rows(client, 'SELECT * FROM scriptorium.cron_due(100, $1, $2)', room, spare);
const MINUTE = 60_000_000;

test('a firing is taken by one node, and not again before the run has ended', async (t) => {
    const { as, ann } = await prepared(t);
    const [one, two] = [await as('worker'), await as('worker')];
    await ann.query("SELECT cron.schedule('a', '* * * * *', 'SELECT 1')");
    const [fresh] = await due(one);
    assert.deepEqual([fresh.due, fresh.next], [false, 0]);
    assert.deepEqual(await take(one, [fresh], fresh.now - 1), []);
    const [seen, same] = [await due(one), await due(two)];
    assert.equal(seen[0].due, true);
    const [first, second] = [await take(one, seen, seen[0].now - 1), await take(two, same, same[0].now - 1)];
    assert.equal(first.length, 1);
    assert.equal(second.length, 0);
    assert.deepEqual({ ...first[0], runid: 0, database: '' },
        { runid: 0, jobid: fresh.jobid, jobname: 'a', command: 'SELECT 1', database: '', username: 'ann' });
    assert.deepEqual(await due(two), []);
    await one.query('SELECT scriptorium.cron_began($1, 42)', [first[0].runid]);
    await one.query("SELECT scriptorium.cron_ended($1, true, '1 row')", [first[0].runid]);
    assert.deepEqual(await row(ann, `SELECT job_pid, username, command, status, return_message,
        start_time <= end_time AS timed FROM cron.job_run_details`),
        { job_pid: 42, username: 'ann', command: 'SELECT 1', status: 'succeeded', return_message: '1 row', timed: true });
    assert.equal((await due(two)).length, 1);
});

test('whoever got no answer asks again, and has the firing that it took', async (t) => {
    const { as, ann } = await prepared(t);
    const [one, two] = [await as('worker'), await as('worker')];
    await ann.query("SELECT cron.schedule('a', '* * * * *', 'SELECT 1')");
    await take(one, await due(one), 1);
    const token = '00000000-0000-4000-8000-000000000001';
    const [run] = await take(one, await due(one), 2, token);
    assert.deepEqual(await take(two, [], 0, token.replace('1', '2')), []);
    assert.deepEqual(await take(two, [], 0), []);
    assert.deepEqual(await take(one, [], 0, token), [run]);
    await one.query("SELECT scriptorium.cron_ended($1, true, '1 row')", [run.runid]);
    assert.deepEqual(await take(one, [], 0, token), []);
});

test('a schedule that was changed or switched off meanwhile does not fire as it was', async (t) => {
    const { as, ann } = await prepared(t);
    const node = await as('worker');
    await ann.query("SELECT cron.schedule('a', '* * * * *', 'SELECT 1')");
    await take(node, await due(node), 1);
    const seen = await due(node);
    assert.equal(seen[0].due, true);
    await ann.query("SELECT cron.schedule('a', '@yearly', 'SELECT 1')");
    assert.deepEqual(await take(node, seen, seen[0].now + MINUTE), []);
    assert.deepEqual((await due(node)).map((j) => [j.schedule, j.due]), [['@yearly', false]]);
    await ann.query('UPDATE cron.job SET active = false');
    assert.deepEqual(await due(node), []);
});

test('@reboot fires once after each start of the server', async (t) => {
    const { as, ann, admin } = await prepared(t);
    const node = await as('worker');
    await ann.query("SELECT cron.schedule('a', '@reboot', 'SELECT 1')");
    const never = '9223372036854775807';
    await take(node, await due(node), never);
    assert.deepEqual(await due(node), []);
    await admin.query('UPDATE cron.scriptorium_state SET since = 1'); // as if the server had started since
    const seen = await due(node);
    assert.equal(seen[0].due, true);
    const exact = seen.map((j) => ({ ...j, next: never }));
    const [run] = await take(node, exact, never);
    assert.ok(run);
    await node.query("SELECT scriptorium.cron_ended($1, true, '1 row')", [run.runid]);
    assert.deepEqual(await due(node), []);
});

test('a clock that had run far ahead does not keep a job waiting for that time', async (t) => {
    const { as, ann, admin } = await prepared(t);
    const node = await as('worker');
    await ann.query("SELECT cron.schedule('a', '* * * * *', 'SELECT 1')");
    const ahead = (time) => admin.query(`UPDATE cron.scriptorium_state SET since = scriptorium.us(now() + interval '${time}'),
        next = scriptorium.us(now() + interval '${time}')`);
    await ahead('2 hours'); // it waits: no time fires twice
    await node.query("SELECT scriptorium.cron_hold('{}')");
    assert.deepEqual(await due(node), []);
    await ahead('4 hours');
    await node.query("SELECT scriptorium.cron_hold('{}')");
    assert.deepEqual((await due(node)).map((j) => [j.due, j.next, j.since === j.now || j.since < j.now]), [[false, 0, true]]);
});

// A job of ann's that is due, taken by `node`.
async function taken(node, ann) {
    await ann.query("SELECT cron.schedule('a', '* * * * *', 'SELECT 1')");
    await take(node, await due(node), 1);
    return (await take(node, await due(node), '4000000000000000'))[0].runid; // the next is far away
}
const abandoned = (admin) => admin.query("UPDATE cron.scriptorium_run SET held_until = now() - interval '1 second'");
const hold = (node, runs = []) => node.query('SELECT scriptorium.cron_hold($1)', [runs]);
const began = (node, run, pid) => value(node, 'SELECT scriptorium.cron_began($1, $2)', run, pid);
const details = (client) => rows(client, 'SELECT status, return_message FROM cron.job_run_details ORDER BY runid');
const LOST = 'the daemon that ran it went away; how far the command came is not known';

test('a run whose node went away is told as failed; a late end still counts', async (t) => {
    const { as, ann, admin } = await prepared(t);
    const node = await as('worker');
    const run = await taken(node, ann);
    assert.equal(await began(node, run, 999999999), true); // of no process
    await hold(node, [run]);
    assert.equal((await details(ann))[0].status, 'running');
    await abandoned(admin);
    await hold(node);
    assert.deepEqual(await details(ann), [{ status: 'failed', return_message: LOST }]);
    await node.query("SELECT scriptorium.cron_ended($1, true, 'SELECT 1')", [run]);
    assert.equal(await value(ann, 'SELECT status FROM cron.job_run_details'), 'succeeded');
});

test('a lost run is over when its process has ended, not before', async (t) => {
    const { as, ann, bob, admin } = await prepared(t);
    const node = await as('worker');
    const run = await taken(node, ann);
    const session = await as('ann');
    const pid = session.processID;
    assert.equal(await began(node, run, pid), true);
    assert.equal(await began(node, run, pid), true); // asked again after a lost answer
    assert.equal(await began(node, run, pid + 1), false);
    const held = session.query('SELECT pg_sleep(600)').catch(() => {});
    while (await value(admin, 'SELECT state FROM pg_stat_activity WHERE pid = $1', pid) !== 'active');
    await abandoned(admin);
    await hold(node);
    await admin.query('UPDATE cron.scriptorium_state SET next = 1');
    assert.deepEqual(await due(node), []);
    assert.deepEqual(await details(ann), [{ status: 'running', return_message: `${LOST}; the server still runs it as process ` +
        `${pid}, and the schedule waits for its end: SELECT pg_terminate_backend(${pid}) ends it` }]);
    await ann.query('DELETE FROM cron.job_run_details'); // which changes nothing about it
    await hold(node);
    assert.deepEqual(await due(node), []);
    await ann.query('SELECT pg_cancel_backend($1)', [pid]);
    await held;
    await session.end();
    for (;;) { // a process takes a moment to go
        await hold(node);
        if ((await due(node)).length === 1) break;
    }
    // Somebody else's process of that number, as a pooler may make one up, is not it.
    const [again] = await take(node, await due(node), '4000000000000000');
    await began(node, again.runid, bob.processID);
    await abandoned(admin);
    await hold(node);
    assert.deepEqual(await details(ann), [{ status: 'failed', return_message: LOST }]);
});

test('a firing that was taken and not begun is as due as before; not so when its schedule is another', async (t) => {
    const { as, ann, admin } = await prepared(t);
    const [node, other] = [await as('worker'), await as('worker')];
    const run = await taken(node, ann);
    await abandoned(admin);
    await hold(other);
    assert.deepEqual(await details(ann), []);
    assert.equal(await began(node, run, 1), false);
    const [again] = await take(other, await due(other), '4000000000000000');
    assert.equal(again.command, 'SELECT 1');
    await ann.query("SELECT cron.schedule('a', '@yearly', 'SELECT 1')");
    await node.query('SELECT scriptorium.cron_give_back($1)', [again.runid]);
    assert.deepEqual(await details(ann), []);
    assert.deepEqual((await due(node)).map((j) => [j.due, j.next]), [[false, 0]]);
});

test('users take turns, and the last places are for who has none', async (t) => {
    const { as, ann, bob } = await prepared(t);
    const node = await as('worker');
    await ann.query("SELECT cron.schedule('a' || i, '* * * * *', 'SELECT 1') FROM generate_series(1, 20) i");
    await take(node, await due(node), 1);
    assert.equal((await due(node, 8, 1)).length, 8); // alone
    await bob.query("SELECT cron.schedule('b' || i, '* * * * *', 'SELECT 1') FROM generate_series(1, 2) i");
    await take(node, await due(node, 0), 2);
    const who = async (...args) => (await due(node, ...args)).map((j) => j.jobname[0]).join('');
    assert.equal(await who(8, 1), 'ababaaa');
    assert.equal(await who(1, 1), 'a');
    const seen = (await due(node, 8, 1)).filter((j) => j.jobname.startsWith('a'));
    await take(node, seen, '4000000000000000');
    assert.equal(await who(3, 1), 'bb');
    assert.equal(await who(1, 1), 'b');
});

test('a schedule that the daemon cannot read is told, stays due, and is tried again', async (t) => {
    const { as, ann, admin } = await prepared(t);
    const node = await as('worker');
    const id = await value(ann, "SELECT cron.schedule('a', 'CRON_TZ=Europe/Berlin 0 9 * * *', 'SELECT 1')");
    const [seen] = await due(node);
    const tell = () => node.query("SELECT scriptorium.cron_unreadable($1, $2, 'no such zone here')", [id, seen.since]);
    await tell();
    await tell();
    assert.deepEqual(await details(ann), [{ status: 'failed', return_message: 'no such zone here' }]);
    assert.deepEqual(await due(node), []);
    await admin.query('UPDATE cron.scriptorium_state SET retry_at = 1'); // some seconds on
    assert.deepEqual((await due(node)).map((j) => [j.jobname, j.since, j.next]), [['a', seen.since, 0]]);
    await admin.query('UPDATE cron.scriptorium_state SET told_at = 1'); // an hour on
    await tell();
    assert.equal((await details(ann)).length, 2);
    const listed = () => row(node, "SELECT due_us, error FROM scriptorium.schedules_in_sql('a', 0, 10)");
    assert.deepEqual(await listed(), { due_us: 0, error: 'no such zone here' });
    await admin.query('UPDATE cron.scriptorium_state SET retry_at = 1');
    await take(node, await due(node), '4000000000000000');
    assert.deepEqual(await listed(), { due_us: 4000000000000000, error: null });
});

test('a table that somebody keeps locked is not waited for', async (t) => {
    const { as, ann, admin } = await prepared(t);
    const node = await as('worker');
    const run = await taken(node, ann);
    await began(node, run, 999999999);
    await node.query("SET statement_timeout = '2s'");
    await ann.query('BEGIN; LOCK TABLE cron.job');
    await told(due(node), '55P03', /lock timeout/);
    await hold(node, [run]);
    await ann.query('ROLLBACK; BEGIN; LOCK TABLE cron.job_run_details');
    await told(node.query("SELECT scriptorium.cron_ended($1, true, '')", [run]), '55P03', /lock/);
    await abandoned(admin);
    await hold(node);
    await ann.query('ROLLBACK');
    await hold(node);
    assert.equal((await details(ann))[0].status, 'failed');
});

test('details of others are not to be seen', async (t) => {
    const { as, ann, bob } = await prepared(t);
    const node = await as('worker');
    await ann.query("SELECT cron.schedule('a', '* * * * *', 'SELECT ''secret''')");
    await take(node, await due(node), 1);
    await take(node, await due(node), 2);
    assert.equal(await value(ann, 'SELECT count(*) FROM cron.job_run_details'), 1);
    assert.equal(await value(bob, 'SELECT count(*) FROM cron.job_run_details'), 0);
    assert.equal((await bob.query('DELETE FROM cron.job_run_details')).rowCount, 0);
    assert.equal((await ann.query('DELETE FROM cron.job_run_details')).rowCount, 1);
});

test('migrating again changes nothing that is there', async (t) => {
    const { admin, ann } = await prepared(t);
    const id = await value(ann, "SELECT cron.schedule('a', '@daily', 'SELECT 1')");
    await migrate(admin, { withCron: true, engine: 'worker' });
    assert.equal(await value(ann, 'SELECT jobid FROM cron.job'), id);
});

test('the schedules that it takes are those of the table, which src/text/cron.c is held to as well', async (t) => {
    const { ann } = await prepared(t);
    const table = readFileSync(new URL('../lib/schedules.txt', import.meta.url), 'utf8').split('\n')
        .filter((line) => line && !line.startsWith('#')).map((line) => /^(yes|no)\|\[(.*)\]$/.exec(line).slice(1));
    assert.ok(table.length > 100);
    const wrong = [];
    for (const [verdict, text] of table) {
        const said = await ann.query("SELECT cron.schedule('x', $1, 'SELECT 1')", [text.replaceAll('\\t', '\t')])
            .then(() => 'yes', (error) => (error.code === '22023' ? 'no' : String(error)));
        if (said !== verdict) wrong.push(`${text}: ${said}`);
    }
    assert.deepEqual(wrong, []);
    await told(ann.query('SELECT cron.schedule($1, $2)', [`${'0,'.repeat(100)}0 * * * *`, 'x']), '22023', /^invalid schedule: 0,0/);
});

test('a user who keeps rows locked in an open transaction holds up nobody else', async (t) => {
    const { as, ann, bob } = await prepared(t);
    const node = await as('worker');
    await ann.query("SELECT cron.schedule('a', '* * * * *', 'SELECT 1')");
    await bob.query("SELECT cron.schedule('b', '* * * * *', 'SELECT 1')");
    await take(node, await due(node), 1);
    const [first] = await take(node, (await due(node)).slice(0, 1), 2);
    assert.equal(first.username, 'ann');
    await node.query("SET statement_timeout = '2s'");
    await ann.query('BEGIN');
    await ann.query('DELETE FROM cron.job_run_details');
    await told(node.query("SELECT scriptorium.cron_ended($1, true, '1 row')", [first.runid]), '55P03', /could not obtain lock/);
    await node.query('SELECT scriptorium.cron_hold($1)', [[]]);
    await ann.query('ROLLBACK');
    await node.query("SELECT scriptorium.cron_ended($1, true, '1 row')", [first.runid]);
    await ann.query('BEGIN');
    await ann.query("SELECT cron.schedule('a', '*/2 * * * *', 'SELECT 2')");
    const both = await due(node);
    assert.equal(both.length, 2);
    assert.deepEqual((await take(node, both, 3)).map((r) => r.username), ['bob']);
    await ann.query('COMMIT');
});

// Both surfaces: what runs with the owner's rights is nobody's to call, but for what is listed here.
test('no function that runs as its owner can be called by everybody', async (t) => {
    const { admin } = await prepared(t);
    assert.deepEqual(await rows(admin, `SELECT p.oid::regprocedure::text AS f FROM pg_proc p
        WHERE p.pronamespace IN ('cron'::regnamespace, 'net'::regnamespace) AND p.prosecdef
          AND has_function_privilege('eve', p.oid, 'EXECUTE')`), []);
    assert.deepEqual(await rows(admin, `SELECT p.oid::regprocedure::text AS f FROM pg_proc p
        WHERE p.pronamespace IN ('cron'::regnamespace, 'net'::regnamespace) AND p.prorettype = 'trigger'::regtype
          AND has_function_privilege('eve', p.oid, 'EXECUTE')`), []);
});

test('a trigger of ours on a table of one\'s own does nothing to others\' schedules', async (t) => {
    const { as, ann, bob, admin } = await prepared(t);
    const node = await as('worker');
    const id = await value(bob, "SELECT cron.schedule('b', '* * * * *', 'SELECT 1')");
    await take(node, await due(node), 1);
    const state = () => row(admin, 'SELECT * FROM cron.scriptorium_state WHERE jobid = $1', id);
    const before = await state();
    await ann.query('CREATE TEMP TABLE t (jobid bigint, schedule text, active boolean)');
    const attach = () => ann.query('CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION cron.scriptorium_note()');
    await told(attach(), '42501', /^permission denied for function/);
    await admin.query('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO ann'); // as an administrator may
    await attach();
    await told(ann.query('INSERT INTO t VALUES ($1, $2, true)', [id, '@yearly']), '42501', 'this trigger belongs to cron.job');
    assert.deepEqual(await state(), before);
});

test('the same schedule saved again keeps what is due', async (t) => {
    const { as, ann, admin } = await prepared(t);
    const node = await as('worker');
    const save = (expr, command) => ann.query('SELECT cron.schedule($1, $2, $3)', ['a', expr, command]);
    await save('* * * * *', 'SELECT 1');
    await take(node, await due(node), 1);
    await save('* * * * *', 'SELECT 1');
    await save('* * * * *', 'SELECT 2');
    await ann.query('UPDATE cron.job SET schedule = schedule, active = active');
    const [seen] = await due(node);
    assert.deepEqual([seen.due, seen.next], [true, 1]);
    await save('*/2 * * * *', 'SELECT 2');
    assert.deepEqual((await due(node)).map((j) => [j.due, j.next]), [[false, 0]]);
    assert.equal(await value(admin, 'SELECT count(*) FROM cron.scriptorium_state'), 1);
});

test('a time zone is a name of the zone database as it is spelled there, and is found at once', async (t) => {
    const { ann } = await prepared(t);
    const names = (await rows(ann, "SELECT name FROM pg_timezone_names WHERE name ~ '^[A-Za-z][A-Za-z0-9_/+-]*$'")).map((r) => r.name);
    const is = (zone) => value(ann, 'SELECT cron.scriptorium_is_zone($1)', zone);
    const wrong = [];
    for (const name of names) if (!await is(name)) wrong.push(name);
    assert.ok(names.length > 300);
    assert.deepEqual(wrong, []);
    for (const no of ['europe/berlin', 'utc', 'PDT', 'CEST', 'Foo+3', 'FOO3', 'Europe/Berlin5', 'default', 'DEFAULT', 'interval', 'zulu', 'posixrules_'])
        assert.equal(await is(no), false, no);
    assert.equal(await value(ann, "SELECT current_setting('TimeZone')"), await value(ann, 'SHOW TimeZone'));
});

test('the newest runs of each job stay, and as many of all jobs that are gone', async (t) => {
    const { admin, ann, as } = await prepared(t);
    const node = await as('worker');
    const forget = (keep) => value(node, 'SELECT scriptorium.cron_forget($1)', keep);
    const left = async () => (await rows(admin, 'SELECT jobid::integer AS j, array_agg(runid::integer ORDER BY runid) AS r FROM cron.job_run_details GROUP BY 1'))
        .reduce((all, { j, r }) => ({ ...all, [j]: r }), {});
    const [a, b] = [await value(ann, "SELECT cron.schedule('a', '* * * * *', 'SELECT 1')"), await value(ann, "SELECT cron.schedule('b', '* * * * *', 'SELECT 1')")];
    await admin.query(`INSERT INTO cron.job_run_details (runid, jobid, username)
        SELECT n, CASE n % 4 WHEN 0 THEN $1::bigint WHEN 1 THEN $2 ELSE 900 + n % 4 END, 'ann' FROM generate_series(1, 40) n`, [a, b]);
    await admin.query("INSERT INTO cron.scriptorium_run VALUES (1, $1, now())", [b]);
    await ann.query('BEGIN; DELETE FROM cron.job_run_details WHERE runid = 4');
    assert.equal(await forget(5), 4 + 4 + 15); // 1 still runs, 4 is held
    assert.deepEqual(await left(), { [a]: [4, 24, 28, 32, 36, 40], [b]: [1, 21, 25, 29, 33, 37], 902: [34, 38], 903: [31, 35, 39] });
    await ann.query('ROLLBACK');
    assert.equal(await forget(5), 1);
    assert.equal(await forget(5), 0);
});
