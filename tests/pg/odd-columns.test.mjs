// In: a users' table with a column for every name that our SQL gives to a variable or a parameter. Out: every verb works on it as on
// any other: what a function means by a name is never taken from the users' row.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { CANCELLED, DELETED, HELD, RETRY, SECOND, callOpen, claim, finish, held, insert, pass, progress, row, rows, state, stepSave, value, worker }
    from '../lib/pg_store.mjs';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'src/store/pg/sql');
let server, db;

function namesOfOurs() {
    const found = new Set();
    for (const file of fs.readdirSync(folder).filter((name) => name.endsWith('.sql'))) {
        const sql = fs.readFileSync(path.join(folder, file), 'utf8');
        for (const [, name] of sql.matchAll(/[(,]\s*(?:OUT\s+)?([a-z_]+) (?:uuid|text|integer|bigint|boolean|bytea|timestamptz|interval|jsonb?|smallint|double precision)\b/g)) found.add(name);
        for (const [, name] of sql.matchAll(/^ {4}([a-z_]+) (?:CONSTANT )?(?:uuid|text|integer|bigint|boolean|record|timestamptz|interval|smallint|oid)\b[^,()\n]*;$/gm)) found.add(name);
    }
    return [...found];
}

before(async () => {
    server = await start({ database: false });
    db = await server.connect({ database: await server.database() });
    await migrate(db);
    const theirs = new Set((await rows(db, `SELECT attname FROM pg_attribute
        WHERE attrelid = 'script_generation_jobs'::regclass`)).map((r) => r.attname));
    const odd = namesOfOurs().filter((name) => !theirs.has(name));
    for (const name of ['seen', 'look', 'now', 'of_user', 'stale', 'by', 'after_fence', 'after_id', 'most']) assert.ok(odd.includes(name), name);
    // Of a type that fits nowhere: whoever reads one instead of a variable fails.
    await db.query(`ALTER TABLE script_generation_jobs ${odd.map((name) => `ADD COLUMN "${name}" point`).join(', ')}`);
});
after(() => server.remove());

test('a job from its insert to its end, and all that is asked of it meanwhile', async () => {
    const user = randomUUID(), by = await worker(db, 3600 * SECOND);
    const id = await insert(db, { user_id: user }), other = await insert(db, { user_id: user, priority: 3 });
    await db.query('UPDATE script_generation_jobs SET priority = 4 WHERE id = $1', [other]);
    const [job] = await claim(db, by, 1);
    assert.equal(job.id, id);
    assert.equal((await rows(db, 'SELECT * FROM scriptorium.claim_again($1, 0, 0)', by)).length, 2);
    const call = await callOpen(db, job, by);
    const [told] = await progress(db, [{ ...job, step: 'outline', progress: 15, key: 'chunk_1', hash: 'h', text: 'Once', call, tokens: 1, rate: 80 }]);
    assert.equal(told.lost, HELD);
    assert.equal(await stepSave(db, job, { key: 'chunk_1' }), HELD);
    assert.deepEqual(await held(db, [job]), [HELD]);
    assert.equal((await rows(db, 'SELECT * FROM scriptorium.run_state($1, 1)', id)).length, 2);
    assert.equal((await rows(db, 'SELECT * FROM scriptorium.show_jobs($1)', [id, other])).length, 3);
    assert.equal((await rows(db, "SELECT * FROM scriptorium.jobs_of(scriptorium.page_ids('processing', $1, NULL, NULL, 10), false)", user)).length, 1);
    assert.equal((await rows(db, 'SELECT * FROM scriptorium.follow($1, $2, $3, $4, $5, $6)', [id], [0], [0], [null], [null], [0])).length, 2);
    assert.equal((await rows(db, 'SELECT * FROM scriptorium.live($1, 1, 10, 10, 10)', user)).length, 2);
    assert.equal((await finish(db, [{ ...job, outcome: RETRY, error: 'again', due: 1 }]))[0].lost, HELD);
    const [again] = await claim(db, by, 1);
    assert.equal((await finish(db, [again]))[0].lost, HELD);
    assert.equal(await state(db, again.id), 'completed');
    assert.equal((await rows(db, 'SELECT * FROM scriptorium.live($1, 1, 10, 10, 10) WHERE ended_us > 0', user)).length, 1);
    await db.query('SELECT scriptorium.retry_job($1)', [again.id]);
    const [running] = await claim(db, by, 1);
    await db.query('SELECT scriptorium.cancel_job($1)', [running.id]);
    assert.deepEqual(await held(db, [running]), [CANCELLED]);
    assert.equal(await value(db, 'SELECT scriptorium.retry_all(NULL, $1)', user), 1);
    await db.query('SELECT scriptorium.delete_job($1)', [running.id]);
    assert.equal((await row(db, 'SELECT * FROM scriptorium.stats()')).pending, 1);
});

test('what looks over the whole: rescue, examine, retention, erasure', async () => {
    const user = randomUUID(), dead = await worker(db, SECOND), by = await worker(db, 3600 * SECOND);
    const id = await insert(db, { user_id: user, priority: 9 });
    const [job] = await claim(db, dead, 1);
    assert.equal(job.id, id);
    await pass(db, 3599 * SECOND);
    await db.query('SELECT scriptorium.worker_renew($1)', [by]);
    await pass(db, 2 * SECOND);
    assert.equal((await row(db, 'SELECT * FROM scriptorium.rescue($1)', by)).requeued, 1);
    await db.query('SELECT scriptorium.drop_late_text(), scriptorium.drop_orphans()');
    const facts = await rows(db, 'SELECT * FROM scriptorium.examine()');
    assert.ok(facts.some((f) => f.name === 'unqueued_jobs' && f.value === '0'), JSON.stringify(facts));
    const [again] = await claim(db, by, 1);
    assert.equal((await finish(db, [again]))[0].lost, HELD);
    await pass(db, 7200 * SECOND);
    assert.equal((await row(db, 'SELECT * FROM scriptorium.sweep($1, $1, $1, false, 200)', 3600 * SECOND)).changed, 1);
    assert.equal(await value(db, 'SELECT generated_script FROM script_generation_jobs WHERE id = $1', id), null);
    const strangers = await insert(db);
    const erased = await row(db, 'SELECT * FROM scriptorium.erase($1, NULL, 200)', user);
    assert.equal(erased.jobs, 1);
    assert.equal(await state(db, strangers), 'waiting');
});

test('a running job whose row went unseen leaves the queue, and its worker hears of it', async () => {
    const by = await worker(db, 3600 * SECOND), id = await insert(db, { priority: 10 });
    const [job] = await claim(db, by, 1);
    assert.equal(job.id, id);
    await db.query('SET session_replication_role = replica');
    await db.query('DELETE FROM script_generation_jobs WHERE id = $1', [id]);
    await db.query('RESET session_replication_role');
    assert.equal(await state(db, id), 'queue row without a row');
    assert.equal(await value(db, 'SELECT scriptorium.drop_orphans()'), 1);
    assert.equal(await state(db, id), 'absent');
    assert.deepEqual(await held(db, [job]), [DELETED]);
    assert.equal(await value(db, 'SELECT scriptorium.drop_orphans()'), 0);
});
