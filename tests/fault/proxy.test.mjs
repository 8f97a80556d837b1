// The harness's network may be late, but it is TCP: bytes that get through come in their order. One that
// swapped answers would blame the program for what no network does.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { random, until } from '../blackbox/harness.mjs';
import { Proxy } from './proxy.mjs';

test('bytes that a delay holds up arrive in their order when it changes and ends', { timeout: 60000 }, async (t) => {
  const next = random();
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    let n = 0;
    const timer = setInterval(() => {
      socket.write(`${n++}\n`);
      if (n === 1000) clearInterval(timer);
    }, 1);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await new Proxy(server.address().port).up();
  t.after(() => Promise.all([proxy.down(), server.close()]));
  const client = net.connect(proxy.port, '127.0.0.1');
  let got = '', changes = 0;
  client.on('error', () => {}); // the proxy's way of closing
  client.on('data', (bytes) => {
    got += bytes;
    if (++changes % 20 === 0) proxy.delayMs = changes % 40 === 0 ? 0 : 5 + Math.floor(next() * 60);
  });
  await until(() => got.endsWith('999\n'), { what: () => `all lines; ${got.length} bytes` });
  assert.deepEqual(got.trim().split('\n').map(Number), Array.from({ length: 1000 }, (_, i) => i));
});
