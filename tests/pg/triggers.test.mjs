// In: what clients write to the users' table, in every state of a job. Out: whether the queue follows.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { migrate } from '../lib/pg_schema.mjs';
import { claim, finish, insert, progress, row, rows, state, text, value, worker, FAIL, HELD } from '../lib/pg_store.mjs';

let server, db, by;
before(async () => {
    server = await start();
    db = await server.connect();
    await migrate(db);
    by = await worker(db);
    await db.query("SELECT scriptorium.endpoints_set(array_fill('all'::text, ARRAY[4]), '{completed,failed,cancelled,deleted}')");
});
after(() => server.remove());

// ---- every event of a client in every state, against the table of docs/state-machine.md ----

const page = fs.readFileSync(new URL('../../docs/state-machine.md', import.meta.url), 'utf8');
const table = page.split('\n').filter((line) => /^\| (absent|waiting|running|foreign|completed|failed|cancelled) \|/.test(line))
    .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim())).filter((cells) => cells.length === 6)
    .map(([from, event, condition, to, effects]) => ({ from, event, condition, to, effects: effects.split(', ') }));
const write = {
    'set pending': "UPDATE script_generation_jobs SET status = 'pending' WHERE id = $1",
    'set cancelled': "UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1",
    'set completed': "UPDATE script_generation_jobs SET status = 'completed' WHERE id = $1",
    'set failed': "UPDATE script_generation_jobs SET status = 'failed' WHERE id = $1",
    'set processing': "UPDATE script_generation_jobs SET status = 'processing' WHERE id = $1",
    delete: 'DELETE FROM script_generation_jobs WHERE id = $1',
};

/** A job in that state, alone in the queue. */
async function job(from) {
    await db.query("DELETE FROM script_generation_jobs WHERE status = 'pending'");
    const id = await insert(db, from === 'foreign' ? { status: 'processing' } : {});
    if (from === 'waiting' || from === 'foreign') return { id };
    if (from === 'cancelled') {
        await db.query(write['set cancelled'], [id]);
        return { id };
    }
    const [claimed] = await claim(db, by);
    assert.equal(claimed.id, id);
    if (from === 'completed') await finish(db, [claimed]);
    if (from === 'failed') await finish(db, [{ ...claimed, outcome: FAIL, error: 'no' }]);
    return claimed;
}

async function seen(id) {
    return {
        run: await value(db, 'SELECT run FROM scriptorium.run WHERE job_id = $1', id) ?? 1,
        ended: await value(db, 'SELECT count(*) FROM scriptorium.outbox WHERE job_id = $1', id),
    };
}

for (const { from, event, to, effects } of table.filter((r) => write[r.event])) {
    test(`${from}: ${event} -> ${to}`, async () => {
        const listener = await server.connect();
        const heard = [];
        listener.on('notification', (n) => heard.push(n.payload));
        const it = await job(from);
        assert.equal(await state(db, it.id), from);
        await db.query('DELETE FROM scriptorium.outbox');
        const old = await seen(it.id);
        await listener.query('LISTEN scriptorium');
        await db.query(write[event], [it.id]);
        await listener.query('SELECT 1');
        await listener.end();
        assert.equal(await state(db, it.id), to);
        const now = await seen(it.id);
        if (to !== 'absent') assert.equal(now.run - old.run, effects.includes('new run') ? 1 : 0, 'new run');
        assert.equal(now.ended - old.ended, effects.includes('ended') ? 1 : 0, 'ended');
        if (effects.includes('notify')) {
            // Who leaves a state that had ended before is nobody's news but that of listeners to ends.
            const wakes = effects.includes('queue insert') ? 'due' : 'ended';
            if (from === 'waiting' || from === 'running' || from === 'foreign' || wakes === 'due')
                assert.ok(heard.includes(wakes), `notifies ${wakes}, heard [${heard}]`);
        } else {
            assert.deepEqual(heard, []);
        }
        if (from === 'running' && to !== 'running') {
            const [answer] = await finish(db, [it]);
            assert.notEqual(answer.lost, HELD, 'the late result changes nothing');
            assert.equal(await state(db, it.id), to);
        }
        if (effects.includes('queue insert')) {
            const q = await row(db, 'SELECT * FROM scriptorium.queue WHERE job_id = $1', it.id);
            assert.deepEqual([q.attempts, q.crashes, q.fence, q.worker], [0, 0, 0, null]);
        }
    });
}

test('the page has a row for every write of a client in every state', () => {
    assert.equal(table.filter((r) => write[r.event]).length, 36);
    assert.equal(table.filter((r) => r.event === 'insert').length, 1);
});

for (const status of ['pending', 'processing', 'completed', 'failed', 'cancelled']) {
    test(`inserted as ${status}`, async () => {
        const id = await insert(db, { status });
        assert.equal(await state(db, id), { pending: 'waiting', processing: 'foreign' }[status] ?? status);
    });
}

// ---- the shapes a write can have ----

test('many rows in one statement, in every direction at once', async () => {
    const ids = await rows(db, `INSERT INTO script_generation_jobs (user_id, status)
        SELECT gen_random_uuid(), (ARRAY['pending', 'processing', 'failed', 'completed', 'cancelled'])[1 + i % 5]
        FROM generate_series(1, 100) i RETURNING id, status`);
    await db.query(`UPDATE script_generation_jobs SET status = CASE status WHEN 'pending' THEN 'cancelled'
        WHEN 'processing' THEN 'pending' WHEN 'failed' THEN 'pending' WHEN 'completed' THEN 'pending'
        ELSE 'processing' END WHERE id = ANY ($1)`, [ids.map((r) => r.id)]);
    const becomes = { pending: 'cancelled', processing: 'waiting', failed: 'waiting', completed: 'waiting', cancelled: 'foreign' };
    for (const { id, status } of ids) assert.equal(await state(db, id), becomes[status]);
    assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.run WHERE job_id = ANY ($1)', ids.map((r) => r.id)), 20);
});

test('COPY', async () => {
    const user = randomUUID();
    await server.psql(`COPY script_generation_jobs (user_id, priority) FROM STDIN;\n${user}\t7\n${user}\t8\n\\.\n`);
    const queued = await rows(db, 'SELECT priority FROM scriptorium.queue WHERE user_id = $1 ORDER BY priority', user);
    assert.deepEqual(queued.map((q) => q.priority), [7, 8]);
});

test('INSERT ON CONFLICT DO UPDATE', async () => {
    const { id } = await job('failed');
    await db.query(`INSERT INTO script_generation_jobs (id, user_id) VALUES ($1, gen_random_uuid())
        ON CONFLICT (id) DO UPDATE SET status = 'pending'`, [id]);
    assert.equal(await state(db, id), 'waiting');
});

test('TRUNCATE leaves nothing behind', async () => {
    await job('running');
    await job('foreign');
    await job('waiting');
    await db.query('TRUNCATE script_generation_jobs');
    assert.equal(await value(db, 'SELECT (SELECT count(*) FROM scriptorium.queue) + (SELECT count(*) FROM scriptorium.foreign_job)'), 0);
});

test('a changed id is a deleted job and a new one', async () => {
    const { id } = await job('waiting');
    const other = randomUUID();
    await db.query('UPDATE script_generation_jobs SET id = $2 WHERE id = $1', [id, other]);
    assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.queue WHERE job_id = $1', id), 0);
    assert.equal(await state(db, other), 'waiting');
});

test('an insert that is rolled back is no job', async () => {
    await db.query('BEGIN');
    const id = await insert(db);
    assert.equal(await state(db, id), 'waiting');
    await db.query('ROLLBACK');
    assert.equal(await state(db, id), 'absent');
});

test('values that no CHECK of ours allows do not fail the client', async () => {
    await db.query('ALTER TABLE script_generation_jobs DROP CONSTRAINT script_generation_jobs_priority_check');
    const priorities = { '-3': 1, 0: 1, 11: 10, 2000000000: 10 };
    for (const [given, stored] of Object.entries(priorities)) {
        const id = await insert(db, { priority: given });
        assert.equal(await value(db, 'SELECT priority FROM scriptorium.queue WHERE job_id = $1', id), stored);
    }
    const id = await insert(db, { priority: null });
    assert.equal(await value(db, 'SELECT priority FROM scriptorium.queue WHERE job_id = $1', id), 5);
});

// Their trigger's own UPDATE is over, and our trigger has seen it, before our trigger sees the outer one.
test('a trigger of the users\' that changes the status again has the last word', async () => {
    await db.query(`
        CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.error_message LIKE '%->%' AND NEW.status = split_part(NEW.error_message, '->', 1) THEN
                UPDATE script_generation_jobs SET status = split_part(NEW.error_message, '->', 2), error_message = 'turned'
                WHERE id = NEW.id;
            ELSIF NEW.error_message = NEW.status || ' goes' THEN
                DELETE FROM script_generation_jobs WHERE id = NEW.id;
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER turn AFTER INSERT OR UPDATE ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION turn()`);
    const cases = [['failed', 'pending', 'waiting'], ['completed', 'pending', 'waiting'], ['cancelled', 'pending', 'waiting'],
                   ['failed', 'processing', 'foreign'], ['processing', 'pending', 'waiting'], ['pending', 'cancelled', 'cancelled'],
                   ['processing', 'failed', 'failed']];
    for (const from of ['waiting', 'running', 'failed'])
        for (const [first, then, to] of cases) {
            const { id } = await job(from);
            await db.query('UPDATE script_generation_jobs SET status = $2, error_message = $3 WHERE id = $1', [id, first, `${first}->${then}`]);
            const expected = from === 'running' && then === 'processing' ? 'running' : to; // nothing has happened to it
            assert.equal(await state(db, id), expected, `${from}: ${first} -> ${then}`);
        }
    for (const status of ['pending', 'processing', 'failed']) {
        const { id } = await job('failed');
        await db.query("UPDATE script_generation_jobs SET status = $2::text, error_message = $2::text || ' goes' WHERE id = $1", [id, status]);
        assert.equal(await state(db, id), 'absent', status);
        assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.foreign_job WHERE job_id = $1', id), 0);
    }
    // What the engine writes is turned likewise: a result sent back for another run.
    const it = await job('running');
    await db.query("UPDATE script_generation_jobs SET error_message = 'failed->pending' WHERE id = $1", [it.id]);
    assert.equal((await finish(db, [{ ...it, outcome: FAIL, error: 'failed->pending' }]))[0].lost, HELD);
    assert.equal(await state(db, it.id), 'waiting');
    await db.query('DROP FUNCTION turn CASCADE');
});

test('a trigger of the users\' that changes the row as it is inserted has the last word', async () => {
    await db.query('TRUNCATE script_generation_jobs');
    await db.query(`
        CREATE FUNCTION quota() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.error_message = 'gone' THEN
                DELETE FROM script_generation_jobs WHERE id = NEW.id;
            ELSIF NEW.error_message = 'first' THEN
                UPDATE script_generation_jobs SET priority = 9 WHERE id = NEW.id;
            ELSIF NEW.error_message IS NOT NULL THEN
                UPDATE script_generation_jobs SET status = NEW.error_message WHERE id = NEW.id;
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER quota AFTER INSERT ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION quota()`);
    const expected = { pending: 'waiting', processing: 'foreign', gone: 'absent', first: 'waiting' };
    for (const status of ['pending', 'processing'])
        for (const then of ['pending', 'cancelled', 'processing', 'gone', 'completed']) {
            const id = await insert(db, { status, error_message: then });
            assert.equal(await state(db, id), expected[then] ?? then, `${status}: ${then}`);
            assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.queue WHERE job_id = $1', id), then === 'pending' ? 1 : 0);
            assert.equal(await value(db, 'SELECT count(*) FROM scriptorium.foreign_job WHERE job_id = $1', id), then === 'processing' ? 1 : 0);
        }
    const first = await insert(db, { error_message: 'first' });
    assert.equal(await value(db, 'SELECT priority FROM scriptorium.queue WHERE job_id = $1', first), 9);
    await db.query('DROP FUNCTION quota CASCADE');
});

test('a trigger of the users\' that changes priority or owner of what was just queued has the last word', async () => {
    const user = randomUUID();
    await db.query(`
        CREATE FUNCTION haste() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE script_generation_jobs SET priority = 9, user_id = '${user}' WHERE id = NEW.id AND priority <> 9;
            RETURN NULL;
        END $$;
        CREATE TRIGGER haste AFTER UPDATE OF status, priority ON script_generation_jobs FOR EACH ROW EXECUTE FUNCTION haste()`);
    for (const [from, set] of [['failed', "status = 'pending'"], ['running', "status = 'pending'"], ['waiting', 'priority = 7']]) {
        const { id } = await job(from);
        await db.query(`UPDATE script_generation_jobs SET priority = 5, ${set} WHERE id = $1`.replace('priority = 5, priority', 'priority'), [id]);
        assert.equal(await state(db, id), 'waiting', from);
        assert.deepEqual(await row(db, 'SELECT priority, user_id FROM scriptorium.queue WHERE job_id = $1', id), { priority: 9, user_id: user }, from);
    }
    await db.query('DROP FUNCTION haste CASCADE');
});

// ---- another system at work ----

test('a foreign job whose worker gives signs of life is not rescued', async () => {
    const rescue = () => value(db, 'SELECT scriptorium.rescue_foreign($1)', 1800 * 1e6);
    const { id } = await job('foreign');
    const old = async () => {
        await db.query("UPDATE script_generation_jobs SET started_at = now() - interval '2 hours', updated_at = now() - interval '1 hour' WHERE id = $1", [id]);
        await db.query("UPDATE scriptorium.foreign_job SET since = now() - interval '2 hours' WHERE job_id = $1", [id]);
    };
    await old();
    await db.query('UPDATE script_generation_jobs SET progress = 40 WHERE id = $1', [id]); // and says nothing of the time
    assert.equal(await rescue(), 0, 'any write is a sign of life');
    for (const column of ['updated_at', 'started_at']) {
        await old();
        await db.query(`ALTER TABLE script_generation_jobs DISABLE TRIGGER USER; UPDATE script_generation_jobs SET ${column} = now();
            ALTER TABLE script_generation_jobs ENABLE TRIGGER USER`);
        assert.equal(await rescue(), 0, column);
    }
    await old();
    assert.equal(await rescue(), 1);
    assert.equal(await state(db, id), 'waiting');
});

// ---- priority ----

test('a new priority of a waiting job: another place, the same due time', async () => {
    const { id } = await job('waiting');
    const old = await row(db, 'SELECT * FROM scriptorium.queue WHERE job_id = $1', id);
    await db.query('UPDATE script_generation_jobs SET priority = 9 WHERE id = $1', [id]);
    const now = await row(db, 'SELECT * FROM scriptorium.queue WHERE job_id = $1', id);
    assert.equal(now.priority, 9);
    assert.deepEqual(now.run_at, old.run_at);
});

test('a new priority of a running job leaves it alone', async () => {
    const it = await job('running');
    await db.query('UPDATE script_generation_jobs SET priority = 9 WHERE id = $1', [it.id]);
    assert.equal(await state(db, it.id), 'running');
    assert.equal((await finish(db, [it]))[0].lost, HELD);
});

// ---- the engine's own writes ----

test('progress of a running job wakes nobody', async () => {
    const it = await job('running');
    const heard = [];
    const listener = await server.connect();
    listener.on('notification', (n) => heard.push(n.payload));
    await listener.query('LISTEN scriptorium');
    await progress(db, [{ ...it, step: 'outline', progress: 15 }]);
    await listener.query('SELECT 1');
    await listener.end();
    assert.deepEqual(heard, []);
});

test('the text of a cut call stays with a cancelled job and goes with a completed one', async () => {
    for (const [status, stays] of [['cancelled', true], ['failed', true], ['completed', false]]) {
        const it = await job('running');
        await progress(db, [{ ...it, key: 'outline', hash: 'h', at: 0, text: 'Once upon' }]);
        await db.query('UPDATE script_generation_jobs SET status = $2 WHERE id = $1', [it.id, status]);
        assert.equal((await text(db, it.id))?.text, stays ? 'Once upon' : undefined, status);
    }
});

// ---- who may do it ----

test('role authenticated under row security: its own rows, all four writes, and nothing of ours', async () => {
    const name = await server.database();
    const admin = await server.connect({ database: name });
    await migrate(admin);
    await admin.query(`
        CREATE ROLE authenticated LOGIN;
        GRANT USAGE ON SCHEMA public TO authenticated;
        GRANT ALL ON script_generation_jobs TO authenticated;
        ALTER TABLE script_generation_jobs ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON script_generation_jobs TO authenticated
            USING (user_id::text = current_setting('request.jwt.claim.sub', true))
            WITH CHECK (user_id::text = current_setting('request.jwt.claim.sub', true))`);
    const user = randomUUID();
    const me = await server.connect({ database: name, user: 'authenticated' });
    await me.query(`SET request.jwt.claim.sub = '${user}'`);
    const mine = await insert(me, { user_id: user });
    const other = await insert(admin);
    assert.equal(await state(admin, mine), 'waiting');
    await me.query(write['set cancelled'], [mine]);
    assert.equal(await state(admin, mine), 'cancelled');
    await me.query(write['set pending'], [mine]);
    assert.equal(await state(admin, mine), 'waiting');
    await me.query('UPDATE script_generation_jobs SET priority = 10');
    assert.equal(await value(admin, 'SELECT priority FROM scriptorium.queue WHERE job_id = $1', mine), 10);
    assert.equal(await value(admin, 'SELECT priority FROM scriptorium.queue WHERE job_id = $1', other), 5);
    const byThen = await worker(admin);
    const [running] = await claim(admin, byThen);
    assert.equal(running.id, mine);
    await me.query(write.delete, [mine]);
    assert.equal(await state(admin, mine), 'absent');
    assert.notEqual((await finish(admin, [running]))[0].lost, HELD);
    assert.equal(await state(admin, other), 'waiting');
    for (const sql of ['SELECT * FROM scriptorium.queue', 'SELECT scriptorium.adopt(1)', 'SELECT scriptorium.wake(\'due\')',
                       `SELECT scriptorium.forget(ARRAY['${other}'::uuid])`, 'SELECT nextval(\'scriptorium.fence\')'])
        await assert.rejects(me.query(sql), { code: '42501' }, sql);
    await me.end();
    await admin.end();
});

test('rows that go away with the user they belong to', async () => {
    await db.query('CREATE TABLE users (id uuid PRIMARY KEY)');
    const user = randomUUID();
    await db.query('INSERT INTO users VALUES ($1)', [user]);
    const other = await job('waiting');
    await db.query('DELETE FROM script_generation_jobs WHERE id = $1', [other.id]);
    await db.query('TRUNCATE script_generation_jobs');
    await db.query('ALTER TABLE script_generation_jobs ADD CONSTRAINT u FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE');
    const id = await insert(db, { user_id: user });
    await db.query('DELETE FROM users WHERE id = $1', [user]);
    assert.equal(await state(db, id), 'absent');
    await db.query('ALTER TABLE script_generation_jobs DROP CONSTRAINT u');
});
