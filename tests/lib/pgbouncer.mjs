// In: a server. Out: a real PgBouncer in transaction mode before it, on a free port.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { until } from '../blackbox/harness.mjs';
import { freePort } from './pg.mjs';

const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((file) => fs.existsSync(file));

export class Pooler {
  /** sessions: connections to the server per database; fewer than clients, they are really shared. */
  constructor(server, { sessions = 3 } = {}) {
    Object.assign(this, { server, sessions });
  }

  async up() {
    if (!program) throw new Error('the package pgbouncer is missing: tools/deps.sh install check');
    this.port = await freePort();
    this.dir = path.join(this.server.dir, 'pgbouncer');
    fs.mkdirSync(this.dir, { mode: 0o777 });
    fs.chmodSync(this.dir, 0o777);
    fs.writeFileSync(path.join(this.dir, 'ini'), `[databases]
* = host=127.0.0.1 port=${this.server.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${this.port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${this.sessions}
max_client_conn = 300
server_check_delay = 0
server_login_retry = 1
logfile = ${this.dir}/log
`);
    // It refuses to be root, as PostgreSQL does.
    const id = (what) => Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8' }));
    const who = process.getuid() === 0 ? { uid: id('-u'), gid: id('-g') } : {};
    this.child = spawn(program, ['-q', path.join(this.dir, 'ini')], { stdio: 'ignore', ...who });
    this.gone = once(this.child, 'exit');
    await until(() => new Promise((done) => {
      const socket = net.connect(this.port, '127.0.0.1', () => { socket.destroy(); done(true); });
      socket.on('error', () => done(false));
    }), { timeout: 10000, what: () => `PgBouncer: ${this.log()}` });
    return this;
  }

  log() {
    return fs.existsSync(`${this.dir}/log`) ? fs.readFileSync(`${this.dir}/log`, 'utf8') : '';
  }

  url(database = 'test') {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  async down() {
    this.child.kill('SIGTERM');
    await this.gone;
  }
}
