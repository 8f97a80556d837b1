// In: a form of chaos. Out: the world it is played in: a real PostgreSQL, the simulated provider, a
// proxy in front of each node's database, and the nodes; all of it gone at the end.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Running, run, until } from '../blackbox/harness.mjs';
import * as pg from '../lib/pg.mjs';
import { Proxy } from './proxy.mjs';

export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

/** One node: a process that may die, be replaced, stand still. Each life has a name of its own, which
 *  is its application_name too: so that every write tells who made it. */
export class Node {
  constructor(world, number) {
    this.world = world;
    this.number = number;
    this.lives = 0;
    this.problems = [];
  }

  async start() {
    this.proxy ??= await new Proxy(this.world.server.port).up();
    const { world } = this;
    this.name = `node${this.number}.${++this.lives}`;
    const url = `postgres://postgres@127.0.0.1:${this.proxy.port}/${world.database}`;
    this.process = new Running(world.dir, ['serve', '--listen', '127.0.0.1:0', '--json',
      '--concurrency', String(world.slots)], { env: {
      DATABASE_URL: `${url}?application_name=${this.name}`, ...world.sim.env,
      SCRIPTORIUM_LEASE: `${world.leaseMs}ms`, SCRIPTORIUM_GRACE: '200ms', ...world.env } });
    this.process.name = this.name;
    this.stopped = false;
    const life = this.process;
    life.ended.then(() => {
      fs.writeFileSync(path.join(world.dir, `${life.name}.log`), life.err);
      if (!life.wanted || /AddressSanitizer|runtime error:|LeakSanitizer/.test(life.err))
        this.problems.push(`${life.name} ended by itself (${life.code ?? life.signal}):\n${life.err.slice(-3000)}`);
      const odd = /^.*does not fit.*$/m.exec(life.err);
      if (odd) this.problems.push(`${life.name} took an answer for another's: ${odd[0]}`);
    });
  }

  ready() {
    return this.process.says(/"message":"ready"/);
  }

  /** Ends this life; resolves when it is over. */
  async end(signal = 'SIGKILL') {
    const life = this.process;
    life.wanted = true;
    if (this.stopped) this.wake();
    life.kill(signal);
    await life.ended;
    return life;
  }

  freeze() {
    this.stopped = true;
    this.process.kill('SIGSTOP');
  }

  wake() {
    this.stopped = false;
    this.process.kill('SIGCONT');
  }
}

export class World {
  constructor({ nodes = 4, slots = 16, leaseMs = 2000, speed = 4, seed = 1, env = {}, pgSettings = {} }) {
    Object.assign(this, { slots, leaseMs, speed, seed, env, pgSettings, count: nodes, database: 'test' });
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'scriptorium-chaos-'));
    this.nodes = [];
    this.blind = []; // {who, from, to}: a life, or null for all, could not write to the database
  }

  /** A time in which a life, or every life, cannot say what it has seen of its calls. */
  async blinded(who, going) {
    const from = new Date();
    try {
      return await going;
    } finally {
      this.blind.push({ who, from, to: new Date() });
    }
  }

  async up() {
    this.server = await pg.start({ settings: { max_connections: 100, ...this.pgSettings } });
    const made = run(this.dir, ['migrate'], { env: { DATABASE_URL: this.server.url() } });
    if (made.code !== 0) throw new Error(`migrate: ${made.err}`);
    this.simulator = new Running(this.dir, ['simulate', '--listen', '127.0.0.1:0', '--json',
      '--speed', String(this.speed), '--seed', String(this.seed)]);
    await this.simulator.says(/\{"url":"[^"]+"\}/);
    const { url } = JSON.parse(this.simulator.out.split('\n')[0]);
    this.sim = { url, env: { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'test-key' } };
    return this;
  }

  async startNodes() {
    for (let i = 1; i <= this.count; i++) {
      const node = new Node(this, i);
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
    if (keep && this.server) fs.copyFileSync(this.server.logFile, path.join(this.dir, 'postgresql.log'));
    await this.server?.remove();
    if (!keep) fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The server, or the way to it, was gone; and not: the statement was wrong. */
export function isAway(error) {
  return error.code === undefined || /^(57P|08|53300|E[A-Z]+$)/.test(error.code) || /^(XX000)$/.test(error.code);
}

export { until, Running };
