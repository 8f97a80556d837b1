// In: a PostgreSQL server of its own, with its default settings. Out: what the SQL side of the store
// costs there, without the program: jobs per second, claim times, what a client's insert pays.
//
// usage: node bench/pg_sql_bench.mjs [noop] [single] [history] [backlog] [pinned] [insert]   (default: all)
// ROWS scales the big tables (default 1000000).
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { start } from '../tests/lib/pg.mjs';
import { migrate } from '../tests/lib/pg_schema.mjs';

const ROWS = Number(process.env.ROWS ?? 1_000_000);
const BATCH = 500;
const wanted = new Set(process.argv.slice(2));
const wants = (name) => wanted.size === 0 || wanted.has(name);
const seconds = (since) => Number(process.hrtime.bigint() - since) / 1e9;
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const at = (values, share) => [...values].sort((a, b) => a - b)[Math.floor(values.length * share)];
const ms = (value) => `${value.toFixed(2)} ms`;

const server = await start({ settings: { fsync: 'on', max_connections: '100' }, database: false });
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

/** The median claim of `times`, each undone. */
async function claimTime(client, times = 25) {
    const id = await worker(client);
    const all = [];
    for (let i = 0; i < times; i++) {
        await client.query('BEGIN');
        all.push((await claim(client, id)).time);
        await client.query('ROLLBACK');
    }
    return median(all.slice(3));
}

if (wants('noop')) {
    for (const lanes of (process.env.LANES ?? '1,2,3').split(',').map(Number)) {
        const client = await database();
        await fill(client, 10_000, 'completed');
        await fill(client, 200_000, 'pending');
        await client.query('VACUUM ANALYZE');
        await client.query('CHECKPOINT');
        const r = await drain(client, 200_000, lanes);
        console.log(`no-op jobs, ${lanes} connection${lanes > 1 ? 's' : ''}: ${Math.round(r.rate)} jobs/s ` +
            `(claim ${ms(median(r.claims))}, finish ${ms(median(r.finishes))} for ${BATCH}; ` +
            `${r.cpu.toFixed(1)} us of processor a job: ${Math.round(2e6 / r.cpu)} jobs/s on two whole cores)`);
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
        `${k} ${ms(median(v))} (p99 ${ms(at(v, 0.99))})`).join(', ')}; claim and finish ` +
        `${((((await cpu(client)) - began) * 1e6) / 2000).toFixed(0)} us of processor`);
    await mine.end();
    await client.end();
}

if (wants('history')) {
    const figures = [];
    const client = await database();
    for (const rows of [10_000, ROWS]) {
        await fill(client, rows, 'completed');
        await client.query('DELETE FROM script_generation_jobs WHERE status = \'pending\'');
        await fill(client, 20_000, 'pending');
        await client.query('VACUUM ANALYZE');
        figures.push(await claimTime(client));
        console.log(`claim of ${BATCH} beside ${rows} rows of history: ${ms(figures.at(-1))}`);
    }
    console.log(`  ratio ${(figures[1] / figures[0]).toFixed(2)} (aim 1.5)`);
    await client.end();
}

if (wants('backlog')) {
    const figures = [];
    const client = await database();
    for (const rows of [10_000, ROWS]) {
        await fill(client, rows, 'pending');
        await client.query('VACUUM ANALYZE');
        figures.push(await claimTime(client));
        console.log(`claim of ${BATCH} from a backlog of ${rows}: ${ms(figures.at(-1))}`);
    }
    console.log(`  ratio ${(figures[1] / figures[0]).toFixed(2)} (aim 1.5)`);
    await client.end();
}

if (wants('pinned')) {
    const client = await database();
    await fill(client, 120_000, 'pending');
    await client.query('VACUUM ANALYZE');
    const before = await drain(client, 20_000, 1);
    const pin = await server.connect({ database: client.database });
    await pin.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await pin.query('SELECT count(*) FROM scriptorium.queue');
    const after = await drain(client, 100_000, 1);
    const late = after.claims.slice(-20);
    console.log(`claim of ${BATCH}: ${ms(median(before.claims))}; after 100000 jobs under a pinned xmin ` +
        `${ms(median(late))}, slowest of the last 20 ${ms(Math.max(...late))}, finish ${ms(median(before.finishes))} ` +
        `-> ${ms(median(after.finishes.slice(-20)))}`);
    console.log(`  ratio ${(median(late) / median(before.claims)).toFixed(2)} (aim 3); ${Math.round(after.rate)} jobs/s`);
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
    console.log(`  then one by one: insert ${ms(median(insert))}, claim ${ms(median(single))}, p99 ${ms(at(single, 0.99))}`);
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

await server.remove();
process.exit(0);
