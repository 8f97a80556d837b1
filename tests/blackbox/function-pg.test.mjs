// The function endpoint on PostgreSQL: the limit of a worker id holds over all nodes, and the server away
// is a clear answer.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, json, run, until } from './harness.mjs';
import { daemon } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

const PATH = '/functions/v1/process-script-jobs';
let server;

before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

async function fresh(dir) {
  const url = server.url({ database: await server.database() });
  const done = run(dir, ['migrate', '--database', url]);
  assert.equal(done.code, 0, done.err);
  return url;
}

async function insert(url, n) {
  const client = new postgres.pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT gen_random_uuid(), '{"topic": "Salt", "targetDuration": 60}' FROM generate_series(1, ${n}) RETURNING id`);
  await client.end();
  return rows.map((r) => r.id);
}

const node = (t, dir, url, speed) => daemon(t, dir, { args: ['--mode', 'triggered', '--database', url], speed });
const call = (d, headers = {}) => d.post(PATH, { headers, body: '{}' });
const later = { prefer: 'respond-async' };

test('two nodes: one worker id has one limit, and no job goes to two calls', async (t) => {
  const dir = folder(t);
  const url = await fresh(dir);
  const [a, b] = [await node(t, dir, url, '1'), await node(t, dir, url, '1')];
  const ids = await insert(url, 60);
  const same = await Promise.all(Array.from({ length: 40 }, (_, i) => call(i % 2 ? a : b, later).then((x) => x.json())));
  assert.equal(same.reduce((n, x) => n + x.processed, 0), 3);
  const others = await Promise.all(Array.from({ length: 19 }, (_, i) =>
    call(i % 2 ? a : b, { ...later, 'x-worker-id': `w${i}` }).then((x) => x.json())));
  const taken = [...same, ...others].flatMap((x) => x.jobs ?? []);
  assert.deepEqual([...taken].sort(), [...ids].sort());
  assert.deepEqual(await (await call(a)).json(), { message: 'No pending jobs', processed: 0 });
});

test('200 calls at once on two nodes share out the jobs, three to each and none to two', async (t) => {
  const dir = folder(t);
  const url = await fresh(dir);
  const [a, b] = [await node(t, dir, url, '3'), await node(t, dir, url, '3')];
  const ids = await insert(url, 350);
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) =>
    call(i % 2 ? a : b, { ...later, 'x-worker-id': `w${i}` })));
  for (const answer of answers) assert.ok([200, 202].includes(answer.status), `${answer.status}`);
  const bodies = await Promise.all(answers.map((answer) => answer.json()));
  const taken = bodies.flatMap((x) => x.jobs ?? []);
  assert.deepEqual(taken.sort(), ids.sort());
  assert.equal(Math.max(...bodies.map((x) => x.processed)), 3);
  assert.equal(bodies.reduce((n, x) => n + x.processed, 0), 350);
});

test('calls that wait, at once on two nodes: each job is in one result', async (t) => {
  const dir = folder(t);
  const url = await fresh(dir);
  const [a, b] = [await node(t, dir, url, '1000'), await node(t, dir, url, '1000')];
  const ids = await insert(url, 60);
  const all = [];
  while (all.length < ids.length) {
    const bodies = await Promise.all(Array.from({ length: 30 }, (_, i) =>
      call(i % 2 ? a : b, { 'x-worker-id': `s${i % 10}` }).then((x) => x.json())));
    const done = bodies.flatMap((x) => x.results ?? []);
    assert.ok(done.length > 0, JSON.stringify(bodies));
    done.forEach((r) => assert.equal(r.success, true));
    all.push(...done.map((r) => r.jobId));
  }
  assert.deepEqual(all.sort(), ids.sort());
});

test('a batch, its history and its log', async (t) => {
  const dir = folder(t);
  const url = await fresh(dir);
  const d = await node(t, dir, url, '100000');
  await insert(url, 4);
  const body = await (await call(d, { 'x-worker-id': 'w1' })).json();
  assert.deepEqual([body.message, body.processed, body.succeeded, body.failed], ['Batch processing complete', 3, 3, 0]);
  const listed = () => json(dir, ['invocations', '--database', url]).invocations;
  await until(() => listed()[0]?.settled);
  assert.deepEqual([listed()[0].worker_id, listed()[0].succeeded], ['w1', 3]);
  const id = body.results[0].jobId;
  const events = () => run(dir, ['logs', '--job', id, '--json', '--database', url]).out.trim().split('\n')
    .filter(Boolean).map((l) => JSON.parse(l).event);
  await until(() => events().at(-1) === 'completed');
  assert.equal(events()[0], 'claimed');
});

test('the server away: 500 with the reason; back: it goes on', async (t) => {
  const dir = folder(t);
  const url = await fresh(dir);
  const d = await node(t, dir, url, '100000');
  await insert(url, 1);
  await server.stop();
  const answer = await call(d);
  assert.equal(answer.status, 500);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  const body = await answer.json();
  assert.equal(body.error, 'Database error');
  assert.ok(body.details.length > 0);
  await server.up();
  // By this call or another: the first one's claim may have waited for the server, and go on now.
  const completed = () => json(dir, ['jobs', 'list', '--status', 'completed', '--database', url]).jobs.length;
  await until(async () => (await call(d).then((x) => x.json())).succeeded === 1 || completed() === 1);
});

// The call's claim is answered when the daemon has given up on it and takes itself apart.
test('stopped while the server hangs in the middle of a call: it ends, whatever the server answers then', async (t) => {
  const dir = folder(t);
  const url = await fresh(dir);
  const d = await daemon(t, dir, { args: ['--mode', 'triggered', '--database', url], env: { SCRIPTORIUM_GRACE: '0s' } });
  const [id] = await insert(url, 1);
  const [client, holder] = [1, 2].map(() => new postgres.pg.Client({ connectionString: url }));
  await Promise.all([client.connect(), holder.connect()]);
  const backends = async (also) => (await client.query(`SELECT pid FROM pg_stat_activity
    WHERE application_name LIKE 'scriptorium%' AND datname = current_database() AND ${also}`)).rows.map((r) => r.pid);
  const all = await backends('true');
  const each = (signal) => all.forEach((pid) => process.kill(pid, signal));
  t.after(async () => { await client.end(); await holder.end(); });
  await holder.query('BEGIN; LOCK TABLE scriptorium.queue');
  const answer = call(d).catch(() => null);
  const claim = await until(async () => (await backends("wait_event_type = 'Lock' AND query LIKE '%claim%'"))[0]);
  all.splice(all.indexOf(claim), 1);
  each('SIGSTOP');
  d.process.kill('SIGTERM');
  await d.logged((l) => l.message === 'stopped');
  await holder.query('ROLLBACK');
  await until(async () => (await client.query('SELECT status FROM script_generation_jobs WHERE id = $1', [id])).rows[0].status === 'processing');
  each('SIGCONT');
  await answer;
  await d.process.ended;
  assert.equal(d.process.code, 0, d.process.err);
});
