// In: a world and dice. Out: one fault after the other, each made good again before its time is over;
// a count of each, by kind.
import { sleep, until } from './world.mjs';

const ms = (next, least, most) => Math.floor(least + next() * (most - least));

const isKilled = (life) => life.signal === 'SIGKILL';

// Of a family: all of it, as when the machine dies; a child, which its parent has to replace; or the
// parent alone, whose children have to end. False when nobody was killed.
async function killed(world, next, node) {
  const dice = node.processes > 1 ? next() : 0;
  if (dice > 0.4 && dice <= 0.7) return childKilled(world, next, node);
  const life = await (dice > 0.7 ? node.orphan() : node.end('SIGKILL'));
  await sleep(ms(next, 0, 1500));
  await node.start();
  return isKilled(life);
}

async function childKilled(world, next, node) {
  const before = node.workers();
  const victim = before[Math.floor(next() * before.length)];
  if (victim === undefined) return false; // it is being started
  world.deaths.push({ who: node.name, at: new Date() });
  if (!node.signal('SIGKILL', [victim])) return false;
  try { // its parent waits longer each time, up to 30 s
    await until(() => node.workers().length === node.processes && !node.workers().includes(victim),
      { timeout: 35000, every: 50, what: () => 'another one' });
  } catch {
    node.problems.push(`${node.name}: child ${victim} was killed and never replaced; there are ${node.workers()}`);
  }
  return true;
}

async function asked(world, next, node) {
  const life = await node.end('SIGTERM');
  if (life.code === 1) world.deaths.push({ who: life.name, at: new Date() });
  const unborn = life.signal === 'SIGTERM' && life.err === ''; // it came before there was anybody to obey
  if (!unborn && life.code !== 0 && life.code !== 1) // 1: the database did not answer at the end
    node.problems.push(`${life.name}: exit ${life.code} ${life.signal} after SIGTERM:\n${life.err.slice(-2000)}`);
  await sleep(ms(next, 0, 500));
  await node.start();
}

async function frozen(world, next, node) {
  node.freeze();
  await world.blinded(node.name, sleep(world.leaseMs * (1.2 + next())));
  node.wake();
}

async function winked(world, next, node) {
  node.freeze();
  await world.blinded(node.name, sleep(world.leaseMs * 0.4 * next()));
  node.wake();
}

async function cut(world, next, node) {
  node.proxy.cut();
  await world.blinded(node.name, sleep(1500)); // until it may be expected to be back
}

async function answersCut(world, next, node) {
  const late = ms(next, 100, 300);
  await node.proxy.cutAnswers(late, late * (0.5 + 4 * next()));
  await world.blinded(node.name, sleep(1500));
}

async function clientsCut(world, next) {
  if (next() < 0.3) world.clientProxy.cut();
  else await world.clientProxy.cutAnswers(100, ms(next, 50, 600)); // in the middle of a transaction, or at its end
}

async function swallowed(world, next, node) {
  node.proxy.swallowAll();
  await world.blinded(node.name, sleep(world.leaseMs * (0.2 + next() * 1.5)));
  node.proxy.mend();
}

async function delayed(world, next, node) {
  node.proxy.delayMs = ms(next, 20, 300);
  await sleep(ms(next, 500, 3000));
  node.proxy.delayMs = 0;
}

async function terminated(world, next) {
  const all = next() < 0.3;
  await world.ask(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'node%' ORDER BY md5(pid::text || $1) LIMIT $2`,
    [String(next()), all ? 1000 : 3]);
  await world.blinded(null, sleep(1000));
}

async function away(world, mode, length, meanwhile = () => {}) {
  await world.server.stop(mode);
  await Promise.all([sleep(length), meanwhile()]);
  await world.server.up();
}

const restarts = (mode, least, most) => (world, next) =>
  world.blinded(null, away(world, mode, ms(next, least, most)));

const outage = (world, next) =>
  world.blinded(null, away(world, next() < 0.5 ? 'fast' : 'immediate', world.leaseMs * 1.3));

// Whoever dies now can say nothing any more, and nobody else can see it. Its successor finds no database,
// or comes when it is back.
async function killedInOutage(world, next, node) {
  const late = next() < 0.5, wait = ms(next, 0, 500);
  let life;
  await world.blinded(null, away(world, next() < 0.5 ? 'fast' : 'immediate', world.leaseMs * 1.1, async () => {
    await sleep(wait);
    life = await node.end('SIGKILL');
    if (!late) await node.start();
  }));
  if (late) await node.start();
  return isKilled(life);
}

async function troubled(world, next) {
  const fault = ['cut', 'rst', '500', '529', '529-stream', 'fin', 'error'][Math.floor(next() * 7)];
  await fetch(`${world.sim.url}/sim/faults`, { method: 'POST',
    body: JSON.stringify([{ nth: 1, times: ms(next, 1, 4), fault, after_tokens: 20 }]) });
}

// [name, weight, whom it strikes: one such fault at a time for each, what it does; false: it has struck nobody]
const table = [
  ['kill', 30, 'node', killed],
  ['stop', 6, 'node', asked],
  ['freeze past the lease', 10, 'node', frozen],
  ['freeze', 4, 'node', winked],
  ['cut', 7, 'node', cut],
  ['cut answers', 7, 'node', answersCut],
  ['swallow', 8, 'node', swallowed],
  ['delay', 8, 'node', delayed],
  ['terminate backends', 8, 'server', terminated],
  ['restart fast', 4, 'server', restarts('fast', 0, 500)],
  ['restart immediate', 5, 'server', restarts('immediate', 0, 500)],
  ['outage', 2, 'server', outage],
  ['kill in an outage', 2, 'server and node', killedInOutage],
  ['provider', 6, 'provider', troubled],
  ['cut clients', 8, 'clients', clientsCut],
];

export class Faults {
  /** often: the fault that is every second one. */
  constructor(world, next, log, often) {
    Object.assign(this, { world, next, log, often });
    this.count = Object.fromEntries(table.map(([name]) => [name, 0]));
    this.owed = Object.keys(this.count); // which have not been dealt yet: each once, whatever the dice say
    this.busy = new Set(); // who has a fault now
    this.under = new Set();
    this.problems = [];
  }

  choose() {
    if (this.often && this.next() < 0.5) return this.often;
    if (this.next() < 0.3 && this.owed.length > 0) return this.owed[Math.floor(this.next() * this.owed.length)];
    const sum = table.reduce((n, t) => n + t[1], 0);
    let at = this.next() * sum;
    return (table.find((t) => (at -= t[1]) < 0) ?? table[0])[0];
  }

  /** Starts one fault, beside those that are going on; false when whom it would strike has one already. */
  strike(name = this.choose()) {
    const [kind, , whom, what] = table.find((t) => t[0] === name);
    const node = this.world.nodes[Math.floor(this.next() * this.world.nodes.length)];
    const keys = { node: [node], 'server and node': ['server', node] }[whom] ?? [whom];
    const dice = [this.next(), this.next(), this.next(), this.next()];
    if (keys.some((key) => this.busy.has(key))) return false;
    for (const key of keys) this.busy.add(key);
    this.owed = this.owed.filter((one) => one !== kind);
    this.count[kind]++;
    this.log(`${kind}${keys.includes(node) ? ` node ${node.number}` : ''}`);
    const struck = keys.includes('server') ? this.world.nodes : keys.filter((key) => key === node);
    const fault = what(this.world, () => dice.pop() ?? 0.5, node);
    for (const one of struck) one.troubled(fault).catch(() => {});
    const going = fault.then((hit) => {
      if (hit === false) this.count[kind]--;
    }).finally(() => {
      for (const key of keys) this.busy.delete(key);
      this.under.delete(going);
    });
    this.under.add(going);
    return true;
  }

  /** Until there were `kills` kills and `ms` are over, and each kind at least once. */
  async play(length, kills) {
    const start = Date.now();
    const gap = length / (kills * 3.4); // kills are about 30 of 115
    while (Date.now() - start < length || this.count.kill < kills) {
      const share = (Date.now() - start) / length;
      if (this.count.kill < kills * share) this.strike('kill');
      else this.strike();
      await sleep(gap * (0.4 + 1.2 * this.next()));
    }
    await this.makeUp(kills);
    await this.heal();
  }

  missing(kills) {
    return Object.keys(this.count).filter((kind) => this.count[kind] < (kind === 'kill' ? kills : 1));
  }

  /** What has not struck yet, strikes now. */
  async makeUp(kills) {
    for (let tries = 0; tries < 5; tries++) {
      for (const kind of this.missing(kills))
        await until(() => this.strike(kind), { timeout: 60000, every: 50, what: () => `the turn of '${kind}'` });
      await Promise.all([...this.under]);
    }
    for (const kind of this.missing(kills)) this.problems.push(`the fault '${kind}' has struck ${this.count[kind]} times`);
  }

  async heal() {
    await Promise.all([...this.under]);
    for (const node of this.world.nodes) {
      node.proxy.mend();
      if (node.stopped.length > 0) node.wake();
      await until(() => !node.process.closed, { timeout: 1000, what: () => `node ${node.number}` });
    }
  }
}
