// The function endpoint from outside: every answer to the letter, every log line, who may call it, its
// limit per worker id, and callers who do not wait.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, run, simulator, sql, start, until } from './harness.mjs';
import { daemon, KEY, raw, SECRET, token } from './serve.mjs';

const PATH = '/functions/v1/process-script-jobs';
const CORS = 'authorization, x-client-info, apikey, content-type, x-retry-count, traceparent, tracestate, baggage';
const USER = '0190aaaa-0000-7000-8000-000000000001';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

// Rows as a client writes them; their ids in order.
function insert(dir, n, { user = USER, retries = 3, params = { topic: 'Salt', targetDuration: 60 } } = {}) {
  const value = JSON.stringify(params).replaceAll("'", "''");
  const each = user === null
    ? "lower(hex(randomblob(4))) || '-0000-7000-8000-' || lower(hex(randomblob(6)))" : `'${user}'`;
  return sql(dir, `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${n})
    INSERT INTO script_generation_jobs (user_id, max_retries, generation_params)
    SELECT ${each}, ${retries}, '${value}' FROM c RETURNING id`).map((r) => r.id);
}

const triggered = (t, dir, { args = [], ...rest } = {}) =>
  daemon(t, dir, { args: ['--mode', 'triggered', ...args], speed: '100000', ...rest });
const call = (d, headers = {}, options = {}) => d.post(PATH, { headers, body: '{}', ...options });
const messages = (d) => d.logs().map((l) => l.message);

// The simulated provider behind one that answers its next `conflicts` requests with a conflict, which
// is not to be tried again: one attempt of a job fails.
async function grumpy(t, dir) {
  const sim = await simulator(t, dir, ['--speed', '100000']);
  const behind = new URL(sim.url);
  const provider = { conflicts: 0, delay: 0 };
  const server = http.createServer((request, answer) => {
    if (provider.conflicts > 0) {
      provider.conflicts -= 1;
      request.resume();
      answer.writeHead(409, { 'content-type': 'application/json', 'x-should-retry': 'false' });
      answer.end('{"type":"error","error":{"type":"conflict_error","message":"not now"}}');
      return;
    }
    const onward = http.request({ host: behind.hostname, port: behind.port, path: request.url,
      method: request.method, headers: request.headers }, (reply) => {
      answer.writeHead(reply.statusCode, reply.headers);
      reply.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    setTimeout(() => request.pipe(onward), provider.delay);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => { server.closeAllConnections(); server.close(); });
  provider.env = { ...sim.env, ANTHROPIC_BASE_URL: `http://127.0.0.1:${server.address().port}` };
  return provider;
}

async function same(answer, status, body) {
  assert.equal(answer.status, status);
  assert.match(answer.headers.get('content-type'), /^application\/json/);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.equal(answer.headers.get('access-control-allow-headers'), CORS);
  const text = await answer.text();
  if (body !== undefined) assert.equal(text, JSON.stringify(body));
  return JSON.parse(text);
}

test('a preflight is answered before any key, with exactly the old headers', async (t) => {
  const d = await triggered(t, folder(t));
  const answer = await d.options(PATH, { key: null });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'ok');
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.equal(answer.headers.get('access-control-allow-headers'), CORS);
});

test('who may call: the service key and service_role, and no label helps anybody else', async (t) => {
  const d = await triggered(t, folder(t), { env: { SCRIPTORIUM_JWT_SECRET: SECRET } });
  const refused = { error: 'Unauthorized' };
  await same(await call(d, {}, { key: null }), 401, refused);
  await same(await call(d, {}, { key: 'wrong' }), 401, refused);
  for (const caller of ['pg_cron', 'api', 'manual', 'service_role']) {
    await same(await call(d, { 'x-supabase-caller': caller, 'x-worker-id': '1' }, { key: null }), 401, refused);
  }
  await same(await call(d, {}, { key: token(USER) }), 401, refused);
  await same(await call(d, { apikey: KEY }, { key: token(USER) }), 401, refused);
  assert.equal(messages(d).filter((m) => /pending/.test(m)).length, 0, 'nothing was looked at');
  const nothing = { message: 'No pending jobs', processed: 0 };
  await same(await call(d), 200, nothing);
  await same(await call(d, { apikey: KEY }, { key: null }), 200, nothing);
  await same(await call(d, { apikey: 'anon' }), 200, nothing);
  await same(await call(d, {}, { key: token(USER, { role: 'service_role' }) }), 200, nothing);
  assert.equal((await d.get(PATH)).status, 405);
});

test('a batch: claimed, worked off, answered and logged word for word', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir);
  const ids = insert(dir, 5);
  const body = await same(await call(d, { 'x-worker-id': '2', 'x-supabase-caller': 'manual' }), 200);
  assert.deepEqual(Object.keys(body), ['message', 'processed', 'succeeded', 'failed', 'results']);
  assert.equal(body.message, 'Batch processing complete');
  assert.deepEqual([body.processed, body.succeeded, body.failed], [3, 3, 0]);
  const taken = body.results.map((r) => r.jobId);
  assert.deepEqual(taken, ids.slice(0, 3));
  for (const r of body.results) {
    assert.deepEqual(Object.keys(r), ['jobId', 'status', 'success', 'processingTime']);
    assert.equal(r.status, 'fulfilled');
    assert.equal(r.success, true);
    assert.ok(Number.isInteger(r.processingTime) && r.processingTime >= 0 && r.processingTime < 60);
  }
  await d.logged((l) => l.message === '✅ Batch complete: 3 succeeded, 0 failed');
  const said = d.logs().filter((l) => l.invocation !== undefined);
  const texts = said.map((l) => l.message);
  assert.deepEqual(texts.slice(0, 5), ['📋 Found 3 pending job(s) to process concurrently',
    ...taken.map((id) => `✅ Claimed job ${id} for processing`), '🚀 Processing 3 job(s) in parallel...']);
  assert.equal(texts.at(-1), '✅ Batch complete: 3 succeeded, 0 failed');
  assert.equal(new Set(said.map((l) => l.invocation)).size, 1);
  assert.deepEqual(said.slice(1, 4).map((l) => l.job), taken);
  // What was not taken waits for the next call: nothing else claims here.
  assert.deepEqual(sql(dir, "SELECT id FROM script_generation_jobs WHERE status = 'pending' ORDER BY rowid")
    .map((r) => r.id), ids.slice(3));
  assert.equal((await same(await call(d), 200)).processed, 2);
  await same(await call(d), 200, { message: 'No pending jobs', processed: 0 });
  await d.logged((l) => l.message === '✅ No pending script jobs found');
});

test('one failure never disturbs another; a retry is queued, the last attempt fails', async (t) => {
  const dir = folder(t);
  const provider = await grumpy(t, dir);
  const d = await triggered(t, dir, { env: provider.env, args: ['--concurrent-limit', '1'] });
  const [once] = insert(dir, 1);
  provider.conflicts = 1;
  let body = await same(await call(d), 200);
  assert.deepEqual([body.processed, body.succeeded, body.failed], [1, 0, 1]);
  assert.deepEqual(Object.keys(body.results[0]), ['jobId', 'status', 'success', 'error', 'shouldRetry']);
  assert.deepEqual({ ...body.results[0], error: '' },
    { jobId: once, status: 'fulfilled', success: false, error: '', shouldRetry: true });
  assert.ok(body.results[0].error.length > 0);
  await d.logged((l) => l.message === `🔄 Job ${once} queued for retry (attempt 1/3)`);
  await d.logged((l) => l.message === '✅ Batch complete: 0 succeeded, 1 failed');

  const [last] = insert(dir, 1, { retries: 2 });
  sql(dir, `UPDATE scriptorium_queue SET attempts = 2 WHERE job_id = '${last}'`);
  provider.conflicts = 1;
  body = await same(await call(d), 200);
  assert.deepEqual({ ...body.results[0], error: '' },
    { jobId: last, status: 'fulfilled', success: false, error: '', shouldRetry: false });
  await d.logged((l) => l.message === `❌ Job ${last} failed after 3 attempts`);

  const [bad] = insert(dir, 1, { params: {} });
  const [good] = insert(dir, 1);
  body = await same(await call(d, { 'x-worker-id': 'wide' }), 200);
  assert.deepEqual(body.results.map((r) => [r.jobId, r.success]), [[bad, false]]);
  body = await same(await call(d, { 'x-worker-id': 'wide' }), 200);
  assert.deepEqual(body.results.map((r) => [r.jobId, r.success]), [[good, true]]);
  const metrics = await (await d.get('/metrics')).text();
  const failures = [...metrics.matchAll(/^scriptorium_job_failures_total\{class="(\w+)"\} (\d+)$/gm)];
  assert.deepEqual(failures.map((m) => [m[1], Number(m[2])]), [['request', 1], ['limit', 0], ['provider', 2],
    ['script', 0], ['hook', 0], ['database', 0]]);
});

test('processingTime is to the nearest second, as in the row', async (t) => {
  const dir = folder(t);
  const provider = await grumpy(t, dir);
  const d = await triggered(t, dir, { env: provider.env });
  insert(dir, 1);
  provider.delay = 700;
  const { results: [one] } = await same(await call(d), 200);
  assert.ok(one.processingTime >= 1, String(one.processingTime));
  assert.ok(sql(dir, 'SELECT processing_time_seconds AS s FROM script_generation_jobs')[0].s >= 1);
});

test('a good and a bad job in one batch', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir);
  const [bad] = insert(dir, 1, { params: {} });
  const [good] = insert(dir, 1);
  const body = await same(await call(d), 200);
  assert.deepEqual([body.processed, body.succeeded, body.failed], [2, 1, 1]);
  const of = (id) => body.results.find((r) => r.jobId === id);
  assert.equal(of(good).success, true);
  assert.equal(of(bad).success, false);
  assert.equal(of(bad).shouldRetry, false);
});

test('the limit is per worker id, over all its unfinished calls', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir, { speed: '0.5' });
  insert(dir, 8);
  const asked = await call(d, { prefer: 'respond-async' });
  assert.equal(asked.headers.get('preference-applied'), 'respond-async');
  const accepted = await same(asked, 202);
  assert.deepEqual(Object.keys(accepted), ['message', 'processed', 'jobs']);
  assert.equal(accepted.message, 'Batch accepted');
  assert.equal(accepted.processed, 3);
  assert.equal(accepted.jobs.length, 3);
  for (const id of accepted.jobs) assert.match(id, UUID);
  const busy = { message: 'All jobs already being processed', processed: 0 };
  await same(await call(d), 200, busy);
  await same(await call(d, { 'x-worker-id': 'default' }), 200, busy);
  const other = await same(await call(d, { 'x-worker-id': 'process-script-jobs-worker-2', 'x-supabase-caller': 'pg_cron' }), 202);
  assert.equal(other.processed, 3);
  assert.equal(new Set([...accepted.jobs, ...other.jobs]).size, 6);
  // A place that becomes free is given again.
  sql(dir, `UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = '${accepted.jobs[0]}'`);
  const next = await same(await call(d, { 'x-supabase-caller': 'api' }), 202);
  assert.equal(next.processed, 1);
  // The limit is changed at run time, by a setting that all nodes read.
  await same(await call(d), 200, busy);
  sql(dir, "INSERT INTO scriptorium_setting VALUES ('concurrent_limit', '5')");
  assert.equal((await same(await call(d, { prefer: 'wait=5, Respond-Async' }), 202)).processed, 1);
  await same(await call(d, { 'x-worker-id': 'third' }), 200, { message: 'No pending jobs', processed: 0 });
  // A header may come more than once.
  insert(dir, 1);
  const twice = await raw(d.port, `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n`
    + `Authorization: Bearer ${KEY}\r\nx-worker-id: third\r\nPrefer: return=minimal\r\n`
    + 'Prefer: respond-async\r\nContent-Length: 0\r\n\r\n');
  assert.match(twice, /^HTTP\/1.1 202 /);
  assert.match(twice, /^Preference-Applied: respond-async\r$/mi);
});

test('200 calls at once claim disjoint jobs', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir, { args: ['--concurrent-limit', '2'] });
  const ids = insert(dir, 350, { user: null });
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) =>
    call(d, { 'x-worker-id': `w${i}`, prefer: 'respond-async' }).then((a) => a.json())));
  const taken = answers.flatMap((a) => a.jobs ?? []);
  assert.equal(taken.length, 350);
  assert.deepEqual([...taken].sort(), [...ids].sort());
  for (const a of answers) assert.ok(a.processed <= 2);
  await until(() => sql(dir, "SELECT count(*) AS n FROM script_generation_jobs WHERE status = 'completed'")[0].n === 350);
});

test('200 calls of one worker id never run more than its limit', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir, { speed: '1' });
  insert(dir, 20);
  const answers = await Promise.all(Array.from({ length: 200 }, () =>
    call(d, { prefer: 'respond-async' }).then((a) => a.json())));
  assert.equal(answers.reduce((n, a) => n + a.processed, 0), 3);
  assert.equal(sql(dir, "SELECT count(*) AS n FROM script_generation_jobs WHERE status = 'processing'")[0].n, 3);
});

test('a caller that hangs up changes nothing', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir, { speed: '200' });
  const ids = insert(dir, 3);
  const socket = net.connect(d.port, '127.0.0.1');
  socket.write(`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\nContent-Length: 2\r\n\r\n{}`);
  await d.logged((l) => l.message === '🚀 Processing 3 job(s) in parallel...');
  socket.destroy();
  await d.logged((l) => l.message === '✅ Batch complete: 3 succeeded, 0 failed');
  for (const id of ids) assert.equal(json(dir, ['jobs', 'show', id]).status, 'completed');
});

test('continuous mode and the endpoint side by side: its jobs take no slot', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { args: ['--concurrency', '1'], speed: '0.5' });
  insert(dir, 6);
  await d.logged((l) => /Claimed job/.test(l.message));
  assert.equal((await same(await call(d, { prefer: 'respond-async' }), 202)).processed, 3);
  assert.equal(sql(dir, 'SELECT count(*) AS n FROM scriptorium_queue WHERE state = 1')[0].n, 4);
});

test('bodies: none, garbage, chunked, too large', async (t) => {
  const d = await triggered(t, folder(t));
  const nothing = { message: 'No pending jobs', processed: 0 };
  await same(await d.post(PATH), 200, nothing);
  await same(await call(d, {}, { body: '[1, "two", null]' }), 200, nothing);
  assert.match((await same(await call(d, {}, { body: '{"a":' }), 400)).details, /not valid JSON/);
  assert.equal((await same(await call(d, {}, { body: '\u0000\u0001\uffff' }), 400)).error, 'Bad request');
  await same(await call(d, { 'x-worker-id': 'x'.repeat(201) }), 400);
  await same(await call(d, { 'x-worker-id': 'x'.repeat(200) }), 200, nothing);
  const refused = async () => (await (await d.get('/v1/invocations?limit=10')).json()).invocations.filter((i) => i.status === 400);
  await until(async () => (await refused()).length === 3);
  for (const i of await refused()) {
    assert.deepEqual([i.settled, i.processed], [true, 0]);
    assert.match(i.error, /not valid JSON|x-worker-id may have 200 bytes/);
  }
  const big = await fetch(d.url + PATH, { method: 'POST', body: 'x'.repeat(2 << 20), headers: { authorization: `Bearer ${KEY}` } });
  assert.equal(big.status, 413);
  assert.equal((await big.json()).error, 'Payload too large');
  const head = `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
  assert.match(await raw(d.port, `${head}1\r\n{\r\n1\r\n}\r\n0\r\n\r\n`), /^HTTP\/1.1 200 [^]*"No pending jobs"/);
  assert.match(await raw(d.port, `${head}ZZ\r\n{}\r\n0\r\n\r\n`), /^(HTTP\/1.1 4\d\d |$)/, "refused, or cut");
  await same(await call(d), 200, nothing);
});

test('the database away: 500, and it says what is wrong', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir);
  insert(dir, 1);
  const lock = spawn('sqlite3', [join(dir, 'scriptorium.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => lock.kill());
  let out = '';
  lock.stdout.on('data', (x) => { out += x; });
  lock.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n");
  await until(() => /locked/.test(out));
  const body = await same(await call(d), 500);
  assert.deepEqual(Object.keys(body), ['error', 'details']);
  assert.equal(body.error, 'Database error');
  assert.ok(body.details.length > 0);
  lock.stdin.write('ROLLBACK;\n.quit\n');
  await until(async () => (await call(d).then((a) => a.json())).succeeded === 1);
});

test('calls are remembered, and listed by API and command, newest first', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir, { env: { SCRIPTORIUM_KEEP_INVOCATIONS: '4' } });
  await call(d, {}, { key: null });
  await call(d);
  insert(dir, 2);
  insert(dir, 1, { params: {} });
  await call(d, { 'x-worker-id': 'w1', 'x-supabase-caller': 'manual' });
  insert(dir, 1);
  await call(d, { 'x-worker-id': 'w2', 'x-supabase-caller': 'pg_cron' });
  await until(() => json(dir, ['invocations']).invocations[0].settled);
  const { invocations, next_cursor } = await (await d.get('/v1/invocations')).json();
  assert.equal(next_cursor, null);
  const [cron, manual, idle] = invocations;
  assert.equal(invocations.length, 3, 'a refused call is none');
  const facts = ({ status, caller, worker_id, processed, succeeded, failed, settled }) =>
    [status, caller, worker_id, processed, succeeded, failed, settled];
  assert.deepEqual(facts(cron), [202, 'pg_cron', 'w2', 1, 1, 0, true]);
  assert.deepEqual(facts(manual), [200, 'manual', 'w1', 3, 2, 1, true]);
  assert.deepEqual(facts(idle), [200, null, 'default', 0, 0, 0, true]);
  for (const i of invocations) {
    assert.match(i.id, UUID);
    assert.match(i.time, /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.ok(i.duration_ms > 0);
    assert.match(i.version, /^\d+\.\d+/);
  }
  assert.ok(cron.duration_ms < manual.duration_ms * 10);
  assert.deepEqual(json(dir, ['invocations']).invocations, invocations);
  const page = await (await d.get('/v1/invocations?limit=2')).json();
  assert.deepEqual(page.invocations, invocations.slice(0, 2));
  assert.deepEqual((await (await d.get(`/v1/invocations?limit=2&cursor=${page.next_cursor}`)).json()).invocations, [idle]);
  assert.match(run(dir, ['invocations']).out, /pg_cron +w2/);
  await call(d);
  await call(d);
  await until(() => json(dir, ['invocations']).invocations.length === 4);
  assert.ok(!json(dir, ['invocations']).invocations.some((i) => i.id === idle.id), 'the oldest made room');
  assert.equal((await d.get('/v1/invocations', { key: 'no' })).status, 401);
});

test("each job's log: claimed, steps, retry, completed, with times; followed live", async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir);
  const follower = start(t, dir, ['logs', '--follow', '--json']);
  const [id, other] = insert(dir, 2);
  const [bad] = insert(dir, 1, { params: {} });
  await call(d);
  await follower.says(/Batch complete/);
  const lines = run(dir, ['logs', '--job', id, '--json']).out.trim().split('\n').map((l) => JSON.parse(l));
  const events = lines.map((l) => l.event);
  assert.equal(events[0], 'claimed');
  assert.equal(lines[0].message, `✅ Claimed job ${id} for processing`);
  assert.ok(events.slice(1, -1).every((e) => e === 'step') && events.length >= 3, String(events));
  assert.equal(events.at(-1), 'completed');
  for (const [i, l] of lines.entries()) {
    assert.equal(l.job, id);
    assert.match(l.time, /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.ok(i === 0 || (l.n > lines[i - 1].n && l.time >= lines[i - 1].time));
  }
  const failed = (await (await d.get(`/v1/logs?job_id=${bad}`)).json()).logs.at(-1);
  assert.equal(failed.level, 'error');
  assert.equal(failed.message, `❌ Job ${bad} failed after 1 attempts`);
  assert.ok(failed.details.length > 0);
  // The follower has seen every line once, in order.
  const all = (await (await d.get('/v1/logs?limit=1000')).json()).logs;
  const seen = follower.out.trim().split('\n').map((l) => JSON.parse(l).n);
  assert.deepEqual(seen, all.map((l) => l.n));
  const rest = await (await d.get(`/v1/logs?after=${all[1].n}&limit=2`)).json();
  assert.deepEqual(rest.logs, all.slice(2, 4));
  assert.equal(rest.last, all[3].n);
  const first = await (await d.get('/v1/logs?after=0&limit=2')).json();
  assert.deepEqual(first.logs, all.slice(0, 2));
  const ofCall = (await (await d.get(`/v1/logs?invocation=${all[0].invocation}&limit=1000`)).json()).logs;
  assert.ok(ofCall.some((l) => l.job === other) && ofCall.some((l) => l.job === null));
  follower.kill('SIGINT');
  await follower.ended;
  assert.equal(follower.code, 0);
  assert.equal((await d.get(`/v1/logs?job_id=${id}&invocation=${all[0].invocation}`)).status, 400);
});

test('the log is bounded', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir, { env: { SCRIPTORIUM_KEEP_LOG: '5' } });
  insert(dir, 3);
  await call(d);
  await until(() => /Batch complete/.test(run(dir, ['logs']).out));
  assert.equal(sql(dir, 'SELECT count(*) AS n FROM scriptorium_log')[0].n, 5);
});

test('a stop while a caller waits: it hears that the job is handed back', async (t) => {
  const dir = folder(t);
  const d = await triggered(t, dir, { speed: '1' });
  const [id] = insert(dir, 1);
  const waiting = call(d);
  await d.logged((l) => l.message === '🚀 Processing 1 job(s) in parallel...');
  d.process.kill('SIGTERM');
  const body = await same(await waiting, 200);
  assert.equal(body.results[0].jobId, id);
  assert.equal(body.results[0].success, false);
  assert.equal(body.results[0].shouldRetry, true);
  await d.process.ended;
  assert.equal(d.process.code, 0, d.process.err);
  assert.equal(sql(dir, 'SELECT status FROM script_generation_jobs')[0].status, 'pending');
  assert.equal(json(dir, ['invocations']).invocations[0].failed, 1);
});
