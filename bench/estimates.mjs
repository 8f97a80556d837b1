// In: SCRIPTORIUM (the program), a store, jobs, slots, a speed. Out: how near the predicted starts of a backlog come to the real
// ones. Usage: node bench/estimates.mjs [--jobs 200] [--slots 20] [--speed 10] [--minutes 10] [--mixed]
//   [--database URL] [--seed N] [--worst]
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure } from '../tests/lib/estimates.mjs';
import { figure } from './figures.mjs';

const { values: o } = parseArgs({ options: {
  jobs: { type: 'string', default: '200' }, slots: { type: 'string', default: '20' },
  speed: { type: 'string', default: '10' }, minutes: { type: 'string', default: '10' },
  mixed: { type: 'boolean', default: false }, worst: { type: 'boolean', default: false }, database: { type: 'string' },
  seed: { type: 'string', default: '1' } } });
const dir = mkdtempSync(join(tmpdir(), 'scriptorium-estimates-'));
const hooks = [];
try {
  if (o.database) {
    execFileSync(process.env.SCRIPTORIUM, ['migrate', '--database', o.database], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const seen = await measure({ after: (fn) => hooks.push(fn) }, dir, { jobs: Number(o.jobs),
    slots: Number(o.slots), speed: o.speed, minutes: Number(o.minutes), mixed: o.mixed,
    database: o.database, seed: o.seed });
  console.log(`${o.jobs} jobs over ${o.slots} slots at ${o.speed} times life's speed, ${o.database ? 'PostgreSQL' : 'SQLite'}; a job takes `
    + `${(seen.each / 1000).toFixed(1)} s, ${seen.count} answers, ${seen.unknown} without a time`);
  figure('predicted starts within 25 % or 5 s', seen.within5s * 100, '%', { least: 90 });
  figure('within 25 % or an eighth of a job\'s time', seen.part * 100, '%');
  if (o.worst) console.log(Object.values(seen.by).concat(seen.worst).join('\n'));
} finally {
  for (const fn of hooks.reverse()) await fn();
  rmSync(dir, { recursive: true, force: true });
}
