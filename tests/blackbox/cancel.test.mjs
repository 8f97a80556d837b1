// A running job is stopped by its own command, and by anybody who changes the row.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folder, json, simulator, sql, start, until } from './harness.mjs';

async function twoRunning(t, dir) {
  const sim = await simulator(t, dir, ['--speed', '8']);
  const engine = start(t, dir, ['run', '--jobs', '2', '--minutes', '10'], { env: sim.env });
  await until(async () => {
    const calls = (await sim.ledger()).filter((e) => e.running && e.generated_tokens > 20);
    return calls.length === 2;
  }, { what: () => `two streams\n${engine.err}` });
  const ids = sql(dir, "SELECT id FROM script_generation_jobs WHERE status = 'processing'");
  assert.equal(ids.length, 2);
  return { sim, engine, id: ids[0].id };
}

// From the moment the row is changed to the moment the provider sees the client go away.
async function abortTakes(sim, id, dir, change) {
  const [{ id: call }] = sql(dir, `SELECT id FROM scriptorium_call WHERE job_id = '${id}' AND state = 0`);
  change();
  const from = Date.now();
  await until(async () => (await sim.ledger()).some((e) => e.call === call && e.aborted),
    { timeout: 10000, what: () => 'the call to be aborted' });
  return Date.now() - from;
}

const ways = {
  'jobs cancel': (dir, id) => json(dir, ['jobs', 'cancel', id]),
  'a direct change of the row': (dir, id) =>
    sql(dir, `UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = '${id}'`),
  'a delete of the row': (dir, id) =>
    sql(dir, `DELETE FROM script_generation_jobs WHERE id = '${id}'`),
};

for (const [name, change] of Object.entries(ways)) {
  test(`${name} aborts the running call within a second; the other job goes on`, async (t) => {
    const dir = folder(t);
    const { sim, engine, id } = await twoRunning(t, dir);
    const took = await abortTakes(sim, id, dir, () => change(dir, id));
    assert.ok(took < 1000, `${took} ms`);
    await engine.ended;
    assert.equal(engine.code, 1, 'not every script was completed');
    const rows = sql(dir, 'SELECT id, status, generated_script FROM script_generation_jobs');
    const cancelled = rows.find((r) => r.id === id);
    if (name.startsWith('a delete')) {
      assert.equal(cancelled, undefined, 'a late write did not bring it back');
    } else {
      assert.equal(cancelled.status, 'cancelled');
      assert.equal(cancelled.generated_script, null);
    }
    assert.equal(rows.filter((r) => r.status === 'completed').length, 1);
    // The money already spent is in the ledger all the same.
    const states = sql(dir, `SELECT state FROM scriptorium_call WHERE job_id = '${id}'`);
    assert.deepEqual(states.map((s) => s.state), [2]);
  });
}

test('a running job set to pending again starts over and completes once', async (t) => {
  const dir = folder(t);
  const { engine, id } = await twoRunning(t, dir);
  sql(dir, `UPDATE script_generation_jobs SET status = 'pending' WHERE id = '${id}'`);
  await engine.ended;
  assert.equal(engine.code, 0, engine.err);
  const rows = sql(dir, 'SELECT status FROM script_generation_jobs');
  assert.deepEqual(rows.map((r) => r.status), ['completed', 'completed']);
  assert.equal(sql(dir, 'SELECT count(*) AS n FROM scriptorium_queue')[0].n, 0);
});

test('jobs watch follows jobs of another process to their end', async (t) => {
  const dir = folder(t);
  const { engine } = await twoRunning(t, dir);
  const watch = start(t, dir, ['jobs', 'watch']);
  await watch.says(/generating_chunk_1_of_1/);
  await engine.ended;
  await watch.ended;
  assert.equal(watch.code, 0, watch.err);
  assert.equal(watch.err.match(/: completed, /g).length, 2);
});
