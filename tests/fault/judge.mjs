// In: the record of a chaos that is over, the tables, and what the provider says. Out: everything that
// should not be so, as lines, and the figures.
import { endsOf, judgeTold, tally } from './told.mjs';
import { isOf } from './world.mjs';

const EXACT = 1, ESTIMATED = 2, UNBILLED = 3;
const MOVES = { // what a node may do to a status
  pending: ['processing'], processing: ['processing', 'completed', 'failed', 'pending'],
};

const isNode = (who) => who.startsWith('node');

class Case {
  constructor() {
    this.problems = [];
    this.figures = {};
  }

  blame(what) {
    if (this.problems.length < 200) this.problems.push(what);
  }
}

/** Writes that came after their attempt was over; clients.mjs sends some by itself. */
async function judgeLate(c, world, events, effects) {
  const written = events.filter((e) => e.who === 'late');
  for (const e of written.slice(0, 5))
    c.blame(`an attempt that is over wrote: ${e.kind} ${e.was} -> ${e.now} ${e.step ?? ''} of job ${e.job_id}, event ${e.n}`);
  const txs = new Set(written.map((e) => e.tx));
  for (const e of events.filter((e) => e.kind === 'text'))
    c.blame(`a text that is not its attempt's (the fence is ${e.holder}'s, or over): ${e.step} of job ${e.job_id} by ${e.who}, event ${e.n}`);
  if (effects.some((e) => txs.has(e.tx))) c.blame('an attempt that is over had an effect');
}

/** Follows each job through the record; returns what its status must be at the end. */
function followJobs(c, events, fences) {
  const jobs = new Map();
  const inTx = new Map(); // queue changes of a transaction, by job
  for (const e of events)
    if (e.kind === 'queue') inTx.set(`${e.tx} ${e.job_id}`, e);
  let completions = 0, stale = 0;
  for (const e of events) {
    if (e.kind !== 'job') continue;
    const job = jobs.get(e.job_id) ?? { status: null, completedByUs: 0, wanted: null };
    jobs.set(e.job_id, job);
    if (e.was !== job.status && !(e.was === null && job.status === 'deleted'))
      c.blame(`job ${e.job_id}: the record jumps from ${job.status} to ${e.was} at ${e.n}`);
    job.status = e.now;
    if (!isNode(e.who) || e.was === null) { // a client, perhaps by HTTP: whatever it wants, goes
      if (e.was !== e.now) {
        job.wanted = e.now;
        job.crossed = e.was;
      }
      continue;
    }
    const where = `job ${e.job_id}, event ${e.n}, ${e.was} -> ${e.now} by ${e.who}`;
    if (!MOVES[e.was]?.includes(e.now)) c.blame(`a late write: ${where}`);
    if (e.was === e.now) { // progress: by whoever holds the fence
      if (e.holder !== e.who) c.blame(`progress of a stale attempt (the fence is ${e.holder}'s): ${where}`);
      continue;
    }
    const queue = inTx.get(`${e.tx} ${e.job_id}`);
    if (!queue) {
      c.blame(`without a change of the queue row: ${where}`);
      continue;
    }
    if (e.now === 'processing') {
      if (e.holder !== e.who) c.blame(`claimed with ${e.holder}'s fence: ${where}`);
      continue;
    }
    const holder = fences.get(queue.old_fence);
    if (holder !== e.who && e.now === 'completed') c.blame(`completed by a stale attempt (${holder} held it): ${where}`);
    if (holder !== e.who) stale++; // a rescue: back to pending, or given up
    if (e.now === 'completed') {
      completions++;
      if (job.wanted !== 'pending') c.blame(`completed, but the client wanted ${job.wanted}: ${where}`);
      job.wanted = 'completed';
    } else if (e.now === 'failed') {
      job.wanted = 'failed';
      job.failed = true;
    }
  }
  Object.assign(c.figures, { completions, rescued: stale });
  return jobs;
}

function judgeEnd(c, jobs, rows, clients) {
  const now = new Map(rows.map((r) => [r.id, r]));
  for (const [what, id] of clients.acknowledged) {
    if (!jobs.has(id)) c.blame(`lost: ${what} was confirmed, and the record knows no job ${id}`);
  }
  const counts = {};
  for (const [id, job] of jobs) {
    const row = now.get(id);
    const is = row?.status ?? 'deleted';
    counts[is] = (counts[is] ?? 0) + 1;
    if (is !== job.status) c.blame(`job ${id} is ${is}, by the record ${job.status}`);
    // pending is wanted until a node ends it; then `wanted` is how it ended.
    if (is !== job.wanted) c.blame(`job ${id} is ${is} and should be ${job.wanted}`);
    if (is === 'failed' && !clients.broken.has(id)) c.blame(`job ${id} failed: ${row.error_message}`);
    if (is === 'completed' && clients.broken.has(id)) c.blame(`job ${id} was completed without a topic`);
    if (is === 'completed' && !(row.length > 40)) c.blame(`job ${id} is completed without a script`);
    now.delete(id);
  }
  for (const id of now.keys()) c.blame(`job ${id} is in the table and not in the record`);
  c.figures.jobs = counts;
}

/** The product's own effects: one in the transaction of each completion, ... */
function judgeEffects(c, events, effects) {
  const done = new Map();
  for (const e of effects.filter((e) => e.kind === 'completed')) {
    if (done.has(`${e.tx} ${e.job_id}`)) c.blame(`two effects of one completion of job ${e.job_id}`);
    done.set(`${e.tx} ${e.job_id}`, e);
  }
  for (const e of events.filter((e) => e.kind === 'job' && isNode(e.who) && e.now === 'completed' && e.was !== 'completed'))
    if (!done.delete(`${e.tx} ${e.job_id}`)) c.blame(`job ${e.job_id} was completed without its effect, event ${e.n}`);
  for (const e of done.values()) c.blame(`an effect without a completion of job ${e.job_id}`);
  judgeEnded(c, events, effects);
  c.figures.effects = Object.fromEntries(['input', 'completed', 'ended'].map((kind) =>
    [kind, effects.filter((e) => e.kind === kind).length]));
}

/** ... and one for the first end of each run that was not a completion, with how it ended. */
function judgeEnded(c, events, effects) {
  const first = new Map();
  for (const { job, run, how } of endsOf(events))
    if (how !== 'completed' && !first.has(`${job} ${run}`)) first.set(`${job} ${run}`, `${job} ${how}`);
  const left = tally(first.values());
  c.figures.ended = { ...Object.fromEntries(tally([...first.values()].map((end) => end.split(' ')[1]))),
    ofLaterRuns: [...first.keys()].filter((end) => !end.endsWith(' 1')).length };
  for (const e of effects.filter((e) => e.kind === 'ended')) {
    const end = `${e.job_id} ${e.outcome}`;
    if (!left.get(end)) c.blame(`an effect of an end that was not, or once more: ${end}`);
    else left.set(end, left.get(end) - 1);
  }
  for (const [end, n] of left) if (n > 0) c.blame(`an end without its effect: ${end}`);
}

/** What the input hook reserves: once for each run, in the transaction of the run's first checkpoint. */
function judgeInputs(c, events, effects) {
  const made = new Map(), runs = new Set();
  for (const e of events) {
    if (e.kind === 'job' && e.now === 'deleted')
      for (const run of [...runs]) if (run.startsWith(e.job_id)) runs.delete(run);
    if (e.kind !== 'step' || e.step !== 'input') continue;
    made.set(`${e.tx} ${e.job_id}`, e);
    if (runs.has(`${e.job_id} ${e.run}`)) c.blame(`job ${e.job_id} got its input twice in run ${e.run}, event ${e.n}`);
    runs.add(`${e.job_id} ${e.run}`);
  }
  for (const e of effects.filter((e) => e.kind === 'input'))
    if (!made.delete(`${e.tx} ${e.job_id}`)) c.blame(`an effect of the input hook that was not kept, of job ${e.job_id}`);
  for (const e of made.values()) c.blame(`an input without its effect: job ${e.job_id}, run ${e.run}`);
}

/** One key is one job, whatever was cut; an order and its job are both there, or neither. */
function judgeOrders(c, events, clients, orders) {
  const made = new Map();
  for (const e of events) {
    if (e.kind !== 'mark') continue;
    if (made.has(e.mark)) c.blame(`one key, two jobs: ${made.get(e.mark)} and ${e.job_id}`);
    made.set(e.mark, e.job_id);
  }
  const ordered = new Set(orders.map((o) => o.mark));
  for (const { mark, id } of clients.marks)
    if (made.get(mark) !== id) c.blame(`job ${id} was confirmed for a key whose job is ${made.get(mark)}`);
  for (const mark of clients.undone)
    if (made.has(mark) || ordered.has(mark)) c.blame(`an order was rolled back, and there is a job ${made.get(mark)}`);
  for (const mark of ordered) if (!made.has(mark)) c.blame(`an order without its job: ${mark}`);
  c.figures.keys = made.size;
}

/** A checkpoint's step is not paid for again by whoever holds the job. */
function judgeSteps(c, events) {
  const saved = new Map();
  let again = 0, late = 0;
  for (const e of events) {
    if (e.kind === 'job' && e.now === 'deleted') saved.delete(e.job_id);
    if (e.kind === 'step') {
      if (e.holder !== e.who) c.blame(`a stale attempt saved step ${e.step} of job ${e.job_id}: ${e.who}, the fence is ${e.holder}'s`);
      if (!saved.has(e.job_id)) saved.set(e.job_id, new Map());
      saved.get(e.job_id).set(`${e.run} ${e.step}`, e.now);
    }
    if (e.kind === 'call') {
      if (e.holder !== e.who || !e.held) late++;
      else if (saved.get(e.job_id)?.has(`${e.run} ${e.step}`)) {
        again++;
        c.blame(`step ${e.step} of run ${e.run} of job ${e.job_id} was finished and is paid for again by ${e.who}, event ${e.n}`);
      }
    }
  }
  c.figures.callsOfStaleAttempts = late;
  return again;
}

const BACK_MS = 2000; // after such a time a life has its connections again, and has written what it saw

/** Whether the call's life died without having been able to tell what it had seen. Others may have taken it for
 *  dead before it was, and closed the call. */
function diedBlind(call, { blind, deaths }) {
  return deaths.some((d) => isOf(call.who, d.who) && d.at > call.opened_at &&
    blind.some((b) => (b.who === null || isOf(call.who, b.who)) && b.from < call.closed_at && b.from < d.at &&
      +b.to + BACK_MS > +d.at));
}

const TOKENS_A_SECOND = 80; // of the simulated provider's streams, at speed 1
const BUSY_S = 0.05; // by which a busy machine is late, for each call, beside the tenth that a calm one may be off
const UNSAVED_S = 0.3; // what a stream brings in such a time may never have been saved

/** What nobody saw, nobody can estimate: counted apart are calls in the dark, and those that were cut before
 *  the first word of them was saved. */
function compareEstimates(c, cut, world) {
  const sums = Object.fromEntries(['seen', 'young', 'dark'].map((kind) => [kind, { calls: 0, ours: 0, truth: 0 }]));
  const offs = [];
  for (const [call, entry, where] of cut) {
    const truth = entry?.billed_output_tokens ?? 0;
    const isYoung = call.output === 0 && truth <= UNSAVED_S * TOKENS_A_SECOND * world.speed;
    const kind = diedBlind(call, world) ? 'dark' : isYoung ? 'young' : 'seen';
    sums[kind].calls++;
    sums[kind].ours += call.output;
    sums[kind].truth += truth;
    if (kind === 'seen') offs.push([truth - call.output, where]);
  }
  for (const sum of Object.values(sums))
    sum.off = sum.truth ? `${((sum.ours / sum.truth - 1) * 100).toFixed(1)} %` : 'nothing';
  c.figures.estimates = sums;
  const { calls, ours, truth } = sums.seen;
  const allowed = 0.1 * truth + calls * BUSY_S * TOKENS_A_SECOND * world.speed;
  if (calls >= 8 && Math.abs(ours - truth) > allowed)
    c.blame(`cut calls: ${ours} tokens estimated, ${truth} in truth; the worst:\n  ` + offs
      .sort((a, b) => Math.abs(b[0]) - Math.abs(a[0])).slice(0, 15).map((o) => o.join(' ')).join('\n  '));
}

function compareLedger(c, calls, truth, world) {
  const real = new Map(truth.filter((e) => e.call).map((e) => [e.call, e]));
  const count = { exact: 0, cut: 0, endNotHeard: 0, notSent: 0, unbilled: 0 };
  const estimated = [];
  for (const call of calls) {
    const entry = real.get(call.id);
    const where = `call ${call.id} (${call.step} of ${call.job_id}, ${call.error}): ours ${call.state}, ` +
      `${call.input}/${call.output}; truth ${entry ? `${entry.status}, ${entry.billed_input_tokens}/${entry.billed_output_tokens}, ` +
      `completed ${entry.completed}` : 'none'}`;
    real.delete(call.id);
    if (call.state === EXACT) {
      count.exact++;
      if (!entry?.completed || entry.billed_input_tokens !== call.input || entry.billed_output_tokens !== call.output)
        c.blame(`not equal to the token: ${where}`);
    } else if (call.state === ESTIMATED) {
      count[!entry ? 'notSent' : entry.completed ? 'endNotHeard' : 'cut']++;
      estimated.push([call, entry, where]);
    } else if (call.state === UNBILLED) {
      count.unbilled++;
      if (entry?.billed_output_tokens > 0) c.blame(`billed, but recorded as not: ${where}`);
    } else {
      c.blame(`still open: ${where}`);
    }
  }
  for (const entry of real.values()) c.blame(`a call that the ledger does not know: ${JSON.stringify(entry)}`);
  c.figures.calls = count;
  compareEstimates(c, estimated, world);
}

async function judgeRests(c, world) {
  const rests = {
    'queue rows': 'SELECT count(*) FROM scriptorium.queue',
    'jobs thought to be somebody else\'s': 'SELECT count(*) FROM scriptorium.foreign_job',
    'checkpoints of jobs that are gone': `SELECT count(*) FROM scriptorium.step s
      WHERE NOT EXISTS (SELECT FROM script_generation_jobs j WHERE j.id = s.job_id)`,
    'texts of jobs that are gone or completed': `SELECT count(*) FROM scriptorium.step_text s
      WHERE NOT EXISTS (SELECT FROM script_generation_jobs j WHERE j.id = s.job_id AND j.status <> 'completed')`,
    'runs of jobs that are gone': `SELECT count(*) FROM scriptorium.run r
      WHERE NOT EXISTS (SELECT FROM script_generation_jobs j WHERE j.id = r.job_id)`,
  };
  await world.ask('SELECT scriptorium.drop_late_text()'); // which a sweep does now and then
  for (const [what, sql] of Object.entries(rests)) {
    const [{ count }] = await world.ask(sql);
    if (Number(count) > 0) c.blame(`${count} ${what} are left`);
  }
}

/** All is quiet: looks at everything. */
export async function judge(world, clients) {
  const c = new Case();
  const events = await world.ask('SELECT * FROM chaos.event ORDER BY n');
  const fences = new Map((await world.ask('SELECT * FROM chaos.claim')).map((r) => [r.fence, r.who]));
  const rows = await world.ask(`SELECT id, status, error_message, length(generated_script) AS length
    FROM script_generation_jobs`);
  const calls = await world.ask(`SELECT c.id, c.job_id, c.step, c.state, c.input, c.output, c.error, c.opened_at,
    c.closed_at, e.who FROM scriptorium.call c LEFT JOIN chaos.event e ON e.call_id = c.id`);
  const jobs = followJobs(c, events, fences);
  judgeEnd(c, jobs, rows, clients);
  const effects = await world.ask('SELECT * FROM chaos.effect');
  await judgeLate(c, world, events, effects);
  judgeEffects(c, events, effects);
  judgeInputs(c, events, effects);
  judgeOrders(c, events, clients, await world.ask('SELECT mark FROM chaos.orders'));
  judgeTold(c, events, world.receiver.seen);
  judgeSteps(c, events);
  compareLedger(c, calls, await world.truth(), world);
  await judgeRests(c, world);
  c.figures.events = events.length;
  return c;
}
