// In: a chaos's database. Out: one of the program's SQL functions, broken: so that it is seen whether the
// judge sees it, and for the right reason. By itself: tries each, in a chaos of its own, and exits 1 when one
// goes unnoticed.
import { fileURLToPath } from 'node:url';

// name: the function, what stands there, what shall stand there, the finding that it must cause; `often`:
// the fault that it shows at.
export const mutants = {
  'any fence may end a job': { fn: 'hold', from: 'q.fence = i.fence AND q.fence > 0', to: 'true',
    finding: /^an attempt that is over wrote: (job|queue)|^completed by a stale attempt/ },
  'any fence may save a step': { fn: 'step_save', from: 'AND q.fence = step_save.fence AND q.fence > 0', to: 'AND q.state = 1',
    finding: /^an attempt that is over wrote: step|^a stale attempt saved step/ },
  'any fence may save text': { fn: 'progress', from: 'losts := ARRAY(SELECT c.lost FROM scriptorium.check_held(jobs, fences) c);',
    to: 'losts := array_fill(0, ARRAY[cardinality(jobs)]);', finding: /^a text that is not its attempt's/ },
  'a re-run leaves the old attempt its fence': { fn: 'after_update', from: '(w.state IS NULL OR w.state = 1) AS due',
    to: '(w.state IS NULL) AS due', finding: /^a pending row whose queue row says 1/ },
  'a cancelled job keeps its queue row': { fn: 'after_update', from: 'DELETE FROM scriptorium.queue WHERE job_id = ANY (ended);',
    to: '', finding: /^a cancelled row whose queue row says/ },
  'on_completed runs twice': { fn: 'finish_held', from: "PERFORM scriptorium.call_hook(hook, 'uuid', 'void', jobs[1], NULL);",
    to: "PERFORM scriptorium.call_hook(hook, 'uuid', 'void', jobs[1], NULL); PERFORM scriptorium.call_hook(hook, 'uuid', 'void', jobs[1], NULL);",
    finding: /^two effects of one completion/ },
  'on_completed is left out now and then': { fn: 'finish_held', from: '0 = ANY (outcomes)', to: '0 = ANY (outcomes) AND random() < 0.95',
    finding: /was completed without its effect/ },
  'on_ended runs again and again': { fn: 'run_ended', from: 'SET state = 1,', to: 'SET state = CASE WHEN random() < 0.5 THEN 0 ELSE 1 END,',
    finding: /^an effect of an end that was not, or once more/ },
  'on_ended is not told of deleted jobs': { fn: 'note_ended', from: "i.outcome <> 'completed' AND",
    to: "i.outcome NOT IN ('completed', 'deleted') AND", finding: /^an end without its effect: \S+ deleted/ },
  'on_ended is not told of later runs': { fn: 'note_ended', from: "scriptorium.is_on('outbox.ended')",
    to: "scriptorium.is_on('outbox.ended') AND NOT EXISTS (SELECT FROM scriptorium.run x WHERE x.job_id = i.id)",
    finding: /^an end without its effect/ },
  'on_ended is told another outcome': { fn: 'run_ended', from: 'one.job_id, one.outcome)', to: "one.job_id, 'failed')",
    finding: /^an effect of an end that was not, or once more: \S+ failed/ },
  'the input hook runs at each attempt': { fn: 'input', from: 'IF FOUND THEN',
    to: "DELETE FROM scriptorium.step s WHERE s.job_id = job AND s.step = 'input';\n    IF false THEN", finding: /got its input twice/ },
  'a call is missing in the ledger': { fn: 'call_begin', from: 'INSERT INTO scriptorium.call',
    to: 'IF random() < 0.03 THEN RETURN 0; END IF; INSERT INTO scriptorium.call', finding: /^a call that the ledger does not know/ },
  'a call is never closed': { fn: 'end_call', from: 'WHERE c.id = $1', to: 'WHERE random() < 0.98 AND c.id = $1', finding: /^still open|^not quiet .* [1-9]\d* calls open/ },
  'a token too few': { fn: 'end_call', from: 'output = $4', to: 'output = greatest($4 - 1, 0)', finding: /^not equal to the token/ },
  'cut calls are not charged': { fn: 'end_lost_calls', from: 'c.id, 2, c.estimated_input, produced,', to: 'c.id, 2, c.estimated_input, 0,',
    finding: /^cut calls: /, often: 'kill' },
  'nobody is rescued': { fn: 'rescue', from: 'IF by IS NULL THEN', to: 'IF true THEN', finding: /^running without a live lease/ },
  'most sweeps forget the jobs of the dead': { fn: 'rescue', from: 'IF ids IS NOT NULL THEN',
    to: 'IF ids IS NOT NULL AND random() < 0.005 THEN', finding: /^running without a live lease/ },
  'the first crash fails a job': { fn: 'take_back', from: 's.suspect AND s.crashes >= 4', to: 's.suspect AND s.crashes >= 0',
    finding: /^job \S+ failed: given up/ },
  'finished steps are not remembered': { fn: 'run_state', from: "AND s.step <> 'input'", to: 'AND false',
    finding: /was finished and is paid for again/ },
  'a key is forgotten': { fn: 'insert_jobs', from: 'IF EXISTS (SELECT FROM', to: 'IF false AND EXISTS (SELECT FROM',
    finding: /^one key, two jobs/, often: 'cut clients' },
  'an end is not told': { fn: 'note_ended', from: 'WHERE w.outcome = i.outcome', to: 'WHERE w.outcome = i.outcome AND random() < 0.95',
    finding: /^nobody was told/ },
  'a delivery is told under another id': { fn: 'deliveries_take', from: 'SET attempts = o.attempts + 1',
    to: 'SET id = gen_random_uuid(), attempts = o.attempts + 1', finding: /^webhook \S+ tells of an end that was not, or once more/ },
  'what was not delivered is taken for delivered': { fn: 'deliveries_note', from: 'SET state = i.state', to: 'SET state = 1',
    finding: /^webhook \S+ was never taken/ },
  'a deleted job leaves its steps': { fn: 'forget', from: 'DELETE FROM scriptorium.step WHERE job_id = ANY (ids);', to: '',
    finding: /checkpoints of jobs that are gone/ },
  'a completed job that runs again keeps its run': { fn: 'after_completed', from: '(NEW.id, 2)', to: '(NEW.id, 1)',
    finding: /^webhook \S+ tells of an end that was not|^nobody was told/ },
};

/** Breaks one; throws when the program's text has changed and the mutant does not fit any more. */
export async function mutate(client, name) {
  const { fn, from, to } = mutants[name];
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
  for (const [name, { finding }] of Object.entries(mutants)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const problems = await chaos({ ...forms.short, jobs: 240, seconds: 14, kills: 7, patience: 40000, mutant: name });
    const found = problems.filter((p) => finding.test(p));
    const kinds = [...new Set(problems.map((p) => p.split('\n')[0].replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '...')
      .replace(/\d+/g, 'N').slice(0, 110)))];
    if (found.length === 0) missed++;
    console.log(`${found.length === 0 ? 'not ' : ''}ok ${++n} - ${name}: ${found.length} of ${problems.length} findings are its own` +
      kinds.slice(0, 6).map((k) => `\n#   ${k}`).join(''));
  }
  process.exit(missed > 0 ? 1 : 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(); // not awaited: chaos.mjs imports this file
