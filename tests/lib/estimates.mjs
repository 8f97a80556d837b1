// In: a backlog. Out: every prediction that was given for a waiting job, beside what came.
import { daemon, KEY } from '../blackbox/serve.mjs';
import { until } from '../blackbox/harness.mjs';

const users = Array.from({ length: Number(process.env.USERS ?? 7) }, (_, i) => `${i + 1}1111111-1111-4111-8111-111111111111`);

// {each, count, part, unknown, by: errors by when they were asked}; good: within 25 %, or an
// eighth of a job's time, which is 5 s of one that takes 40, or the slack.
export async function measure(t, dir, { jobs, slots, speed, minutes = 10, mixed = false, database, seed = '1', slack = 0 }) {
  const d = await daemon(t, dir, { speed, args: ['--concurrency', String(slots), '--seed', seed,
    ...(database ? ['--database', database] : [])] });
  const ids = [];
  for (let i = 0; i < jobs; i++) {
    const answer = await d.post('/v1/jobs', { body: { topic: `Topic ${i}`, user_id: users[i % users.length],
      targetDuration: 60 * (mixed ? 3 + (i * 7) % 15 : minutes) } });
    ids.push((await answer.json()).id);
  }
  const told = []; // {id, at, start}
  const rows = new Map();
  const begin = Date.now();
  await until(async () => {
    for (let at = 0; at < ids.length; at += 50) {
      await Promise.all(ids.slice(at, at + 50).map(async (id) => {
        if (rows.get(id)?.completed_at) return;
        const row = await (await d.get(`/v1/jobs/${id}`)).json();
        if (row.status === 'pending') {
          told.push({ id, at: Date.now(), start: row.estimated_start && Date.parse(row.estimated_start) });
        } else rows.set(id, row);
      }));
    }
    return ids.every((id) => rows.get(id)?.status === 'completed');
  }, { timeout: 600000, every: 500 });
  const took = [...rows.values()].map((r) => Date.parse(r.completed_at) - Date.parse(r.started_at));
  const each = took.reduce((a, b) => a + b, 0) / took.length;
  const asked = told.map((p) => {
    const real = Date.parse(rows.get(p.id).started_at) - p.at, predicted = p.start && p.start - p.at;
    return { ...p, real, predicted, turn: (p.at - begin) / each,
      near: predicted !== null && Math.abs(predicted - real) <= Math.max(real / 4, 5000),
      good: predicted !== null && Math.abs(predicted - real) <= Math.max(real / 4, each / 8, slack) };
  }).filter((p) => p.real > 0);
  const known = asked.filter((p) => p.predicted !== null);
  const part = (list) => (list.length === 0 ? 1 : list.filter((p) => p.good).length / list.length);
  const by = {};
  for (let turn = 0; turn < jobs / slots; turn++) {
    const here = known.filter((p) => Math.floor(p.turn) === turn);
    by[turn] = `${here.length} asked, ${(100 * part(here)).toFixed(0)} % good, on average ${(here.reduce((s, p) =>
      s + (p.predicted - p.real) / each, 0) / (here.length || 1)).toFixed(2)} jobs' times late`;
  }
  return { each: Math.round(each), spread: Math.round(Math.sqrt(took.reduce((s, x) => s + (x - each) ** 2, 0) / took.length)),
    count: asked.length, unknown: asked.length - known.length, part: part(known),
    within5s: known.filter((p) => p.near).length / (known.length || 1), by,
    unknownUntil: Math.max(0, ...asked.filter((p) => p.predicted === null).map((p) => p.turn)),
    worst: known.filter((p) => !p.good).sort((a, b) => Math.abs(b.predicted - b.real) - Math.abs(a.predicted - a.real))
      .slice(0, 8).map((p) => `turn ${p.turn.toFixed(2)}: predicted ${p.predicted} ms, real ${p.real} ms`) };
}
