// Versions of the pipeline, deployed while jobs run: new jobs take the new one within a second, those that
// have begun finish on theirs, also after kill -9 and on another node; what cannot be read changes nothing.
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { folder, json, root, run, sql, start, until } from './harness.mjs';
import { daemon, KEY } from './serve.mjs';
import * as postgres from '../lib/pg.mjs';

const USER = '11111111-1111-4111-8111-111111111111';
let server;

before(async () => { server = await postgres.start({ database: false }); });
after(() => server?.remove());

// A copy of the built-in pipeline, told apart by a line.
function pipeline(dir, name, line = `Pipeline ${name}.`) {
  const to = join(dir, name);
  cpSync(join(root, 'pipelines/script'), to, { recursive: true });
  appendFileSync(join(to, 'system.md'), `${line}\n`);
  return to;
}

const deploy = (dir, ...args) => json(dir, ['deploy', ...args]);
const ask = async (d, minutes = 1) => {
  const answer = await d.post('/v1/jobs', { body: { topic: 'Salt', targetDuration: minutes * 60, user_id: USER } });
  assert.equal(answer.status, 201, await answer.clone().text());
  return (await answer.json()).id;
};
const job = async (d, id) => (await d.get(`/v1/jobs/${id}`)).json();
const completed = (d, id) => until(async () => {
  const row = await job(d, id);
  assert.notEqual(row.status, 'failed', row.error_message);
  return row.status === 'completed' && row.script_metadata;
}, { what: () => `the end of ${id}` });
const writing = (d, id) => until(async () => (await job(d, id)).current_step.startsWith('generating'));
const pipelineOf = async (d) => Number(/scriptorium_build_info\{.*pipeline="(-?\d+)"/.exec(
  await (await d.get('/metrics')).text())[1]);

test('a folder is checked with file and line, and nothing is stored', (t) => {
  const dir = folder(t);
  const refused = (what, change) => {
    const p = pipeline(dir, `bad-${what}`);
    change(p);
    const done = run(dir, ['deploy', p]);
    assert.equal(done.code, 2, done.err);
    return done.err;
  };
  const edit = (p, from, to) => writeFileSync(join(p, 'pipeline.yaml'),
    readFileSync(join(p, 'pipeline.yaml'), 'utf8').replace(from, to));
  assert.match(refused('member', (p) => edit(p, 'action: save', 'action: save\n    magic: yes')), /pipeline\.yaml:\d+: .*magic/);
  assert.match(refused('model', (p) => edit(p, 'prompt: chunk.md', 'prompt: chunk.md\n    model: gone')),
    /pipeline\.yaml:25: there is no model 'gone'/);
  assert.match(refused('file', (p) => edit(p, 'prompt: expand.md', 'prompt: nowhere.md')), /pipeline\.yaml:\d+: .*nowhere\.md/);
  assert.match(refused('tag', (p) => writeFileSync(join(p, 'chunk.md'), 'a\nb {{#x}}\n')), /chunk\.md:2: .*closed/);
  assert.match(refused('bytes', (p) => writeFileSync(join(p, 'note.txt'), Buffer.from('a\nb\xff', 'latin1'))), /note\.txt:2: /);
  assert.match(refused('link', (p) => symlinkSync('/etc/hostname', join(p, 'x.md'))), /x\.md: a link that leads out/);
  assert.match(refused('many', (p) => { for (let i = 0; i < 70; i++) writeFileSync(join(p, `f${i}`), 'x'); }), /more than 64 files/);
  assert.match(refused('large', (p) => writeFileSync(join(p, 'big.md'), 'x'.repeat(300 << 10))), /big\.md: larger than/);
  assert.match(refused('nameless', (p) => edit(p, /^name: .*$/m, 'name: ""')), /pipeline\.yaml:2: 'name' is empty/);
  assert.match(refused('twins', (p) => edit(p, 'name: check', 'name: write')), /pipeline\.yaml:26: there is a step of that name already: 'write'/);
  assert.match(refused('bare', (p) => writeFileSync(join(p, 'chunk.md'), 'Write about {{topic}}.')),
    /chunk\.md: \{\{request\}\} is missing/);
  assert.match(refused('void', (p) => writeFileSync(join(p, 'continue.md'), '')), /continue\.md: \{\{request\}\} is missing/);
  mkdirSync(join(dir, 'empty'));
  assert.match(run(dir, ['deploy', 'empty']).err, /pipeline\.yaml: there is no such file/);
  assert.match(run(dir, ['deploy', 'missing']).err, /missing: No such file/);
  assert.match(run(dir, ['deployments']).err, /no such database/, 'nothing was made');
});

test('a name that nothing gives is pointed out, with file and line; it may be a member of the user\'s own', (t) => {
  const dir = folder(t), p = pipeline(dir, 'p', 'For {{topik}}.\n{{#plan.mood}}x{{/plan.mood}}{{voice.accent}}');
  const system = readFileSync(join(p, 'system.md'), 'utf8').split('\n');
  const line = system.findIndex((l) => l.includes('topik')) + 1;
  const done = run(dir, ['deploy', p]);
  assert.equal(done.code, 0);
  assert.deepEqual(done.err.match(/^note: system\.md:\d+: nothing is called '[^']+'/gm),
    [`note: system.md:${line}: nothing is called 'topik'`, `note: system.md:${line + 1}: nothing is called 'plan.mood'`]);
  assert.equal(deploy(dir, p).notes.length, 2);
  assert.deepEqual(deploy(dir, pipeline(dir, 'clean')).notes, []);
});

test('versions are stored once, listed and rolled back', (t) => {
  const dir = folder(t);
  const a = pipeline(dir, 'a'), b = pipeline(dir, 'b');
  assert.deepEqual([deploy(dir, a, '--note', 'first')].map((d) => [d.version, d.new]), [[1, true]]);
  assert.deepEqual([deploy(dir, b)].map((d) => [d.version, d.new]), [[2, true]]);
  assert.deepEqual([deploy(dir, b)].map((d) => [d.version, d.new]), [[2, false]]);
  const list = json(dir, ['deployments']);
  assert.equal(list.active, 2);
  assert.deepEqual(list.deployments.map((d) => [d.version, d.active]), [[2, true], [1, false], [0, false]]);
  assert.equal(list.deployments[1].note, 'first');
  assert.match(list.deployments[1].deployed_by, /^[^@]+@.+/);
  assert.deepEqual(json(dir, ['rollback']), { active: 1 });
  assert.deepEqual(json(dir, ['rollback']), { active: 0 });
  assert.match(run(dir, ['rollback']).err, /there is none before it/);
  assert.match(run(dir, ['rollback', '7']).err, /no version 7/);
  assert.equal(run(dir, ['rollback', 'two']).code, 2);
  assert.deepEqual(json(dir, ['rollback', '2']), { active: 2 });
});

test('a daemon takes a version within a second while jobs run; each job finishes on its own', async (t) => {
  const dir = folder(t);
  const d = await daemon(t, dir, { speed: '6' });
  assert.equal(await pipelineOf(d), 0);
  const first = await ask(d, 4);
  await writing(d, first);
  const { version, hash } = deploy(dir, pipeline(dir, 'one'));
  const since = Date.now();
  await until(async () => await pipelineOf(d) === version);
  assert.ok(Date.now() - since < 3000, `taken after ${Date.now() - since} ms`);
  const second = await ask(d);
  assert.equal((await completed(d, second)).deployment, 1);
  assert.equal((await completed(d, second)).pipelineVersion, hash.slice(0, 12));
  assert.equal((await completed(d, first)).deployment, 0);
  const back = await d.post('/v1/deployments/rollback');
  assert.deepEqual(await back.json(), { active: 0 });
  await until(async () => await pipelineOf(d) === 0);
  assert.equal((await d.post('/v1/deployments/rollback?version=9')).status, 404);
  assert.equal((await d.post('/v1/deployments/rollback')).status, 409);
  const list = await (await d.get('/v1/deployments')).json();
  assert.deepEqual(list.deployments.map((v) => v.version), [1, 0]);
});

test('after kill -9 a job goes on with the version it began with, and pays no finished call again', async (t) => {
  const dir = folder(t);
  deploy(dir, pipeline(dir, 'one'));
  const slow = await daemon(t, dir, { speed: '10' });
  const id = await ask(slow, 25);
  await until(async () => (await job(slow, id)).current_step === 'generating_chunk_2_of_2');
  deploy(dir, pipeline(dir, 'two'));
  await until(async () => await pipelineOf(slow) === 2);
  slow.process.kill('SIGKILL');
  await slow.process.ended;
  const before = sql(dir, 'SELECT step FROM scriptorium_step').map((s) => s.step);
  const fast = await daemon(t, dir, { speed: '300' });
  assert.equal(await pipelineOf(fast), 2);
  const made = await completed(fast, id);
  assert.equal(made.deployment, 1);
  const calls = sql(dir, 'SELECT step, count(*) AS n FROM scriptorium_call GROUP BY step');
  for (const step of before) assert.equal(calls.find((c) => c.step === step).n, 1, step);
  assert.equal((await completed(fast, await ask(fast))).deployment, 2);
  // Once it has ended, running it again is a new beginning.
  assert.equal((await fast.post(`/v1/jobs/${id}/retry`)).status, 200);
  await until(async () => (await job(fast, id)).status === 'completed' &&
    (await job(fast, id)).script_metadata.deployment === 2);
});

test('on PostgreSQL another node rescues a job with the version it began with', async (t) => {
  const dir = folder(t);
  const database = server.url({ database: await server.database() });
  const db = ['--database', database], env = { SCRIPTORIUM_LEASE: '2s' };
  assert.equal(run(dir, ['migrate', ...db]).code, 0);
  deploy(dir, pipeline(dir, 'one'), ...db);
  const a = await daemon(t, dir, { speed: '3', args: db, env });
  const id = await ask(a, 4);
  await writing(a, id);
  deploy(dir, pipeline(dir, 'two'), ...db);
  const b = await daemon(t, dir, { speed: '300', args: db, env });
  await until(async () => await pipelineOf(b) === 2, { what: () => 'the active version' });
  a.process.kill('SIGKILL');
  assert.equal((await completed(b, id)).deployment, 1);
  assert.equal((await completed(b, await ask(b))).deployment, 2);
  await b.logged((l) => /pipeline version 2 \(script/.test(l.message));
});

test('a version this program cannot read changes nothing; the operator is told', async (t) => {
  const dir = folder(t);
  deploy(dir, pipeline(dir, 'one'));
  deploy(dir, pipeline(dir, 'two'));
  // As a newer program would have written them.
  sql(dir, "UPDATE scriptorium_deployment SET content = '{\"format\":2,\"files\":{}}' WHERE version = 2");
  const d = await daemon(t, dir);
  await d.process.says(/pipeline version 2 cannot be used by this program.*newer program/);
  assert.equal(await pipelineOf(d), 1, 'the one before it');
  assert.equal((await completed(d, await ask(d))).deployment, 1);
  const three = deploy(dir, pipeline(dir, 'three')).version;
  await until(async () => await pipelineOf(d) === three);
  sql(dir, `UPDATE scriptorium_setting SET value = '2' WHERE key = 'deployment'`);
  await until(() => d.process.err.match(/version 2 cannot be used/g).length === 2);
  assert.equal((await completed(d, await ask(d))).deployment, three, 'the last good one');
  // A job that began with it waits for a program that can.
  run(dir, ['pause']);
  const id = await ask(d);
  sql(dir, `UPDATE scriptorium_queue SET version = 2 WHERE job_id = '${id}'`);
  run(dir, ['resume']);
  await d.process.says(/began with pipeline version 2, which this program .* cannot use/);
  assert.equal((await job(d, id)).retry_count, 0);
  assert.match((await job(d, id)).error_message, /pipeline version 2/);
});

test('a version with a model that a node does not have is not used there: its jobs would all fail', async (t) => {
  const dir = folder(t), house = pipeline(dir, 'house');
  writeFileSync(join(dir, 'models.yaml'), readFileSync(join(root, 'data/models.yaml'), 'utf8')
    .replace('- opus\n', '- opus\n      - house-model\n'));
  writeFileSync(join(house, 'pipeline.yaml'), readFileSync(join(house, 'pipeline.yaml'), 'utf8')
    .replace('prompt: chunk.md', 'prompt: chunk.md\n    model: house-model'));
  deploy(dir, pipeline(dir, 'one'));
  const d = await daemon(t, dir);
  deploy(dir, house, '--models', 'models.yaml');
  await d.process.says(/pipeline version 2 cannot be used.*pipeline\.yaml:25: there is no model 'house-model'/);
  const asked = run(dir, ['doctor', '--json', '--url', d.url]);
  const check = (out) => JSON.parse(out).checks.find((c) => c.name === 'pipeline');
  assert.equal(check(asked.out).verdict, 'ill');
  assert.match(check(asked.out).evidence, /^version 2 is active, and this program cannot use it: .*'house-model'/);
  assert.match(run(dir, ['rollback', '2']).err, /^note: this program cannot use version 2, .*'house-model'/);
  assert.match(run(dir, ['prompt', '--topic', 'Salt', '--step', 'write']).err, /version 2 cannot be used/);
  assert.deepEqual([check(run(dir, ['doctor', '--json', '--url', d.url, '--models', 'models.yaml']).out)]
    .map((c) => [c.verdict, c.evidence.slice(0, 27)]), [['well', 'version 2 is active: script']]);
  assert.equal((await completed(d, await ask(d))).deployment, 1);
  d.process.kill('SIGTERM');
  await d.process.ended;
  const knows = await daemon(t, dir, { args: ['--models', 'models.yaml'] });
  assert.equal((await completed(knows, await ask(knows))).deployment, 2);
});

test('--pipeline keeps to its folder, and leaves a job that has begun its own', async (t) => {
  const dir = folder(t);
  deploy(dir, pipeline(dir, 'one'));
  const own = pipeline(dir, 'own');
  json(dir, ['run', '--topic', 'Salt', '--minutes', '1', '--speed', '300', '--pipeline', own]);
  const [row] = sql(dir, "SELECT script_metadata ->> 'deployment' AS d FROM script_generation_jobs");
  assert.equal(row.d, null);
  const slow = start(t, dir, ['run', '--topic', 'Tea', '--minutes', '4', '--speed', '3']);
  await until(() => sql(dir, 'SELECT 1 FROM scriptorium_text').length > 0);
  slow.kill('SIGKILL');
  await slow.ended;
  const done = run(dir, ['run', '--speed', '300', '--pipeline', own]);
  assert.equal(done.code, 0, done.err);
  assert.deepEqual(sql(dir, "SELECT script_metadata ->> 'deployment' AS d FROM script_generation_jobs " +
    "WHERE generation_params ->> 'topic' = 'Tea'"), [{ d: 1 }]);
});
