// Schedules and HTTP requests in SQL on a server without the extensions, run by the daemon: whose
// commands it runs and how, what it sends where, and what it says when something is in the way.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect as connectTcp, createServer as createTcp } from 'node:net';
import { after, before, test as suite } from 'node:test';
import { folder, json, run, until } from './harness.mjs';
import { daemon, KEY } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

// They wait more than they work: each in a database of its own, some at a time.
const cases = [];
const test = (name, fn) => cases.push([name, fn]);

let server;
before(async () => {
  server = await postgres.start({ database: false });
  const client = await server.connect({ database: 'postgres' });
  await client.query('CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN');
  await client.end();
});
after(() => server?.remove());

// A prepared database: its owner's connection, one for ann, and its URL.
async function prepared(t, dir) {
  const database = await server.database();
  const url = server.url({ database });
  const done = run(dir, ['migrate', '--with-cron', '--database', url]);
  assert.equal(done.code, 0, done.err);
  const as = async (user) => {
    const client = await server.connect({ database, user });
    t.after(() => client.end());
    return client;
  };
  const admin = await as('postgres');
  await admin.query('GRANT USAGE ON SCHEMA cron TO ann, bob');
  return { database, url, admin, as };
}

const serve = (t, dir, url, env = {}) => daemon(t, dir, { args: ['--database', url, '--mode', 'triggered'],
  env, speed: '100000' });
const value = async (client, sql, ...values) => {
  const { rows } = await client.query(sql, values);
  return rows[0] && Object.values(rows[0])[0];
};
const soon = 'SELECT cron.schedule($1, \'1 seconds\', $2)';
const ended = (client, name) => until(async () => (await client.query(`SELECT d.* FROM cron.job_run_details d
  JOIN cron.job j USING (jobid) WHERE j.jobname = $1 AND d.end_time IS NOT NULL ORDER BY runid`, [name])).rows[0]);
// The answer to a request made by `sql`.
const answer = async (client, sql, ...values) => {
  const id = await value(client, sql, ...values);
  return until(async () => (await client.query('SELECT * FROM net._http_response WHERE id = $1', [id])).rows[0]);
};

// A peer that tells what it was sent.
async function peer(t, reply = (req, res) => res.setHeader('X-Peer', 'yes').end('hello')) {
  const seen = [];
  const http = createServer((req, res) => {
    let body = '';
    req.on('data', (d) => { body += d; });
    req.on('end', () => {
      seen.push({ method: req.method, url: req.url, headers: req.headers, body });
      reply(req, res);
    });
  }).listen(0, '127.0.0.1');
  await until(() => http.listening);
  t.after(() => { http.closeAllConnections(); http.close(); });
  return { seen, port: http.address().port, url: `http://127.0.0.1:${http.address().port}`, http };
}

test('a command runs as its user, on a connection of that user; the details have pg_cron\'s words', async (t) => {
  const dir = folder(t);
  const { url, database, admin, as } = await prepared(t, dir);
  await admin.query('CREATE TABLE seen (who text, su text, pid int, name text); GRANT INSERT ON seen TO ann');
  await serve(t, dir, url, { SCRIPTORIUM_CRON_USERS: `${server.url({ database, user: 'ann' })} ${server.url({ user: 'bob' })}` });
  const ann = await as('ann');
  await ann.query(soon, ['note', `RESET SESSION AUTHORIZATION; RESET ROLE;
    INSERT INTO seen SELECT current_user, session_user, pg_backend_pid(), current_database()`]);
  await ann.query(soon, ['rows', 'SELECT 1; SELECT * FROM generate_series(1, 3)']);
  await ann.query(soon, ['one', 'SELECT 1']);
  await ann.query(soon, ['none', 'SELECT 1 WHERE false']);
  await ann.query(soon, ['bad', 'SELECT 1; SELECT 1/0']);
  await ann.query(soon, ['copy', 'COPY (SELECT 1) TO STDOUT']);
  await ann.query(soon, ['empty', ' ']);
  const note = await ended(ann, 'note');
  const [row] = (await admin.query('SELECT * FROM seen LIMIT 1')).rows;
  assert.deepEqual({ ...note, runid: 0, jobid: 0, start_time: 0, end_time: 0, command: '' }, { runid: 0, jobid: 0,
    job_pid: row.pid, database, username: 'ann', command: '', status: 'succeeded', return_message: 'INSERT 0 1',
    start_time: 0, end_time: 0 });
  assert.deepEqual([row.who, row.su, row.name], ['ann', 'ann', database]);
  const said = async (name) => { const r = await ended(ann, name); return [r.status, r.return_message]; };
  assert.deepEqual(await said('rows'), ['succeeded', '3 rows']);
  assert.deepEqual(await said('one'), ['succeeded', '1 row']);
  assert.deepEqual(await said('none'), ['succeeded', '0 rows']);
  assert.deepEqual(await said('bad'), ['failed', 'ERROR:  division by zero']);
  assert.equal((await said('copy'))[0], 'failed');
  assert.match((await said('copy'))[1], /COPY from or to the client/);
  assert.deepEqual(await said('empty'), ['failed', 'the command is empty']);
});

test('a user whom the daemon cannot be: failed, with the remedy; a URL of somebody else lends no rights', async (t) => {
  const dir = folder(t);
  const { url, admin, as } = await prepared(t, dir);
  await admin.query('CREATE TABLE seen (who text)');
  await serve(t, dir, url);
  const ann = await as('ann');
  await ann.query(soon, ['note', 'INSERT INTO seen VALUES (current_user)']);
  const row = await ended(ann, 'note');
  assert.deepEqual([row.status, row.job_pid], ['failed', null]);
  assert.match(row.return_message, /^the daemon cannot log in as "ann", .* add a connection URL of that user to cron\.users/);
  await admin.query(soon, ['mine', 'INSERT INTO seen VALUES (current_user)']);
  assert.equal((await ended(admin, 'mine')).status, 'succeeded');
  assert.equal(await value(admin, 'SELECT DISTINCT who FROM seen'), 'postgres');
});

test('a run that lasts does not pile up others, and may take so long', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  await serve(t, dir, url, { SCRIPTORIUM_CRON_TIMEOUT: '2s' });
  await admin.query(soon, ['long', 'SELECT pg_sleep(60)']);
  const row = await ended(admin, 'long');
  assert.deepEqual([row.status, row.return_message], ['failed', 'ERROR:  canceling statement due to statement timeout']);
  assert.equal(await value(admin, `SELECT max(n) FROM (SELECT count(*) AS n FROM cron.job_run_details a
    JOIN cron.job_run_details b ON a.start_time <= b.start_time AND b.start_time < coalesce(a.end_time, now())
    GROUP BY a.runid) x`), 1);
});

// The server processes that run `query`, besides the one that asks.
const backends = (admin, query) => value(admin, `SELECT count(*) FROM pg_stat_activity
  WHERE position($1 IN query) > 0 AND pid <> pg_backend_pid()`, query);
const details = async (admin) => (await admin.query('SELECT * FROM cron.job_run_details ORDER BY runid')).rows;

test('a command that switches its own limit off is cancelled at the daemon\'s, and then started again', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  await serve(t, dir, url, { SCRIPTORIUM_CRON_TIMEOUT: '1s' });
  await admin.query(soon, ['long', 'SET statement_timeout = 0; SELECT pg_sleep(120)']);
  const row = await ended(admin, 'long');
  assert.deepEqual([row.status, row.return_message],
    ['failed', 'ran longer than cron.timeout: ERROR:  canceling statement due to user request']);
  await until(async () => (await details(admin)).length === 2 && (await details(admin))[1].status === 'running');
  await until(async () => await backends(admin, 'pg_sleep(120)') === 1);
});

test('a command that cannot be cancelled: its job waits for its end, and says how to end it', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  await serve(t, dir, url, { SCRIPTORIUM_CRON_TIMEOUT: '1s' });
  await admin.query(soon, ['long', `SET statement_timeout = 0; SET client_connection_check_interval = 0;
    DO 'BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END'`]);
  await admin.query(soon, ['other', 'SELECT 1']);
  const why = 'ran longer than cron.timeout, and did not end when it was cancelled';
  const [row] = await until(async () => {
    const found = (await details(admin)).filter((r) => r.return_message?.startsWith(why));
    return found.length > 0 && found;
  }, { timeout: 60_000 });
  assert.deepEqual([row.status, row.return_message], ['running', `${why}; the server still runs it as process ${row.job_pid}, ` +
    `and the schedule waits for its end: SELECT pg_terminate_backend(${row.job_pid}) ends it`]);
  const others = async () => (await details(admin)).filter((r) => r.command === 'SELECT 1').length;
  const seen = await others();
  await until(async () => await others() > seen + 2);
  assert.equal(await backends(admin, 'query_canceled'), 1);
  await admin.query('SELECT pg_terminate_backend($1)', [row.job_pid]);
  const over = await ended(admin, 'long');
  assert.deepEqual([over.runid, over.status, over.return_message], [row.runid, 'failed', why]);
});

test('a full disk puts off how a run went, and does not drop it', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  await admin.query(`CREATE SEQUENCE refused;
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.end_time IS NOT NULL AND nextval('public.refused') < 3 THEN
        RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER full_disk BEFORE UPDATE ON cron.job_run_details FOR EACH ROW EXECUTE FUNCTION full_disk()`);
  await serve(t, dir, url);
  await admin.query("SELECT cron.schedule('once', '* * * * *', 'SELECT 1'); UPDATE cron.scriptorium_state SET next = 1");
  const row = await ended(admin, 'once');
  assert.deepEqual([row.status, row.return_message], ['succeeded', '1 row']);
  assert.ok(await value(admin, 'SELECT last_value FROM refused') >= 3);
});

test('only so many runs of a schedule stay', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  const id = await value(admin, "SELECT cron.schedule('yearly', '@yearly', 'SELECT 1')");
  await admin.query("INSERT INTO cron.job_run_details (jobid, status) SELECT $1, 'succeeded' FROM generate_series(1, 20)", [id]);
  await serve(t, dir, url, { SCRIPTORIUM_CRON_KEEP_RUNS: '7' });
  await until(async () => await value(admin, 'SELECT count(*) FROM cron.job_run_details') === 7);
});

test('two nodes run each firing once', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  await admin.query('CREATE TABLE fired (at timestamptz DEFAULT now())');
  await Promise.all([serve(t, dir, url), serve(t, dir, url)]);
  await admin.query("SELECT cron.schedule('j' || i, '1 seconds', 'INSERT INTO fired DEFAULT VALUES') FROM generate_series(1, 5) i");
  await until(async () => (await value(admin, 'SELECT count(*) FROM cron.job_run_details WHERE end_time IS NOT NULL')) >= 15);
  await admin.query('SELECT cron.unschedule(jobid) FROM cron.job');
  await until(async () => await value(admin, 'SELECT count(*) FROM cron.job_run_details WHERE end_time IS NULL') === 0);
  const fired = await value(admin, 'SELECT count(*) FROM fired');
  assert.equal(fired, await value(admin, 'SELECT count(*) FROM cron.job_run_details'));
  assert.equal(await value(admin, `SELECT count(*) FROM cron.job_run_details a JOIN cron.job_run_details b
    ON a.jobid = b.jobid AND a.runid < b.runid AND b.start_time - a.start_time < interval '400 milliseconds'`), 0);
});

test('requests leave after the commit, with what they were given; the answer is for who asked', async (t) => {
  const dir = folder(t);
  const { url, as } = await prepared(t, dir);
  const [ann, bob] = [await as('ann'), await as('bob')];
  const to = await peer(t);
  await serve(t, dir, url, { SCRIPTORIUM_NET_ALLOW: '127.0.0.1' });
  await ann.query('BEGIN');
  await ann.query('SELECT net.http_get($1)', [`${to.url}/never`]);
  await ann.query('ROLLBACK');
  const row = await answer(ann, `SELECT net.http_post(url := $1, params := '{"q": "a b&ü", "z": "1"}',
    headers := jsonb_build_object('Authorization', 'Bearer x', 'X-Null', NULL), body := '{"a": 1}')`, `${to.url}/p?x=1`);
  assert.deepEqual([row.status_code, row.content, row.timed_out, row.headers['X-Peer'] ?? row.headers['x-peer']],
    [200, 'hello', false, 'yes']);
  assert.equal(row.error_msg, 'sent without the header X-Null: its value was null');
  const [sent] = to.seen;
  assert.equal(to.seen.length, 1);
  assert.deepEqual([sent.method, sent.url, sent.body], ['POST', '/p?x=1&q=a%20b%26%C3%BC&z=1', '{"a": 1}']);
  assert.deepEqual([sent.headers.authorization, sent.headers['content-type'], sent.headers['x-null']],
    ['Bearer x', 'application/json', undefined]);
  await answer(ann, "SELECT net.http_get($1, headers := '{\"X-A\": \"b\", \"X-Empty\": \"\", \"X-Blank\": \" \"}')", `${to.url}/g`);
  assert.deepEqual(['x-a', 'x-empty', 'x-blank'].map((n) => to.seen[1].headers[n]), ['b', '', '']);
  await answer(ann, 'SELECT net.http_delete($1)', `${to.url}/d`);
  assert.deepEqual(to.seen.slice(1).map((s) => `${s.method} ${s.url}`), ['GET /g', 'DELETE /d']);
  assert.equal(await value(bob, 'SELECT count(*) FROM net._http_response'), 0);
  assert.equal(await value(ann, 'SELECT count(*) FROM net._http_response'), 3);
  await assert.rejects(ann.query('SELECT * FROM net.http_request_queue'), { code: '42501' });
});

test('where it may not go, what does not answer, what answers too much', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  const to = await peer(t, (req, res) => {
    if (req.url === '/big') res.end('x'.repeat(2 << 20));
    else if (req.url === '/zero') res.end('a\0b');
    else if (req.url === '/odd') res.setHeader('Set-Cookie', ['a', 'b']).end(Buffer.from([0x61, 0xff, 0x62]));
    else if (req.url !== '/silent') res.end();
  });
  await serve(t, dir, url, { SCRIPTORIUM_NET_ALLOW: `127.0.0.1:${to.port}` });
  const other = await peer(t);
  const get = (where, ms = 5000) => answer(admin, 'SELECT net.http_get($1, timeout_milliseconds := $2)', where, ms);
  const refused = await get(`${other.url}/`);
  assert.equal(refused.status_code, null);
  assert.match(refused.error_msg, /loopback/);
  assert.match(refused.error_msg, /nothing was sent/);
  assert.equal(other.seen.length, 0);
  const silent = await get(`${to.url}/silent`, 300);
  assert.equal(silent.timed_out, true);
  assert.match(silent.error_msg, /^Timeout of 300 ms reached; .*\(it may have arrived\)$/);
  const big = await get(`${to.url}/big`);
  assert.deepEqual([big.status_code, big.content], [200, null]);
  assert.notEqual(big.error_msg, null);
  const odd = await get(`${to.url}/odd`);
  assert.deepEqual([odd.status_code, odd.content], [200, 'a\ufffdb']);
  const zero = await get(`${to.url}/zero`);
  assert.deepEqual([zero.status_code, zero.content, zero.error_msg],
    [200, 'a', "a text cannot hold the answer's zero bytes: it is cut at the first, after 1 of 3 bytes"]);
  const raw = await value(admin, `INSERT INTO net.http_request_queue (method, url, body)
    VALUES ('POST', $1, '\\x610062') RETURNING id`, `${to.url}/raw`);
  await until(() => value(admin, 'SELECT id FROM net._http_response WHERE id = $1', raw));
  assert.equal(to.seen.at(-1).body, 'a\0b');
  for (const [args, code] of [["'ftp://x/'", '22023'], ["'http://'", '22023'], ["'http://x/ y'", '22023'],
    ["'http://x/', headers := '{\"a b\": \"c\"}'", '22023'], ["'http://x/', headers := '[1]'", '22023'],
    ["'http://x/', headers := jsonb_build_object('a', E'b\\r\\nc: d')", '22023'],
    ["'http://x/', timeout_milliseconds := 0", '22023']])
    await assert.rejects(admin.query(`SELECT net.http_get(${args})`), { code }, args);
  await assert.rejects(admin.query("SELECT net.http_post('http://x/', headers := '{\"content-type\": \"text/plain\"}')"),
    { message: 'Content-Type header must be "application/json"' });
});

test('the old project URL is this server: nothing leaves the machine', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  const d = await serve(t, dir, url, { SCRIPTORIUM_PUBLIC_URLS: 'https://other.example.com https://xyz.supabase.co/' });
  const post = (where, key) => answer(admin, `SELECT net.http_post($1, headers := jsonb_build_object('Authorization', 'Bearer ' || $2))`,
    where, key);
  const row = await post('https://XYZ.supabase.co/functions/v1/process-script-jobs', KEY);
  assert.deepEqual([row.status_code, JSON.parse(row.content).message], [200, 'No pending jobs']);
  const none = await post('https://xyz.supabase.co/functions/v1/process-script-jobs', null);
  assert.deepEqual([none.status_code, JSON.parse(none.content), none.error_msg],
    [401, { error: 'Unauthorized' }, 'sent without the header Authorization: its value was null']);
  for (const trick of ['https://xyz.supabase.co@127.0.0.1/', `https://xyz.supabase.co.127.0.0.1.nip.invalid/`,
    `http://127.0.0.1:${d.port}/healthz`]) {
    const row = await post(trick, KEY);
    assert.equal(row.status_code, null, trick);
  }
});

test('a request is not lost by a crash before it was sent, and not sent twice after one', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  let hold = true;
  const to = await peer(t, (req, res) => { if (!hold) res.end('ok'); });
  const waiting = await value(admin, 'SELECT net.http_get($1)', `${to.url}/early`);
  const first = await serve(t, dir, url, { SCRIPTORIUM_NET_ALLOW: '127.0.0.1' });
  await until(() => to.seen.length === 1);
  first.process.kill('SIGKILL');
  await first.process.ended;
  hold = false;
  await admin.query("UPDATE net.http_request_queue SET held_until = now() - interval '1 second'"); // half a minute on
  const later = await value(admin, 'SELECT net.http_get($1)', `${to.url}/later`);
  await serve(t, dir, url, { SCRIPTORIUM_NET_ALLOW: '127.0.0.1' });
  const rows = await until(async () => {
    const found = (await admin.query('SELECT * FROM net._http_response ORDER BY id')).rows;
    return found.length === 2 && found;
  });
  assert.deepEqual(rows.map((r) => [r.id, r.status_code]), [[waiting, null], [later, 200]]);
  assert.match(rows[0].error_msg, /whether it arrived is not known, and it is not sent again/);
  assert.deepEqual(to.seen.map((s) => s.url), ['/early', '/later']);
});

// A way to the server that breaks when the answer with the text `drop` comes along it, once.
async function lossy(t, port) {
  const way = { drop: null };
  const tcp = createTcp((client) => {
    const upstream = connectTcp(port, '127.0.0.1');
    const close = () => { client.destroy(); upstream.destroy(); };
    client.on('data', (d) => upstream.write(d));
    upstream.on('data', (d) => {
      if (way.drop && d.includes(way.drop)) { way.drop = null; close(); } else client.write(d);
    });
    for (const s of [client, upstream]) s.on('error', close).on('close', close);
  }).listen(0, '127.0.0.1');
  await until(() => tcp.listening);
  t.after(() => tcp.close());
  way.port = tcp.address().port;
  return way;
}

test('an answer that is lost on its way loses no firing and no request, and repeats none', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  const to = await peer(t);
  const way = await lossy(t, server.port);
  await admin.query('CREATE TABLE fired (at timestamptz DEFAULT clock_timestamp())');
  await serve(t, dir, url.replace(`:${server.port}`, `:${way.port}`), { SCRIPTORIUM_NET_ALLOW: '127.0.0.1' });
  way.drop = `${to.port}/0`;
  await admin.query('SELECT net.http_get($1 || i) FROM generate_series(0, 4) i', [`${to.url}/`]);
  const answers = await until(async () => {
    const { rows } = await admin.query('SELECT status_code, error_msg FROM net._http_response');
    return rows.length === 5 && rows;
  });
  assert.deepEqual(answers, Array(5).fill({ status_code: 200, error_msg: null }));
  assert.equal(to.seen.length, 5);
  assert.equal(way.drop, null);
  await admin.query("SELECT cron.schedule('once', '59 seconds', 'INSERT INTO fired DEFAULT VALUES')");
  await until(() => value(admin, 'SELECT next > 0 FROM cron.scriptorium_state'));
  way.drop = 'INSERT INTO fired';
  await admin.query('UPDATE cron.scriptorium_state SET next = 1');
  assert.equal((await ended(admin, 'once')).status, 'succeeded');
  assert.equal(way.drop, null);
  assert.equal(await value(admin, 'SELECT count(*) FROM fired'), 1);
  assert.equal(await value(admin, 'SELECT count(*) FROM cron.job_run_details'), 1);
});

test('the surface comes and goes under a running daemon', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const url = server.url({ database });
  assert.equal(run(dir, ['migrate', '--database', url]).code, 0);
  const d = await serve(t, dir, url);
  assert.equal(run(dir, ['migrate', '--with-cron', '--database', url]).code, 0);
  const admin = await server.connect({ database });
  t.after(() => admin.end());
  await admin.query(soon, ['x', 'SELECT 1']);
  assert.equal((await ended(admin, 'x')).status, 'succeeded');
  await admin.query('DROP SCHEMA cron CASCADE; DROP SCHEMA net CASCADE');
  assert.equal((await d.get('/readyz')).status, 200);
  d.process.kill('SIGTERM');
  await d.process.ended;
  assert.equal(d.process.code, 0);
});

test('a wrong URL of a user, or of this server, is told at the start', async (t) => {
  const dir = folder(t);
  const { url } = await prepared(t, dir);
  const said = (env) => {
    const done = run(dir, ['serve', '--listen', '127.0.0.1:0', '--database', url], { env: { SCRIPTORIUM_SERVICE_KEY: KEY, ...env } });
    assert.equal(done.code, 2, done.err);
    return done.err;
  };
  said({ SCRIPTORIUM_CRON_USERS: 'mysql://ann@db/x' });
  assert.match(said({ SCRIPTORIUM_PUBLIC_URLS: 'https://a.example/ xyz.supabase.co' }), /public-urls: 'xyz\.supabase\.co' is no address/);
});

test('no superuser anywhere: an owner migrates, a role of its own works, users schedule', async (t) => {
  const dir = folder(t);
  const database = await server.database();
  const admin = await server.connect({ database });
  t.after(() => admin.end());
  await admin.query(`CREATE ROLE owner LOGIN; CREATE ROLE engine LOGIN;
    ALTER DATABASE ${database} OWNER TO owner; ALTER SCHEMA public OWNER TO owner`);
  const done = run(dir, ['migrate', '--with-cron', '--database', server.url({ database, user: 'owner' })],
    { env: { SCRIPTORIUM_ENGINE_ROLE: 'engine' } });
  assert.equal(done.code, 0, done.err);
  const to = await peer(t);
  const d = await serve(t, dir, server.url({ database, user: 'engine' }), { SCRIPTORIUM_NET_ALLOW: '127.0.0.1',
    SCRIPTORIUM_CRON_USERS: server.url({ database, user: 'ann' }) });
  const owner = await server.connect({ database, user: 'owner' });
  const ann = await server.connect({ database, user: 'ann' });
  t.after(() => Promise.all([owner.end(), ann.end()]));
  await owner.query('GRANT USAGE ON SCHEMA cron TO ann');
  await ann.query(soon, ['ask', `SELECT net.http_get('${to.url}/ann')`]);
  assert.deepEqual([(await ended(ann, 'ask')).status, (await ended(ann, 'ask')).return_message], ['succeeded', '1 row']);
  await until(() => to.seen.some((s) => s.url === '/ann'));
  await until(async () => (await value(ann, 'SELECT count(*) FROM net._http_response WHERE status_code = 200')) > 0);
  await ann.query("SELECT cron.schedule('off', '@daily', 'SELECT 1'); UPDATE cron.job SET active = false WHERE jobname = 'off'");
  const list = ['cron', 'list', '--database', server.url({ database, user: 'engine' })];
  const listed = json(dir, list).sql;
  assert.deepEqual(listed.map((j) => [j.name, j.schedule, j.user, j.active]),
    [['ask', '1 seconds', 'ann', true], ['off', '@daily', 'ann', false]]);
  assert.ok(Math.abs(Date.parse(listed[0].next) - Date.now()) < 60_000 && listed[1].next === null, JSON.stringify(listed));
  assert.match(run(dir, list).out, /^\nIn SQL \(cron\.job\):\nname .*user\nask +1 seconds +20[^ ]+Z +ann\noff +@daily +off +ann\n$/);
  await ann.query("SELECT cron.unschedule('ask')");
  const scaled = run(dir, ['scale', '3x3', '--database', server.url({ database, user: 'engine' })]);
  assert.equal(scaled.code, 0, scaled.err);
  assert.deepEqual(d.logs().filter((l) => l.level === 'error'), []);
});

test('what was missed while no daemon ran is made up for once', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  await admin.query("SELECT cron.schedule('m', '* * * * *', 'SELECT 1'); SELECT cron.schedule('y', '@yearly', 'SELECT 1')");
  // As if a daemon had run until half an hour ago.
  await admin.query(`UPDATE cron.scriptorium_state SET since = scriptorium.us(now() - interval '30 minutes'),
    next = scriptorium.us(date_trunc('minute', now() - interval '29 minutes')) WHERE jobid = 1`);
  await serve(t, dir, url);
  assert.equal((await ended(admin, 'm')).status, 'succeeded');
  const next = await until(async () => value(admin, `SELECT scriptorium.at(next) - date_trunc('minute', now()) AS left
    FROM cron.scriptorium_state WHERE jobid = 1 AND next > scriptorium.us(now())`));
  assert.ok(next.minutes === 1 || next.minutes === undefined, JSON.stringify(next));
  assert.equal(await value(admin, 'SELECT count(*) FROM cron.job_run_details WHERE jobid = 2'), 0);
  const runs = await value(admin, "SELECT count(*) FROM cron.job_run_details WHERE start_time < now() - interval '0 seconds'");
  assert.ok(runs <= 2, `${runs} runs`); // one, and that of the full minute when it has just begun
});

test('scale writes our schedules as it writes the real ones, and takes it back', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  const command = "SELECT net.http_post(url := 'https://x.example/functions/v1/process-script-jobs', headers := jsonb_build_object('x-worker-id', 'worker-1'))";
  await admin.query("SELECT cron.schedule('process-script-jobs-worker-1', '* * * * *', $1)", [command]);
  const rows = async () => (await admin.query('SELECT jobname, schedule, command, active FROM cron.job ORDER BY 1')).rows;
  const old = await rows();
  const scaled = run(dir, ['scale', '3x3', '--database', url]);
  assert.equal(scaled.code, 0, scaled.err);
  assert.deepEqual((await rows()).map((r) => [r.jobname, /'(worker-\d)'/.exec(r.command)[1]]),
    [1, 2, 3].map((n) => [`process-script-jobs-worker-${n}`, `worker-${n}`]));
  assert.equal(run(dir, ['scale', '--undo', '--database', url]).code, 0);
  assert.deepEqual(await rows(), old);
});

const LOST = 'the daemon that ran it went away; how far the command came is not known';
const abandon = (admin) => admin.query("UPDATE cron.scriptorium_run SET held_until = now() - interval '1 second'"); // half a minute on

test('the daemon dies while commands run: none is started beside itself; what has ended is told as lost', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  const d = await serve(t, dir, url);
  await admin.query(soon, ['plain', 'SELECT pg_sleep(300)']); // notices by itself that nobody listens any more
  await admin.query(soon, ['stubborn', 'SET client_connection_check_interval = 0; SELECT pg_sleep(300)']);
  await until(async () => await backends(admin, 'pg_sleep(300)') === 2);
  d.process.kill('SIGKILL');
  await d.process.ended;
  await abandon(admin);
  await serve(t, dir, url);
  const row = await ended(admin, 'plain');
  assert.deepEqual([row.status, row.return_message], ['failed', LOST]);
  const [stubborn] = await until(async () => {
    const found = (await details(admin)).filter((r) => r.return_message?.startsWith(`${LOST}; the server still runs it`));
    return found.length === 1 && found;
  });
  await until(async () => (await details(admin)).filter((r) => r.command === 'SELECT pg_sleep(300)').length === 2);
  assert.equal(await backends(admin, 'SET client_connection_check_interval = 0; SELECT pg_sleep(300)'), 1);
  await admin.query('SELECT pg_terminate_backend($1)', [stubborn.job_pid]);
  const over = await ended(admin, 'stubborn');
  assert.deepEqual([over.runid, over.status, over.return_message], [stubborn.runid, 'failed', LOST]);
});

test('three nodes, and they are killed: no firing is made twice, none is forgotten', async (t) => {
  const JOBS = 150;
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  await admin.query('CREATE TABLE fired (job int, round int, at timestamptz DEFAULT clock_timestamp()); CREATE TABLE round AS SELECT 0 AS n');
  await admin.query(`SELECT cron.schedule('j' || i, '@yearly', format('INSERT INTO fired SELECT %s, n FROM round', i))
    FROM generate_series(1, ${JOBS}) i`);
  const nodes = await Promise.all([1, 2, 3].map(() => serve(t, dir, url)));
  await until(() => value(admin, 'SELECT min(next) > 0 FROM cron.scriptorium_state'));
  for (const round of [1, 2, 3]) {
    await admin.query(`UPDATE round SET n = ${round}; DELETE FROM cron.job_run_details`);
    await admin.query('UPDATE cron.scriptorium_state SET next = 1');
    await until(() => value(admin, `SELECT count(*) > ${JOBS / 5} FROM fired WHERE round = ${round}`));
    const victim = nodes.shift();
    victim.process.kill('SIGKILL');
    await victim.process.ended;
    await abandon(admin); // of those that live too: they have to stand it
    nodes.push(await serve(t, dir, url));
    await until(async () => await value(admin, 'SELECT count(*) FROM cron.scriptorium_run') === 0
      && await value(admin, 'SELECT min(next) > scriptorium.us(now()) FROM cron.scriptorium_state'), { timeout: 60_000 });
    assert.equal(await value(admin, `SELECT count(*) FROM (SELECT FROM fired WHERE round = ${round} GROUP BY job HAVING count(*) > 1) x`), 0);
    const { rows: gone } = await admin.query(`SELECT d.status, d.return_message FROM cron.job j LEFT JOIN cron.job_run_details d USING (jobid)
      WHERE NOT EXISTS (SELECT FROM fired f WHERE f.round = ${round} AND 'j' || f.job = j.jobname)`);
    assert.deepEqual(gone, gone.map(() => ({ status: 'failed', return_message: LOST })));
    assert.ok(gone.length <= 8, `${gone.length} of one node were lost`);
  }
});

test('what a user of net.* keeps locked holds up no schedule', async (t) => {
  const dir = folder(t);
  const { url, admin, as } = await prepared(t, dir);
  const to = await peer(t);
  const ann = await as('ann');
  await serve(t, dir, url, { SCRIPTORIUM_NET_ALLOW: '127.0.0.1' });
  const id = await value(admin, 'SELECT net.http_get($1)', `${to.url}/1`);
  await ann.query('BEGIN; LOCK TABLE net._http_response');
  await admin.query(soon, ['x', 'SELECT 1']);
  await until(async () => (await details(admin)).filter((r) => r.status === 'succeeded').length >= 3);
  await ann.query('ROLLBACK');
  await until(() => value(admin, 'SELECT status_code FROM net._http_response WHERE id = $1', id));
  assert.equal(to.seen.length, 1);
});

test('a time zone that this machine does not know: the job says so, and fires once it does', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  const d = await serve(t, dir, url, { TZDIR: dir });
  await admin.query("SELECT cron.schedule('berlin', 'CRON_TZ=Europe/Berlin 0 9 * * *', 'SELECT 1')");
  const row = await ended(admin, 'berlin');
  assert.equal(row.status, 'failed');
  assert.match(row.return_message, /Europe\/Berlin/);
  await until(() => d.logs().some((l) => l.message.includes('schedule berlin: ') && l.message.includes(row.return_message)));
  const list = ['cron', 'list', '--database', url];
  assert.deepEqual(json(dir, list).sql.map((j) => [j.name, j.next, j.error]), [['berlin', null, row.return_message]]);
  assert.match(run(dir, list).out, /^berlin .* unreadable: see --json +postgres$/m);
  assert.equal(d.logs().filter((l) => l.message.includes('schedule berlin: ')).length, 1);
  assert.ok(run(dir, ['doctor', '--database', url]).out.includes(row.return_message));
  d.process.kill('SIGTERM');
  await d.process.ended;
  await admin.query('UPDATE cron.scriptorium_state SET since = since - 172800000000, retry_at = 0'); // two days on
  await serve(t, dir, url);
  await until(async () => (await details(admin)).some((r) => r.status === 'succeeded'));
  assert.equal(json(dir, list).sql[0].error, undefined);
});

test('the daemon is stopped: commands and requests have a moment to end, then are ended, and say so', async (t) => {
  const dir = folder(t);
  const { url, admin } = await prepared(t, dir);
  const silent = await peer(t, () => {});
  const deaf = createTcp((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1'); // never a TLS handshake
  await until(() => deaf.listening);
  t.after(() => deaf.close());
  const d = await serve(t, dir, url, { SCRIPTORIUM_NET_ALLOW: '127.0.0.1' });
  const get = (where) => value(admin, 'SELECT net.http_get($1, timeout_milliseconds := 60000)', where);
  const sent = await get(silent.url);
  const unsent = await get(`https://127.0.0.1:${deaf.address().port}/`);
  await admin.query(soon, ['long', 'SELECT pg_sleep(600)']);
  await admin.query(soon, ['short', 'SELECT pg_sleep(1)']);
  await until(() => value(admin, `SELECT count(*) = 2 FROM cron.job_run_details WHERE status = 'running'`));
  await until(() => silent.seen.length === 1);
  await admin.query("SELECT cron.alter_job(jobid, schedule := '@yearly') FROM cron.job");
  d.process.kill('SIGTERM');
  await d.process.ended;
  assert.equal(d.process.code, 0);
  const last = async (name) => (await admin.query(`SELECT d.status, d.return_message FROM cron.job_run_details d
    JOIN cron.job j USING (jobid) WHERE j.jobname = $1 ORDER BY runid DESC LIMIT 1`, [name])).rows[0];
  assert.deepEqual(await last('short'), { status: 'succeeded', return_message: '1 row' });
  assert.deepEqual(await last('long'), { status: 'failed', return_message:
    'the daemon was stopped, and with it the command: ERROR:  canceling statement due to user request' });
  assert.equal(await value(admin, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND pid <> pg_backend_pid()"), 0);
  const answers = (await admin.query('SELECT id, error_msg FROM net._http_response')).rows;
  assert.deepEqual(answers, [{ id: sent, error_msg: 'the daemon was stopped before the answer came (it may have arrived)' }]);
  assert.deepEqual((await admin.query('SELECT id, held_until FROM net.http_request_queue')).rows, [{ id: unsent, held_until: null }]);
});

suite('schedules and requests in SQL', { concurrency: 4 }, (t) => Promise.all(cases.map(([name, fn]) => t.test(name, fn))));
