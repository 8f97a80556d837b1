// In: a PostgreSQL server of its own, with its default settings. Out: what the SQL side of the store
// costs there, without the program: jobs per second, claim times, what a client's insert pays.
//
// usage: node bench/pg_sql_bench.mjs [noop] [single] [history] [backlog] [pinned] [insert] [looks]   (default: all)
// ROWS scales the big tables (default 1000000), JOBS what passes under a pinned xmin (100000), and PIN_SECONDS says
// how long at least it is pinned (120).
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { start } from '../tests/lib/pg.mjs';
import { migrate } from '../tests/lib/pg_schema.mjs';
import { DEFAULTS, asUsersHaveIt, figure, median, quantile } from './figures.mjs';

const PIN_SECONDS = Number(process.env.PIN_SECONDS ?? 120);
const JOBS = Number(process.env.JOBS ?? 100_000);
const ROWS = Number(process.env.ROWS ?? 1_000_000);
const BATCH = 500;
const wanted = new Set(process.argv.slice(2));
const wants = (name) => wanted.size === 0 || wanted.has(name);
const seconds = (since) => Number(process.hrtime.bigint() - since) / 1e9;
const ms = (value) => `${value.toFixed(2)} ms`;

const server = await start({ settings: DEFAULTS, database: false });
const version = (await one(await server.connect({ database: 'postgres' }), 'SHOW server_version')).server_version;
console.log(`PostgreSQL ${version}, default settings, ${os.cpus().length} cores (${os.cpus()[0].model}), ` +
    `node ${process.version}, batches of ${BATCH}, cap 400, 10 users`);

/** Processor time of a connection's server process, in seconds: what a busy neighbour does not change. */
async function cpu(client) {
    const pid = (client.backend ??= (await one(client, 'SELECT pg_backend_pid() AS pid')).pid);
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function one(client, sql, values) {
    return (await client.query(sql, values)).rows[0];
}

async function database() {
    const client = await server.connect({ database: await server.database() });
    await migrate(client);
    await asUsersHaveIt(client);
    return client;
}

/** status: of the rows made. */
async function fill(client, rows, status, users = 10) {
    await client.query(
        `INSERT INTO script_generation_jobs (user_id, status, generation_params)
         SELECT ('00000000-0000-4000-8000-' || lpad((i % $2)::text, 12, '0'))::uuid, $3,
                '{"topic": "bridges", "targetDuration": 600}'
         FROM generate_series(1, $1) i`, [rows, users, status]);
}

async function worker(client, id = randomUUID()) {
    await client.query('SELECT scriptorium.worker_open($1, $2, $3)', [id, 'bench', 3600e6]);
    return id;
}

async function claim(client, id, n = BATCH, cap = 400) {
    const t = process.hrtime.bigint();
    const { rows } = await client.query({ name: 'claim', text: 'SELECT * FROM scriptorium.claim($1, $2, $3)', values: [id, n, cap] });
    return { jobs: rows.slice(0, -1), time: seconds(t) * 1000 };
}

async function finish(client, jobs) {
    const all = (value) => jobs.map(() => value);
    const t = process.hrtime.bigint();
    const { rows } = await client.query({
        name: 'finish',
        text: 'SELECT * FROM scriptorium.finish($1, $2, $3, $4, $5, $6, $7, NULL)',
        values: [jobs.map((j) => j.id), jobs.map((j) => j.fence), all(0), all('A script.'),
                 all('{"words": 2}'), all(null), all(null)],
    });
    if (rows.some((row) => row.lost !== 0)) throw new Error(JSON.stringify(rows.find((r) => r.lost)));
    return seconds(t) * 1000;
}

/** Claims and completes until `total` jobs are done, on `lanes` connections. */
async function drain(client, total, lanes = 2) {
    const claims = [];
    const finishes = [];
    let done = 0;
    let spent = 0;
    const lane = async () => {
        const mine = await server.connect({ database: client.database });
        const id = await worker(mine);
        const began = await cpu(mine);
        while (done < total) {
            const { jobs, time } = await claim(mine, id);
            if (jobs.length === 0) break;
            claims.push(time);
            done += jobs.length;
            finishes.push(await finish(mine, jobs));
        }
        spent += (await cpu(mine)) - began;
        await mine.end();
    };
    const t = process.hrtime.bigint();
    await Promise.all(Array.from({ length: lanes }, lane));
    return { done, rate: done / seconds(t), claims, finishes, cpu: (spent * 1e6) / done };
}

/** The medians of `times` claims in each of these databases, in turns, each undone: a machine whose speed changes
 *  changes both. */
async function claimTimes(clients, times = 40) {
    const all = clients.map(() => []);
    const ids = await Promise.all(clients.map((client) => worker(client)));
    for (let i = 0; i < times; i++) {
        for (const [k, client] of clients.entries()) {
            await client.query('BEGIN');
            all[k].push((await claim(client, ids[k])).time);
            await client.query('ROLLBACK');
        }
    }
    return all.map((one) => median(one.slice(3)));
}

/** The same database small and large; `make` fills it. */
async function compareClaims(what, make) {
    const sizes = [10_000, ROWS];
    const clients = [];
    for (const rows of sizes) {
        const client = await database();
        await make(client, rows);
        await client.query('VACUUM ANALYZE');
        clients.push(client);
    }
    await clients[0].query('CHECKPOINT');
    const times = await claimTimes(clients);
    for (const [k, rows] of sizes.entries()) figure(`claim of ${BATCH} ${what(rows)}`, times[k], 'ms');
    figure('  the large one against the small one', times[1] / times[0], 'times', { most: 1.5 });
    for (const client of clients) await client.end();
}

if (wants('noop')) {
    for (const lanes of (process.env.LANES ?? '1,2,3').split(',').map(Number)) {
        const client = await database();
        await fill(client, 10_000, 'completed');
        await fill(client, 200_000, 'pending');
        await client.query('VACUUM ANALYZE');
        await client.query('CHECKPOINT');
        const r = await drain(client, 200_000, lanes);
        console.log(`no-op jobs, ${lanes} connection${lanes > 1 ? 's' : ''}: claim ${ms(median(r.claims))}, finish ` +
            `${ms(median(r.finishes))} for ${BATCH}; ${r.cpu.toFixed(1)} us of processor a job: ` +
            `${Math.round(2e6 / r.cpu)} jobs/s on two whole cores`);
        figure(`no-op jobs, ${lanes} connection${lanes > 1 ? 's' : ''}`, r.rate, 'jobs/s', lanes === 2 ? { least: 20_000 } : {});
        await client.end();
    }
}

if (wants('single')) {
    const client = await database();
    await fill(client, 10_000, 'completed');
    const id = await worker(client);
    const mine = await server.connect({ database: client.database });
    const times = { insert: [], claim: [], finish: [] };
    const began = await cpu(client);
    for (let i = 0; i < 2000; i++) {
        const t = process.hrtime.bigint();
        await fill(mine, 1, 'pending');
        times.insert.push(seconds(t) * 1000);
        const { jobs, time } = await claim(client, id, 1);
        times.claim.push(time);
        times.finish.push(await finish(client, jobs));
    }
    console.log(`one job at a time: ${Object.entries(times).map(([k, v]) =>
        `${k} ${ms(median(v))} (p99 ${ms(quantile(v, 0.99))})`).join(', ')}; claim and finish ` +
        `${((((await cpu(client)) - began) * 1e6) / 2000).toFixed(0)} us of processor`);
    await mine.end();
    await client.end();
}

if (wants('history')) {
    await compareClaims((rows) => `beside ${rows} rows of history`, async (client, rows) => {
        await fill(client, rows, 'completed');
        await fill(client, 20_000, 'pending');
    });
}

if (wants('backlog')) {
    await compareClaims((rows) => `from a backlog of ${rows}`, (client, rows) => fill(client, rows, 'pending'));
}

/** As drain(), but so that it takes that long: a batch, and a rest. */
async function drainSlowly(client, total, over) {
    const mine = await server.connect({ database: client.database });
    const id = await worker(mine), begin = Date.now(), times = { claims: [], finishes: [] };
    for (let done = 0; done < total;) {
        const { jobs, time } = await claim(mine, id);
        if (jobs.length === 0) throw new Error('the jobs are used up');
        times.claims.push(time);
        times.finishes.push(await finish(mine, jobs));
        done += jobs.length;
        await new Promise((wake) => { setTimeout(wake, begin + over * 1000 * done / total - Date.now()); });
    }
    await mine.end();
    return times;
}

if (wants('pinned')) {
    const client = await database();
    await fill(client, JOBS + 20_000, 'pending');
    await client.query('VACUUM ANALYZE');
    const before = await drain(client, 20_000, 1);
    const pin = await server.connect({ database: client.database });
    await pin.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await pin.query('SELECT count(*) FROM scriptorium.queue');
    const pinned = process.hrtime.bigint();
    const after = await drainSlowly(client, JOBS, PIN_SECONDS);
    const late = after.claims.slice(-20);
    console.log(`${JOBS} jobs passed while a foreign transaction pinned xmin for ${seconds(pinned).toFixed(0)} s`);
    figure(`claim of ${BATCH} before`, median(before.claims), 'ms');
    figure(`claim of ${BATCH} at the end, the last 20`, median(late), 'ms');
    figure('  the slowest of them', Math.max(...late), 'ms');
    figure('  at the end against before', median(late) / median(before.claims), 'times', { most: 3 });
    figure(`finish of ${BATCH} at the end against before`, median(after.finishes.slice(-20)) / median(before.finishes), 'times');
    // One at a time, as they come.
    const id = await worker(client);
    const single = [];
    const insert = [];
    for (let i = 0; i < 200; i++) {
        const t = process.hrtime.bigint();
        await fill(client, 1, 'pending');
        insert.push(seconds(t) * 1000);
        const { jobs, time } = await claim(client, id, 1);
        single.push(time);
        await finish(client, jobs);
    }
    console.log(`  then one by one: insert ${ms(median(insert))}, claim ${ms(median(single))}, p99 ${ms(quantile(single, 0.99))}`);
    await pin.query('ROLLBACK');
    await pin.end();
    await client.end();
}

if (wants('insert')) {
    const client = await database();
    const times = async () => {
        const all = [];
        for (let i = 0; i < 2000; i++) {
            const t = process.hrtime.bigint();
            await client.query({ name: 'ins', text: `INSERT INTO script_generation_jobs (user_id, generation_params)
                VALUES ('00000000-0000-4000-8000-000000000001', '{"topic": "x"}')` });
            all.push(seconds(t) * 1000);
        }
        const t = process.hrtime.bigint();
        await fill(client, 20_000, 'pending');
        return { single: median(all), bulk: seconds(t) * 1e6 / 20_000 };
    };
    await client.query('SET synchronous_commit = off'); // the trigger's share, not the disk's
    await times();
    const ours = await times();
    await client.query('ALTER TABLE script_generation_jobs DISABLE TRIGGER USER');
    const bare = await times();
    console.log(`a client's insert: ${ms(ours.single)} with our trigger, ${ms(bare.single)} without; in bulk ` +
        `${ours.bulk.toFixed(1)} us and ${bare.bulk.toFixed(1)} us a row`);
    await client.end();
}

/** Of some times, undone or not: what a look costs, in ms. */
async function looks(client, sql, values, times = 15) {
    const all = [];
    for (let i = 0; i < times; i++) {
        const t = process.hrtime.bigint();
        await client.query(sql, values);
        all.push(seconds(t) * 1000);
    }
    return median(all.slice(2));
}

// What somebody or something asks again and again, beside a long history and a long ledger.
if (wants('looks')) {
    const client = await database();
    const user = '00000000-0000-4000-8000-000000000001';
    await fill(client, 200, 'pending');
    const page = () => looks(client, 'SELECT * FROM scriptorium.jobs_of(scriptorium.page_ids(NULL, NULL, NULL, NULL, 50), false)', []);
    const all = async () => ({
        stats: await looks(client, 'SELECT * FROM scriptorium.stats()', []),
        everybody: await looks(client, 'SELECT * FROM scriptorium.live(NULL, scriptorium.us(clock_timestamp()) - 6000000, 500, 200, 500)', []),
        one: await looks(client, 'SELECT * FROM scriptorium.live($1, scriptorium.us(clock_timestamp()) - 6000000, 500, 200, 500)', [user]),
        running: await looks(client, "SELECT * FROM scriptorium.jobs_of(scriptorium.page_ids('processing', NULL, NULL, NULL, 1000), false)", []) });
    const id = await worker(client);
    await claim(client, id, 100);
    const small = await all();
    await client.query(`INSERT INTO script_generation_jobs (user_id, status, generation_params, created_at)
        SELECT ('00000000-0000-4000-8000-' || lpad((i % 1000)::text, 12, '0'))::uuid, 'completed', '{"topic": "bridges"}',
               now() - i * interval '1 second' FROM generate_series(1, $1) i`, [ROWS]);
    await client.query(`INSERT INTO scriptorium.call (id, job_id, user_id, run, attempt, estimated_input, price_input, price_output,
            opened_at, closed_at, state, input, output, cost)
        SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 1, 100, 1, 1, now(), now(), 1, 100, 1000, 5
        FROM generate_series(1, $1) i`, [ROWS]);
    await client.query('VACUUM ANALYZE');
    const large = await all();
    console.log(`looks beside ${ROWS} ended jobs and ${ROWS} calls (in brackets: beside none)`);
    const names = { stats: 'GET /metrics, /v1/stats: stats()', everybody: 'GET /v1/events of an operator, each second: live()',
        one: 'GET /v1/events of a user, each second: live()', running: 'the jobs that run: jobs_of(page_ids(processing))' };
    for (const [key, name] of Object.entries(names))
        figure(`${name} (${ms(small[key])})`, large[key], 'ms', { most: 10 });
    figure('GET /v1/jobs of an operator, no index on created_at', await page(), 'ms');
    await client.query('CREATE INDEX ON script_generation_jobs (created_at, id)');
    figure('GET /v1/jobs of an operator, with the index', await page(), 'ms', { most: 10 });
    await client.end();
}

await server.remove();
process.exit(0);
