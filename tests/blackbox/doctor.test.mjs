// doctor: each finding provoked on a real store, seen, mended, and gone.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { once } from 'node:events';
import * as postgres from '../lib/pg.mjs';
import { examine, is } from './doctor.mjs';
import { folder, json, root, run, until } from './harness.mjs';
import { daemon } from './serve.mjs';

const USER = '11111111-1111-4111-8111-111111111111';
let server;
before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

test('on a laptop: nobody serves, then all is well, then the wrong key, then another program', async (t) => {
  const dir = folder(t);
  run(dir, ['enqueue', '--topic', 'Salt']);
  const alone = examine(dir, ['--url', 'http://127.0.0.1:1']);
  const page = readFileSync(join(root, 'docs/doctor.md'), 'utf8');
  assert.deepEqual([...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map((m) => m[1]), Object.keys(alone));
  is(alone.function, 'ill', /127\.0\.0\.1:1/);
  is(alone.workers, 'ill', /jobs are due: 1/);
  is(alone.database, 'well', /SQLite/);
  is(alone.disk, alone.disk.verdict, /MiB free/);

  const d = await daemon(t, dir);
  const well = examine(dir, ['--url', `${d.url}/`]);
  for (const name of ['database', 'table', 'connections', 'notifications', 'clock', 'files', 'function',
    'workers', 'schedules', 'cron-key', 'stuck-jobs', 'foreign-jobs', 'budget']) is(well[name], 'well');
  is(well.provider, 'note', /^simulated/);
  await until(() => json(dir, ['jobs', 'list', '--status', 'completed']).jobs.length === 1,
    { what: () => 'the job completed' });
  is(examine(dir, ['--url', d.url]).concurrency, 'well', /the mean of the last 1 completed\); 5 at once/);
  is(examine(dir, ['--url', d.url]).provider, 'note', /^simulated: .*requests [1-9]\d* of \d+/);
  is(examine(dir, ['--url', d.url], { env: { SCRIPTORIUM_BUDGET_PER_DAY_USD: '0.0001' } }).budget, 'ill',
    /today of \$0\.0001/);
  is(examine(dir, ['--url', d.url], { env: { SCRIPTORIUM_SERVICE_KEY: 'sb_secret_another' } }).function,
    'ill', /refuses the service key/);
  is(well.files, 'well', /^the daemon here \(process \d+\) may open \d+ and has \d+ open; 256 slots want 712$/);
  execFileSync('prlimit', ['--pid', /process (\d+)/.exec(well.files.evidence)[1], '--nofile=300:300']);
  is(examine(dir, ['--url', d.url]).files, 'ill', /may open 300 and has/);
  assert.equal(run(dir, ['pause']).code, 0);
  is(examine(dir, ['--url', d.url]).workers, 'note', /paused/);
  assert.equal(run(dir, ['resume']).code, 0);

  // in a process of its own: run() blocks this one
  const other = spawn(process.execPath, ['-e', `require('http').createServer((q, s) => s.end('hello'))
    .listen(0, '127.0.0.1', function () { console.log(this.address().port); })`], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => other.kill());
  const [port] = await once(other.stdout, 'data');
  is(examine(dir, ['--url', `http://127.0.0.1:${Number(port)}`]).function, 'ill', /not as scriptorium does/);
});

test('text for people ends with what to do, and the exit status says whether', (t) => {
  const dir = folder(t);
  run(dir, ['enqueue', '--topic', 'Salt']);
  const done = run(dir, ['doctor', '--url', 'http://127.0.0.1:1']);
  assert.equal(done.code, 1);
  assert.match(done.out, /ill {6}function: is the function deployed and reachable\?\n {9}http:.*\n {9}-> start scriptorium serve/);
  assert.match(done.out, /2 of \d+ must be mended\.\n$/);
  for (const url of ['', 'nonsense', 'ftp://x', 'http://', 'http://u:secret@x', 'http://x?key=secret']) {
    const wrong = run(dir, ['doctor', '--url', url]);
    assert.equal(wrong.code, 2, url);
    assert.match(wrong.err, /--url wants the daemon's address/);
    assert.doesNotMatch(wrong.out + wrong.err, /secret/);
  }
});

test('a nearly full disk', { skip: process.getuid() !== 0 && 'needs to mount a small disk' }, (t) => {
  const dir = folder(t), small = join(dir, 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', small]);
  try {
    run(small, ['enqueue', '--topic', 'Salt']);
    is(examine(small, ['--url', 'http://127.0.0.1:1']).disk, 'ill', /MiB free/);
  } finally {
    execFileSync('umount', [small]);
  }
});

test('on PostgreSQL: triggers, hidden rows, foreign and stuck jobs, clocks, notifications, connections', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const admin = await server.connect({ database });
  t.after(() => admin.end());
  const url = server.url({ database });
  assert.equal(run(dir, ['migrate', '--database', url]).code, 0);
  const look = (env = {}) => examine(dir, ['--database', url, '--url', 'http://127.0.0.1:1'], { env });
  const insert = async (status = 'pending') => (await admin.query(`INSERT INTO script_generation_jobs
    (user_id, status, generation_params) VALUES ($1, $2, '{"topic": "Salt"}') RETURNING id`, [USER, status])).rows[0].id;

  const well = look();
  for (const name of ['database', 'table', 'connections', 'notifications', 'clock', 'cron-key', 'schedules',
    'stuck-jobs', 'foreign-jobs', 'errors', 'concurrency']) is(well[name], 'well');
  is(well.disk, well.disk.verdict, /MiB free .* the database takes [1-9]\d* MiB/); // the server is here
  is(well.concurrency, 'well', /^no: no job waits; 0 run; at 300 s a job \(assumed\); 5 at once: 60 an hour, the last of 10 starts in 5 min 00 s; 10 at once: 120 an hour, the last of 10 starts in 0\.00 s$/);

  await admin.query('ALTER TABLE script_generation_jobs DISABLE TRIGGER scriptorium_insert');
  await insert();
  is(look().table, 'ill', /missing or disabled: scriptorium_insert$/);
  await admin.query('ALTER TABLE script_generation_jobs ENABLE TRIGGER scriptorium_insert');
  is(look().table, 'ill', /1 pending rows are not queued/);
  assert.equal(run(dir, ['migrate', '--database', url]).code, 0);
  is(look().table, 'well');

  const taken = await insert('processing');
  is(look()['foreign-jobs'], 'note', /^1 row is 'processing' for another system/);
  await admin.query("UPDATE script_generation_jobs SET status = 'completed' WHERE id = $1", [taken]);
  is(look()['foreign-jobs'], 'note', /^no row .* now, but .* ago one took a row or ended it/);
  await insert('processing');

  const stuck = await insert();
  await admin.query(`SET session_replication_role = replica;
    UPDATE scriptorium.queue SET state = 1, fence = nextval('scriptorium.fence'), worker = gen_random_uuid(),
      claimed_at = now() - interval '1 hour' WHERE job_id = '${stuck}';
    UPDATE script_generation_jobs SET status = 'processing', updated_at = now() - interval '11 minutes'
      WHERE id = '${stuck}';
    SET session_replication_role = origin`);
  is(look()['stuck-jobs'], 'ill', new RegExp(stuck));

  // One runs, two wait: with one slot that is the bottleneck, with three it is not.
  await insert();
  await admin.query(`SELECT scriptorium.worker_open(gen_random_uuid(), 'w', 60000000)`);
  assert.equal(run(dir, ['scale', '1x1', '--database', url]).code, 0);
  is(look().concurrency, 'note', /^yes: 2 wait, 1 of 1 slots .* 300 s a job \(assumed\); 1 at once: 12 an hour, the last of 2 .* 5 min 00 s; 5 at once: 60 an hour, .* 0\.00 s; 10 at once: 120 /);
  assert.equal(run(dir, ['scale', '1x3', '--database', url]).code, 0);
  is(look().concurrency, 'note', /^no: 2 wait, 1 of 3 slots/);

  assert.equal(run(dir, ['cron', 'schedule', 'nightly', '0 3 * * *', '--database', url]).code, 0);
  const fired = (ago, state) => admin.query(`INSERT INTO scriptorium.schedule_run (schedule_id, seq, fire_at, name,
    missed, state, claimed_at, ended_at, message) SELECT id, ${60 - ago}, now() - interval '${ago} min', name, 1, ${state},
    now(), now(), 'no answer' FROM scriptorium.schedule`);
  await fired(20, 2);
  is(look().schedules, 'ill', /newest run of 1 schedules failed: nightly: no answer/);
  await fired(10, 1);
  is(look().schedules, 'well', /1 active, none overdue, none failing/);

  await admin.query(`CREATE OR REPLACE FUNCTION scriptorium.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) ''2 minutes''::interval'`);
  is(look().clock, 'ill', /2 min 00 s ahead of/);

  const elsewhere = await server.database();
  const deaf = await daemon(t, dir, { args: ['--database', url],
    env: { SCRIPTORIUM_LISTEN_URL: server.url({ database: elsewhere }) } });
  is(look({ SCRIPTORIUM_LISTEN_URL: server.url({ database: elsewhere }) }).notifications, 'note', /polling/);
  await deaf.process.says(/"level":"warn".*notifications do not come; jobs are found by polling/);
  const told = examine(dir, ['--database', url, '--url', deaf.url]).notifications;
  is(told, 'note', /but the daemon at .* hears none/);
  assert.equal((await (await deaf.get('/v1/limits')).json()).notifications_listening, false);
  assert.match(await (await deaf.get('/metrics')).text(), /^scriptorium_notifications_listening 0$/m);
  deaf.process.kill('SIGTERM');
  await deaf.process.ended;

  const many = await Promise.all(Array.from({ length: 195 - 6 }, () => server.connect({ database })));
  is(look().connections, 'ill', /of 197 used/);
  await Promise.all(many.map((c) => c.end()));
});

test('on PostgreSQL: rows that row security hides from the engine\'s role', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const admin = await server.connect({ database });
  t.after(() => admin.end());
  await admin.query('CREATE ROLE hidden_engine LOGIN');
  assert.equal(run(dir, ['migrate', '--database', server.url({ database })],
    { env: { SCRIPTORIUM_ENGINE_ROLE: 'hidden_engine' } }).code, 0);
  await admin.query(`ALTER TABLE script_generation_jobs ENABLE ROW LEVEL SECURITY;
    INSERT INTO script_generation_jobs (user_id, generation_params) VALUES ('${USER}', '{"topic": "Salt"}')`);
  const look = () => examine(dir, ['--database', server.url({ database, user: 'hidden_engine' }),
    '--url', 'http://127.0.0.1:1']);
  is(look().table, 'ill', /hides 1 queued jobs/);
  is(look().disk, 'unknown', /the database takes [1-9]\d* MiB; how much is free a server does not tell/);
  assert.equal(run(dir, ['migrate', '--database', server.url({ database })],
    { env: { SCRIPTORIUM_ENGINE_ROLE: 'hidden_engine' } }).code, 0);
  is(look().table, 'well');

  // seen, but not to be changed: the server leaves such rows out of an UPDATE without a word
  await admin.query(`CREATE POLICY theirs ON script_generation_jobs AS RESTRICTIVE FOR UPDATE
    USING (user_id <> '${USER}')`);
  is(look().table, 'ill', /hides 1 queued jobs/);
  await admin.query('ALTER ROLE hidden_engine BYPASSRLS');
  is(look().table, 'well');
  await admin.query(`ALTER ROLE hidden_engine NOBYPASSRLS; ALTER POLICY theirs ON script_generation_jobs
    USING (user_id <> '${USER}' OR current_user = 'hidden_engine')`);
  is(look().table, 'well');

  await admin.query('ALTER ROLE hidden_engine CONNECTION LIMIT 6');
  is(look().connections, 'ill', /of 6 used of what the role hidden_engine allows/);
});

test('a database that tells nothing is a finding, and no other question is called well for it', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const admin = await server.connect({ database });
  t.after(() => admin.end());
  const ask = (url) => {
    const found = examine(dir, ['--url', 'http://127.0.0.1:1', ...(url ? ['--database', url] : [])]);
    for (const name of ['table', 'connections', 'clock', 'pipeline', 'disk', 'workers', 'schedules', 'cron-key', 'errors',
      'stuck-jobs', 'foreign-jobs', 'concurrency', 'budget']) is(found[name], 'unknown', /did not tell/);
    assert.equal(found.database.verdict, 'ill');
    return `${found.database.evidence} -> ${found.database.remedy}`;
  };
  assert.match(ask(), /no such database.* -> .*migrate makes a new one/);
  assert.match(ask('postgres://x@127.0.0.1:1/x'), /cannot be reached/);
  assert.match(ask(server.url({ database })), /migrate/);
  writeFileSync(join(dir, 'scriptorium.db'), 'This is a diary, not a database. '.repeat(100));
  assert.match(ask(), /not a database/);
  assert.equal(run(dir, ['migrate', '--database', server.url({ database })]).code, 0);
  await admin.query('CREATE ROLE nobody_here LOGIN');
  assert.match(ask(server.url({ database, user: 'nobody_here' })), /permission.*SCRIPTORIUM_ENGINE_ROLE.* -> /);
});
