// Schedules: they fire, work jobs off, and do so once over all nodes, whoever is killed; commands and
// routes that manage them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, json, run, sql, until } from './harness.mjs';
import { daemon } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

let server;
before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

async function fresh(dir) {
  const url = server.url({ database: await server.database() });
  const done = run(dir, ['migrate', '--database', url]);
  assert.equal(done.code, 0, done.err);
  return url;
}

const triggered = (t, dir, args = []) => daemon(t, dir, { args: ['--mode', 'triggered', ...args], speed: '100000' });
const enqueue = (dir, n, args = []) => {
  for (let i = 0; i < n; i++) assert.equal(run(dir, ['enqueue', '--topic', `Salt ${i}`, '--minutes', '1', ...args]).code, 0);
};
const schedule = (dir, name, expr, args = []) => json(dir, ['cron', 'schedule', name, expr, ...args]);
const runs = (dir, args = []) => json(dir, ['cron', 'runs', '--limit', '1000', ...args]).runs;

test('schedules are made, changed, listed and removed by command', (t) => {
  const dir = folder(t);
  assert.match(run(dir, ['cron', 'schedule', 'nightly', '0 3 * * *', '--worker-id', 'w1']).out, /^Scheduled nightly/);
  assert.match(run(dir, ['cron', 'schedule', 'nightly', 'CRON_TZ=Europe/Berlin 0 4 * * *', '--missed', 'all:3']).out,
    /^Changed nightly/);
  const [one] = json(dir, ['cron', 'list']).schedules;
  assert.deepEqual([one.name, one.schedule, one.worker_id, one.missed, one.active, one.next],
    ['nightly', 'CRON_TZ=Europe/Berlin 0 4 * * *', null, 'all:3', true, null]);
  assert.match(run(dir, ['cron', 'list']).out, /nightly +CRON_TZ=Europe\/Berlin 0 4 \* \* \* +not planned yet +all:3/);
  assert.equal(run(dir, ['cron', 'unschedule', 'nightly']).code, 0);
  const gone = run(dir, ['cron', 'unschedule', 'nightly']);
  assert.deepEqual([gone.code, gone.err], [1, 'scriptorium cron unschedule: there is no schedule nightly\n']);
  assert.deepEqual(json(dir, ['cron', 'list']), { schedules: [], sql: [] });
});

test('what is wrong is refused with the place', (t) => {
  const dir = folder(t);
  for (const [args, says] of [
    [['a', '61 * * * *'], /minute, at character 1: 61 is out of range: 0 to 59/],
    [['a', 'CRON_TZ=Mars/Base * * * * *'], /no time zone 'Mars\/Base'/],
    [['a', '0 0 30 2 *'], /never fires/],
    [['a/b', '* * * * *'], /no slash/],
    [['a', '* * * * *', '--missed', 'all:0'], /all:N, N from 1 to 100/],
    [['a', '* * * * *', '--missed', 'twice'], /skip, once or all:N/],
  ]) {
    const done = run(dir, ['cron', 'schedule', ...args]);
    assert.equal(done.code, 2, done.err);
    assert.match(done.err, says);
  }
});

test('cron next shows the times to come, in any zone', (t) => {
  const dir = folder(t);
  const { next } = json(dir, ['cron', 'next', '30 2 * * *', '--tz', 'Asia/Kolkata', '--count', '3']);
  assert.deepEqual(next.map((x) => x.slice(11, 19)), ['21:00:00', '21:00:00', '21:00:00']);
  assert.equal(Date.parse(next[2]) - Date.parse(next[0]), 2 * 86400_000);
  assert.match(run(dir, ['cron', 'next', '@reboot']).out, /each start/);
  assert.equal(run(dir, ['cron', 'next', 'CRON_TZ=UTC * * * * *', '--tz', 'UTC']).code, 2);
});

test('a schedule fires, claims for its worker id and works jobs off', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir);
  enqueue(dir, 2);
  schedule(dir, 'tick', '1 seconds', ['--worker-id', 'worker-7']);
  await until(() => json(dir, ['jobs', 'list']).jobs.every((j) => j.status === 'completed'));
  const calls = json(dir, ['invocations']).invocations.filter((i) => i.processed > 0);
  assert.deepEqual([calls[0].caller, calls[0].worker_id, calls[0].status], ['pg_cron', 'worker-7', 202]);
  await until(() => runs(dir, ['tick']).some((r) => r.message === '2 job(s) accepted'));
  const done = runs(dir, ['tick']).find((r) => r.message === '2 job(s) accepted');
  assert.deepEqual([done.state, done.attempt, done.worker_id], ['succeeded', 1, 'worker-7']);
  assert.ok(json(dir, ['invocations']).invocations.some((i) => i.id === done.invocation));
  await d.logged((l) => l.message.startsWith('📋 Found 2 pending'));
});

test('@reboot fires once at each start', async (t) => {
  const dir = folder(t);
  schedule(dir, 'boot', '@reboot');
  for (let start = 1; start <= 2; start++) {
    const d = await triggered(t, dir);
    await until(() => runs(dir).filter((r) => r.state === 'succeeded').length === start);
    d.process.kill('SIGTERM');
    await d.process.ended;
  }
  assert.equal(runs(dir).length, 2);
});

test('what was missed while nothing ran is made up as its schedule says', async (t) => {
  const dir = folder(t);
  const first = await triggered(t, dir);
  for (const missed of ['skip', 'once', 'all:3']) schedule(dir, missed, '59 seconds', ['--missed', missed]);
  await until(() => json(dir, ['cron', 'list']).schedules.every((s) => s.next));
  first.process.kill('SIGTERM');
  await first.process.ended;
  // Ten minutes pass.
  sql(dir, 'UPDATE scriptorium_schedule SET due = due - 600000000, planned = planned - 660000000, changed = changed - 660000000');
  await triggered(t, dir);
  const of = (name) => runs(dir, [name]);
  await until(() => of('all:3').length === 4 && of('once').length === 1 && of('skip').length >= 1 &&
    runs(dir).every((r) => r.state !== 'running'));
  assert.deepEqual(of('all:3').map((r) => r.state).sort(), ['skipped', 'succeeded', 'succeeded', 'succeeded']);
  assert.match(of('all:3').at(-1).message, /^missed, with all before 20/);
  assert.match(of('once')[0].message, /^stands for all since 20.*; no pending jobs$/);
  assert.ok(of('skip').some((r) => r.state === 'skipped' && /^missed, with all/.test(r.message)));
});

test('the routes: make, look, change, runs, remove; for the operator alone', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir);
  const body = { name: 'every hour', schedule: '@hourly', worker_id: 'w1', missed: 'skip' };
  const made = await d.post('/v1/schedules', { body });
  assert.equal(made.status, 201);
  assert.equal((await made.json()).worker_id, 'w1');
  const at = '/v1/schedules/every%20hour';
  assert.equal((await d.post(at, { body: { schedule: '1 seconds', active: true } })).status, 200);
  await until(async () => (await (await d.get(`${at}/runs`)).json()).runs.length >= 2);
  const page = await (await d.get(`${at}/runs?limit=1`)).json();
  const older = await (await d.get(`${at}/runs?limit=1&cursor=${page.next_cursor}`)).json();
  assert.ok(older.runs[0].id < page.runs[0].id);
  const shown = await (await d.get(at)).json();
  assert.deepEqual([shown.name, shown.schedule, shown.missed], ['every hour', '1 seconds', 'once']);
  assert.ok(Date.parse(shown.next) > 0);
  assert.equal((await (await d.get('/v1/schedules')).json()).schedules.length, 1);
  const off = await (await d.post(at, { body: { schedule: '1 seconds', active: false } })).json();
  assert.deepEqual([off.active, off.next], [false, null]);
  assert.equal((await d.delete(at)).status, 204);
  assert.equal((await d.delete(at)).status, 404);
  assert.equal((await d.get(at)).status, 404);
  for (const wrong of [{}, { name: 'x' }, { name: 'x', schedule: 'nonsense' }, { name: 'x', schedule: 5 },
    { name: 'x', schedule: '* * * * *', sql: 'DROP' }, { name: 'a/b', schedule: '* * * * *' },
    { name: 'x', schedule: '* * * * *', missed: 'all' }, []]) {
    assert.equal((await d.post('/v1/schedules', { body: wrong })).status, 400, JSON.stringify(wrong));
  }
  assert.equal((await d.post(at, { body: { name: 'other', schedule: '@daily' } })).status, 400);
  assert.equal((await d.get('/v1/schedules', { key: 'wrong' })).status, 401);
  const paths = (await (await d.get('/openapi.json')).json()).paths;
  assert.ok(paths['/v1/schedules/{name}/runs'].get);
});

test('two nodes on PostgreSQL: each time fires once, and a killed node is made up for', async (t) => {
  const dir = folder(t);
  const url = await fresh(dir);
  const args = ['--database', url];
  const [a, b] = [await triggered(t, dir, args), await triggered(t, dir, args)];
  for (let i = 0; i < 20; i++) schedule(dir, `tick-${i}`, '1 seconds', args);
  const total = () => runs(dir, args).length;
  await until(() => total() > 60);
  a.process.kill('SIGKILL');
  const then = total();
  await until(() => total() > then + 60);
  const all = runs(dir, args);
  const keys = all.map((r) => `${r.schedule} ${r.time}`);
  assert.equal(new Set(keys).size, keys.length);
  // What the dead node had begun was ended by the other one.
  await until(() => runs(dir, args).filter((r) => r.state === 'running' && r.time < all[0].time).length === 0);
  b.process.kill('SIGTERM');
  await b.process.ended;
  assert.equal(b.process.code, 0);
});
