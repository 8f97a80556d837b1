// In: the provider's official client, unchanged. Out: does it take our simulated provider for the
// real one.
import assert from 'node:assert/strict';
import { before, after, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';
import { folder, simulator, until } from './harness.mjs';

const model = 'claude-sonnet-5-5';
const oldModel = 'claude-opus-4-5';
const messages = [{ role: 'user', content: 'How do tides work?' }];
const cleanups = [];
let sim, client;

before(async () => {
  const t = { after: (fn) => cleanups.unshift(fn) };
  sim = await simulator(t, folder(t), ['--speed', '30', '--seed', '7', '--accept-key', 'test-key']);
  client = new Anthropic({ apiKey: 'test-key', baseURL: sim.url, maxRetries: 0 });
});

after(async () => {
  for (const fn of cleanups) await fn();
});

async function post(path, body) {
  const answer = await fetch(sim.url + path, { method: 'POST', body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

// What the simulator itself knows of the request with that id, once it is over.
async function truth(requestId) {
  return until(async () => (await sim.ledger()).find((e) => e.request_id === requestId && !e.running),
    { what: () => `the end of ${requestId}` });
}

const fault = (text) => ({ headers: { 'x-sim-fault': text } });

test('a message comes in one piece, with usage and a request id', async () => {
  const message = await client.messages.create({ model, max_tokens: 1000, messages });
  assert.equal(message.type, 'message');
  assert.equal(message.role, 'assistant');
  assert.equal(message.model, model);
  assert.equal(message.stop_reason, 'end_turn');
  assert.equal(message.content.length, 1);
  assert.match(message.content[0].text, /How do tides work/);
  const entry = await truth(message._request_id);
  assert.equal(entry.billed_input_tokens, message.usage.input_tokens);
  assert.equal(entry.billed_output_tokens, message.usage.output_tokens);
  assert.equal(entry.delivered_tokens, message.usage.output_tokens);
  assert.equal(entry.completed, true);
});

test('a stream adds up to the same message', async () => {
  const whole = await client.messages.create({ model, max_tokens: 1000, messages });
  const stream = client.messages.stream({ model, max_tokens: 1000, messages });
  let text = '';
  stream.on('text', (delta) => { text += delta; });
  const message = await stream.finalMessage();
  assert.equal(message.content[0].text, whole.content[0].text);
  assert.equal(text, whole.content[0].text);
  assert.deepEqual(message.usage, whole.usage);
  assert.equal(message.stop_reason, 'end_turn');
  const entry = await truth(stream.request_id);
  assert.equal(entry.completed, true);
  assert.equal(entry.generated_tokens, message.usage.output_tokens);
  assert.equal(entry.delivered_tokens, message.usage.output_tokens);
});

test('events come in the order of the grammar', async () => {
  const types = [];
  const events = await client.messages.create({ model, max_tokens: 200, messages, stream: true });
  for await (const event of events) types.push(event.type);
  const order = types.filter((type, i) => type !== types[i - 1] && type !== 'ping');
  assert.deepEqual(order, ['message_start', 'content_block_start', 'content_block_delta',
    'content_block_stop', 'message_delta', 'message_stop']);
});

test('the same seed and prompt give the same text, another prompt another', async () => {
  const ask = (content) => client.messages.create({ model, max_tokens: 500,
    messages: [{ role: 'user', content }] });
  const [a, b, c] = await Promise.all([ask('Why?'), ask('Why?'), ask('Why not?')]);
  assert.equal(a.content[0].text, b.content[0].text);
  assert.notEqual(a.content[0].text, c.content[0].text);
});

test('max_tokens and stop sequences end a message and are named', async () => {
  const short = await client.messages.create({ model, max_tokens: 20, messages });
  assert.equal(short.stop_reason, 'max_tokens');
  assert.equal(short.usage.output_tokens, 20);
  const stopped = await client.messages.create({ model, max_tokens: 500, messages,
    stop_sequences: ['tides'] });
  assert.equal(stopped.stop_reason, 'stop_sequence');
  assert.equal(stopped.stop_sequence, 'tides');
  assert.doesNotMatch(stopped.content[0].text, /tides/);
});

test('a chapter is written as its request block asks', async () => {
  const content = `Write it.
<request kind="chunk" chunk="1" chunks="1" from="00:00" to="02:00" words="260" first="yes" last="yes" tags="20">
<topic>Paper planes</topic>
<point>Folding the nose</point>
</request>`;
  const message = await client.messages.stream({ model, max_tokens: 4000,
    messages: [{ role: 'user', content }] }).finalMessage();
  const { text } = message.content[0];
  assert.match(text, /^### \[00:00\] /);
  assert.match(text, /### \[\d\d:\d\d\] Folding the nose\n/);
  assert.match(text, /\n## Description\n/);
  assert.ok(text.split('## Tags\n')[1].split(',').length >= 20);
});

test('a schema binds the answer', async () => {
  const format = jsonSchemaOutputFormat({ type: 'object', additionalProperties: false,
    properties: { name: { type: 'string' }, stars: { type: 'integer' } }, required: ['name', 'stars'] });
  const message = await client.messages.parse({ model, max_tokens: 500, messages,
    output_config: { format } });
  assert.equal(typeof message.parsed_output.name, 'string');
  assert.ok(Number.isInteger(message.parsed_output.stars));
});

test('thinking comes before the text, in a block of its own', async () => {
  const message = await client.messages.stream({ model, max_tokens: 2000, messages,
    thinking: { type: 'adaptive' } }).finalMessage();
  assert.deepEqual(message.content.map((block) => block.type), ['thinking', 'text']);
  assert.ok(message.content[0].signature.length > 0);
});

test('tokens are counted as they are billed', async () => {
  const system = 'You are brief.';
  const { input_tokens } = await client.messages.countTokens({ model, messages, system });
  const message = await client.messages.create({ model, max_tokens: 10, messages, system });
  assert.equal(message.usage.input_tokens, input_tokens);
});

test('models are listed in pages and looked up', async () => {
  const ids = [];
  for await (const one of client.models.list({ limit: 3 })) ids.push(one.id);
  assert.ok(ids.length > 3);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal((await client.models.retrieve(model)).id, model);
  await assert.rejects(client.models.retrieve('claude-none-1'), Anthropic.NotFoundError);
});

test('refusals have the types and statuses that the client expects', async (t) => {
  const cases = [
    ['unknown model', Anthropic.NotFoundError, { model: 'claude-none-1' }, 'not_found_error'],
    ['no turn', Anthropic.BadRequestError, { messages: [] }, 'invalid_request_error'],
    ['sampling on a new model', Anthropic.BadRequestError, { temperature: 0.5 }, 'invalid_request_error'],
    ['prefill', Anthropic.BadRequestError,
      { messages: [...messages, { role: 'assistant', content: 'Well,' }] }, 'invalid_request_error'],
    ['too many tokens', Anthropic.BadRequestError, { max_tokens: 1e9, stream: true }, 'invalid_request_error'],
  ];
  for (const [name, type, change, errorType] of cases) {
    await t.test(name, async () => {
      await assert.rejects(client.messages.create({ model, max_tokens: 10, messages, ...change }),
        (error) => {
          assert.ok(error instanceof type, `${error}`);
          assert.equal(error.error.error.type, errorType);
          assert.match(error.requestID, /^req_/);
          return true;
        });
    });
  }
  await t.test('an old model on the old version takes a prefill and a temperature', async () => {
    const message = await client.messages.create({ model: oldModel, max_tokens: 10, temperature: 0.5,
      messages: [...messages, { role: 'assistant', content: 'Well,' }] },
    { headers: { 'anthropic-version': '2023-06-01' } });
    assert.equal(message.model, oldModel);
  });
});

test('a wrong key is refused', async () => {
  const stranger = new Anthropic({ apiKey: 'wrong', baseURL: sim.url, maxRetries: 0 });
  await assert.rejects(stranger.messages.create({ model, max_tokens: 10, messages }),
    Anthropic.AuthenticationError);
  await assert.rejects(stranger.models.list(), Anthropic.AuthenticationError);
});

test('a body over 32 MB is refused', async () => {
  const content = 'x'.repeat((32 << 20) + 1);
  await assert.rejects(client.messages.create({ model, max_tokens: 10,
    messages: [{ role: 'user', content }] }), (error) => {
    assert.equal(error.status, 413, `${error}`);
    assert.equal(error.error.error.type, 'request_too_large');
    return true;
  });
});

test('provider trouble looks like provider trouble', async (t) => {
  const create = (text) => client.messages.create({ model, max_tokens: 300, messages }, fault(text));
  await t.test('429', () => assert.rejects(create('429;retry_after=60'), (error) => {
    assert.ok(error instanceof Anthropic.RateLimitError);
    assert.equal(error.headers.get('retry-after'), '2'); // 60 s at speed 30
    assert.ok(Number(error.headers.get('anthropic-ratelimit-requests-limit')) > 0);
    return true;
  }));
  await t.test('500', () => assert.rejects(create('500'), Anthropic.InternalServerError));
  await t.test('529', () => assert.rejects(create('529'), (error) => error.status === 529));
  await t.test('an error as the first event', () => assert.rejects(
    client.messages.stream({ model, max_tokens: 300, messages }, fault('529-stream')).finalMessage(),
    (error) => error.error.error.type === 'overloaded_error'));
});

test('the client retries by itself and gets its answer', async () => {
  const patient = new Anthropic({ apiKey: 'test-key', baseURL: sim.url, maxRetries: 2 });
  await post('/sim/faults', [{ nth: 1, fault: '529' }, { nth: 2, fault: '429', retry_after: 3 }]);
  const message = await patient.messages.create({ model, max_tokens: 300, messages });
  assert.equal(message.stop_reason, 'end_turn');
});

test('a cut stream fails and is billed for what was made', async () => {
  const stream = client.messages.stream({ model, max_tokens: 300, messages },
    fault('cut;after_tokens=30'));
  await assert.rejects(stream.finalMessage());
  const entry = await truth(stream.request_id);
  assert.equal(entry.generated_tokens, 30);
  assert.equal(entry.billed_output_tokens, 30);
  assert.equal(entry.completed, false);
  assert.equal(entry.aborted, false);
});

test('a client that goes away stops the generation', async () => {
  const block = `<request kind="chunk" chunk="1" chunks="1" from="00:00" to="60:00" words="7800" first="yes" last="no" tags="0">
<topic>Paper planes</topic>
</request>`;
  const stream = client.messages.stream({ model, max_tokens: 60000,
    messages: [{ role: 'user', content: block }] });
  await new Promise((done) => { stream.once('text', done); });
  stream.abort();
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  const entry = await truth(stream.request_id);
  assert.equal(entry.aborted, true);
  assert.equal(entry.completed, false);
  assert.ok(entry.generated_tokens > 0 && entry.generated_tokens < 8000, `${entry.generated_tokens}`);
  assert.equal(entry.billed_output_tokens, entry.generated_tokens);
  assert.ok(entry.delivered_tokens <= entry.generated_tokens);
});
