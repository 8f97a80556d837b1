// Changing a system while it runs: pause and resume, by command and API, seen by daemons and by run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folder, json, run, until } from './harness.mjs';
import { daemon } from './serve.mjs';

const PATH = '/functions/v1/process-script-jobs';
const status = (dir, id) => json(dir, ['jobs', 'show', id]).status;
const enqueue = (dir, topic) => json(dir, ['enqueue', '--topic', topic, '--minutes', '1']).id;

test('pause stops claiming at once and across restarts; resume starts it; what runs goes on', async (t) => {
  const dir = folder(t);
  let d = await daemon(t, dir, { speed: '20' });
  const running = enqueue(dir, 'Salt');
  await until(() => status(dir, running) === 'processing');
  assert.match(run(dir, ['pause']).out, /^Paused: /);
  await d.logged((l) => l.message.startsWith('paused: '));
  const waiting = enqueue(dir, 'Bridges');
  await until(() => status(dir, running) === 'completed');
  assert.equal(status(dir, waiting), 'pending');
  const stats = await (await d.get('/v1/stats')).json();
  assert.equal(stats.paused, true);
  assert.match(stats.paused_since, /^20\d\d-.*Z$/);
  assert.equal(stats.queue.due, 1);
  assert.equal((await d.get('/readyz', { key: null })).status, 200);
  assert.match(await (await d.get('/metrics')).text(), /^scriptorium_paused 1$/m);
  const answer = await d.post(PATH, { body: '{}' });
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(),
    { message: 'All jobs already being processed', processed: 0, paused: true });

  d.process.kill('SIGTERM');
  await d.process.ended;
  d = await daemon(t, dir, { speed: '100000' });
  await d.logged((l) => l.message.startsWith('paused: '));
  assert.equal(status(dir, waiting), 'pending');
  const resumed = Date.now();
  assert.deepEqual(await (await d.post('/v1/resume')).json(), { paused: false });
  await until(() => status(dir, waiting) !== 'pending');
  assert.ok(Date.now() - resumed < 5000);
  await until(() => status(dir, waiting) === 'completed');
  assert.match(await (await d.get('/metrics')).text(), /^scriptorium_paused 0$/m);
  assert.deepEqual(await (await d.post('/v1/pause')).json(), { paused: true });
  assert.equal(json(dir, ['stats']).paused, true);
});

test('run on a paused system says so, keeps the jobs and writes them after resume', async (t) => {
  const dir = folder(t);
  enqueue(dir, 'Salt');
  assert.deepEqual(json(dir, ['pause']), { paused: true });
  const first = run(dir, ['run', '--topic', 'Bridges', '--minutes', '1', '--speed', '100000']);
  assert.equal(first.code, 1);
  assert.match(first.err, /paused: the jobs wait for `scriptorium resume`/);
  assert.equal(json(dir, ['stats']).queue.due, 2);
  assert.match(run(dir, ['stats']).out, /^paused: /m);
  assert.equal(run(dir, ['resume']).code, 0);
  assert.equal(run(dir, ['run', '--speed', '100000']).code, 0);
  assert.equal(json(dir, ['stats']).jobs.completed, 2);
});

test('retention takes the texts of old jobs and keeps rows and money; it is off by default', async (t) => {
  const dir = folder(t);
  assert.equal(run(dir, ['run', '--jobs', '2', '--minutes', '1', '--speed', '100000']).code, 0);
  const rows = () => json(dir, ['jobs', 'list']).jobs.map((j) => json(dir, ['jobs', 'show', j.id]));
  const [before] = rows();
  assert.ok(before.generated_script && before.generation_params && before.cost_usd > 0);
  let d = await daemon(t, dir, { env: { SCRIPTORIUM_RETENTION_FAILED: '1ms' } });
  await d.logged((l) => l.message === 'ready');
  d.process.kill('SIGTERM');
  await d.process.ended;
  assert.ok(rows().every((j) => j.generated_script));
  d = await daemon(t, dir, { env: { SCRIPTORIUM_RETENTION_COMPLETED: '1ms' } });
  await until(() => rows().every((j) => j.generated_script === null));
  const after = rows().find((j) => j.id === before.id);
  assert.deepEqual([after.status, after.cost_usd, after.generation_params, after.script_metadata],
    ['completed', before.cost_usd, null, null]);
  await d.logged((l) => /^retention: 2 job/.test(l.message));
});

test('erase takes a user\'s texts by command and API, and refuses whoever is no operator', async (t) => {
  const dir = folder(t);
  const user = '0190aaaa-0000-7000-8000-00000000000a';
  const add = (topic, whose) => json(dir, ['enqueue', '--topic', topic, '--minutes', '1', '--user', whose]).id;
  const mine = add('my secret', user);
  const other = add('Bridges', '0190aaaa-0000-7000-8000-00000000000b');
  assert.equal(run(dir, ['run', '--speed', '100000']).code, 0);
  const waiting = add('my other secret', user);
  const done = json(dir, ['erase', '--user', user]);
  assert.deepEqual([done.user_id, done.cancelled, done.jobs], [user, 1, 2]);
  assert.ok(done.steps > 0);
  assert.equal(json(dir, ['jobs', 'show', mine]).generated_script, null);
  assert.equal(status(dir, waiting), 'cancelled');
  assert.ok(json(dir, ['jobs', 'show', other]).generated_script);
  const d = await daemon(t, dir);
  assert.equal((await d.delete(`/v1/users/${user}`, { key: 'wrong' })).status, 401);
  assert.equal((await d.delete('/v1/users/nobody')).status, 400);
  const again = await (await d.delete(`/v1/users/${user}`)).json();
  assert.deepEqual([again.jobs, again.cancelled, again.steps], [2, 0, 0]);
  assert.equal(run(dir, ['erase']).code, 2);
  assert.equal(run(dir, ['erase', '--user', 'me']).code, 2);
});
