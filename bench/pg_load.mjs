#!/usr/bin/env node
// In: JOBS (2000), SECONDS (60); SCRIPTORIUM names the program. Out: what that many running jobs ask of PostgreSQL with its default
// settings: statements, transactions and bytes of write-ahead log, per job and minute. The provider is simulated.
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { sleep, until, World } from '../tests/fault/world.mjs';
import { DEFAULTS, asUsersHaveIt, figure } from './figures.mjs';

const jobs = Number(process.env.JOBS ?? 2000), seconds = Number(process.env.SECONDS ?? 60);
const MODULE = 'pg_stat_statements';
const versions = '/usr/lib/postgresql';
const newest = readdirSync(versions).sort((a, b) => a - b).at(-1); // as tests/lib/pg.mjs
const counted = existsSync(`${process.env.PG_BIN ? `${process.env.PG_BIN}/../lib` : `${versions}/${newest}/lib`}/${MODULE}.so`);
const w = new World({ nodes: 1, slots: jobs, leaseMs: 15000, speed: 1,
  pgSettings: { ...DEFAULTS, ...(counted ? { shared_preload_libraries: MODULE, [`${MODULE}.track`]: 'top' } : {}) } });

// One statement is one transaction: the driver sends each by itself, README of src/store/pg/sql. So their
// number is that of the transactions, where nothing counts them.
const statements = counted ? `(SELECT sum(calls)::float8 FROM ${MODULE})` : 'xact_commit::float8';

try {
  await w.up();
  if (counted) await w.ask(`CREATE EXTENSION ${MODULE}`);
  const admin = await w.server.connect();
  await asUsersHaveIt(admin);
  await admin.end();
  await fetch(`${w.sim.url}/sim/reset`, { method: 'POST', body: JSON.stringify({ rpm: 1e7, itpm: 1e10, otpm: 1e9 }) });
  await w.startNodes();
  // Twice as many more: who ends, after a minute or two, is followed by another, so that all slots stay taken.
  await w.ask(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT $1, '{"topic": "Why bridges hum", "targetDuration": 900}' FROM generate_series(1, $2)`,
  [randomUUID(), Math.ceil(jobs * 3)]);
  const running = async () => (await w.ask('SELECT count(*)::int AS n FROM scriptorium.queue WHERE state = 1'))[0].n;
  const writing = async () => (await w.ask('SELECT count(DISTINCT job_id)::int AS n FROM scriptorium.step_text'))[0].n;
  await until(async () => (await running()) === jobs && (await writing()) >= jobs * 0.9,
    { timeout: 180000, every: 500, what: () => 'all jobs at work' });
  const called = async () => new Map(counted ? (await w.ask(`SELECT substring(query FROM 'scriptorium\\.(\\w+)\\(') AS name,
    sum(calls)::float8 AS n FROM ${MODULE} GROUP BY 1`)).filter((r) => r.name).map((r) => [r.name, r.n]) : []);
  const look = async () => (await w.ask(`SELECT ${statements} AS statements, xact_commit::float8 AS commits,
    (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 AS wal, (SELECT count(*)::int FROM scriptorium.queue WHERE state = 1) AS running
    FROM pg_stat_database WHERE datname = current_database()`))[0];
  const a = await look(), before = await called();
  await sleep(seconds * 1000);
  const b = await look();
  const top = async (before) => [...await called()].map(([name, n]) => [name, n - (before.get(name) ?? 0)])
    .filter(([, n]) => n > 0).sort((x, y) => y[1] - x[1]).slice(0, 6);
  const each = seconds / 60 * jobs;
  console.log(`${a.running} running jobs before, ${b.running} after ${seconds} s; ${counted ? `statements counted by ${MODULE}`
    : `${MODULE} is not there (postgresql-contrib): each statement is its own transaction, so transactions are told for both`}`);
  figure('jobs running all the while', Math.min(a.running, b.running), 'jobs', { least: jobs });
  figure('statements, in all', (b.statements - a.statements) / seconds, 'a second');
  figure('statements per job and minute', (b.statements - a.statements) / each, '');
  figure('transactions per job and minute', (b.commits - a.commits) / each, '');
  figure('write-ahead log per job and minute', (b.wal - a.wal) / each / 1024, 'KiB');
  for (const [name, calls] of await top(before)) figure(`  ${name}() per job and minute`, calls / each, '');
} finally {
  await w.close();
}
