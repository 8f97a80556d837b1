// Predicted starts of a backlog against the real ones, on both stores.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, run } from './harness.mjs';
import * as postgres from '../lib/pg.mjs';
import { measure } from '../lib/estimates.mjs';

let server;

before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

// The promise of docs/api.md is a quarter of the wait or five seconds, for nine of ten; bench/estimates.mjs holds it at the speed
// of life, in six minutes. Here jobs take four seconds and not thirty, but rows and figures are up to a second old all the same:
// half a job's time.
async function story(t, database) {
  const dir = folder(t);
  if (database) assert.equal(run(dir, ['migrate', '--database', database]).code, 0);
  const seen = await measure(t, dir, { jobs: 120, slots: 20, speed: '8', database, slack: 2000 });
  t.diagnostic(JSON.stringify({ ...seen, worst: undefined }));
  assert.ok(seen.part >= 0.75, JSON.stringify(seen, null, 2));
  assert.ok(seen.count > 1000, JSON.stringify(seen));
  assert.ok(seen.unknownUntil < 0.6, `unknown until ${seen.unknownUntil} of a job's time`);
}

const together = { concurrency: true }; // they wait most of the time

test('a backlog is told when it will begin', together, async (t) => {
  await Promise.all([
    t.test('on SQLite', (t) => story(t)),
    t.test('on PostgreSQL', async (t) => story(t, server.url({ database: await server.database() }))),
  ]);
});
