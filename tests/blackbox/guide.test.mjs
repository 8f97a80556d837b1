// The upgrade guide of the system that we replace, played from its first step to its rollback, with the
// SQL as its readers have it: once on a plain server, where cron.* and net.* are ours, and once beside
// the real pg_cron. What a test may not do is wait a minute for each minute: its clock is moved.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, run, until } from './harness.mjs';
import { daemon, KEY } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

const PROJECT = 'https://xyzcompany.supabase.co';

const single = `
SELECT cron.schedule(
  'process-script-generation-jobs',
  '* * * * *',
  $$
  SELECT net.http_post(
    url := '${PROJECT}/functions/v1/process-script-jobs',
    headers := jsonb_build_object(
      'Content-Type', 'application/json',
      'Authorization', 'Bearer ' || current_setting('app.settings.service_role_key', true),
      'x-supabase-caller', 'pg_cron'
    ),
    body := '{}'::jsonb
  ) AS request_id;
  $$
);`;

const worker = (n) => `
SELECT cron.schedule(
  'process-script-jobs-worker-${n}',
  '* * * * *', -- Every minute
  $$
  SELECT net.http_post(
    url := '${PROJECT}/functions/v1/process-script-jobs',
    headers := jsonb_build_object(
      'Content-Type', 'application/json',
      'Authorization', 'Bearer ' || current_setting('app.settings.service_role_key', true),
      'x-supabase-caller', 'pg_cron',
      'x-worker-id', 'worker-${n}'
    ),
    body := '{}'::jsonb
  ) AS request_id;
  $$
);`;

const upgrade = `
-- Step 1: remove the old single worker
SELECT cron.unschedule('process-script-generation-jobs');
-- Step 2: three workers
${worker(1)}${worker(2)}${worker(3)}
-- Step 3: verify
SELECT * FROM cron.job WHERE jobname LIKE 'process-script-jobs-worker-%';`;

const rollback = `
SELECT cron.unschedule('process-script-jobs-worker-1');
SELECT cron.unschedule('process-script-jobs-worker-2');
SELECT cron.unschedule('process-script-jobs-worker-3');
${single}
SELECT * FROM cron.job;`;

const byStatus = `
SELECT status, COUNT(*) AS count, AVG(processing_time_seconds) AS avg_seconds
FROM script_generation_jobs
WHERE created_at > NOW() - INTERVAL '1 hour'
GROUP BY status;`;

const running = `
SELECT id, status, current_step, progress, EXTRACT(EPOCH FROM (NOW() - started_at)) AS seconds_running
FROM script_generation_jobs
WHERE status = 'processing'
ORDER BY started_at DESC;`;

// toMinute() moves the clock to shortly before the next full minute; log() is given what migrate says.
// owner migrates, engine is who serves, app who schedules and adds jobs: one superuser, or three roles.
async function play(t, { server, database, toMinute, log, owner = 'postgres', engine = owner, app = owner }) {
  const dir = folder(t);
  const as = (user) => server.url({ database, user });
  const url = as(engine);
  const psql = (sql) => server.psql(sql, { database, user: app });
  const client = await server.connect({ database, user: app });
  t.after(() => client.end());
  const rows = async (sql, ...values) => (await client.query(sql, values)).rows;
  const insert = (n) => rows(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT gen_random_uuid(), '{"topic": "Salt", "targetDuration": 300}' FROM generate_series(1, ${n})`);
  const done = run(dir, ['migrate', '--with-cron', '--database', as(owner)], { env: { SCRIPTORIUM_ENGINE_ROLE: engine } });
  assert.equal(done.code, 0, done.err);
  log?.(done.out);
  if (app !== owner)
    await server.psql(`GRANT USAGE ON SCHEMA cron TO ${app}; GRANT ALL ON script_generation_jobs TO ${app}`, { database, user: owner });
  await server.psql(`ALTER DATABASE "${database}" SET app.settings.service_role_key = '${KEY}'`, { database }); // a superuser's
  const d = await daemon(t, dir, { args: ['--mode', 'triggered', '--database', url], speed: '20', env: {
    SCRIPTORIUM_PUBLIC_URLS: PROJECT, SCRIPTORIUM_LEASE: '1h', SCRIPTORIUM_CRON_USERS: app !== engine ? as(app) : '' } });
  const messages = () => d.logs().map((l) => l.message);
  const jobs = async () => (await rows('SELECT jobname, schedule, active FROM cron.job ORDER BY jobname'))
    .map((j) => `${j.jobname} ${j.schedule} ${j.active}`);
  const invocations = () => json(dir, ['invocations', '--database', url]).invocations;
  const completed = async (n) => until(async () => Number((await rows(
    "SELECT count(*) AS n FROM script_generation_jobs WHERE status = 'completed'"))[0].n) === n);

  // The old way: one worker.
  await psql(single);
  assert.deepEqual(await jobs(), ['process-script-generation-jobs * * * * * true']);
  await insert(5);
  await toMinute();
  await until(() => invocations().length === 1);
  await until(() => messages().includes('🚀 Processing 3 job(s) in parallel...'));
  await until(() => messages().includes('📋 Found 3 pending job(s) to process concurrently'));
  await completed(3);

  // The upgrade: three workers, each with three.
  await psql(upgrade);
  assert.deepEqual(await jobs(), [1, 2, 3].map((n) => `process-script-jobs-worker-${n} * * * * * true`));
  await insert(8);
  const mark = d.process.err.length;
  await toMinute();
  const seen = await until(async () => { const found = await rows(running); return found.length === 9 && found; });
  assert.ok(seen.every((r) => r.status === 'processing' && r.current_step !== null && r.progress >= 5 && Number(r.seconds_running) >= 0));
  const counts = Object.fromEntries((await rows(byStatus)).map((r) => [r.status, Number(r.count)]));
  assert.equal(Object.values(counts).reduce((a, b) => a + b), 13);
  assert.equal(counts.completed >= 3, true);
  const since = () => d.process.err.slice(mark).split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l).message);
  const lines = (count, pattern) => until(() => since().filter((m) => pattern.test(m)).length === count, {
    what: () => `${count} lines ${pattern}, among:\n${since().join('\n')}` });
  await lines(3, /^📋 Found 3 pending job\(s\) to process concurrently$/);
  await lines(9, /^✅ Claimed job [0-9a-f-]{36} for processing$/);
  await lines(3, /^🚀 Processing 3 job\(s\) in parallel\.\.\.$/);
  await completed(12);
  await lines(3, /^✅ Batch complete: 3 succeeded, 0 failed$/);
  const average = (await rows(byStatus)).find((r) => r.status === 'completed');
  assert.equal(Number(average.avg_seconds) > 0, true);
  const calls = await until(() => { const all = invocations(); return all.length >= 4 && all.slice(0, 3).every((i) => i.settled) && all; });
  assert.deepEqual(calls.slice(0, 3).map((i) => [i.worker_id, i.caller, i.status, i.processed, i.succeeded]).sort(),
    [1, 2, 3].map((n) => [`worker-${n}`, 'pg_cron', 202, 3, 3]));

  // What the schedules did, and what was answered.
  const details = await until(async () => { const found = await rows(`SELECT status, return_message FROM cron.job_run_details
    WHERE end_time IS NOT NULL`); return found.length === 4 && found; });
  assert.deepEqual(details, Array(4).fill({ status: 'succeeded', return_message: '1 row' }));
  assert.deepEqual((await rows('SELECT status_code, timed_out, error_msg FROM net._http_response')),
    Array(4).fill({ status_code: 202, timed_out: false, error_msg: null }));

  // And back.
  await psql(rollback);
  assert.deepEqual(await jobs(), ['process-script-generation-jobs * * * * * true']);
  await toMinute();
  await completed(13);
  await until(() => invocations().length === 5);
  assert.deepEqual([invocations()[0].worker_id, invocations()[0].processed], ['default', 1]);
}

const faketime = readdirSync('/usr/lib').map((d) => `/usr/lib/${d}/faketime/libfaketime.so.1`).find((f) => existsSync(f));

// A server whose clock can be moved forward.
async function movable(t, settings = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'scriptorium-clock-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  chmodSync(dir, 0o755);
  const file = join(dir, 'clock');
  let ahead = 0;
  const move = (seconds) => {
    ahead += Math.max(0, Math.floor(seconds));
    writeFileSync(file, `+${ahead}s\n`);
  };
  move(0);
  const server = await postgres.start({ settings, env: { LD_PRELOAD: faketime, DONT_FAKE_MONOTONIC: '1',
    FAKETIME_TIMESTAMP_FILE: file, FAKETIME_CACHE_DURATION: '1' } });
  t.after(() => server.remove());
  // The file is read once a second: the minute must not begin before everybody has.
  return { server, database: 'test', toMinute: async () => move(60 - (Date.now() / 1000 + ahead) % 60 - 4) };
}

test('the whole guide', { concurrency: 2 }, (t) => Promise.all([
  t.test('on PostgreSQL without pg_cron', async (t) => {
    await play(t, await movable(t));
  }),
  t.test('without superusers: an owner migrates, a role of its own serves, an app schedules', async (t) => {
    const world = await movable(t);
    await world.server.psql(`CREATE ROLE owner LOGIN; CREATE ROLE engine LOGIN; CREATE ROLE app LOGIN;
      ALTER DATABASE test OWNER TO owner; ALTER SCHEMA public OWNER TO owner`);
    await play(t, { ...world, owner: 'owner', engine: 'engine', app: 'app' });
  }),
  t.test('beside the real pg_cron, which is left as it is', async (t) => {
    const world = await movable(t, { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'test' });
    await world.server.psql('CREATE EXTENSION pg_cron');
    await play(t, { ...world, log: (said) => assert.match(said,
      /^pg_cron is installed here: it is used as it is, schema cron is left untouched\.$/m) });
  }),
]));
