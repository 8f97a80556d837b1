// In: the port of a server. Out: a port in front of it whose connections can be cut, delayed and
// swallowed, as a bad network would.
import { once } from 'node:events';
import net from 'node:net';

export class Proxy {
  constructor(target) {
    this.target = target;
    this.links = new Set();
    this.delayMs = 0;
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

  // In order: a link that is late stays late until all that waits is through.
  pass(link, from, to, bytes) {
    if (link.swallowed) return;
    const lag = this.delayMs;
    if (lag === 0 && !(from.late > 0)) {
      to.write(bytes);
      return;
    }
    from.late = (from.late ?? 0) + 1;
    from.lastAt = Math.max(from.lastAt ?? 0, Date.now() + lag);
    setTimeout(() => {
      from.late--;
      if (!to.destroyed) to.write(bytes);
    }, from.lastAt - Date.now());
  }

  /** All connections end at once, with a reset. */
  cut() {
    for (const { client, server } of [...this.links]) {
      client.resetAndDestroy();
      server.destroy();
    }
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
