// Webhooks with a real receiver: signed, told at least once whatever dies or refuses, kept away from
// addresses that nobody permitted, and never in the way of jobs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, run, sql, until } from './harness.mjs';
import { receiver, secret, verify } from './receiver.mjs';
import { daemon } from './serve.mjs';

const { Webhook } = createRequire(import.meta.url)('standardwebhooks');
const USER = '11111111-1111-4111-8111-111111111111';
const still = ['--mode', 'triggered'];
const allow = { SCRIPTORIUM_WEBHOOK_ALLOW: '127.0.0.1' };

// The file and what is needed to start with it.
function configured(dir, webhooks, more = '') {
  const file = join(dir, 'config.yaml');
  fs.writeFileSync(file, `webhooks:\n${Object.entries(webhooks).map(([name, w]) => `  ${name}:\n${
    Object.entries(w).map(([k, v]) => `    ${k}: ${v}\n`).join('')}`).join('')}${more}`);
  return ['--config', file];
}

const ask = async (d, topic = 'Salt') => {
  const answer = await d.post('/v1/jobs', { body: { topic, targetDuration: 60, user_id: USER } });
  assert.equal(answer.status, 201, await answer.clone().text());
  return (await answer.json()).id;
};
const cancel = (d, id) => d.post(`/v1/jobs/${id}/cancel`);
const warnings = (d) => d.logs().filter((l) => /webhook/.test(l.message));
// As if the time had passed for which a delivery, or its next attempt, has to wait.
const hurry = (dir) => sql(dir, 'UPDATE scriptorium_outbox SET due = 0 WHERE state = 0');

test('each end is told once, signed, without the script', async (t) => {
  const dir = folder(t), key = secret(), old = secret();
  const r = await receiver(t);
  const d = await daemon(t, dir, { env: allow, args: configured(dir, {
    billing: { url: r.url, secret: `"${key} ${old}"` } }) });
  const id = await ask(d);
  const [one] = await until(() => r.seen.length > 0 && r.seen);
  assert.equal(one.method, 'POST');
  assert.equal(one.path, '/hook');
  assert.equal(one.headers['content-type'], 'application/json');
  assert.match(one.headers['user-agent'], /^scriptorium\//);
  assert.ok(verify(key, one.headers, one.body));
  assert.ok(verify(old, one.headers, one.body), 'while a secret changes the old one is good too');
  assert.ok(!verify(secret(), one.headers, one.body));
  assert.ok(!verify(key, one.headers, one.body.replace('completed', 'cancelled')));
  assert.deepEqual(new Webhook(key).verify(one.body, one.headers), one.json, 'the official library agrees');
  const job = json(dir, ['jobs', 'show', id]);
  const { type, timestamp, data } = one.json;
  assert.equal(type, 'job.completed');
  assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60000);
  assert.deepEqual([data.job_id, data.user_id, data.run, data.status, data.error],
    [id, USER, 1, 'completed', null]);
  assert.equal(data.words, job.script_metadata.words);
  assert.ok(Math.abs(data.cost_usd - job.cost_usd) < 1e-9 && data.cost_usd > 0);
  assert.ok(data.usage.calls > 0 && data.usage.output_tokens > 0);
  assert.ok(!one.body.includes(job.generated_script.slice(40, 80)) && one.body.length < 1000);

  const bad = await ask(d, 'x'.repeat(10));
  await until(() => r.seen.length === 2);
  assert.notEqual(r.seen[1].id, one.id);
  await d.post(`/v1/jobs/${bad}/retry`);
  await until(() => r.seen.length === 3);
  assert.equal(r.seen[2].json.data.run, 2);
  await until(() => json(dir, ['webhooks', 'list']).endpoints[0].delivered === 3);
  assert.equal(r.seen.length, 3);
  assert.ok(!d.process.err.includes(key.slice(6)) && !d.process.err.includes(old.slice(6)));
});

test('an endpoint hears only what it asked for; deleted and cancelled are ends too', async (t) => {
  const dir = folder(t);
  const all = await receiver(t), some = await receiver(t);
  const d = await daemon(t, dir, { env: { ...allow, SCRIPTORIUM_WEBHOOK_URL: all.url,
    SCRIPTORIUM_WEBHOOK_SECRET: secret(), SCRIPTORIUM_WEBHOOK_SOME_SECRET: secret() },
  args: [...still, ...configured(dir, { some: { url: some.url, events: '[deleted]' } })] });
  const a = await ask(d), b = await ask(d);
  await cancel(d, a);
  assert.ok((await d.delete(`/v1/jobs/${b}`)).ok);
  await until(() => all.seen.length === 2 && some.seen.length === 1);
  assert.deepEqual(all.seen.map((s) => s.json.type).sort(), ['job.cancelled', 'job.deleted']);
  assert.equal(some.seen[0].json.type, 'job.deleted');
  assert.equal(some.seen[0].json.data.job_id, b);
});

test('what is refused or fails is told again with the same id until it is taken', async (t) => {
  const dir = folder(t), key = secret();
  const r = await receiver(t, { answer: (s, response) => {
    if (s.nth === 1) response.writeHead(500).end('no');
    else if (s.nth === 2) response.socket.destroy();
    else response.writeHead(200).end('thanks');
  } });
  const d = await daemon(t, dir, { env: allow, args: [...still, ...configured(dir, {
    billing: { url: r.url, secret: key } })] });
  await cancel(d, await ask(d));
  await until(() => r.seen.length === 3);
  assert.equal(r.ids().size, 1);
  assert.ok(r.seen.every((s) => verify(key, s.headers, s.body)));
  assert.ok(r.seen[1].at - r.seen[0].at >= 700 && r.seen[2].at - r.seen[1].at >= 1400, 'backoff');
  await until(() => json(dir, ['webhooks', 'list', '--state', 'delivered']).deliveries.length === 1);
  const [one] = json(dir, ['webhooks', 'list']).deliveries;
  assert.deepEqual([one.id, one.attempts, one.http_status, one.error], [r.seen[0].id, 3, 200, null]);
  const told = warnings(d);
  assert.match(told[0].message, /webhook billing: attempt 1 failed/);
  const metrics = await (await d.get('/metrics')).text();
  assert.match(metrics, /^scriptorium_webhooks_total\{endpoint="billing",result="delivered"\} 1$/m);
  assert.match(metrics, /^scriptorium_webhooks_total\{endpoint="billing",result="failed"\} 2$/m);
  assert.match(metrics, /^scriptorium_webhook_troubled\{endpoint="billing"\} 0$/m);
  assert.match(JSON.stringify(told[0]), /HTTP 500/);
  await until(() => /webhook billing: attempt 1 failed/.test(run(dir, ['logs', '--job', one.job_id]).out));
});

test('a receiver that was down gets everything when it is back, a few at a time', async (t) => {
  const dir = folder(t);
  const first = await receiver(t);
  await first.close();
  const d = await daemon(t, dir, { env: allow, args: [...still, ...configured(dir, {
    billing: { url: first.url, secret: secret() } })] });
  sql(dir, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
    INSERT INTO script_generation_jobs (user_id) SELECT '${USER}' FROM n`);
  sql(dir, `UPDATE script_generation_jobs SET status = 'cancelled'`);
  await until(() => json(dir, ['webhooks', 'list', '--limit', '1']).endpoints[0].failing >= 20);
  const r = await receiver(t, { port: first.port });
  let failedOnce = 0;
  r.answer = (s, response) => {
    const fails = s.nth === 1 && r.ids().size % 10 === 0;
    failedOnce += fails;
    setTimeout(() => response.writeHead(fails ? 503 : 200).end(), 2);
  };
  await until(() => {
    hurry(dir);
    return json(dir, ['webhooks', 'list', '--limit', '1']).endpoints[0].delivered === 300;
  }, { timeout: 60000, every: 500 });
  assert.equal(r.ids().size, 300);
  assert.ok(failedOnce > 10);
  assert.ok(r.most <= 8, `${r.most} at once`);
  const jobs = new Set(r.seen.map((s) => s.json.data.job_id));
  assert.equal(jobs.size, 300);
  await d.logged((l) => /works again/.test(l.message));
});

test('killed between sending and noting, it sends again: nothing is lost', async (t) => {
  const dir = folder(t);
  let d;
  const r = await receiver(t, { answer: () => d.process.kill('SIGKILL') });
  const args = [...still, ...configured(dir, { billing: { url: r.url, secret: secret() } })];
  d = await daemon(t, dir, { env: allow, args });
  await cancel(d, await ask(d)).catch(() => {});
  await until(() => r.seen.length === 1);
  await d.process.ended;
  r.answer = (_, response) => response.writeHead(204).end();
  await daemon(t, dir, { env: allow, args });
  assert.equal(json(dir, ['webhooks', 'list']).deliveries[0].state, 'waiting');
  hurry(dir);
  await until(() => r.seen.length === 2);
  assert.equal(r.ids().size, 1);
  await until(() => json(dir, ['webhooks', 'list']).deliveries[0].state === 'delivered');
});

test('a receiver that hangs holds up neither jobs nor another endpoint, nor the end', async (t) => {
  const dir = folder(t);
  const slow = await receiver(t, { answer: () => {} }), quick = await receiver(t);
  const d = await daemon(t, dir, { env: allow, args: configured(dir, {
    slow: { url: slow.url, secret: secret() }, quick: { url: quick.url, secret: secret() } }) });
  const ids = await Promise.all(Array.from({ length: 12 }, () => ask(d)));
  await until(() => quick.seen.length === ids.length);
  assert.ok(slow.most <= 8);
  d.process.kill('SIGTERM');
  assert.equal((await d.process.ended).code, 0);
  // What was broken off is due at once.
  slow.answer = (_, response) => response.writeHead(204).end();
  const before = slow.ids();
  await daemon(t, dir, { env: allow, args: ['--config', join(dir, 'config.yaml')] });
  await until(() => json(dir, ['webhooks', 'list']).endpoints.find((e) => e.name === 'slow').delivered === 12);
  assert.ok([...before].every((id) => slow.ids().has(id)));
});

test('redirects are not followed, not even to where it may go', async (t) => {
  const dir = folder(t);
  const target = await receiver(t);
  const r = await receiver(t, { answer: (_, response) => response.writeHead(307, { location: target.url }).end() });
  const d = await daemon(t, dir, { env: allow, args: [...still, ...configured(dir, {
    billing: { url: r.url, secret: secret() } })] });
  await cancel(d, await ask(d));
  await until(() => warnings(d).some((l) => /307: redirects are not followed/.test(JSON.stringify(l))));
  assert.equal(target.seen.length, 0);
});

test('private addresses are refused by default, whatever they are called, and permitted by the setting', async (t) => {
  const dir = folder(t);
  const r = await receiver(t), key = secret();
  const urls = { plain: r.url, named: r.url.replace('127.0.0.1', 'localhost'),
    number: r.url.replace('127.0.0.1', '2130706433'), mapped: r.url.replace('127.0.0.1', '[::ffff:127.0.0.1]') };
  const args = [...still, ...configured(dir, Object.fromEntries(Object.entries(urls).map(
    ([name, url]) => [name, { url: `"${url}"`, secret: key }])))];
  let d = await daemon(t, dir, { args, env: { http_proxy: r.url, HTTP_PROXY: r.url, ALL_PROXY: r.url } });
  await cancel(d, await ask(d));
  for (const name of Object.keys(urls))
    await until(() => warnings(d).some((l) => l.message.includes(`webhook ${name}: attempt 1`)
      && /not public.*webhook_allow/.test(JSON.stringify(l))));
  assert.equal(r.seen.length, 0);
  d.process.kill('SIGTERM');
  await d.process.ended;
  hurry(dir);
  d = await daemon(t, dir, { args, env: { SCRIPTORIUM_WEBHOOK_ALLOW: `127.0.0.1:${r.port}` } });
  await until(() => r.seen.length >= 3);
});

test('410 Gone stops an endpoint; retry sends again what was given up', async (t) => {
  const dir = folder(t);
  const r = await receiver(t, { answer: (_, response) => response.writeHead(410).end() });
  const args = [...still, ...configured(dir, { billing: { url: r.url, secret: secret() } })];
  const d = await daemon(t, dir, { env: allow, args });
  await cancel(d, await ask(d));
  await d.logged((l) => /410 Gone; nothing more is sent/.test(l.message));
  await cancel(d, await ask(d));
  const { endpoints: [e], deliveries } = json(dir, ['webhooks', 'list']);
  assert.deepEqual([e.events, e.waiting, e.given_up, deliveries.length], [[], 0, 1, 1]);
  r.answer = (_, response) => response.writeHead(204).end();
  d.process.kill('SIGHUP'); // the operator says that it is there after all
  await until(() => json(dir, ['webhooks', 'list']).endpoints[0].events.length === 4);
  assert.deepEqual(json(dir, ['webhooks', 'retry', deliveries[0].id]), { again: 1 });
  await until(() => r.seen.length === 2);
  assert.equal(r.ids().size, 1);
  assert.match(run(dir, ['webhooks', 'list']).out, /billing/);
  const none = run(dir, ['webhooks', 'retry', USER]);
  assert.equal(none.code, 1);
  assert.match(none.err, /there is no delivery/);
});

test('after its time a delivery is given up, and that is told', async (t) => {
  const dir = folder(t);
  const r = await receiver(t, { answer: (_, response) => response.writeHead(400).end() });
  const d = await daemon(t, dir, { env: { ...allow, SCRIPTORIUM_WEBHOOK_GIVE_UP: '2s' },
    args: [...still, ...configured(dir, { billing: { url: r.url, secret: secret() } })] });
  await cancel(d, await ask(d));
  await d.logged((l) => /given up after \d attempts; 'scriptorium webhooks retry/.test(l.message));
  assert.equal(json(dir, ['webhooks', 'list', '--state', 'given-up']).deliveries.length, 1);
});

test('a configuration that cannot work is refused at once, and no secret is shown', (t) => {
  const dir = folder(t);
  const cases = [
    [{ b: { url: 'https://example.com' } }, /webhook 'b' has no secret.*openssl rand/],
    [{ b: { url: 'https://example.com', secret: 'hunter2hunter2' } }, /webhook 'b': a secret is whsec_/],
    [{ b: { url: 'ftp://example.com', secret: secret() } }, /config\.yaml:\d+: the url of webhook 'b' must be https/],
    [{ b: { url: 'https:///hooks', secret: secret() } }, /the url of webhook 'b' must be https/],
    [{ b: { url: 'https://example.com:99999/', secret: secret() } }, /the url of webhook 'b' must be https/],
    [{ b: { secret: secret() } }, /config\.yaml:\d+: .*url/],
    [{ b: { url: 'https://example.com', secret: secret(), events: '[done]' } }, /no event 'done'/],
    [{ 'b c': { url: 'https://example.com', secret: secret() } }, /webhook's name/],
    [{ b: { url: 'https://example.com', secret_file: '/nowhere' } }, /webhook 'b': \/nowhere/],
  ];
  for (const [webhooks, pattern] of cases) {
    const done = run(dir, ['serve', '--listen', '127.0.0.1:0', ...configured(dir, webhooks)]);
    assert.equal(done.code, 2, done.err);
    assert.match(done.err, pattern);
    assert.doesNotMatch(done.err, /hunter2/);
  }
  const done = run(dir, ['serve', '--listen', '127.0.0.1:0'], { env: { SCRIPTORIUM_WEBHOOK_ALLOW: '10.0.0.0/33' } });
  assert.equal(done.code, 2);
  assert.match(done.err, /webhook_allow: '10\.0\.0\.0\/33' is no network/);
});

test('a receiver behind an authority of one\'s own is known by its certificate, and by no other name', async (t) => {
  const dir = folder(t), file = join(dir, 'ca.pem');
  const tls = (name, host) => {
    const [key, cert] = [join(dir, `${name}.key`), join(dir, `${name}.pem`)];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', `/CN=${name}`, '-addext', `subjectAltName=${host}`, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { key: fs.readFileSync(key), cert: fs.readFileSync(cert) };
  };
  const known = tls('known', 'IP:127.0.0.1'), elsewhere = tls('elsewhere', 'DNS:elsewhere.example');
  fs.writeFileSync(file, Buffer.concat([known.cert, elsewhere.cert]));
  const good = await receiver(t, { tls: known }), other = await receiver(t, { tls: elsewhere });
  const webhooks = { good: { url: good.url, secret: secret() }, other: { url: other.url, secret: secret() } };
  const failed = (d, name, why) => until(() => warnings(d).find((l) => l.message.startsWith(`webhook ${name}: attempt`)
    && why.test(l.details)));
  let d = await daemon(t, dir, { env: allow, args: [...configured(dir, webhooks), ...still] });
  await cancel(d, await ask(d));
  await failed(d, 'good', /certificate/);
  assert.equal(good.seen.length + other.seen.length, 0);
  d.process.kill('SIGTERM');
  await d.process.ended;
  d = await daemon(t, dir, { env: { ...allow, SCRIPTORIUM_CA_FILE: file }, args: [...configured(dir, webhooks), ...still] });
  hurry(dir);
  await until(() => good.seen.length === 1);
  await failed(d, 'other', /subject name/);
  assert.equal(other.seen.length, 0);
  d.process.kill('SIGTERM');
  await d.process.ended;
  fs.writeFileSync(file, 'no certificate');
  const done = run(dir, ['serve', '--listen', '127.0.0.1:0'], { env: { SCRIPTORIUM_CA_FILE: file } });
  assert.notEqual(done.code, 0);
  assert.match(done.err, /ca_file: .*ca\.pem: there is no certificate in PEM in it/);
});
