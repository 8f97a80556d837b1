// Behind the real PgBouncer in transaction mode: no statement keeps a name, no session a state. The
// conformance suite goes through it, and so do the jobs of two nodes that listen past it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { folder, program, run, simulator, until } from '../blackbox/harness.mjs';
import { daemon } from '../blackbox/serve.mjs';
import * as postgres from '../lib/pg.mjs';
import { Pooler } from '../lib/pgbouncer.mjs';

const suite = path.join(path.dirname(program), 'tests/conformance/conformance_pg');
let server, pooler;

/** A port before the pooler's, on a network that brings a statement in two parts: all from its Describe on comes 2 ms late. */
async function slicer(t, to) {
  const server = net.createServer((client) => {
    const pooler = net.connect(to, '127.0.0.1').setNoDelay(true);
    const sent = (async () => {
      let bytes = Buffer.alloc(0);
      let header = 0; // the first messages have no type: requests to encrypt, then the login
      for await (const chunk of client) {
        bytes = Buffer.concat([bytes, chunk]);
        while (bytes.length >= header + 4 && bytes.length >= header + bytes.readInt32BE(header)) {
          const length = header + bytes.readInt32BE(header);
          if (header === 1 && bytes[0] === 0x44) await new Promise((wake) => setTimeout(wake, 2));
          pooler.write(bytes.subarray(0, length));
          bytes = bytes.subarray(length);
          if (length !== 8) header = 1;
        }
      }
    })();
    for (const [end, other] of [[client, pooler], [pooler, client]]) end.on('error', () => {}).on('close', () => other.destroy());
    sent.catch(() => {});
    pooler.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server.address().port;
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
  const database = pooler.url().replace(pooler.port, await slicer(t, pooler.port));
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

/** A port before a server where every so often a pooler's own answer comes before that of a statement: { port, strays }. */
async function strayer(t, to) {
  const message = (type, ...parts) => {
    const body = Buffer.concat(parts);
    const head = Buffer.from([type.charCodeAt(0), 0, 0, 0, 0]);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const text = (s) => Buffer.from(`${s}\0`);
  const ready = message('Z', Buffer.from('I'));
  const column = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0]); // an integer, as text
  const answers = [
    Buffer.concat([message('C', text('SET')), ready]),
    Buffer.concat([message('T', Buffer.from([0, 1]), text('?column?'), column),
      message('D', Buffer.from([0, 1, 0, 0, 0, 1]), Buffer.from('1')), message('C', text('SELECT 1')), ready]),
  ];
  const made = { strays: 0 };
  let statements = 0;
  const server = net.createServer((client) => {
    const behind = net.connect(to, '127.0.0.1');
    let bytes = Buffer.alloc(0);
    let begins = false;
    behind.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 5 && bytes.length > bytes.readInt32BE(1)) {
        const one = bytes.subarray(0, 1 + bytes.readInt32BE(1));
        bytes = bytes.subarray(one.length);
        if (begins && ++statements % 25 === 0) client.write(answers[made.strays++ % answers.length]);
        begins = one[0] === 0x5a;
        client.write(one);
      }
    });
    for (const [end, other] of [[client, behind], [behind, client]]) end.on('error', () => {}).on('close', () => other.destroy());
    client.pipe(behind);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return Object.assign(made, { port: server.address().port });
}

test('its own answers, which it may bring to a client by mistake, are taken for nobody\'s', { timeout: 120000 }, async (t) => {
  const dir = folder(t);
  const database = await server.database();
  assert.equal(run(dir, ['migrate', '--database', server.url({ database })]).code, 0);
  const sim = await simulator(t, dir, ['--speed', '50']);
  const mistaken = await strayer(t, server.port);
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
