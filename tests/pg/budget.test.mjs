// The provider's limits between workers, as SQL: fair parts, never more than the limit together, free
// again after a few seconds, news for all.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { folder, run } from '../blackbox/harness.mjs';
import * as postgres from '../lib/pg.mjs';

let server;
before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

async function fresh(t) {
  const database = await server.database();
  const done = run(folder(t), ['migrate', '--database', server.url({ database })]);
  assert.equal(done.code, 0, done.err);
  const client = await server.connect({ database });
  t.after(() => client.end());
  await client.query(`CREATE TABLE public.now (t timestamptz); INSERT INTO now VALUES ('2026-01-01 12:00:00Z');
    CREATE OR REPLACE FUNCTION scriptorium.clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT t FROM public.now'`);
  const pass = (seconds) => client.query(`UPDATE now SET t = t + ${seconds} * interval '1 second'`);
  // Requests only, unless told otherwise; 600 a minute.
  const ask = async (worker, wanted, { limit = 600, told = 0, frozen = 0, cut = -1, output = 0, committed = 0, outputLimit = 0 } = {}) => {
    const { rows: [row] } = await client.query(`SELECT * FROM scriptorium.budget_share($1, '{sonnet}', ARRAY[$2::bigint], '{0}',
      ARRAY[$7::bigint], ARRAY[$8::bigint], ARRAY[$3::bigint], '{0}', ARRAY[$9::bigint], ARRAY[$4::bigint], ARRAY[$5::bigint], '{0}', '{0}', ARRAY[$6::bigint])`,
      [worker, wanted, limit, told, frozen, cut, output, committed, outputLimit]);
    return row;
  };
  return { ask, pass, client };
}

const part = async (going) => (await going).part_requests;
const [A, B, C] = [randomUUID(), randomUUID(), randomUUID()];

test('who is alone gets all it wants, and half of what nobody wants', async (t) => {
  const { ask } = await fresh(t);
  assert.equal(await part(ask(A, 1000)), 600);
  assert.equal(await part(ask(A, 200)), 400); // 200 and half of 400: the other half is for whoever comes
});

test('equal needs get equal parts, a small need is served first', async (t) => {
  const { ask } = await fresh(t);
  const round = async (...wanted) => {
    const got = [];
    for (const [i, w] of wanted.entries()) got.push(await part(ask([A, B, C][i], w)));
    return got;
  };
  await round(600, 600, 600);
  await round(600, 600, 600);
  assert.deepEqual(await round(600, 600, 600), [200, 200, 200]);
  await round(100, 600, 900);
  assert.deepEqual(await round(100, 600, 900), [100, 250, 250]);
  await round(60, 60, 60); // 180 wanted, 420 over, in four portions
  assert.deepEqual(await round(60, 60, 60), [165, 165, 165]);
});

test('all together never have more than the limit, in whatever order they ask', async (t) => {
  const { ask, pass, client } = await fresh(t);
  let state = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`# SEED=${state}`);
  const next = (n) => { state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff; return state % n; };
  const workers = Array.from({ length: 6 }, () => randomUUID());
  for (let i = 0; i < 300; i++) {
    await ask(workers[next(6)], next(900));
    await pass(next(1000) / 1000);
    const { rows: [{ sum }] } = await client.query(`SELECT coalesce(sum(part[1]), 0)::int AS sum FROM scriptorium.budget_part
      WHERE until > scriptorium.clock()`);
    assert.ok(sum <= 600, `${sum} of 600 after ${i} asks`);
  }
});

test('a part that is not asked for again is free after three seconds, one that was closed at once', async (t) => {
  const { ask, pass, client } = await fresh(t);
  await ask(A, 600);
  assert.equal(await part(ask(B, 600)), 0); // until A asks again, or has gone
  await pass(3.1);
  assert.equal(await part(ask(B, 600)), 600);
  await client.query('SELECT scriptorium.worker_close($1)', [B]);
  assert.equal(await part(ask(A, 600)), 600);
});

test('streams that run keep their part, and the others get what is left', async (t) => {
  const { ask } = await fresh(t);
  const of = async (worker, wanted, committed) => (await ask(worker, 0,
    { output: wanted, committed, outputLimit: 6000 })).part_output;
  assert.equal(await of(A, 9000, 5000), 6000);
  assert.equal(await of(B, 9000, 0), 0);
  assert.equal(await of(A, 9000, 5000), 5000); // its half would be 3,000
  assert.equal(await of(B, 9000, 0), 1000);
  assert.equal(await of(A, 9000, 3000), 3000);
  assert.equal(await of(B, 9000, 1000), 3000);
});

test('limits, refusals and overloads that one saw reach the others; the newest counts', async (t) => {
  const { ask, pass } = await fresh(t);
  await ask(A, 10, { limit: 600, told: 1_000_000, frozen: 5_000_000, cut: 200_000 });
  await pass(1);
  let seen = await ask(B, 10, { limit: 50, told: -1 }); // its own setting
  assert.equal(seen.limit_requests, 600);
  assert.equal(seen.left_requests, 4_000_000);
  assert.equal(seen.since_cut, 1_200_000);
  seen = await ask(B, 10, { limit: 900, told: 100_000 });
  assert.equal(seen.limit_requests, 900);
  seen = await ask(A, 10, { limit: 600, told: 2_000_000 }); // older news
  assert.equal(seen.limit_requests, 900);
  await pass(10);
  assert.equal((await ask(A, 10, { limit: 900, told: 9_000_000 })).left_requests, 0);
});
