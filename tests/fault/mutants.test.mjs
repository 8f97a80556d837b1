// The mutants break what the program's text says today; a chaos with each is for people (mutants.mjs).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../blackbox/harness.mjs';
import * as pg from '../lib/pg.mjs';
import { mutants, mutate } from './mutants.mjs';

test('each mutant finds the text that it breaks', { timeout: 60000 }, async (t) => {
  const server = await pg.start({});
  t.after(() => server.remove());
  assert.equal(run('/tmp', ['migrate'], { env: { DATABASE_URL: server.url() } }).code, 0);
  const client = await server.connect();
  t.after(() => client.end());
  for (const name of Object.keys(mutants)) {
    await client.query('BEGIN');
    await mutate(client, name);
    await client.query('ROLLBACK');
  }
});
