// Event streams over two nodes of one PostgreSQL: who asks the one hears of the other's jobs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, random, run, until } from './harness.mjs';
import { daemon, KEY } from './serve.mjs';
import { follow, open } from './sse.mjs';
import * as postgres from '../lib/pg.mjs';

const USER = '11111111-1111-4111-8111-111111111111';
let server;

before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

async function fresh(dir) {
  const database = await server.database();
  const url = server.url({ database });
  const done = run(dir, ['migrate', '--database', url]);
  assert.equal(done.code, 0, done.err);
  const ask = async (sql) => {
    const client = await server.connect({ database });
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  return { url, ask };
}

async function same(ask, id, page) {
  const stored = await ask(`SELECT step, content FROM scriptorium.step WHERE job_id = '${id}' AND run = 1 ORDER BY n`);
  assert.deepEqual(page.steps, stored.map((s) => s.step));
  for (const s of stored) assert.equal(page.texts.get(s.step) ?? '', s.content, s.step);
  assert.deepEqual([...page.texts.keys()].filter((k) => !page.steps.includes(k)), []);
}

test('each node tells of all jobs; a client may go from one to the other at any point', async (t) => {
  const dir = folder(t);
  const rand = random();
  const { url, ask } = await fresh(dir);
  const nodes = await Promise.all([1, 2].map(() => daemon(t, dir, { speed: '40',
    args: ['--database', url, '--concurrency', '3'] })));
  const ids = await Promise.all(Array.from({ length: 6 }, async (_, i) => {
    const answer = await nodes[i % 2].post('/v1/jobs', {
      body: { topic: `Topic ${i}`, targetDuration: 300, user_id: USER } });
    return (await answer.json()).id;
  }));
  const urls = nodes.map((d) => () => d.url);
  const pages = await Promise.all(ids.flatMap((id) => [0, 1].map((n) =>
    follow(n === 0 ? urls : [...urls].reverse(), `/v1/jobs/${id}/events`,
      { key: KEY, cut: () => 1 + Math.floor(rand() * 6) }))));
  for (const [i, page] of pages.entries()) {
    assert.equal(page.done.status, 'completed');
    assert.equal(page.resets, 0);
    await same(ask, ids[i >> 1], page);
  }
  assert.equal((await ask('SELECT count(DISTINCT worker)::int AS n FROM scriptorium.call'))[0].n, 2);
  // A job that lives for milliseconds on one of them: both tell of it, once.
  const streams = await Promise.all(nodes.map((d) => open(`${d.url}/v1/events?text=false`, { key: KEY })));
  const short = await ask(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT '${USER}', '{}' FROM generate_series(1, 6) RETURNING id::text`);
  for (const stream of streams) {
    const told = [];
    while (told.length < 6) {
      const event = await stream.next();
      if (event.type === 'done') told.push(event.data.job_id);
    }
    stream.close();
    assert.deepEqual(told.sort(), short.map((r) => r.id).sort());
  }
});

test('a node that is killed takes nothing with it: the other tells how its jobs go on', async (t) => {
  const dir = folder(t);
  const { url, ask } = await fresh(dir);
  const node = () => daemon(t, dir, { speed: '10', args: ['--database', url, '--concurrency', '4'],
    env: { SCRIPTORIUM_LEASE: '2s' } });
  const victim = await node(), other = await daemon(t, dir, { speed: '100',
    args: ['--database', url, '--mode', 'triggered'], env: { SCRIPTORIUM_LEASE: '2s' } });
  const ids = await Promise.all([1, 2, 3].map(async () => (await (await other.post('/v1/jobs', {
    body: { topic: 'Salt', targetDuration: 300, user_id: USER } })).json()).id));
  const pages = Promise.all(ids.map((id) => follow([() => other.url], `/v1/jobs/${id}/events`, { key: KEY })));
  await until(async () => (await ask(
    'SELECT count(*)::int AS n FROM (SELECT job_id FROM scriptorium.step_text GROUP BY 1 HAVING sum(octet_length(content)) > 500) t'))[0].n === 3);
  victim.process.kill('SIGKILL');
  const next = await node();
  for (const [i, page] of (await pages).entries()) {
    assert.equal(page.done.status, 'completed');
    await same(ask, ids[i], page);
  }
  next.process.kill('SIGTERM');
  await next.process.ended;
});
