// The capacity planner by command and by API: the guide's case, measured times, refusals.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folder, json, run, sql } from './harness.mjs';
import { daemon } from './serve.mjs';

const row = (plan, name) => plan.setups.find((s) => s.name === name);

test('the guide\'s figures stand beside what its set-ups compute to', (t) => {
  const dir = folder(t);
  const plan = json(dir, ['plan', '--users', '10', '--tier', 'start']);
  assert.deepEqual(['one_worker', 'three_slots', 'three_workers', 'continuous']
    .map((n) => row(plan, n).wait_tenth_seconds), [2700, 900, 300, 0]);
  assert.deepEqual([row(plan, 'one_worker'), row(plan, 'three_slots')].map((r) => r.quoted_tenth_waits),
    ['up to 45 min', '14 min']);
  assert.match(plan.difference, /14 min.*compute to 15/);
  assert.equal(plan.measured, false);
  const text = run(dir, ['plan', '--users', '10']);
  assert.equal(text.code, 0, text.err);
  assert.match(text.out, /three slots.* 15 min .*18-30 an hour, tenth 14 min/);
});

test('a million scripts a day are planned in a moment', (t) => {
  const dir = folder(t);
  const before = Date.now();
  const plan = json(dir, ['plan', '--per-day', '1000000', '--workers', '14', '--keys', '4']);
  assert.ok(Date.now() - before < 5000, `${Date.now() - before} ms`); // the sanitizers' build
  assert.equal(row(plan, 'continuous').wait_last_seconds, 0);
  assert.equal(json(dir, ['plan', '--per-day', '1000000', '--workers', '14', '--keys', '3']).setups[0].bound, 'OTPM');
  assert.equal(json(dir, ['plan', '--users', '5', '--budget', '1']).setups.at(-1).bound, 'money');
});

test('what scripts took here is measured, and the API answers the same', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir);
  const plan = async (query) => (await d.get(`/v1/plan?${query}`)).json();
  assert.equal((await plan('users=10')).measured, false);
  await d.process.kill('SIGTERM');
  await d.process.ended;
  assert.equal(run(dir, ['run', '--jobs', '4', '--minutes', '2', '--speed', '100']).code, 0);
  const mine = json(dir, ['plan', '--users', '10']);
  assert.equal(mine.measured, true);
  const [{ s, tokens }] = sql(dir, 'SELECT avg(julianday(completed_at) - julianday(started_at)) * 86400 AS s, ' +
    '(SELECT sum(output) / 4 FROM scriptorium_call) AS tokens FROM script_generation_jobs');
  assert.ok(Math.abs(mine.seconds_per_script - s) < 0.01, `${mine.seconds_per_script} ${s}`);
  assert.equal(mine.output_tokens_per_script, tokens);
  const again = await daemon(t, dir);
  const theirs = await (await again.get('/v1/plan?users=10')).json();
  assert.deepEqual(theirs.setups, mine.setups);
  assert.equal((await again.get('/v1/plan?tier=gold')).status, 400);
  assert.equal((await again.get('/v1/plan?users=10&per_day=10')).status, 400);
  for (const wrong of ['minutes_per_script=x', 'minutes_per_script=0', 'budget=0', 'budget=-1', 'every=nan', 'users=0']) {
    assert.equal((await again.get(`/v1/plan?${wrong}`)).status, 400, wrong);
  }
  const asked = await (await again.get('/v1/plan?users=7&workers=2&concurrency=2&every=30&budget=0.1')).json();
  assert.deepEqual(asked.setups, json(dir, ['plan', '--users', '7', '--workers', '2', '--concurrency', '2', '--every', '30s',
    '--budget', '0.1']).setups);
  assert.equal(row(asked, 'own').called_every_seconds, 30);
  assert.equal((await again.get('/v1/plan', { key: null })).status, 401);
});

test('what cannot be planned is refused', (t) => {
  const dir = folder(t);
  for (const [args, says] of [
    [['--users', '10', '--per-day', '10'], /either how many ask at once or how many a day/],
    [['--tier', 'gold'], /'gold' is none of start, build, scale/],
    [['--minutes-per-script', '0'], /more than nothing/],
    [['--users', '0'], /--users must be between 1 and 1000000, not .0./],
    [['--budget', '0'], /--budget must be more than nothing/],
  ]) {
    const done = run(dir, ['plan', ...args]);
    assert.equal(done.code, 2, done.out);
    assert.match(done.err, says);
  }
});
