// In: a world. Out: clients that do as a product would: they insert, cancel, delete, run again and hurry
// jobs in any state, by writing the users' table; they order jobs in transactions of their own and by
// HTTP, with keys; and they remember what was confirmed.
import { randomUUID } from 'node:crypto';
import { pg } from '../lib/pg.mjs';
import { isAway, KEY, sleep } from './world.mjs';

const USERS = 7;

function params(next, n) {
  if (next() < 0.02) return { topic: '', note: 'no topic: this one must fail' };
  const seconds = next() < 0.75 ? 20 + Math.floor(next() * 40) : 150 + Math.floor(next() * 150);
  return { topic: `Why thing ${n} hums`, targetDuration: seconds };
}

export class Clients {
  constructor(world, next, total) {
    Object.assign(this, { world, next, total });
    this.jobs = []; // ids that were asked for, known to exist or not
    this.broken = new Set(); // whose request is wrong
    this.acknowledged = []; // [what, id], confirmed by the server
    this.marks = []; // {mark, id}: a job that was ordered with a key, confirmed
    this.undone = []; // marks of orders that were rolled back
    this.count = { insert: 0, order: 0, undone: 0, post: 0, again: 0, cancel: 0, delete: 0, rerun: 0, priority: 0, touch: 0, late: 0 };
    this.users = Array.from({ length: USERS }, () => randomUUID());
    this.pool = new pg.Pool({ connectionString: world.urlBehind(world.clientProxy), max: 4, application_name: 'client' });
    this.latePool = world.server.pool({}, 1);
    this.latePool.options.application_name = 'late';
    for (const pool of [this.pool, this.latePool]) {
      pool.on('error', () => {});
      pool.on('connect', (client) => client.on('error', () => {})); // the next statement tells
    }
  }

  pick(list) {
    return list[Math.floor(this.next() * list.length)];
  }

  async try(sql, values) {
    try {
      return (await this.pool.query(sql, values)).rows;
    } catch (error) {
      if (!isAway(error)) throw error;
      await sleep(50);
      return null; // perhaps done, perhaps not
    }
  }

  // The same ids again until the server has confirmed them: nobody may lose an insert.
  async insert(n) {
    const rows = [];
    for (let i = 0; i < n; i++) {
      const id = randomUUID();
      const request = params(this.next, this.jobs.length + i);
      if (request.topic === '') this.broken.add(id);
      rows.push([id, this.pick(this.users), 1 + Math.floor(this.next() * 10), JSON.stringify(request)]);
    }
    this.jobs.push(...rows.map((r) => r[0]));
    const columns = [0, 1, 2, 3].map((c) => rows.map((r) => r[c]));
    for (;;) {
      const done = await this.try(`INSERT INTO script_generation_jobs (id, user_id, priority, generation_params)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::jsonb[]) ON CONFLICT DO NOTHING
        RETURNING id`, columns);
      if (done === null) continue;
      for (const row of rows) this.acknowledged.push(['inserted', row[0]]);
      this.count.insert += n;
      return;
    }
  }

  // What the product asked for, with a mark to find it by.
  marked() {
    const mark = randomUUID();
    const request = { ...params(() => 0.02 + this.next() * 0.98, this.jobs.length), mark };
    return { mark, request, user: this.pick(this.users), priority: 1 + Math.floor(this.next() * 10) };
  }

  confirmed(mark, id) {
    this.jobs.push(id);
    this.marks.push({ mark, id });
    this.acknowledged.push(['ordered', id]);
  }

  /** A row of the product's own and the job in one transaction; sometimes the product thinks better of it. */
  async order() {
    const { mark, request, user, priority } = this.marked();
    const undo = this.next() < 0.15;
    for (;;) {
      let client;
      try {
        client = await this.pool.connect();
        await client.query('BEGIN');
        await client.query('INSERT INTO chaos.orders VALUES ($1) ON CONFLICT DO NOTHING', [mark]);
        const { rows: [{ id }] } = await client.query(
          'SELECT scriptorium.create_job($1, $2, $3, idempotency_key => $4) AS id', [user, request, priority, mark]);
        await client.query(undo ? 'ROLLBACK' : 'COMMIT');
        client.release();
        if (undo) this.undone.push(mark);
        else this.confirmed(mark, id);
        this.count[undo ? 'undone' : 'order']++;
        return;
      } catch (error) {
        client?.release(error);
        if (!isAway(error)) throw error;
        this.count.again++;
        await sleep(50);
      }
    }
  }

  /** By HTTP, at any node, and at another one with the same key until one confirms it. */
  async post() {
    const { mark, request, user, priority } = this.marked();
    for (;;) {
      const url = this.pick(this.world.nodes).url();
      const answer = url && await fetch(`${url}/v1/jobs`, { method: 'POST', signal: AbortSignal.timeout(3000),
        headers: { authorization: `Bearer ${KEY}`, 'idempotency-key': mark },
        body: JSON.stringify({ ...request, user_id: user, priority }) }).catch(() => null);
      const text = await answer?.text().catch(() => null);
      if (text && [200, 201].includes(answer.status)) {
        this.confirmed(mark, JSON.parse(text).id);
        this.count.post++;
        return;
      }
      if (answer && answer.status < 500) throw new Error(`POST /v1/jobs: ${answer.status} ${text}`);
      this.count.again++;
      await sleep(50);
    }
  }

  /** What attempts that are over would have written, arrives now: by their fences, as if a network or a frozen
   *  process had kept it. Whatever it changes, the record says. */
  async late() {
    const client = await this.latePool.connect().catch(() => null);
    try {
      const { rows } = await client.query(`SELECT e.job_id AS id, e.fence, e.run FROM (
          SELECT job_id, fence, 1 AS run FROM chaos.event WHERE kind = 'queue' AND now = '1' ORDER BY random() LIMIT 10) e
        WHERE NOT EXISTS (SELECT FROM scriptorium.queue q WHERE q.job_id = e.job_id AND q.fence = e.fence)`);
      for (const { id, fence } of rows) {
        const held = [[id], [fence]];
        await client.query("SELECT scriptorium.finish($1, $2, '{2}', '{NULL}', '{NULL}', '{late}', '{0}', NULL)", held);
        await client.query("SELECT scriptorium.finish($1, $2, '{0}', '{late}', ARRAY['{}'], '{NULL}', '{0}', 'chaos.on_completed')", held);
        await client.query("SELECT scriptorium.finish($1, $2, '{3}', '{NULL}', '{NULL}', '{NULL}', '{0}', NULL)", held);
        await client.query(`SELECT scriptorium.progress($1, $2, '{late}', '{99}', '{1}', '{1}', '{late}', '{h}', '{0}',
          '{"\\\\x6c617465"}', '{NULL}', '{1}', '{1}')`, held);
        await client.query("SELECT scriptorium.step_save($1, $2, 1, 'late', 'h', 'late', 'end', 'm', 1, 1, 0, 0, 0, 1, 1, 1, " +
          "NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0)", [id, fence]);
        await client.query("SELECT scriptorium.input($1, $2, 1, 'chaos.on_input')", [id, fence]);
        this.count.late++;
      }
      client.release();
    } catch (error) {
      client?.release(error);
      if (client && !isAway(error)) throw error;
    }
  }

  async change(what, sql, id) {
    const rows = await this.try(sql, [id]);
    if (rows?.length) {
      this.count[what]++;
      this.acknowledged.push([what, id]);
    }
  }

  // Sometimes they think better of it: of a completed job that is the end of another run.
  async rerun(id) {
    const stop = this.next() < 0.4;
    await this.change('rerun', "UPDATE script_generation_jobs SET status = 'pending' WHERE id = $1 RETURNING id", id);
    if (stop)
      await this.change('cancel', "UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1 RETURNING id", id);
  }

  async one() {
    const id = this.pick(this.jobs);
    const dice = this.next();
    if (dice < 0.45)
      await this.change('cancel', `UPDATE script_generation_jobs SET status = 'cancelled'
        WHERE id = $1 AND status IN ('pending', 'processing') RETURNING id`, id);
    else if (dice < 0.5)
      await this.change('cancel', "UPDATE script_generation_jobs SET status = 'cancelled' WHERE id = $1 RETURNING id", id);
    else if (dice < 0.62)
      await this.change('delete', 'DELETE FROM script_generation_jobs WHERE id = $1 RETURNING id', id);
    else if (dice < 0.85)
      await this.rerun(id);
    else if (dice < 0.93)
      await this.change('priority', `UPDATE script_generation_jobs SET priority = 1 + (priority + 3) % 10
        WHERE id = $1 RETURNING id`, id);
    else
      await this.change('touch', 'UPDATE script_generation_jobs SET workflow_id = NULL WHERE id = $1 RETURNING id', id);
  }

  /** Inserts all jobs within about `ms`, a third of them at the start, so that there is a backlog, and
   *  meddles with a part of them. */
  async play(ms, meddling) {
    const start = Date.now();
    let meddled = 0;
    while (this.jobs.length < this.total) {
      const due = this.total * Math.min(1, 0.33 + (Date.now() - start) / ms * 0.67) + 1;
      const dice = this.next();
      if (this.jobs.length < due && dice < 0.3) await this.order();
      else if (this.jobs.length < due && dice < 0.6) await this.post();
      else if (this.jobs.length < due)
        await this.insert(Math.min(this.total - this.jobs.length, 1 + Math.floor(this.next() * 8)));
      while (meddled < this.jobs.length * meddling) {
        meddled++;
        await this.one();
        if (meddled % 8 === 0) await this.late();
      }
      await sleep(5 + this.next() * 20);
    }
  }

  close() {
    return Promise.all([this.pool, this.latePool].map((pool) => pool.end().catch(() => {})));
  }
}
