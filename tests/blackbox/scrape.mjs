// In: what GET /metrics answers. Out: its values and types, or a failure where Prometheus would not take it.
import assert from 'node:assert/strict';

// Reads Prometheus' text format strictly: a metric is told in one piece, type first; a name and its
// labels come once; a histogram's steps rise to its count. {values, types}.
export function scrape(text) {
  const values = new Map(), types = new Map();
  assert.ok(text.endsWith('\n'));
  let metric;
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-z_][a-z_0-9]*) \S.*$/.exec(line), type = /^# TYPE ([a-z_][a-z_0-9]*) (counter|gauge|histogram)$/.exec(line);
    if (help) {
      assert.ok(!types.has(help[1]), `${help[1]} is told twice`);
      metric = help[1];
    } else if (type) {
      assert.equal(type[1], metric);
      types.set(metric, type[2]);
      if (type[2] === 'counter') assert.match(metric, /_total$/);
    } else {
      const sample = /^([a-z_0-9]+)(\{[a-z_]+="(?:[^"\\\n]|\\[\\n"])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\n"])*")*\})? (-?\d+(?:\.\d+)?)$/.exec(line);
      assert.ok(sample, `no sample: ${line}`);
      const base = types.get(metric) === 'histogram' ? sample[1].replace(/_(bucket|sum|count)$/, '') : sample[1];
      assert.equal(base, metric, line);
      const name = sample[1] + (sample[2] ?? '');
      assert.ok(!values.has(name), `${name} twice`);
      values.set(name, Number(sample[3]));
    }
  }
  const steps = new Map();
  for (const [name, value] of values) {
    const le = /^(\w+)_bucket\{(.*?),?le="(.*)"\}$/.exec(name);
    if (!le) continue;
    const series = le[1] + (le[2] ? `{${le[2]}}` : '');
    assert.ok(value >= (steps.get(series) ?? 0), name);
    steps.set(series, value);
    if (le[3] === '+Inf') assert.equal(value, values.get(series.replace(le[1], `${le[1]}_count`)), name);
  }
  return { values, types };
}
