// kill -9 at twenty random moments of a three-job run, restarted until done: everything completes, no
// finished model call is made again, at most one call per kill and running job is cut, and our
// ledger says what the provider's says. SEED=... replays the moments.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareLedgers, folder, json, random, Running, simulator, sql, until } from './harness.mjs';

const KILLS = 20, JOBS = 3;

// Characters that are safe in the store: of finished steps, and of those in flight.
function progress(dir) {
  const tables = sql(dir, "SELECT 1 FROM sqlite_master WHERE name = 'scriptorium_text'");
  if (tables.length === 0) return 0;
  return sql(dir, 'SELECT (SELECT coalesce(sum(length(text)), 0) FROM scriptorium_step) + ' +
    '(SELECT coalesce(sum(length(text)), 0) FROM scriptorium_text) AS n')[0].n;
}

test(`kill -9 at ${KILLS} random moments loses nothing and pays nothing twice`, { timeout: 400000 },
  async (t) => {
    const dir = folder(t);
    const next = random();
    const sim = await simulator(t, dir, ['--speed', '5']);
    let kills = 0;
    let wanted = ['run', '--jobs', String(JOBS), '--users', String(JOBS), '--minutes', '20', '--out', 'out'];
    for (let starts = 0; ; starts++) {
      assert.ok(starts < 60, 'does not come to an end');
      const before = starts === 0 ? 0 : progress(dir);
      const engine = new Running(dir, wanted, { env: sim.env });
      if (kills < KILLS) {
        const more = 300 + next() * 3500;
        await until(() => engine.closed || progress(dir) >= before + more,
          { what: () => `progress\n${engine.err}` });
      } else {
        await engine.ended;
      }
      if (!engine.closed) {
        engine.kill('SIGKILL');
        kills++;
      }
      await engine.ended;
      wanted = ['run', '--out', 'out'];
      if (engine.signal === null) {
        assert.equal(engine.code, 0, engine.err);
        break;
      }
    }
    assert.equal(kills, KILLS, 'the run was long enough for all kills');

    const rows = sql(dir, 'SELECT id, status, retry_count FROM script_generation_jobs');
    assert.deepEqual(rows.map((r) => r.status), Array(JOBS).fill('completed'));
    assert.deepEqual(rows.map((r) => r.retry_count), Array(JOBS).fill(0), 'a crash burns no retry');
    assert.equal(sql(dir, 'SELECT count(*) AS n FROM scriptorium_queue')[0].n, 0);

    const truth = await sim.ledger();
    const { exact, estimated } = compareLedgers(dir, truth);
    const once = new Set(exact.map((c) => `${c.job_id} ${c.run} ${c.step}`));
    assert.equal(once.size, exact.length, 'a finished model call was made again');
    assert.ok(estimated.length <= KILLS * JOBS, `${estimated.length} calls were cut`);
    for (const { id } of rows) {
      const cut = estimated.filter((c) => c.job_id === id).length;
      assert.ok(cut <= KILLS, `${cut} calls of job ${id} were cut by ${KILLS} kills`);
    }
    // A call that was delivered whole, but whose end the kill kept us from writing down, is the one
    // kind that may be paid once more; every other estimated call was cut in truth too.
    const whole = estimated.filter((c) => c.truth?.completed).length;
    assert.ok(whole <= KILLS, `${whole} calls were lost after their end`);
    const ours = estimated.reduce((sum, c) => sum + c.output, 0);
    const real = estimated.reduce((sum, c) => sum + (c.truth?.billed_output_tokens ?? 0), 0);
    console.log(`# ${kills} kills, ${exact.length} calls exact, ${estimated.length} cut; of those ${ours} tokens ` +
      `estimated, ${real} in truth`);
    assert.ok(Math.abs(ours - real) <= 0.1 * real, `cut calls: ${ours} tokens estimated, ${real} in truth`);

    for (const { id } of rows) {
      const job = json(dir, ['jobs', 'show', id]);
      assert.ok(job.script_metadata.words >= 0.8 * 20 * 130, `${job.script_metadata.words} words`);
    }
  });
