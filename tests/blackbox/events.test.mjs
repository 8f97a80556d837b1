// Event streams: everything that becomes of a job, once, over any number of connections.
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { folder, random, simulator, sql, until } from './harness.mjs';
import { daemon, KEY, SECRET, token } from './serve.mjs';
import { follow, open, Page } from './sse.mjs';

const USER = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';

async function create(d, body = {}, key = KEY) {
  const answer = await d.post('/v1/jobs', { key, body: { topic: 'Why bridges hum',
    targetDuration: 300, ...(key === KEY ? { user_id: USER } : {}), ...body } });
  assert.equal(answer.status, 201, await answer.clone().text());
  return (await answer.json()).id;
}

const steps = (dir, id) => sql(dir,
  `SELECT step, text FROM scriptorium_step WHERE job_id = '${id}' AND run = 1 ORDER BY n`);

// The concatenated text of the stream is that of the checkpoints, step by step.
function same(page, stored) {
  assert.deepEqual(page.steps, stored.map((s) => s.step));
  for (const s of stored) assert.equal(page.texts.get(s.step) ?? '', s.text, s.step);
  assert.deepEqual([...page.texts.keys()].filter((k) => !page.steps.includes(k)), []);
}

test('a stream tells all that becomes of a job, and ends with it', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '50' });
  const id = await create(d, { targetDuration: 1500 });
  const stream = await open(`${d.url}/v1/jobs/${id}/events`, { key: KEY });
  assert.equal(stream.status, 200);
  assert.match(stream.headers['content-type'], /^text\/event-stream/);
  assert.equal(stream.headers['cache-control'], 'no-store');
  const page = new Page();
  for (let event; (event = await stream.next()) !== null;) page.take(event);
  assert.equal(page.done.status, 'completed');
  assert.equal(page.done.progress, 100);
  assert.equal(page.done.job_id, id);
  assert.equal(page.resets, 0);
  assert.ok(page.progress.length > 1, page.progress.join());
  assert.deepEqual(page.steps.slice(0, 2), ['outline', 'chunk_1']);
  same(page, steps(dir, id));
  // Whoever comes later is told the same; whoever has heard it all need not ask again.
  const late = await follow([() => d.url], `/v1/jobs/${id}/events`, { key: KEY });
  same(late, steps(dir, id));
  const again = await open(`${d.url}/v1/jobs/${id}/events`, { key: KEY, last: page.last });
  assert.equal(again.status, 204);
});

test('connections that break anywhere lose nothing and tell nothing twice', async (t) => {
  const dir = folder(t);
  const rand = random();
  const d = await daemon(t, dir, { speed: '40' });
  const ids = await Promise.all(Array.from({ length: 6 }, () => create(d)));
  const pages = await Promise.all(ids.flatMap((id) => [1, 2].map(() =>
    follow([() => d.url], `/v1/jobs/${id}/events`, { key: KEY, cut: () => 1 + Math.floor(rand() * 6) }))));
  pages.forEach((page, i) => {
    assert.equal(page.done.status, 'completed');
    assert.equal(page.resets, 0);
    same(page, steps(dir, ids[i >> 1]));
  });
});

test('a killed engine is told of as what it is: what was cut is called back', async (t) => {
  const dir = folder(t);
  const rand = random();
  let d = await daemon(t, dir, { speed: '8' });
  const id = await create(d);
  const pages = Promise.all([1, 2, 3].map((n) => follow([() => d.url], `/v1/jobs/${id}/events`, {
    key: KEY, cut: () => (n === 1 ? 0 : 1 + Math.floor(rand() * 8)),
    alive: () => until(() => d !== null) })));
  for (let i = 0; i < 2; i++) {
    await until(() => sql(dir, 'SELECT sum(length(text)) AS n FROM scriptorium_text')[0].n > 400 * (i + 1));
    const old = d;
    d = null;
    old.process.kill('SIGKILL');
    await old.process.ended;
    d = await daemon(t, dir, { speed: i === 0 ? '8' : '100' });
  }
  for (const page of await pages) {
    assert.equal(page.done.status, 'completed');
    same(page, steps(dir, id));
  }
});

test('a call that breaks off and starts over is reset', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '20', '--seed', '5']);
  const d = await daemon(t, dir, { env: sim.env });
  const id = await create(d);
  const page = await follow([() => d.url], `/v1/jobs/${id}/events`, { key: KEY });
  assert.equal(page.done.status, 'completed');
  same(page, steps(dir, id));
});

test('cancelled, deleted, failed and run again', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '2' });
  const [cancelled, deleted] = await Promise.all([create(d), create(d)]);
  const pages = Promise.all([cancelled, deleted].map((id) =>
    follow([() => d.url], `/v1/jobs/${id}/events`, { key: KEY })));
  await until(() => sql(dir, 'SELECT count(DISTINCT job_id) AS n FROM scriptorium_text')[0].n === 2);
  assert.equal((await d.post(`/v1/jobs/${cancelled}/cancel`)).status, 200);
  assert.equal((await d.delete(`/v1/jobs/${deleted}`)).status, 204);
  const [one, two] = await pages;
  assert.equal(one.done.status, 'cancelled');
  assert.equal(two.done.status, 'deleted');
  assert.equal((await open(`${d.url}/v1/jobs/${deleted}/events`, { key: KEY, last: two.last })).status, 404);
  // Run again: the client that heard the end is told what comes now.
  assert.equal((await open(`${d.url}/v1/jobs/${cancelled}/events`, { key: KEY, last: one.last })).status, 204);
  assert.equal((await d.post(`/v1/jobs/${cancelled}/retry`)).status, 200);
  const stream = await open(`${d.url}/v1/jobs/${cancelled}/events`, { key: KEY, last: one.last });
  assert.equal(stream.status, 200);
  const event = await stream.next();
  assert.ok(['progress', 'reset'].includes(event.type), JSON.stringify(event));
  stream.close();
});

test('who may hear what', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '20', env: { SCRIPTORIUM_JWT_SECRET: SECRET } });
  const mine = await create(d, {}, token(USER));
  const theirs = await create(d, { user_id: OTHER });
  const status = async (path, key) => {
    const s = await open(d.url + path, { key });
    s.close();
    return s.status;
  };
  assert.equal(await status(`/v1/jobs/${mine}/events`, token(USER)), 200);
  assert.equal(await status(`/v1/jobs/${theirs}/events`, token(USER)), 404);
  assert.equal(await status(`/v1/jobs/${theirs}/events`, token(OTHER)), 200);
  assert.equal(await status(`/v1/jobs/${theirs}/events`, KEY), 200);
  assert.equal(await status(`/v1/jobs/${USER}/events`, KEY), 404);
  assert.equal(await status(`/v1/jobs/${mine}/events`, null), 401);
  assert.equal(await status(`/v1/jobs/${mine}/events`, token(USER, { expires: -100 })), 401);
  assert.equal(await status(`/v1/jobs/${mine}/events`, token(USER, { role: 'anon' })), 401);
  assert.equal(await status('/v1/events', null), 401);
  assert.equal(await status('/v1/jobs/none/events', KEY), 400);
  assert.equal(await status('/v1/events?text=maybe', KEY), 400);

  const ends = async (key, n) => {
    const stream = await open(`${d.url}/v1/events`, { key });
    assert.equal(stream.status, 200);
    const seen = new Set(), done = new Map();
    while (done.size < n) {
      const event = await stream.next();
      seen.add(event.data.job_id);
      if (event.type === 'done') done.set(event.data.job_id, event.data.status);
    }
    stream.close();
    return { seen, done };
  };
  const [all, own] = await Promise.all([ends(KEY, 2), ends(token(USER), 1)]);
  assert.deepEqual([...all.done.keys()].sort(), [mine, theirs].sort());
  assert.deepEqual([...own.seen], [mine]);
});

test('the stream of all jobs: new ones appear, ended ones are told after a gap', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '60' });
  const stream = await open(`${d.url}/v1/events`, { key: KEY });
  const first = await create(d);
  const texts = new Map();
  let last;
  for (;;) {
    const event = await stream.next();
    last = event.id;
    if (event.type === 'reset') texts.delete(event.data.step);
    if (event.type === 'text') {
      const known = texts.get(event.data.step) ?? '';
      assert.equal(event.data.offset, Buffer.byteLength(known));
      texts.set(event.data.step, known + event.data.text);
    }
    if (event.type === 'done') { assert.equal(event.data.job_id, first); break; }
  }
  stream.close();
  for (const s of steps(dir, first)) assert.equal(texts.get(s.step), s.text);
  const second = await create(d);
  await until(async () => (await (await d.get(`/v1/jobs/${second}`)).json()).status === 'completed');
  const later = await open(`${d.url}/v1/events?text=false`, { key: KEY, last });
  for (;;) {
    const event = await later.next();
    assert.notEqual(event.type, 'text');
    if (event.type === 'done' && event.data.job_id === second) break;
  }
  later.close();
});

test('jobs that begin and end between two looks are told of once, and a client that comes back misses none', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir);
  const insert = (n) => {
    const id = `019aaaaa-0000-7000-8000-${String(n).padStart(12, '0')}`;
    sql(dir, `INSERT INTO script_generation_jobs (id, user_id, generation_params) VALUES ('${id}', '${USER}', '{}')`);
    return id;
  };
  const told = new Map();
  const take = (event) => {
    if (event.type === 'done') told.set(event.data.job_id, (told.get(event.data.job_id) ?? 0) + 1);
    return event.id;
  };
  const once = (ids) => assert.deepEqual([...told].sort(), ids.map((id) => [id, 1]).sort());
  const failed = async (id) => until(async () =>
    (await (await d.get(`/v1/jobs/${id}`)).json()).status === 'failed');
  const early = insert(1); // before anybody listens
  await failed(early);
  let stream = await open(`${d.url}/v1/events?text=false`, { key: KEY });
  const ids = [];
  let last;
  for (let n = 2; n < 7; n++) {
    ids.push(insert(n));
    while (!told.has(ids.at(-1))) last = take(await stream.next());
  }
  once(ids);
  stream.close();
  // What ended just before the last event, or since, and what was heard of already.
  ids.push(insert(7));
  await failed(ids.at(-1));
  stream = await open(`${d.url}/v1/events?text=false`, { key: KEY, last });
  while (!told.has(ids.at(-1))) take(await stream.next());
  ids.push(insert(8)); // two looks later nothing has come twice
  await failed(ids.at(-1));
  while (!told.has(ids.at(-1))) take(await stream.next());
  told.delete(early); // it ended shortly before: the client may hear of it now
  once(ids);
  stream.close();
});

test('too many streams, a client that does not read, and the end of the server', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '5', env: { SCRIPTORIUM_MAX_STREAMS: '3' } });
  const id = await create(d, { targetDuration: 600 });
  const path = `/v1/jobs/${id}/events`;
  const deaf = net.connect(d.port, '127.0.0.1');
  deaf.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY}\r\n\r\n`);
  deaf.pause();
  const streams = [];
  await until(async () => {
    const s = await open(d.url + path, { key: KEY });
    if (s.status === 200) streams.push(s);
    else assert.equal(s.status, 503);
    return s.status === 503;
  });
  assert.ok(streams.length >= 2 && streams.length <= 3);
  assert.equal((await d.get('/healthz')).status, 200);
  const page = new Page();
  const reading = (async () => {
    for (let event; (event = await streams[0].next()) !== null;) page.take(event);
  })();
  await until(() => page.texts.size > 0);
  d.process.kill('SIGTERM');
  await reading; // ends by itself, in order
  await d.process.ended;
  assert.equal(d.process.code, 0, d.process.err);
  assert.equal(page.done, null);
  deaf.destroy();
});
