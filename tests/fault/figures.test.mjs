// How soon work goes on: after a node was killed, and after the database was away for longer than the
// lease.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import * as audit from './audit.mjs';
import { sleep, until, World } from './world.mjs';

const LEASE = 2000;

async function world(t, options) {
  const w = new World({ leaseMs: LEASE, speed: 1, ...options });
  let failed = true;
  t.after(() => w.close({ keep: failed }));
  await w.up();
  const client = await w.server.connect();
  await audit.install(client);
  await client.end();
  await w.startNodes();
  w.passed = () => {
    assert.deepEqual(w.nodes.flatMap((n) => n.problems), []);
    failed = false;
  };
  return w;
}

/** Jobs of about ten minutes each: at speed 1 nothing ends by itself while we look. */
async function busy(w, n) {
  await w.ask(`INSERT INTO script_generation_jobs (id, user_id, generation_params)
    SELECT gen_random_uuid(), $1, '{"topic": "Why bridges hum", "targetDuration": 900}' FROM generate_series(1, $2)`,
    [randomUUID(), n]);
  await until(async () => (await w.ask('SELECT count(*) AS n FROM scriptorium.step_text'))[0].n >= n,
    { what: () => 'all jobs at work', every: 50 });
}

const holders = async (w) => new Map((await w.ask(`SELECT q.job_id, c.who, q.fence FROM scriptorium.queue q
  JOIN chaos.claim c ON c.fence = q.fence WHERE q.state = 1`)).map((r) => [r.job_id, r]));

/** What the calls of the killed are charged with, beside what the provider says. */
async function chargedRight(w) {
  const truth = new Map((await w.truth()).filter((e) => e.call).map((e) => [e.call, e.billed_output_tokens]));
  const cut = await w.ask('SELECT id, output FROM scriptorium.call WHERE state = 2');
  const ours = cut.reduce((sum, call) => sum + call.output, 0);
  const real = cut.reduce((sum, call) => sum + (truth.get(call.id) ?? 0), 0);
  console.log(`# ${cut.length} cut calls: ${ours} tokens estimated, ${real} in truth`);
  assert.ok(cut.length >= 12 && Math.abs(ours - real) <= 0.1 * real, `${ours} of ${real} tokens in ${cut.length} calls`);
}

test('a killed node\'s jobs run again within one lease and two seconds', { timeout: 120000 }, async (t) => {
  const w = await world(t, { nodes: 3, slots: 6 });
  await busy(w, 12);
  for (let round = 0; round < 3; round++) {
    const before = await holders(w);
    const of = (node) => [...before].filter(([, h]) => h.who === node.name).map(([id]) => id);
    const victim = w.nodes.reduce((a, b) => (of(b).length > of(a).length ? b : a));
    const theirs = of(victim);
    assert.ok(theirs.length >= 4);
    await victim.end('SIGKILL');
    const at = Date.now();
    await until(async () => {
      const now = await holders(w);
      return theirs.every((id) => now.has(id) && now.get(id).who !== victim.name);
    }, { every: 20, timeout: 20000, what: () => `${theirs.length} jobs of ${victim.name} with others` });
    const took = Date.now() - at;
    console.log(`# ${theirs.length} jobs of ${victim.name} run again after ${took} ms; the lease is ${LEASE} ms`);
    assert.ok(took <= LEASE + 2000, `${took} ms`);
    await victim.start();
    await victim.ready();
    await sleep(LEASE); // it may judge others again only after a whole lease
    // A second crash without any progress in between waits longer, on purpose.
    await until(async () => (await w.ask('SELECT FROM scriptorium.queue WHERE crashes > 0')).length === 0,
      { what: () => 'progress of all jobs' });
  }
  await chargedRight(w);
  w.passed();
});

test('after an outage longer than the lease all go on within two leases and two seconds, and nobody takes over everything',
  { timeout: 120000 }, async (t) => {
    const w = await world(t, { nodes: 4, slots: 10 });
    await busy(w, 24);
    for (const mode of ['fast', 'immediate']) {
      const before = await holders(w);
      await w.server.stop(mode);
      await sleep(LEASE * 2.5);
      await w.server.up();
      const at = Date.now();
      const [{ from }] = await w.ask('SELECT clock_timestamp() AS from');
      const heard = new Set(); // text of a step goes away when the step is done: once heard is enough
      await until(async () => {
        const orphans = await audit.orphans(w);
        const now = await holders(w);
        for (const { job_id } of await w.ask(`SELECT DISTINCT job_id FROM scriptorium.step_text
          WHERE written_at > $1`, [from])) heard.add(job_id);
        return orphans.length === 0 && now.size === before.size && heard.size === before.size;
      }, { every: 20, timeout: 30000, what: () => 'all jobs at work again' });
      const took = Date.now() - at;
      const now = await holders(w);
      const same = [...before].filter(([id, h]) => now.get(id)?.fence === h.fence).length;
      console.log(`# ${mode}: ${before.size} jobs at work again after ${took} ms, ${same} of them with the node that had them`);
      assert.ok(took <= 2 * LEASE + 2000, `${took} ms`);
      assert.ok(same >= 0.9 * before.size, `${same} of ${before.size} jobs stayed where they were`);
      await sleep(LEASE);
    }
    w.passed();
  });
