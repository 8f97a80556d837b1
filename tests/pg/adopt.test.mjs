// In: users' tables of every kind, with live rows. Out: adopted without loss, or refused in one line.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { start } from '../lib/pg.mjs';
import { Refused, migrate, plan } from '../lib/pg_schema.mjs';
import { SECOND, claim, finish, insert, row, rows, state, value, worker, HELD } from '../lib/pg_store.mjs';

let server;
before(async () => {
    server = await start({ database: false });
});
after(() => server.remove());

async function database(sql = '', who = {}) {
    const name = await server.database();
    const admin = await server.connect({ database: name });
    if (sql) await admin.query(sql);
    return { name, admin, as: (user) => server.connect({ database: name, user }), ...who };
}

const lines = (found, kind) => found.filter((l) => l.kind === kind).map((l) => l.line);

// A table as the users have it: other types where we are liberal, columns of their own, less of ours.
const theirs = `
    CREATE SCHEMA app;
    CREATE TABLE app.workflows (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
    CREATE TABLE app.script_generation_jobs (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        workflow_id uuid NOT NULL REFERENCES app.workflows ON DELETE CASCADE,
        user_id uuid NOT NULL,
        status varchar(20) NOT NULL DEFAULT 'pending' CONSTRAINT known
            CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
        progress smallint DEFAULT 0,
        generation_params jsonb,
        generated_script text,
        script_metadata json,
        created_at timestamptz DEFAULT now(),
        retry_count bigint DEFAULT 0,
        tags text[] DEFAULT '{}',
        updated_at timestamptz DEFAULT now()
    );
    CREATE INDEX by_status ON app.script_generation_jobs (status);
    CREATE TABLE app.audit (job uuid, status text);
    CREATE FUNCTION app.audit() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO app.audit VALUES (NEW.id, NEW.status); RETURN NULL; END';
    CREATE TRIGGER audit AFTER INSERT OR UPDATE OF status ON app.script_generation_jobs
        FOR EACH ROW EXECUTE FUNCTION app.audit();
    INSERT INTO app.workflows DEFAULT VALUES;
    INSERT INTO app.script_generation_jobs (workflow_id, user_id, status, generation_params, created_at, tags)
    SELECT (SELECT id FROM app.workflows), gen_random_uuid(), s, '{"topic": "x"}', now() - i * interval '1 hour', '{a}'
    FROM unnest('{pending,pending,processing,completed,failed}'::text[]) WITH ORDINALITY AS t (s, i);`;

test('a table of the users\' with live rows, foreign keys, a check, a trigger and columns of their own', async () => {
    const { admin } = await database(theirs);
    const before = await rows(admin, 'SELECT * FROM app.script_generation_jobs ORDER BY id');
    const file = await value(admin, "SELECT pg_relation_filenode('app.script_generation_jobs')");
    const found = await plan(admin, { schema: 'app' });
    assert.deepEqual(lines(found, 'refuse'), []);
    assert.deepEqual(lines(found, 'note').map((l) => l.replace(/`.*`/, '...').replace(/; migrate does not.*/, '')), [
        'the check known of app.script_generation_jobs does not let status be cancelled, which is written there',
        'the column workflow_id of app.script_generation_jobs may not be null: it has no default, and enqueue and the API ' +
            'can insert no job without it unless a trigger of yours fills it',
        '2 pending rows are to be queued',
        "1 row is 'processing' for somebody else: left alone; ... queues it again",
        'a list of all jobs, newest first, reads all of app.script_generation_jobs: '
            + 'CREATE INDEX CONCURRENTLY ON app.script_generation_jobs (created_at, id)',
    ]);
    assert.equal(lines(found, 'statement').filter((l) => l.includes('ADD COLUMN')).length, 9);
    assert.equal(await value(admin, "SELECT to_regnamespace('scriptorium')"), null, 'a dry run changes nothing');

    assert.equal(await migrate(admin, { schema: 'app' }), 2);
    assert.equal(await value(admin, "SELECT pg_relation_filenode('app.script_generation_jobs')"), file, 'no rewrite');
    const now = await rows(admin, 'SELECT * FROM app.script_generation_jobs ORDER BY id');
    for (const [i, old] of before.entries())
        for (const [column, was] of Object.entries(old)) assert.deepEqual(now[i][column], was, column);
    assert.equal(now[0].priority, null, 'a new column is null in old rows');
    const left = await plan(admin, { schema: 'app' });
    assert.deepEqual(lines(left, 'statement'), [], 'nothing left to do');
    assert.deepEqual(lines(left, 'note').filter((l) => l.includes('pending rows')), [], 'they are queued');

    await admin.query("SET search_path = app, public");
    const by = await worker(admin);
    const jobs = await claim(admin, by, 10);
    assert.equal(jobs.length, 2);
    assert.deepEqual((await finish(admin, jobs)).map((a) => a.lost), [HELD, HELD]);
    const done = await row(admin, 'SELECT * FROM script_generation_jobs WHERE id = $1', jobs[0].id);
    assert.deepEqual([done.status, done.generated_script, done.script_metadata, done.tags], ['completed', 'A script.', { words: 2 }, ['a']]);
    assert.equal(await value(admin, "SELECT count(*) FROM audit WHERE status = 'completed' AND job = $1", jobs[0].id), 1);
    const foreign = before.find((r) => r.status === 'processing').id;
    assert.equal(await state(admin, foreign), 'foreign');
    assert.equal(await value(admin, 'SELECT scriptorium.rescue_foreign($1)', 60 * SECOND), 0, 'it was touched just now');
    assert.equal(await value(admin, 'SELECT scriptorium.rescue_foreign(0)'), 1);
    const workflow = await value(admin, 'SELECT id FROM workflows');
    const late = await insert(admin, { workflow_id: workflow });
    assert.equal(await state(admin, late), 'waiting');
    await admin.query('DELETE FROM workflows');
    assert.equal(await state(admin, late), 'absent');
    await admin.end();
});

test('no table yet: created as documented', async () => {
    const { admin } = await database();
    await migrate(admin);
    const columns = await rows(admin, `SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns
        WHERE table_name = 'script_generation_jobs' ORDER BY ordinal_position`);
    const described = columns.map((c) => `${c.column_name} ${c.data_type} ${c.is_nullable === 'NO' ? 'not null' : ''} ${c.column_default ?? ''}`.trim().replace(/ +/g, ' '));
    assert.deepEqual(described, [
        'id uuid not null gen_random_uuid()', 'workflow_id uuid', 'user_id uuid not null',
        "status text not null 'pending'::text", 'progress integer 0', 'current_chunk integer 0', 'total_chunks integer 0',
        'current_step text', 'error_message text', 'retry_count integer 0', 'max_retries integer 3', 'generation_params jsonb',
        'generated_script text', 'script_metadata jsonb', 'created_at timestamp with time zone now()',
        'started_at timestamp with time zone', 'completed_at timestamp with time zone',
        'updated_at timestamp with time zone now()', 'processing_time_seconds integer', 'priority integer 5',
    ]);
    const indexes = (await rows(admin, "SELECT indexdef FROM pg_indexes WHERE tablename = 'script_generation_jobs'")).map((r) => r.indexdef.replace(/.* USING btree /, ''));
    assert.deepEqual(indexes.sort(), ['(created_at, id)', '(id)', '(status)', "(status, priority DESC) WHERE (status = 'pending'::text)", '(user_id)', '(workflow_id)'].sort());
    for (const [column, bad] of [['status', 'odd'], ['progress', 101], ['priority', 11], ['priority', 0]])
        await assert.rejects(insert(admin, { [column]: bad }), { code: '23514' });
    await admin.end();
});

test('twice, and five times at once', async () => {
    const { name, admin } = await database(theirs);
    const clients = await Promise.all(Array.from({ length: 5 }, () => server.connect({ database: name })));
    const adopted = await Promise.all(clients.map((c) => migrate(c, { schema: 'app' })));
    assert.equal(await value(admin, 'SELECT count(*) FROM scriptorium.queue'), 2);
    assert.ok(adopted.reduce((a, b) => a + b) >= 2);
    const dump = () => rows(admin, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'app.script_generation_jobs'::regclass AND NOT tgisinternal ORDER BY 1");
    const triggers = await dump();
    assert.equal(await migrate(admin, { schema: 'app' }), 0);
    assert.deepEqual(await dump(), triggers);
    assert.equal(triggers.length, 11);
    for (const c of clients) await c.end();
    await admin.end();
});

test('a table that somebody holds: gives up after the lock timeout, changes nothing, works later', async () => {
    const { name, admin } = await database(theirs);
    const reader = await server.connect({ database: name });
    await reader.query('BEGIN');
    await reader.query('SELECT * FROM app.script_generation_jobs');
    await assert.rejects(migrate(admin, { schema: 'app' }), { code: '55P03' });
    assert.equal(await value(admin, "SELECT to_regnamespace('scriptorium')"), null);
    await reader.query('COMMIT');
    await reader.end();
    assert.equal(await migrate(admin, { schema: 'app' }), 2);
    await admin.end();
});

test('a row that a client holds does not keep the others from being queued; it is waited for in the end', async () => {
    const { name, admin } = await database(theirs);
    await migrate(admin, { schema: 'app' });
    await admin.query("ALTER TABLE app.script_generation_jobs DISABLE TRIGGER USER; UPDATE app.script_generation_jobs SET status = 'pending'");
    await admin.query('ALTER TABLE app.script_generation_jobs ENABLE TRIGGER USER');
    const client = await server.connect({ database: name });
    await client.query('BEGIN');
    const id = await value(client, 'SELECT id FROM app.script_generation_jobs ORDER BY created_at LIMIT 1 FOR UPDATE');
    await assert.rejects(migrate(admin, { schema: 'app', batch: 1 }), { code: '55P03' });
    assert.equal(await value(admin, 'SELECT count(*) FROM scriptorium.queue'), 4);
    await client.query('COMMIT');
    assert.equal(await migrate(admin, { schema: 'app' }), 1);
    assert.equal(await value(admin, 'SELECT count(*) FROM scriptorium.queue WHERE job_id = $1', id), 1);
    await client.end();
    await admin.end();
});

test('clients write while a large table is adopted: every pending row is queued once', async () => {
    const { name, admin } = await database(theirs);
    await admin.query(`INSERT INTO app.script_generation_jobs (workflow_id, user_id, status)
        SELECT (SELECT id FROM app.workflows), gen_random_uuid(), 'pending' FROM generate_series(1, 5000)`);
    const client = await server.connect({ database: name });
    let stop = false;
    const writing = (async () => {
        while (!stop) {
            await client.query(`INSERT INTO app.script_generation_jobs (workflow_id, user_id) SELECT id, gen_random_uuid() FROM app.workflows`);
            await client.query(`UPDATE app.script_generation_jobs SET status = 'failed' WHERE id =
                (SELECT id FROM app.script_generation_jobs WHERE status = 'pending' ORDER BY random() LIMIT 1)`);
        }
    })();
    for (let tries = 0; ; tries++) {
        try {
            await migrate(admin, { schema: 'app', batch: 700 });
            break;
        } catch (error) {
            if (error.code !== '55P03' || tries > 10) throw error;
        }
    }
    stop = true;
    await writing;
    await client.end();
    assert.equal(await value(admin, `SELECT count(*) FROM app.script_generation_jobs j FULL JOIN scriptorium.queue q ON q.job_id = j.id
        WHERE (j.status = 'pending') IS DISTINCT FROM (q.job_id IS NOT NULL)`), 0);
    await admin.end();
});

// ---- one queue, one table ----

test('a second table is not adopted beside the first, and never feeds the queue of the other', async () => {
    const { name, admin } = await database('CREATE SCHEMA app; CREATE SCHEMA other');
    await migrate(admin, { schema: 'app' });
    await admin.query('SET search_path = app, public');
    const id = await insert(admin);
    for (const schema of ['public', 'other'])
        await assert.rejects(migrate(admin, { schema }), /: adopted is app\.script_generation_jobs; set SCRIPTORIUM_SCHEMA=app/);
    assert.equal(await value(admin, "SELECT to_regclass('public.script_generation_jobs')"), null);
    assert.equal(await value(admin, 'SELECT scriptorium.strays()'), null);

    // Where an earlier version has let that happen nothing is thrown away, and doctor's facts name it.
    await admin.query(`CREATE TABLE other.script_generation_jobs (LIKE app.script_generation_jobs INCLUDING ALL);
        CREATE TRIGGER scriptorium_insert AFTER INSERT ON other.script_generation_jobs
            REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION scriptorium.after_insert();
        DROP TRIGGER scriptorium_insert ON app.script_generation_jobs; DELETE FROM scriptorium.queue;
        INSERT INTO scriptorium.queue (job_id, user_id, tag, run_at, priority) VALUES (gen_random_uuid(), gen_random_uuid(), 1, now(), 5)`);
    const by = await worker(admin);
    assert.equal((await claim(admin, by)).length, 0);
    assert.equal(await value(admin, 'SELECT count(*) FROM scriptorium.queue'), 1);
    assert.equal(await value(admin, "SELECT value FROM scriptorium.examine() WHERE name = 'stray_tables'"), 'other.script_generation_jobs');
    await assert.rejects(migrate(admin, { schema: 'app' }), /: adopted is other\.script_generation_jobs/);
    await admin.query(`CREATE TRIGGER scriptorium_insert AFTER INSERT ON app.script_generation_jobs
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION scriptorium.after_insert()`);
    for (const schema of ['app', 'other']) await assert.rejects(migrate(admin, { schema }), /both carry our triggers/);

    // Its triggers gone, the other is as it was.
    await admin.query('DROP TRIGGER scriptorium_insert ON other.script_generation_jobs');
    assert.equal(await migrate(admin, { schema: 'app' }), 1);
    assert.equal((await claim(admin, by, 10)).map((j) => j.id).includes(id), true);
    assert.equal(await value(admin, "SELECT value FROM scriptorium.examine() WHERE name = 'stray_tables'"), undefined);
    await admin.end();
    assert.ok(name);
});

test('a table that was renamed takes its triggers along: they must be dropped before its successor is adopted', async () => {
    const { admin } = await database();
    await migrate(admin);
    await admin.query('ALTER TABLE script_generation_jobs RENAME TO old_jobs');
    await assert.rejects(migrate(admin), /: public\.old_jobs, which had another name, carries our triggers: drop them/);
    await admin.query('DROP TABLE old_jobs');
    await migrate(admin);
    await admin.end();
});

test('our triggers, switched off, are switched on again, and what went by is queued', async () => {
    const { admin } = await database();
    await migrate(admin);
    await admin.query('ALTER TABLE script_generation_jobs DISABLE TRIGGER USER');
    const id = await insert(admin);
    assert.equal(await state(admin, id), 'pending, not queued');
    const mends = lines(await plan(admin), 'statement');
    assert.equal(mends.length, 10);
    assert.ok(mends.every((l) => /^ALTER TABLE public\.script_generation_jobs ENABLE TRIGGER scriptorium_\w+$/.test(l)), mends.join('\n'));
    await migrate(admin);
    assert.equal(await state(admin, id), 'waiting');
    assert.equal(await state(admin, await insert(admin)), 'waiting');
    assert.deepEqual(lines(await plan(admin), 'statement'), []);
    await admin.end();
});

// ---- the plan ----

test('the statements of a plan can be run as they are', async () => {
    const { admin } = await database('CREATE ROLE engine_e LOGIN; CREATE SCHEMA app');
    const of = { schema: 'app', engine: 'engine_e' };
    const ours = /^CREATE (SCHEMA scriptorium|TRIGGER)/;
    const first = lines(await plan(admin, of), 'statement');
    for (const sql of first.filter((l) => !ours.test(l))) await admin.query(sql);
    const second = lines(await plan(admin, of), 'statement');
    assert.ok(second.every((l) => ours.test(l)), second.join('\n'));
    assert.equal(second.length, 11);
    await migrate(admin, of);
    await admin.query('DROP FUNCTION scriptorium.after_update CASCADE; ALTER TABLE app.script_generation_jobs DROP COLUMN priority');
    await admin.query("CREATE FUNCTION scriptorium.after_update() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
    const mended = lines(await plan(admin, of), 'statement');
    assert.equal(mended.length, 3);
    for (const sql of mended) await admin.query(sql);
    assert.deepEqual(lines(await plan(admin, of), 'statement'), []);
    await admin.end();
});

test('rules of the table that would refuse what the engine writes are noted', async () => {
    const { admin } = await database(`CREATE TABLE script_generation_jobs (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL, status text NOT NULL DEFAULT 'pending',
        current_step text CONSTRAINT steps CHECK (current_step IN ('queued', 'initializing', 'outline', 'completed')),
        progress integer CONSTRAINT quarters CHECK (progress % 25 = 0),
        priority integer CONSTRAINT three CHECK (priority BETWEEN 1 AND 3),
        generation_params jsonb CONSTRAINT topic CHECK (generation_params ? 'topic'),
        tenant text NOT NULL, kind text NOT NULL DEFAULT 'a', n integer GENERATED ALWAYS AS IDENTITY,
        error_message text NOT NULL DEFAULT '')`);
    assert.deepEqual(lines(await plan(admin), 'note').filter((l) => /^the (check|column)/.test(l)).map((l) => l.replaceAll('of public.script_generation_jobs ', '')), [
        'the check steps does not let current_step be preparing_data, generating_chunk_1_of_1, generating_chunk_12_of_24, ' +
            'validating_quality, expanding, saving_script, failed, cancelled, which is written there',
        'the check quarters does not let progress be 5, which is written there',
        'the check three does not let priority be 5, 10, which is written there',
        'the column tenant may not be null: it has no default, and enqueue and the API can insert no job without it ' +
            'unless a trigger of yours fills it',
        'the column error_message may not be null: no job can be completed, as the engine clears it then',
    ]);
    await admin.end();
});

test('an id that is a number: what the refusal says can be done', async () => {
    const { admin } = await database(`CREATE TABLE script_generation_jobs (id bigint PRIMARY KEY, user_id uuid);
        INSERT INTO script_generation_jobs VALUES (7, gen_random_uuid())`);
    const [line] = lines(await plan(admin), 'refuse');
    for (const sql of line.match(/ALTER TABLE [^(,)]*(\(\))?/g)) await admin.query(sql);
    assert.deepEqual(lines(await plan(admin), 'refuse'), []);
    await migrate(admin);
    assert.equal(await value(admin, 'SELECT number FROM script_generation_jobs WHERE id IS NOT NULL'), 7);
    await admin.end();
});

// ---- refusals: one line, with the way out ----

const table = (id, status, rest = '') => `CREATE TABLE public.script_generation_jobs (id ${id}, user_id uuid, status ${status} ${rest})`;
const refusals = [
    ['id is not a uuid', table('bigint PRIMARY KEY', 'text'), /^public\.script_generation_jobs\.id is bigint, not uuid: .* RENAME COLUMN id TO .* ADD COLUMN id uuid/],
    ['user_id is a number', 'CREATE TABLE script_generation_jobs (id uuid PRIMARY KEY, user_id integer)',
        /user_id is integer, not uuid: no integer can become one: .* RENAME COLUMN user_id TO .* migrate then adds/],
    ['id is not unique', table('uuid', 'text'), /id is not unique: ALTER TABLE .* ADD PRIMARY KEY/],
    ['no id', 'CREATE TABLE script_generation_jobs (user_id uuid)', /has no column id: add one/],
    ['status is a number', table('uuid PRIMARY KEY', 'integer'), /status is integer, not text/],
    ['status is an enum without our values', `CREATE TYPE s AS ENUM ('pending', 'done'); ${table('uuid PRIMARY KEY', 's')}`,
        /status is the enum s, which lacks 'processing', 'completed', 'failed', 'cancelled': ALTER TYPE s ADD VALUE/],
    ['a text that is too short', table('uuid PRIMARY KEY', 'varchar(8)'), /status is character varying\(8\), too short/],
    ['params are text', table('uuid PRIMARY KEY', 'text', ', generation_params text'), /generation_params is text, not jsonb/],
    ['a time without zone', table('uuid PRIMARY KEY', 'text', ', created_at timestamp'), /created_at is timestamp without time zone, not timestamptz/],
    ['a generated column', table('uuid PRIMARY KEY', 'text', ', priority int GENERATED ALWAYS AS (5) STORED'), /priority is a generated column/],
    ['a view', 'CREATE VIEW script_generation_jobs AS SELECT gen_random_uuid() AS id', /is a view: only an ordinary table/],
    ['a table that inherits', 'CREATE TABLE base (id uuid); CREATE TABLE script_generation_jobs () INHERITS (base)',
        /is a table that inherits from another: only an ordinary table/],
    ['a domain over uuid', 'CREATE DOMAIN uid AS uuid; CREATE TABLE script_generation_jobs (id uuid PRIMARY KEY, user_id uid)',
        /user_id is uid, not uuid: a domain, which the engine does not know: ALTER TABLE public\.script_generation_jobs ALTER COLUMN user_id TYPE uuid/],
    ['a partitioned table', 'CREATE TABLE script_generation_jobs (id uuid PRIMARY KEY) PARTITION BY HASH (id)', /is partitioned: only an ordinary table/],
    ['a foreign table', 'CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE script_generation_jobs (id uuid) SERVER s', /is a foreign table/],
    ['an unlogged table', 'CREATE UNLOGGED TABLE script_generation_jobs (id uuid PRIMARY KEY)', /is not a permanent table/],
];
for (const [what, sql, reason] of refusals) {
    test(`refused: ${what}`, async () => {
        const { admin } = await database(sql);
        await assert.rejects(migrate(admin), (error) => {
            assert.ok(error instanceof Refused);
            assert.match(error.message, reason);
            assert.ok(!error.message.includes('\n'));
            return true;
        });
        assert.equal(await value(admin, "SELECT to_regnamespace('scriptorium')"), null);
        await admin.end();
    });
}

test('an enum with all of our values is as good as text', async () => {
    const { admin } = await database(`CREATE TYPE s AS ENUM ('draft', 'pending', 'processing', 'completed', 'failed', 'cancelled');
        ${table('uuid PRIMARY KEY DEFAULT gen_random_uuid()', "s DEFAULT 'pending'")}`);
    await migrate(admin);
    const by = await worker(admin);
    const id = await insert(admin);
    assert.equal(await state(admin, id), 'waiting');
    const [it] = await claim(admin, by);
    assert.equal((await finish(admin, [it]))[0].lost, HELD);
    assert.equal(await state(admin, id), 'completed');
    await admin.query('SELECT scriptorium.retry_job($1)', [id]);
    await admin.query('SELECT scriptorium.cancel_job($1)', [id]);
    assert.equal(await value(admin, 'SELECT scriptorium.retry_all(NULL, NULL)'), 1);
    assert.equal((await rows(admin, "SELECT * FROM scriptorium.jobs_of(scriptorium.page_ids('pending', NULL, NULL, NULL, 10), false)")).length, 1);
    assert.equal((await row(admin, 'SELECT * FROM scriptorium.stats()')).pending, 1);
    assert.equal((await rows(admin, 'SELECT * FROM scriptorium.insert_jobs($1, $2, $3, $4, $5, $6, $7, $8)',
        [null], [randomUUID()], [null], [5], [3], ['{}'], [null], [null])).length, 1);
    const draft = await insert(admin, { status: 'draft' });
    assert.equal(await value(admin, 'SELECT count(*) FROM scriptorium.queue WHERE job_id = $1', draft), 0);
    await admin.end();
});

// ---- rights ----

test('missing rights are named, with the statement that gives them', async () => {
    const { name, admin } = await database(`${theirs}
        CREATE ROLE engine_a LOGIN; GRANT USAGE ON SCHEMA app TO engine_a`);
    const engine = await server.connect({ database: name, user: 'engine_a' });
    const found = lines(await plan(engine, { schema: 'app' }), 'refuse');
    assert.equal(found.length, 3);
    assert.match(found[0], new RegExp(`GRANT CREATE ON DATABASE ${name} TO engine_a`));
    assert.match(found[1], /only the owner of app\.script_generation_jobs, postgres, may add the missing columns/);
    assert.match(found[2], /GRANT SELECT, UPDATE, TRIGGER ON app\.script_generation_jobs TO engine_a/);
    assert.match((await plan(engine, { schema: 'nope' })).at(-1).line, /there is no schema nope/);
    await engine.end();
    await admin.end();
});

test('migrated by the owner for another role: it gets what it needs, under row security too', async () => {
    const { name, admin } = await database(`${theirs}
        CREATE ROLE engine_b LOGIN;
        GRANT INSERT ON app.audit TO engine_b;
        ALTER TABLE app.script_generation_jobs ENABLE ROW LEVEL SECURITY;
        ALTER TABLE app.script_generation_jobs FORCE ROW LEVEL SECURITY;
        CREATE POLICY own ON app.script_generation_jobs USING (user_id::text = current_setting('x.sub', true))`);
    const found = lines(await plan(admin, { schema: 'app', engine: 'engine_b' }), 'statement');
    for (const wanted of ['GRANT SELECT, INSERT, UPDATE, DELETE ON app.script_generation_jobs TO engine_b',
                          'CREATE POLICY scriptorium_engine ON app.script_generation_jobs TO engine_b USING (true) WITH CHECK (true)'])
        assert.ok(found.includes(wanted), wanted);
    assert.ok(found.includes('GRANT USAGE ON SCHEMA app TO engine_b'));
    await migrate(admin, { schema: 'app', engine: 'engine_b' });
    const engine = await server.connect({ database: name, user: 'engine_b' });
    await engine.query('SET search_path = app');
    const by = await worker(engine);
    const jobs = await claim(engine, by, 10);
    assert.equal(jobs.length, 2);
    assert.deepEqual((await finish(engine, jobs)).map((a) => a.lost), [HELD, HELD]);
    assert.deepEqual(await rows(engine, 'SELECT * FROM scriptorium.rescue($1)', by), [{ requeued: 0, failed: 0 }]);
    await assert.rejects(engine.query('DELETE FROM scriptorium.migration'), { code: '42501' });
    await engine.end();
    await admin.end();
});

test('a schema that is not the migrating role\'s: its USAGE is left to somebody who may grant it', async () => {
    const { name, admin } = await database(`CREATE ROLE owner_f LOGIN; CREATE ROLE engine_f LOGIN; CREATE SCHEMA app;
        GRANT USAGE, CREATE ON SCHEMA app TO owner_f`);
    await admin.query(`GRANT CREATE ON DATABASE ${name} TO owner_f`);
    const owner = await server.connect({ database: name, user: 'owner_f' });
    const of = { schema: 'app', engine: 'engine_f' };
    assert.deepEqual(lines(await plan(owner, of), 'grant'), ['GRANT USAGE ON SCHEMA app TO engine_f']);
    await migrate(owner, of);
    const engine = await server.connect({ database: name, user: 'engine_f' });
    await assert.rejects(engine.query('SELECT scriptorium.greet(NULL)'),
        { code: '42501', message: /: GRANT USAGE ON SCHEMA app TO engine_f$/ });
    await admin.query('GRANT USAGE ON SCHEMA app TO engine_f');
    assert.ok(await value(engine, "SELECT scriptorium.greet('app')") > 0);
    await engine.end();
    await owner.end();
    await admin.end();
});

test('a privilege of the engine that is taken away is said, and no job is put off for it', async () => {
    const { name, admin } = await database('CREATE ROLE engine_g LOGIN');
    await migrate(admin, { engine: 'engine_g' });
    const id = await insert(admin);
    const engine = await server.connect({ database: name, user: 'engine_g' });
    const by = await worker(engine);
    for (const right of ['SELECT', 'UPDATE']) {
        await admin.query(`REVOKE ${right} ON script_generation_jobs FROM engine_g`);
        await assert.rejects(engine.query('SELECT scriptorium.greet(NULL)'),
            { code: '42501', message: new RegExp(`: GRANT ${right} ON public.script_generation_jobs TO engine_g$`) });
        await assert.rejects(claim(engine, by), { code: '42501' });
        await admin.query(`GRANT ${right} ON script_generation_jobs TO engine_g`);
    }
    await admin.query('REVOKE INSERT ON script_generation_jobs FROM engine_g');
    assert.equal(await value(engine, "SELECT value FROM scriptorium.examine() WHERE name = 'rights_lacking'"), 'INSERT');
    // Rights on columns are as good.
    await admin.query(`REVOKE UPDATE ON script_generation_jobs FROM engine_g; GRANT UPDATE (status, progress, current_chunk,
        total_chunks, current_step, error_message, retry_count, generated_script, script_metadata, started_at, completed_at,
        updated_at, processing_time_seconds) ON script_generation_jobs TO engine_g`);
    assert.equal((await claim(engine, by))[0].id, id);
    await engine.end();
    await admin.end();
});

test('row security that binds the owner who migrates: the engine queues what it alone may see', async () => {
    const { name, admin } = await database(`CREATE ROLE owner_d LOGIN; CREATE ROLE engine_d LOGIN; CREATE ROLE app_d LOGIN`);
    await admin.query(`ALTER SCHEMA public OWNER TO owner_d; GRANT CREATE ON DATABASE ${name} TO owner_d`);
    const owner = await server.connect({ database: name, user: 'owner_d' });
    await owner.query(`CREATE TABLE script_generation_jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL,
            status text NOT NULL DEFAULT 'pending', generation_params jsonb);
        GRANT ALL ON script_generation_jobs TO app_d;
        INSERT INTO script_generation_jobs (user_id) SELECT gen_random_uuid() FROM generate_series(1, 3);
        ALTER TABLE script_generation_jobs ENABLE ROW LEVEL SECURITY;
        ALTER TABLE script_generation_jobs FORCE ROW LEVEL SECURITY;
        CREATE POLICY own ON script_generation_jobs USING (user_id::text = current_setting('x.sub', true))`);
    assert.ok(lines(await plan(owner, { engine: 'engine_d' }), 'note').some((l) => /hides rows .* from owner_d, .* when the engine has started/.test(l)));
    assert.ok(lines(await plan(owner), 'note').some((l) => /shows all rows .* to owner_d: .*a role of its own/.test(l)));
    assert.equal(await migrate(owner, { engine: 'engine_d' }), 0);
    const engine = await server.connect({ database: name, user: 'engine_d' });
    const by = await worker(engine);
    await admin.query("UPDATE scriptorium.worker SET held_since = '2000-01-01'"); // who has held it for long may rescue
    await engine.query('SELECT * FROM scriptorium.rescue($1)', [by]);
    assert.equal((await claim(engine, by, 10)).length, 3);
    await engine.query('SELECT * FROM scriptorium.rescue($1)', [by]);
    assert.equal(await value(admin, "SELECT count(*) FROM scriptorium.setting WHERE key = 'adopt.hidden'"), 0);
    // Their clients' writes reach the queue, and nobody sees through our triggers what is not his.
    const client = await server.connect({ database: name, user: 'app_d' });
    const user = randomUUID();
    await client.query(`SET x.sub = '${user}'`);
    const id = await insert(client, { user_id: user });
    assert.equal(await state(admin, id), 'waiting');
    await client.query("UPDATE script_generation_jobs SET status = 'cancelled'");
    assert.equal(await state(admin, id), 'cancelled');
    for (const c of [client, engine, owner, admin]) await c.end();
});

test('rows that row security hides from the engine are not thrown out of the queue', async () => {
    const { name, admin } = await database('CREATE ROLE engine_c LOGIN');
    await migrate(admin, { engine: 'engine_c' });
    await admin.query('ALTER TABLE script_generation_jobs ENABLE ROW LEVEL SECURITY');
    const id = await insert(admin);
    const engine = await server.connect({ database: name, user: 'engine_c' });
    const by = await worker(engine);
    assert.equal((await claim(engine, by)).length, 0);
    assert.equal(await value(admin, 'SELECT count(*) FROM scriptorium.queue'), 1);
    assert.deepEqual(lines(await plan(admin, { engine: 'engine_c' }), 'statement'),
        ['CREATE POLICY scriptorium_engine ON public.script_generation_jobs TO engine_c USING (true) WITH CHECK (true)']);
    await migrate(admin, { engine: 'engine_c' });
    assert.equal((await claim(engine, by))[0]?.id ?? (await claim(engine, by))[0]?.id, id);
    await engine.end();
    await admin.end();
});

test('a schema whose name needs quoting', async () => {
    const schema = `it's "odd"`;
    const { admin } = await database(`CREATE SCHEMA "it's ""odd"""`);
    await migrate(admin, { schema });
    await admin.query(`SET search_path = "it's ""odd"""`);
    const by = await worker(admin);
    const id = await insert(admin);
    const [it] = await claim(admin, by);
    assert.equal(it.id, id);
    assert.equal((await finish(admin, [it]))[0].lost, HELD);
    await admin.end();
});
