// The daemon on a real PostgreSQL server: many processes, one socket, the server away and back.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { folder, run, start as launch, until } from './harness.mjs';
import { scrape } from './scrape.mjs';
import { daemon, KEY, SECRET, token } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

const USER = '11111111-1111-4111-8111-111111111111';
let server;

before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

// A database of its own, migrated unless the test wants to do it.
async function fresh(dir, { migrate = true } = {}) {
  const database = await server.database();
  const url = server.url({ database });
  if (migrate) {
    const done = run(dir, ['migrate', '--database', url]);
    assert.equal(done.code, 0, done.err);
  }
  const ask = async (sql) => {
    const client = await server.connect({ database });
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  return { url, ask };
}

const enqueue = (d, n, body = {}) => Promise.all(Array.from({ length: n }, async (_, i) => {
  const answer = await d.post('/v1/jobs', {
    body: { topic: `Topic ${i}`, targetDuration: 60, user_id: USER, ...body } });
  assert.equal(answer.status, 201, await answer.clone().text());
  return (await answer.json()).id;
}));

const statuses = async (ask) => Object.fromEntries((await ask(
  'SELECT status, count(*)::int AS n FROM script_generation_jobs GROUP BY status')).map((r) => [r.status, r.n]));

test('without a migrated schema it ends with the command to run', async (t) => {
  const dir = folder(t);
  const { url } = await fresh(dir, { migrate: false });
  const done = run(dir, ['serve', '--listen', '127.0.0.1:0', '--database', url],
    { env: { SCRIPTORIUM_SERVICE_KEY: KEY } });
  assert.equal(done.code, 1, done.err);
  assert.match(done.err, /scriptorium migrate/);
});

test('three processes share one address and the work; one that is killed is replaced, by one that knows today\'s keys', async (t) => {
  const dir = folder(t), key = join(dir, 'key');
  const { url, ask } = await fresh(dir);
  writeFileSync(key, 'yesterdays\n');
  const d = await daemon(t, dir, { speed: '300', args: ['--database', url, '--processes', '3',
    '--concurrency', '2'], env: { SCRIPTORIUM_LEASE: '2s', SCRIPTORIUM_SERVICE_KEY: '', SCRIPTORIUM_SERVICE_KEY_FILE: key } });
  writeFileSync(key, `${KEY}\n`);
  const times = (text) => d.process.err.split(text).length - 1;
  await d.process.says(/3 processes are ready/);
  await until(() => times('"message":"ready"') === 3);
  assert.deepEqual((await ask(`SELECT DISTINCT application_name AS name FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'scriptorium/%' ORDER BY 1`)).map((r) => r.name),
    ['scriptorium/0', 'scriptorium/1', 'scriptorium/2']);
  d.process.kill('SIGHUP');
  await until(() => times('"message":"reloaded') === 3);
  await enqueue(d, 12);
  const workers = () => new Set(d.logs().filter((l) => /Claimed job/.test(l.message)).map((l) => l.worker));
  await until(() => workers().size >= 2);
  const victim = Number([...workers()][0].split(':').at(-1));
  assert.match(readFileSync(`/proc/${victim}/cmdline`, 'latin1'), /scriptorium\0serve\0/);
  process.kill(victim, 'SIGKILL');
  await d.process.says(/was ended by signal 9; starting it again/);
  await enqueue(d, 3);
  await until(async () => (await statuses(ask)).completed === 15, { timeout: 90000 });
  assert.deepEqual(await ask('SELECT count(*)::int AS n FROM scriptorium.queue'), [{ n: 0 }]);
  for (let i = 0; i < 20; i++) assert.equal((await d.get('/readyz')).status, 200);
  await until(() => times('"message":"ready"') === 4);
  await until(() => times('"message":"reloaded') > 3, { what: () => 'the new process to read the settings again' });
  for (let i = 0; i < 40; i++) {
    const answer = await d.get('/v1/stats', { key: 'yesterdays', headers: { connection: 'close' } });
    assert.equal(answer.status, 401);
  }
  d.process.kill('SIGTERM');
  await d.process.ended;
  assert.equal(d.process.code, 0, d.process.err);
});

test('whichever of several processes is scraped tells of all, each by its number', async (t) => {
  const dir = folder(t);
  const { url, ask } = await fresh(dir);
  const d = await daemon(t, dir, { speed: '300', args: ['--database', url, '--processes', '3', '--concurrency', '2'],
    env: { SCRIPTORIUM_LEASE: '2s' } });
  await d.process.says(/3 processes are ready/);
  await enqueue(d, 12);
  await until(async () => (await statuses(ask)).completed === 12, { timeout: 90000 });
  const scraped = async () => scrape(await (await d.get('/metrics', { headers: { connection: 'close' } })).text());
  const each = ({ values }, name, labels = '') => [0, 1, 2].map((n) => values.get(`scriptorium_${name}{process="${n}"${labels}}`));
  const sum = (list) => list.reduce((a, b) => a + (b ?? 0), 0);
  for (let i = 0; i < 5; i++) { // others' figures are a second old at most
    await until(async () => sum(each(await scraped(), 'job_events_total', ',event="completed"')) === 12);
  }
  const before = await scraped();
  assert.deepEqual(each(before, 'slots'), [2, 2, 2]);
  assert.equal(before.values.get('scriptorium_jobs{status="completed"}'), 12);
  assert.equal(before.types.get('scriptorium_loop_lag_seconds'), 'histogram');
  const named = run(dir, ['man', 'metrics']).out.match(/scriptorium_\w+/g).sort();
  assert.deepEqual([...before.types.keys()].sort(), named);
  const victim = Number((await ask("SELECT name FROM scriptorium.workers() ORDER BY held_since_us"))[0].name.split(':').at(-1));
  process.kill(victim, 'SIGKILL');
  await until(async () => {
    const starts = each(await scraped(), 'start_time_seconds'), old = each(before, 'start_time_seconds');
    return starts.filter((s, n) => s > old[n]).length === 1 && starts.filter((s, n) => s === old[n]).length === 2;
  }, { what: () => 'the new process to tell of itself in the place of the old one' });
});

test('numbers that jsonb writes out in full are read as they were meant', async (t) => {
  const dir = folder(t);
  const { url } = await fresh(dir);
  const d = await daemon(t, dir, { args: ['--database', url] });
  const [id] = await enqueue(d, 1, { z: 1e20 });
  const job = await until(async () => {
    const shown = await (await d.get(`/v1/jobs/${id}`)).json();
    return ['completed', 'failed'].includes(shown.status) && shown;
  });
  assert.equal(job.status, 'completed', job.error_message);
  assert.equal(job.generation_params.z, 1e20);
});

test('a row that cannot be shown concerns only who asks for it', async (t) => {
  const dir = folder(t);
  const { url, ask } = await fresh(dir);
  const d = await daemon(t, dir, { args: ['--database', url, '--mode', 'triggered'] });
  const ids = await enqueue(d, 6);
  await ask(`UPDATE script_generation_jobs SET generated_script = repeat('x', 17 << 20) WHERE id = '${ids[0]}'`);
  for (let i = 0; i < 5; i++) { // all at once: they travel together
    const answers = await Promise.all([...ids, ...ids].map((id) => d.get(`/v1/jobs/${id}`)));
    assert.deepEqual(answers.map((a) => a.status), [...ids, ...ids].map((id) => (id === ids[0] ? 413 : 200)));
    const shown = await Promise.all(answers.map((a) => a.json()));
    assert.deepEqual(shown.map((s) => s.id).filter(Boolean), [...ids.slice(1), ...ids.slice(1)]);
  }
});

test('the server away at the start is waited for, and its restart is lived through', async (t) => {
  const dir = folder(t);
  const { url, ask } = await fresh(dir);
  await server.stop();
  const early = launch(t, dir, ['serve', '--listen', '127.0.0.1:0', '--database', url, '--json',
    '--speed', '300'], { env: { SCRIPTORIUM_SERVICE_KEY: KEY } });
  await early.says(/the database is away, trying again/);
  const base = JSON.parse(early.out.split('\n')[0]).url;
  assert.equal((await fetch(`${base}/healthz`)).status, 200);
  assert.equal((await fetch(`${base}/readyz`)).status, 503);
  const scraped = await fetch(`${base}/metrics`, { headers: { authorization: `Bearer ${KEY}` } });
  assert.equal(scraped.status, 200);
  assert.match(await scraped.text(), /^scriptorium_store_up 0$/m);
  await server.up();
  await early.says(/"message":"ready"/);
  await until(async () => (await fetch(`${base}/readyz`)).status === 200);
  const post = () => fetch(`${base}/v1/jobs`, { method: 'POST', headers: { authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ topic: 'Salt', targetDuration: 60, user_id: USER }) });
  assert.equal((await post()).status, 201);
  await server.restart('immediate');
  await until(async () => (await fetch(`${base}/readyz`)).status === 200);
  await until(async () => (await post()).status === 201);
  await until(async () => (await statuses(ask)).completed >= 2, { timeout: 40000,
    what: () => `two completed jobs; the daemon said:\n${early.err}` });
  early.kill('SIGTERM');
  await early.ended;
  assert.equal(early.code, 0, early.err);
});

test('a node whose clock is ahead of the database\'s asks no more often, and gives back what is due', async (t) => {
  const dir = folder(t);
  const { url, ask } = await fresh(dir);
  await ask(`CREATE OR REPLACE FUNCTION scriptorium.clock() RETURNS timestamptz LANGUAGE sql
    AS 'SELECT pg_catalog.clock_timestamp() - interval ''1 hour'''`);
  await ask(`SELECT scriptorium.create_job(gen_random_uuid(), '{"topic": "Salt"}', run_at => scriptorium.clock() + interval '10 minutes')`);
  const d = await daemon(t, dir, { speed: '1', args: ['--database', url], env: { SCRIPTORIUM_GRACE: '0s' } });
  const claims = async () => Number(/store_seconds_count\{kind="claim"\} (\d+)/.exec(await (await d.get('/metrics')).text())?.[1] ?? 0);
  await until(async () => await claims() > 0);
  const [first, since] = [await claims(), Date.now()];
  await until(async () => await claims() >= first + 5); // it does ask
  const rate = (await claims() - first) * 1000 / (Date.now() - since);
  assert.ok(rate < 40, `${rate.toFixed(0)} claims a second`);
  // What it gives back is due by the database's clock, too.
  await ask(`SELECT scriptorium.create_job(gen_random_uuid(), '{"topic": "Tides", "targetDuration": 600}')`);
  await until(async () => (await ask("SELECT FROM scriptorium.call")).length > 0);
  d.process.kill('SIGTERM');
  await d.process.ended;
  assert.deepEqual(await ask("SELECT run_at <= scriptorium.clock() AS due FROM scriptorium.queue WHERE job_id = (SELECT job_id FROM scriptorium.call LIMIT 1)"),
    [{ due: true }]);
});

test('a user who may not log in, a database that is not there: one line, exit 1', async (t) => {
  const dir = folder(t);
  for (const [who, pattern] of [
    [{ database: 'nowhere' }, /nowhere/],
    [{ user: 'stranger', database: 'postgres' }, /stranger/],
  ]) {
    const done = run(dir, ['serve', '--listen', '127.0.0.1:0', '--database', server.url(who)],
      { env: { SCRIPTORIUM_SERVICE_KEY: KEY } });
    assert.equal(done.code, 1, done.err);
    assert.match(done.err, pattern);
  }
});

test('the jobs API says and does on PostgreSQL what it does on SQLite', async (t) => {
  const dir = folder(t);
  const { url, ask } = await fresh(dir);
  const d = await daemon(t, dir, { args: ['--database', url, '--mode', 'triggered'],
    env: { SCRIPTORIUM_JWT_SECRET: SECRET } });
  const OTHER = '22222222-2222-4222-8222-222222222222';
  const post = (key, key_of = {}) => d.post('/v1/jobs', { ...key_of, headers: { 'idempotency-key': key },
    body: { topic: 'Salt', ...(key_of.key ? {} : { user_id: USER }) } });
  const first = await post('k');
  assert.equal(first.status, 201);
  const { id, status, position } = await first.json();
  assert.deepEqual({ status, position }, { status: 'pending', position: 1 });
  const race = await Promise.all(Array.from({ length: 20 }, () => post('k')));
  assert.ok(race.every((a) => a.status === 200));
  for (const a of race) assert.equal((await a.json()).id, id);
  const ids = [...await enqueue(d, 4), id].sort().reverse();
  const seen = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await (await d.get(`/v1/jobs?limit=2${cursor && `&cursor=${cursor}`}`)).json();
    seen.push(...page.jobs.map((j) => j.id));
    cursor = page.next_cursor;
  }
  assert.deepEqual(seen.sort().reverse(), ids);
  const other = { key: token(OTHER) };
  assert.equal((await d.get(`/v1/jobs/${id}`, other)).status, 404);
  assert.equal((await d.post(`/v1/jobs/${id}/cancel`, other)).status, 404);
  assert.equal((await d.get(`/v1/jobs/${id}`, { key: token(USER) })).status, 200);
  assert.equal((await d.post(`/v1/jobs/${id}/retry`)).status, 409);
  assert.equal((await d.post(`/v1/jobs/${id}/cancel`)).status, 200);
  assert.deepEqual(await ask(`SELECT status FROM script_generation_jobs WHERE id = '${id}'`), [{ status: 'cancelled' }]);
  assert.equal((await d.post(`/v1/jobs/${id}/retry`)).status, 200);
  assert.equal((await d.delete(`/v1/jobs/${id}`)).status, 204);
  assert.equal((await d.get(`/v1/jobs/${id}`)).status, 404);
  assert.equal((await d.get('/v1/jobs?cursor=' + id)).status, 400);
  assert.match(await (await d.get('/metrics')).text(), /^scriptorium_queue\{state="due"\} 4$/m);
});

test('a trigger of the users\' that waits for a lock holds up its own jobs, on no node another\'s, and costs nobody a lease', async (t) => {
  const dir = folder(t), [held, free] = [USER, '22222222-2222-4222-8222-222222222222'];
  const { url, ask } = await fresh(dir);
  await ask(`CREATE TABLE profiles (id uuid PRIMARY KEY, n integer DEFAULT 0);
    INSERT INTO profiles VALUES ('${held}'), ('${free}');
    CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN UPDATE profiles SET n = n + 1 WHERE id = NEW.user_id; RETURN NULL; END';
    CREATE TRIGGER counts AFTER UPDATE OF status ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION counts()`);
  const options = { args: ['--database', url], env: { SCRIPTORIUM_LEASE: '2s' }, speed: '300' };
  const nodes = [await daemon(t, dir, options), await daemon(t, dir, options)];
  const database = new URL(url).pathname.slice(1);
  const client = await server.connect({ database });
  t.after(() => client.end());
  await client.query('BEGIN');
  await client.query('SELECT FROM profiles WHERE id = $1 FOR UPDATE', [held]);
  await enqueue(nodes[0], 6, { user_id: held });
  const first = await enqueue(nodes[1], 6, { user_id: free });
  const done = async (ids) => (await ask(`SELECT FROM script_generation_jobs WHERE status = 'completed'
    AND id = ANY ('{${ids}}')`)).length === ids.length;
  await until(() => done(first), { what: () => 'the jobs of who is not held up' });
  // Longer than a lease: each of these jobs is claimed and ended behind others that cannot be.
  for (const end = Date.now() + 3000; Date.now() < end;) {
    const more = await enqueue(nodes[0], 2, { user_id: free });
    await until(() => done(more));
  }
  assert.deepEqual(await ask("SELECT DISTINCT status FROM script_generation_jobs WHERE user_id = '11111111-1111-4111-8111-111111111111'"),
    [{ status: 'pending' }]);
  await client.query('COMMIT');
  await until(async () => (await ask("SELECT FROM script_generation_jobs WHERE status <> 'completed'")).length === 0);
  for (const d of nodes) assert.doesNotMatch(d.process.err, /lease was lost|rescued/);
});

test('connections for some of its work only: a process claims nothing, says why, and goes on when there are more', async (t) => {
  const dir = folder(t);
  const { url, ask } = await fresh(dir, { migrate: false });
  const engine = `few_${new URL(url).pathname.slice(1)}`;
  await ask(`CREATE ROLE ${engine} LOGIN CONNECTION LIMIT 2`);
  assert.equal(run(dir, ['migrate', '--database', url], { env: { SCRIPTORIUM_ENGINE_ROLE: engine } }).code, 0);
  const own = new URL(url);
  own.username = engine;
  await ask("INSERT INTO script_generation_jobs (user_id, generation_params) SELECT gen_random_uuid(), '{\"topic\": \"Salt\", \"targetDuration\": 60}' FROM generate_series(1, 3)");
  const d = launch(t, dir, ['serve', '--listen', '127.0.0.1:0', '--speed', '300', '--json', '--database', own.href],
    { env: { SCRIPTORIUM_SERVICE_KEY: KEY } });
  await d.says(/too many connections for role/);
  assert.deepEqual(await statuses(ask), { pending: 3 });
  await ask(`ALTER ROLE ${engine} CONNECTION LIMIT 20`);
  await until(async () => (await statuses(ask)).completed === 3);
});
