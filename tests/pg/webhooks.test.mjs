// Webhooks on PostgreSQL: several nodes that die, a receiver that fails now and then, clients that end
// jobs by writing the row. Nothing is lost, and what is told twice has the same id.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, json, run, until } from '../blackbox/harness.mjs';
import { receiver, secret, verify } from '../blackbox/receiver.mjs';
import { daemon } from '../blackbox/serve.mjs';
import * as pg from '../lib/pg.mjs';

const USER = '11111111-1111-4111-8111-111111111111';
let server;

before(async () => { server = await pg.start(); });
after(async () => { await server?.remove(); });

async function prepared(t) {
  const dir = folder(t);
  const database = await server.database();
  const url = server.url({ database });
  const done = run(dir, ['migrate', '--database', url]);
  assert.equal(done.code, 0, done.err);
  const db = await server.connect({ database });
  t.after(() => db.end());
  return { dir, url, db };
}

test('nodes are killed while they tell ends: each end arrives, once or with the same id', async (t) => {
  const { dir, url, db } = await prepared(t);
  const key = secret();
  const r = await receiver(t, { answer: (s, response) => {
    const status = s.nth === 1 && r.seen.length % 7 === 0 ? 500 : 204;
    setTimeout(() => response.writeHead(status).end(), 1);
  } });
  const node = () => daemon(t, dir, { speed: '3000', args: ['--concurrency', '10'], env: {
    DATABASE_URL: url, SCRIPTORIUM_LEASE: '2s', SCRIPTORIUM_WEBHOOK_URL: r.url,
    SCRIPTORIUM_WEBHOOK_SECRET: key, SCRIPTORIUM_WEBHOOK_ALLOW: '127.0.0.1' } });
  const nodes = [await node(), await node()];
  await db.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT $1, '{"topic": "Salt", "targetDuration": 60}' FROM generate_series(1, 40)`, [USER]);
  await db.query(`INSERT INTO script_generation_jobs (user_id, generation_params, priority)
    SELECT $1, '{"topic": "Salt"}', 1 FROM generate_series(1, 200)`, [USER]);
  await db.query("UPDATE script_generation_jobs SET status = 'cancelled' WHERE priority = 1");
  await db.query("DELETE FROM script_generation_jobs WHERE id IN (SELECT id FROM script_generation_jobs WHERE status = 'pending' LIMIT 5)");
  await until(() => r.seen.length >= 40);
  nodes[0].process.kill('SIGKILL');
  nodes[1].process.kill('SIGSTOP');
  await node();
  await until(() => r.seen.length >= 120);
  nodes[1].process.kill('SIGCONT');
  const rows = async (where) => Number((await db.query(
    `SELECT count(*) FROM scriptorium.outbox WHERE kind = 0 AND ${where}`)).rows[0].count);
  const left = async () => Number((await db.query(
    "SELECT count(*) FROM script_generation_jobs WHERE status IN ('pending', 'processing')")).rows[0].count);
  await until(async () => {
    // As if the leases of what the dead had taken were over.
    await db.query('UPDATE scriptorium.outbox SET due_at = now() WHERE kind = 0 AND state = 0');
    return await left() === 0 && await rows('state = 0') === 0;
  }, { timeout: 120000, every: 300, what: async () => 'all told' });
  assert.equal(await rows('state = 2'), 0);
  const noted = (await db.query('SELECT id, job_id, outcome FROM scriptorium.outbox WHERE kind = 0')).rows;
  assert.equal(noted.length, 240);
  for (const n of noted) {
    const told = r.seen.filter((s) => s.id === n.id);
    assert.ok(told.length >= 1, `${n.outcome} of ${n.job_id} was never told`);
    assert.ok(told.every((s) => s.json.type === `job.${n.outcome}` && s.json.data.job_id === n.job_id));
  }
  assert.equal(r.ids().size, 240);
  assert.ok(r.seen.every((s) => verify(key, s.headers, s.body)));
  const { endpoints: [e] } = json(dir, ['webhooks', 'list', '--limit', '1'], { env: { DATABASE_URL: url } });
  assert.deepEqual([e.name, e.delivered, e.waiting], ['default', 240, 0]);
});
