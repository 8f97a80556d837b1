// Who is let in: every route that the daemon itself says it has, with every kind of credential; keys
// made and tokens signed by Node's own cryptography.
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { folder, run, until } from './harness.mjs';
import { daemon, KEY } from './serve.mjs';

const SECRET = 'a-shared-secret-of-more-than-32-bytes';
const alice = randomUUID(), bob = randomUUID();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const now = Math.floor(Date.now() / 1000);
const cleanups = [];
let d, dir, fetched = 0, routes;

const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

// `by` signs: a string is an HMAC's secret, a key pair its own algorithm; what the header says is
// another matter.
function token(header, claims, by) {
  const text = `${part(header)}.${part({ exp: now + 3600, ...claims })}`;
  const signature = typeof by === 'string' ? createHmac('sha256', by).update(text).digest()
    : sign('sha256', Buffer.from(text), { key: by.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}
const hs = (claims, by = SECRET) => token({ alg: 'HS256', typ: 'JWT' }, claims, by);
const rs = (claims, header = {}) => token({ alg: 'RS256', kid: 'r', ...header }, claims, rsa);
const es = (claims, header = {}, by = ec) => token({ alg: 'ES256', kid: 'e', ...header }, claims, by);
const bearer = (key) => ({ authorization: `Bearer ${key}` });
const service = { role: 'service_role' };
const user = (id) => ({ role: 'authenticated', sub: id });

// Written by hand, unlike `routes`, which the daemon makes of the table that it works by: a new route is
// the operator's, or somebody decides here that it is not.
const OPEN = ['GET /', 'GET /healthz', 'GET /readyz'];
const ANYBODY = ['DELETE /v1/jobs/{id}', 'GET /openapi.json', 'GET /v1/events', 'GET /v1/jobs', 'GET /v1/jobs/{id}',
  'GET /v1/jobs/{id}/events', 'GET /v1/jobs/{id}/script', 'GET /v1/jobs/{id}/why', 'POST /v1/jobs',
  'POST /v1/jobs/{id}/cancel', 'POST /v1/jobs/{id}/retry'];
const FUNCTION = 'POST /functions/v1/process-script-jobs';

before(async () => {
  const t = { after: (fn) => cleanups.unshift(fn) };
  const jwk = (key, kid) => ({ ...key.publicKey.export({ format: 'jwk' }), kid, use: 'sig' });
  const issuer = createServer((request, answer) => {
    fetched++;
    answer.end(JSON.stringify({ keys: [jwk(rsa, 'r'), jwk(ec, 'e')] }));
  });
  await new Promise((done) => { issuer.listen(0, '127.0.0.1', done); });
  t.after(() => issuer.close());
  dir = folder(t);
  d = await daemon(t, dir, { args: ['--log-level', 'debug', '--mode', 'triggered'], env: {
    SCRIPTORIUM_JWT_SECRET: SECRET,
    SCRIPTORIUM_JWKS_URL: `http://127.0.0.1:${issuer.address().port}/jwks.json` } });
  await until(async () => (await status('GET', '/openapi.json', bearer(es(service)))) === 200);
  const document = await (await d.get('/openapi.json')).json();
  routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(), path: path.replace(/\{id\}/g, randomUUID()).replace(/\{[^}]+\}/g, 'x'),
      pattern: path, name: `${method.toUpperCase()} ${path}`, open: operation.security?.length === 0,
      says403: '403' in operation.responses })));
  for (const route of routes) route.operatorOnly = ![...OPEN, ...ANYBODY, FUNCTION].includes(route.name);
  assert.ok(routes.length > 5);
});

after(async () => {
  for (const fn of cleanups) await fn();
});

// The status alone: a stream of events would never end.
async function status(method, path, headers) {
  const stop = new AbortController();
  const answer = await fetch(d.url + path, { method, headers, signal: stop.signal,
    body: method === 'GET' || method === 'HEAD' ? undefined : '{}' });
  stop.abort();
  return answer.status;
}

const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' });
const refused = {
  'no key': {},
  'a wrong key': bearer('sb_secret_for_other_tests'),
  'the key cut by one': bearer(KEY.slice(0, -1)),
  'expired, HS256': bearer(hs({ ...service, exp: now - 61 })),
  'expired, ES256': bearer(es({ ...service, exp: now - 61 })),
  'not yet valid': bearer(rs({ ...service, nbf: now + 120 })),
  'alg none, unsigned': bearer(`${part({ alg: 'none' })}.${part(service)}.`),
  'alg none, signed': bearer(token({ alg: 'none' }, service, SECRET)),
  'the RSA public key as HMAC secret': bearer(token({ alg: 'HS256', kid: 'r' }, service, pem)),
  'the HMAC secret as RS256': bearer(token({ alg: 'RS256', kid: 'r' }, service, SECRET)),
  'signed by a stranger': bearer(es(service, {}, stranger)),
  'signed with another secret': bearer(hs(service, 'another-secret-of-more-than-32-bytes')),
  'an unknown kid': bearer(es(service, { kid: 'unknown' }, stranger)),
  'role anon': bearer(hs({ role: 'anon' })),
  'role anon with a sub': bearer(es({ role: 'anon', sub: alice })),
  'no role': bearer(es({ sub: alice })),
  'role authenticated without a sub': bearer(es({ role: 'authenticated' })),
  'a sub that is no uuid': bearer(es({ role: 'authenticated', sub: 'alice' })),
  'the key without a scheme': { authorization: KEY },
  'the key as Basic': { authorization: `Basic ${part(`service:${KEY}`)}` },
  'the key in x-api-key': { 'x-api-key': KEY },
  'the key in a cookie': { cookie: `apikey=${KEY}; sb-access-token=${KEY}` },
  'a wrong bearer beside the right apikey': { ...bearer('wrong'), apikey: KEY },
  'an anonymous bearer beside the right apikey': { ...bearer(hs({ role: 'anon' })), apikey: KEY },
  'the labels of cron': { 'x-supabase-caller': 'pg_cron', 'x-worker-id': 'worker-1' },
  'the label of the API': { 'x-supabase-caller': 'api' },
  'a label that claims a role': { 'x-supabase-caller': 'service_role', 'x-role': 'service_role' },
  garbage: bearer('%00..%ff {}'),
  'a token of 12 KiB': bearer('a'.repeat(12288)),
  'three parts of dots and noughts': bearer('0.0.0'),
};

test('every route is the operator\'s but those that are meant for others, and the document says so', () => {
  const names = routes.map((r) => r.name);
  for (const name of [...OPEN, ...ANYBODY, FUNCTION]) assert.ok(names.includes(name), name);
  assert.deepEqual(routes.filter((r) => r.open).map((r) => r.name).sort(), OPEN);
  for (const route of routes.filter((r) => r.operatorOnly)) assert.ok(route.says403, route.name);
});

test('whatever is not a good credential gets 401 from every route but the open ones', async () => {
  for (const route of routes) {
    for (const [name, headers] of Object.entries(refused)) {
      const got = await status(route.method, route.path, headers);
      const where = `${route.method} ${route.pattern}: ${name}: ${got}`;
      if (route.open) assert.notEqual(got, 401, where);
      else assert.equal(got, 401, where);
    }
    if (!route.open) {
      assert.equal(await status(route.method, `${route.path}?apikey=${KEY}&token=${KEY}`, {}), 401, route.path);
    }
  }
});

test('a 401 says no more than that, with the headers a browser needs', async () => {
  for (const headers of [{}, refused['expired, HS256'], refused['an unknown kid']]) {
    const answer = await fetch(`${d.url}/v1/stats`, { headers });
    assert.equal(answer.status, 401);
    assert.deepEqual(await answer.json(), { error: 'Unauthorized' });
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  }
});

test('the service key and every service_role token open every route', async () => {
  const good = {
    'the key': bearer(KEY), 'the key as apikey': { apikey: KEY },
    'the key beside an anonymous apikey': { ...bearer(KEY), apikey: hs({ role: 'anon' }) },
    HS256: bearer(hs(service)), RS256: bearer(rs(service)), ES256: bearer(es(service)),
    'no kid': bearer(es(service, { kid: undefined })), 'a token as apikey': { apikey: hs(service) },
    'within the leeway': bearer(hs({ ...service, exp: now - 20 })),
  };
  for (const route of routes) {
    for (const [name, headers] of Object.entries(good)) {
      const got = await status(route.method, route.path, headers);
      assert.ok(got !== 401 && got !== 403, `${route.method} ${route.pattern}: ${name}: ${got}`);
    }
  }
});

test('a user is known everywhere and refused what is the operator\'s', async () => {
  const good = { HS256: hs(user(alice)), RS256: rs(user(alice)), ES256: es(user(alice)) };
  for (const route of routes) {
    for (const [name, key] of Object.entries(good)) {
      const got = await status(route.method, route.path, { ...bearer(key), apikey: hs({ role: 'anon' }) });
      const where = `${route.method} ${route.pattern}: ${name}: ${got}`;
      if (route.operatorOnly && !route.open) assert.equal(got, 403, where);
      else if (route.pattern.startsWith('/functions/')) assert.equal(got, 401, where);
      else assert.ok(got !== 401 && got !== 403, where);
    }
  }
});

test('another user\'s job is not there', async () => {
  const own = routes.filter((r) => r.pattern.startsWith('/v1/jobs/{id}') && !r.operatorOnly);
  assert.ok(own.length >= 6, `routes to single jobs: ${own.map((r) => r.pattern)}`);
  const id = run(dir, ['enqueue', '--topic', 'Salt', '--user', alice]).out.trim();
  for (const route of own) {
    const path = route.pattern.replace('{id}', id);
    assert.equal(await status(route.method, path, bearer(es(user(bob)))), 404, `${route.method} ${route.pattern}`);
  }
  assert.equal(await status('GET', `/v1/jobs/${id}`, bearer(es(user(alice)))), 200);
  assert.equal(await status('GET', `/v1/jobs/${id}`, bearer(KEY)), 200);
  const list = async (key) => (await (await d.get('/v1/jobs', { key })).text()).includes(id);
  assert.equal(await list(es(user(alice))), true);
  assert.equal(await list(es(user(bob))), false);
});

test('strangers\' tokens make the daemon ask for keys no more than once a minute', () => {
  const minutes = Math.floor(Date.now() / 60000 - now / 60);
  assert.ok(fetched <= 2 + minutes, `asked ${fetched} times in ${minutes} minutes`);
});

test('no secret and no token is in the log, even at level debug', () => {
  const said = d.process.err + d.process.out;
  const secrets = [KEY, SECRET, ...Object.values(refused).flatMap((h) => Object.values(h))
    .map((v) => v.replace(/^\w+ /, '')).filter((v) => v.length > 40)];
  assert.match(said, /a token is refused: expired/);
  assert.doesNotMatch(said, /eyJ/);
  for (const secret of secrets) assert.ok(!said.includes(secret), `${secret.slice(0, 12)}... is in the log`);
});

test('settings that would let everybody in are refused, without quoting them', () => {
  for (const [env, pattern] of [
    [{ SCRIPTORIUM_SERVICE_KEY: hs({ role: 'anon' }) }, /another role than service_role/],
    [{ SUPABASE_SERVICE_ROLE_KEY: 'sb_publishable_hush' }, /publishable/],
    [{ SCRIPTORIUM_JWT_SECRET: 'hush' }, /needs 32 to/],
    [{ SCRIPTORIUM_JWT_SECRET: pem }, /public key is no secret/],
    [{ SCRIPTORIUM_JWKS_URL: 'file:///etc/hush' }, /no http or https URL/],
  ]) {
    const done = run(dir, ['serve', '--listen', '127.0.0.1:0', '--database', 'sqlite:other.db'], { env });
    assert.ok(done.code === 1 || done.code === 2, done.err);
    assert.match(done.err, pattern);
    assert.doesNotMatch(done.err, /hush|eyJ|BEGIN/);
  }
});
