#!/usr/bin/env node
// In: JOBS (2000), SECONDS (20); SCRIPTORIUM names the program. Out: what that many running jobs ask of
// PostgreSQL: transactions and bytes of write-ahead log, per job and minute. The provider is simulated.
import { randomUUID } from 'node:crypto';
import { sleep, until, World } from '../tests/fault/world.mjs';

const jobs = Number(process.env.JOBS ?? 2000), seconds = Number(process.env.SECONDS ?? 20);
const w = new World({ nodes: 1, slots: jobs, leaseMs: 15000, speed: 1 });
try {
  await w.up();
  await fetch(`${w.sim.url}/sim/reset`, { method: 'POST', body: JSON.stringify({ rpm: 1e7, itpm: 1e10, otpm: 1e9 }) });
  await w.startNodes();
  await w.ask(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT $1, '{"topic": "Why bridges hum", "targetDuration": 900}' FROM generate_series(1, $2)`, [randomUUID(), jobs]);
  const texts = async () => (await w.ask('SELECT count(DISTINCT job_id)::int AS n FROM scriptorium.step_text'))[0].n;
  await until(async () => (await texts()) >= jobs * 0.95, { timeout: 120000, every: 500, what: () => 'all jobs at work' });
  const look = async () => (await w.ask(`SELECT xact_commit::float8 AS commits, pg_current_wal_lsn() - '0/0'::pg_lsn AS wal,
    (SELECT count(*) FROM scriptorium.queue WHERE state = 1)::int AS running
    FROM pg_stat_database WHERE datname = current_database()`))[0];
  const a = await look();
  await sleep(seconds * 1000);
  const b = await look();
  const minutes = seconds / 60 * b.running;
  console.log(`${b.running} running jobs: ${((b.commits - a.commits) / seconds).toFixed(0)} transactions/s, ` +
    `${((b.commits - a.commits) / minutes).toFixed(2)} per job and minute; ${((Number(b.wal) - Number(a.wal)) / minutes / 1024).toFixed(1)} KiB of log ` +
    'per job and minute');
} finally {
  await w.close();
}
