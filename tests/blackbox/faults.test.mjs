// What the provider can do to us, seen from the jobs: what becomes of them, of what was written, and
// of the money. The numbers are those of the list of faults that the provider's client is tested with.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compareLedgers, folder, json, simulator, sql, start, until } from './harness.mjs';
import { messageStart, proxy, stream } from './proxy.mjs';

const order = (sim, faults) => fetch(`${sim.url}/sim/faults`, { method: 'POST', body: JSON.stringify(faults) })
  .then((answer) => assert.equal(answer.status, 200));

const jobs = (dir) => sql(dir, 'SELECT * FROM script_generation_jobs ORDER BY id');
const calls = (dir) => sql(dir, 'SELECT * FROM scriptorium_call ORDER BY opened_at');

// A simulator with faults, and one `run` against it.
async function faulty(t, { faults = [], args = ['--topic', 'Tides', '--minutes', '10'], speed = 50, acts, config } = {}) {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', String(speed)]);
  const front = acts ? await proxy(t, sim.url, acts) : sim;
  if (faults.length > 0) await order(sim, faults);
  const more = [];
  if (config) {
    writeFileSync(join(dir, 'test.yaml'), config);
    more.push('--config', 'test.yaml');
  }
  const engine = start(t, dir, ['run', ...args, ...more], { env: front.env });
  return { dir, sim, engine, front };
}

async function ended(context, code) {
  await context.engine.ended;
  assert.equal(context.engine.code, code, context.engine.err + context.engine.out);
  return context;
}

// Sixteen words in a row that stand in the script twice. (Single sentences may: the simulator makes
// them of a small grammar.)
function repeated(script) {
  const words = script.split(/\s+/), seen = new Set(), twice = [];
  for (let i = 0; i + 16 <= words.length; i++) {
    const run = words.slice(i, i + 16).join(' ');
    if (seen.has(run)) twice.push(run);
    seen.add(run);
  }
  return twice;
}

// The one job is done, no retry was burned, the script is whole, and both ledgers agree.
async function completed({ dir, sim }, words = 1300) {
  const [job] = jobs(dir);
  assert.equal(job.status, 'completed', job.error_message);
  assert.equal(job.retry_count, 0);
  assert.equal(job.error_message, null);
  const shown = json(dir, ['jobs', 'show', job.id]);
  assert.ok(shown.script_metadata.words >= 0.8 * words && shown.script_metadata.words < 1.5 * words,
    `${shown.script_metadata.words} words`);
  return compareLedgers(dir, await sim.ledger());
}

// A cut call whose text was kept: the rest was asked for, nothing was written twice, both are paid.
async function continued(context) {
  const { dir } = await ended(context, 0);
  const { exact, estimated } = await completed(context);
  const steps = sql(dir, "SELECT step, text FROM scriptorium_step WHERE stop = 'cut'");
  assert.equal(steps.length, 1, 'the text of the cut call is a checkpoint');
  assert.equal(estimated.length, 1);
  const [cut] = estimated;
  const rest = exact.find((c) => c.step !== 'outline');
  assert.notEqual(rest.step, cut.step);
  assert.ok(cut.output > 0 && rest.output > 0);
  const script = jobs(dir)[0].generated_script;
  assert.deepEqual(repeated(script), []);
  // Spoken words: a heading that nothing was said under yet may give way to a better one.
  const spoken = steps[0].text.split('\n').filter((line) => !/^[#[]/.test(line)).join('\n').trim();
  const last = spoken.split(/(?<=[.!?])\s+/).pop();
  assert.ok(script.includes(last), `what was saved is in the script: ${last}`);
  assert.ok(!script.includes(`${last} ${last}`), 'and not twice at the seam');
  const [{ cost }] = sql(dir, 'SELECT sum(cost) AS cost FROM scriptorium_call');
  assert.ok(cost > calls(dir).find((c) => c.state === 2).cost && cost > calls(dir).find((c) => c.state === 1).cost);
  return { cut, rest };
}

test('an undisturbed script repeats no sixteen words', async (t) => {
  const context = await ended(await faulty(t), 0); // what continued() builds on
  await completed(context);
  assert.deepEqual(repeated(jobs(context.dir)[0].generated_script), []);
});

test('1: 429 with retry-after puts its bucket to sleep for exactly so long; others run', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--speed', '10']);
  await order(sim, [{ fault: '429', retry_after: 15 }]); // 1.5 s on the wire
  const request = (model) => JSON.stringify({ topic: 'Tides', targetDuration: 120, model });
  for (const model of ['claude-sonnet-5-5', 'claude-haiku-4-5']) {
    writeFileSync(join(dir, `${model}.json`), request(model));
    json(dir, ['enqueue', '--params', `${model}.json`]);
  }
  await ended({ engine: start(t, dir, ['run'], { env: sim.env }) }, 0);
  const ledger = await sim.ledger();
  const [refused, other] = ledger;
  assert.equal(refused.status, 429);
  assert.notEqual(other.model, refused.model);
  const again = ledger.find((e) => e.model === refused.model && e.status === 200);
  const first = calls(dir).find((c) => c.id === refused.call), second = calls(dir).find((c) => c.id === again.call);
  const slept = (second.opened_at - first.closed_at) / 1e6;
  assert.ok(slept >= 1.4 && slept < 2.5, `${slept} s`);
  const wait = (calls(dir).find((c) => c.id === other.call).opened_at - first.opened_at) / 1e6;
  assert.ok(wait < 1.4, `the other model waited ${wait} s`);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), [['completed', 0], ['completed', 0]]);
  assert.equal(compareLedgers(dir, ledger).exact.length, ledger.length - 1);
});

test('2: a spend limit parks everything, is told in one line, and costs no retry', async (t) => {
  const context = await faulty(t, { faults: [{ fault: 'spend', times: 1000 }],
    args: ['--jobs', '5', '--minutes', '2', '--concurrency', '2'] });
  const { dir, sim, engine } = await ended(context, 1);
  const lines = engine.err.split('\n').filter((l) => l.startsWith('scriptorium'));
  assert.equal(lines.length, 1, engine.err);
  assert.match(lines[0], /spend/);
  assert.match(lines[0], /scriptorium run/);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), Array(5).fill(['pending', 0]));
  const ledger = await sim.ledger();
  assert.ok(ledger.length <= 2, `${ledger.length} requests: somebody tried again`);
  compareLedgers(dir, ledger);

  await fetch(`${sim.url}/sim/reset`, { method: 'POST', body: '{}' });
  sql(dir, 'UPDATE scriptorium_queue SET state = 0, run_at = 0'); // the minute is over
  await ended({ engine: start(t, dir, ['run'], { env: sim.env }) }, 0);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), Array(5).fill(['completed', 0]));
});

test('a key that is refused is told in one line and nothing is tried again', async (t) => {
  const dir = folder(t);
  const sim = await simulator(t, dir, ['--accept-key', 'another']);
  const { engine } = await ended({ engine: start(t, dir, ['run', '--jobs', '3', '--minutes', '2'], { env: sim.env }) }, 1);
  const lines = engine.err.split('\n').filter((l) => l.startsWith('scriptorium'));
  assert.equal(lines.length, 1, engine.err);
  assert.match(lines[0], /check the API key/);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), Array(3).fill(['pending', 0]));
});

test('3: a ramp limit is a slow start, not a failure', async (t) => {
  const context = await faulty(t, { faults: [{ fault: 'ramp', times: 3 }], args: ['--jobs', '6', '--minutes', '2'] });
  const { dir, sim } = await ended(context, 0);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), Array(6).fill(['completed', 0]));
  compareLedgers(dir, await sim.ledger());
});

test('4: a short burst of 529 is waited out', async (t) => {
  const context = await faulty(t, { faults: [{ fault: '529', times: 6, should_retry: true }],
    args: ['--jobs', '4', '--minutes', '2'] });
  const { dir, sim } = await ended(context, 0);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), Array(4).fill(['completed', 0]));
  compareLedgers(dir, await sim.ledger());
});

test('4: a long one is asked less and less, one call at a time, and uses up no job', async (t) => {
  const { dir, sim, engine } = await faulty(t, { faults: [{ fault: '529', times: 100000 }],
    args: ['--jobs', '4', '--minutes', '2'] });
  // Four at once, and again; from the fifth refusal in a row on they wait for each other, first a second.
  const opened = () => calls(dir).map((c) => c.opened_at / 1e6);
  const waited = () => opened().findIndex((at, i, all) => i > 4 && at - all[i - 1] >= 1);
  await until(() => engine.closed || (sql(dir, "SELECT 1 FROM sqlite_master WHERE name = 'scriptorium_call'").length > 0 &&
    waited() > 0), { what: () => `a pause\n${engine.err}` });
  engine.kill('SIGINT');
  await engine.ended;
  const ledger = await sim.ledger();
  assert.ok(ledger.length <= 4 + 4 + 2, `${opened().map((at) => at - opened()[0])}`);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), Array(4).fill(['pending', 0]));
  compareLedgers(dir, ledger);
});

test('a provider that answers nobody burns no retry', async (t) => {
  // Six tries of a single call that fails for reasons of its own are an attempt. Here nobody is answered.
  const late = (response) => {
    response.writeHead(408, { 'retry-after-ms': '10' });
    response.end();
  };
  const context = await faulty(t, { acts: Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [n, late])),
    args: ['--jobs', '1', '--minutes', '2'] });
  const { dir } = await ended(context, 0);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), [['completed', 0]]);
  assert.deepEqual(calls(dir).map((c) => c.state), [3, 3, 3, 3, 3, 3, 1], 'six that cost nothing');
});

test('what the limits cost a call in tries is not counted against its job', async (t) => {
  const answer = (status) => (response) => {
    response.writeHead(status, { 'retry-after-ms': '10' });
    response.end();
  };
  const acts = Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [n, answer(429)]));
  const context = await faulty(t, { acts: { ...acts, 7: answer(408) }, args: ['--jobs', '1', '--minutes', '2'] });
  const { dir } = await ended(context, 0);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), [['completed', 0]]);
  assert.equal(context.front.calls(), 8);
});

test('5: 500 with x-should-retry: false is not tried again', async (t) => {
  const context = await faulty(t, { faults: [{ fault: '500', times: 1000, should_retry: false }] });
  const { dir, sim } = await ended(context, 1);
  const [job] = jobs(dir);
  assert.equal(job.status, 'failed');
  assert.match(job.error_message, /500/);
  assert.equal((await sim.ledger()).length, 1);
  compareLedgers(dir, await sim.ledger());
});

test('9: an error as the first event is tried again and costs nothing', async (t) => {
  const context = await ended(await faulty(t, { faults: [{ fault: '529-stream' }] }), 0);
  const { estimated } = await completed(context);
  assert.equal(estimated.length, 0);
  assert.equal(calls(context.dir)[0].state, 3);
});

test('10: an error after 1,000 tokens: what was written is kept, the rest is asked for', async (t) => {
  const { cut } = await continued(await faulty(t, { faults: [{ fault: 'error', after_tokens: 1000 }] }));
  assert.equal(cut.truth.billed_output_tokens, 1000);
  assert.ok(Math.abs(cut.output - 1000) <= 100, `${cut.output} tokens estimated of 1000`);
});

test('10: many errors in a row end in a whole script without a sentence twice', async (t) => {
  const context = await faulty(t, { faults: [{ fault: 'error', after_tokens: 350, times: 4 }] });
  const { dir } = await ended(context, 0);
  const { estimated } = await completed(context);
  assert.equal(estimated.length, 4);
  assert.deepEqual(repeated(jobs(dir)[0].generated_script), []);
  const opened = calls(dir).map((c) => c.opened_at / 1e6);
  const closed = calls(dir).map((c) => c.closed_at / 1e6);
  for (let i = 0; i < 4; i++) { // half a second, less up to a quarter
    assert.ok(opened[i + 1] - closed[i] > 0.3, `no pause after overload ${i + 1}: ${opened[i + 1] - closed[i]} s`);
  }
});

test('11: an answer that ends without a stop reason is not taken for a whole one', async (t) => {
  await continued(await faulty(t, { faults: [{ fault: 'fin', after_tokens: 800 }] }));
});

test('12: one that ends with a stop reason but without message_stop is whole', async (t) => {
  const context = await ended(await faulty(t, { faults: [{ fault: 'no-message-stop', after_tokens: 100000 }] }), 0);
  const ledger = await context.sim.ledger();
  ledger[0].completed = true; // the simulator means message_stop
  await completed({ dir: context.dir, sim: { ledger: async () => ledger } });
  assert.equal(ledger.length, 1);
});

test('13: one whose message_stop lacks its blank line is whole', async (t) => {
  const context = await faulty(t, { acts: { 1: () => (body) => body.replace(/\n+$/, '\n') } });
  await ended(context, 0);
  await completed(context);
  assert.equal(context.front.calls(), 1);
});

test('14: a connection that breaks inside an event and a character keeps the whole events', async (t) => {
  await continued(await faulty(t, { faults: [{ fault: 'rst', after_tokens: 700 }] }));
});

test('15: an answer that never begins is given up and asked for again', async (t) => {
  const context = await faulty(t, { faults: [{ fault: 'silent' }], config: 'anthropic:\n  header_timeout: 1s\n' });
  const { dir } = await ended(context, 0);
  await completed(context);
  assert.equal(calls(dir).length, 2);
  const took = (calls(dir)[0].closed_at - calls(dir)[0].opened_at) / 1e6;
  assert.ok(took >= 0.9 && took < 3, `${took} s`);
});

test('16: silence without a ping ends the call; its text is kept', async (t) => {
  await continued(await faulty(t, { faults: [{ fault: 'stall', after_tokens: 600 }],
    config: 'anthropic:\n  idle_timeout: 1s\n' }));
});

test('17: nothing but pings ends the call; its text is kept', async (t) => {
  await continued(await faulty(t, { faults: [{ fault: 'pings', after_tokens: 600 }],
    config: 'anthropic:\n  idle_timeout: 1s\n  progress_timeout: 2s\n' }));
});

test('18: three minutes of thinking with pings are waited for', async (t) => {
  // At speed 30 all of it is a thirtieth: 6 s of thinking, pings every 0.5 s, time-outs as below.
  const context = await faulty(t, { speed: 30, faults: [{ fault: 'think', seconds: 180 }],
    config: 'anthropic:\n  idle_timeout: 2s\n  progress_timeout: 10s\n' });
  await ended(context, 0);
  const { estimated } = await completed(context);
  assert.equal(estimated.length, 0);
  assert.equal(calls(context.dir).length, 1);
});

// The last message_delta of an answer, with another usage or stop reason.
const delta = (change) => () => (body) => body.replace(/event: message_delta\ndata: (.*)\n\n/, (all, data) =>
  change(JSON.parse(data)).map((d) => `event: message_delta\ndata: ${JSON.stringify(d)}\n\n`).join(''));

test('22: several cumulative usages and nulls are never added up', async (t) => {
  let told;
  const context = await faulty(t, { acts: { 1: delta((d) => {
    told = d.usage.output_tokens;
    const nothing = { ...d, delta: { stop_reason: null, stop_sequence: null } };
    return [{ ...nothing, usage: { output_tokens: told - 10 } }, { ...nothing, usage: { output_tokens: null } },
      d, { ...nothing, usage: { output_tokens: told } }];
  }) } });
  await ended(context, 0);
  await completed(context);
  assert.equal(calls(context.dir)[0].output, told);
});

test('22: without a usage the call is recorded as estimated', async (t) => {
  const context = await faulty(t, { acts: { 1: delta((d) => [{ ...d, usage: null }]) } });
  await ended(context, 0);
  const { estimated } = await completed(context);
  assert.equal(estimated.length, 1);
  const [{ output, truth }] = estimated;
  assert.ok(Math.abs(output - truth.billed_output_tokens) <= 0.15 * truth.billed_output_tokens,
    `${output} estimated of ${truth.billed_output_tokens}`);
});

for (const stop of ['max_tokens', 'pause_turn']) {
  test(`23: ${stop} in the middle goes on from there`, async (t) => {
    // The first half of the answer, and then this stop reason.
    const half = (body) => {
      const events = body.split(/(?=event: )/);
      const texts = events.filter((e) => e.startsWith('event: content_block_delta'));
      const keep = new Set(texts.slice(0, Math.floor(texts.length / 2)));
      return events.filter((e) => !texts.includes(e) || keep.has(e)).join('').replace('"end_turn"', `"${stop}"`);
    };
    const context = await faulty(t, { acts: { 1: () => half } });
    const { dir } = await ended(context, 0);
    await completed(context);
    assert.deepEqual(calls(dir).map((c) => c.state), [1, 1]);
    assert.deepEqual(repeated(jobs(dir)[0].generated_script), []);
  });
}

for (const after of [0, 200]) {
  test(`23: a refusal after ${after} tokens is final, says what to do, and is paid`, async (t) => {
    const context = await faulty(t, { faults: [{ fault: 'refusal', after_tokens: after, times: 100 }] });
    const { dir, sim } = await ended(context, 1);
    const [job] = jobs(dir);
    assert.equal(job.status, 'failed');
    assert.match(job.error_message, /refused/);
    assert.equal((await sim.ledger()).length, 1, 'no blind retry');
    compareLedgers(dir, await sim.ledger());
  });
}

test('23: an empty answer is asked for once more', async (t) => {
  const empty = (response) => stream(response, [messageStart(),
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: { output_tokens: 2 } },
    { type: 'message_stop' }]);
  const context = await faulty(t, { acts: { 1: (response) => { empty(response); } } });
  const { dir } = await ended(context, 0);
  assert.equal(jobs(dir)[0].status, 'completed');
  assert.equal(jobs(dir)[0].retry_count, 0);
  assert.deepEqual(calls(dir).map((c) => [c.state, c.output > 2]), [[1, false], [1, true]]);
});

const page = (status) => (response) => {
  response.writeHead(status, { 'content-type': 'text/html' });
  response.end(`<html><body><h1>${status}</h1></body></html>`);
};

test('24: an HTML page with 413 fails the job for good', async (t) => {
  const context = await faulty(t, { acts: { 1: page(413) } });
  const { dir } = await ended(context, 1);
  assert.equal(jobs(dir)[0].status, 'failed');
  assert.match(jobs(dir)[0].error_message, /413/);
  assert.equal(context.front.calls(), 1);
});

for (const status of [502, 520]) {
  test(`24: an HTML page with ${status} is tried again`, async (t) => {
    const context = await ended(await faulty(t, { acts: { 1: page(status) } }), 0);
    const { estimated } = await completed(context);
    assert.equal(estimated.length, 0);
    assert.equal(context.front.calls(), 2);
  });
}

test('24: an answer that claims to be compressed and is not text is tried again', async (t) => {
  const garbage = (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
    response.end(Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 254, 253]));
  };
  const context = await ended(await faulty(t, { acts: { 1: garbage } }), 0);
  await completed(context);
  assert.equal(context.front.calls(), 2);
});

test('24: a connection that is reset before headers is tried again, as perhaps paid', async (t) => {
  const context = await ended(await faulty(t, { acts: { 1: (response) => { response.destroy(); } } }), 0);
  const { estimated } = await completed(context);
  assert.equal(estimated.length, 1);
  assert.equal(context.front.calls(), 2);
});

test('nobody at the address: told in one line after some tries, the jobs wait', async (t) => {
  const dir = folder(t);
  const engine = start(t, dir, ['run', '--jobs', '3', '--minutes', '2'],
    { env: { ANTHROPIC_BASE_URL: 'http://127.0.0.1:1', ANTHROPIC_API_KEY: 'test-key' } });
  await ended({ engine }, 1);
  const lines = engine.err.split('\n').filter((l) => l.startsWith('scriptorium'));
  assert.equal(lines.length, 1, engine.err);
  assert.match(lines[0], /cannot be reached/);
  assert.deepEqual(jobs(dir).map((j) => [j.status, j.retry_count]), Array(3).fill(['pending', 0]));
  assert.ok(calls(dir).every((c) => c.state === 3), 'nothing was sent');
});
