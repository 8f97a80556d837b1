// What a user wrote is gone from the bytes of the database too: from its file and from its log.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, run, sql, until } from './harness.mjs';
import { daemon } from './serve.mjs';

const USER = '0190aaaa-0000-7000-8000-00000000000a';
const OTHER = '0190aaaa-0000-7000-8000-00000000000b';

// How often the word stands in the files, whatever SQL would show.
function hits(dir, word) {
  let n = 0;
  for (const name of ['scriptorium.db', 'scriptorium.db-wal']) {
    if (!existsSync(join(dir, name))) continue;
    const bytes = readFileSync(join(dir, name));
    for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + 1)) n++;
  }
  return n;
}

// Some of them fail, one is never begun; their texts are long enough for pages of their own.
function enqueue(dir) {
  for (let i = 0; i < 6; i++) {
    run(dir, ['enqueue', '--user', USER, '--topic', `The sesamum of ${'x'.repeat(i * 30)}`, '--minutes', '20']);
    run(dir, ['enqueue', '--user', OTHER, '--topic', 'The history of pepperwort', '--minutes', '5']);
  }
}

const erase = (dir) => json(dir, ['erase', '--user', USER]);
const gone = (dir) => until(() => hits(dir, 'sesamum') === 0, { what: () => `${hits(dir, 'sesamum')} hits to go` });

test('erased by the command alone', (t) => {
  const dir = folder(t);
  enqueue(dir);
  assert.equal(run(dir, ['run', '--speed', '100000']).code, 0);
  run(dir, ['enqueue', '--user', USER, '--topic', 'The last sesamum']);
  assert.ok(hits(dir, 'sesamum') > 10);
  assert.equal(erase(dir).jobs, 7);
  assert.equal(hits(dir, 'sesamum'), 0);
  assert.ok(hits(dir, 'pepperwort') > 10);
});

test('erased beside a daemon that works, by its API and by the command', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '100000' });
  for (const way of [() => d.delete(`/v1/users/${USER}`), () => erase(dir)]) {
    enqueue(dir);
    await until(() => sql(dir, `SELECT count(*) AS n FROM script_generation_jobs WHERE status IN ('pending', 'processing')`)[0].n === 0);
    assert.ok(hits(dir, 'sesamum') > 10);
    await way();
    await gone(dir);
  }
});

test('taken by retention', async (t) => {
  const dir = folder(t);
  enqueue(dir);
  assert.equal(run(dir, ['run', '--speed', '100000']).code, 0);
  sql(dir, `UPDATE script_generation_jobs SET completed_at = '2020-01-01T00:00:00Z'`);
  await daemon(t, dir, { env: { SCRIPTORIUM_RETENTION_COMPLETED: '1d' } });
  await gone(dir);
});
