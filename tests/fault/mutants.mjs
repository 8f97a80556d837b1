// In: a chaos's database. Out: one of the program's SQL functions, broken: so that it is seen whether the
// judge sees it. By itself: tries each, in a chaos of its own, and exits 1 when one goes unnoticed.
import { fileURLToPath } from 'node:url';

// name: [function, what stands there, what shall stand there, a fault that it shows at]
export const mutants = {
  'any fence may end a job': ['hold', 'q.fence = i.fence AND q.fence > 0', 'true'],
  'any fence may save a step': ['step_save', 'AND q.fence = step_save.fence AND q.fence > 0', 'AND q.state = 1'],
  'a re-run leaves the old attempt its fence': ['after_update', '(w.state IS NULL OR w.state = 1) AS due', '(w.state IS NULL) AS due'],
  'a cancelled job keeps its queue row': ['after_update', 'DELETE FROM scriptorium.queue WHERE job_id = ANY (ended);', ''],
  'on_completed runs twice': ['finish_held', "PERFORM scriptorium.call_hook(hook, 'uuid', 'void', jobs[1], NULL);",
    "PERFORM scriptorium.call_hook(hook, 'uuid', 'void', jobs[1], NULL); PERFORM scriptorium.call_hook(hook, 'uuid', 'void', jobs[1], NULL);"],
  'on_completed is left out now and then': ['finish_held', '0 = ANY (outcomes)', '0 = ANY (outcomes) AND random() < 0.95'],
  'on_ended runs again and again': ['run_ended', 'SET state = 1,', 'SET state = CASE WHEN random() < 0.5 THEN 0 ELSE 1 END,'],
  'the input hook runs at each attempt': ['input', 'IF FOUND THEN', "DELETE FROM scriptorium.step s WHERE s.job_id = job AND s.step = 'input';\n    IF false THEN"],
  'a call is missing in the ledger': ['call_begin', 'INSERT INTO scriptorium.call', 'IF random() < 0.03 THEN RETURN 0; END IF; INSERT INTO scriptorium.call'],
  'a call is never closed': ['end_call', 'WHERE c.id = $1', 'WHERE random() < 0.98 AND c.id = $1'],
  'a token too few': ['end_call', 'output = $4', 'output = greatest($4 - 1, 0)'],
  'cut calls are not charged': ['end_lost_calls', 'c.id, 2, c.estimated_input, produced,', 'c.id, 2, c.estimated_input, 0,'],
  'nobody is rescued': ['rescue', 'IF by IS NULL THEN', 'IF true THEN'],
  'rescued jobs of every second sweep are forgotten': ['rescue', 'IF ids IS NOT NULL THEN', 'IF ids IS NOT NULL AND random() < 0.02 THEN'],
  'the first crash fails a job': ['take_back', 's.suspect AND s.crashes >= 4', 's.suspect AND s.crashes >= 0'],
  'finished steps are not remembered': ['steps', "AND s.step <> 'input'", 'AND false'],
  'a key is forgotten': ['insert_jobs', 'IF EXISTS (SELECT FROM', 'IF false AND EXISTS (SELECT FROM', 'cut clients'],
  'an end is not told': ['note_ended', 'WHERE w.outcome = i.outcome', 'WHERE w.outcome = i.outcome AND random() < 0.95'],
  'a delivery is told under another id': ['deliveries_take', 'SET attempts = o.attempts + 1', 'SET id = gen_random_uuid(), attempts = o.attempts + 1'],
  'what was not delivered is taken for delivered': ['deliveries_note', 'SET state = i.state', 'SET state = 1'],
  'a deleted job leaves its steps': ['forget', 'DELETE FROM scriptorium.step WHERE job_id = ANY (ids);', ''],
  'a completed job that runs again keeps its run': ['after_completed', '(NEW.id, 2)', '(NEW.id, 1)'],
};

/** Breaks one; throws when the program's text has changed and the mutant does not fit any more. */
export async function mutate(client, name) {
  const [fn, from, to] = mutants[name];
  const { rows } = await client.query(`SELECT pg_get_functiondef(p.oid) AS text FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'scriptorium' AND p.proname = $1`, [fn]);
  const fits = rows.filter((r) => squeezed(r.text).includes(squeezed(from)));
  if (fits.length !== 1) throw new Error(`mutant '${name}': ${fits.length} of ${rows.length} functions ${fn} hold its text`);
  await client.query(replaced(fits[0].text, from, to));
}

const squeezed = (text) => text.replace(/\s+/g, ' ');

// White space is not compared.
function replaced(text, from, to) {
  const pattern = from.trim().split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('\\s+');
  return text.replace(new RegExp(pattern), () => to);
}

async function main() {
  const { chaos, forms } = await import('./chaos.mjs');
  const only = process.argv.slice(2);
  let missed = 0, n = 0;
  for (const name of Object.keys(mutants)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const problems = await chaos({ ...forms.short, jobs: 240, seconds: 14, kills: 7, patience: 40000, mutant: name });
    const kinds = [...new Set(problems.map((p) => p.split('\n')[0].replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '...')
      .replace(/\d+/g, 'N').slice(0, 110)))];
    if (problems.length === 0) missed++;
    console.log(`${problems.length === 0 ? 'not ' : ''}ok ${++n} - ${name}: ${problems.length} findings${kinds.slice(0, 4).map((k) => `\n#   ${k}`).join('')}`);
  }
  process.exit(missed > 0 ? 1 : 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(); // not awaited: chaos.mjs imports this file
