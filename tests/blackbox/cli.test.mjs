// The command line: help, usage errors, exit codes, and the shape of what --json prints.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, program, root, run, until } from './harness.mjs';

const WORKFLOW = '0190163d-8694-739b-aea5-966c26f8ad91';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function commands(dir) {
  const { out } = run(dir, ['help']);
  return [...out.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2,}\S/gm)].map((m) => m[1]);
}

test('help lists every command of the reference, and no other', (t) => {
  const page = readFileSync(join(root, 'docs/commands.md'), 'utf8');
  const promised = [...page.matchAll(/^## (.+)$/gm)].map((m) => m[1]);
  assert.ok(promised.length > 30);
  assert.deepEqual(commands(folder(t)).sort(), promised.sort());
});

test('every command explains itself with --help and exits 0 without touching the folder', (t) => {
  const dir = folder(t);
  for (const name of commands(dir)) {
    const done = run(dir, [...name.split(' '), '--help']);
    assert.equal(done.code, 0, name);
    assert.match(done.out, new RegExp(`^usage: scriptorium ${name}`), name);
    assert.match(done.out, /--help/, name);
    assert.equal(done.err, '', name);
  }
  assert.equal(run(dir, ['jobs', 'list']).code, 1, 'no --help command may have made a store');
});

test('an unknown option is refused with exit 2, one line, and the nearest name', (t) => {
  const done = run(folder(t), ['run', '--topc', 'x']);
  assert.equal(done.code, 2);
  assert.equal(done.out, '');
  assert.match(done.err, /unknown option --topc; did you mean --topic\?/);
  assert.equal(done.err.trim().split('\n').length, 1);
});

test('an unknown command is refused with exit 2 and the nearest name', (t) => {
  const dir = folder(t);
  assert.match(run(dir, ['rum']).err, /unknown command 'rum'; did you mean 'run'/);
  assert.match(run(dir, ['jobs', 'lst']).err, /did you mean 'jobs list'/);
  assert.equal(run(dir, ['rum']).code, 2);
  assert.equal(run(dir, ['frobnicate']).code, 2);
});

test('values that cannot be are refused with exit 2, naming the option', (t) => {
  const dir = folder(t);
  for (const [args, pattern] of [
    [['run', '--minutes', 'ten', '--topic', 'x'], /--minutes wants .*'ten'/],
    [['run', '--jobs', '0'], /--jobs must be between 1 and/],
    [['run', '--minutes', '5'], /--minutes needs --topic, --jobs or --params/],
    [['run', '--topic'], /--topic needs a value/],
    [['run', '--topic', 'x', '--topic', 'y'], /--topic is given twice/],
    [['run', '--json=yes'], /--json takes no value/],
    [['enqueue', '--topic', 'x', '--priority', '11'], /--priority must be between 1 and 10/],
    [['enqueue', '--topic', 'x', '--user', 'me'], /--user: 'me' is no id/],
    [['jobs', 'show'], /ID is missing/],
    [['jobs', 'show', 'abc'], /'abc' is no id/],
    [['jobs', 'list', '--status', 'done'], /'done' is none; there are pending/],
    [['jobs', 'rescue'], /--older-than 30m/],
    [['backup'], /FILE is missing/],
    [['stats', 'now'], /'now' is one argument too many/],
    [['simulate', '--listen', 'here'], /'here' is no ADDRESS:PORT/],
    [['simulate', '--listen', '127.0.0.1:0', '--script', 'none.json'], /--script: none.json: No such file/],
    [['enqueue', '--topic', 'x', '--workflow', 'mine'], /--workflow: 'mine' is no id/],
    [['bench', 'speed'], /no benchmark 'speed'; there are: store, streams/],
    [['jobs'], /'jobs' needs one of its commands/],
    [['stats', '--database', 'mysql://localhost/x'], /sqlite:PATH or postgres:/],
  ]) {
    const done = run(dir, args);
    assert.equal(done.code, 2, `${args.join(' ')}: ${done.err}`);
    assert.match(done.err, pattern);
    assert.equal(done.err.trim().split('\n').length, 1, done.err);
  }
});

test('a job for later waits, and nobody claims it', (t) => {
  const dir = folder(t);
  run(dir, ['enqueue', '--topic', 'Salt', '--after', '2h']);
  const { queue } = json(dir, ['stats']);
  assert.deepEqual([queue.due, queue.delayed, queue.running], [0, 1, 0]);
  assert.equal(run(dir, ['enqueue', '--topic', 'Salt', '--after', 'tomorrow']).code, 2);
});

test('enqueue prints the id; the same key of the same user is the same job', (t) => {
  const dir = folder(t);
  const first = run(dir, ['enqueue', '--topic', 'Salt', '--idempotency-key', 'k1']);
  assert.equal(first.code, 0, first.err);
  assert.match(first.out.trim(), UUID);
  const again = run(dir, ['enqueue', '--topic', 'Salt', '--idempotency-key', 'k1']);
  assert.equal(again.out, first.out);
  assert.match(again.err, /used before/);
  const other = json(dir, ['enqueue', '--topic', 'Salt', '--idempotency-key', 'k2']);
  assert.equal(other.existed, false);
  assert.notEqual(other.id, first.out.trim());
  assert.equal(json(dir, ['jobs', 'list']).jobs.length, 2);
});

test('jobs list and show tell what was asked for, in both forms', (t) => {
  const dir = folder(t);
  const { id } = json(dir, ['enqueue', '--topic', 'Tea', '--minutes', '20', '--priority', '8',
    '--workflow', WORKFLOW]);
  const [listed] = json(dir, ['jobs', 'list', '--status', 'pending']).jobs;
  assert.equal(listed.id, id);
  assert.equal(listed.status, 'pending');
  assert.equal(listed.priority, 8);
  assert.equal(listed.progress, 0);
  const shown = json(dir, ['jobs', 'show', id]);
  assert.equal(shown.generation_params.topic, 'Tea');
  assert.equal(shown.workflow_id, WORKFLOW);
  assert.equal(shown.generation_params.targetDuration, 1200);
  assert.equal(shown.position, 1);
  assert.equal(shown.generated_script, null);
  assert.match(run(dir, ['jobs', 'show', id]).out, /^topic +Tea$/m);
  assert.equal(json(dir, ['jobs', 'list', '--status', 'completed']).jobs.length, 0);
});

test('a group of commands explains all of them', (t) => {
  for (const args of [['jobs', '--help'], ['jobs', '-h'], ['help', 'jobs']]) {
    const done = run(folder(t), args);
    assert.equal(done.code, 0, done.err);
    for (const name of ['list', 'show', 'retry', 'rescue'])
      assert.match(done.out, new RegExp(`^usage: scriptorium jobs ${name} `, 'm'));
  }
});

test('a fault script is played from the first request on', async (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'faults.json'), '[{"nth": 1, "fault": "529"}]');
  const sim = spawn(program, ['simulate', '--listen', '127.0.0.1:0', '--json', '--script', 'faults.json'],
    { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => sim.kill());
  const [line] = await once(sim.stdout, 'data');
  const ask = () => fetch(`${JSON.parse(line).url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] }),
  });
  assert.equal((await ask()).status, 529);
  assert.equal((await ask()).status, 200);
});

test('jobs watch names the job, says once that nobody works on it, and ends with it', async (t) => {
  const dir = folder(t);
  const { id } = json(dir, ['enqueue', '--topic', 'Slow tea']);
  const watch = spawn(program, ['jobs', 'watch'], { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  watch.stderr.on('data', (text) => { said += text; });
  await until(() => said.includes('no worker is alive'));
  assert.match(said, /Slow tea: waiting/);
  json(dir, ['jobs', 'cancel', id]);
  const [code] = await once(watch, 'close');
  assert.equal(code, 1, said);
  assert.equal(said.split('no worker is alive').length, 2, said);
  assert.match(said, /Slow tea: cancelled/);
});

test('a benchmark prints its figures, for people and as JSON', (t) => {
  const dir = folder(t), args = ['bench', 'streams', '5', '20', '0', '1'];
  const text = run(dir, args);
  assert.equal(text.code, 0, text.err);
  assert.match(text.out, /^streams: 5 streams, one event per 20 ms each/);
  const { bench, figures } = json(dir, args);
  assert.equal(bench, 'streams');
  const value = (what) => figures.find((f) => f.what === what).value;
  assert.equal(value('streams that ended early'), 0);
  assert.ok(value('events') > 100 && value('events') < 400, 'five streams, 50 events a second each');
});

test('a job that is not there is exit 1 with one line', (t) => {
  const dir = folder(t);
  run(dir, ['enqueue', '--topic', 'x']);
  const done = run(dir, ['jobs', 'show', '0190163d-8694-739b-aea5-966c26f8ad91']);
  assert.equal(done.code, 1);
  assert.equal(done.err.trim().split('\n').length, 1);
});

test('cancel and retry change the row, and refuse what makes no sense', (t) => {
  const dir = folder(t);
  const { id } = json(dir, ['enqueue', '--topic', 'x']);
  assert.deepEqual(json(dir, ['jobs', 'cancel', id]), { cancelled: 1 });
  assert.equal(json(dir, ['jobs', 'show', id]).status, 'cancelled');
  assert.deepEqual(json(dir, ['jobs', 'retry', '--status', 'cancelled']), { requeued: 1 });
  assert.equal(json(dir, ['jobs', 'show', id]).status, 'pending');
  assert.equal(run(dir, ['jobs', 'retry', id]).code, 1, 'a pending job cannot be retried');
});

test('stats counts jobs by status', (t) => {
  const dir = folder(t);
  const { id } = json(dir, ['enqueue', '--topic', 'a']);
  json(dir, ['enqueue', '--topic', 'b']);
  json(dir, ['jobs', 'cancel', id]);
  const stats = json(dir, ['stats']);
  assert.equal(stats.jobs.pending, 1);
  assert.equal(stats.jobs.cancelled, 1);
  assert.equal(stats.queue.due, 1);
  assert.equal(stats.cost_usd, 0);
});

test('migrate is safe twice, and --dry-run changes nothing', (t) => {
  const dir = folder(t);
  assert.equal(run(dir, ['migrate']).code, 0);
  assert.equal(run(dir, ['migrate']).code, 0);
  const plan = run(dir, ['migrate', '--dry-run']);
  assert.equal(plan.code, 0);
  assert.match(plan.out, /up to date/);
});

test('a backup is a whole store of its own', (t) => {
  const dir = folder(t);
  const { id } = json(dir, ['enqueue', '--topic', 'Copied']);
  const done = run(dir, ['backup', 'copy.db']);
  assert.equal(done.code, 0, done.err);
  json(dir, ['jobs', 'cancel', id]);
  const shown = json(dir, ['jobs', 'show', id, '--database', 'sqlite:copy.db']);
  assert.equal(shown.status, 'pending');
  assert.equal(shown.generation_params.topic, 'Copied');
});

test('precedence: option before environment before file before default', (t) => {
  const dir = folder(t);
  run(dir, ['enqueue', '--topic', 'x', '--database', 'sqlite:option.db'],
    { env: { DATABASE_URL: 'sqlite:environment.db' } });
  run(dir, ['enqueue', '--topic', 'x'], { env: { DATABASE_URL: 'sqlite:environment.db' } });
  assert.equal(json(dir, ['jobs', 'list', '--database', 'sqlite:option.db']).jobs.length, 1);
  assert.equal(json(dir, ['jobs', 'list', '--database', 'sqlite:environment.db']).jobs.length, 1);
  assert.equal(run(dir, ['jobs', 'list']).code, 1, 'the default file must not have been made');
  writeFileSync(join(dir, 'my.yaml'), 'database: sqlite:file.db\n');
  const file = ['--config', 'my.yaml'];
  run(dir, ['enqueue', '--topic', 'x', ...file]);
  run(dir, ['enqueue', '--topic', 'x', ...file], { env: { DATABASE_URL: 'sqlite:environment.db' } });
  run(dir, ['enqueue', '--topic', 'x', ...file, '--database', 'sqlite:option.db']);
  for (const [db, n] of [['file', 1], ['environment', 2], ['option', 2]]) {
    assert.equal(json(dir, ['jobs', 'list', '--database', `sqlite:${db}.db`]).jobs.length, n, db);
  }
});

test('a password in the provider\'s address is shown to nobody', (t) => {
  const dir = folder(t);
  run(dir, ['enqueue', '--topic', 'Salt', '--json']);
  const at = (url) => ({ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'k' });
  const wrong = run(dir, ['run'], { env: at('http://engine:hu@sh@127.0.0.1:1') });
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /the provider's address \(ANTHROPIC_BASE_URL\) must be .*%40/);
  assert.doesNotMatch(wrong.err + wrong.out, /hu@sh|sh@|engine/);
  const done = run(dir, ['run'], { env: at('http://engine:hu%40sh@127.0.0.1:1'), timeout: 4000 }); // it waits for the provider until it is ended
  assert.match(done.err, /cannot be reached at http:\/\/127\.0\.0\.1:1\/v1\/messages/);
  const rows = run(dir, ['jobs', 'list', '--json']).out + run(dir, ['logs', '--json']).out;
  assert.doesNotMatch(done.err + done.out + rows, /hu(@|%40)sh|sh@|engine/);
  const other = folder(t);
  run(other, ['enqueue', '--topic', 'Salt']);
  writeFileSync(join(other, 'address'), 'http://engine:hush@127.0.0.1:2\n');
  const read = run(other, ['run'], { env: { ANTHROPIC_BASE_URL_FILE: 'address', ANTHROPIC_API_KEY: 'k' }, timeout: 4000 });
  assert.match(read.err, /cannot be reached at http:\/\/127\.0\.0\.1:2\//);
  assert.doesNotMatch(read.err, /hush/);
});

test('a key or an address that cannot be meant is wrong usage, and not shown', (t) => {
  const dir = folder(t);
  for (const env of [{ ANTHROPIC_API_KEY: 'sk-hush hush' }, { ANTHROPIC_API_KEY: 'sk-hush', ANTHROPIC_BASE_URL: 'ftp://hush' }]) {
    for (const command of ['run', 'serve']) {
      const { code, err, out } = run(dir, [command], { env });
      assert.equal(code, 2, err);
      assert.match(err, /^scriptorium[^\n]*\(ANTHROPIC_(API_KEY|BASE_URL)\)[^\n]*\n$/);
      assert.doesNotMatch(err + out, /hush/);
    }
  }
});

test('completion in bash: commands for help, options after a dash, files where files are wanted', (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'completion'), run(dir, ['completion', 'bash']).out);
  const offered = (...words) => execFileSync('bash', ['-c', `source completion; COMP_WORDS=(scriptorium "$@");
    COMP_CWORD=$#; _scriptorium; printf '%s\\n' "\${COMPREPLY[@]}"`, 'bash', ...words], { cwd: dir, encoding: 'utf8' })
    .split('\n').filter(Boolean);
  assert.ok(offered('').includes('deploy'));
  assert.deepEqual(offered('de'), ['deploy', 'deployments']);
  assert.deepEqual(offered('help', 'de'), ['deploy', 'deployments']);
  assert.ok(offered('jobs', '').includes('list'));
  for (const name of ['deploy', 'backup']) {
    assert.deepEqual(offered(name, ''), [], 'nothing of ours: bash offers files');
    assert.ok(offered(name, '--').length > 1);
  }
});

test('a mistyped address is refused without its password', (t) => {
  const dir = folder(t);
  for (const url of ['postgres:engine:hush@db/app', 'host=db password=hush', 'mysql://engine:hush@db/app']) {
    const done = run(dir, ['stats'], { env: { DATABASE_URL: url } });
    assert.equal(done.code, 2);
    assert.match(done.err, /must be given as sqlite:PATH or postgres:/);
    assert.doesNotMatch(done.err, /hush/);
  }
});

test('what users write moves no operator\'s cursor', (t) => {
  const dir = folder(t);
  const id = run(dir, ['enqueue', '--topic', 'Salt\x1b]52;c;aGk=\x07 and\nwater \x9b2J']).out.trim();
  assert.match(run(dir, ['jobs', 'show', id]).out, /^topic +Salt ]52;c;aGk=  and water  2J$/m);
  assert.match(json(dir, ['jobs', 'show', id]).generation_params.topic, /\x1b/);
});

test('completion names the commands, and the manual holds all of them', (t) => {
  const dir = folder(t);
  const completion = run(dir, ['completion', 'bash']).out;
  const manual = run(dir, ['man']).out.replaceAll('\\-', '-');
  for (const name of commands(dir)) {
    assert.ok(completion.includes(`"${name}"`), name);
    assert.ok(manual.includes(`.SS scriptorium ${name}`), name);
  }
});
