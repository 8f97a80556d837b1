// What the server can refuse, at the start and later: one clear line each, repeated where waiting helps,
// an end where only a person can help, and nothing lost.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { folder, run, simulator, start as launch, until } from '../blackbox/harness.mjs';
import { daemon, KEY } from '../blackbox/serve.mjs';
import * as postgres from '../lib/pg.mjs';

let server;
before(async () => { server = await postgres.start(); });
after(() => server?.remove());

const serve = ['serve', '--listen', '127.0.0.1:0', '--json', '--database'];
const env = { SCRIPTORIUM_SERVICE_KEY: KEY, SCRIPTORIUM_LEASE: '2s' };

async function migrated() {
  const database = await server.database();
  const url = server.url({ database });
  const done = run(os.tmpdir(), ['migrate', '--database', url]);
  assert.equal(done.code, 0, done.err);
  return { database, url };
}

const commands = { run: ['run'], enqueue: ['enqueue', '--topic', 'salt'], migrate: ['migrate'], doctor: ['doctor'] };

/** Every command ends soon with exit code 1 and one line that says the same; migrate may have words of its own. */
async function commandsRefuse(t, url, says, { migrateSays = says, set = {}, code = 1 } = {}) {
  await Promise.all(Object.entries(commands).map(async ([name, args]) => {
    const done = await launch(t, folder(t), [...args, '--database', url], { env: set }).ended;
    assert.equal(done.code, name === 'doctor' ? 1 : code, `${name}: ${done.err}${done.out}`);
    assert.match(name === 'doctor' ? done.out : done.err, name === 'migrate' ? migrateSays : says, name);
    if (name !== 'doctor') assert.equal(done.err.trimEnd().split('\n').length, 1, done.err);
    assert.doesNotMatch(done.err + done.out, /a-secret/);
  }));
}

/** The daemon ends with that one line too; the password is never in it. */
async function refused(t, url, says, of = {}) {
  const [done] = await Promise.all([launch(t, folder(t), [...serve, url], { env: { ...env, ...of.set } }).ended,
    commandsRefuse(t, url, says, of)]);
  assert.equal(done.code, 1, done.err);
  const lines = done.err.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l)).filter((l) => l.level === 'error');
  assert.equal(lines.length, 1, done.err);
  assert.match(lines[0].message, says);
  assert.doesNotMatch(done.err, /a-secret/);
}

const insert = (client, n = 1, seconds = 20) => client.query(`INSERT INTO script_generation_jobs
  (user_id, generation_params) SELECT gen_random_uuid(), $2 FROM generate_series(1, $1)`,
  [n, { topic: 'Why bridges hum', targetDuration: seconds }]);

async function completes(client, n, timeout = 60000) {
  await until(async () => (await client.query(
    "SELECT count(*) AS n FROM script_generation_jobs WHERE status = 'completed'")).rows[0].n === n,
    { timeout, every: 50, what: () => `${n} completed jobs` });
}

test('the server is down at the start: said once per try, and worked when it is up', async (t) => {
  const { database, url } = await migrated();
  await server.stop();
  const node = launch(t, folder(t), [...serve, url, '--speed', '1000'], { env });
  await Promise.all([commandsRefuse(t, url, /cannot be reached.*is it running/), (async () => {
    await node.says(/the database is away, trying again in 1 s: [^"]*cannot be reached/);
    await node.says(/trying again in 2 s/);
  })()]);
  await server.up();
  await node.says(/"message":"ready"/);
  const client = await server.connect({ database });
  await insert(client, 3);
  await completes(client, 3);
  await client.end();
});

test('an unknown host, a wrong port and a missing database', async (t) => {
  const node = launch(t, folder(t), [...serve, 'postgres://nobody@no-such-host.invalid/test'], { env });
  const [[line]] = await Promise.all([node.says(/the database is away[^"]*/),
    commandsRefuse(t, 'postgres://nobody@no-such-host.invalid/test', /no-such-host\.invalid.*not known.*DNS/)]);
  assert.match(line, /no-such-host\.invalid/);
  await refused(t, server.url({ database: 'not_there' }), /not_there.*create it/);
});

test('a wrong password, none, and a role that may not log in', async (t) => {
  const locked = await postgres.start({ auth: 'trust', database: false, settings: { max_connections: 20 } });
  t.after(() => locked.remove());
  const client = await locked.connect({ database: 'postgres' });
  await client.query("CREATE ROLE app LOGIN PASSWORD 'right'; CREATE ROLE nobody NOLOGIN");
  fs.writeFileSync(path.join(locked.data, 'pg_hba.conf'),
    'host all postgres 127.0.0.1/32 trust\nhost all app 127.0.0.1/32 scram-sha-256\nhost all nobody 127.0.0.1/32 trust\n' +
    'hostssl all tls 127.0.0.1/32 trust\n');
  await client.query('SELECT pg_reload_conf()');
  await until(async () => { // the reload is not at once
    try {
      await (await locked.connect({ database: 'postgres', user: 'app', password: 'no' })).end();
      return false;
    } catch (error) {
      return error.code === '28P01';
    }
  });
  const url = (user, password) => locked.url({ database: 'postgres', user, password });
  await refused(t, url('app', 'a-secret'), /the password is wrong.*correct it in the database URL/);
  await refused(t, url('app'), /wants a password.*add it to the database URL/);
  await refused(t, url('nobody'), /does not let us in/);
  await refused(t, url('tls') + '?sslmode=disable', /wants TLS; add sslmode=require/);
  // Once in, it says that the server has fewer connections than it may want.
  const mine = locked.url({ database: await locked.database() });
  assert.equal(run(folder(t), ['migrate', '--database', mine]).code, 0);
  const node = launch(t, folder(t), [...serve, mine], { env: { ...env, SCRIPTORIUM_POOL: '32' } });
  await node.says(/1 process may take 34 connections; the server has 17, and others use 1 of them: [^"]*SCRIPTORIUM_POOL/);
  node.kill('SIGTERM');
  await node.ended;
  assert.equal(run(folder(t), ['migrate', '--with-cron', '--database', mine]).code, 0);
  const more = launch(t, folder(t), [...serve, mine], { env: { ...env, SCRIPTORIUM_POOL: '32', SCRIPTORIUM_CRON_COMMANDS: '5' } });
  await more.says(/1 process may take 40 connections/);
  await client.end();
});

test('a role without the privilege: the line names the way to the grants', async (t) => {
  const { database } = await migrated();
  const client = await server.connect({ database });
  await client.query('CREATE ROLE poor LOGIN');
  t.after(() => client.end());
  await refused(t, server.url({ database, user: 'poor' }), /lacks a privilege.*SCRIPTORIUM_ENGINE_ROLE.*migrate --dry-run/,
    { migrateSays: /the schema scriptorium belongs to postgres: migrate as that role/ });
});

test('a role that may not write the users\' table: the line has the statement that is missing', async (t) => {
  const { database } = await migrated();
  const client = await server.connect({ database });
  t.after(() => client.end());
  await client.query('CREATE ROLE late LOGIN');
  const env2 = { env: { SCRIPTORIUM_ENGINE_ROLE: 'late' } };
  assert.equal(run(folder(t), ['migrate', '--database', server.url({ database })], env2).code, 0);
  await client.query('REVOKE UPDATE ON script_generation_jobs FROM late');
  await refused(t, server.url({ database, user: 'late' }), /GRANT UPDATE ON public\.script_generation_jobs TO late/,
    { migrateSays: /the schema scriptorium belongs to postgres/ });

  // Taken away while the daemon runs: said, and gone on with when it is back.
  await client.query('GRANT UPDATE ON script_generation_jobs TO late');
  const dir = folder(t);
  const provider = await simulator(t, dir, ['--speed', '1000']);
  const node = await daemon(t, dir, { args: ['--database', server.url({ database, user: 'late' })], env: { ...provider.env, ...env } });
  await client.query('REVOKE UPDATE ON script_generation_jobs FROM late');
  await insert(client);
  await node.process.says(/lacks a privilege[^"]*(permission denied for table script_generation_jobs|GRANT UPDATE)/);
  await client.query('GRANT UPDATE ON script_generation_jobs TO late');
  await completes(client, 1);
});

test('a database that lets nobody make temporary objects: migrate says which right it lacks', async (t) => {
  const database = await server.database();
  const client = await server.connect({ database });
  await client.query(`REVOKE TEMPORARY ON DATABASE ${database} FROM PUBLIC; CREATE ROLE strict LOGIN;
    GRANT CREATE ON DATABASE ${database} TO strict`);
  await client.end();
  const done = run(folder(t), ['migrate', '--database', server.url({ database, user: 'strict' })]);
  assert.equal(done.code, 1);
  assert.match(done.err, new RegExp(`GRANT TEMPORARY ON DATABASE ${database} TO strict\\n$`));
});

test('a parameter of the URL that is misspelt, or has a value that it cannot have', async (t) => {
  await Promise.all([
    commandsRefuse(t, server.url() + '?sslmode=bogus', /invalid sslmode value: "bogus"/, { code: 2 }),
    commandsRefuse(t, server.url() + '?sslmod=require', /a parameter sslmod, and there is none/, { code: 2 }),
    commandsRefuse(t, server.url() + '?port=abc', /cannot be used \(invalid [^)]*"abc"/),
  ]);
  // What may be a part of the password is not quoted.
  const done = run(folder(t), ['stats', '--database', 'postgres://me:a-sec/ret?word=1@db.example.com/app']);
  assert.equal(done.code, 2);
  assert.match(done.err, /cannot be read; it looks like|a parameter word/);
});

test('the schema of the adopted table is found, and no other is taken for it', async (t) => {
  const database = await server.database();
  const url = server.url({ database });
  const client = await server.connect({ database });
  t.after(() => client.end());
  await client.query('CREATE SCHEMA s3; CREATE SCHEMA other; SET search_path = s3');
  const at = (schema) => ({ env: { SCRIPTORIUM_SCHEMA: schema } });
  const migrate = (more = [], options = {}) => run(folder(t), ['migrate', ...more, '--database', url], options);
  const tables = async () => (await client.query(`SELECT tgrelid::regclass::text AS t, count(*) AS n FROM pg_trigger
    WHERE tgfoid::regproc::text LIKE 'scriptorium.after%' GROUP BY 1`)).rows;
  assert.equal(migrate([], at('s3')).code, 0);
  await insert(client, 2);
  for (const more of [['--dry-run'], []]) assert.equal(migrate(more).code, 0);
  await refused(t, url, /adopted is s3\.script_generation_jobs; set SCRIPTORIUM_SCHEMA=s3/, { set: at('other').env });
  await refused(t, url, /adopted is s3\.script_generation_jobs; set SCRIPTORIUM_SCHEMA=s3/, { set: at('public').env });
  assert.deepEqual(await tables(), [{ t: 'script_generation_jobs', n: 6 }]);
  assert.equal((await client.query("SELECT to_regclass('public.script_generation_jobs') AS t")).rows[0].t, null);

  // Without its triggers, as after a restore of the table, it is still that one.
  await client.query(`DO $$ DECLARE n name; BEGIN FOR n IN SELECT tgname FROM pg_trigger WHERE tgrelid = 's3.script_generation_jobs'::regclass LOOP
    EXECUTE format('DROP TRIGGER %I ON s3.script_generation_jobs', n); END LOOP; END $$`);
  assert.equal(migrate().code, 0);
  assert.deepEqual(await tables(), [{ t: 'script_generation_jobs', n: 6 }]);

  const dir = folder(t);
  const provider = await simulator(t, dir, ['--speed', '1000']);
  for (const set of [{}, at('s3').env]) {
    const node = await daemon(t, dir, { args: ['--database', url], env: { ...provider.env, ...env, ...set } });
    await insert(client, 1);
    await until(async () => (await client.query("SELECT FROM script_generation_jobs WHERE status <> 'completed'")).rows.length === 0,
      { what: () => 'all jobs completed' });
    node.process.kill('SIGTERM');
    await node.process.ended;
  }
});

test('a server that is read-only: a standby is not written to', async (t) => {
  const { database } = await migrated();
  const writer = await server.connect({ database });
  await insert(writer); // work that `run` would take up
  await writer.end();
  const client = await server.connect({ database: 'postgres' });
  await client.query(`ALTER DATABASE ${database} SET default_transaction_read_only = on`);
  await client.end();
  const node = launch(t, folder(t), [...serve, server.url({ database })], { env });
  await node.says(/read-only, perhaps a standby[^"]*name the primary/);
  await commandsRefuse(t, server.url({ database }), /read-only, perhaps a standby.*name the primary/);
});

test('a server that becomes read-only is not ready, and is again when it takes writes', async (t) => {
  const { database, url } = await migrated();
  const dir = folder(t);
  const provider = await simulator(t, dir, ['--speed', '1000']);
  const node = await daemon(t, dir, { args: ['--database', url], env: { ...provider.env, ...env } });
  const client = await server.connect({ database });
  t.after(() => client.end());
  const ready = async () => (await fetch(`${node.url}/readyz`)).status;
  const becomes = (status) => until(async () => await ready() === status, { what: () => `/readyz ${status}` });
  await becomes(200);
  const setting = (on) => client.query(`ALTER SYSTEM SET default_transaction_read_only = ${on}`)
    .then(() => client.query('SELECT pg_reload_conf()'));
  await setting('on');
  await becomes(503);
  await client.query('SET default_transaction_read_only = off');
  await setting('off');
  await becomes(200);
  await insert(client);
  await completes(client, 1);
});

test('a real standby: refused with the advice, and taken as soon as it is promoted', { timeout: 120000 }, async (t) => {
  const { database } = await migrated();
  const standby = await postgres.standbyOf(server);
  t.after(() => standby.remove());
  const node = launch(t, folder(t), [...serve, standby.url({ database }), '--speed', '1000'], { env });
  await node.says(/read-only, perhaps a standby \(it is in recovery\)[^"]*name the primary/);
  await commandsRefuse(t, standby.url({ database }), /read-only, perhaps a standby.*name the primary/);
  const admin = await standby.connect({ database });
  await admin.query('SELECT pg_promote()');
  await node.says(/"message":"ready"/, { timeout: 60000 });
  await insert(admin, 2);
  await completes(admin, 2);
  await admin.end();
});

test('a killed backend costs a reconnection and no job', { timeout: 120000 }, async (t) => {
  const { database, url } = await migrated();
  const dir = folder(t);
  const provider = await simulator(t, dir, ['--speed', '10']);
  const node = await daemon(t, dir, { args: ['--database', url], env: { ...provider.env, ...env } });
  const client = await server.connect({ database });
  await insert(client, 20, 60);
  for (let i = 0; i < 10; i++) {
    await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name LIKE 'scriptorium%' AND datname = $1`, [database]);
    await new Promise((wake) => setTimeout(wake, 100));
  }
  await completes(client, 20);
  const calls = await client.query('SELECT state, count(*) AS n FROM scriptorium.call GROUP BY state');
  assert.deepEqual(calls.rows, [{ state: 1, n: 20 }]); // each paid for once, and to the token
  await client.end();
  node.process.kill('SIGTERM');
  await node.process.ended;
  assert.equal(node.process.code, 0, node.process.err);
});

const mayMount = process.getuid() === 0 && (() => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'scriptorium-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { stdio: 'ignore' });
    execFileSync('umount', [dir]);
    return true;
  } catch {
    return false;
  } finally {
    fs.rmdirSync(dir);
  }
})();

test('the server\'s disk is full: said, and gone on with when there is room', { timeout: 180000,
  skip: !mayMount && 'needs the right to mount' }, async (t) => {
  const small = fs.mkdtempSync(path.join(os.tmpdir(), 'scriptorium-small-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=700,uid=postgres', 'tmpfs', small]);
  t.after(() => {
    execFileSync('umount', ['-l', small]);
    fs.rmdirSync(small);
  });
  const { database, url } = await migrated();
  const client = await server.connect({ database });
  await client.query(`CREATE TABLESPACE small_${database} LOCATION '${small}'`);
  for (const table of ['scriptorium.step', 'scriptorium.step_text', 'scriptorium.call', 'public.script_generation_jobs'])
    await client.query(`ALTER TABLE ${table} SET TABLESPACE small_${database}`);
  const dir = folder(t);
  const provider = await simulator(t, dir, ['--speed', '10']);
  await insert(client, 10, 120);
  const filler = path.join(small, 'filler');
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], { stdio: 'ignore' });
  } catch {
    // that it is full is what was wanted
  }
  const node = await daemon(t, dir, { args: ['--database', url], env: { ...provider.env, ...env } });
  await insert(client, 10, 120).catch(() => {}); // may be refused as well
  await node.process.says(/the server's disk is full.*free some space there/);
  fs.unlinkSync(filler);
  const { rows: [{ n }] } = await client.query('SELECT count(*) AS n FROM script_generation_jobs');
  await completes(client, n, 120000);
  const again = await client.query(`SELECT job_id, step FROM scriptorium.call WHERE state = 1
    GROUP BY job_id, step HAVING count(*) > 1`);
  assert.deepEqual(again.rows, [], 'nothing was paid for twice');
  node.process.kill('SIGTERM');
  await node.process.ended;
  assert.equal(node.process.code, 0, node.process.err);
  await client.query(`ALTER TABLE public.script_generation_jobs SET TABLESPACE pg_default`);
  await client.end();
});
