// Ctrl-C: what was written is kept, and the next run goes on from there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareLedgers, folder, json, run, simulator, sql, start, until } from './harness.mjs';

// Characters of the running step that are safe in the store.
const saved = (dir) => sql(dir, 'SELECT coalesce(sum(length(text)), 0) AS n FROM scriptorium_text')[0].n;
const running = (dir) => sql(dir, "SELECT count(*) AS n FROM scriptorium_queue WHERE state = 1")[0].n;

async function stopInTheMiddle(t, dir, sim, signal) {
  const first = start(t, dir, ['run', '--topic', 'Tides', '--minutes', '10'], { env: sim.env });
  await until(() => sql(dir, "SELECT 1 FROM sqlite_master WHERE name = 'scriptorium_text'").length > 0
    && saved(dir) > 500, { what: () => `some text in the store\n${first.err}` });
  const asked = Date.now();
  first.kill(signal);
  await first.ended;
  return { first, took: Date.now() - asked };
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} saves the partial text, and a second run goes on where the first stopped`, async (t) => {
    const dir = folder(t);
    const sim = await simulator(t, dir, ['--speed', '8']);
    const { first, took } = await stopInTheMiddle(t, dir, sim, signal);
    assert.equal(first.code, 1, first.err);
    assert.equal(first.signal, null);
    // Half a second of grace, and what saving takes, on a busy machine with sanitizers.
    assert.ok(took < 2500, `${took} ms`);
    assert.match(first.err, /stopped; what was written is saved, 1 to go: scriptorium run/);
    assert.equal(running(dir), 0, 'the job was handed back');
    const kept = sql(dir, 'SELECT (SELECT coalesce(sum(length(text)), 0) FROM scriptorium_text) + ' +
      '(SELECT coalesce(sum(length(text)), 0) FROM scriptorium_step) AS n')[0].n;
    assert.ok(kept > 500, `${kept} characters kept`);
    const [{ id }] = sql(dir, 'SELECT id FROM script_generation_jobs');

    const summary = json(dir, ['run'], { env: sim.env });
    assert.equal(summary.completed, 1);
    assert.equal(summary.jobs[0].id, id);
    const { exact, estimated } = compareLedgers(dir, await sim.ledger());
    assert.equal(estimated.length, 1, 'one call was cut');
    // What the cut call had written was not written again: the two together are one script.
    const second = exact.reduce((sum, c) => sum + c.output, 0);
    const whole = json(dir, ['jobs', 'show', id]);
    assert.ok(second < 1.5 * whole.script_metadata.words * 1.4,
      `${second} tokens after the stop for ${whole.script_metadata.words} words`);
    assert.equal(whole.retry_count, 0, 'stopping burns no retry');
  });
}

test('a second signal exits at once', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '1']);
  const first = start(t, dir, ['run', '--topic', 'Tides', '--minutes', '10'],
    { env: { ...sim.env, SCRIPTORIUM_GRACE: '1h' } });
  await first.says(/generating_chunk_1/);
  await until(() => saved(dir) > 0, { what: () => 'a running stream' });
  first.kill('SIGINT');
  await until(() => { first.kill('SIGINT'); return first.closed; }, { timeout: 5000 });
  assert.equal(first.code, 130);
  assert.equal(json(dir, ['run', '--speed', '300'], {}).completed, 1);
});

test('a stop before anything runs leaves everything waiting', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '1']);
  const first = start(t, dir, ['run', '--jobs', '5', '--minutes', '10', '--concurrency', '2'],
    { env: sim.env });
  await first.says(/preparing_data|generating_chunk/);
  first.kill('SIGINT');
  await first.ended;
  assert.equal(json(dir, ['stats']).jobs.pending, 5);
  assert.equal(run(dir, ['jobs', 'list']).code, 0);
});
