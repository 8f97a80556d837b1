// Event streams over two nodes of one PostgreSQL: who asks the one hears of the other's jobs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, random, run, sql, until } from './harness.mjs';
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

// The stream of all jobs, put together as docs/events.md says: over breaks, by the last id that was heard.
class All {
  constructor(url) { Object.assign(this, { url, texts: new Map(), steps: new Set(), ends: [], gaps: 0 }); }

  async come() { this.stream = await open(`${this.url}/v1/events`, { key: KEY, last: this.last }); }

  leave() { this.stream.close(); }

  async take() {
    const event = await this.stream.next();
    assert.ok(event, 'the stream has ended');
    const { type, id, data } = event, name = `${data.job_id} ${data.step}`;
    this.last = id;
    if (type === 'text') {
      const known = data.offset === 0 ? '' : this.texts.get(name) ?? '';
      assert.equal(data.offset, Buffer.byteLength(known), name);
      this.texts.set(name, known + data.text);
    } else if (type === 'reset') this.texts.delete(name);
    else if (type === 'step') this.steps.add(data.step);
    else if (type === 'done') this.ends.push(data.job_id);
    else if (type === 'gap') this.gaps++;
    return event;
  }

  // Until all of these have ended; how often each was told to have.
  async ended(ids) {
    while (!ids.every((id) => this.ends.includes(id))) await this.take();
  }
}

// {args, ask}: a store of that kind, and SQL to it.
async function storeOf(dir, kind) {
  if (kind === 'PostgreSQL') {
    const { url, ask } = await fresh(dir);
    return { args: ['--database', url], ask };
  }
  return { args: [], ask: async (statement) => sql(dir, statement) };
}

for (const kind of ['SQLite', 'PostgreSQL']) {
  test(`a thousand jobs wait: no end is missed, with the stream open or over breaks, on ${kind}`, async (t) => {
    const dir = folder(t);
    const { args, ask } = await storeOf(dir, kind);
    const d = await daemon(t, dir, { args });
    await d.post('/v1/pause');
    const ids = Array.from({ length: 1000 }, (_, i) => `019aaaaa-0000-7000-8000-${String(i).padStart(12, '0')}`);
    await ask(`INSERT INTO script_generation_jobs (id, user_id, generation_params, created_at) VALUES ${ids.map((id, i) =>
      `('${id}', '${USER}', '{}', '2026-01-01T00:${String(Math.floor(i / 60)).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}Z')`)}`);
    const cancel = (some) => ask(`UPDATE script_generation_jobs SET status = 'cancelled' WHERE id IN (${some.map((id) => `'${id}'`)})`);
    const all = new All(d.url);
    await all.come();
    await all.take();
    await cancel([ids[500]]); // neither among the next nor among the last
    await all.ended([ids[500]]);
    all.leave();
    await cancel(ids.slice(0, 300)); // the oldest
    await cancel(ids.slice(300, 500));
    await all.come();
    await all.ended(ids.slice(0, 501));
    const at = (id) => all.ends.indexOf(id);
    assert.ok(Math.max(...ids.slice(0, 300).map(at)) < Math.min(...ids.slice(300, 500).map(at)), 'in the order of their ends');
    // The rest is worked off, and the connection breaks again and again: more ends than are read at once.
    all.leave();
    await d.post('/v1/resume');
    await until(async () => Number((await ask("SELECT count(*) AS n FROM script_generation_jobs WHERE status = 'failed'"))[0].n) === 499);
    await cancel(ids.slice(0, 500)); // rows that have ended stay so
    for (let broken = 0; !ids.every((id) => all.ends.includes(id)); broken++) {
      assert.ok(broken < 100);
      await all.come();
      for (let n = 0; n < 150 && !ids.every((id) => all.ends.includes(id)); n++) await all.take();
      all.leave();
    }
    assert.deepEqual(new Set(all.ends), new Set(ids));
    assert.equal(all.gaps, 0);
    // Away for longer than ends are remembered.
    const late = await open(`${d.url}/v1/events`, { key: KEY, last: String((Date.now() - 2 * 3600e3) * 1000) });
    if (kind === 'PostgreSQL') for (let event; event?.type !== 'gap';) event = await late.next();
    late.close();
  });

  test(`a step that ended while a client was away is told whole, on ${kind}`, async (t) => {
    const dir = folder(t);
    const { args, ask } = await storeOf(dir, kind);
    const d = await daemon(t, dir, { args, speed: '60' });
    const all = new All(d.url);
    await all.come();
    const { id } = await (await d.post('/v1/jobs', { body: { topic: 'Salt', targetDuration: 3600, user_id: USER } })).json();
    let cut;
    while (!cut) {
      const event = await all.take();
      if (event.type === 'text' && event.data.step.startsWith('chunk_')) cut = event.data.step;
    }
    all.leave();
    const [table, text] = kind === 'SQLite' ? ['scriptorium_step', 'text AS content'] : ['scriptorium.step', 'content'];
    await until(async () => Number((await ask(`SELECT count(*) AS n FROM ${table} WHERE step = '${cut}'`))[0].n) === 1);
    await all.come();
    await all.ended([id]);
    const stored = await ask(`SELECT step, ${text} FROM ${table} WHERE job_id = '${id}'`);
    assert.ok(stored.length > 1);
    for (const s of stored) {
      assert.equal(all.texts.get(`${id} ${s.step}`) ?? '', s.content, s.step);
      assert.ok(all.steps.has(s.step), s.step);
    }
    // And when all of it ended meanwhile.
    const second = (await (await d.post('/v1/jobs', { body: { topic: 'Tea', targetDuration: 300, user_id: USER } })).json()).id;
    while ((await all.take()).type !== 'text');
    all.leave();
    await until(async () => (await (await d.get(`/v1/jobs/${second}`)).json()).status === 'completed');
    await all.come();
    await all.ended([second]);
    for (const s of await ask(`SELECT step, ${text} FROM ${table} WHERE job_id = '${second}'`))
      assert.equal(all.texts.get(`${second} ${s.step}`) ?? '', s.content, s.step);
    all.leave();
  });
}
