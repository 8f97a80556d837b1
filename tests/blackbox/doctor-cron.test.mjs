// doctor and schedules in SQL: each way in which the clock does not drive what it should.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as postgres from '../lib/pg.mjs';
import { examine, is } from './doctor.mjs';
import { folder, run, until } from './harness.mjs';
import { daemon, KEY } from './serve.mjs';

let server;
before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

async function prepared(t, dir) {
  const database = await server.database();
  const admin = await server.connect({ database });
  t.after(() => admin.end());
  const url = server.url({ database });
  assert.equal(run(dir, ['migrate', '--with-cron', '--database', url]).code, 0);
  const enqueue = () => admin.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
    VALUES (gen_random_uuid(), '{"topic": "Salt"}')`);
  return { database, admin, url, enqueue };
}

// Calls of the function each second, by SQL; the answer to the newest that ended as wanted.
const call = (admin, url, key) => admin.query(`SELECT cron.schedule('process-script-jobs-worker-1', '1 seconds',
  format($$SELECT net.http_post(url := %L, headers := jsonb_build_object('Authorization', 'Bearer ' || %L,
    'x-supabase-caller', 'pg_cron'))$$, $1::text, $2::text))`, [`${url}/functions/v1/process-script-jobs`, key]);
const answered = (admin, where) => until(async () => (await admin.query(
  `SELECT FROM net._http_response WHERE ${where}`)).rowCount > 0);

test('calls with a key that is not the daemon\'s', async (t) => {
  const dir = folder(t);
  const { admin, url } = await prepared(t, dir);
  const d = await daemon(t, dir, { args: ['--database', url, '--mode', 'triggered'],
    env: { SCRIPTORIUM_NET_ALLOW: '127.0.0.0/8' } });
  const look = () => examine(dir, ['--database', url, '--url', d.url]).schedules;
  await call(admin, d.url, 'another key');
  await answered(admin, 'status_code = 401');
  is(look(), 'ill', /^calls from SQL do not get through: status 401/);
  await call(admin, d.url, KEY);
  await answered(admin, 'status_code < 300');
  const mended = look();
  is(mended, 'note', /[1-9]\d* of their requests too, the latest: status 401/);
  assert.match(mended.remedy, /get through all the same/);
});

test('calls to an address that may not be called', async (t) => {
  const dir = folder(t);
  const { admin, url } = await prepared(t, dir);
  const d = await daemon(t, dir, { args: ['--database', url, '--mode', 'triggered'] });
  await call(admin, 'http://127.0.0.1:9', KEY);
  await answered(admin, 'error_msg IS NOT NULL');
  is(examine(dir, ['--database', url, '--url', d.url]).schedules, 'ill',
    /^calls from SQL do not get through: .*address is not public.*nothing was sent/);
});

test('workers\' schedules that are switched off while another one fires', async (t) => {
  const dir = folder(t);
  const { admin, url, enqueue } = await prepared(t, dir);
  const d = await daemon(t, dir, { args: ['--database', url, '--mode', 'triggered'] });
  await call(admin, d.url, KEY);
  await admin.query('SELECT cron.alter_job(jobid, active := false) FROM cron.job');
  await admin.query(`SELECT cron.schedule('cleanup', '1 seconds', 'SELECT 1')`);
  await until(async () => (await admin.query(`SELECT FROM cron.job_run_details WHERE command = 'SELECT 1'
    AND status = 'succeeded'`)).rowCount > 0);
  const look = () => examine(dir, ['--database', url, '--url', d.url]).schedules;
  is(look(), 'well', /^1 active in SQL/);
  await enqueue();
  is(look(), 'ill', /^jobs are due: 1; the daemon claims only when called, and no schedule of a worker is active \(1 are switched off\)$/);
  assert.match(look().remedy, /alter_job/);
});

test('on PostgreSQL: a cron command whose key is not set', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const admin = await server.connect({ database });
  t.after(() => admin.end());
  const url = server.url({ database });
  assert.equal(run(dir, ['migrate', '--with-cron', '--database', url]).code, 0);
  await admin.query(`SELECT cron.schedule('process-script-jobs-worker-1', '* * * * *', $$
    SELECT net.http_post(url := 'https://example.supabase.co/functions/v1/process-script-jobs',
      headers := jsonb_build_object('Authorization', 'Bearer ' || current_setting('app.settings.service_role_key', true)),
      body := '{}'::jsonb) $$)`);
  const look = () => examine(dir, ['--database', url, '--url', 'http://127.0.0.1:1']);
  is(look()['cron-key'], 'ill', /^1 cron commands read app\.settings\.service_role_key/);
  is(look().schedules, 'note', /1 active in SQL \(scriptorium\), none of them ran yet/);
  const ran = (status) => admin.query(`INSERT INTO cron.job_run_details (jobid, database, username, command, status,
    return_message, start_time, end_time) SELECT jobid, database, username, command, $1, 'ERROR: no', now(), now() FROM cron.job`, [status]);
  await ran('failed');
  is(look().schedules, 'ill', /newest run of 1 SQL schedules failed: ERROR: no/);
  await ran('succeeded');
  is(look().schedules, 'note', /the latest ran .* ago, 1 failed in the last hour/);
  await admin.query("UPDATE cron.scriptorium_state SET since = scriptorium.us(now() - interval '5 minutes')");
  is(look().schedules, 'ill', /^1 active schedule is in SQL overdue, .*process-script-jobs-worker-1 for [1-5] min/);
  await admin.query('SELECT cron.alter_job(jobid, active := false) FROM cron.job');
  is(look().schedules, 'note', /none is active, 1 are switched off$/);
  // that the one who asks has the setting helps nobody else's commands
  await admin.query(`CREATE ROLE clock LOGIN; UPDATE cron.job SET username = 'clock', active = true;
    ALTER ROLE postgres IN DATABASE ${database} SET app.settings.service_role_key = 'x'`);
  is(look()['cron-key'], 'ill');
  await admin.query(`ALTER ROLE clock SET app.settings.service_role_key = 'x'`);
  is(look()['cron-key'], 'well');
  await admin.query('ALTER ROLE clock RESET ALL');
  await admin.query(`ALTER DATABASE ${database} SET app.settings.service_role_key = 'x'`);
  is(look()['cron-key'], 'well');
});
