// In: SCRIPTORIUM, BENCH_HTTP (the programs), optionally a database URL. Out: what a look at a job
// costs while 500 jobs run: node bench/http_bench.mjs [STREAMS] [RATE] [SECONDS] [DATABASE_URL]
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const [streams = '0', rate = '2000', seconds = '10', database] = process.argv.slice(2);
const program = resolve(process.env.SCRIPTORIUM ?? 'build-bench/scriptorium');
const generator = resolve(process.env.BENCH_HTTP ?? 'build-bench/bench/bench_http');
const JOBS = 500;
const WAITING = 200;
const dir = mkdtempSync(join(tmpdir(), 'scriptorium-bench-'));
const key = 'sb_secret_of_the_bench';
const env = { ...process.env, SCRIPTORIUM_SERVICE_KEY: key };
delete env.ANTHROPIC_API_KEY;

if (database) execFileSync(program, ['migrate', '--database', database], { env, stdio: ['ignore', 'ignore', 'inherit'] });
const daemon = spawn(program, ['serve', '--listen', '127.0.0.1:0', '--json', '--speed', '1',
  '--concurrency', String(JOBS), '--log-level', 'error',
  ...(database ? ['--database', database] : [])],
{ cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => daemon.kill('SIGKILL'));
const ended = new Promise((done) => { daemon.once('exit', done); });
const hello = await new Promise((done) => {
  let text = '';
  daemon.stdout.on('data', (d) => {
    text += d;
    if (text.includes('\n')) done(JSON.parse(text.split('\n')[0]));
  });
});
const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
const ask = async (path, options = {}) => {
  const answer = await fetch(hello.url + path, { headers, ...options });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};

const ids = [];
for (let i = 0; i < JOBS + WAITING; i++) {
  const { id } = await ask('/v1/jobs', { method: 'POST', body: JSON.stringify({
    topic: `Why bridges hum, part ${i}`, targetDuration: 1800,
    user_id: `00000000-0000-4000-8000-${String(i % 50).padStart(12, '0')}` }) });
  ids.push(id);
}
const stat = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm')
  .exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))[1]);
const cpu = () => {
  const f = readFileSync(`/proc/${daemon.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(f[11]) + Number(f[12])) / 100;
};
let running = 0;
for (const end = Date.now() + 60000; running < JOBS && Date.now() < end;) {
  running = (await ask('/v1/stats')).queue.running;
  await new Promise((done) => { setTimeout(done, 200); });
}
console.log(`${database ? 'PostgreSQL' : 'SQLite'}: ${running} jobs running, `
  + `${ids.length - running} waiting; ${rate} GET /v1/jobs/{id} a second, ${streams} streams`);
const before = cpu();
const run = spawn(generator, [new URL(hello.url).port, rate, seconds, '64', streams],
  { env, stdio: ['pipe', 'inherit', 'inherit'] });
run.stdin.end(ids.map((id) => `/v1/jobs/${id}\n`).join(''));
const code = await new Promise((done) => { run.once('exit', done); });
console.log(`daemon: ${((cpu() - before) / (Number(seconds) + 2) * 100).toFixed(0)} % of a core, `
  + `${(stat('VmRSS') / 1024).toFixed(0)} MiB resident`);
daemon.kill('SIGKILL');
await ended;
rmSync(dir, { recursive: true });
process.exitCode = code;
