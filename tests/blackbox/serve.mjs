// In: what a test wants of a daemon. Out: `scriptorium serve` on a free port, and requests to it.
import { createHmac } from 'node:crypto';
import net from 'node:net';
import { start, until } from './harness.mjs';

export const KEY = 'sb_secret_for_tests';

// {process, url, get(), post(), logs(), logged()}; with `env` over a service key and a fast simulator.
export async function daemon(t, dir, { args = [], env = {}, speed = '1000' } = {}) {
  const process = start(t, dir, ['serve', '--listen', '127.0.0.1:0', '--speed', speed, '--json',
    ...args], { env: { SCRIPTORIUM_SERVICE_KEY: KEY, ...env } });
  await process.says(/\{"url":"[^"]+".*\}/);
  const hello = JSON.parse(process.out.split('\n')[0]);
  await process.says(/"message":"ready"/);
  const url = hello.url;
  const ask = (method) => (path, { key = KEY, headers = {}, body } = {}) => fetch(url + path, {
    method, headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...headers },
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body) });
  const logs = () => process.err.split('\n').slice(0, -1).filter((l) => l.startsWith('{')).map((l) => JSON.parse(l));
  return {
    process, url, hello, port: Number(new URL(url).port),
    get: ask('GET'), post: ask('POST'), delete: ask('DELETE'), options: ask('OPTIONS'), ask,
    logs, // what has been read so far; a line may come behind the answer to which it belongs
    logged: (wanted) => until(() => logs().find(wanted), { what: () => `${wanted} in the log:\n${process.err}` }),
  };
}

// Raw bytes on a connection; what came back until it was closed.
export function raw(port, bytes, { end = false } = {}) {
  return new Promise((done, fail) => {
    let text = '';
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      if (end) socket.end();
    });
    socket.on('data', (d) => { text += d; });
    socket.on('error', (e) => (text ? done(text) : fail(e)));
    socket.on('close', () => done(text));
  });
}

export const SECRET = 'a shared secret that is long enough for HS256';

// A user's token, as a login would give it.
export function token(sub, { role = 'authenticated', expires = 3600 } = {}) {
  const part = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({
    sub, role, exp: Math.floor(Date.now() / 1000) + expires })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}
