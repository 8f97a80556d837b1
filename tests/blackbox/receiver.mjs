// In: what a webhook's receiver is to answer. Out: a real one on the loopback that remembers all.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { root } from './harness.mjs';

export const secret = () => `whsec_${randomBytes(32).toString('base64')}`;

// What docs/webhooks.md tells receivers to do.
const recipe = fs.readFileSync(join(root, 'docs/webhooks.md'), 'utf8').match(/```js\n([\s\S]*?)```/)[1];
export const { verify } = await import(`data:text/javascript,${encodeURIComponent(recipe)}`);

// `answer(seen, response)`: may be replaced at any time. Default: 204.
// `tls`: {key, cert}, for https.
export async function receiver(t, { port = 0, answer, tls } = {}) {
  const it = {
    seen: [], running: 0, most: 0, answer: answer ?? ((_, r) => r.writeHead(204).end()),
    ids: () => new Set(it.seen.map((s) => s.id)),
    close: () => new Promise((done) => { server.closeAllConnections(); server.close(done); }),
  };
  const server = (tls ? https : http).createServer(tls ?? {}, (request, response) => {
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
  it.url = `${tls ? 'https' : 'http'}://127.0.0.1:${it.port}/hook`;
  t.after(() => it.close());
  return it;
}
