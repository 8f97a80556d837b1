// SQL schedules drive the workers, the real pg_cron's and ours: scale rewrites them in the users' own words,
// and --undo puts every row back. What their commands do is not looked at here.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { folder, json, run } from '../blackbox/harness.mjs';
import * as postgres from '../lib/pg.mjs';

const there = existsSync('/usr/share/postgresql') && readdirSync('/usr/share/postgresql')
  .some((v) => existsSync(`/usr/share/postgresql/${v}/extension/pg_cron.control`));
let server;
let url;
let sql;

// As users wrote it: line breaks, their own URL, the key from a setting.
const body = (worker) => `
    SELECT net.http_post(
      url := 'https://project.example.com/functions/v1/process-script-jobs',
      headers := jsonb_build_object(
        'Content-Type', 'application/json',
        'Authorization', 'Bearer ' || current_setting('app.settings.service_role_key', true),
        'x-supabase-caller', 'pg_cron',
        'x-worker-id', '${worker}'
      ),
      body := '{}'::jsonb
    ) AS request_id;
  `;
const WORKER = (n) => `process-script-jobs-worker-${n}`;
const SINGLE = 'process-script-generation-jobs';
const rows = async () => (await sql.query(`SELECT jobname, schedule, command, database, username, active
  FROM cron.job ORDER BY jobname`)).rows;
const schedule = (name, command, expr = '* * * * *') => sql.query('SELECT cron.schedule($1, $2, $3)', [name, expr, command]);
const clear = () => sql.query('SELECT cron.unschedule(jobid) FROM cron.job');
const scale = (...args) => json(folderOf, ['scale', ...args, '--database', url]);
let folderOf;

async function open(extension) {
  server = await postgres.start({ database: false,
    settings: extension ? { shared_preload_libraries: 'pg_cron', 'cron.database_name': 'scripts' } : {} });
  url = server.url({ database: await server.database('scripts') });
  sql = await server.connect({ database: 'scripts' });
  if (extension) await sql.query('CREATE EXTENSION pg_cron');
}

for (const extension of [true, false]) {
test(`schedules of ${extension ? 'pg_cron' : 'our own cron'} follow scale, word for word, and come back`,
  { skip: !extension || there ? false : 'pg_cron is not installed' }, async (t) => {
  await open(extension);
  t.after(async () => { await sql.end(); await server.remove(); });
  folderOf = folder(t);
  assert.equal(run(folderOf, ['migrate', ...(extension ? [] : ['--with-cron']), '--database', url]).code, 0);
  await t.test('three workers become five, two, one, and three again', async () => {
    for (const n of [1, 2, 3]) await schedule(WORKER(n), body(`worker-${n}`), '*/2 * * * *');
    await schedule('nightly', 'SELECT 1', '0 3 * * *');
    const before = await rows();
    assert.deepEqual([scale().schedules, scale().workers], [3, 3]);
    assert.equal(scale('5x5').schedules, 5);
    assert.deepEqual((await rows()).filter((r) => r.jobname !== 'nightly').map((r) => [r.jobname, r.schedule, r.command]),
      [1, 2, 3, 4, 5].map((n) => [WORKER(n), '*/2 * * * *', body(`worker-${n}`)]));
    assert.equal(scale('--workers', '2').schedules, 2);
    assert.deepEqual((await rows()).map((r) => r.jobname), ['nightly', WORKER(1), WORKER(2)]);
    assert.equal(scale('1x1').schedules, 1);
    assert.deepEqual((await rows()).map((r) => [r.jobname, r.command]), [['nightly', 'SELECT 1'], [SINGLE, body('worker-1')]]);
    scale('--undo');
    assert.deepEqual((await rows()).map((r) => r.jobname), ['nightly', WORKER(1), WORKER(2)]);
    scale('--undo');
    scale('--undo');
    assert.deepEqual(await rows(), before);
    assert.equal(scale().scaled, false);
    await clear();
  });

  await t.test('the single one becomes three; an id is put where there was none; inactive stays inactive', async () => {
    const plain = body('x').replace(/,\s*'x-worker-id', 'x'/, '');
    assert.doesNotMatch(plain, /x-worker-id/);
    await schedule(SINGLE, plain);
    const before = await rows();
    assert.equal(scale('3x3').schedules, 3);
    const after = await rows();
    assert.deepEqual(after.map((r) => r.jobname), [1, 2, 3].map(WORKER));
    after.forEach((r, i) => assert.equal(r.command.replace(`'x-worker-id', 'worker-${i + 1}', `, ''), plain));
    scale('--undo');
    assert.deepEqual(await rows(), before);
    await clear();
    await schedule(SINGLE, `SELECT net.http_post('https://x.example', '{}', '{}', '{"x-worker-id": "cron"}')`);
    await sql.query('SELECT cron.alter_job(jobid, active := false) FROM cron.job');
    scale('2x3');
    assert.deepEqual((await rows()).map((r) => [r.active, /"x-worker-id": "cron-[12]"/.test(r.command)]), [[false, true], [false, true]]);
    scale('--undo');
    assert.equal((await rows())[0].active, false);
    await clear();
  });

  await t.test('what cannot be copied is refused, and nothing has changed', async () => {
    await schedule(SINGLE, 'SELECT my_own_function()');
    const before = await rows();
    const done = run(folderOf, ['scale', '3x3', '--database', url]);
    assert.equal(done.code, 1);
    assert.match(done.err, /names no x-worker-id .*add 'x-worker-id', 'worker-1' to its headers/);
    assert.deepEqual(await rows(), before);
    assert.equal(scale().scaled, false);
    await clear();
  });
});
}
