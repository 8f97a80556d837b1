// In: a connection and the users' schema. Out: our schema in that database, put there in the way of
// src/store/pg/sql/README.md, without the program.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { pg } from './pg.mjs';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'src/store/pg/sql');
const names = fs.readdirSync(folder).filter((name) => name.endsWith('.sql')).sort();
const last = ['grants.sql'];
const first = ['jobs.sql'];
const text = (name) => fs.readFileSync(path.join(folder, name), 'utf8');
export const versions = names.filter((name) => /^\d{3}_/.test(name));
const always = [
    ...first,
    ...names.filter((n) => !/^\d{3}_|^inspect|^surface_/.test(n) && !first.includes(n) && !last.includes(n)),
];

function filled(name, schema, engine) {
    const values = {
        jobs: `${pg.escapeIdentifier(schema)}.script_generation_jobs`,
        schema: pg.escapeIdentifier(schema),
        schema_text: pg.escapeLiteral(schema),
        engine: pg.escapeIdentifier(engine),
        engine_text: pg.escapeLiteral(engine),
    };
    return text(name).replace(/\{\{(\w+)\}\}/g, (_, key) => values[key] ?? text(`${key}.set`));
}

export class Refused extends Error {}

/** The lines of a dry run: [{kind, line}]. */
export async function plan(client, { schema = 'public', engine = null } = {}) {
    await client.query('BEGIN');
    try {
        await client.query(text('inspect.sql'));
        const lines = await client.query('SELECT * FROM pg_temp.scriptorium_inspect($1, $2)', [schema, engine]);
        return lines.rows;
    } finally {
        await client.query('ROLLBACK');
    }
}

export const surface = ['surface_cron.sql', 'surface_net.sql'];

/** withCron: also what --with-cron installs. */
export async function migrate(client, { schema = 'public', engine = null, batch = 10000, withCron = false } = {}) {
    await client.query('BEGIN');
    try {
        await client.query("SET LOCAL lock_timeout = '3s'");
        await client.query("SET LOCAL client_min_messages = 'warning'");
        await client.query('SELECT pg_advisory_xact_lock(6002718398)');
        await client.query(text('inspect.sql'));
        const lines = await client.query('SELECT * FROM pg_temp.scriptorium_inspect($1, $2)', [schema, engine]);
        const refused = lines.rows.find((row) => row.kind === 'refuse');
        if (refused) throw new Refused(refused.line);
        const who = engine ?? (await client.query('SELECT current_user AS me')).rows[0].me;
        const known = await client.query("SELECT to_regclass('scriptorium.migration') AS t");
        let version = 0;
        if (known.rows[0].t)
            version = (await client.query('SELECT coalesce(max(version), 0) AS v FROM scriptorium.migration')).rows[0].v;
        for (const name of versions.filter((v) => Number(v.slice(0, 3)) > version)) {
            await client.query(filled(name, schema, who));
            await client.query('INSERT INTO scriptorium.migration (version, name) VALUES ($1, $2)',
                [Number(name.slice(0, 3)), name.slice(0, -4)]);
        }
        for (const name of [...always, ...(withCron ? surface : []), ...last]) {
            try {
                await client.query(filled(name, schema, who));
            } catch (error) {
                error.message = `${name}: ${error.message} (position ${error.position})`;
                throw error;
            }
        }
        await client.query('COMMIT');
    } catch (error) {
        await client.query('ROLLBACK');
        throw error;
    }
    let adopted = 0;
    for (;;) {
        const { rows } = await client.query('SELECT scriptorium.adopt($1) AS n', [batch]);
        adopted += rows[0].n;
        if (rows[0].n === 0) break;
    }
    await client.query('SELECT scriptorium.tally_recount()');
    return adopted;
}
