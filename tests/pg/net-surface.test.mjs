// In: a plain server, migrated with the SQL surface. Out: net.* as pg_net has it: signatures, defaults,
// columns; a queue that nobody reads, and answers for who asked.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { row, rows, value } from '../lib/pg_store.mjs';

let server;
before(async () => {
    server = await start({ database: false });
    const client = await server.connect({ database: 'postgres' });
    await client.query('CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE worker LOGIN');
    await client.end();
});
after(() => server.remove());

async function prepared(t) {
    const name = await server.database();
    const as = async (user) => {
        const client = await server.connect({ database: name, user });
        t.after(() => client.end());
        return client;
    };
    const admin = await as('postgres');
    await migrate(admin, { withCron: true, engine: 'worker' });
    return { as, admin, ann: await as('ann'), bob: await as('bob'), worker: await as('worker') };
}

const told = (promise, code, message) => assert.rejects(promise, { code, message });
const take = (worker, max = 10, token = null, { spare = 0, ownMax = 0, own = null } = {}) =>
    rows(worker, 'SELECT * FROM scriptorium.net_take($1, $2, $3, $4, $5)', max, spare, ownMax, own, token);
const done = (worker, id, status = 200) => worker.query(
    "SELECT scriptorium.net_done($1, $2, 'text/plain', '{\"a\": \"b\"}', 'hello', false, NULL)", [id, status]);

test('signatures, defaults and columns are those of pg_net', async (t) => {
    const { admin } = await prepared(t);
    const found = await rows(admin, `SELECT proname || '(' || pg_get_function_arguments(p.oid) || ') ' || prorettype::regtype AS f
        FROM pg_proc p WHERE pronamespace = 'net'::regnamespace AND proname LIKE 'http%' ORDER BY 1`);
    assert.deepEqual(found.map((r) => r.f), [
        "http_delete(url text, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{}'::jsonb, timeout_milliseconds integer DEFAULT 5000, body jsonb DEFAULT NULL::jsonb) bigint",
        "http_get(url text, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{}'::jsonb, timeout_milliseconds integer DEFAULT 5000) bigint",
        "http_post(url text, body jsonb DEFAULT '{}'::jsonb, params jsonb DEFAULT '{}'::jsonb, headers jsonb DEFAULT '{\"Content-Type\": \"application/json\"}'::jsonb, timeout_milliseconds integer DEFAULT 5000) bigint",
    ]);
    const columns = await rows(admin, `SELECT attname || ' ' || format_type(atttypid, atttypmod) AS c FROM pg_attribute
        WHERE attrelid = 'net._http_response'::regclass AND attnum > 0 ORDER BY attnum`);
    assert.deepEqual(columns.map((r) => r.c), ['id bigint', 'status_code integer', 'content_type text', 'headers jsonb',
        'content text', 'timed_out boolean', 'error_msg text', 'created timestamp with time zone']);
});

test('what is asked for is what will be sent', async (t) => {
    const { ann, worker } = await prepared(t);
    await ann.query("SELECT net.http_get('http://x/a?b=c', '{\"d\": \"é/ &\", \"e\": 1, \"f\": null}')");
    await ann.query("SELECT net.http_post('https://x', '{\"k\": [1]}', timeout_milliseconds := 20)");
    await ann.query("SELECT net.http_post(url := 'https://x', headers := '{\"X\": \"1\"}', body := NULL)");
    await ann.query("SELECT net.http_delete('https://x/1', headers := '{\"N\": 5, \"Z\": null}', body := '{}')");
    assert.equal(await value(ann, 'SELECT net.http_get(NULL)'), null);
    const sent = (await take(worker)).map(({ id, body, ...r }) => ({ ...r, body: body && body.toString() }));
    assert.deepEqual(sent, [
        { method: 'GET', url: 'http://x/a?b=c&d=%C3%A9%2F%20%26&e=1&f=', headers: null, unsent: null, timeout: 5000, body: null },
        { method: 'POST', url: 'https://x', headers: 'Content-Type: application/json', unsent: null, timeout: 20, body: '{"k": [1]}' },
        { method: 'POST', url: 'https://x', headers: 'X: 1\nContent-Type: application/json', unsent: null, timeout: 5000, body: null },
        { method: 'DELETE', url: 'https://x/1', headers: 'N: 5', unsent: 'Z', timeout: 5000, body: '{}' },
    ]);
    assert.deepEqual(await take(worker), []);
});

test('a request of a transaction that is not committed is not there', async (t) => {
    const { ann, worker } = await prepared(t);
    await ann.query('BEGIN');
    await ann.query("SELECT net.http_get('http://x')");
    assert.deepEqual(await take(worker), []);
    await ann.query('ROLLBACK');
    assert.deepEqual(await take(worker), []);
});

test('nobody reads or changes the queue, or asks in the name of others', async (t) => {
    const { ann } = await prepared(t);
    await ann.query("SELECT net.http_post('http://x', headers := '{\"Authorization\": \"Bearer secret\"}')");
    for (const sql of ['SELECT * FROM net.http_request_queue', 'SELECT id FROM net.http_request_queue',
        "UPDATE net.http_request_queue SET url = 'http://y'", 'DELETE FROM net.http_request_queue', 'TRUNCATE net.http_request_queue',
        "INSERT INTO net.http_request_queue (method, url, username) VALUES ('GET', 'http://x', 'bob')",
        "INSERT INTO net.http_request_queue (id, method, url) VALUES (1, 'GET', 'http://x')",
        "INSERT INTO net._http_response (id) VALUES (7)", 'UPDATE net._http_response SET status_code = 1',
        'UPDATE net.scriptorium_owner SET id = 1'])
        await told(ann.query(sql), '42501', /^permission denied/);
    await told(ann.query("SELECT scriptorium.net_take(1, 0, 0, '', NULL)"), '42501', /^permission denied/);
    await ann.query("INSERT INTO net.http_request_queue (method, url) VALUES ('GET', 'http://x')"); // as the functions do
    await told(ann.query("INSERT INTO net.http_request_queue (method, url) VALUES ('GET', 'file:///etc/passwd')"), '22023', /http or https URL/);
    await told(ann.query("INSERT INTO net.http_request_queue (method, url) VALUES ('PUT', 'http://x')"), '23514', /violates check constraint/);
});

test('answers are for who asked, and can be thrown away by them', async (t) => {
    const { admin, ann, bob, worker } = await prepared(t);
    const a = await value(ann, "SELECT net.http_get('http://x')");
    const b = await value(bob, "SELECT net.http_get('http://x')");
    await take(worker);
    await done(worker, a);
    await done(worker, b, 404);
    assert.deepEqual(await rows(ann, 'SELECT id, status_code, content FROM net._http_response'), [{ id: a, status_code: 200, content: 'hello' }]);
    assert.deepEqual(await rows(bob, 'SELECT id, status_code FROM net._http_response'), [{ id: b, status_code: 404 }]);
    assert.deepEqual(await rows(bob, 'SELECT * FROM net.scriptorium_owner'), [{ id: b, username: 'bob' }]);
    assert.equal((await bob.query('DELETE FROM net._http_response WHERE id = $1', [a])).rowCount, 0);
    assert.equal((await bob.query('DELETE FROM net._http_response WHERE id = $1', [b])).rowCount, 1);
    assert.equal(await value(admin, 'SELECT count(*) FROM net._http_response'), 1);
    assert.equal(await value(admin, 'SELECT count(*) FROM net.http_request_queue'), 0);
});

test('a request whose sender died is told as unknown, and not sent again; a late answer still counts', async (t) => {
    const { admin, ann, worker } = await prepared(t);
    const id = await value(ann, "SELECT net.http_get('http://x')");
    await take(worker);
    await worker.query('SELECT scriptorium.net_hold($1, 21600)', [[id]]);
    assert.equal(await value(ann, 'SELECT count(*) FROM net._http_response'), 0);
    await admin.query("UPDATE net.http_request_queue SET held_until = now() - interval '1 second'");
    await worker.query('SELECT scriptorium.net_hold($1, 21600)', [[]]);
    const lost = await row(ann, 'SELECT status_code, error_msg FROM net._http_response');
    assert.equal(lost.status_code, null);
    assert.match(lost.error_msg, /whether it arrived is not known, and it is not sent again/);
    assert.deepEqual(await take(worker), []);
    await done(worker, id);
    assert.deepEqual(await row(ann, 'SELECT status_code, error_msg FROM net._http_response'), { status_code: 200, error_msg: null });
});

test('whoever got no answer asks again, and has the requests that it took; what is given back is for all', async (t) => {
    const { ann, worker } = await prepared(t);
    const token = '00000000-0000-4000-8000-000000000001';
    for (let i = 0; i < 3; i++) await ann.query("SELECT net.http_get('http://x')");
    const first = await take(worker, 2, token);
    assert.equal(first.length, 2);
    assert.deepEqual((await take(worker, 2, token)).map((r) => r.id).sort(), first.map((r) => r.id).sort());
    assert.equal((await take(worker)).length, 1);
    await done(worker, first[0].id);
    await worker.query('SELECT scriptorium.net_give_back($1)', [first[1].id]);
    assert.deepEqual((await take(worker)).map((r) => r.id), [first[1].id]);
    assert.deepEqual(await take(worker, 2, token), []);
});

test('old answers go; those that their user holds in a transaction hold up nothing', async (t) => {
    const { admin, ann, worker } = await prepared(t);
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(await value(ann, "SELECT net.http_get('http://x')"));
    await take(worker);
    for (const id of ids) await done(worker, id);
    await admin.query("UPDATE net._http_response SET created = now() - interval '7 hours' WHERE id <> $1", [ids[0]]);
    await worker.query("SET statement_timeout = '2s'");
    await ann.query('BEGIN');
    await ann.query('DELETE FROM net._http_response WHERE id = $1', [ids[1]]);
    await worker.query('SELECT scriptorium.net_hold($1, 21600)', [[]]);
    await ann.query('ROLLBACK');
    assert.deepEqual((await rows(ann, 'SELECT id FROM net._http_response ORDER BY id')).map((r) => r.id), [ids[0], ids[1]]);
    await worker.query('SELECT scriptorium.net_hold($1, 21600)', [[]]);
    assert.deepEqual((await rows(ann, 'SELECT id FROM net._http_response')).map((r) => r.id), [ids[0]]);
    assert.equal(await value(admin, 'SELECT count(*) FROM net.scriptorium_owner'), 1);
});

test('a schema that its administrator has closed stays closed', async (t) => {
    const { admin, ann } = await prepared(t);
    await admin.query('REVOKE USAGE ON SCHEMA net FROM PUBLIC');
    await migrate(admin, { withCron: true, engine: 'worker' });
    await told(ann.query("SELECT net.http_get('http://x')"), '42501', 'permission denied for schema net');
});

test('users take turns, and the last places are for who has nothing on its way', async (t) => {
    const { ann, bob, worker } = await prepared(t);
    await ann.query("SELECT net.http_get('http://x/a') FROM generate_series(1, 300)");
    await bob.query("SELECT net.http_get('http://x/b') FROM generate_series(1, 2)");
    const who = async (max, spare) => (await take(worker, max, randomUUID(), { spare })).map((r) => r.url.at(-1)).sort().join('');
    assert.equal(await who(8, 2), 'aaaabb');
    assert.equal(await who(2, 2), '');
    await bob.query("SELECT net.http_get('http://x/b')");
    assert.equal(await who(4, 2), 'ab'); // ann has four there, bob two
});

test('requests to the daemon\'s own places do not wait for others', async (t) => {
    const { ann, worker } = await prepared(t);
    const own = 'https://a.example, HTTPS://xyz.example/';
    for (const url of ['http://x/1', 'https://xyz.example/f', 'https://xyz.example', 'https://xyz.example?q', 'https://xyz.example.evil/',
        'https://xyz.example:443/', 'https://xyz.example@evil/']) await ann.query('SELECT net.http_get($1)', [url]);
    const took = async (...args) => (await take(worker, ...args)).map((r) => r.url).sort();
    assert.deepEqual(await took(0, null, { ownMax: 2, own }), ['https://xyz.example', 'https://xyz.example/f']);
    assert.deepEqual(await took(0, null, { ownMax: 2, own }), ['https://xyz.example?q']);
    assert.equal((await took(10, null, { ownMax: 2, own })).length, 4);
});

test('answers that somebody keeps locked are not waited for, and what is on its way stays held', async (t) => {
    const { admin, ann, bob, worker } = await prepared(t);
    const id = await value(ann, "SELECT net.http_get('http://x')");
    await take(worker);
    await worker.query("SET statement_timeout = '2s'");
    const until = () => value(admin, 'SELECT held_until FROM net.http_request_queue WHERE id = $1', id);
    const was = await until();
    await bob.query('BEGIN; LOCK TABLE net._http_response');
    await told(done(worker, id), '55P03', /lock timeout/);
    await worker.query('SELECT scriptorium.net_hold($1, 21600)', [[id]]);
    assert.ok(await until() > was);
    await bob.query("SELECT net.http_get('http://y')");
    assert.equal((await take(worker)).length, 0); // not committed
    await bob.query('COMMIT');
    assert.equal((await take(worker)).length, 1);
    await done(worker, id);
    assert.equal(await value(ann, 'SELECT count(*) FROM net._http_response'), 1);
});
