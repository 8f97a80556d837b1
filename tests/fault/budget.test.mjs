// The provider's limits between several nodes: obeyed before they are hit, used to the full, shared
// fairly; a node that dies leaves its part to the others.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { sleep, until, World } from './world.mjs';

async function world(t, limits, options = {}) {
  const w = new World({ nodes: 3, slots: 100, leaseMs: 3000, speed: 1, ...options });
  let failed = true;
  t.after(() => w.close({ keep: failed }));
  await w.up();
  await fetch(`${w.sim.url}/sim/reset`, { method: 'POST', body: JSON.stringify(limits) });
  await w.startNodes();
  w.passed = () => {
    assert.deepEqual(w.nodes.flatMap((n) => n.problems), []);
    failed = false;
  };
  return w;
}

const insert = (w, n) => w.ask(`INSERT INTO script_generation_jobs (id, user_id, generation_params)
  SELECT gen_random_uuid(), $1, '{"topic": "Salt", "targetDuration": 60}' FROM generate_series(1, $2)`,
  [randomUUID(), n]);

const ledger = async (w) => (await (await fetch(`${w.sim.url}/sim/state`)).json()).ledger;

/** What the provider did in `ms` from now on. */
async function measure(w, ms) {
  const from = (await w.truth()).at(-1)?.n ?? 0;
  const before = await ledger(w), at = performance.now();
  await sleep(ms);
  const after = await ledger(w), seconds = (performance.now() - at) / 1000;
  const calls = (await w.truth()).filter((e) => e.n > from);
  return { seconds, calls, refused: calls.filter((e) => e.status === 429).length,
    served: after.requests - before.requests, output: after.billed_output_tokens - before.billed_output_tokens };
}

/** Until the provider gives as much of `what` (served, output) in one span of `ms` as in the one before. */
async function steady(w, what, ms) {
  const rates = [];
  await until(async () => {
    const seen = await measure(w, ms);
    rates.push(seen[what] / seen.seconds);
    const [before, now] = rates.slice(-2);
    return rates.length > 1 && now > 0 && Math.abs(now - before) <= 0.04 * now;
  }, { what: () => `a steady rate; ${rates.map((r) => r.toFixed(1))}` });
}

/** The limit over the span: a machine that stood still for a second just before makes up for it in it. */
const atMost = (perMinute, seen, share) => perMinute / 60 * (share * seen.seconds + 1);

const parts = (w) => w.ask(`SELECT w.name, p.part FROM scriptorium.budget_part p
  JOIN scriptorium.worker w ON w.id = p.worker WHERE p.until > clock_timestamp()`);

test('three nodes use a request limit to the full and are not refused', { timeout: 120000 }, async (t) => {
  const RPM = 900;
  const w = await world(t, { rpm: RPM });
  await insert(w, 1000);
  await until(async () => (await parts(w)).length === 3, { what: () => 'all three with a part' });
  await steady(w, 'served', 2000); // the first burst is over
  const seen = await measure(w, 6000);
  const used = seen.served / (RPM / 60 * seen.seconds);
  console.log(`# ${seen.served} requests in ${seen.seconds.toFixed(1)} s are ${(used * 100).toFixed(1)} % of the limit; ${seen.refused} refused`);
  assert.ok(seen.refused <= 3, `${seen.refused} refused`);
  assert.ok(used > 0.92 && seen.served < atMost(RPM, seen, 1.03), `${used} of the limit`);

  await w.nodes[0].end('SIGKILL');
  await until(async () => (await parts(w)).length === 2, { what: () => 'the part of the dead free', timeout: 8000 });
  await steady(w, 'served', 2000);
  const two = await measure(w, 5000);
  const usedByTwo = two.served / (RPM / 60 * two.seconds);
  console.log(`# two nodes: ${(usedByTwo * 100).toFixed(1)} %; ${two.refused} refused`);
  assert.ok(two.refused <= 2, `${two.refused} refused`);
  assert.ok(usedByTwo > 0.9 && two.served < atMost(RPM, two, 1.05), `${usedByTwo} of the limit`);
  w.passed();
});

test('three nodes use an output limit to the full and are not refused', { timeout: 120000 }, async (t) => {
  const OTPM = 120000; // 2,000 a second: about 25 streams
  const w = await world(t, { otpm: OTPM });
  await insert(w, 700);
  await until(async () => (await parts(w)).length === 3, { what: () => 'all three with a part' });
  await steady(w, 'output', 2500); // streams end as fast as they begin
  const seen = await measure(w, 8000);
  const used = seen.output / (OTPM / 60 * seen.seconds);
  console.log(`# ${seen.output} tokens in ${seen.seconds.toFixed(1)} s are ${(used * 100).toFixed(1)} % of the limit; ${seen.refused} of ${seen.calls.length} refused`);
  assert.ok(seen.refused <= 3, `${seen.refused} refused`);
  assert.ok(used > 0.88 && seen.output < atMost(OTPM, seen, 1.05), `${used} of the limit`);
  w.passed();
});
