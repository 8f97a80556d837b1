// In: SCRIPTORIUM (the program), ROUNDS (300), HISTORY (10000). Out: how long after a client's COMMIT the daemon has set the
// client's row to 'processing', everything in between included. A trigger on the table tells it, as users may have one.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { daemon } from '../tests/blackbox/serve.mjs';
import { start } from '../tests/lib/pg.mjs';
import { DEFAULTS, asUsersHaveIt, figure, quantile } from './figures.mjs';

const rounds = Number(process.env.ROUNDS ?? 300), history = Number(process.env.HISTORY ?? 10_000);
const dir = mkdtempSync(join(tmpdir(), 'scriptorium-bench-'));
const hooks = [() => rmSync(dir, { recursive: true, force: true })];
try {
  const server = await start({ settings: DEFAULTS });
  hooks.push(() => server.remove());
  execFileSync(process.env.SCRIPTORIUM, ['migrate', '--database', server.url()], { stdio: ['ignore', 'ignore', 'inherit'] });
  const client = await server.connect(), listener = await server.connect();
  await asUsersHaveIt(client);
  await client.query(`INSERT INTO script_generation_jobs (user_id, status)
    SELECT gen_random_uuid(), 'completed' FROM generate_series(1, $1)`, [history]);
  await client.query(`CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN PERFORM pg_notify('bench', NEW.id::text); RETURN NULL; END$$`);
  await client.query(`CREATE TRIGGER bench AFTER UPDATE ON script_generation_jobs FOR EACH ROW
    WHEN (NEW.status = 'processing' AND OLD.status = 'pending') EXECUTE FUNCTION tell()`);
  await listener.query('LISTEN bench');
  const seen = new Map(), waiters = new Map();
  listener.on('notification', ({ payload }) => {
    seen.set(payload, process.hrtime.bigint());
    waiters.get(payload)?.();
  });
  const d = await daemon({ after: (fn) => hooks.push(fn) }, dir, { speed: '1000',
    args: ['--database', server.url(), '--concurrency', '50', '--log-level', 'info'] });
  const took = [];
  for (let i = 0; i < rounds + 20; i++) {
    const { rows: [{ id }] } = await client.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
      VALUES (gen_random_uuid(), '{"topic": "Why bridges hum", "targetDuration": 60}') RETURNING id`);
    const committed = process.hrtime.bigint();
    await new Promise((done) => { if (seen.has(id)) done(); else waiters.set(id, done); });
    if (i >= 20) took.push(Math.max(0, Number(seen.get(id) - committed) / 1e6));
    await new Promise((done) => { setTimeout(done, 5 + (i * 7) % 20); }); // in no step with its timers
  }
  console.log(`One process of ${d.hello.version ?? 'scriptorium'}, PostgreSQL with its defaults, beside ${history} ended jobs; ${rounds} rounds`);
  figure('from COMMIT to the row\'s \'processing\', p50', quantile(took, 0.5), 'ms', { most: 1 });
  figure('from COMMIT to the row\'s \'processing\', p99', quantile(took, 0.99), 'ms', { most: 5 });
} finally {
  for (const fn of hooks.reverse()) await fn();
}
process.exit(0);
