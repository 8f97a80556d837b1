// In: what kind of PostgreSQL server a test wants. Out: a real one on a free port, in a temporary
// directory, run by a user who is not root; it stops when the test's process ends.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const require = createRequire(path.join(root, 'tests', 'blackbox', 'package.json'));
export const pg = require('pg');
pg.types.setTypeParser(20, Number); // bigint: ours stay below 2^53

const run = promisify(execFile);
const versions = '/usr/lib/postgresql';
const bin = process.env.PG_BIN ?? path.join(
    versions, fs.readdirSync(versions).sort((a, b) => a - b).at(-1), 'bin');

// PostgreSQL refuses to be root.
const asUser = process.getuid() === 0 ? ['runuser', '-u', process.env.PG_USER ?? 'postgres', '--'] : [];

function command(name, args, env = {}) {
    const set = Object.entries(env).map(([k, v]) => `${k}=${v}`);
    const all = [...asUser, ...(set.length ? ['env', ...set] : []), path.join(bin, name), ...args];
    return [all[0], all.slice(1)];
}

export async function freePort() {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    return port;
}

const defaults = {
    listen_addresses: '127.0.0.1',
    max_connections: 200,
    log_min_messages: 'warning',
    fsync: 'off', // a killed server still has all that it committed; only a killed machine would not
};

const alive = new Set();
process.on('exit', () => {
    for (const server of alive) server.killNow();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

export class Server {
    constructor(dir, port, settings, env = {}) {
        this.env = env;
        this.dir = dir;
        this.data = path.join(dir, 'data');
        this.logFile = path.join(dir, 'log');
        this.port = port;
        this.settings = settings;
        this.postmaster = null;
    }

    /** Also after stop(): the same data and port. */
    async up() {
        const [file, args] = command('postgres', [
            '-D', this.data, '-p', String(this.port), '-k', this.dir,
            ...Object.entries(this.settings).flatMap(([k, v]) => ['-c', `${k}=${v}`]),
        ], this.env);
        const log = fs.openSync(this.logFile, 'a');
        this.postmaster = spawn(file, args, { stdio: ['ignore', log, log] });
        fs.closeSync(log);
        this.gone = once(this.postmaster, 'exit');
        alive.add(this);
        for (;;) {
            if (this.postmaster.exitCode !== null)
                throw new Error(`PostgreSQL did not start:\n${this.log()}`);
            try {
                const client = await this.connect({ database: 'postgres' });
                await client.end();
                return this;
            } catch (error) {
                if (error.code === '28P01' || error.code === '28000') return this;
                await new Promise((wake) => setTimeout(wake, 20));
            }
        }
    }

    pid() {
        return Number(fs.readFileSync(path.join(this.data, 'postmaster.pid'), 'utf8').split('\n')[0]);
    }

    /** smart, fast or immediate (as a crash). */
    async stop(mode = 'fast') {
        if (!alive.has(this)) return;
        process.kill(this.pid(), { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' }[mode]);
        await this.gone;
        alive.delete(this);
    }

    async restart(mode = 'fast') {
        await this.stop(mode);
        return this.up();
    }

    /** Stops it and removes its data. */
    async remove() {
        await this.stop('immediate');
        fs.rmSync(this.dir, { recursive: true, force: true });
    }

    killNow() {
        try {
            process.kill(this.pid(), 'SIGQUIT');
        } catch {
            // it is gone already
        }
        fs.rmSync(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
    }

    log() {
        return fs.readFileSync(this.logFile, 'utf8');
    }

    url({ database = 'test', user = 'postgres', password = '' } = {}) {
        const secret = password ? `:${encodeURIComponent(password)}` : '';
        return `postgres://${user}${secret}@127.0.0.1:${this.port}/${database}`;
    }

    async connect(who = {}) {
        const client = new pg.Client({ connectionString: this.url(who) });
        client.on('error', () => {}); // a server that goes away is told by the next query
        await client.connect();
        return client;
    }

    pool(who = {}, max = 10) {
        const pool = new pg.Pool({ connectionString: this.url(who), max });
        pool.on('error', () => {});
        return pool;
    }

    /** A script in psql, as a user would type it; throws with its messages when a statement fails. */
    async psql(sql, who = {}) {
        const child = run('psql', ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', this.url(who)]);
        child.child.stdin.end(sql);
        return (await child).stdout.trimEnd();
    }

    /** A new, empty database; returns its name. */
    async database(name = `test_${(this.databases = (this.databases ?? 0) + 1)}`) {
        const client = await this.connect({ database: 'postgres' });
        await client.query(`CREATE DATABASE ${name}`);
        await client.end();
        return name;
    }
}

/** A real standby of that server: a copy that follows it, on a port of its own. */
export async function standbyOf(server) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'scriptorium-pg-'));
    fs.chmodSync(dir, 0o777);
    const [file, args] = command('pg_basebackup', [
        '-D', path.join(dir, 'data'), '-R', '-X', 'stream', '-c', 'fast', '-N', '-d', server.url({ database: 'postgres' }),
    ]);
    execFileSync(file, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir });
    return new Server(dir, await freePort(), server.settings).up();
}

/** options: settings (of postgresql.conf), port, auth (initdb's -A, "trust"), database: make "test",
 *  env: of the server's processes. */
export async function start({ settings = {}, port, auth = 'trust', database = true, env = {} } = {}) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'scriptorium-pg-'));
    fs.chmodSync(dir, 0o777);
    const [file, args] = command('initdb', [
        '-D', path.join(dir, 'data'), '-U', 'postgres', '-A', auth, '-E', 'UTF8', '--locale=C.UTF-8',
        '--no-sync', '--no-instructions',
    ]);
    execFileSync(file, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir });
    const server = new Server(dir, port ?? (await freePort()), { ...defaults, ...settings }, env);
    await server.up();
    if (database) await server.database('test');
    return server;
}
