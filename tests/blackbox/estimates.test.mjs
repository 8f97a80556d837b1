// Predicted starts of a backlog against the real ones, on both stores.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, run } from './harness.mjs';
import * as postgres from '../lib/pg.mjs';
import { measure } from '../lib/estimates.mjs';

let server;

before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

// A quarter of the wait or five seconds, for nine of ten: the promise of docs/api.md. Jobs take four
// seconds here, and rows and figures are up to a second old each, whatever the load.
async function story(t, database) {
  const dir = folder(t);
  if (database) assert.equal(run(dir, ['migrate', '--database', database]).code, 0);
  const seen = await measure(t, dir, { jobs: 40, slots: 8, speed: '8', database, slack: 5000 });
  t.diagnostic(JSON.stringify({ ...seen, worst: undefined }));
  assert.ok(seen.part >= 0.9, JSON.stringify(seen, null, 2));
  assert.ok(seen.count > 100, JSON.stringify(seen));
  assert.ok(seen.unknownUntil < 0.6, `unknown until ${seen.unknownUntil} of a job's time`);
}

test('a backlog on SQLite', (t) => story(t));

test('a backlog on PostgreSQL', async (t) => story(t, server.url({ database: await server.database() })));
