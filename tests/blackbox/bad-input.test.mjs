// What goes wrong from outside: one line that says what to do, exit 1 or 2, nothing lost.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, copyFileSync, cpSync, ftruncateSync, mkdirSync, openSync, readFileSync,
  writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, program, root, run, simulator, sql, start } from './harness.mjs';

const NOBODY = 65534;

function oneLine(done, code, pattern) {
  assert.equal(done.code, code, done.err + done.out);
  assert.match(done.err, pattern);
  const lines = done.err.trim().split('\n').filter((l) => l.startsWith('scriptorium'));
  assert.equal(lines.length, 1, done.err);
}

test('a file that is no store is refused and left as it was', (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'scriptorium.db'), 'this is a letter to my grandmother\n'.repeat(500));
  oneLine(run(dir, ['run', '--topic', 'x', '--speed', '100']), 1, /scriptorium\.db/);
  oneLine(run(dir, ['jobs', 'list']), 1, /scriptorium\.db/);
});

test('a store written by a newer version is refused', (t) => {
  const dir = folder(t);
  run(dir, ['migrate']);
  const [{ user_version: version }] = sql(dir, 'PRAGMA user_version');
  sql(dir, `PRAGMA user_version = ${version + 100}`);
  oneLine(run(dir, ['run', '--topic', 'x', '--speed', '100']), 1, /newer/);
});

test('a store that is not there is named by the commands that only look', (t) => {
  oneLine(run(folder(t), ['stats']), 1, /scriptorium\.db/);
});

test('a full disk stops the run with one line, and nothing that was saved is lost',
  { skip: process.getuid() !== 0 && 'mounting needs root' }, (t) => {
    const dir = folder(t);
    const small = join(dir, 'small');
    mkdirSync(small);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
    if (mounted.status !== 0) {
      t.skip('this machine allows no mount');
      return;
    }
    try {
      const { id } = json(dir, ['enqueue', '--topic', 'Kept', '--minutes', '10',
        '--database', 'sqlite:small/jobs.db']);
      spawnSync('sh', ['-c', `head -c 700k /dev/zero >${small}/ballast; df ${small}`]);
      const done = run(dir, ['run', '--jobs', '40', '--minutes', '60', '--speed', '300', '--out', 'out',
        '--database', 'sqlite:small/jobs.db']);
      oneLine(done, 1, /no space left|disk is full|full/i);
      spawnSync('rm', [`${small}/ballast`]);
      const shown = json(dir, ['jobs', 'show', id, '--database', 'sqlite:small/jobs.db']);
      assert.equal(shown.generation_params.topic, 'Kept');
      const [{ integrity_check: verdict }] = sql(dir, 'PRAGMA integrity_check', 'small/jobs.db');
      assert.equal(verdict, 'ok');
    } finally {
      spawnSync('umount', ['-l', small]);
    }
  });

test('a folder or file that may not be written is named', (t) => {
  const dir = folder(t);
  run(dir, ['migrate']);
  const locked = join(dir, 'locked');
  mkdirSync(locked);
  chmodSync(locked, 0o555);
  chmodSync(join(dir, 'scriptorium.db'), 0o444);
  chmodSync(dir, 0o755);
  // root may write everything; who is not root may not even reach a program in root's home
  const file = join(dir, 'scriptorium');
  copyFileSync(program, file);
  const who = process.getuid() === 0 ? { uid: NOBODY, file } : {};
  oneLine(run(dir, ['enqueue', '--topic', 'x'], who), 1, /scriptorium\.db/);
  oneLine(run(locked, ['enqueue', '--topic', 'x'], who), 1, /scriptorium\.db/);
  chmodSync(join(dir, 'scriptorium.db'), 0o644);
  const writable = folder(t);
  chmodSync(writable, 0o777);
  oneLine(run(writable, ['run', '--topic', 'x', '--out', join(locked, 'out')], who), 1,
    /locked\/out: .*--out/);
});

test('root looks at somebody\'s database, and the owner works on it after that', { skip: process.getuid() !== 0 && 'needs root' }, (t) => {
  const dir = folder(t), file = join(dir, 'scriptorium'), owner = { uid: NOBODY, file };
  copyFileSync(program, file);
  chmodSync(dir, 0o777);
  assert.equal(run(dir, ['enqueue', '--topic', 'x', '--minutes', '0.25'], owner).code, 0);
  rmSync(join(dir, 'scriptorium.db.writers'));
  assert.equal(run(dir, ['stats']).code, 0);
  const worked = run(dir, ['run', '--speed', '1000'], owner);
  assert.equal(worked.code, 0, worked.err);
});

test('a mistake in the configuration is named with file and line', (t) => {
  const dir = folder(t);
  writeFileSync(join(dir, 'a.yaml'), 'log_level: info\nconcurency: 3\n');
  oneLine(run(dir, ['stats', '--config', 'a.yaml']), 2, /a\.yaml:2: .*concurency/);
  writeFileSync(join(dir, 'b.yaml'), 'anthropic:\n  idle_timeout: soon\n');
  oneLine(run(dir, ['stats', '--config', 'b.yaml']), 2, /b\.yaml:2: .*idle_timeout/);
  writeFileSync(join(dir, 'c.yaml'), 'database: [a\n');
  oneLine(run(dir, ['stats', '--config', 'c.yaml']), 2, /c\.yaml:\d/);
  oneLine(run(dir, ['stats', '--config', 'none.yaml']), 2, /none\.yaml: No such file/);
});

test('parameters that are no JSON, no object, or without a topic are refused', (t) => {
  const dir = folder(t);
  for (const [text, pattern] of [
    ['{"topic": "x"', /p\.json: not valid JSON/],
    ['["x"]', /p\.json: expected a JSON object/],
    ['{"title": null}', /topic/],
    ['{"topic": "x", "targetDuration": 1e9}', /targetDuration/],
  ]) {
    writeFileSync(join(dir, 'p.json'), text);
    oneLine(run(dir, ['run', '--params', 'p.json']), 2, pattern);
    oneLine(run(dir, ['enqueue', '--params', 'p.json']), 2, pattern);
  }
  oneLine(run(dir, ['enqueue', '--params', 'none.json']), 2, /none\.json: No such file/);
  assert.equal(run(dir, ['stats']).code, 1, 'no store was made for a request that was refused');
});

test('parameters of 100 MB are refused without reading them all', (t) => {
  const dir = folder(t);
  const fd = openSync(join(dir, 'big.json'), 'w');
  ftruncateSync(fd, 100 << 20);
  closeSync(fd);
  oneLine(run(dir, ['run', '--params', 'big.json']), 2, /big\.json: larger than 8388608 bytes/);
});

test('a missing topic is asked for', (t) => {
  oneLine(run(folder(t), ['enqueue', '--minutes', '5']), 2, /topic is missing: --topic/);
});

test('a key that the provider refuses ends the run with one line; the job waits', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '100', '--accept-key', 'the-right-one']);
  const done = run(dir, ['run', '--topic', 'Kept', '--minutes', '2'],
    { env: { ...sim.env, ANTHROPIC_API_KEY: 'a-wrong-secret' } });
  oneLine(done, 1, /401|key|authentication/i);
  assert.ok(!(done.err + done.out).includes('a-wrong-secret'), 'the key is a secret');
  assert.equal(json(dir, ['stats']).jobs.pending, 1);
  assert.equal(json(dir, ['stats']).cost_usd, 0);
  // It would be tried again in a minute; run again by hand it is due at once.
  const [{ id }] = json(dir, ['jobs', 'list']).jobs;
  json(dir, ['jobs', 'cancel', id]);
  json(dir, ['jobs', 'retry', id]);
  const again = run(dir, ['run'], { env: { ...sim.env, ANTHROPIC_API_KEY: 'the-right-one' } });
  assert.equal(again.code, 0, again.err);
});

test('a provider that cannot be reached ends the run with one line; the job waits', (t) => {
  const dir = folder(t);
  const done = run(dir, ['run', '--topic', 'Kept', '--minutes', '2'],
    { env: { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9', ANTHROPIC_API_KEY: 'k' }, timeout: 60000 });
  oneLine(done, 1, /127\.0\.0\.1|reach|connect/i);
  assert.equal(json(dir, ['stats']).jobs.pending, 1);
});

test('an address that is taken is named', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir);
  oneLine(run(dir, ['simulate', '--listen', new URL(sim.url).host]), 1, /in use|taken|busy/i);
});

test('a second engine on the same file is refused with a clear line', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '5']);
  const first = start(t, dir, ['run', '--topic', 'First', '--minutes', '10'], { env: sim.env });
  await first.says(/generating_chunk_1/);
  const second = run(dir, ['run', '--topic', 'Second'], { env: sim.env });
  oneLine(second, 1, /scriptorium\.db/);
  assert.match(second.err, /another|already|other/i);
  assert.equal(run(dir, ['stats']).code, 0, 'others may look');
});

test('a pipeline folder that is not one is named with what is missing', (t) => {
  const dir = folder(t);
  oneLine(run(dir, ['run', '--topic', 'x', '--pipeline', 'nowhere']), 2, /nowhere: No such file/);
  cpSync(join(root, 'pipelines/script'), join(dir, 'mine'), { recursive: true });
  const lines = readFileSync(join(dir, 'mine/pipeline.yaml'), 'utf8').split('\n');
  const at = lines.findIndex((line) => line.includes('max_tokens_cap'));
  lines[at] = lines[at].replace('max_tokens_cap', 'max_tokens_cup');
  writeFileSync(join(dir, 'mine/pipeline.yaml'), lines.join('\n'));
  oneLine(run(dir, ['run', '--topic', 'x', '--pipeline', 'mine']), 2,
    new RegExp(`pipeline\\.yaml:${at + 1}: .*max_tokens_cup`));
  writeFileSync(join(dir, 'models.yaml'), 'models: 3\n');
  oneLine(run(dir, ['run', '--topic', 'x', '--models', 'models.yaml']), 2, /models\.yaml:1: /);
  assert.equal(json(dir, ['stats']).jobs.pending, 0, 'nothing was put into the queue');
});

test('a copy of the built-in pipeline works as the built-in one', (t) => {
  const dir = folder(t);
  cpSync(join(root, 'pipelines/script'), join(dir, 'mine'), { recursive: true });
  const summary = json(dir, ['run', '--topic', 'x', '--minutes', '2', '--speed', '300', '--pipeline', 'mine']);
  assert.equal(summary.completed, 1);
});
