// In: a store, perhaps a daemon. Out: doctor's report, held to what every report must be.
import assert from 'node:assert/strict';
import { run } from './harness.mjs';
import { KEY } from './serve.mjs';

export function examine(dir, args = [], { env = {} } = {}) {
  const done = run(dir, ['doctor', '--json', ...args], { env: { SCRIPTORIUM_SERVICE_KEY: KEY, ...env } });
  assert.doesNotMatch(done.out + done.err, new RegExp(KEY), 'no secret in the report');
  assert.ok(done.code === 0 || done.code === 1, done.err);
  const report = JSON.parse(done.out);
  const found = Object.fromEntries(report.checks.map((c) => [c.name, c]));
  assert.equal(report.well, done.code === 0);
  assert.equal(report.well, report.checks.every((c) => c.verdict !== 'ill'));
  for (const c of report.checks) {
    assert.ok(c.question.endsWith('?') && c.evidence.length > 0, c.name);
    if (c.verdict === 'ill') assert.ok(c.remedy, `${c.name} has a remedy`);
  }
  return found;
}

export const is = (check, verdict, pattern) => {
  assert.equal(check.verdict, verdict, `${check.name}: ${check.evidence}`);
  if (pattern) assert.match(check.evidence, pattern);
};
