// The daemon from outside: its life, its signals, who is let in, and every limit of a request.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, program, root, run, sql, start as launch, until } from './harness.mjs';
import { daemon, KEY, raw } from './serve.mjs';
import { open } from './sse.mjs';

async function error(answer, status, pattern) {
  assert.equal(answer.status, status);
  assert.match(answer.headers.get('content-type'), /^application\/json/);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  const body = await answer.json();
  assert.match(body.error, pattern, JSON.stringify(body));
  return body;
}

test('health, readiness and the wrong turns of a request', async (t) => {
  const d = await daemon(t, folder(t));
  for (const path of ['/healthz', '/readyz', '/']) {
    assert.equal((await d.get(path, { key: null })).status, 200, path);
  }
  await error(await d.get('/v2/jobs'), 404, /Not found/);
  const wrong = await d.delete('/v1/stats');
  assert.equal(wrong.headers.get('allow'), 'GET, HEAD, OPTIONS');
  await error(wrong, 405, /Method not allowed/);
  const head = await d.ask('HEAD')('/healthz');
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
});

test('only the key opens, in either header; Authorization decides when both are there', async (t) => {
  const d = await daemon(t, folder(t));
  const bearer = (key) => ({ key: null, headers: { authorization: key } });
  const status = async (options) => (await d.get('/v1/stats', options)).status;
  assert.equal(await status({}), 200);
  assert.equal(await status({ key: null, headers: { apikey: KEY } }), 200);
  assert.equal(await status({ key: null, headers: { apikey: 'anon', authorization: `Bearer ${KEY}` } }), 200);
  assert.equal(await status({ key: null }), 401);
  assert.equal(await status({ key: 'other' }), 401);
  assert.equal(await status({ key: KEY + 'x' }), 401);
  assert.equal(await status({ key: KEY.slice(0, -1) }), 401);
  assert.equal(await status(bearer(KEY)), 401);
  assert.equal(await status(bearer(`Basic ${KEY}`)), 401);
  assert.equal(await status({ key: 'other', headers: { apikey: KEY } }), 401);
  assert.equal(await status({ key: null, headers: { 'x-supabase-caller': 'pg_cron', 'x-worker-id': '1' } }), 401);
  const refused = await d.get('/v1/stats', { key: null });
  assert.deepEqual(await refused.json(), { error: 'Unauthorized' });
  assert.doesNotMatch(d.process.err + d.process.out, new RegExp(KEY));
});

test('a preflight is answered before any key', async (t) => {
  const d = await daemon(t, folder(t));
  const answer = await d.options('/v1/stats', { key: null });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'ok');
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.match(answer.headers.get('access-control-allow-headers'), /authorization, x-client-info, apikey/);
  assert.match((await d.get('/v1/jobs')).headers.get('access-control-expose-headers'), /Location, Retry-After, Content-Disposition/);
});

test('without a key: loopback only, a token of its own, and no other name', async (t) => {
  const dir = folder(t);
  const open = run(dir, ['serve', '--listen', '0.0.0.0:0']);
  assert.equal(open.code, 2);
  assert.match(open.err, /no key is configured; set SCRIPTORIUM_SERVICE_KEY/);
  const d = await daemon(t, dir, { env: { SCRIPTORIUM_SERVICE_KEY: '' } });
  const token = /#token=([A-Za-z0-9_-]{43})$/.exec(d.hello.operator_link)[1];
  assert.equal((await d.get('/v1/stats', { key: token })).status, 200);
  assert.equal((await d.get('/v1/stats', { key: null })).status, 401);
  assert.doesNotMatch(d.process.err, new RegExp(token), 'the token is in no log');
  const host = (name) => raw(d.port, `GET /healthz HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
  assert.match(await host('localhost'), /^HTTP\/1.1 200/);
  assert.match(await host(`127.0.0.1:${d.port}`), /^HTTP\/1.1 200/);
  assert.match(await host('[::1]:80'), /^HTTP\/1.1 200/);
  for (const name of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1', '[::2]',
    '[::1', '::1', '[localhost]', '[127.0.0.1]', '[::1]x', '[::1]:80x', 'localhost:80@evil.example', 'localhost:x', 'localhost]',
    'localhost evil.example', '']) {
    assert.match(await host(name), /^HTTP\/1.1 403/, name);
  }
  assert.match(await host('LOCALHOST:'), /^HTTP\/1.1 200/, 'a port may be empty');
  assert.match(await raw(d.port, 'GET /healthz HTTP/1.0\r\n\r\n'), /^HTTP\/1.[01] 403/, 'no name at all');
});

test('wrong settings: exit 2 and one line', (t) => {
  const dir = folder(t);
  for (const [args, pattern] of [
    [['--listen', 'here'], /'here' is no ADDRESS:PORT/],
    [['--processes', '2'], /--processes needs PostgreSQL/],
    [['--processes', '0'], /--processes must be between 1 and/],
    [['--mode', 'sometimes'], /--mode/],
    [['--listen', 'example.com:80'], /'example\.com' is no IPv4 or IPv6 address/],
  ]) {
    const done = run(dir, ['serve', ...args]);
    assert.equal(done.code, 2, done.err);
    assert.match(done.err, pattern);
    assert.equal(done.err.trim().split('\n').length, 1, done.err);
  }
});

test('works off what another process enqueues, and says so in JSON with job and worker', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir);
  const id = run(dir, ['enqueue', '--topic', 'Salt']).out.trim();
  await d.logged((l) => l.job === id && /^completed/.test(l.message));
  const claimed = d.logs().find((l) => l.job === id && /Claimed job/.test(l.message));
  assert.match(claimed.worker, /:\d+$/);
  assert.match(claimed.time, /^\d{4}-\d\d-\d\dT/);
  assert.equal(json(dir, ['jobs', 'show', id]).status, 'completed');
});

test('SIGTERM saves what is written, hands the job back and exits 0; the next one goes on', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '20' });
  const id = run(dir, ['enqueue', '--topic', 'Salt', '--minutes', '10']).out.trim();
  await until(() => sql(dir, 'SELECT 1 FROM scriptorium_text').length > 0);
  d.process.kill('SIGTERM');
  await d.process.ended;
  assert.equal(d.process.code, 0, d.process.err);
  assert.equal(json(dir, ['jobs', 'show', id]).status, 'pending');
  const again = await daemon(t, dir);
  await again.logged((l) => l.job === id && /^completed/.test(l.message));
});

test('while it drains: alive, not ready, no new work; a second signal exits at once', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '1', env: { SCRIPTORIUM_GRACE: '10m' } });
  run(dir, ['enqueue', '--topic', 'Salt']);
  await until(() => sql(dir, 'SELECT 1 FROM scriptorium_text').length > 0);
  d.process.kill('SIGTERM');
  await d.process.says(/stopping: jobs in work .*: 1"/);
  assert.equal((await d.get('/healthz')).status, 200);
  assert.match((await error(await d.get('/readyz'), 503, /Not ready/)).details, /about to end/);
  assert.equal((await d.get('/v1/stats')).status, 200);
  d.process.kill('SIGTERM');
  await d.process.ended;
  assert.equal(d.process.code, 128 + 15);
});

test('SIGHUP brings new keys and log level; a typo changes nothing', async (t) => {
  const dir = folder(t);
  const key = join(dir, 'key'), config = join(dir, 'c.yaml');
  writeFileSync(key, 'first\n');
  writeFileSync(config, 'log_level: info\n');
  const d = await daemon(t, dir, { args: ['--config', config], env: {
    SCRIPTORIUM_SERVICE_KEY: '', SCRIPTORIUM_SERVICE_KEY_FILE: key } });
  const status = async (k) => (await d.get('/v1/stats', { key: k })).status;
  assert.deepEqual([await status('first'), await status('second')], [200, 401]);
  const stream = await open(`${d.url}/v1/events`, { key: 'first' });
  assert.equal(stream.status, 200);
  writeFileSync(key, 'second\n');
  d.process.kill('SIGHUP');
  assert.equal(await stream.next(), null, 'the stream ends with its key');
  await d.process.says(/"message":"reloaded: log level, keys, /);
  assert.deepEqual([await status('first'), await status('second')], [401, 200]);
  assert.doesNotMatch(d.process.err, /until a restart/);
  writeFileSync(key, 'third\n');
  writeFileSync(config, 'log_level: info\nconcurency: 3\n');
  d.process.kill('SIGHUP');
  await d.process.says(/not reloaded, everything stays as it was: .*c\.yaml:2/);
  assert.deepEqual([await status('second'), await status('third')], [200, 401]);
  // What cannot be meant stays as it was; what needs a restart is named; the rest counts.
  writeFileSync(key, 'sb_publishable_third\n');
  writeFileSync(config, 'log_level: debug\nmode: triggered\nmax_streams: 7\nauth:\n  issuer: me\n');
  d.process.kill('SIGHUP');
  await d.process.says(/the keys stay as they were: the service key is a publishable one/);
  await d.process.says(/"message":"reloaded: log level, webhooks, mode, /);
  await d.process.says(/changed, but as it was until a restart: max-streams"/);
  assert.equal(await status('second'), 200);
  const id = run(dir, ['enqueue', '--topic', 'Salt', '--minutes', '1']).out.trim();
  const why = async () => (await (await d.get(`/v1/jobs/${id}/why`, { key: 'second' })).json()).code;
  await until(async () => await why() === 'triggered');
  writeFileSync(key, 'second\n');
  writeFileSync(config, 'log_level: info\n');
  d.process.kill('SIGHUP');
  await until(async () => await why() === 'ended');
});

test('a second engine on the same file is refused with a clear line', async (t) => {
  const dir = folder(t);
  await daemon(t, dir);
  const done = run(dir, ['serve', '--listen', '127.0.0.1:0']);
  assert.equal(done.code, 1);
  assert.match(done.err, /lock|engine|in use|another/i);
});

test('a port that is taken is named', async (t) => {
  const d = await daemon(t, folder(t));
  const done = run(folder(t), ['serve', '--listen', `127.0.0.1:${d.port}`]);
  assert.equal(done.code, 1);
  assert.match(done.err, new RegExp(`cannot listen on 127.0.0.1 port ${d.port}`));
});

test('ps shows no password of a database', async (t) => {
  const d = launch(t, folder(t), ['serve', '--listen', '127.0.0.1:0', '--json',
    '--database', 'postgres://engine:hush@127.0.0.1:1/app']);
  await d.says(/the database is away/);
  const shown = readFileSync(`/proc/${d.child.pid}/cmdline`, 'latin1');
  assert.match(shown, /serve\0.*--database\0postgres:/);
  assert.doesNotMatch(shown + d.err + d.out, /hush/);
});

// ---- limits ----

async function refusal(answer, status, pattern) {
  assert.equal(answer.status, status);
  assert.match((await answer.json()).error, pattern);
}

// A refusal that the server makes by itself: a browser must be able to read it too.
const CORS = /^Access-Control-Allow-Origin: \*\r$/mi;
const refusesItself = (text, code, words) => {
  assert.match(text, new RegExp(`^HTTP/1.1 ${code} `));
  assert.match(text, CORS);
  assert.match(text, /^Content-Type: application\/json\r$/mi);
  assert.match(JSON.parse(text.split('\r\n\r\n')[1]).error, words);
};

test('a body past 1 MiB is 413, also when it comes in chunks; one of 1 MiB is read', async (t) => {
  const d = await daemon(t, folder(t));
  const MiB = 1 << 20;
  await refusal(await d.post('/v1/stats', { body: 'x'.repeat(MiB + 1) }), 413, /too large/i);
  await refusal(await d.post('/v1/stats', { body: 'x'.repeat(2 * MiB) }), 413, /too large/i);
  const chunk = `10000\r\n${'y'.repeat(0x10000)}\r\n`;
  const chunked = await raw(d.port, 'POST /v1/stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
    + `Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}0\r\n\r\n`);
  refusesItself(chunked, 413, /too large/i);
  refusesItself(await raw(d.port, 'POST /v1/stats HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n'
    + 'Content-Length: 2097152\r\n\r\n'), 413, /too large/i);
  assert.equal((await d.post('/v1/stats', { body: 'x'.repeat(MiB) })).status, 405);
});

test('headers past 16 KiB are 431', async (t) => {
  const d = await daemon(t, folder(t));
  const ask = (n) => raw(d.port, `GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: ${'a'.repeat(n)}\r\n\r\n`);
  assert.match(await ask(15000), /^HTTP\/1.1 200/);
  refusesItself(await ask(17000), 431, /headers/i);
  assert.match(await ask(100000), /^HTTP\/1.1 431/);
});

test('what is no HTTP gets 400 and the daemon goes on', async (t) => {
  const d = await daemon(t, folder(t));
  assert.match(await raw(d.port, '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', { end: true }), /^$|^HTTP\/1.[01] 400/);
  assert.match(await raw(d.port, 'GET / HTTP/1.1\r\nno colon here\r\n\r\n', { end: true }), /^$|^HTTP\/1.[01] [24]0/);
  assert.equal((await d.get('/healthz')).status, 200);
});

test('a head that can be read in two ways is refused once, in JSON', async (t) => {
  const d = await daemon(t, folder(t));
  const head = (lines) => raw(d.port, `POST /v1/jobs HTTP/1.1\r\n${lines}\r\n\r\n`);
  assert.match(await head('X: 1'), /^HTTP\/1.1 400 /);
  assert.match(await head(`Host: localhost\r\nAuthorization: Bearer ${KEY}\0junk`), /^HTTP\/1.1 400 /);
  for (const lines of ['Host: localhost\r\nHost: other', `Host: localhost\r\nAuthorization: Bearer ${KEY}\r\nAuthorization: Bearer other`,
    ...['-1', 'abc', '1x', ''].map((n) => `Host: localhost\r\nContent-Length: ${n}`)]) {
    const said = await head(lines);
    refusesItself(said, 400, /bad request/i);
    assert.equal(said.match(/^HTTP\//mg).length, 1, lines);
  }
  const huge = await head('Host: localhost\r\nContent-Length: 99999999999999999999');
  refusesItself(huge, 413, /too large/i);
  assert.equal(huge.match(/^HTTP\//mg).length, 1);
  const absolute = (target) => raw(d.port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  assert.match(await absolute('http://localhost/healthz'), /^HTTP\/1.1 200 /);
  refusesItself(await absolute('http://other/healthz'), 400, /bad request/i);
});

test('a body whose end is not clear is refused, and nothing behind it is taken for a request', async (t) => {
  const d = await daemon(t, folder(t));
  for (const framing of ['Content-Length: 2\r\nContent-Length: 3', 'Content-Length: 2\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: gzip', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'Content-Length : 2', 'Transfer-Encoding : chunked', 'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked']) {
    const said = await raw(d.port, `POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n{}`
      + 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    refusesItself(said, 400, /bad request/i);
    assert.doesNotMatch(said, /"ok"/, framing);
  }
});

test('500 clients that leave in the middle of a request are forgotten', async (t) => {
  const d = await daemon(t, folder(t));
  const halves = ['GET /healthz HTTP/1.1\r\nHost: loc', 'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{"to'];
  await Promise.all(Array.from({ length: 500 }, (_, i) => raw(d.port, halves[i % 2], { end: true })
    .catch(() => '')));
  await until(async () => /_http_connections 1$/m.test(await (await d.get('/metrics')).text()));
});

test('headers and bodies that drip are cut after ten seconds, whatever still comes', async (t) => {
  const d = await daemon(t, folder(t));
  const { connect } = await import('node:net');
  const drip = (head) => new Promise((done) => {
    let text = '', timer;
    const began = Date.now();
    const socket = connect(d.port, '127.0.0.1', () => {
      socket.write(head);
      timer = setInterval(() => socket.write('a'), 500);
    });
    socket.on('data', (b) => { text += b; });
    socket.on('error', () => {});
    socket.on('close', () => { clearInterval(timer); done({ text, took: Date.now() - began }); });
  });
  const all = await Promise.all([
    drip('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: '),
    drip('POST /v1/stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n'),
    drip(''),
  ]);
  for (const { text, took } of all) {
    refusesItself(text, 408, /timeout/i);
    assert.ok(took > 9000 && took < 13000, `cut after ${took} ms`);
  }
  assert.equal((await d.get('/healthz')).status, 200);
});

test('10,000 connections that say nothing: newcomers hear 503, who is known is served, the work goes on', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { env: { SCRIPTORIUM_MAX_CONNECTIONS: '1000' } });
  const http = await import('node:http');
  const { connect } = await import('node:net');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const known = () => new Promise((done, fail) => {
    http.get(`${d.url}/healthz`, { agent }, (answer) => {
      answer.resume();
      answer.on('end', () => done(answer.statusCode));
    }).on('error', fail);
  });
  assert.equal(await known(), 200);
  const silent = Array.from({ length: 10000 }, () => {
    const one = { socket: connect(d.port, '127.0.0.1'), opened: false, heard: '', closed: false };
    one.socket.on('connect', () => { one.opened = true; });
    one.socket.on('data', (b) => { one.heard += b; });
    one.socket.on('error', () => {});
    one.socket.on('close', () => { one.closed = true; });
    return one;
  });
  t.after(() => { silent.forEach((s) => s.socket.destroy()); agent.destroy(); });
  const heard = (status) => silent.filter((s) => s.heard.startsWith(`HTTP/1.1 ${status} `));
  await until(() => heard(503).length > 0);
  assert.equal(await known(), 200);
  const id = run(dir, ['enqueue', '--topic', 'Salt', '--minutes', '1']).out.trim();
  await d.logged((l) => l.job === id && /^completed/.test(l.message));
  assert.equal(await known(), 200);
  // Those that found a place hear after ten seconds that they were too slow; all others that there is none.
  await until(() => silent.every((s) => s.closed), { what: () => `${silent.filter((s) => !s.closed).length} of them` });
  assert.equal(silent.filter((s) => s.opened).length, 10000);
  heard(503).forEach((s) => refusesItself(s.heard, 503, /unavailable/i));
  heard(408).forEach((s) => refusesItself(s.heard, 408, /timeout/i));
  assert.equal(heard(503).length + heard(408).length, 10000);
  assert.ok(heard(408).length >= 999, `${heard(408).length} found a place`);
  assert.equal((await d.get('/healthz')).status, 200);
});

test('at the limit every newcomer hears 503 within a second or so, health checks too', async (t) => {
  const d = await daemon(t, folder(t), { args: ['--mode', 'triggered'], env: { SCRIPTORIUM_MAX_CONNECTIONS: '100' } });
  const { connect } = await import('node:net');
  const ask = (end) => new Promise((done) => {
    const began = Date.now();
    const one = { text: '', socket: connect(d.port, '127.0.0.1') };
    one.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    one.socket.on('data', (b) => { one.text += b; });
    one.socket.on('error', () => {});
    one.socket.on(end, () => done({ ...one, took: Date.now() - began }));
    t.after(() => one.socket.destroy());
  });
  const kept = await Promise.all(Array.from({ length: 100 }, () => ask('data')));
  kept.forEach((k) => assert.match(k.text, /^HTTP\/1.1 200 /));
  const newcomers = await Promise.all(Array.from({ length: 200 }, () => ask('close')));
  for (const n of newcomers) {
    refusesItself(n.text, 503, /unavailable/i);
    assert.ok(n.took < 3000, `${n.took} ms`);
  }
  kept[0].socket.destroy();
  await until(async () => (await d.get('/healthz').catch(() => ({ status: 0 }))).status === 200);
});

test('few open files: clients do not take those that jobs need', async (t) => {
  const dir = folder(t);
  const child = spawn('sh', ['-c', 'ulimit -n 256; exec "$0" serve --listen 127.0.0.1:0 --json --speed 1000 --concurrency 8', program],
    { cwd: dir, env: { PATH: process.env.PATH, SCRIPTORIUM_SERVICE_KEY: KEY }, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let out = '', err = '';
  child.stdout.on('data', (b) => { out += b; });
  child.stderr.on('data', (b) => { err += b; });
  await until(() => /"message":"ready"/.test(err) && /\n/.test(out));
  assert.match(err, /max-connections is 112, not 4096: the system allows this process too few open files/);
  const { connect } = await import('node:net');
  const silent = Array.from({ length: 400 }, () => connect(Number(new URL(JSON.parse(out).url).port), '127.0.0.1')
    .on('error', () => {}));
  t.after(() => silent.forEach((s) => s.destroy()));
  let refused = '';
  silent.forEach((s) => s.on('data', (b) => { refused += b; }));
  await until(() => /^HTTP\/1.1 503/m.test(refused));
  const ids = Array.from({ length: 8 }, () => run(dir, ['enqueue', '--topic', 'Salt', '--minutes', '1']).out.trim());
  await until(() => ids.every((id) => new RegExp(`completed: .*${id}`).test(err)));
  assert.doesNotMatch(err, /"level":"error"/);
});

// ---- systemd ----

test('under systemd: takes the passed socket, tells ready, feeds the watchdog, tells stopping', async (t) => {
  const dir = folder(t);
  const helper = spawn('python3', [join(root, 'tests/blackbox/as_systemd.py'), program, 'serve'], {
    cwd: dir, env: { ...process.env, SCRIPTORIUM_SERVICE_KEY: KEY, ANTHROPIC_API_KEY: '' },
    stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  helper.stdout.on('data', (d) => { out += d; });
  const ended = new Promise((done) => { helper.on('close', done); });
  t.after(() => helper.kill('SIGKILL'));
  await until(() => /READY=1/.test(out));
  const port = /^port (\d+)/.exec(out)[1];
  assert.equal((await fetch(`http://127.0.0.2:${port}/readyz`)).status, 200);
  assert.match(out, new RegExp(`answers at http://127\\.0\\.0\\.2:${port}$`, 'm'), 'the socket decides, not --listen');
  await until(() => (out.match(/WATCHDOG=1/g) ?? []).length >= 3);
  helper.kill('SIGTERM');
  assert.equal(await ended, 0);
  assert.match(out, /STOPPING=1/);
});
