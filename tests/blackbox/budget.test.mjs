// Caps on what the model calls of a day may cost: new calls stop, jobs wait and say why, the operator
// is told, and a raised cap lets them go on.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, sql, start, until } from './harness.mjs';
import { daemon } from './serve.mjs';

const USERS = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];

async function add(d, user, n) {
  const ids = [];
  for (let i = 0; i < n; i++) {
    const answer = await d.post('/v1/jobs', { body: { topic: `Salt ${i}`, targetDuration: 60, user_id: user } });
    assert.equal(answer.status, 201);
    ids.push((await answer.json()).id);
  }
  return ids;
}

const stats = async (d) => (await d.get('/v1/stats')).json();
const job = async (d, id) => (await d.get(`/v1/jobs/${id}`)).json();
const why = async (d, id) => (await d.get(`/v1/jobs/${id}/why`)).json();

test('the cap of the day stops new calls; jobs wait, and go on when it is raised', async (t) => {
  const dir = folder(t), config = join(dir, 'c.yaml');
  writeFileSync(config, 'budget:\n  per_day_usd: 0.05\n');
  const d = await daemon(t, dir, { args: ['--config', config] });
  const ids = await add(d, USERS[0], 12);
  await d.process.says(/spend cap: all model calls of today \(UTC\) reach the \$0\.05/);
  await until(async () => (await stats(d)).queue.running === 0);
  const seen = await stats(d);
  // Open calls count by estimate: what they cost more than that comes on top.
  assert.ok(seen.today.cost_usd > 0.02 && seen.today.cost_usd < 0.07, JSON.stringify(seen.today));
  assert.equal(seen.today.reserved_usd, 0);
  const all = await Promise.all(ids.map((id) => job(d, id)));
  const waiting = all.filter((j) => j.status === 'pending');
  assert.ok(waiting.length > 0);
  assert.equal(all.filter((j) => j.status === 'failed').length, 0);
  assert.equal(Math.max(...all.map((j) => j.retry_count)), 0);
  assert.equal((await why(d, waiting[0].id)).code, 'spend_cap');
  writeFileSync(config, 'budget:\n  per_day_usd: 50\n');
  d.process.kill('SIGHUP');
  await until(async () => (await stats(d)).jobs.completed === ids.length, { timeout: 60000 });
});

test('a user\'s cap stops that user only', async (t) => {
  const dir = folder(t), config = join(dir, 'c.yaml');
  writeFileSync(config, 'budget:\n  per_user_per_day_usd: 0.05\n');
  const d = await daemon(t, dir, { args: ['--config', config] });
  const many = await add(d, USERS[0], 12);
  await until(async () => (await Promise.all(many.map((id) => why(d, id)))).some((w) => w.code === 'spend_cap'));
  const [one] = await add(d, USERS[1], 1);
  await until(async () => (await job(d, one)).status === 'completed');
  const waiting = (await Promise.all(many.map((id) => why(d, id)))).find((w) => w.code === 'spend_cap');
  assert.match(waiting.text, /this user's model calls of today/);
  assert.ok(Date.parse(waiting.until) - Date.now() <= 611000);
});

test('what no job may cost, and how old none may get, holds for jobs that ask for nothing', async (t) => {
  const dir = folder(t);
  const { id: dear } = json(dir, ['enqueue', '--topic', 'Salt', '--minutes', '10']);
  const { id: old } = json(dir, ['enqueue', '--topic', 'Old salt', '--minutes', '1']);
  const { id: young } = json(dir, ['enqueue', '--topic', 'New salt', '--minutes', '1']);
  sql(dir, `UPDATE script_generation_jobs SET created_at = '2020-01-01T00:00:00.000000Z' WHERE id = '${old}'`);
  const run = start(t, dir, ['run', '--speed', '50'],
    { env: { SCRIPTORIUM_JOB_COST_MAX: '0.015', SCRIPTORIUM_JOB_AGE_MAX: '1h' } });
  await run.ended;
  assert.equal(run.code, 1, run.err);
  const rows = Object.fromEntries(sql(dir, 'SELECT * FROM script_generation_jobs').map((j) => [j.id, j]));
  assert.equal(rows[young].status, 'completed', rows[young].error_message);
  assert.equal(rows[old].status, 'failed');
  assert.match(rows[old].error_message, /deadline/);
  assert.equal(rows[dear].status, 'failed');
  assert.match(rows[dear].error_message, /^maxCostUsd: \$0\.0000 are spent and chunk_1 would cost about \$0\.02\d\d, more than the \$0\.0150 .* job-cost-max/);
  const calls = sql(dir, 'SELECT DISTINCT job_id FROM scriptorium_call');
  assert.deepEqual(calls.map((c) => c.job_id), [young], 'nothing was paid for the other two');
});
