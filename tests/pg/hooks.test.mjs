// In: docs/hooks.md's recipe, a real PostgreSQL, the real program. Out: that a script is saved and
// paid for exactly once, whatever dies in between, and that hooks do what the document says.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { folder, root, run, until } from '../blackbox/harness.mjs';
import { daemon } from '../blackbox/serve.mjs';
import * as pg from '../lib/pg.mjs';

const USER = '11111111-1111-4111-8111-111111111111';
// The SQL of docs/hooks.md: saving and charging; reserving, settling, releasing.
const [recipe, reservations] = [...fs.readFileSync(join(root, 'docs/hooks.md'), 'utf8')
  .matchAll(/```sql\n([\s\S]*?)```/g)].map((m) => m[1]);
let server;

before(async () => { server = await pg.start(); });
after(async () => { await server?.remove(); });

// A migrated database with the recipe in it.
async function prepared(t, { credits = 10, sql = '' } = {}) {
  const dir = folder(t);
  const database = await server.database();
  const url = server.url({ database });
  const done = run(dir, ['migrate', '--database', url]);
  assert.equal(done.code, 0, done.err);
  await server.psql(recipe + sql, { database });
  const db = await server.connect({ database });
  t.after(() => db.end());
  await db.query('INSERT INTO credits VALUES ($1, $2)', [USER, credits]);
  const one = async (text, values) => (await db.query(text, values)).rows[0];
  return {
    dir, url, db, one,
    add: async (params = { topic: 'Why bridges hum', targetDuration: 120 }) => (await one(
      'INSERT INTO script_generation_jobs (user_id, generation_params) VALUES ($1, $2) RETURNING id',
      [USER, params])).id,
    job: (id) => one('SELECT * FROM script_generation_jobs WHERE id = $1', [id]),
    balance: async () => (await one('SELECT balance FROM credits')).balance,
    saved: async () => (await one('SELECT count(*) AS n FROM scripts')).n,
    calls: async () => (await one('SELECT count(*) AS n FROM scriptorium.call')).n,
  };
}

const env = (w, hooks = { ON_COMPLETED: 'public.save_script' }, more = {}) => ({
  env: { DATABASE_URL: w.url, ...Object.fromEntries(Object.entries(hooks).map(
    ([k, v]) => [`SCRIPTORIUM_HOOK_${k}`, v])), ...more } });

const ended = (w, id, status = 'completed') => until(
  async () => (await w.job(id))?.status === status, { what: () => `${id} ${status}` });

test('the recipe saves each script and takes one credit for it', async (t) => {
  const w = await prepared(t);
  const ids = await Promise.all([w.add(), w.add(), w.add()]);
  const d = await daemon(t, w.dir, env(w));
  for (const id of ids) await ended(w, id);
  assert.equal(await w.balance(), 7);
  assert.equal(await w.saved(), 3);
  const row = await w.one('SELECT s.*, j.generated_script FROM scripts s JOIN script_generation_jobs j ON j.id = s.job_id LIMIT 1');
  assert.equal(row.content, row.generated_script);
  assert.ok(Number(row.cost_usd) > 0);
  const out = (await w.one('SELECT scriptorium.job_output($1) AS o', [ids[0]])).o;
  assert.ok(out.chunks.length > 0 && out.usage.output > 0);
  d.process.kill('SIGTERM');
});

test('a hook that raises keeps the steps: no model call is paid again, and its message is told', async (t) => {
  const w = await prepared(t, { credits: 0 });
  const id = await w.add();
  await w.db.query('UPDATE script_generation_jobs SET max_retries = 1 WHERE id = $1', [id]);
  await daemon(t, w.dir, env(w));
  await until(async () => (await w.job(id)).current_step === 'retry_queued', { what: () => 'a retry' });
  const calls = await w.calls();
  assert.match((await w.job(id)).error_message, /credits_balance_check/);
  assert.equal(await w.saved(), 0);
  await w.db.query("UPDATE scriptorium.queue SET state = 0, run_at = now()");
  await ended(w, id, 'failed');
  assert.match((await w.job(id)).error_message, /credits_balance_check/);
  await w.db.query('UPDATE credits SET balance = 1');
  await w.db.query("UPDATE script_generation_jobs SET status = 'pending' WHERE id = $1", [id]);
  await ended(w, id);
  assert.equal(await w.calls(), calls);
  assert.equal(await w.balance(), 0);
  assert.equal(await w.saved(), 1);
});

test('a hook that waits holds up nothing but hooks: other jobs run, looks are answered, the lease is kept', async (t) => {
  const w = await prepared(t);
  await w.db.query('BEGIN');
  await w.db.query('SELECT * FROM credits FOR UPDATE'); // every completion waits here
  const other = await server.connect({ database: new URL(w.url).pathname.slice(1) });
  t.after(() => other.end());
  const add = async (n) => (await other.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT $1, '{"topic": "Why bridges hum", "targetDuration": 120}' FROM generate_series(1, $2) RETURNING id`, [USER, n])).rows.map((r) => r.id);
  const d = await daemon(t, w.dir, env(w, undefined, { SCRIPTORIUM_LEASE: '2s' }));
  await add(8);
  const waiting = async () => (await other.query(`SELECT FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%scriptorium.finish%'`)).rowCount;
  await until(async () => await waiting() > 0, { what: () => 'a hook that waits' });
  const [later] = await add(1);
  await until(async () => (await other.query("SELECT FROM scriptorium.step WHERE job_id = $1 AND step LIKE 'chunk%'", [later])).rowCount > 0,
    { what: () => 'the text of a job that came later' });
  assert.equal((await (await d.get(`/v1/jobs/${later}`)).json()).status, 'processing');
  assert.equal((await d.get('/readyz')).status, 200);
  assert.ok(await waiting() > 0, 'all the while the hook waited');
  await w.db.query('COMMIT');
  await until(async () => (await other.query("SELECT FROM script_generation_jobs WHERE status = 'completed'")).rowCount === 9,
    { what: () => 'all completed' });
  assert.equal(await w.balance(), 1);
  assert.equal(d.logs().filter((l) => /lease was lost/.test(l.message)).length, 0);
});

test('kill -9 while the hook runs: the next worker completes it, once', async (t) => {
  const w = await prepared(t);
  const holder = await w.db;
  await holder.query('BEGIN');
  await holder.query('SELECT * FROM credits FOR UPDATE'); // the hook waits here
  const other = await server.connect({ database: new URL(w.url).pathname.slice(1) });
  t.after(() => other.end());
  const id = (await other.query('INSERT INTO script_generation_jobs (user_id, generation_params) VALUES ($1, $2) RETURNING id',
    [USER, { topic: 'Why bridges hum', targetDuration: 120 }])).rows[0].id;
  const first = await daemon(t, w.dir, env(w, undefined, { SCRIPTORIUM_LEASE: '2s' }));
  await until(async () => (await other.query(
    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%scriptorium.finish%'")).rowCount > 0,
  { what: () => 'the hook' });
  first.process.kill('SIGKILL');
  await first.process.ended;
  await other.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%scriptorium.finish%' AND pid <> pg_backend_pid()");
  await holder.query('COMMIT');
  await daemon(t, w.dir, env(w, undefined, { SCRIPTORIUM_LEASE: '2s' }));
  await ended(w, id);
  assert.equal(await w.balance(), 9);
  assert.equal(await w.saved(), 1);
});

// Between the program and the server; drops the answer to the first completion that was committed.
async function lossyProxy(t, port, isDone) {
  const proxy = { lost: 0 };
  const listener = net.createServer((client) => {
    const upstream = net.connect(port, '127.0.0.1');
    let finishing = false;
    client.on('data', (bytes) => {
      if (proxy.lost === 0 && bytes.includes('scriptorium.finish(')) finishing = true;
      upstream.write(bytes);
    });
    upstream.on('data', async (bytes) => {
      if (!finishing || proxy.lost > 0) {
        client.write(bytes);
        return;
      }
      upstream.pause();
      if (await isDone()) {
        proxy.lost++;
        client.destroy();
        upstream.destroy();
      } else {
        client.write(bytes);
        upstream.resume();
      }
    });
    for (const [a, b] of [[client, upstream], [upstream, client]]) {
      a.on('error', () => b.destroy());
      a.on('close', () => b.destroy());
    }
  });
  await new Promise((done) => { listener.listen(0, '127.0.0.1', done); });
  t.after(() => listener.close());
  proxy.port = listener.address().port;
  return proxy;
}

test('a COMMIT whose answer is lost is found done: one credit, one script', async (t) => {
  const w = await prepared(t);
  const proxy = await lossyProxy(t, server.port, async () => (await w.saved()) === 1);
  const id = await w.add();
  const url = w.url.replace(`:${server.port}/`, `:${proxy.port}/`);
  await daemon(t, w.dir, env({ url }));
  await ended(w, id);
  await until(() => proxy.lost === 1, { what: () => 'a lost answer' });
  const second = await w.add();
  await ended(w, second);
  assert.equal(await w.balance(), 8);
  assert.equal(await w.saved(), 2);
});

test('a deadlock in the hook is tried again at once, without burning a retry', async (t) => {
  const w = await prepared(t, { sql: `
    CREATE SEQUENCE tries;
    CREATE FUNCTION clash(job_id uuid) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN IF nextval('tries') < 4 THEN RAISE EXCEPTION 'clash' USING ERRCODE = '40P01'; END IF;
    PERFORM save_script(job_id); END $$;` });
  const id = await w.add();
  await daemon(t, w.dir, env(w, { ON_COMPLETED: 'public.clash' }));
  await ended(w, id);
  assert.equal((await w.job(id)).retry_count, 0);
  assert.equal(await w.balance(), 9);
});

test('the input hook runs once per run and overlays the request', async (t) => {
  const w = await prepared(t, { sql: `
    CREATE TABLE reserved (job_id uuid);
    CREATE FUNCTION gather(job_id uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO reserved VALUES (job_id);
    RETURN '{"topic": "Tides from the table", "targetDuration": 60}'; END $$;` });
  const id = await w.add({ title: 'no topic of its own' });
  await daemon(t, w.dir, env(w, { INPUT: 'public.gather', ON_COMPLETED: 'public.save_script' }));
  await ended(w, id);
  assert.match((await w.job(id)).generated_script, /[Tt]ides/);
  assert.equal((await w.one('SELECT count(*) AS n FROM reserved')).n, 1);
  const step = await w.one("SELECT content FROM scriptorium.step WHERE job_id = $1 ORDER BY n LIMIT 1", [id]);
  assert.equal(JSON.parse(step.content).topic, 'Tides from the table');
});

test('the input hook: SC001 is for good, other errors are tried again, null adds nothing', async (t) => {
  const w = await prepared(t, { sql: `
    CREATE SEQUENCE tries;
    CREATE FUNCTION gather(job_id uuid) RETURNS jsonb LANGUAGE plpgsql AS $$
    DECLARE topic text;
    BEGIN
      SELECT generation_params ->> 'topic' INTO topic FROM script_generation_jobs WHERE id = job_id;
      IF topic = 'broke' THEN RAISE EXCEPTION 'no credits left' USING ERRCODE = 'SC001'; END IF;
      IF topic = 'shaky' AND nextval('tries') = 1 THEN RAISE EXCEPTION 'not yet'; END IF;
      RETURN NULL;
    END $$;` });
  const broke = await w.add({ topic: 'broke' });
  const shaky = await w.add({ topic: 'shaky', targetDuration: 60 });
  await daemon(t, w.dir, env(w, { INPUT: 'public.gather' }));
  await ended(w, broke, 'failed');
  const row = await w.job(broke);
  assert.equal(row.error_message, 'no credits left');
  assert.equal(row.retry_count, 0);
  await until(async () => (await w.job(shaky)).current_step === 'retry_queued', { what: () => 'a retry' });
  assert.match((await w.job(shaky)).error_message, /not yet/);
  await w.db.query('UPDATE scriptorium.queue SET state = 0, run_at = now()');
  await ended(w, shaky);
});

test('on_ended runs once for what failed, was cancelled or deleted, whoever did it', async (t) => {
  const w = await prepared(t, { sql: `
    CREATE TABLE told (job_id uuid, outcome text, tx bigint DEFAULT txid_current());
    CREATE SEQUENCE tries;
    CREATE FUNCTION release(job_id uuid, outcome text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO told VALUES (job_id, outcome);
    IF nextval('tries') = 1 THEN RAISE EXCEPTION 'the first time fails'; END IF; END $$;` });
  const d = await daemon(t, w.dir, env(w, { ON_ENDED: 'public.release' }));
  const failed = await w.add({ notopic: true });
  await ended(w, failed, 'failed');
  await w.db.query("INSERT INTO script_generation_jobs (user_id, status, generation_params) VALUES ($1, 'pending', '{\"topic\": \"x\"}')", [USER]);
  const cancelled = await w.add({ topic: 'y', targetDuration: 3600 });
  await w.db.query("UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1", [cancelled]);
  const deleted = await w.add({ topic: 'z', targetDuration: 3600 });
  await w.db.query('DELETE FROM script_generation_jobs WHERE id = $1', [deleted]);
  const want = { [failed]: 'failed', [cancelled]: 'cancelled', [deleted]: 'deleted' };
  await until(async () => (await w.one('SELECT count(*) AS n FROM told')).n === 3, { what: () => 'three ends told' });
  const rows = (await w.db.query('SELECT * FROM told')).rows;
  assert.deepEqual(Object.fromEntries(rows.map((r) => [r.job_id, r.outcome])), want);
  d.process.kill('SIGTERM');
  await d.process.ended;
  // Ends that wait together: a transaction for each.
  for (let i = 0; i < 5; i++) await w.db.query('DELETE FROM script_generation_jobs WHERE id = $1', [await w.add()]);
  await daemon(t, w.dir, env(w, { ON_ENDED: 'public.release' }));
  await until(async () => (await w.one('SELECT count(*) AS n FROM told')).n === 8, { what: () => 'five more' });
  assert.equal((await w.one('SELECT count(DISTINCT tx) AS n FROM told')).n, 8);
});

test('the recipe of reservations: held before the work, settled with the script, given back, and never lost or doubled', async (t) => {
  const hooks = { INPUT: 'public.reserve', ON_COMPLETED: 'public.settle', ON_ENDED: 'public.release' };
  const w = await prepared(t, { credits: 3, sql: reservations });
  const reservation = async (id) => (await w.one('SELECT state FROM reservations WHERE job_id = $1', [id]))?.state;
  const becomes = (id, state) => until(async () => await reservation(id) === state, { what: () => `${id} ${state}` });
  const again = (id) => w.db.query("UPDATE script_generation_jobs SET status = 'pending' WHERE id = $1", [id]);
  const d = await daemon(t, w.dir, env(w, hooks));

  const fine = await w.add();
  await ended(w, fine);
  assert.deepEqual([await reservation(fine), await w.balance()], ['settled', 2]);
  await again(fine); // a new run costs again
  await until(async () => (await w.balance()) === 1 && (await w.job(fine)).status === 'completed', { what: () => 'the second run' });
  assert.equal(await w.saved(), 1);

  // Saving fails: the credit goes back; run again, the same run takes it anew, whoever spent it meanwhile.
  await w.db.query("ALTER TABLE scripts ADD CONSTRAINT broken CHECK (job_id = '" + fine + "') NOT VALID");
  const [{ id: bad }] = (await w.db.query(`INSERT INTO script_generation_jobs (user_id, generation_params, max_retries)
    VALUES ($1, '{"topic": "Why bridges hum", "targetDuration": 120}', 0) RETURNING id`, [USER])).rows;
  await ended(w, bad, 'failed');
  await becomes(bad, 'released');
  assert.equal(await w.balance(), 1);
  await w.db.query('ALTER TABLE scripts DROP CONSTRAINT broken');
  await w.db.query('UPDATE credits SET balance = 0');
  await again(bad);
  await until(async () => /no credits left/.test((await w.job(bad)).error_message ?? ''), { what: () => 'no credits' });
  await w.db.query('UPDATE credits SET balance = 5');
  await until(async () => (await w.job(bad)).status === 'failed');
  await again(bad);
  await ended(w, bad);
  assert.deepEqual([await reservation(bad), await w.balance()], ['settled', 4]);

  const gone = await w.add({ topic: 'z', targetDuration: 3600 });
  await becomes(gone, 'held');
  await w.db.query('DELETE FROM script_generation_jobs WHERE id = $1', [gone]);
  await until(async () => (await w.balance()) === 4, { what: () => 'the credit of a deleted job' });
  const poor = await w.db.query('UPDATE credits SET balance = 0');
  assert.equal(poor.rowCount, 1);
  const none = await w.add();
  await ended(w, none, 'failed');
  assert.deepEqual([(await w.job(none)).error_message, await reservation(none)], ['no credits left', undefined]);
  assert.equal(d.process.closed, undefined);
});

test('a hook that is missing or of another signature stops the start with a line that says so', async (t) => {
  const w = await prepared(t, { sql: 'CREATE FUNCTION wrong(job_id uuid) RETURNS text LANGUAGE sql AS $$SELECT 1::text$$;' });
  for (const [hook, says] of [['public.nowhere', /hooks\.on_completed: there is no function public\.nowhere\(uuid\) returns void/],
    ['public.wrong', /public\.wrong\(uuid\) must be a function that returns void/],
    ["public.x'; drop", /hooks\.on_completed/]]) {
    const done = run(w.dir, ['serve', '--listen', '127.0.0.1:0'], { timeout: 20000, ...env(w, { ON_COMPLETED: hook }, { SCRIPTORIUM_SERVICE_KEY: 'sb_secret_for_tests' }) });
    assert.notEqual(done.code, 0);
    assert.match(done.err, says);
  }
  const lite = run(w.dir, ['serve', '--database', 'sqlite:x.db'], { env: { SCRIPTORIUM_HOOK_INPUT: 'public.x' } });
  assert.equal(lite.code, 2);
  assert.match(lite.err, /SQLite/);
});
