// The main job: scripts asked for, written, counted; and the same figures as the provider's own.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compareLedgers, folder, json, program, run, simulator, sql, start } from './harness.mjs';

test('three jobs: files, summary and ledger say the same as the provider', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '200']);
  const summary = json(dir, ['run', '--jobs', '3', '--users', '3', '--minutes', '10', '--out', 'out'],
    { env: sim.env });
  assert.equal(summary.completed, 3);
  assert.equal(summary.stopped, false);
  assert.equal(new Set(summary.jobs.map((j) => j.user_id)).size, 3);
  const files = readdirSync(join(dir, 'out')).sort();
  assert.deepEqual(files, summary.jobs.map((j) => `${j.id}.md`).sort());
  for (const job of summary.jobs) {
    const text = readFileSync(join(dir, job.file), 'utf8');
    const shown = json(dir, ['jobs', 'show', job.id]);
    assert.equal(shown.status, 'completed');
    assert.equal(shown.progress, 100);
    assert.equal(shown.error_message, null);
    assert.equal(text.trim(), shown.generated_script.trim());
    // 10 minutes at 130 words are 1,300; under 80 % of them the pipeline expands.
    assert.ok(job.words >= 1040, `${job.words} words`);
    assert.equal(job.words, shown.script_metadata.words);
    assert.match(text, /^## Description/m);
    assert.match(text, /^## Tags/m);
  }
  const { exact, estimated } = compareLedgers(dir, await sim.ledger());
  assert.equal(estimated.length, 0);
  assert.equal(summary.totals.output_tokens, exact.reduce((sum, c) => sum + c.output, 0));
  assert.equal(summary.totals.input_tokens, exact.reduce((sum, c) => sum + c.input, 0));
  const [{ cost }] = sql(dir, 'SELECT sum(cost) AS cost FROM scriptorium_call');
  assert.equal(Math.round(summary.totals.cost_usd * 1e6), cost);
});

test('a long script has an outline, chunks of about equal length, and each checkpoint once', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '60']);
  const { jobs: [job] } = json(dir, ['run', '--topic', 'Glaciers', '--minutes', '50', '--out', 'out'],
    { env: sim.env });
  const shown = json(dir, ['jobs', 'show', job.id]);
  assert.equal(shown.total_chunks, 4); // 46 to 60 minutes
  const steps = sql(dir, 'SELECT step, count(*) AS n FROM scriptorium_step GROUP BY step');
  const names = steps.map((s) => s.step);
  for (const name of ['outline', 'chunk_1', 'chunk_2', 'chunk_3', 'chunk_4']) {
    assert.ok(names.includes(name), `${name} is not among ${names.join(', ')}`);
  }
  assert.ok(steps.every((s) => s.n === 1));
  assert.ok(job.words >= 0.8 * 50 * 130, `${job.words} words`);
});

test('without a key it says once that the provider is simulated, and works', (t) => {
  const dir = folder(t);
  const done = run(dir, ['run', '--topic', 'Salt', '--minutes', '2', '--speed', '300']);
  assert.equal(done.code, 0, done.err);
  assert.equal(done.err.match(/simulated provider/g).length, 1);
  assert.match(done.out, /1 of 1 scripts completed/);
  assert.equal(readdirSync(join(dir, 'scripts')).length, 1);
});

test('elsewhere than on a terminal progress is one plain line a step', (t) => {
  const dir = folder(t);
  const done = run(dir, ['run', '--topic', 'Salt', '--minutes', '2', '--speed', '300']);
  assert.match(done.err, /Salt: generating_chunk_1_of_1 \(20 %\)/);
  assert.match(done.err, /Salt: completed, [\d,]+ words in /);
  assert.ok(!done.err.includes('\x1b'), 'no control sequences');
});

test('with nothing to do it says so; with something left over it does it', (t) => {
  const dir = folder(t);
  const idle = run(dir, ['run']);
  assert.equal(idle.code, 0);
  assert.match(idle.err, /Nothing to do: the queue is empty/);
  const { id } = json(dir, ['enqueue', '--topic', 'Left over', '--minutes', '2']);
  const summary = json(dir, ['run', '--speed', '300']);
  assert.equal(summary.completed, 1);
  assert.equal(summary.jobs[0].id, id);
  assert.equal(summary.jobs[0].topic, 'Left over');
});

test('one slot works off three jobs one after the other', (t) => {
  const dir = folder(t);
  const { jobs } = json(dir, ['run', '--jobs', '3', '--minutes', '2', '--speed', '200',
    '--concurrency', '1']);
  const spans = sql(dir, 'SELECT min(opened_at) AS a, max(closed_at) AS z FROM scriptorium_call GROUP BY job_id')
    .sort((x, y) => x.a - y.a);
  assert.equal(jobs.length, 3);
  assert.equal(spans.length, 3);
  assert.ok(spans[0].z <= spans[1].a && spans[1].z <= spans[2].a, JSON.stringify(spans));
});

test('a database that another program holds for long is waited for, and told of once', async (t) => {
  const dir = folder(t);
  const engine = start(t, dir, ['run', '--jobs', '3', '--minutes', '10', '--speed', '20', '--out', 'out']);
  await engine.says(/generating_chunk_1_of/);
  const other = spawn('sqlite3', [join(dir, 'scriptorium.db')], { stdio: ['pipe', 'ignore', 'inherit'] });
  const gone = new Promise((done) => { other.on('close', done); });
  t.after(() => other.kill());
  other.stdin.write('.bail on\n.timeout 20000\nBEGIN IMMEDIATE;\n');
  await engine.says(/another program holds the database/); // after the five seconds that the store waits
  other.stdin.end('ROLLBACK;\n');
  assert.equal(await gone, 0);
  await engine.ended;
  assert.equal(engine.code, 0, engine.err);
  assert.equal(engine.err.match(/the jobs wait until this has passed/g).length, 1, engine.err);
  assert.equal(readdirSync(join(dir, 'out')).length, 3);
  const done = sql(dir, "SELECT retry_count FROM script_generation_jobs WHERE status = 'completed'");
  assert.deepEqual(done.map((j) => j.retry_count), [0, 0, 0]);
});

test('a request from a file in the shape that forms write becomes a script', (t) => {
  const dir = folder(t);
  const params = { topic: 'Bread', targetDuration: 180, contentPoints: { points: [{ name: 'Flour' }] },
    hook: { selected: 'Smell that?' }, voiceProfile: null };
  const summary = json(dir, ['run', '--params', '-', '--speed', '300'],
    { input: JSON.stringify(params) });
  assert.equal(summary.completed, 1);
  assert.equal(summary.jobs[0].topic, 'Bread');
});

// Runs it on a terminal of 80 columns (util-linux's script makes one).
function onTerminal(dir, args, env) {
  const line = [program, ...args].map((a) => `'${a}'`).join(' ');
  const done = spawnSync('script', ['-qec', line, '/dev/null'], { cwd: dir, encoding: 'utf8', input: '',
    env: { PATH: process.env.PATH, TERM: 'xterm', LANG: 'C.UTF-8', ...env }, timeout: 60000 });
  assert.equal(done.status, 0, done.stdout);
  return done.stdout;
}

test('on a terminal there is a line per job, redrawn in place, within the screen', (t) => {
  const out = onTerminal(folder(t), ['run', '--jobs', '3', '--minutes', '5', '--speed', '20'], {});
  const pictures = out.split('\x1b[J');
  assert.ok(pictures.length > 3, 'redrawn');
  const middle = pictures.find((p) => /3 running/.test(p) && /[3-7]\d%/.test(p));
  assert.ok(middle, out);
  assert.match(middle, /▸ Why bridges hum.*generating chunk 1 of 1.*█/);
  assert.match(middle, /\x1b\[2?3?\d?m/, 'in colour');
  for (const line of middle.replace(/\x1b\[\d*[mAJ]/g, '').split(/\r?\n/)) {
    assert.ok([...line].length < 80, `${[...line].length} columns: ${line}`);
  }
  assert.match(out, /3 of 3 scripts completed/);
});

test('NO_COLOR keeps colour away, TERM=dumb the picture', (t) => {
  const dir = folder(t);
  const plain = onTerminal(dir, ['run', '--topic', 'A', '--minutes', '2', '--speed', '50'],
    { NO_COLOR: '1' });
  assert.doesNotMatch(plain, /\x1b\[\d*m/);
  assert.match(plain, /\x1b\[\d+A/, 'still redrawn in place');
  const dumb = onTerminal(dir, ['run', '--topic', 'A', '--minutes', '2', '--speed', '50'],
    { TERM: 'dumb' });
  assert.ok(!dumb.includes('\x1b'));
  assert.match(dumb, /A: completed, /);
});
