// In: what attempts report and how they end, on time and too late. Out: what is written, and what is not.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import {
    BUSY, CANCELLED, DELETED, FAIL, HELD, REFUSED, RELEASE, REPLACED, RETRY, SECOND, callOpen, claim, finish, held,
    insert, pass, progress, row, rows, state, stepSave, text, value, worker,
} from '../lib/pg_store.mjs';

let server, db, by;
before(async () => {
    server = await start();
    db = await server.connect();
    await migrate(db);
});
after(() => server.remove());
beforeEach(async () => {
    await db.query('TRUNCATE script_generation_jobs');
    by = await worker(db, 3600 * SECOND);
});

async function running(n = 1) {
    for (let i = 0; i < n; i++) await insert(db);
    return claim(db, by, n);
}

const job = (id) => row(db, 'SELECT * FROM script_generation_jobs WHERE id = $1', id);

// ---- the four ends ----

test('completed', async () => {
    const [it] = await running();
    await pass(db, 42 * SECOND);
    assert.deepEqual(await finish(db, [{ ...it, script: 'Bridges hum.', metadata: '{"words": 2}' }]),
        [{ lost: HELD, sqlstate: null, message: null }]);
    const r = await job(it.id);
    assert.deepEqual([r.status, r.progress, r.current_step, r.error_message, r.generated_script, r.script_metadata, r.processing_time_seconds],
        ['completed', 100, 'completed', null, 'Bridges hum.', { words: 2 }, 42]);
    assert.ok(r.completed_at);
    assert.equal(await state(db, it.id), 'completed');
});

test('failed, to be retried, and given back, in one batch', async () => {
    const jobs = await running(3);
    const later = await value(db, 'SELECT scriptorium.us(scriptorium.clock())') + 60 * SECOND;
    const answers = await finish(db, [
        { ...jobs[0], outcome: FAIL, error: 'no topic' },
        { ...jobs[1], outcome: RETRY, error: 'odd answer', due: later },
        { ...jobs[2], outcome: RELEASE, due: later },
    ]);
    assert.deepEqual(answers.map((a) => a.lost), [HELD, HELD, HELD]);
    const [a, b, c] = [await job(jobs[0].id), await job(jobs[1].id), await job(jobs[2].id)];
    assert.deepEqual([a.status, a.current_step, a.error_message, a.processing_time_seconds], ['failed', 'failed', 'no topic', 0]);
    assert.deepEqual([b.status, b.current_step, b.error_message, b.retry_count, b.progress], ['pending', 'retry_queued', 'odd answer', 1, 0]);
    assert.deepEqual([c.status, c.current_step, c.error_message, c.retry_count, c.progress], ['pending', 'queued', null, 0, 0]);
    const q = await rows(db, 'SELECT attempts, state, fence, worker FROM scriptorium.queue ORDER BY attempts');
    assert.deepEqual(q, [{ attempts: 0, state: 2, fence: 0, worker: null }, { attempts: 1, state: 2, fence: 0, worker: null }]);
});

// ---- fences ----

test('after a cancel, a delete or a re-run no write of the attempt takes effect', async () => {
    const jobs = await running(3);
    await db.query("UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1", [jobs[0].id]);
    await db.query('DELETE FROM script_generation_jobs WHERE id = $1', [jobs[1].id]);
    await db.query("UPDATE script_generation_jobs SET status = 'pending' WHERE id = $1", [jobs[2].id]);
    const expected = [CANCELLED, DELETED, REPLACED];
    assert.deepEqual(await held(db, jobs), expected);
    const before = await rows(db, 'SELECT * FROM script_generation_jobs ORDER BY id');
    assert.deepEqual((await progress(db, jobs.map((j) => ({ ...j, step: 'outline', progress: 15, key: 'outline', hash: 'h', text: 'late' })))).map((a) => a.lost), expected);
    for (const [i, j] of jobs.entries()) assert.equal(await stepSave(db, j, { key: 'outline' }), expected[i]);
    assert.deepEqual((await finish(db, jobs)).map((a) => a.lost), expected);
    assert.deepEqual(await rows(db, 'SELECT * FROM script_generation_jobs ORDER BY id'), before);
    assert.equal(await value(db, 'SELECT (SELECT count(*) FROM scriptorium.step) + (SELECT count(*) FROM scriptorium.step_text)'), 0);
});

test('of two attempts only the one with the fence writes', async () => {
    const [first] = await running();
    await db.query("UPDATE script_generation_jobs SET status = 'pending'");
    const [second] = await claim(db, by);
    assert.equal(second.id, first.id);
    assert.deepEqual(await held(db, [first]), [REPLACED]);
    assert.deepEqual(await held(db, [second]), [HELD]);
    assert.equal((await finish(db, [{ ...first, script: 'old' }]))[0].lost, REPLACED);
    assert.equal((await finish(db, [{ ...second, script: 'new' }]))[0].lost, HELD);
    assert.equal((await job(first.id)).generated_script, 'new');
});

test('a finish whose answer got lost is told the same again; another outcome is not', async () => {
    const [it] = await running();
    assert.equal((await finish(db, [it]))[0].lost, HELD);
    assert.equal((await finish(db, [it]))[0].lost, HELD);
    assert.equal((await finish(db, [{ ...it, outcome: FAIL }]))[0].lost, REPLACED);
    assert.equal((await job(it.id)).status, 'completed');
});

test('a row that a client holds is busy, the rest of the batch is done', async () => {
    const jobs = await running(3);
    const client = await server.connect();
    await client.query('BEGIN');
    await client.query("UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1", [jobs[1].id]);
    await db.query("SET statement_timeout = '5s'");
    assert.equal(await stepSave(db, jobs[1], { key: 'outline' }), BUSY);
    const moved = await progress(db, jobs.map((j) => ({ ...j, step: 'outline', progress: 15, key: 'outline', hash: 'h', text: 'abc' })));
    assert.deepEqual(moved.map((a) => a.lost), [HELD, HELD, HELD]);
    assert.deepEqual((await finish(db, jobs)).map((a) => a.lost), [HELD, BUSY, HELD]);
    await db.query('RESET statement_timeout');
    await client.query('ROLLBACK');
    await client.end();
    assert.equal((await finish(db, [jobs[1]]))[0].lost, HELD);
});

// ---- what the users' own rules refuse ----

test('one job that a trigger of the users\' refuses does not disturb the others', async () => {
    const jobs = await running(4);
    await db.query(`
        CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.id = '${jobs[2].id}' AND NEW.current_step <> 'initializing' THEN
                RAISE EXCEPTION 'not this one';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER picky BEFORE UPDATE ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION picky()`);
    const moved = await progress(db, jobs.map((j) => ({ ...j, step: 'outline', progress: 15, key: 'outline', hash: 'h', text: 'abc' })));
    assert.deepEqual(moved.map((a) => a.lost), [HELD, HELD, REFUSED, HELD]);
    assert.equal(moved[2].message, 'not this one');
    assert.deepEqual((await rows(db, 'SELECT progress FROM script_generation_jobs ORDER BY progress')).map((r) => r.progress), [5, 15, 15, 15]);
    assert.equal((await text(db, jobs[2].id)).text, 'abc', 'the text is ours and saved');
    const ended = await finish(db, jobs);
    assert.deepEqual(ended.map((a) => a.lost), [HELD, HELD, REFUSED, HELD]);
    assert.deepEqual([ended[2].sqlstate, ended[2].message], ['P0001', 'not this one']);
    assert.equal(await state(db, jobs[2].id), 'running');
    await db.query('DROP FUNCTION picky CASCADE');
    assert.equal((await finish(db, [jobs[2]]))[0].lost, HELD);
});

test('a job that a trigger of the users\' does not let start, or be taken back, stops nobody else', async () => {
    const bad = await insert(db);
    const good = await insert(db);
    await db.query(`
        CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.id = '${bad}' THEN RAISE EXCEPTION 'not this one'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER picky BEFORE UPDATE ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION picky()`);
    assert.deepEqual((await claim(db, by, 2)).map((j) => j.id), [good]);
    assert.equal((await claim(db, by, 2)).length, 0);
    assert.deepEqual(await rows(db, 'SELECT level, message, details FROM scriptorium.log WHERE job_id = $1', bad), [{ level: 'error',
        message: 'a rule of the table does not let the job start: tried again in a minute', details: 'not this one' }]);
    await db.query('DROP TRIGGER picky ON script_generation_jobs');
    await pass(db, 61 * SECOND);
    assert.deepEqual((await claim(db, by, 2)).map((j) => j.id), [bad]);
    await db.query('CREATE TRIGGER picky BEFORE UPDATE ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION picky()');
    assert.equal(await value(db, 'SELECT scriptorium.worker_close($1)', by), 1);
    assert.deepEqual([await state(db, good), await state(db, bad)], ['waiting', 'running']);
    await db.query('DROP FUNCTION picky CASCADE');
});

test('users\' columns that are called like our variables', async () => {
    await db.query(`ALTER TABLE script_generation_jobs ADD COLUMN ids text, ADD COLUMN scripts text,
        ADD COLUMN metadata text, ADD COLUMN steps text, ADD COLUMN job text, ADD COLUMN jobs text,
        ADD COLUMN now text, ADD COLUMN errors text, ADD COLUMN hook text, ADD COLUMN due text`);
    const jobs = await running(4);
    assert.equal(jobs.length, 4);
    assert.equal((await progress(db, [{ ...jobs[0], step: 'outline', progress: 15 }]))[0].lost, HELD);
    const ends = await finish(db, jobs.map((j, i) => ({ ...j, outcome: i, error: 'e' })));
    assert.deepEqual(ends.map((a) => a.lost), [HELD, HELD, HELD, HELD]);
    await db.query(`ALTER TABLE script_generation_jobs DROP COLUMN ids, DROP COLUMN scripts,
        DROP COLUMN metadata, DROP COLUMN steps, DROP COLUMN job, DROP COLUMN jobs,
        DROP COLUMN now, DROP COLUMN errors, DROP COLUMN hook, DROP COLUMN due`);
});

test('triggers of the users\' find their own tables and functions by name, whoever writes the row', async () => {
    await db.query(`
        CREATE TABLE told (n serial, what text);
        CREATE FUNCTION words(s text) RETURNS text LANGUAGE sql AS 'SELECT upper(s)';
        CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO told (what) VALUES (words(TG_OP || ' ' || coalesce(NEW.status, OLD.status)));
            RETURN NULL;
        END $$;
        CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON script_generation_jobs
            FOR EACH ROW EXECUTE FUNCTION tell()`);
    const told = async () => (await rows(db, 'WITH t AS (DELETE FROM told RETURNING *) SELECT what FROM t ORDER BY n')).map((r) => r.what);
    const [{ id }] = await rows(db, 'SELECT * FROM scriptorium.insert_jobs($1, $2, $3, $4, $5, $6, $7, $8)',
        [null], [randomUUID()], [null], [5], [3], ['{"topic": "x"}'], [null], [null]);
    assert.deepEqual(await told(), ['INSERT PENDING']);
    const again = () => db.query('SELECT scriptorium.retry_job($1)', [id]);
    for (const [outcome, word] of [[RELEASE, 'PENDING'], [RETRY, 'PENDING'], [FAIL, 'FAILED'], [0, 'COMPLETED']]) {
        const [it] = await claim(db, by);
        assert.equal(it?.id, id);
        assert.equal((await progress(db, [{ ...it, step: 'outline', progress: 15 }]))[0].lost, HELD);
        assert.equal((await finish(db, [{ ...it, outcome, error: 'e' }]))[0].lost, HELD);
        assert.deepEqual(await told(), ['UPDATE PROCESSING', 'UPDATE PROCESSING', `UPDATE ${word}`]);
        if (word !== 'PENDING') await again();
        await told();
    }
    await claim(db, by);
    await told();
    assert.equal(await value(db, 'SELECT scriptorium.worker_close($1)', by), 1);
    await db.query('SELECT scriptorium.cancel_job($1)', [id]);
    await db.query('SELECT scriptorium.retry_all(NULL, NULL)');
    assert.deepEqual(await told(), ['UPDATE PENDING', 'UPDATE CANCELLED', 'UPDATE PENDING']);
    await db.query("UPDATE script_generation_jobs SET status = 'processing'");
    await db.query('SELECT scriptorium.rescue_foreign(0)');
    await db.query('SELECT scriptorium.cancel_job($1)', [id]);
    await told();
    await db.query('SELECT scriptorium.sweep(1, 1, 1, false, 200)');
    assert.deepEqual(await told(), ['UPDATE CANCELLED']);
    await again();
    await db.query('SELECT scriptorium.erase(user_id, NULL, 200) FROM script_generation_jobs');
    assert.deepEqual(await told(), ['UPDATE PENDING', 'UPDATE CANCELLED']);
    await db.query('SELECT scriptorium.delete_job($1)', [id]);
    assert.deepEqual(await told(), ['DELETE CANCELLED']);
    await db.query('DROP FUNCTION tell CASCADE; DROP TABLE told; DROP FUNCTION words');
});

test('a trigger of the users\' that keeps a row as it is: refused, not half done', async () => {
    const [it] = await running();
    await db.query(`
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keep BEFORE UPDATE ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION keep()`);
    for (const outcome of [0, RETRY, FAIL, RELEASE])
        assert.deepEqual((await finish(db, [{ ...it, outcome, error: 'e' }])).map((a) => a.lost), [REFUSED]);
    assert.equal(await state(db, it.id), 'running');
    const other = await insert(db);
    assert.equal((await claim(db, by)).length, 0);
    assert.equal(await state(db, other), 'waiting');
    await db.query('DROP FUNCTION keep CASCADE');
});

test('a rule of the users\' that speaks only at the commit: one job is refused, the others go on', async () => {
    const bad = await insert(db);
    const good = await insert(db);
    await db.query(`
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.id = '${bad}' AND NEW.status = 'processing' THEN RAISE EXCEPTION 'not this one'; END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON script_generation_jobs DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION late()`);
    assert.deepEqual((await claim(db, by, 2)).map((j) => j.id), [good]);
    assert.equal(await state(db, bad), 'waiting');
    await db.query('DROP FUNCTION late CASCADE');
});

// ---- the hook ----

test('a completion hook runs in the transaction that completes; when it raises nothing happened', async () => {
    await db.query(`
        CREATE TABLE saved (job_id uuid PRIMARY KEY, script text);
        CREATE FUNCTION save(job uuid) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.saved SELECT id, generated_script FROM public.script_generation_jobs
            WHERE id = job AND status = 'completed';
            IF (SELECT priority = 9 FROM public.script_generation_jobs WHERE id = job) THEN
                RAISE EXCEPTION 'no credits' USING ERRCODE = 'SC001';
            END IF;
        END $$`);
    const jobs = await running(3);
    await db.query('UPDATE script_generation_jobs SET priority = 9 WHERE id = $1', [jobs[1].id]);
    const answers = await finish(db, jobs, 'public.save');
    assert.deepEqual(answers.map((a) => a.lost), [HELD, REFUSED, HELD]);
    assert.deepEqual([answers[1].sqlstate, answers[1].message], ['SC001', 'no credits']);
    assert.deepEqual(new Set((await rows(db, 'SELECT job_id FROM saved')).map((r) => r.job_id)), new Set([jobs[0].id, jobs[2].id]));
    assert.equal(await state(db, jobs[1].id), 'running');
    const again = await finish(db, [jobs[0]], 'public.save');
    assert.equal(again[0].lost, HELD);
    assert.equal(await value(db, 'SELECT count(*) FROM saved'), 2, 'a repeated finish does not run it again');
});

// ---- progress and text ----

test('progress never goes back within an attempt', async () => {
    const [it] = await running();
    for (const [given, expected] of [[20, 20], [15, 20], [85, 85]]) {
        await progress(db, [{ ...it, step: 'x', progress: given, chunk: 1, chunks: 2 }]);
        assert.equal((await job(it.id)).progress, expected);
    }
    assert.deepEqual([(await job(it.id)).current_chunk, (await job(it.id)).total_chunks], [1, 2]);
});

test('text continues, starts over at 0, and is left out where it does not fit', async () => {
    const [it] = await running();
    const say = (at, words, hash = 'h') => progress(db, [{ ...it, key: 'outline', hash, at, text: words }]);
    await say(0, 'One ');
    await say(4, 'two ');
    await say(4, 'twice');
    await say(9, 'gap');
    await say(8, 'other', 'g');
    await say(8, 'three é');
    assert.deepEqual(await text(db, it.id), { key: 'outline', hash: 'h', text: 'One two three é' });
    await say(0, 'New', 'g');
    assert.deepEqual(await text(db, it.id), { key: 'outline', hash: 'g', text: 'New' });
});

test('several pieces of one job in one batch, in order', async () => {
    const [it] = await running();
    await progress(db, [
        { ...it, key: 'a', hash: 'h', at: 0, text: 'abc' },
        { ...it, key: 'a', hash: 'h', at: 3, text: 'def', step: 'first', progress: 20 },
        { ...it, key: 'a', hash: 'h', at: 6, text: 'g', step: 'last', progress: 21 },
    ]);
    assert.equal((await text(db, it.id)).text, 'abcdefg');
    assert.deepEqual([(await job(it.id)).current_step, (await job(it.id)).progress], ['last', 21]);
});

test('a piece cut inside a character', async () => {
    const [it] = await running();
    const bytes = Buffer.from('né');
    await rows(db, `SELECT * FROM scriptorium.progress($1, $2, '{NULL}', '{0}', '{0}', '{0}', '{a}', '{h}', '{0}', $3::bytea[], '{NULL}', '{NULL}', '{NULL}')`,
        [it.id], [it.fence], [bytes.subarray(0, 2)]);
    await rows(db, `SELECT * FROM scriptorium.progress($1, $2, '{NULL}', '{0}', '{0}', '{0}', '{a}', '{h}', '{2}', $3::bytea[], '{NULL}', '{NULL}', '{NULL}')`,
        [it.id], [it.fence], [bytes.subarray(2)]);
    assert.equal((await text(db, it.id)).text, 'né');
});

// ---- checkpoints ----

test('a checkpoint replaces its own text and key, ends its call, and is read back in order', async () => {
    const [it] = await running();
    const call = await callOpen(db, it, by);
    await progress(db, [{ ...it, key: 'outline', hash: 'h', at: 0, text: 'Half', call, tokens: 5, rate: 50 }]);
    assert.equal(await stepSave(db, it, { key: 'outline', output: 'first' }), HELD);
    assert.equal(await stepSave(db, it, { key: 'chunk_1', output: 'c1' }), HELD);
    assert.equal(await stepSave(db, it, { key: 'outline', output: 'second' }, { id: call }), HELD);
    const steps = await rows(db, 'SELECT key, output, cost, started_us, ended_us FROM scriptorium.run_state($1, 1) WHERE output IS NOT NULL', it.id);
    assert.deepEqual(steps, [
        { key: 'chunk_1', output: 'c1', cost: 30, started_us: SECOND, ended_us: 2 * SECOND },
        { key: 'outline', output: 'second', cost: 30, started_us: SECOND, ended_us: 2 * SECOND },
    ]);
    assert.equal(await text(db, it.id), undefined);
    const c = await row(db, 'SELECT state, input, output, cost, served_model FROM scriptorium.call WHERE id = $1', call);
    assert.deepEqual(c, { state: 1, input: 10, output: 20, cost: 30, served_model: 'model' });
});

test('the call of a lost job is recorded all the same', async () => {
    const [it] = await running();
    const call = await callOpen(db, it, by);
    await db.query("UPDATE script_generation_jobs SET status = 'cancelled'");
    await progress(db, [{ ...it, key: 'outline', hash: 'h', at: 0, text: 'x', call, tokens: 7, rate: 70 }]);
    assert.deepEqual(await row(db, 'SELECT state, saved_output, saved_rate FROM scriptorium.call WHERE id = $1', call),
        { state: 0, saved_output: 7, saved_rate: 70 });
    assert.equal(await stepSave(db, it, { key: 'outline' }, { id: call }), CANCELLED);
    assert.equal(await value(db, 'SELECT state FROM scriptorium.call WHERE id = $1', call), 1);
});

test('an exact figure replaces an estimate, never the other way round', async () => {
    const [it] = await running();
    const call = await callOpen(db, it, by);
    const close = (how, cost) => db.query('SELECT scriptorium.call_close($1, $2, 1, 2, 0, 0, 0, $3, NULL, NULL, NULL, 200)', [call, how, cost]);
    const cost = () => value(db, 'SELECT cost FROM scriptorium.call WHERE id = $1', call);
    await close(2, 100);
    await close(1, 90);
    assert.equal(await cost(), 90);
    await close(2, 100);
    assert.equal(await cost(), 90);
    await assert.rejects(db.query('SELECT scriptorium.call_close($1, 1, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0)', [randomUUID()]), { code: 'SCN01' });
});

test('a re-run keeps the steps of a failed job and not those of a completed one', async () => {
    const jobs = await running(2);
    for (const j of jobs) await stepSave(db, j, { key: 'outline' });
    await finish(db, [{ ...jobs[0], outcome: FAIL, error: 'x' }, jobs[1]]);
    await db.query("UPDATE script_generation_jobs SET status = 'pending'");
    const again = await claim(db, by, 2);
    const runs = Object.fromEntries(again.map((j) => [j.id, j.run]));
    assert.deepEqual([runs[jobs[0].id], runs[jobs[1].id]], [1, 2]);
    const count = (id) => value(db, 'SELECT count(*) FROM scriptorium.run_state($1, $2) WHERE output IS NOT NULL', id, runs[id]);
    assert.deepEqual([await count(jobs[0].id), await count(jobs[1].id)], [1, 0]);
});
