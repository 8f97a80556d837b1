#!/usr/bin/env node
// In: --jobs, --kills, --seconds, --nodes, --families, --leaseMs, --speed, --sessions (=N each), --long, --mutant=NAME;
// SEED replays a run's choices. Out: a chaos, judged; exit 0 when nothing was lost, doubled, or done by an attempt that was over.
import { fileURLToPath } from 'node:url';
import { random } from '../blackbox/harness.mjs';
import * as audit from './audit.mjs';
import { Clients } from './clients.mjs';
import { Faults } from './faults.mjs';
import { judge } from './judge.mjs';
import { mutants, mutate } from './mutants.mjs';
import * as told from './told.mjs';
import { sleep, World } from './world.mjs';

export const forms = {
  short: { jobs: 400, kills: 20, seconds: 40, nodes: 3, families: 1, slots: 12, leaseMs: 2000, speed: 4, meddling: 0.35 },
  long: { jobs: 10000, kills: 20, seconds: 300, nodes: 3, families: 1, slots: 32, leaseMs: 3000, speed: 10, meddling: 0.25 },
};

// A stream of its own for each player, so that one's pace does not change the other's choices.
function streams(n) {
  const seeds = random();
  return Array.from({ length: n }, () => {
    let state = Math.floor(seeds() * 2 ** 32) >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 15), z | 1);
      z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
      return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
    };
  });
}

/** Looks at every moment's snapshot while `going` is under way. */
async function watch(world, going, problems) {
  let over = false, looks = 0;
  const orphans = new Map(); // running without a live lease, by job: since when
  const done = going.finally(() => { over = true; });
  done.catch(() => {});
  while (!over) {
    problems.push(...(await audit.look(world)).slice(0, 5), ...await lookForOrphans(world, orphans));
    looks++;
    await sleep(400);
  }
  await done;
  return looks;
}

/** A running row whose worker is dead belongs to others one lease later, as soon as one of them has had
 *  a whole lease in peace. */
async function lookForOrphans(world, since) {
  const at = Date.now(), allowed = 2 * world.leaseMs + 4000;
  const now = new Set((await audit.orphans(world)).map((r) => r.job_id));
  const rescuer = Math.max(...world.nodes.map((n) => n.calmFor()));
  for (const id of since.keys()) if (!now.has(id)) since.delete(id);
  for (const id of now) if (!since.has(id)) since.set(id, at);
  const late = [...now].filter((id) => since.get(id) < Infinity && Math.min(at - since.get(id), rescuer) > allowed);
  for (const id of late) since.set(id, Infinity); // told once
  return late.map((id) => `running without a live lease for more than ${allowed} ms, and others were there: ${id}`);
}

/** Until nothing is left to do. What waits before it is told again need not wait here as long. */
async function quiet(world, timeout) {
  world.receiver.calm();
  await world.ask('UPDATE scriptorium.outbox SET due_at = clock_timestamp() WHERE state = 0');

  const end = Date.now() + timeout;
  for (;;) {
    const [left] = await world.ask(`SELECT (SELECT count(*) FROM scriptorium.queue) AS queue,
      (SELECT count(*) FROM scriptorium.call WHERE state = 0) AS open,
      (SELECT count(*) FROM scriptorium.outbox WHERE state = 0) AS untold`);
    if (left.queue === 0 && left.open === 0 && left.untold === 0) return null;
    if (Date.now() > end) {
      for (const row of await world.ask('SELECT * FROM scriptorium.queue LIMIT 20')) console.log(JSON.stringify(row));
      return `not quiet after ${timeout / 1000} s: ${left.queue} jobs waiting or running, ${left.open} calls open, ${left.untold} ends untold`;
    }
    await sleep(200);
  }
}

function options() {
  const form = { ...forms[process.argv.includes('--long') ? 'long' : 'short'] };
  for (const arg of process.argv.slice(2)) {
    const [, name, value] = /^--(\w+)=(\d+(?:\.\d+)?)$/.exec(arg) ?? [];
    if (name) form[name] = Number(value);
    form.mutant = /^--mutant=(.+)$/.exec(arg)?.[1] ?? form.mutant;
  }
  return form;
}

/** Plays and judges one; returns what should not be so, as lines. */
export async function chaos(form) {
  const [clientDice, faultDice, worldDice, receiverDice] = streams(4);
  const world = new World({ ...form, seed: 1 + Math.floor(worldDice() * 1e6) });
  const problems = [];
  const start = Date.now();
  const story = [];
  const log = (text) => {
    story.push(`${((Date.now() - start) / 1000).toFixed(1)} ${text}`);
    if (process.env.VERBOSE) console.log(`# ${story.at(-1)}`);
  };
  let figures = {};
  try {
    await world.up();
    world.receiver = await told.listen(receiverDice);
    world.env = { ...audit.hooks, ...world.receiver.env };
    const client = await world.server.connect();
    await audit.install(client);
    if (form.mutant) await mutate(client, form.mutant);
    await client.end();
    await world.startNodes();
    const clients = new Clients(world, clientDice, form.jobs);
    const faults = new Faults(world, faultDice, log, mutants[form.mutant]?.often);
    const length = form.seconds * 1000;
    const looks = await watch(world, Promise.all([clients.play(length, form.meddling), faults.play(length, form.kills)]), problems);
    log('healed');
    const healedAt = Date.now();
    // A job whose process died several times in its calls waits up to a minute or so, on purpose.
    let noise;
    await watch(world, quiet(world, form.patience ?? Math.max(150000, form.jobs * 30)).then((n) => { noise = n; }), problems);
    if (noise) problems.push(noise);
    log('quiet');
    for (const node of world.nodes) {
      await node.ready(); // it may have started a moment ago
      const life = await node.end('SIGTERM');
      if (life.code !== 0) problems.push(`${life.name}: exit ${life.code} ${life.signal}\n${life.err.slice(-2000)}`);
    }
    const workers = await world.ask('SELECT name FROM scriptorium.worker WHERE expires > clock_timestamp()');
    if (workers.length > 0) problems.push(`${workers.length} leases are left after all nodes have stopped`);
    const verdict = await judge(world, clients);
    problems.push(...verdict.problems, ...faults.problems, ...world.nodes.flatMap((n) => n.problems));
    figures = { seconds: Math.round((Date.now() - start) / 1000), secondsToQuiet: Math.round((Date.now() - healedAt) / 1000),
      looks, faults: faults.count, clients: clients.count, ...verdict.figures };
    await clients.close();
  } catch (error) {
    problems.push(error.stack);
  }
  for (const [name, value] of Object.entries(figures)) console.log(`# ${name}: ${JSON.stringify(value)}`);
  if (problems.length > 0) console.log(`# ${story.join('\n# ')}\n# logs: ${world.dir}`);
  await world.receiver?.down();
  await world.close({ keep: problems.length > 0 });
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = await chaos(options());
  for (const problem of problems.slice(0, 40)) console.log(`  not so: ${problem}`);
  console.log(`${problems.length > 0 ? 'not ' : ''}ok 1 - chaos: nothing lost, doubled or written too late`);
  process.exit(problems.length > 0 ? 1 : 0);
}
