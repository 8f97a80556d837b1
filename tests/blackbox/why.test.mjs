// What a waiting job waits for: by API and by command, on both stores.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, json, run, until } from './harness.mjs';
import { daemon, SECRET, token } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

const USER = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';
let server;

before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

async function story(t, url) {
  const dir = folder(t);
  const more = url ? ['--database', url] : [];
  if (url) assert.equal(run(dir, ['migrate', ...more]).code, 0);
  const show = (id) => json(dir, ['jobs', 'show', id, ...more]).why.code;
  const [early] = [run(dir, ['enqueue', '--topic', 'Early', '--user', USER, ...more]).out.trim()];
  assert.equal(show(early), 'no_worker');
  assert.match(run(dir, ['jobs', 'show', early, ...more]).out, /^waits for +No worker is alive/m);

  const d = await daemon(t, dir, { speed: '2', args: [...more, '--concurrency', '2'],
    env: { SCRIPTORIUM_JWT_SECRET: SECRET, SCRIPTORIUM_CAP_PER_USER: '1' } });
  const why = async (id, key) => {
    const answer = await d.get(`/v1/jobs/${id}/why`, key ? { key } : {});
    return answer.status === 200 ? answer.json() : answer.status;
  };
  const create = async (user, body = {}) => (await (await d.post('/v1/jobs', {
    body: { topic: 'Salt', targetDuration: 600, user_id: user, ...body } })).json()).id;
  await until(async () => (await why(early)).code === 'running');
  assert.equal((await why(early)).waits, false);
  const capped = await create(USER);
  await until(async () => (await why(capped)).code === 'user_cap');
  assert.equal(await why(capped, token(OTHER)), 404);
  assert.equal((await why(capped, token(USER))).code, 'user_cap');
  const theirs = await create(OTHER);
  await until(async () => (await why(theirs)).code === 'running');
  const third = await create('33333333-3333-4333-8333-333333333333');
  await until(async () => (await why(third)).code === 'queue');
  const answer = await why(third);
  assert.equal(answer.running, 2);
  assert.equal(answer.workers, 1);
  assert.equal(answer.waits, true);
  assert.match(show(third), /^(queue|next)$/); // the command does not know the daemon's slots
  const later = await create(OTHER, { run_at: new Date(Date.now() + 3600e3).toISOString() });
  assert.equal((await why(later)).code, 'delayed');
  assert.ok(Date.parse((await why(later)).until) > Date.now() + 3500e3);
  assert.equal((await d.post('/v1/pause')).status, 200);
  assert.equal((await why(third)).code, 'paused');
  assert.equal(show(third), 'paused');
  assert.equal((await d.post(`/v1/jobs/${third}/cancel`)).status, 200);
  assert.equal((await why(third)).code, 'ended');
  assert.equal(await why(OTHER), 404);
}

test('on SQLite', (t) => story(t, null));

test('on PostgreSQL', async (t) => story(t, server.url({ database: await server.database() })));

test('a daemon that waits to be called says so; a provider that refuses is named', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { args: ['--mode', 'triggered'] });
  const { id } = await (await d.post('/v1/jobs', { body: { topic: 'Salt', user_id: USER } })).json();
  await until(async () => (await (await d.get(`/v1/jobs/${id}/why`)).json()).code === 'triggered');
  d.process.kill('SIGTERM');
  await d.process.ended;
  const refused = await daemon(t, dir, { env: { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9', ANTHROPIC_API_KEY: 'x' } });
  await until(async () => {
    const why = await (await refused.get(`/v1/jobs/${id}/why`)).json();
    return why.code === 'provider' && why.text.length > 40;
  });
});

test('a command promises no worker that takes jobs only when it is called', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { args: ['--mode', 'triggered'] });
  const { id } = await (await d.post('/v1/jobs', { body: { topic: 'Salt', user_id: USER } })).json();
  await until(async () => (await (await d.get(`/v1/jobs/${id}/why`)).json()).code === 'triggered');
  const show = (env) => json(dir, ['jobs', 'show', id], { env }).why;
  assert.equal(show({ SCRIPTORIUM_MODE: 'triggered' }).code, 'triggered');
  assert.match(show({}).text, /within about a second, one in mode triggered when it is called/);
});
