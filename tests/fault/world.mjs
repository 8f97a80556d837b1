// In: a form of chaos. Out: the world it is played in: a real PostgreSQL, the simulated provider, a
// proxy in front of each node's database, and the nodes, of one process or several; all of it gone at
// the end.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Running, run, until } from '../blackbox/harness.mjs';
import * as pg from '../lib/pg.mjs';
import { Pooler } from '../lib/pgbouncer.mjs';
import { Proxy } from './proxy.mjs';

export const KEY = 'sb_secret_for_chaos'; // the nodes' service key
export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

// A harness that is stopped leaves nobody behind.
const worlds = new Set();
process.on('exit', () => {
  for (const world of worlds) world.killNow();
});

const alive = (pid) => {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

/** One node: a process that may die, be replaced, stand still; or a family, `serve --processes N`. Each
 *  life has a name of its own, which is its application_name too, to which a family's child adds its number:
 *  so that every write tells who made it. */
export class Node {
  constructor(world, number, processes = 1) {
    Object.assign(this, { world, number, processes, lives: 0, problems: [] });
    Object.assign(this, { isUp: false, troubles: 0, calmSince: 0 });
  }

  async start() {
    this.proxy ??= await new Proxy((this.world.pooler ?? this.world.server).port).up();
    const { world } = this;
    this.name = `node${this.number}.${++this.lives}`;
    this.process = new Running(world.dir, ['serve', '--listen', '127.0.0.1:0', '--json',
      '--concurrency', String(world.slots),
      ...(this.processes > 1 ? ['--processes', String(this.processes)] : [])], { env: {
      DATABASE_URL: `${world.urlBehind(this.proxy)}?application_name=${this.name}`, ...world.sim.env, SCRIPTORIUM_SERVICE_KEY: KEY,
      SCRIPTORIUM_LEASE: `${world.leaseMs}ms`, SCRIPTORIUM_GRACE: '200ms', ...world.env } });
    this.process.name = this.name;
    this.stopped = [];
    const life = this.process;
    this.ready().then(() => {
      if (this.process !== life || life.wanted) return;
      Object.assign(this, { isUp: true, calmSince: Date.now() });
    }, () => {});
    life.ended.then(() => {
      fs.writeFileSync(path.join(world.dir, `${life.name}.log`), life.err);
      if (!life.wanted || /AddressSanitizer|runtime error:|LeakSanitizer/.test(life.err))
        this.problems.push(`${life.name} ended by itself (${life.code ?? life.signal}):\n${life.err.slice(-3000)}`);
      const odd = /^.*does not fit.*$/m.exec(life.err);
      if (odd) this.problems.push(`${life.name} took an answer for another's: ${odd[0]}`);
    });
  }

  /** Resolves when all its processes work. */
  ready() {
    return this.process.says(new RegExp(`(?:"message":"ready"[\\s\\S]*){${this.processes}}`));
  }

  /** Where it answers; undefined before that. */
  url() {
    return /\{"url":"([^"]+)"/.exec(this.process.out)?.[1];
  }

  /** While `going` it cannot be expected to do its work. */
  async troubled(going) {
    this.troubles++;
    try {
      return await going;
    } finally {
      this.troubles--;
      this.calmSince = Date.now();
    }
  }

  /** For how many milliseconds it has had nothing to complain of. */
  calmFor() {
    return this.isUp && this.troubles === 0 ? Date.now() - this.calmSince : 0;
  }

  /** The processes that do the work: those of a family, or its one. */
  workers() {
    const { pid } = this.process.child;
    if (this.processes === 1) return [pid];
    try {
      return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
    } catch {
      return []; // it has ended
    }
  }

  /** True when all were there to get it. */
  signal(signal, pids) {
    return pids.map((pid) => {
      try {
        return process.kill(pid, signal);
      } catch {
        return false; // it has ended
      }
    }).every(Boolean);
  }

  /** Ends this life, with SIGKILL all its processes; resolves when it is over. */
  async end(signal = 'SIGKILL') {
    const life = this.process;
    life.wanted = true;
    this.isUp = false;
    if (this.stopped.length > 0) this.wake();
    const workers = signal === 'SIGKILL' ? this.workers() : [];
    if (signal === 'SIGKILL') this.world.deaths.push({ who: this.name, at: new Date() });
    life.kill(signal);
    this.signal(signal, workers);
    await life.ended;
    return life;
  }

  /** Kills the parent of a family alone: its children have to end by themselves, and in good order. */
  async orphan() {
    const life = this.process, workers = this.workers();
    life.wanted = true;
    this.isUp = false;
    life.kill('SIGKILL');
    const left = () => workers.filter(alive);
    try {
      await until(() => left().length === 0, { timeout: 25000, every: 50, what: () => 'the children' });
    } catch {
      this.problems.push(`${life.name}: 25 s after its parent was killed ${left().length} processes of it go on`);
      this.signal('SIGKILL', left());
    }
    this.world.deaths.push({ who: this.name, at: new Date() }); // perhaps the database did not answer them
    await life.ended;
    return life;
  }

  freeze() {
    this.stopped = [this.process.child.pid, ...this.workers()];
    this.signal('SIGSTOP', this.stopped);
  }

  wake() {
    this.signal('SIGCONT', this.stopped);
    this.stopped = [];
  }
}

export class World {
  /** nodes: how many; families: so many of them, the last ones, are of two processes each; sessions: the nodes reach the
   *  server through a pooler that has so many. */
  constructor({ nodes = 4, families = 0, slots = 16, leaseMs = 2000, speed = 4, seed = 1, sessions = 0, env = {}, pgSettings = {} }) {
    Object.assign(this, { sessions, slots, leaseMs, speed, seed, env, pgSettings, count: nodes, families, database: 'test' });
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'scriptorium-chaos-'));
    this.nodes = [];
    this.blind = []; // {who, from, to}: a life, or null for all, could not write to the database
    this.deaths = []; // {who, at}: a life ended with nothing but what it had written
  }

  /** A time in which a life, or every life, cannot say what it has seen of its calls. */
  async blinded(who, going) {
    const one = { who, from: new Date(), to: new Date(8.64e15) };
    this.blind.push(one);
    try {
      return await going;
    } finally {
      one.to = new Date();
    }
  }

  killNow() {
    for (const node of this.nodes)
      if (!node.process.closed) node.signal('SIGKILL', [node.process.child.pid, ...node.workers()]);
    this.simulator?.kill();
    this.pooler?.child.kill();
  }

  async up() {
    worlds.add(this);
    this.server = await pg.start({ settings: { max_connections: 100, ...this.pgSettings } });
    this.clientProxy = await new Proxy(this.server.port).up();
    if (this.sessions > 0) this.pooler = await new Pooler(this.server, { sessions: this.sessions }).up();
    const made = run(this.dir, ['migrate'], { env: { DATABASE_URL: this.server.url() } });
    if (made.code !== 0) throw new Error(`migrate: ${made.err}`);
    this.simulator = new Running(this.dir, ['simulate', '--listen', '127.0.0.1:0', '--json',
      '--speed', String(this.speed), '--seed', String(this.seed)]);
    await this.simulator.says(/\{"url":"[^"]+"\}/);
    const { url } = JSON.parse(this.simulator.out.split('\n')[0]);
    this.sim = { url, env: { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'test-key' } };
    return this;
  }

  urlBehind(proxy) {
    return `postgres://postgres@127.0.0.1:${proxy.port}/${this.database}`;
  }

  async startNodes() {
    for (let i = 1; i <= this.count; i++) {
      const node = new Node(this, i, i > this.count - this.families ? 2 : 1);
      this.nodes.push(node);
      await node.start();
    }
    await Promise.all(this.nodes.map((n) => n.ready()));
  }

  /** What the provider says of every request. */
  async truth() {
    const all = [];
    for (;;) {
      const from = all.length === 0 ? 0 : all.at(-1).n;
      const text = await (await fetch(`${this.sim.url}/sim/ledger?after=${from}`)).text();
      const lines = text.split('\n').filter((l) => l !== '').map((l) => JSON.parse(l));
      if (lines.length === 0) return all;
      all.push(...lines);
    }
  }

  /** A statement of the harness, repeated while the server is away. */
  async ask(sql, values, { timeout = 60000 } = {}) {
    this.asker ??= this.server.pool({}, 3);
    const end = Date.now() + timeout;
    for (;;) {
      try {
        return (await this.asker.query(sql, values)).rows;
      } catch (error) {
        if (!isAway(error) || Date.now() > end) throw error;
        await sleep(50);
      }
    }
  }

  async close({ keep = false } = {}) {
    for (const node of this.nodes) {
      if (!node.process.closed) await node.end();
      await node.proxy.down();
    }
    if (this.simulator) {
      this.simulator.kill();
      await this.simulator.ended;
    }
    await this.asker?.end().catch(() => {});
    await this.clientProxy?.down();
    await this.pooler?.down();
    if (keep && this.server) fs.copyFileSync(this.server.logFile, path.join(this.dir, 'postgresql.log'));
    await this.server?.remove();
    worlds.delete(this);
    if (!keep) fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Whether `who` is that life, or a child of that family. */
export function isOf(who, life) {
  return who === life || (who?.startsWith(`${life}/`) ?? false);
}

/** The server, or the way to it, was gone; and not: the statement was wrong. */
export function isAway(error) {
  return error.code === undefined || /^(57P|08|53300|E[A-Z]+$)/.test(error.code) || /^(XX000)$/.test(error.code);
}

export { until, Running };
