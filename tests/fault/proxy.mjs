// In: the port of a server. Out: a port in front of it whose connections can be cut, delayed and
// swallowed, as a bad network would.
import { once } from 'node:events';
import net from 'node:net';

export class Proxy {
  constructor(target) {
    this.target = target;
    this.links = new Set();
    this.delayMs = 0;
    this.answersMs = 0; // more, for what the server says
    this.hole = false;
  }

  async up() {
    this.server = net.createServer((socket) => this.accept(socket)).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    return this;
  }

  accept(client) {
    const server = net.connect(this.target, '127.0.0.1');
    const link = { client, server };
    this.links.add(link);
    const end = () => {
      this.links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const [from, to] of [[client, server], [server, client]]) {
      from.setNoDelay(true);
      from.on('data', (bytes) => this.pass(link, from, to, bytes));
      from.on('end', end);
      from.on('close', end);
      from.on('error', end);
    }
    if (this.hole) this.swallow(link);
  }

  // A network may be late, but a stream's bytes keep their order: one timer for all that wait.
  pass(link, from, to, bytes) {
    if (link.swallowed) return;
    from.late ??= [];
    const delay = this.delayMs + (from === link.server ? this.answersMs : 0);
    if (delay === 0 && from.late.length === 0) {
      to.write(bytes);
      return;
    }
    const at = Math.max(from.late.at(-1)?.at ?? 0, Date.now() + delay);
    from.late.push({ at, bytes });
    if (from.late.length === 1) this.deliver(link, from, to);
  }

  deliver(link, from, to) {
    while (from.late.length > 0 && from.late[0].at <= Date.now()) {
      const { bytes } = from.late.shift();
      if (!link.swallowed && !to.destroyed) to.write(bytes);
    }
    if (from.late.length > 0) setTimeout(() => this.deliver(link, from, to), from.late[0].at - Date.now());
  }

  /** All connections end at once, with a reset. */
  cut() {
    for (const { client, server } of [...this.links]) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** What was asked is done, and nobody hears of it: each answer is late, and after `wait` all is cut. */
  async cutAnswers(ms, wait) {
    this.answersMs = ms;
    await new Promise((wake) => setTimeout(wake, wait));
    this.cut();
    this.answersMs = 0;
  }

  swallow(link) {
    link.swallowed = true;
  }

  /** From now on nothing gets through and nobody is told, until mend(). */
  swallowAll() {
    this.hole = true;
    for (const link of this.links) this.swallow(link);
  }

  /** Connections from before stay dead: their bytes are gone. */
  mend() {
    this.hole = false;
    this.delayMs = 0;
    for (const link of [...this.links]) {
      if (link.swallowed) {
        link.client.resetAndDestroy();
        link.server.destroy();
      }
    }
  }

  async down() {
    this.cut();
    this.server.close();
  }
}
