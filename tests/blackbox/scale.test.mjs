// Scaling while it runs: slots that many daemons share, the schedules of cron rewritten and put back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, json, run, until } from './harness.mjs';
import { daemon } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

let server;
before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

async function open(t, url) {
  const client = new postgres.pg.Client({ connectionString: url });
  await client.connect();
  t.after(() => client.end());
  return client;
}

async function fresh(dir) {
  const url = server.url({ database: await server.database() });
  const done = run(dir, ['migrate', '--database', url]);
  assert.equal(done.code, 0, done.err);
  return url;
}

const fill = (sql, n) => sql.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
  SELECT gen_random_uuid(), '{"topic": "Salt", "targetDuration": 600}' FROM generate_series(1, ${n})`);
const figure = async (d, name) =>
  Number(new RegExp(`^scriptorium_${name} (\\d+)$`, 'm').exec(await (await d.get('/metrics')).text())[1]);
const running = (d) => figure(d, 'running');
const scale = async (d) => (await d.get('/scale')).json();

test('workers x scripts is what all daemons together run; a change shows within a second', async (t) => {
  const dir = folder(t);
  const url = await fresh(dir);
  const sql = await open(t, url);
  assert.match(run(dir, ['scale', '--database', url]).out, /^Not scaled/);
  assert.equal(json(dir, ['scale', '2x3', '--database', url]).slots, 6);
  const nodes = await Promise.all([1, 2].map(() => daemon(t, dir, { args: ['--database', url], speed: '0.1' })));
  const both = async () => Promise.all(nodes.map(running));
  for (const node of nodes) await until(async () => await figure(node, 'slots') === 3);
  await fill(sql, 40);
  await until(async () => (await both()).every((n) => n === 3));
  assert.deepEqual(await scale(nodes[1]), { due: 34, running: 6, slots: 6, desired_workers: 14,
    workers: 2, concurrency: 3, processes: 2, schedules: 0, scaled: true, can_undo: true, paused: false });
  const changed = await nodes[0].post('/v1/scale', { body: { workers: 3, concurrency: 5 } });
  assert.equal(changed.status, 200);
  const at = Date.now();
  await until(async () => (await both()).reduce((a, b) => a + b) === 15);
  assert.ok(Date.now() - at < 1000, `${Date.now() - at} ms`);
  assert.deepEqual((await both()).sort(), [7, 8]);
  nodes[1].process.kill('SIGTERM'); // its share goes to who is left
  await nodes[1].process.ended;
  await until(async () => await running(nodes[0]) === 15);
  assert.equal(json(dir, ['scale', '--undo', '--database', url]).slots, 6);
  const undone = await (await nodes[0].post('/v1/scale', { body: { undo: true } })).json();
  assert.deepEqual([undone.scaled, undone.slots], [false, 256], 'at once what will be, not what still is');
  assert.equal((await nodes[0].post('/v1/scale', { body: { undo: true } })).status, 409);
  await until(async () => await running(nodes[0]) === 40); // its own 256 slots again
});

test('one number given alone leaves the other as it is', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { args: ['--concurrency', '40'] });
  const changed = await (await d.post('/v1/scale', { body: { workers: 2 } })).json();
  assert.deepEqual([changed.workers, changed.concurrency, changed.slots], [2, 40, 80]);
  assert.equal(json(dir, ['scale', '--undo']).scaled, false);
  assert.equal(json(dir, ['scale', '--workers', '5']).slots, 5 * 256); // by its own configuration
  assert.equal(json(dir, ['scale', '--undo']).scaled, false);
  assert.deepEqual(json(dir, ['scale', '--concurrency', '10']).slots, 10);
  assert.equal(json(dir, ['scale', '--undo']).scaled, false);
  const called = json(dir, ['scale', '--workers', '5'], { env: { SCRIPTORIUM_MODE: 'triggered' } });
  assert.deepEqual([called.workers, called.concurrency], [5, 3]);
});

test('on SQLite a change reaches the running daemon, survives a restart, and is told wrong from right', async (t) => {
  const dir = folder(t);
  let d = await daemon(t, dir, { speed: '0.1' });
  assert.equal(json(dir, ['scale', '--concurrency', '2']).slots, 2);
  await until(async () => await figure(d, 'slots') === 2);
  for (let i = 0; i < 5; i++) run(dir, ['enqueue', '--topic', 'Salt']);
  await until(async () => await running(d) === 2);
  d.process.kill('SIGTERM');
  await d.process.ended;
  d = await daemon(t, dir, { speed: '0.1' });
  await until(async () => await running(d) === 2);
  assert.match(run(dir, ['scale', '--workers', '2']).out, /^2 x 2: up to 4 scripts at once\.\n\d due, \d running\.\n$/);
  await until(async () => await running(d) === 4);
  for (const wrong of [['3x'], ['x3'], ['0x1'], ['1001x1'], ['3x3', '--undo'], ['--undo', '--workers', '2']]) {
    assert.equal(run(dir, ['scale', ...wrong]).code, 2, wrong.join(' '));
  }
  for (const body of ['', '[]', '{}', '{"workers":0}', '{"workers":"3"}', '{"preset":"3"}', '{"undo":true,"workers":2}',
    '{"what":1}', '{"preset":"3x3","workers":5}']) {
    assert.equal((await d.post('/v1/scale', { body })).status, 400, body);
  }
  assert.equal((await d.get('/scale', { key: 'wrong' })).status, 401);
});
