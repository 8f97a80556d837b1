// `migrate --with-cron`: what it would do, what it does, and that real extensions stay as they are.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, json, run } from './harness.mjs';
import * as postgres from '../lib/pg.mjs';

let server;
before(async () => {
  server = await postgres.start({ settings: {
    shared_preload_libraries: 'pg_cron', 'cron.database_name': 'test', 'cron.use_background_workers': 'on' } });
});
after(() => server?.remove());

const relations = async (database) => {
  const client = await server.connect({ database });
  const { rows } = await client.query(`SELECT n.nspname || '.' || c.relname AS name FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('cron', 'net') AND c.relkind = 'r' ORDER BY 1`);
  await client.end();
  return rows.map((r) => r.name);
};

test('a dry run tells, and changes nothing; then both schemas are there', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const url = server.url({ database });
  const dry = run(dir, ['migrate', '--with-cron', '--dry-run', '--database', url]);
  assert.equal(dry.code, 0, dry.err);
  assert.match(dry.out, /^CREATE SCHEMA cron with cron\.job, .* -- the server's pg_cron works in the database test, not here$/m);
  assert.match(dry.out, /^CREATE SCHEMA net with net\.http_post\(\)/m);
  assert.deepEqual(await relations(database), []);
  const done = run(dir, ['migrate', '--with-cron', '--database', url]);
  assert.equal(done.out, 'Schema cron is installed; see docs/cron-sql.md.\n' +
    'Schema net is installed; see docs/cron-sql.md.\nThe store is up to date.\n');
  assert.deepEqual(await relations(database), ['cron.job', 'cron.job_run_details', 'cron.scriptorium_run',
    'cron.scriptorium_state', 'net._http_response', 'net.http_request_queue', 'net.scriptorium_owner']);
  assert.equal(run(dir, ['migrate', '--with-cron', '--dry-run', '--database', url]).out,
    'Nothing to do: the store is up to date.\n');
  assert.deepEqual(json(dir, ['migrate', '--database', url]), { plan: '', said: '' });
});

test('an owner who is no superuser migrates where pg_cron is loaded, whose settings only superusers read', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const client = await server.connect({ database: 'postgres' });
  await client.query(`CREATE ROLE plain LOGIN; ALTER DATABASE ${database} OWNER TO plain`);
  await client.end();
  const url = server.url({ database, user: 'plain' });
  const dry = run(dir, ['migrate', '--dry-run', '--database', url]);
  assert.equal(dry.code, 0, dry.err);
  const done = run(dir, ['migrate', '--database', url]);
  assert.equal(done.code, 0, done.err);
  assert.match(run(dir, ['migrate', '--with-cron', '--dry-run', '--database', url]).out, /^CREATE SCHEMA cron with /m);
  assert.equal(run(dir, ['migrate', '--with-cron', '--database', url]).code, 0);
  assert.equal(run(dir, ['jobs', 'list', '--database', url]).code, 0);
});

test('the real pg_cron is left as it is; net is ours beside it', async (t) => {
  const dir = folder(t);
  const url = server.url();
  const client = await server.connect();
  await client.query('CREATE EXTENSION pg_cron');
  const functions = () => client.query(`SELECT p.oid::regprocedure::text, prosrc FROM pg_proc p
    WHERE pronamespace = 'cron'::regnamespace ORDER BY 1`).then((r) => r.rows);
  const before_ = await functions();
  assert.match(run(dir, ['migrate', '--with-cron', '--dry-run', '--database', url]).out,
    /^-- note: pg_cron is installed here: it is used as it is, schema cron is left untouched$/m);
  const done = run(dir, ['migrate', '--with-cron', '--database', url]);
  assert.equal(done.out, 'pg_cron is installed here: it is used as it is, schema cron is left untouched.\n' +
    'Schema net is installed; see docs/cron-sql.md.\nThe store is up to date.\n');
  assert.deepEqual(await functions(), before_);
  assert.deepEqual((await relations('test')).filter((r) => r.startsWith('cron.')), ['cron.job', 'cron.job_run_details']);
  await client.query("SELECT cron.schedule('@yearly', 'SELECT 1')");
  assert.deepEqual(json(dir, ['cron', 'list', '--database', url]), { schedules: [], sql: [
    { jobid: 1, name: 'job 1', schedule: '@yearly', user: 'postgres', active: true, next: null }] });
  await client.end();
});

test('a schema of somebody else\'s by that name is refused, and nothing is done', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const client = await server.connect({ database });
  await client.query('CREATE SCHEMA net');
  const done = run(dir, ['migrate', '--with-cron', '--database', server.url({ database })]);
  assert.equal(done.code, 1);
  assert.match(done.err, /there is a schema net that is neither pg_net's nor ours/);
  assert.equal((await client.query("SELECT to_regnamespace('cron') AS it")).rows[0].it, null);
  assert.equal(run(dir, ['migrate', '--database', server.url({ database })]).code, 0);
  await client.end();
});

test('an embedded store says where schedules are', (t) => {
  const dir = folder(t);
  const done = run(dir, ['migrate', '--with-cron']);
  assert.equal(done.code, 1);
  assert.match(done.err, /schedules in SQL are for PostgreSQL; here use `scriptorium cron schedule`/);
});
