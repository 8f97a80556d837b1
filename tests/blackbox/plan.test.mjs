// The capacity planner by command and by API: the guide's case, measured times, refusals.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, run, sql } from './harness.mjs';
import { daemon } from './serve.mjs';

const row = (plan, name) => plan.setups.find((s) => s.name === name);

test('the guide\'s figures stand beside what its set-ups compute to', (t) => {
  const dir = folder(t);
  const plan = json(dir, ['plan', '--users', '10', '--tier', 'start']);
  assert.deepEqual(['one_worker', 'three_slots', 'three_workers', 'continuous']
    .map((n) => row(plan, n).wait_tenth_seconds), [2700, 900, 300, 0]);
  assert.deepEqual(plan.guide.setups.slice(0, 2).map((r) => r.quoted_tenth_waits), ['up to 45 min', '14 min']);
  assert.match(plan.guide.difference, /14 min.*compute to 15/);
  assert.equal(plan.measured, false);
  const text = run(dir, ['plan', '--users', '10']);
  assert.equal(text.code, 0, text.err);
  assert.match(text.out, /three slots.* 18-30 +36 +14 min +15 min$/m);
});

test('a million scripts a day are planned in a moment', (t) => {
  const dir = folder(t);
  const before = Date.now();
  const plan = json(dir, ['plan', '--per-day', '1000000', '--workers', '14', '--keys', '4']);
  assert.ok(Date.now() - before < 5000, `${Date.now() - before} ms`); // the sanitizers' build, a busy machine
  const called = json(dir, ['plan', '--per-day', '1000000', '--workers', '1000', '--concurrency', '1000', '--keys', '4', '--every', '10m']);
  // every tenth minute takes all that came before it: nobody waits ten minutes, half of them wait five
  assert.deepEqual([row(called, 'own').wait_first_seconds, row(called, 'own').called_every_seconds], [0, 600]);
  assert.ok(row(called, 'own').wait_last_seconds < 600 && row(called, 'own').wait_median_seconds > 200,
    JSON.stringify(row(called, 'own')));
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
  assert.deepEqual(mine.steps.map((s) => s.name), ['chunk']);
  assert.equal(mine.steps[0].output_tokens, tokens);
  assert.deepEqual(mine.guide, json(folder(t), ['plan', '--users', '10']).guide, 'whatever was measured');
  writeFileSync(join(dir, 'limits.yaml'), 'anthropic:\n  otpm: 12345\n');
  const again = await daemon(t, dir, { args: ['--config', join(dir, 'limits.yaml')] });
  const limits = async (query) => (await (await again.get(`/v1/plan?${query}`)).json()).limits;
  assert.deepEqual(await limits(''), { rpm: 1000, itpm: 2000000, otpm: 12345 });
  assert.deepEqual(await limits('tier=start'), { rpm: 1000, itpm: 2000000, otpm: 400000 });
  const theirs = await (await again.get('/v1/plan?users=10&tier=start')).json();
  assert.deepEqual(theirs.setups, mine.setups);
  assert.equal((await again.get('/v1/plan?tier=gold')).status, 400);
  assert.equal((await again.get('/v1/plan?users=10&per_day=10')).status, 400);
  for (const wrong of ['minutes_per_script=x', 'minutes_per_script=0', 'step_seconds=chunk', 'step_seconds=chunk%3D3&minutes_per_script=1', 'budget=0', 'budget=-1', 'every=nan', 'users=0']) {
    assert.equal((await again.get(`/v1/plan?${wrong}`)).status, 400, wrong);
  }
  const asked = await (await again.get('/v1/plan?users=7&workers=2&concurrency=2&every=30&budget=0.1&tier=start&step_seconds=outline%3D5,chunk%3D3x40')).json();
  assert.deepEqual(asked.setups, json(dir, ['plan', '--users', '7', '--workers', '2', '--concurrency', '2', '--every', '30s',
    '--budget', '0.1', '--step-seconds', 'outline=5,chunk=3x40']).setups);
  assert.deepEqual([asked.calls_per_script, asked.seconds_per_script], [4, 125]);
  assert.equal(row(asked, 'own').called_every_seconds, 30);
  assert.equal((await again.get('/v1/plan', { key: null })).status, 401);
});

test('what cannot be planned is refused', (t) => {
  const dir = folder(t);
  for (const [args, says] of [
    [['--users', '10', '--per-day', '10'], /either how many ask at once or how many a day/],
    [['--tier', 'gold'], /'gold' is none of start, build, scale/],
    [['--minutes-per-script', '0'], /more than nothing/],
    [['--step-seconds', 'outline'], /--step-seconds: 'outline': write NAME=SECONDS/],
    [['--step-seconds', 'outline=3', '--minutes-per-script', '1'], /either how long a script takes or how long its steps do/],
    [['--users', '0'], /--users must be between 1 and 1000000, not .0./],
    [['--budget', '0'], /--budget must be more than nothing/],
  ]) {
    const done = run(dir, ['plan', ...args]);
    assert.equal(done.code, 2, done.out);
    assert.match(done.err, says);
  }
});
