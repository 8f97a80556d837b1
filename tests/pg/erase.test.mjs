// Erasing a user of a table that was there before: columns that may not be null, a trigger of the users' own,
// stored HTTP requests, the engine's own role.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, json, run } from '../blackbox/harness.mjs';
import * as postgres from '../lib/pg.mjs';

const USER = '0190aaaa-0000-7000-8000-00000000000a';
const OTHER = '0190aaaa-0000-7000-8000-00000000000b';
let server;
let sql;
let owner;

before(async () => {
  server = await postgres.start({ database: false });
  const database = await server.database('erase');
  owner = server.url({ database });
  sql = await server.connect({ database });
});
after(async () => { await sql?.end(); await server?.remove(); });

test('nothing that the user wrote is left anywhere, and nobody else loses a word', async (t) => {
  const dir = folder(t);
  await sql.query(`CREATE TABLE script_generation_jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workflow_id uuid,
      user_id uuid NOT NULL, status text NOT NULL DEFAULT 'pending', generation_params jsonb NOT NULL, title text);
    CREATE ROLE scripts LOGIN`);
  const migrated = run(dir, ['migrate', '--with-cron', '--database', owner], { env: { SCRIPTORIUM_ENGINE_ROLE: 'scripts' } });
  assert.equal(migrated.code, 0, migrated.err);
  const url = owner.replace('postgres@', 'scripts@');
  await sql.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
    VALUES ($1, '{"topic": "my sesame", "targetDuration": 60}'), ($2, '{"topic": "Salt", "targetDuration": 60}')`, [USER, OTHER]);
  assert.equal(run(dir, ['run', '--speed', '100000', '--database', url]).code, 0);
  const { id } = (await sql.query('SELECT id FROM script_generation_jobs WHERE user_id = $1', [USER])).rows[0];
  await sql.query(`INSERT INTO script_generation_jobs (user_id, generation_params) VALUES ($1, '{"topic": "more sesame"}')`, [USER]);
  await sql.query(`INSERT INTO scriptorium.log (at, job_id, level, event, message) VALUES (now(), $1, 'info', 'x', 'sesame');`, [id]);
  await sql.query(`UPDATE scriptorium.call SET error = 'sesame' WHERE job_id = '${id}'`);
  await sql.query(`INSERT INTO net._http_response (id, content) VALUES (1001, '{"jobId":"${id}","x":"sesame"}'), (1002, 'other')`);
  await sql.query(`INSERT INTO net.http_request_queue (method, url, body) VALUES ('POST', 'https://x.example', '{"user":"${USER}","x":"sesame"}')`);
  // A hook that raised with the user's words, to be tried again; the end is still to be told.
  await sql.query(`INSERT INTO scriptorium.outbox (kind, job_id, run, user_id, outcome, ended_at, due_at, error)
    VALUES (1, $1, 1, $2, 'failed', now(), now() + interval '1 hour', 'no sesame'),
      (1, gen_random_uuid(), 1, $2, 'deleted', now(), now() + interval '1 hour', 'no sesame')`, [id, USER]);
  const money = (await sql.query('SELECT sum(cost) FROM scriptorium.call')).rows[0].sum;

  const done = json(dir, ['erase', '--user', USER, '--database', url]);
  assert.deepEqual([done.cancelled, done.jobs, done.http_requests], [1, 2, 2]);
  const { rows } = await sql.query(`SELECT generation_params, generated_script, script_metadata, status
    FROM script_generation_jobs WHERE user_id = $1 ORDER BY status`, [USER]);
  assert.deepEqual(rows, ['cancelled', 'completed'].map((status) => (
    { generation_params: {}, generated_script: null, script_metadata: null, status })));
  assert.ok((await sql.query('SELECT generated_script FROM script_generation_jobs WHERE user_id = $1', [OTHER])).rows[0].generated_script);
  assert.equal((await sql.query('SELECT sum(cost) FROM scriptorium.call')).rows[0].sum, money);
  assert.equal((await sql.query('SELECT count(*) AS n FROM scriptorium.outbox WHERE state = 0 AND kind = 1')).rows[0].n, 2);
  // Every text column of every table that we know of.
  const { rows: tables } = await sql.query(`SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname IN ('public', 'scriptorium', 'cron', 'net')`);
  for (const { name } of tables) {
    const { rows: [{ n }] } = await sql.query(`SELECT count(*) AS n FROM ${name} x
      WHERE x::text LIKE '%sesame%' OR x::text LIKE '%' || encode('sesame', 'hex') || '%'`);
    assert.equal(n, 0, name);
  }
});

test('ends that wait for a hook that is configured no more go after a day', async () => {
  const n = async () => (await sql.query("SELECT count(*) AS n FROM scriptorium.outbox WHERE outcome = 'cancelled' AND kind = 1")).rows[0].n;
  const sweep = () => sql.query('SELECT scriptorium.sweep(0, 0, 0, false, 100)');
  await sql.query(`INSERT INTO scriptorium.outbox (kind, job_id, run, outcome, ended_at, due_at)
    SELECT 1, gen_random_uuid(), 1, 'cancelled', t, t FROM unnest(ARRAY[now() - interval '25 hours', now() - interval '23 hours']) t`);
  await sql.query("SELECT scriptorium.setting_set('outbox.ended', 'on')");
  await sweep();
  assert.equal(await n(), 2);
  await sql.query("SELECT scriptorium.setting_set('outbox.ended', NULL)");
  await sweep();
  assert.equal(await n(), 1);
});
