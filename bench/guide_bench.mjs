// In: the program. Out: ten people at once, with the guide's service time, a hundred times faster than life: the old
// set-up (one worker, one script, a call a minute), the guide's (three workers of three) and continuous mode, measured, and beside
// each what the planner predicts from the times of that run. Exit 1 when they differ by more than a tenth.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const program = resolve(process.argv[2] ?? 'build-bench/scriptorium');
const FASTER = 100;          // than the guide's minutes
const SPEED = '12.7';      // of the simulator: what a ten-minute script takes there is then the guide's five minutes
const EVERY_MS = 60000 / FASTER;
const PEOPLE = 10;
const SLACK_S = 0.15;        // starting a script is not instant
const KEY = 'bench';
const env = { ...process.env, SCRIPTORIUM_SERVICE_KEY: KEY, ANTHROPIC_API_KEY: '', ANTHROPIC_BASE_URL: '' };

const sleepUntil = (at) => new Promise((done) => { setTimeout(done, Math.max(0, at - Date.now())); });

async function serve(dir, mode) {
  const child = spawn(program, ['serve', '--listen', '127.0.0.1:0', '--json', '--mode', mode, '--speed', SPEED],
    { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '', err = '';
  const url = await new Promise((done, fail) => {
    const look = () => out.includes('\n') && err.includes('"ready"') && done(JSON.parse(out.split('\n')[0]).url);
    child.stdout.on('data', (d) => { out += d; look(); });
    child.stderr.on('data', (d) => { err += d; look(); });
    child.on('close', () => fail(new Error(err)));
  });
  const ask = async (method, path, body, headers = {}) => {
    const answer = await fetch(url + path, { method, body: body && JSON.stringify(body),
      headers: { authorization: `Bearer ${KEY}`, ...headers } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  return { child, ask };
}

// Each worker is called at each scaled minute, as cron does, and takes what it has room for.
async function callWorkers(d, workers, over) {
  for (let at = Date.now(); !over(); at += EVERY_MS) {
    for (let w = 1; w <= workers; w++) {
      await d.ask('POST', '/functions/v1/process-script-jobs', {},
        { 'x-supabase-caller': 'pg_cron', 'x-worker-id': `process-script-jobs-worker-${w}` });
    }
    await sleepUntil(at + EVERY_MS);
  }
}

async function play(setup) {
  const dir = mkdtempSync(join(tmpdir(), 'scriptorium-bench-'));
  if (setup.each) env.SCRIPTORIUM_CONCURRENT_LIMIT = String(setup.each);
  const d = await serve(dir, setup.workers ? 'triggered' : 'continuous');
  try {
    for (let i = 0; i < PEOPLE; i++) {
      await d.ask('POST', '/v1/jobs', { topic: `Question ${i}`, targetDuration: 600,
        user_id: `00000000-0000-4000-8000-${String(i + 1).padStart(12, '0')}` });
    }
    let rows = [];
    const done = () => rows.length === PEOPLE && rows.every((r) => ['completed', 'failed'].includes(r.status));
    const calls = setup.workers ? callWorkers(d, setup.workers, done) : null;
    while (!done()) {
      rows = (await d.ask('GET', `/v1/jobs?limit=${PEOPLE}`)).jobs;
      await sleepUntil(Date.now() + 50);
    }
    await calls;
    if (rows.some((r) => r.status !== 'completed')) throw new Error('a script failed');
    return { measured: measure(rows), predicted: predict(dir, setup) };
  } finally {
    d.child.kill('SIGTERM');
    await new Promise((over) => { d.child.on('close', over); });
    rmSync(dir, { recursive: true, force: true });
  }
}

function measure(rows) {
  const last = Math.max(...rows.map((r) => Date.parse(r.created_at)));
  const waits = rows.map((r) => Math.max(0, Date.parse(r.started_at) - last) / 1000).sort((a, b) => a - b);
  const service = rows.reduce((sum, r) => sum + Date.parse(r.completed_at) - Date.parse(r.started_at), 0);
  return { median: (waits[PEOPLE / 2 - 1] + waits[PEOPLE / 2]) / 2, tenth: waits[PEOPLE - 1],
    done: (Math.max(...rows.map((r) => Date.parse(r.completed_at))) - last) / 1000, service: service / PEOPLE / 1000 };
}

// From the jobs that were just done; the provider's limits do not bind in any of these.
function predict(dir, setup) {
  const own = setup.workers ? ['--workers', setup.workers, '--concurrency', setup.each, '--every', `${EVERY_MS}ms`] : [];
  const done = spawnSync(program, ['plan', '--users', PEOPLE, '--tier', 'scale', '--keys', '100', '--json', ...own].map(String),
    { cwd: dir, env, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
  const row = JSON.parse(done.stdout).setups.find((s) => s.name === (setup.workers ? 'own' : 'continuous'));
  return { median: row.wait_median_seconds, tenth: row.wait_last_seconds, done: row.done_seconds };
}

const minutes = (s) => `${(s * FASTER / 60).toFixed(1)} min`;
let worst = 0;

function show(name, what, measured, predicted) {
  const off = Math.abs(measured - predicted);
  const part = off <= SLACK_S ? 0 : off / Math.max(measured, predicted);
  worst = Math.max(worst, part);
  console.log(`${name.padEnd(34)} ${what.padEnd(22)} ${minutes(measured).padStart(10)} ${minutes(predicted).padStart(10)}` +
    ` ${`${(part * 100).toFixed(0)} %`.padStart(6)}  aim at most 10 %  ${part <= 0.1 ? 'ok' : 'MISSED'}`);
}

console.log(`${PEOPLE} people at once, a script each; a minute of the guide's is ${60 / FASTER} s here (times are shown as the guide's)`);
console.log(`${''.padEnd(34)} ${''.padEnd(22)} ${'measured'.padStart(10)} ${'planner'.padStart(10)} ${'off'.padStart(6)}`);
for (const setup of [
  { name: 'old: one worker x 1', workers: 1, each: 1 },
  { name: 'guide: three workers x 3', workers: 3, each: 3 },
  { name: 'continuous' },
]) {
  const { measured, predicted } = await play(setup);
  console.log(`${setup.name.padEnd(34)} ${'one script takes'.padEnd(22)} ${minutes(measured.service).padStart(10)}`);
  show('', 'the median waits', measured.median, predicted.median);
  show('', 'the tenth waits', measured.tenth, predicted.tenth);
  show('', 'all are done after', measured.done, predicted.done);
}
console.log(worst <= 0.1 ? 'The planner is within a tenth.' : 'The planner is off by more than a tenth.');
process.exitCode = worst <= 0.1 ? 0 : 1;
