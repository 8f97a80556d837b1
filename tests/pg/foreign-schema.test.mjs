// Schemas cron and net of somebody who may only create schemas, full of traps: what migrates the database and
// serves it must not run a word of theirs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { folder, run } from '../blackbox/harness.mjs';
import * as postgres from '../lib/pg.mjs';

const USER = '0190aaaa-0000-7000-8000-00000000000a';
let server;
let database;
let admin;
let eve;

// Whoever runs trap() is caught; a superuser makes eve one.
const BAIT = `
    CREATE TABLE public.caught (who text);
    GRANT INSERT ON public.caught TO PUBLIC`;
const TRAPS = `
    CREATE SCHEMA cron;
    CREATE SCHEMA net;
    GRANT USAGE ON SCHEMA cron, net TO PUBLIC;
    CREATE FUNCTION cron.trap() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.caught VALUES (current_user);
        RETURN true;
    END $$;
    CREATE FUNCTION cron.trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM cron.trap();
        RETURN NULL;
    END $$;
    CREATE FUNCTION cron.trap_early() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        PERFORM cron.trap();
        RETURN 'process-script-jobs-worker-1';
    END $$;
    CREATE TABLE cron.kept (jobid bigint, schedule text, command text, database text, username text, active boolean,
        jobname name, runid bigint, status text, return_message text, start_time timestamptz, end_time timestamptz, job_pid integer);
    INSERT INTO cron.kept VALUES (1, '* * * * *', 'SELECT 1', current_database(), 'eve', true, 'process-script-jobs-worker-1');
    CREATE VIEW cron.job AS SELECT * FROM cron.kept WHERE cron.trap() AND jobname = cron.trap_early();
    CREATE VIEW cron.job_run_details AS SELECT * FROM cron.kept WHERE cron.trap();
    CREATE FUNCTION cron.schedule(text, text, text) RETURNS bigint LANGUAGE sql AS 'SELECT cron.trap()::integer::bigint';
    CREATE FUNCTION cron.unschedule(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT cron.trap()';
    CREATE TABLE cron.scriptorium_state (jobid bigint, since bigint, next bigint);
    CREATE TABLE cron.scriptorium_run (runid bigint, jobid bigint, held_until timestamptz, taken uuid);
    CREATE TABLE net.kept (id bigint, content text, created timestamptz, url text, body bytea, method text, headers jsonb,
        timeout_milliseconds integer, held_until timestamptz, taken uuid, username name);
    INSERT INTO net.kept VALUES (1, '${USER}', '-infinity', '${USER}', '', 'GET', '{}', 5000, NULL, NULL, 'eve');
    CREATE VIEW net._http_response AS SELECT * FROM net.kept WHERE cron.trap();
    CREATE VIEW net.http_request_queue AS SELECT * FROM net.kept WHERE cron.trap();
    CREATE TABLE net.scriptorium_owner (id bigint, username name);
    GRANT ALL ON ALL TABLES IN SCHEMA cron, net TO PUBLIC;
    CREATE TRIGGER trap INSTEAD OF DELETE OR UPDATE ON net._http_response FOR EACH ROW EXECUTE FUNCTION cron.trap_row();
    CREATE TRIGGER trap INSTEAD OF DELETE OR UPDATE ON net.http_request_queue FOR EACH ROW EXECUTE FUNCTION cron.trap_row();
    CREATE TRIGGER trap INSTEAD OF DELETE OR UPDATE ON cron.job_run_details FOR EACH ROW EXECUTE FUNCTION cron.trap_row()`;

before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

const caught = async () => (await admin.query('SELECT DISTINCT who FROM public.caught')).rows.map((r) => r.who);
const url = (user) => server.url({ database, user });

async function prepared(t, ...flags) {
  database = await server.database();
  admin = await server.connect({ database });
  await admin.query(`DO $$ BEGIN CREATE ROLE app LOGIN; CREATE ROLE eve LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    GRANT CREATE ON DATABASE "${database}" TO eve`);
  await admin.query(BAIT);
  eve = await server.connect({ database, user: 'eve' });
  t.after(async () => { await eve.end(); await admin.end(); });
  assert.equal(migrate(t, ...flags).code, 0);
}

const migrate = (t, ...flags) => run(folder(t), ['migrate', ...flags, '--database', url('postgres')],
  { env: { SCRIPTORIUM_ENGINE_ROLE: 'app' } });

test('the engine does nothing with them, and neither does a second migration', async (t) => {
  await prepared(t);
  await eve.query(TRAPS);
  assert.equal((await eve.query('SELECT count(*) FROM cron.job')).rows[0].count, 1);
  assert.deepEqual(await caught(), ['eve'], 'the trap works');
  await admin.query('TRUNCATE public.caught');
  const dir = folder(t);
  for (const args of [['scale'], ['scale', '2x2'], ['scale', '--undo'], ['cron', 'list'], ['erase', '--user', USER]])
    assert.equal(run(dir, [...args, '--database', url('app')]).code, 0, args.join(' '));
  run(dir, ['doctor', '--database', url('app')]);
  assert.equal(migrate(t).code, 0);
  const refused = migrate(t, '--with-cron');
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /schema cron that is neither pg_cron's nor ours/);
  assert.deepEqual(await caught(), []);
  assert.equal((await eve.query('SELECT count(*) FROM net.kept')).rows[0].count, 1);
});

test('put in the place of ours that were dropped, they get nothing from the daemon either', async (t) => {
  await prepared(t, '--with-cron');
  const app = await server.connect({ database, user: 'app' });
  t.after(() => app.end());
  const served = async () => (await app.query('SELECT * FROM scriptorium.surfaces()')).rows[0];
  assert.deepEqual(await served(), { cron: true, net: true });
  await admin.query('DROP SCHEMA cron CASCADE; DROP SCHEMA net CASCADE');
  await eve.query(TRAPS);
  assert.deepEqual(await served(), { cron: false, net: false });
  for (const call of ['cron_due(5, 5, 1)', "cron_unreadable(1, 1, '')", 'cron_give_back(1)', "cron_lost(1, '')", 'cron_forget(1)', "cron_take('{1}', '{*}', '{1}', '{1}', '{1}', NULL)", 'cron_began(1, 1)',
    "cron_ended(1, true, '')", "cron_hold('{1}')", "net_take(5, 1, 5, '', NULL)", 'net_give_back(1)',
    "net_done(1, 200, '', '{}', '', false, '')", "net_hold('{1}', 1)"])
    await assert.rejects(app.query(`SELECT * FROM scriptorium.${call}`), { code: '3F000' }, call);
  assert.deepEqual(await caught(), []);
});
