// Scale and deploy beside a client that keeps a lock: they say whose it is, and nobody else waits for them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { row, value } from '../lib/pg_store.mjs';

let server;
before(async () => { server = await start({ database: false }); });
after(() => server.remove());

async function prepared(t) {
    const database = await server.database();
    const connect = async () => {
        const client = await server.connect({ database });
        t.after(() => client.end());
        return client;
    };
    const sql = await connect();
    await migrate(sql, { withCron: true });
    return { sql, connect };
}

const pid = (client) => value(client, 'SELECT pg_backend_pid()');

async function waits(sql, backend) {
    while (await value(sql, 'SELECT wait_event_type FROM pg_stat_activity WHERE pid = $1', backend) !== 'Lock') await sleep(10);
}

const share = (client) => row(client, `SELECT * FROM scriptorium.budget_share($1, '{sonnet}', '{1}', '{0}', '{0}', '{0}', '{600}',
    '{0}', '{0}', '{0}', '{0}', '{0}', '{0}', '{-1}')`, randomUUID());

test('a locked row of cron.job: scale says whose it is and changes nothing; shares of the limits go on', async (t) => {
    const { sql, connect } = await prepared(t);
    await sql.query(`SELECT cron.schedule('process-script-jobs-worker-' || n, '* * * * *', $$SELECT net.http_post(
        url := 'https://x.example', headers := jsonb_build_object('x-worker-id', 'worker-$$ || n || $$'))$$) FROM generate_series(1, 3) n`);
    const [holder, scaler, worker] = [await connect(), await connect(), await connect()];
    await holder.query("BEGIN; SELECT FROM cron.job WHERE jobname = 'process-script-jobs-worker-3' FOR UPDATE");
    let over = false;
    const scaled = scaler.query('SELECT * FROM scriptorium.scale(1, 1, 1, false)').finally(() => { over = true; });
    const refused = assert.rejects(scaled, { code: 'SCB01',
        message: new RegExp(`nothing has changed.* session ${await pid(holder)} of role postgres`) });
    await waits(sql, scaler.processID);
    await worker.query("SET lock_timeout = '500ms'");
    assert.equal((await share(worker)).part_requests, 300);
    assert.equal(over, false, 'scale still waits');
    await refused;
    assert.equal(await value(sql, 'SELECT count(*) FROM cron.job'), 3);
    assert.equal(await value(sql, 'SELECT workers FROM scriptorium.scale_get(NULL, true)'), 0);
    await holder.query('ROLLBACK');
    assert.equal(await value(scaler, 'SELECT workers FROM scriptorium.scale(1, 1, 1, false)'), 1);
});

test('of two changes at once the second says who is before it', async (t) => {
    const { sql, connect } = await prepared(t);
    const holder = await connect();
    await holder.query('BEGIN; SELECT * FROM scriptorium.scale(2, 2, 1, false)');
    const told = { code: 'SCB01', message: new RegExp(`session ${await pid(holder)} of`) };
    await assert.rejects(sql.query('SELECT scriptorium.deployment_activate(0)'), told);
    await assert.rejects(sql.query("SELECT scriptorium.deployment_add('h', 'n', 'c', 'b', 'p', NULL)"), told);
    await assert.rejects(sql.query('SELECT * FROM scriptorium.scale(1, 1, 1, true)'), told);
});
