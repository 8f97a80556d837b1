// Behind the real PgBouncer in transaction mode: no statement keeps a name, no session a state. The
// conformance suite goes through it, and so do the jobs of two nodes that listen past it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { folder, program, run, simulator, until } from '../blackbox/harness.mjs';
import { daemon } from '../blackbox/serve.mjs';
import * as postgres from '../lib/pg.mjs';
import { Proxy } from '../fault/proxy.mjs';
import { Pooler } from '../lib/pgbouncer.mjs';

const suite = path.join(path.dirname(program), 'tests/conformance/conformance_pg');
let server, pooler;

/** The whole messages that a socket has brought by now; of a client's the first ones have no type. */
function* messages(socket, bytes) {
  socket.rest = Buffer.concat([socket.rest ?? Buffer.alloc(0), bytes]);
  socket.header ??= 0;
  while (socket.rest.length >= socket.header + 4) {
    const length = socket.header + socket.rest.readInt32BE(socket.header);
    if (socket.rest.length < length) return;
    yield socket.rest.subarray(0, length);
    socket.rest = socket.rest.subarray(length);
    if (length !== 8) socket.header = 1; // of 8 bytes are requests to encrypt, before the login
  }
}

/** A network that brings a statement in two parts: all from its Describe on comes 2 ms late. */
class Slicer extends Proxy {
  pass(link, from, to, bytes) {
    if (from === link.server) {
      to.write(bytes);
      return;
    }
    for (const message of messages(from, bytes)) {
      this.delayMs = from.header === 1 && message[0] === 0x44 ? 2 : 0;
      super.pass(link, from, to, message);
    }
  }
}

before(async () => {
  server = await postgres.start();
  pooler = await new Pooler(server).up();
});
after(async () => {
  await pooler?.down();
  await server?.remove();
});

test('the conformance suite passes through it', { timeout: 300000, skip: !fs.existsSync(suite) && 'not built' },
  async () => {
    const base = (port) => `postgres://postgres@127.0.0.1:${port}`;
    const env = { ...process.env, CMOCKA_MESSAGE_OUTPUT: 'STDOUT',
      PG_URL: base(server.port), PG_POOLER: base(pooler.port) };
    const { stdout } = await promisify(execFile)(suite, [], { env, maxBuffer: 1 << 26 })
      .catch((error) => { throw new Error(`${error.stdout.slice(-4000)}\n${error.stderr.slice(-4000)}`); });
    assert.ok(stdout.match(/^\[ +OK \]/gm).length > 60, stdout.slice(-2000));
  });

test('two nodes work off jobs through it, and hear of them past it', { timeout: 120000 }, async (t) => {
  const dir = folder(t);
  assert.equal(run(dir, ['migrate', '--database', server.url()]).code, 0);
  const sim = await simulator(t, dir, ['--speed', '50']);
  const env = { ...sim.env, SCRIPTORIUM_LISTEN_URL: server.url(), SCRIPTORIUM_LEASE: '3s', SCRIPTORIUM_POOL: '4' };
  // A server connection goes to the next client between two statements, also of those that one client sends at once.
  const slicer = await new Slicer(pooler.port).up();
  t.after(() => slicer.down());
  const database = pooler.url().replace(pooler.port, slicer.port);
  const nodes = await Promise.all([0, 1].map(() => daemon(t, dir, {
    args: ['--database', database, '--concurrency', '20'], env })));
  const client = await server.connect();
  t.after(() => client.end());
  await client.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT gen_random_uuid(), '{"topic": "Why bridges hum", "targetDuration": 60}' FROM generate_series(1, 60)`);
  const left = async () => (await client.query(
    "SELECT count(*) AS n FROM script_generation_jobs WHERE status <> 'completed'")).rows[0].n;
  await until(async () => (await left()) === 0, { timeout: 60000, every: 50, what: () => nodes[0].process.err });
  assert.ok(nodes.every((n) => n.logs().some((l) => /^completed/.test(l.message))), 'both had a part in it');

  // With nothing to do, a new job is heard of at once: the poll alone would take up to a second.
  const waits = [];
  for (let i = 0; i < 10; i++) {
    const { rows: [{ id }] } = await client.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
      VALUES (gen_random_uuid(), '{"topic": "Why bridges hum", "targetDuration": 20}') RETURNING id`);
    await until(async () => (await left()) === 0, { every: 20 });
    const { rows: [{ wait }] } = await client.query(`SELECT extract(epoch FROM started_at - created_at)::float8 AS wait
      FROM script_generation_jobs WHERE id = $1`, [id]);
    waits.push(wait * 1000);
  }
  waits.sort((a, b) => a - b);
  assert.ok(waits[5] < 100, `picked up after ${waits.map((w) => w.toFixed(1)).join(', ')} ms`);

  for (const node of nodes) {
    node.process.kill('SIGTERM');
    await node.process.ended;
    assert.equal(node.process.code, 0, node.process.err);
    const troubles = node.logs().filter((l) => l.level === 'error' || l.level === 'warn');
    assert.deepEqual(troubles, []);
  }
  assert.doesNotMatch(pooler.log(), /unsupported pkt|prepared statement/);
  assert.doesNotMatch(server.log(), /prepared statement/);
});

/** Every so often a pooler's own answer comes before that of a statement. */
class Strayer extends Proxy {
  strays = 0;
  statements = 0;
  static message(type, ...parts) {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
    const head = Buffer.from([type.charCodeAt(0), 0, 0, 0, 0]);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  }

  static ready = Strayer.message('Z', 'I');
  static answers = [
    Buffer.concat([Strayer.message('C', 'SET\0'), Strayer.ready]),
    Buffer.concat([
      Strayer.message('T', [0, 1], '?column?\0', [0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0]), // an integer, as text
      Strayer.message('D', [0, 1, 0, 0, 0, 1], '1'), Strayer.message('C', 'SELECT 1\0'), Strayer.ready]),
  ];

  pass(link, from, to, bytes) {
    if (from === link.client) {
      to.write(bytes);
      return;
    }
    from.header = 1; // all of a server's have a type
    for (const message of messages(from, bytes)) {
      if (from.begins && ++this.statements % 25 === 0) to.write(Strayer.answers[this.strays++ % Strayer.answers.length]);
      from.begins = message[0] === 0x5a;
      to.write(message);
    }
  }
}

test('its own answers, which it may bring to a client by mistake, are taken for nobody\'s', { timeout: 120000 }, async (t) => {
  const dir = folder(t);
  const database = await server.database();
  assert.equal(run(dir, ['migrate', '--database', server.url({ database })]).code, 0);
  const sim = await simulator(t, dir, ['--speed', '50']);
  const mistaken = await new Strayer(server.port).up();
  t.after(() => mistaken.down());
  const node = await daemon(t, dir, { env: { ...sim.env, SCRIPTORIUM_LISTEN_URL: server.url({ database }) },
    args: ['--database', `${server.url({ database }).replace(server.port, mistaken.port)}?sslmode=disable`, '--concurrency', '20'] });
  const client = await server.connect({ database });
  t.after(() => client.end());
  await client.query(`INSERT INTO script_generation_jobs (user_id, generation_params)
    SELECT gen_random_uuid(), '{"topic": "Why bridges hum", "targetDuration": 60}' FROM generate_series(1, 60)`);
  await until(async () => (await client.query("SELECT FROM script_generation_jobs WHERE status <> 'completed'")).rowCount === 0,
    { timeout: 60000, every: 50, what: () => node.process.err });
  assert.ok(mistaken.strays > 10, `${mistaken.strays} strays`);
  assert.doesNotMatch(node.process.err, /does not fit|refused by the store|scriptorium migrate/);
  const { ledger } = await (await fetch(`${sim.env.ANTHROPIC_BASE_URL}/sim/state`)).json();
  const { rows: [ours] } = await client.query(`SELECT count(*) AS requests, sum(output) AS output,
    count(*) FILTER (WHERE state = 0) AS open FROM scriptorium.call`);
  assert.deepEqual(ours, { requests: ledger.requests, output: String(ledger.billed_output_tokens), open: 0 });
});

test('schedules and requests in SQL through it; a login that it turns into another runs nothing', { timeout: 120000 }, async (t) => {
  const dir = folder(t);
  const database = await server.database();
  assert.equal(run(dir, ['migrate', '--with-cron', '--database', server.url({ database })]).code, 0);
  const client = await server.connect({ database });
  t.after(() => client.end());
  await client.query('CREATE ROLE ann LOGIN; GRANT USAGE ON SCHEMA cron TO ann');
  const node = await daemon(t, dir, { args: ['--database', pooler.url(database), '--mode', 'triggered'], env: {
    SCRIPTORIUM_LISTEN_URL: server.url({ database }), SCRIPTORIUM_PUBLIC_URLS: 'https://project.example',
    SCRIPTORIUM_CRON_USERS: pooler.url(database).replace('postgres@', 'ann@') } });
  await client.query("SELECT cron.schedule('mine', '1 seconds', $$SELECT net.http_get('https://project.example/healthz')$$)");
  await client.query("SET ROLE ann; SELECT cron.schedule('hers', '1 seconds', 'SELECT 1'); RESET ROLE");
  const first = (name) => until(async () => (await client.query(`SELECT d.status, d.return_message FROM cron.job_run_details d
    JOIN cron.job j USING (jobid) WHERE jobname = $1 AND end_time IS NOT NULL`, [name])).rows[0]);
  assert.deepEqual(await first('mine'), { status: 'succeeded', return_message: '1 row' });
  assert.deepEqual(await first('hers'), { status: 'failed', return_message:
    'the connection for "ann" logs in as "postgres"; correct its URL in cron.users, or the pooler' });
  await until(async () => (await client.query('SELECT FROM net._http_response WHERE status_code = 200')).rowCount > 0);
  assert.deepEqual(node.logs().filter((l) => l.level === 'error'), []);
});
