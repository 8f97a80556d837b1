// In: what a test wants done. Out: the real program, run in a folder of its own, and what it said.
// Nothing here sleeps for luck: every wait is for a condition, with a deadline.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const program = resolve(process.env.SCRIPTORIUM ?? join(root, 'build/scriptorium'));

// The environment without anything that could point a test at a real provider or store.
const base = Object.fromEntries(Object.entries(process.env).filter(([name]) =>
  !/^(ANTHROPIC|OPENAI|SCRIPTORIUM|DATABASE_URL|SUPABASE)/.test(name)));
base.NO_COLOR = '1';
base.ASAN_OPTIONS = 'detect_leaks=1:abort_on_error=0:exitcode=99';
base.UBSAN_OPTIONS = 'halt_on_error=1:print_stacktrace=1:exitcode=99';

// A folder that goes away with the test.
export function folder(t) {
  const dir = mkdtempSync(join(tmpdir(), 'scriptorium-test-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

// Runs to the end. `env` adds to the clean environment; `file`: a copy of the program that `uid` can reach.
export function run(dir, args, { env = {}, input = '', timeout = 120000, uid, file = program } = {}) {
  const done = spawnSync(file, args, {
    cwd: dir, env: { ...base, ...env }, input, timeout, uid, gid: uid, encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (done.error) throw done.error;
  if (done.status === 99 || /AddressSanitizer|runtime error:/.test(done.stderr)) {
    throw new Error(`the sanitizer found something in ${args.join(' ')}\n${done.stderr}`);
  }
  return { code: done.status, signal: done.signal, out: done.stdout, err: done.stderr };
}

export function json(dir, args, options) {
  const done = run(dir, [...args, '--json'], options);
  if (done.code !== 0) throw new Error(`${args.join(' ')}: exit ${done.code}\n${done.err}`);
  return JSON.parse(done.out);
}

// A program that goes on while the test looks at it.
export class Running {
  constructor(dir, args, { env = {} } = {}) {
    this.out = '';
    this.err = '';
    this.child = spawn(program, args, { cwd: dir, env: { ...base, ...env },
      stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout.on('data', (d) => { this.out += d; });
    this.child.stderr.on('data', (d) => { this.err += d; });
    this.ended = new Promise((done) => {
      this.child.on('close', (code, signal) => {
        this.code = code;
        this.signal = signal;
        this.closed = true;
        done(this);
      });
    });
  }

  kill(signal = 'SIGKILL') {
    this.child.kill(signal);
  }

  // Waits until text in its output matches, or fails with all that it said.
  async says(pattern, { timeout = 60000 } = {}) {
    await until(() => pattern.test(this.err) || pattern.test(this.out) || this.closed, {
      timeout, what: () => `${pattern} from the program; it said:\n${this.err}${this.out}` });
    const match = pattern.exec(this.err) ?? pattern.exec(this.out);
    if (!match) throw new Error(`ended (${this.code}) before saying ${pattern}:\n${this.err}${this.out}`);
    return match;
  }
}

export function start(t, dir, args, options) {
  const running = new Running(dir, args, options);
  t.after(async () => {
    if (!running.closed) running.kill();
    await running.ended;
  });
  return running;
}

// Polls a condition every few milliseconds; fails at the deadline.
export async function until(condition, { timeout = 60000, every = 10, what = () => 'a condition' } = {}) {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${timeout} ms in vain for ${what()}`);
    await new Promise((done) => setTimeout(done, every));
  }
}

// The simulated provider as a process of its own: {url, env, ledger()}.
export async function simulator(t, dir, args = []) {
  const process = start(t, dir, ['simulate', '--listen', '127.0.0.1:0', '--json', ...args]);
  await process.says(/\{"url":"[^"]+"\}/);
  const { url } = JSON.parse(process.out.split('\n')[0]);
  return {
    process, url,
    env: { ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'test-key' },
    ledger: async () => (await fetch(`${url}/sim/ledger`)).json(),
  };
}

// What the store really holds, asked by a tool that is not ours.
export function sql(dir, statement, file = 'scriptorium.db') {
  const done = spawnSync('sqlite3', ['-json', '-cmd', '.timeout 5000', join(dir, file), statement],
    { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`${statement}: ${done.stderr}`);
  return done.stdout.trim() === '' ? [] : JSON.parse(done.stdout);
}

// A random stream that prints its seed and takes it from SEED.
export function random() {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`# SEED=${seed}`);
  let state = seed >>> 0;
  return () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

// ---- the ledger against the truth (docs/architecture.md, the ledger) ----

const EXACT = 1, ESTIMATED = 2, UNBILLED = 3;

// Our ledger's calls, beside what the simulator says each really produced. Throws with the first
// difference; returns the two kinds.
export function compareLedgers(dir, truth) {
  const ours = sql(dir, 'SELECT id, job_id, run, step, state, input, output, error FROM scriptorium_call');
  const real = new Map(truth.filter((e) => e.call !== '').map((e) => [e.call, e]));
  const exact = [], estimated = [];
  for (const call of ours) {
    const entry = real.get(call.id);
    const where = `call ${call.id} (${call.step} of ${call.job_id}): ours ${JSON.stringify(call)}, truth ${JSON.stringify(entry)}`;
    if (call.state === EXACT) {
      exact.push(call);
      if (!entry || !entry.completed) throw new Error(`recorded as exact, but not delivered: ${where}`);
      if (entry.billed_input_tokens !== call.input || entry.billed_output_tokens !== call.output) {
        throw new Error(`not equal to the token: ${where}`);
      }
    } else if (call.state === ESTIMATED) {
      estimated.push({ ...call, truth: entry });
    } else if (call.state === UNBILLED) {
      if (entry && entry.billed_output_tokens > 0) throw new Error(`billed, but recorded as not: ${where}`);
    } else {
      throw new Error(`still open: ${where}`);
    }
    real.delete(call.id);
  }
  for (const entry of real.values()) {
    throw new Error(`the provider made a call that our ledger does not know: ${JSON.stringify(entry)}`);
  }
  return { exact, estimated };
}
