// docs/supabase.md, played: its SQL and its function as they stand there, on a real PostgreSQL server
// with Supabase's roles, with the table and the policy of a product that has been there for a while.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as postgres from '../lib/pg.mjs';
import { folder, json, root, run, until } from './harness.mjs';
import { daemon, KEY, SECRET, token } from './serve.mjs';

const page = readFileSync(join(root, 'docs/supabase.md'), 'utf8');
// Blocks of one language, in order, without the indentation of the list they may stand in.
const blocks = (language) => [...page.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^ *\`\`\`$`, 'gm'))]
  .map(([, indent, text]) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
const [role, keepKey, readKey, processing, monitoring, back, clients] = blocks('sql');
const [forward] = blocks('ts');
const WORKFLOW = '018f0000-0000-7000-8000-00000000000c';
const ANNA = '018f0000-0000-7000-8000-00000000000a', BEN = '018f0000-0000-7000-8000-00000000000b';

let server;
before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

// What such a project has before we come: roles, a login, the table under row level security.
async function project() {
  const database = await server.database();
  const admin = await server.connect({ database });
  const roles = new Set((await admin.query('SELECT rolname FROM pg_roles')).rows.map((r) => r.rolname));
  if (!roles.has('owner')) await admin.query(`
    CREATE ROLE owner LOGIN NOSUPERUSER CREATEDB CREATEROLE BYPASSRLS;
    CREATE ROLE anon NOLOGIN NOINHERIT;
    CREATE ROLE authenticated NOLOGIN NOINHERIT;
    CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
    CREATE ROLE authenticator LOGIN NOINHERIT;
    GRANT anon, authenticated, service_role TO authenticator`);
  await admin.query(`
    GRANT CREATE ON DATABASE ${database} TO owner;
    GRANT ALL ON SCHEMA public TO owner;
    GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
    -- Vault as commands use it; what lies there is not encrypted here.
    CREATE SCHEMA vault AUTHORIZATION owner;
    CREATE SCHEMA auth AUTHORIZATION owner;
    GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
    SET ROLE owner;
    CREATE TABLE vault.decrypted_secrets (name text, decrypted_secret text);
    CREATE FUNCTION vault.create_secret(secret text, name text) RETURNS void LANGUAGE sql AS
      $$ INSERT INTO vault.decrypted_secrets VALUES (name, secret) $$;
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
      $$ SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
    CREATE TABLE script_generation_jobs (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      user_id uuid NOT NULL,
      workflow_id uuid,
      status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
      progress integer DEFAULT 0,
      current_step text,
      error_message text,
      generation_params jsonb,
      generated_script text,
      created_at timestamptz DEFAULT now(),
      started_at timestamptz,
      completed_at timestamptz
    );
    ALTER TABLE script_generation_jobs ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON script_generation_jobs TO authenticated
      USING (auth.uid() = user_id) WITH CHECK (auth.uid() = user_id);
    GRANT ALL ON script_generation_jobs TO anon, authenticated, service_role;
    RESET ROLE`);
  await admin.end();
  const owner = await server.connect({ database, user: 'owner' });
  return { database, owner, url: (user) => server.url({ database, user }) };
}

// As the REST layer does it for a logged-in user: one transaction under the user's role and claims.
async function asUser(p, sub, statements) {
  const client = await server.connect({ database: p.database, user: 'authenticator' });
  const results = [];
  for (const sql of statements) {
    await client.query('BEGIN');
    await client.query('SET LOCAL ROLE authenticated');
    await client.query("SELECT set_config('request.jwt.claims', $1, true)", [JSON.stringify({ sub })]);
    results.push(await client.query(sql));
    await client.query('COMMIT');
  }
  await client.end();
  return results;
}

// The edge function's text in Node, which has the same fetch, Request and Response.
async function edge(t, target) {
  const shim = `import { createServer } from 'node:http';
    globalThis.Deno = { env: { get: (name) => process.env[name] }, serve: (answer) => {
      const server = createServer(async (req, res) => {
        const parts = [];
        for await (const part of req) parts.push(part);
        const response = await answer(new Request('http://edge' + req.url, { method: req.method,
          headers: req.headers, body: req.method === 'POST' ? Buffer.concat(parts) : undefined }));
        res.writeHead(response.status, Object.fromEntries([...response.headers].filter(([name]) =>
          !/^(content-length|transfer-encoding|connection|content-encoding)$/.test(name))));
        res.end(Buffer.from(await response.arrayBuffer()));
      }).listen(0, '127.0.0.1', () => console.log(server.address().port));
    } };
    ${forward}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', shim], {
    env: { ...process.env, SCRIPTORIUM_URL: target }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  let out = '';
  child.stdout.on('data', (d) => { out += d; });
  await until(() => /\d+\n/.test(out), { what: () => 'the port of the edge function' });
  return `http://127.0.0.1:${out.trim()}/functions/v1/process-script-jobs`;
}

test('the page has the blocks that this test plays', () => {
  assert.equal(blocks('sql').length, 7);
  assert.equal(blocks('ts').length, 1);
  assert.ok(forward.trim().split('\n').length <= 12, 'the function stays a short one');
});

test('an afternoon with docs/supabase.md: role, plan, migration, forwarding, change-over, and back', async (t) => {
  const dir = folder(t);
  const p = await project();
  const left = randomUUID(), stuck = randomUUID();
  await p.owner.query(`INSERT INTO script_generation_jobs (id, user_id, status, generation_params, started_at)
    VALUES ($1, $3, 'pending', '{"topic": "Tides", "targetDuration": 60}', NULL),
           ($2, $3, 'processing', '{"topic": "Salt", "targetDuration": 60}', now() - interval '2 hours')`,
  [left, stuck, ANNA]);

  // 3, 4: the role, the plan, the migration
  await p.owner.query(role);
  const owner = { env: { SCRIPTORIUM_ENGINE_ROLE: 'scriptorium', DATABASE_URL: p.url('owner') } };
  const plan = run(dir, ['migrate', '--dry-run'], owner);
  assert.equal(plan.code, 0, plan.err);
  for (const line of page.match(/^ {4}(GRANT|CREATE POLICY).*$/gm).map((l) => l.trim()))
    assert.ok(plan.out.includes(line), `the plan has: ${line}\n${plan.out}`);
  assert.match(plan.out, /1 row is 'processing' for somebody else/);
  const migrated = run(dir, ['migrate'], owner);
  assert.equal(migrated.code, 0, migrated.err);
  assert.match(migrated.out, /Note: 1 row is 'processing' for somebody else.*rescue/);
  assert.match(migrated.out, /The store is up to date\.\n$/);
  assert.match(run(dir, ['migrate', '--dry-run'], owner).out, /^Note: 1 row is 'processing' [^]*^Nothing to do/m);

  // Later, an update: the plan tells of the schema, and the engine's role need not be named again.
  const update = { env: { DATABASE_URL: p.url('owner') } };
  const [latest] = (await p.owner.query(`DELETE FROM scriptorium.migration
    WHERE version = (SELECT max(version) FROM scriptorium.migration) RETURNING version, name`)).rows;
  assert.match(run(dir, ['migrate', '--dry-run'], update).out,
    new RegExp(`^-- schema scriptorium: from version ${latest.version - 1} to ${latest.version}$`, 'm'));
  await p.owner.query('INSERT INTO scriptorium.migration (version, name) VALUES ($1, $2)', [latest.version, latest.name]);
  await p.owner.query('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA scriptorium FROM scriptorium');
  assert.equal(run(dir, ['migrate'], update).code, 0);
  assert.deepEqual((await p.owner.query(`SELECT proname FROM pg_proc WHERE pronamespace = 'scriptorium'::regnamespace
    AND NOT has_function_privilege('scriptorium', oid, 'EXECUTE')`)).rows, [{ proname: 'scale_cron_put' }]);

  // 5, 6: the daemon as that role, and the old URL
  const engine = { env: { DATABASE_URL: p.url('scriptorium') } };
  const d = await daemon(t, dir, { args: ['--mode', 'triggered'],
    env: { ...engine.env, SCRIPTORIUM_JWT_SECRET: SECRET } });
  const old = await edge(t, d.url);
  const preflight = await fetch(old, { method: 'OPTIONS' });
  assert.deepEqual([preflight.status, await preflight.text()], [200, 'ok']);
  assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
  const stranger = await fetch(old, { method: 'POST', body: '{}' });
  assert.deepEqual([stranger.status, await stranger.json()], [401, { error: 'Unauthorized' }]);
  const user = await fetch(old, { method: 'POST', body: '{}', headers: { authorization: `Bearer ${token(ANNA)}` } });
  assert.equal(user.status, 401, 'a user may not start batches');

  await p.owner.query(keepKey);
  assert.equal((await p.owner.query(`SELECT ${readKey} AS header`)).rows[0].header, 'Bearer the service key');

  // 7: what the old worker left behind, then a firing as cron sends it
  assert.deepEqual((await p.owner.query(processing)).rows.map((r) => r.id), [stuck]);
  assert.equal(json(dir, ['jobs', 'rescue', '--older-than', '30m'], engine).requeued, 1);
  assert.deepEqual((await p.owner.query(processing)).rows, []);
  const fired = await fetch(old, { method: 'POST', body: '{}', headers: {
    authorization: `Bearer ${KEY}`, 'x-supabase-caller': 'pg_cron', 'x-worker-id': 'worker-1' } });
  const answer = await fired.json();
  assert.equal(fired.status, 202);
  assert.equal(answer.message, 'Batch accepted');
  assert.deepEqual(new Set(answer.jobs), new Set([left, stuck]));
  await until(async () => (await p.owner.query(
    "SELECT count(*)::int AS n FROM script_generation_jobs WHERE status = 'completed'")).rows[0].n === 2,
  { what: () => 'both jobs completed' });
  await d.logged((l) => l.message === '📋 Found 2 pending job(s) to process concurrently');
  const [counts, running] = await p.owner.query(monitoring);
  assert.deepEqual(counts.rows.map((r) => [r.status, r.count]), [['completed', 2]]);
  assert.deepEqual(running.rows, []);

  // 9: a browser's writes, under its policy; another user's rows are not there for it
  const statements = clients.split(';').map((s) => s.trim()).filter(Boolean);
  assert.equal(statements.length, 4);
  const queued = async () => Number((await p.owner.query('SELECT count(*) FROM scriptorium.queue')).rows[0].count);
  const [insert, cancel, again, remove] = statements.map((sql) => sql.replace('the id of one of your workflows', WORKFLOW));
  await asUser(p, BEN, [insert]);
  assert.equal(await queued(), 1);
  const [foreign] = await asUser(p, ANNA, [cancel]);
  assert.equal(foreign.rowCount, 0);
  assert.equal((await asUser(p, BEN, [cancel]))[0].rowCount, 1);
  assert.equal(await queued(), 0);
  assert.equal((await asUser(p, BEN, [again]))[0].rowCount, 1);
  assert.equal(await queued(), 1);
  assert.equal((await asUser(p, BEN, [remove]))[0].rowCount, 1);
  assert.equal(await queued(), 0);

  // 8: back again
  d.process.kill('SIGTERM');
  await d.process.ended;
  assert.equal(d.process.code, 0, d.process.err);
  await p.owner.query(back);
  assert.deepEqual((await p.owner.query("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'scriptorium%'")).rows, []);
  assert.deepEqual((await p.owner.query('SELECT polname FROM pg_policy')).rows, [{ polname: 'own' }]);
  assert.equal((await p.owner.query('SELECT * FROM script_generation_jobs')).rowCount, 2);
  await p.owner.end();
});
