// In: what was measured, and what was aimed at. Out: a line for each, with ok or MISSED beside it.

const shown = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));

/** aim: {most} or {least}; without one the figure stands for itself. Returns whether it is as it should be. */
export function figure(what, value, unit, aim = {}) {
  const { most, least } = aim;
  const ok = (most === undefined || value <= most) && (least === undefined || value >= least);
  const beside = most !== undefined ? `aim at most ${most}` : least !== undefined ? `aim at least ${least}` : '';
  console.log(`  ${what.padEnd(64)} ${shown(value).padStart(10)} ${unit.padEnd(8)} ${beside.padEnd(20)} ${
    beside === '' ? '' : ok ? 'ok' : 'MISSED'}`.trimEnd());
  return ok;
}

/** The value that so many of them do not pass. */
export const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
export const median = (values) => quantile(values, 0.5);

/** The server's default settings, but that its port and place are its own: tests/lib/pg.mjs turns fsync off. */
export const DEFAULTS = { fsync: 'on', max_connections: '100' };

/** A table as users have it has these four indexes beside its key: the one that we add to a table of our own goes. */
export const asUsersHaveIt = (client) => client.query('DROP INDEX IF EXISTS script_generation_jobs_created_idx');
