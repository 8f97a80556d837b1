// `prompt`: the body that would be sent, byte for byte, with its estimate; and nothing is called.
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, root, run, start } from './harness.mjs';

// A provider that keeps the first request and refuses it.
async function listener(t) {
  const seen = [];
  const server = createServer((request, answer) => {
    let body = '';
    request.on('data', (d) => { body += d; });
    request.on('end', () => {
      seen.push({ body, version: request.headers['anthropic-version'] });
      answer.writeHead(400, { 'content-type': 'application/json' });
      answer.end('{"type":"error","error":{"type":"invalid_request_error","message":"no"}}');
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  return { seen, env: { ANTHROPIC_BASE_URL: `http://127.0.0.1:${server.address().port}`, ANTHROPIC_API_KEY: 'k' } };
}

test('the body is the one that a run sends, and nothing is called', async (t) => {
  const dir = folder(t), { seen, env } = await listener(t);
  const params = { topic: 'Salt "and" pepper', targetDuration: 1500, tone: 'calm', mustInclude: ['\u00e9lan'] };
  writeFileSync(join(dir, 'r.json'), JSON.stringify(params));
  const done = run(dir, ['prompt', '--params', 'r.json', '--step', 'outline'], { env });
  assert.equal(done.code, 0, done.err);
  assert.equal(seen.length, 0);
  assert.ok(!existsSync(join(dir, 'scriptorium.db')), 'no database is made');
  const job = start(t, dir, ['run', '--params', 'r.json'], { env });
  await job.ended;
  assert.equal(done.out, `${seen[0].body}\n`);
  const data = json(dir, ['prompt', '--params', 'r.json', '--step', 'outline'], { env });
  assert.deepEqual(data.body, JSON.parse(seen[0].body));
  assert.equal(data.anthropic_version, seen[0].version);
  assert.equal(data.simulated_answers, 0);
  assert.equal(data.deployment, 0);
});

test('the operator\'s longest video bounds the rehearsal as it bounds the run', async (t) => {
  const dir = folder(t), { seen, env } = await listener(t);
  const bounded = { ...env, SCRIPTORIUM_JOB_DURATION_MAX: '3m' };
  writeFileSync(join(dir, 'r.json'), '{"topic": "Salt"}');
  const done = run(dir, ['prompt', '--params', 'r.json', '--step', 'write'], { env: bounded });
  const job = start(t, dir, ['run', '--params', 'r.json'], { env: bounded });
  await job.ended;
  assert.equal(done.out, `${seen[0].body}\n`);
  for (const command of [['prompt', '--step', 'write'], ['enqueue']]) {
    const long = run(dir, [...command, '--topic', 'Salt', '--minutes', '4'], { env: bounded });
    assert.equal(long.code, 2);
    assert.match(long.err, /targetDuration.*180/);
  }
});

test('the estimate adds up', (t) => {
  const dir = folder(t);
  const d = json(dir, ['prompt', '--topic', 'Salt', '--minutes', '10', '--step', 'write']);
  // 10 minutes x 130 words, 10 % more asked for; 1.5 tokens a word.
  assert.ok(Math.abs(d.expected_output_tokens - 1430 * 1.5) < 10, d.expected_output_tokens);
  assert.equal(d.max_output_tokens, 8192);
  // Sonnet 5.5: 2 and 10 dollars a million; the system prompt is written to the cache at 1.25 times.
  const low = (2 * d.estimated_input_tokens + 10 * d.expected_output_tokens) / 1e6;
  const high = (2.5 * d.estimated_input_tokens + 10 * d.expected_output_tokens) / 1e6;
  assert.ok(d.estimated_cost_usd >= low - 1e-6 && d.estimated_cost_usd <= high + 1e-6, `${low} ${d.estimated_cost_usd} ${high}`);
  assert.ok(Math.abs(d.max_cost_usd - d.estimated_cost_usd - 10 * (8192 - d.expected_output_tokens) / 1e6) < 2e-6);
});

test('later steps are shown with simulated answers before them', (t) => {
  const dir = folder(t);
  const show = (step) => json(dir, ['prompt', '--topic', 'Salt', '--minutes', '25', '--step', step]);
  assert.equal(show('write').step, 'chunk_1');
  assert.equal(show('chunk_2').simulated_answers, 2);
  assert.equal(show('outline+repair').step, 'outline+repair');
  assert.equal(show('chunk_1+1').step, 'chunk_1+1');
  assert.equal(show('expand').step, 'expand');
  assert.match(show('chunk_2').body.messages[0].content, /<request kind="chunk" chunk="2" chunks="2"/);
  assert.deepEqual(show('chunk_2').body, show('chunk_2').body, 'the same each time');
});

test('a step that is not there is refused with those that are', (t) => {
  const dir = folder(t);
  const refused = (...args) => {
    const done = run(dir, ['prompt', ...args]);
    assert.equal(done.code, 2, done.out);
    return done.err;
  };
  assert.match(refused('--topic', 'Salt', '--minutes', '5', '--step', 'outline'), /no step 'outline'; it has: chunk_1, expand/);
  assert.match(refused('--topic', 'Salt', '--step', 'chunk_9'), /it has: chunk_1/);
  assert.match(refused('--topic', 'Salt'), /--step is missing/);
  assert.match(refused('--step', 'write'), /--params FILE or --topic/);
  writeFileSync(join(dir, 'bad.json'), '{"targetDuration": 60}');
  assert.match(refused('--params', 'bad.json', '--step', 'write'), /topic/);
});

test('the deployed pipeline is shown, or that of a folder', (t) => {
  const dir = folder(t);
  cpSync(join(root, 'pipelines/script'), join(dir, 'p'), { recursive: true });
  appendFileSync(join(dir, 'p/system.md'), 'Be brief, says the folder.\n');
  const show = (...args) => json(dir, ['prompt', '--topic', 'Salt', '--step', 'write', ...args]);
  assert.equal(show('--pipeline', 'p').deployment, null);
  assert.match(show('--pipeline', 'p').body.system[0].text, /says the folder/);
  assert.deepEqual(show('--pipeline', 'p').notes, []);
  cpSync(join(dir, 'p'), join(dir, 'slip'), { recursive: true });
  appendFileSync(join(dir, 'slip/chunk.md'), '{{topik}}');
  assert.match(show('--pipeline', 'slip').notes[0], /^chunk\.md:\d+: nothing is called 'topik'/);
  json(dir, ['deploy', 'p']);
  assert.equal(show().deployment, 1);
  assert.match(show().body.system[0].text, /says the folder/);
  json(dir, ['rollback']);
  assert.equal(show().deployment, 0);
});
