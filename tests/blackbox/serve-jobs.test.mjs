// The jobs API from outside: what is asked for, shown, changed; by whom; and that the OpenAPI
// document tells the truth about it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { folder, json, root, run, simulator, sql, until } from './harness.mjs';
import { scrape } from './scrape.mjs';
import { daemon, KEY, SECRET, token } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

let server;
before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

// Arguments that name a new store of that kind.
async function storeOf(dir, store) {
  if (store === 'SQLite') return [];
  const more = ['--database', server.url({ database: await server.database() })];
  assert.equal(run(dir, ['migrate', ...more]).code, 0);
  return more;
}

const ALICE = '11111111-1111-4111-8111-111111111111';
const BOB = '22222222-2222-4222-8222-222222222222';
const NOBODY = '99999999-9999-4999-8999-999999999999';
// Nothing is claimed: what waits stays waiting.
const still = { args: ['--mode', 'triggered'], env: { SCRIPTORIUM_JWT_SECRET: SECRET } };

async function created(d, body, options = {}) {
  const answer = await d.post('/v1/jobs', { ...options, body: { topic: 'Salt', ...body } });
  assert.equal(answer.status, 201, await answer.clone().text());
  return answer.json();
}

async function refused(answer, status, pattern) {
  const text = await answer.text();
  assert.equal(answer.status, status, text);
  assert.match(text, pattern);
}

test('a job is asked for, waited for, shown and read in every form', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir);
  const body = { topic: 'Why bridges hum', targetDuration: 120, user_id: ALICE, priority: 8, note: 'kept' };
  const answer = await d.post('/v1/jobs', { body });
  assert.equal(answer.status, 201);
  const job = await answer.json();
  assert.deepEqual(Object.keys(job), ['id', 'status', 'position', 'estimated_start', 'estimated_finish']);
  assert.equal(answer.headers.get('location'), `/v1/jobs/${job.id}`);
  const done = await until(async () => {
    const now = await (await d.get(`/v1/jobs/${job.id}`)).json();
    return now.status === 'completed' && now;
  });
  assert.equal(done.user_id, ALICE);
  assert.equal(done.priority, 8);
  assert.deepEqual(done.generation_params, { topic: body.topic, targetDuration: 120, note: 'kept' });
  assert.equal(done.progress, 100);
  assert.ok(done.steps.length >= 1 && done.steps.every((s) => s.usage.output > 0 && s.cost_usd > 0));
  for (const kind of ['input', 'output', 'cacheRead', 'cacheWrite']) {
    assert.equal(done.usage[kind], done.steps.reduce((sum, s) => sum + s.usage[kind], 0), kind);
  }
  assert.ok(Math.abs(done.cost_usd - done.steps.reduce((sum, s) => sum + s.cost_usd, 0)) < 1e-9);
  assert.deepEqual(json(dir, ['jobs', 'show', job.id]).generated_script, done.generated_script);

  const script = (format) => d.get(`/v1/jobs/${job.id}/script${format ? `?format=${format}` : ''}`);
  const md = await script();
  assert.match(md.headers.get('content-type'), /^text\/markdown/);
  assert.equal(await md.text(), done.generated_script);
  const txt = await (await script('txt')).text();
  assert.doesNotMatch(txt, /^#|\*\*/m);
  assert.match(txt, /^Description$/m);
  const parts = await (await script('json')).json();
  assert.equal(parts.words, done.script_metadata.words);
  assert.deepEqual(parts.tags, done.script_metadata.tags);
  assert.ok(parts.sections.length > 1 && parts.sections.every((s) => s.text.length > 0));
  await refused(await script('pdf'), 400, /md, txt, teleprompter, json, srt, vtt, fountain/);
});

// Without what may differ between two looks.
const names = (object) => Object.keys(object).sort();

for (const store of ['SQLite', 'PostgreSQL']) test(`commands make and show jobs as the API does, on ${store}`, async (t) => {
  const dir = folder(t), more = await storeOf(dir, store);
  const d = await daemon(t, dir, { args: [...more, '--concurrency', '1'], speed: '20' });
  const command = (args, options) => json(dir, [...args, ...more], options);
  const enqueue = (body, args = []) => {
    writeFileSync(join(dir, 'request.json'), JSON.stringify({ targetDuration: 60, ...body }));
    return command(['enqueue', '--params', 'request.json', ...args]);
  };
  const comesTo = (id, status) => until(async () => (await (await d.get(`/v1/jobs/${id}`)).json()).status === status);
  await comesTo((await created(d, { user_id: ALICE, targetDuration: 120 })).id, 'completed');
  const { id } = await created(d, { user_id: ALICE, targetDuration: 3600 });
  await comesTo(id, 'processing');
  const body = { topic: 'Tea', user_id: ALICE, priority: 7, workflow_id: BOB, idempotencyKey: 'tea' };
  const posted = await d.post('/v1/jobs', { body: { ...body, targetDuration: 60 } });
  const made = await posted.json();
  const again = enqueue(body);
  assert.deepEqual([again.id, again.existed], [made.id, true], 'one key, one job, whichever way it came');
  assert.deepEqual(names(again), [...names(made), 'existed'].sort());
  const other = enqueue({ ...body, idempotencyKey: 'salt' }, ['--priority', '3']);
  assert.equal(other.existed, false);

  const one = await (await d.get(`/v1/jobs/${other.id}`)).json();
  assert.deepEqual([one.user_id, one.workflow_id, one.priority], [ALICE, BOB, 3]);
  assert.deepEqual(one.generation_params, { targetDuration: 60, topic: 'Tea', idempotencyKey: 'salt' });
  const shown = command(['jobs', 'show', other.id]);
  assert.deepEqual(names(shown), [...names(one), 'why'].sort());
  const { estimated_start, estimated_finish, why, ...same } = shown;
  assert.ok(Date.parse(estimated_start) > Date.now() && Date.parse(estimated_finish) > Date.parse(estimated_start));
  const { estimated_start: start, estimated_finish: finish, ...asked } = one;
  assert.deepEqual(same, asked);

  const page = await (await d.get('/v1/jobs?limit=2')).json();
  const listed = command(['jobs', 'list', '--limit', '2']);
  assert.deepEqual([names(listed), names(listed.jobs[0])], [names(page), names(page.jobs[0])]);
  assert.deepEqual(names(page.jobs[0]), names(one).filter((m) => !['steps', 'generation_params', 'script_metadata', 'generated_script'].includes(m)));
  assert.deepEqual(listed.jobs.map((j) => [j.id, j.position, typeof j.estimated_start]),
    [[other.id, 2, 'string'], [made.id, 1, 'string']]);
  assert.equal(listed.next_cursor, page.next_cursor);
  const rest = command(['jobs', 'list', '--cursor', listed.next_cursor]);
  assert.deepEqual([rest.jobs[0].id, rest.jobs.length, rest.next_cursor], [id, 2, null]);
  assert.equal(run(dir, ['jobs', 'list', '--cursor', 'x', ...more]).code, 2);

  for (const [wrong, pattern] of [[{ mode: 'batch' }, /mode: batch/], [{ priority: 11 }, /priority: .*1 to 10/],
    [{ user_id: 'me' }, /user_id: expected an id/]]) {
    writeFileSync(join(dir, 'wrong.json'), JSON.stringify({ ...body, idempotencyKey: undefined, ...wrong }));
    const done = run(dir, ['enqueue', '--params', 'wrong.json', ...more]);
    assert.equal(done.code, 2);
    assert.match(done.err, pattern);
  }
  await d.post('/functions/v1/process-script-jobs');
  await d.post('/functions/v1/process-script-jobs');
  const calls = await (await d.get('/v1/invocations?limit=1')).json();
  const listedCalls = command(['invocations', '--limit', '1']);
  assert.deepEqual([names(listedCalls), names(listedCalls.invocations[0])], [names(calls), names(calls.invocations[0])]);
  assert.equal(command(['invocations', '--cursor', listedCalls.next_cursor]).invocations.length, 1);
});

test('rows of a list have places, estimates and tokens', async (t) => {
  const d = await daemon(t, folder(t), { args: ['--concurrency', '1'], speed: '40' });
  const first = await created(d, { user_id: ALICE, targetDuration: 60 });
  for (let i = 0; i < 3; i++) await created(d, { user_id: ALICE, targetDuration: 1200 });
  await until(async () => (await (await d.get(`/v1/jobs/${first.id}`)).json()).status === 'completed');
  // Places are of a moment ago: until they have caught up.
  const { jobs, waiting } = await until(async () => {
    const { jobs } = await (await d.get('/v1/jobs')).json();
    const waiting = jobs.filter((j) => j.status === 'pending');
    return waiting.length > 0 && waiting.every((j, i) => j.position === waiting.length - i) && { jobs, waiting };
  });
  assert.ok(waiting.every((j) => Date.parse(j.estimated_finish) > Date.parse(j.estimated_start)));
  const done = jobs.find((j) => j.id === first.id);
  assert.deepEqual([done.position, done.estimated_start], [0, null]);
  assert.equal(done.usage.output, done.output_tokens);
  assert.equal(done.usage.input + done.usage.cacheRead + done.usage.cacheWrite, done.input_tokens);
  assert.ok(done.usage.output > 0);
});

test('the same Idempotency-Key of the same user is the same job, answered with 200', async (t) => {
  const d = await daemon(t, folder(t), still);
  const post = (key, user_id) => d.post('/v1/jobs', {
    headers: { 'idempotency-key': key }, body: { topic: 'Salt', user_id } });
  const first = await post('k', ALICE);
  assert.equal(first.status, 201);
  const { id } = await first.json();
  const again = await post('k', ALICE);
  assert.equal(again.status, 200);
  assert.equal((await again.json()).id, id);
  assert.equal((await post('k', BOB)).status, 201);
  assert.equal((await post('l', ALICE)).status, 201);
  await refused(await post('x'.repeat(256), ALICE), 400, /idempotency key/);
  const many = await Promise.all(Array.from({ length: 20 }, () => post('race', ALICE)));
  assert.equal(many.filter((a) => a.status === 201).length, 1);
  assert.equal(new Set(await Promise.all(many.map(async (a) => (await a.json()).id))).size, 1);
});

test('a request that cannot be run is refused with 400 and the member that is wrong', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, still);
  for (const [body, pattern] of [
    ['', /JSON/], ['not json', /not valid JSON/], ['[]', /object/], ['{"topic":"a"', /not valid JSON/],
    ['{"topic":"a","topic":"b","user_id":"' + ALICE + '"}', /not valid JSON/],
    [{ user_id: ALICE }, /topic/],
    [{ topic: 'Salt' }, /user_id: whose job/],
    [{ topic: 'Salt', user_id: 'me' }, /user_id: expected an id/],
    [{ topic: 'Salt', user_id: ALICE, workflow_id: 7 }, /workflow_id: expected an id/],
    [{ topic: 'Salt', user_id: ALICE, priority: 11 }, /priority: .*1 to 10/],
    [{ topic: 'Salt', user_id: ALICE, priority: '5' }, /priority/],
    [{ topic: 'Salt', user_id: ALICE, targetDuration: 100000 }, /targetDuration/],
  ]) {
    await refused(await d.post('/v1/jobs', { body }), 400, pattern);
  }
  assert.deepEqual(sql(dir, 'SELECT count(*) AS n FROM script_generation_jobs'), [{ n: 0 }]);
});

test('lists page by cursor, newest first, filtered by status and user', async (t) => {
  const d = await daemon(t, folder(t), still);
  const ids = [];
  for (let i = 0; i < 7; i++) ids.unshift((await created(d, { user_id: i % 2 ? BOB : ALICE })).id);
  const seen = [];
  let cursor = '';
  do {
    const page = await (await d.get(`/v1/jobs?limit=3${cursor && `&cursor=${cursor}`}`)).json();
    assert.ok(page.jobs.length <= 3);
    seen.push(...page.jobs.map((j) => j.id));
    cursor = page.next_cursor;
  } while (cursor);
  assert.deepEqual(seen, ids);
  const first = await (await d.get('/v1/jobs?limit=2')).json();
  const last = first.jobs[1];
  assert.equal((await d.delete(`/v1/jobs/${last.id}`)).status, 204);
  const next = await (await d.get(`/v1/jobs?limit=2&cursor=${first.next_cursor}`)).json();
  assert.deepEqual(next.jobs.map((j) => j.id), ids.slice(2, 4), 'the cursor outlives its job');
  await created(d, { user_id: last.user_id });
  const count = async (query) => (await (await d.get(`/v1/jobs?${query}`)).json()).jobs.length;
  assert.equal(await count(`user_id=${BOB}`), 3);
  assert.equal(await count('status=pending'), 7);
  assert.equal(await count('status=failed'), 0);
  assert.equal(await count('status=&user_id=&limit=&cursor='), 7);
  for (const [query, pattern] of [['status=done', /'done' is none/], ['limit=0', /1 to 1000/],
    ['limit=many', /1 to 1000/], ['limit=1001', /1 to 1000/], ['user_id=x', /'x' is no id/],
    [`cursor=${NOBODY}`, /cursor/], ['cursor=1', /cursor/], ['cursor=1.x', /cursor/]]) {
    await refused(await d.get(`/v1/jobs?${query}`), 400, pattern);
  }
});

test('cancel, retry and delete do what writing the row does, and refuse what it cannot', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, still);
  const { id } = await created(d, { user_id: ALICE });
  const status = () => sql(dir, `SELECT status FROM script_generation_jobs WHERE id = '${id}'`)[0]?.status;
  await refused(await d.post(`/v1/jobs/${id}/retry`), 409, /is pending/);
  assert.deepEqual(await (await d.post(`/v1/jobs/${id.toUpperCase()}/cancel`)).json(), { id, status: 'cancelled' });
  assert.equal(status(), 'cancelled');
  await refused(await d.post(`/v1/jobs/${id}/cancel`), 409, /is cancelled/);
  assert.deepEqual(await (await d.post(`/v1/jobs/${id}/retry`)).json(), { id, status: 'pending' });
  assert.equal(status(), 'pending');
  await refused(await d.get(`/v1/jobs/${id}/script`), 409, /no script yet/);
  const gone = await d.delete(`/v1/jobs/${id}`);
  assert.equal(gone.status, 204);
  assert.equal(await gone.text(), '');
  assert.equal(status(), undefined);
  for (const [method, path] of [['GET', ''], ['DELETE', ''], ['POST', '/cancel'], ['POST', '/retry'], ['GET', '/script']]) {
    await refused(await d.ask(method)(`/v1/jobs/${id}${path}`), 404, /no such job/);
    await refused(await d.ask(method)(`/v1/jobs/abc${path}`), 400, /'abc' is no id/);
  }
});

test('users see and touch their own jobs only; another\'s is 404 like one that never was', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, still);
  const alice = { key: token(ALICE) }, bob = { key: token(BOB) };
  const { id } = await created(d, {}, alice);
  assert.equal((await (await d.get(`/v1/jobs/${id}`, alice)).json()).user_id, ALICE);
  await refused(await d.post('/v1/jobs', { ...bob, body: { topic: 'x', user_id: ALICE } }), 403, /of your own/);
  await refused(await d.get(`/v1/jobs?user_id=${ALICE}`, bob), 403, /your own/);
  assert.deepEqual((await (await d.get('/v1/jobs', bob)).json()).jobs, []);
  assert.equal((await (await d.get('/v1/jobs', alice)).json()).jobs.length, 1);
  for (const [method, path] of [['GET', ''], ['DELETE', ''], ['POST', '/cancel'], ['POST', '/retry'], ['GET', '/script']]) {
    const theirs = await d.ask(method)(`/v1/jobs/${id}${path}`, bob);
    const never = await d.ask(method)(`/v1/jobs/${NOBODY}${path}`, bob);
    assert.equal(theirs.status, 404, `${method} ${path}`);
    assert.equal(await theirs.text(), await never.text());
  }
  assert.equal(sql(dir, 'SELECT status FROM script_generation_jobs')[0].status, 'pending');
  await refused(await d.get('/v1/stats', alice), 403, /operator/);
  await refused(await d.get('/metrics', alice), 403, /operator/);
  assert.equal((await d.get('/v1/jobs', { key: token(ALICE, { expires: -60 }) })).status, 401);
  assert.equal((await d.get('/v1/jobs', { key: token(ALICE, { role: 'anon' }) })).status, 401);
  assert.equal((await d.get('/v1/stats', { key: token(ALICE, { role: 'service_role' }) })).status, 200);
  assert.equal((await d.post(`/v1/jobs/${id}/cancel`, alice)).status, 200);
});

test('a place in the queue and times are told to those who wait', async (t) => {
  const d = await daemon(t, folder(t), { args: ['--concurrency', '1'], speed: '40' });
  const wait = async (id) => until(async () => {
    const job = await (await d.get(`/v1/jobs/${id}`)).json();
    return job.status === 'completed' && job;
  });
  await wait((await created(d, { user_id: ALICE, targetDuration: 60 })).id);
  const jobs = [];
  for (let i = 0; i < 4; i++) jobs.push(await created(d, { user_id: ALICE, targetDuration: 60 }));
  const last = jobs[3];
  assert.equal(last.status, 'pending');
  assert.ok(last.position >= 2 && last.position <= 4, `position ${last.position}`);
  assert.ok(Date.parse(last.estimated_start) > Date.now());
  assert.ok(Date.parse(last.estimated_finish) > Date.parse(last.estimated_start));
  assert.ok(Date.parse(jobs[2].estimated_start) < Date.parse(last.estimated_start));
  await wait(last.id);
});

// Throws where a body is not what a schema of the OpenAPI document says.
function conforms(doc, schema, value, where) {
  if (schema.$ref) return conforms(doc, doc.components.schemas[schema.$ref.split('/').at(-1)], value, where);
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const types = [schema.type ?? kind].flat();
  assert.ok(types.includes(kind) || (kind === 'number' && types.includes('integer') && Number.isInteger(value)),
    `${where}: ${JSON.stringify(value)} is no ${types}`);
  if (schema.format === 'date-time' && value !== null) assert.match(value, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/, where);
  if (schema.format === 'uuid' && value !== null) assert.match(value, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, where);
  if (schema.items) value.forEach((v, i) => conforms(doc, schema.items, v, `${where}[${i}]`));
  if (!schema.properties || value === null) return undefined;
  for (const name of schema.required) assert.ok(name in value, `${where}: ${name} is missing`);
  for (const [name, v] of Object.entries(value)) {
    assert.ok(schema.properties[name], `${where}: ${name} is not documented`);
    conforms(doc, schema.properties[name], v, `${where}.${name}`);
  }
  return undefined;
}

for (const store of ['SQLite', 'PostgreSQL']) test(`OpenAPI lists exactly the routes that answer, with their methods, and what they answer, on ${store}`, async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { ...still, args: [...still.args, ...await storeOf(dir, store)] });
  const doc = await (await d.get('/openapi.json')).json();
  assert.equal(doc.openapi, '3.1.0');
  const { id } = await created(d, { user_id: ALICE });
  for (const [pattern, operations] of Object.entries(doc.paths)) {
    const path = pattern.replace('{id}', NOBODY);
    const options = await d.options(path, { key: null });
    const allowed = options.headers.get('access-control-allow-methods').split(', ')
      .filter((m) => m !== 'OPTIONS' && m !== 'HEAD').map((m) => m.toLowerCase());
    assert.deepEqual(allowed.sort(), Object.keys(operations).sort(), pattern);
    for (const [method, operation] of Object.entries(operations)) {
      const open = operation.security?.length === 0;
      const answer = await d.ask(method.toUpperCase())(path, { key: null });
      assert.equal(answer.status === 401, !open, `${method} ${pattern}`);
      for (const asked of [path, pattern.replace('{id}', 'abc'), `${path}?limit=x&status=x&text=x&format=x&users=x&version=x`]) {
        const served = await d.ask(method.toUpperCase())(asked, {});
        assert.ok(operation.responses[served.status], `${method} ${asked} answered ${served.status}, which is not documented`);
        await served.body?.cancel();
      }
      assert.ok(operation.summary.length > 0);
    }
  }
  assert.ok(doc.paths['/v1/jobs/{id}'].get && doc.paths['/v1/jobs'].post);

  // Every answer has the members that the document says, no other, each of its type.
  const says = async (method, pattern, { path = pattern, ...options } = {}) => {
    const answer = await d.ask(method.toUpperCase())(path, options);
    const body = await answer.json();
    const documented = Object.keys(doc.paths[pattern][method].responses[answer.status].headers ?? {}).map((h) => h.toLowerCase());
    const known = ['location', 'retry-after', 'www-authenticate', 'content-disposition', 'preference-applied'];
    assert.deepEqual(known.filter((h) => answer.headers.has(h)).sort(), documented.sort(), `${method} ${path} ${answer.status}`);
    conforms(doc, doc.paths[pattern][method].responses[answer.status].content['application/json'].schema, body, `${method} ${path}`);
    return body;
  };
  await d.post('/v1/resume');
  await says('post', '/v1/jobs', { body: { topic: 'Salt', user_id: ALICE, targetDuration: 60 }, headers: { 'idempotency-key': 'a' } });
  await says('post', '/v1/jobs', { body: { topic: 'Salt', user_id: ALICE, targetDuration: 60 }, headers: { 'idempotency-key': 'a' } });
  await says('get', '/v1/jobs/{id}/why', { path: `/v1/jobs/${id}/why` });
  await says('post', '/v1/jobs/{id}/cancel', { path: `/v1/jobs/${id}/cancel` });
  await says('post', '/v1/jobs/{id}/retry', { path: `/v1/jobs/${id}/retry` });
  const endpoint = '/functions/v1/process-script-jobs';
  assert.equal((await says('post', endpoint)).succeeded, 2);
  await created(d, { user_id: ALICE, targetDuration: 60 });
  assert.equal((await says('post', endpoint, { headers: { prefer: 'respond-async' } })).jobs.length, 1);
  await says('post', endpoint, { body: 'no json' });
  await says('post', endpoint, { key: 'no' });
  assert.equal((await says('get', '/v1/jobs/{id}', { path: `/v1/jobs/${id}` })).steps.length, 1);
  await says('post', '/v1/schedules', { body: { name: 'nightly', schedule: '0 3 * * *' } });
  await says('get', '/v1/schedules/{name}', { path: '/v1/schedules/nightly' });
  await says('get', '/v1/schedules/{name}/runs', { path: '/v1/schedules/nightly/runs' });
  await says('get', '/v1/schedules/{name}/runs', { path: '/v1/schedules/none/runs' });
  assert.equal((await d.get('/v1/schedules/none/runs')).status, 404);
  assert.ok((await says('get', '/v1/plan', { path: '/v1/plan?users=20&workers=2&concurrency=4' })).setups.length > 1);
  assert.ok((await says('get', '/v1/jobs/{id}/script', { path: `/v1/jobs/${id}/script?format=json` })).sections.length > 0);
  for (const [path, members] of [['/v1/jobs', ['topic']], ['/v1/schedules', ['schedule']]])
    assert.deepEqual(doc.paths[path].post.requestBody.content['application/json'].schema.required, members);
  await says('post', '/v1/scale', { body: { preset: '3x3' } });
  await says('delete', '/v1/users/{id}', { path: `/v1/users/${NOBODY}` });
  await says('post', '/v1/pause');
  for (const path of ['/', '/healthz', '/readyz', '/v1/jobs', '/v1/invocations', '/v1/logs', '/v1/schedules',
    '/v1/deployments', '/scale', '/v1/stats', '/v1/limits', '/v1/workers']) {
    await says('get', path);
  }
  assert.equal((await d.get(`/v1/jobs/${id}`)).status, 200);
});

test('the monitoring queries of docs/operate.md are true, and jobs list prints what runs', async (t) => {
  const dir = folder(t);
  const [counts, running] = /```sql\n([^`]*)```/.exec(readFileSync(join(root, 'docs/operate.md'), 'utf8'))[1]
    .split(';').map((q) => q.trim());
  const d = await daemon(t, dir, { args: ['--concurrency', '2'], speed: '20' });
  const comesTo = (id, status) => until(async () => (await (await d.get(`/v1/jobs/${id}`)).json()).status === status);
  const done = await created(d, { user_id: ALICE, targetDuration: 120 });
  await comesTo(done.id, 'completed');
  const took = (await (await d.get(`/v1/jobs/${done.id}`)).json()).processing_time_seconds;
  const first = await created(d, { user_id: ALICE, targetDuration: 3600, run_at: new Date(Date.now() + 1500).toISOString() });
  const second = await created(d, { user_id: BOB, targetDuration: 3600 });
  await comesTo(second.id, 'processing');
  await comesTo(first.id, 'processing');
  assert.deepEqual(sql(dir, `${counts} ORDER BY status`), [
    { status: 'completed', jobs: 1, seconds: took }, { status: 'processing', jobs: 2, seconds: null }]);
  const rows = sql(dir, running);
  assert.deepEqual(rows.map((r) => r.id), [first.id, second.id], 'the newest start first');
  assert.ok(rows[1].seconds >= 1 && rows[1].seconds < 60 && rows[0].seconds < rows[1].seconds, JSON.stringify(rows));
  const lines = run(dir, ['jobs', 'list', '--status', 'processing']).out.trim().split('\n');
  assert.match(lines[0], /seconds since start/);
  assert.deepEqual(lines.slice(1).map((l) => l.split(' ')[0]), [first.id, second.id]);
  assert.match(run(dir, ['jobs', 'list', '--status', 'processing', '--limit', '1']).out, new RegExp(`\n${first.id} .*\n$`));
});

test('workers are listed with their leases', async (t) => {
  const d = await daemon(t, folder(t), { speed: '1' });
  const { id } = await created(d, { user_id: ALICE });
  await until(async () => (await (await d.get(`/v1/jobs/${id}`)).json()).status === 'processing');
  const { workers } = await (await d.get('/v1/workers')).json();
  assert.equal(workers.length, 1);
  assert.equal(workers[0].name, d.logs().at(-1).worker);
  assert.deepEqual([workers[0].running, workers[0].alive], [1, true]);
  const left = Date.parse(workers[0].lease_until) - Date.now();
  assert.ok(left > 5000 && left <= 15000, `${left} ms of lease left`);
});

test('the provider\'s limits: what it allows, what is used, how calls ended', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '1000']);
  const d = await daemon(t, dir, { env: sim.env });
  assert.deepEqual((await (await d.get('/v1/limits')).json()).classes, []);
  const { id } = await created(d, { user_id: ALICE, targetDuration: 60 });
  await until(async () => (await (await d.get(`/v1/jobs/${id}`)).json()).status === 'completed');
  const { provider, classes } = await (await d.get('/v1/limits')).json();
  assert.ok(provider.length > 0);
  assert.equal(classes.length, 1);
  const [c] = classes;
  const { steps } = await (await d.get(`/v1/jobs/${id}`)).json();
  assert.equal(c.calls.done, steps.length);
  assert.equal(c.refused_429, 0);
  assert.equal(c.running, 0);
  assert.equal(c.parked, null);
  for (const limit of ['requests', 'input_tokens', 'output_tokens']) {
    assert.ok(c[limit].per_minute > 0 && c[limit].remaining >= 0, JSON.stringify(c[limit]));
  }
  assert.equal(c.requests.used_last_minute, steps.length);
  const spent = (kind) => steps.reduce((n, s) => n + s.usage[kind], 0);
  assert.equal(c.output_tokens.used_last_minute, spent('output'));
  assert.equal(c.input_tokens.used_last_minute, spent('input') + spent('cacheWrite'));
  assert.ok(Math.abs(Date.parse(c.told_at) - Date.now()) < 60000);
  const { values } = scrape(await (await d.get('/metrics')).text());
  const of = (name) => values.get(`scriptorium_provider_${name}`);
  assert.equal(of(`limit{rate_class="${c.rate_class}",limit="requests"}`), c.requests.per_minute);
  assert.equal(of(`calls_total{rate_class="${c.rate_class}",result="done"}`), steps.length);
  assert.equal(of(`429_total{rate_class="${c.rate_class}"}`), 0);
});

test('metrics are Prometheus text that counts what happened', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir);
  const { id } = await created(d, { user_id: ALICE, targetDuration: 60 });
  await until(async () => (await (await d.get(`/v1/jobs/${id}`)).json()).status === 'completed');
  const answer = await d.get('/metrics');
  assert.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const { values, types } = scrape(await answer.text());
  assert.equal(values.get('scriptorium_jobs{status="completed"}'), 1);
  assert.equal(values.get('scriptorium_jobs{status="pending"}'), 0);
  assert.equal(values.get('scriptorium_queue{state="due"}'), 0);
  assert.equal(values.get('scriptorium_job_events_total{event="completed"}'), 1);
  assert.equal(values.get('scriptorium_slots'), 256);
  assert.equal(values.get('scriptorium_store_up'), 1);
  assert.ok(values.get('scriptorium_tokens_total{kind="output"}') > 0);
  assert.ok(values.get('scriptorium_cost_dollars_total') > 0);
  assert.equal(types.get('scriptorium_store_seconds'), 'histogram');
  for (const kind of ['read', 'write', 'claim', 'end']) {
    assert.ok(values.get(`scriptorium_store_seconds_count{kind="${kind}"}`) > 0, kind);
  }
  await until(async () => scrape(await (await d.get('/metrics')).text()).values.get('scriptorium_loop_lag_seconds_count') > 1);
  assert.ok(values.get('scriptorium_http_answers_total{status="2xx"}') > 0);
  assert.equal(values.get('scriptorium_leases_lost_total'), 0);
  assert.equal(values.get('scriptorium_stream_clients'), 0);
  const named = run(dir, ['man', 'metrics']).out.match(/scriptorium_\w+/g).sort();
  assert.deepEqual([...types.keys()].sort(), named, 'each metric of the table is scraped, and no other');
  const stats = await (await d.get('/v1/stats')).json();
  assert.deepEqual(stats, json(dir, ['stats']));
  assert.equal(run(dir, ['stats']).code, 0);
  const told = (await (await d.get(`/v1/jobs/${id}/events`)).text()).match(/(?<=^event: )\w+$/gm);
  const { values: now } = scrape(await (await d.get('/metrics')).text());
  for (const event of ['progress', 'text', 'step', 'reset', 'done']) {
    assert.equal(now.get(`scriptorium_stream_events_total{event="${event}"}`), told.filter((e) => e === event).length, event);
  }
  assert.ok(!(d.process.err.includes(KEY)));
});
