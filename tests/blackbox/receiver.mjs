// In: what a webhook's receiver is to answer. Out: a real one on the loopback that remembers all.
import assert from 'node:assert/strict';
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import http from 'node:http';

export const secret = () => `whsec_${randomBytes(32).toString('base64')}`;

// As a receiver is told to do it in docs/webhooks.md.
export function verify(secret, headers, body) {
  const id = headers['webhook-id'], at = headers['webhook-timestamp'];
  assert.ok(Math.abs(Date.now() / 1000 - Number(at)) < 300, `timestamp ${at}`);
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const want = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest();
  return headers['webhook-signature'].split(' ').some((one) => {
    const [version, text] = one.split(',');
    const got = Buffer.from(text, 'base64');
    return version === 'v1' && got.length === want.length && timingSafeEqual(got, want);
  });
}

// `answer(seen, response)`: may be replaced at any time. Default: 204.
export async function receiver(t, { port = 0, answer } = {}) {
  const it = {
    seen: [], running: 0, most: 0, answer: answer ?? ((_, r) => r.writeHead(204).end()),
    ids: () => new Set(it.seen.map((s) => s.id)),
    close: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }),
  };
  const server = http.createServer((request, response) => {
    const parts = [];
    it.running++;
    it.most = Math.max(it.most, it.running);
    response.on('close', () => { it.running--; });
    request.on('data', (d) => parts.push(d));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      const one = { id: request.headers['webhook-id'], method: request.method, path: request.url,
        headers: request.headers, body, json: JSON.parse(body), at: Date.now() };
      one.nth = it.seen.filter((s) => s.id === one.id).length + 1;
      it.seen.push(one);
      it.answer(one, response);
    });
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  it.port = server.address().port;
  it.url = `http://127.0.0.1:${it.port}/hook`;
  t.after(() => it.close());
  return it;
}
