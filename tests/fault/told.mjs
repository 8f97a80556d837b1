// In: what a chaos did, and all requests that came to a receiver of webhooks which now and then refuses.
// Out: ends that were not told, or told wrongly.
import { receiver, secret, verify } from '../blackbox/receiver.mjs';

/** A receiver with moods. `env`: what a node needs to know of it; `calm()`: from now on it takes all. */
export async function listen(next) {
  const key = secret(), after = [];
  const it = await receiver({ after: (fn) => after.push(fn) }, { answer: (one, response) => {
    one.signed = verify(key, one.headers, one.body);
    const dice = one.nth === 1 && !it.isCalm ? next() : 1;
    if (dice < 0.06) response.writeHead(500).end();
    else if (dice < 0.12) response.destroy(); // it has heard, but does not say so
    else if (dice < 0.16) setTimeout(() => take(one, response), 1500);
    else take(one, response);
  } });
  const take = (one, response) => {
    one.taken = true;
    response.writeHead(204).end();
  };
  it.calm = () => { it.isCalm = true; };
  it.down = () => Promise.all(after.map((fn) => fn()));
  it.env = { SCRIPTORIUM_WEBHOOK_URL: it.url, SCRIPTORIUM_WEBHOOK_SECRET: key,
    SCRIPTORIUM_WEBHOOK_ALLOW: '127.0.0.1' };
  return it;
}

/** The ends of runs that the record knows, in order: {job, run, how}. */
export function endsOf(events) {
  const runs = new Map(), ends = [];
  for (const e of events) {
    if (e.kind !== 'job') continue;
    const run = runs.get(e.job_id) ?? 1;
    if (['pending', 'processing'].includes(e.was) && !['pending', 'processing'].includes(e.now))
      ends.push({ job: e.job_id, run, how: e.now });
    if (e.now === 'deleted') runs.delete(e.job_id);
    else if (e.was === 'completed' && e.now !== 'completed') runs.set(e.job_id, run + 1);
  }
  return ends;
}

/** How often each key is in a list. */
export function tally(keys) {
  const counts = new Map();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

const facts = ({ json: { type, timestamp, data } }) => `${data.job_id} ${data.run} ${data.status} ${type} ${timestamp}`;

/** Each end has one delivery, taken at least once; each request of a delivery says the same. */
export function judgeTold(c, events, seen) {
  const told = new Map();
  let again = 0;
  for (const one of seen) {
    if (!one.signed) c.blame(`webhook ${one.id} is not signed as it should be`);
    const first = told.get(one.id);
    if (!first) {
      told.set(one.id, { says: facts(one), end: `${one.json.data.job_id} ${one.json.data.run} ${one.json.data.status}`,
        taken: one.taken ?? false });
      continue;
    }
    if (first.says !== facts(one)) c.blame(`webhook ${one.id} said ${first.says} and then ${facts(one)}`);
    if (first.taken && one.taken) again++;
    first.taken ||= one.taken ?? false;
  }
  const left = tally(endsOf(events).map(({ job, run, how }) => `${job} ${run} ${how}`));
  for (const [id, { end, taken }] of told) {
    if (!taken) c.blame(`webhook ${id} was never taken: ${end}`);
    if (!left.get(end)) c.blame(`webhook ${id} tells of an end that was not, or once more: ${end}`);
    else left.set(end, left.get(end) - 1);
  }
  for (const [end, n] of left) if (n > 0) c.blame(`nobody was told: ${end}`);
  c.figures.webhooks = { told: told.size, requests: seen.length, takenAgain: again };
}
