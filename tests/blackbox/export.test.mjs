// A finished script in its other forms: by command and by API, held to the rules of the formats.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, json, run } from './harness.mjs';
import { daemon } from './serve.mjs';

// Strict readers: each rule of the format that a player relies on. Cues as {from, to, lines}, in
// milliseconds.
function cues(text, { number, dot }) {
  const blocks = text.split('\n\n');
  assert.equal(blocks.pop(), '', 'ends with an empty line');
  const clock = `(\\d{2,}):([0-5]\\d):([0-5]\\d)${dot}(\\d{3})`;
  const ms = ([h, m, s, f]) => ((Number(h) * 60 + Number(m)) * 60 + Number(s)) * 1000 + Number(f);
  let last = 0;
  return blocks.map((block, i) => {
    const lines = block.split('\n');
    if (number) assert.equal(lines.shift(), String(i + 1));
    const times = new RegExp(`^${clock} --> ${clock}$`).exec(lines.shift());
    assert.ok(times, block);
    const [from, to] = [ms(times.slice(1, 5)), ms(times.slice(5))];
    assert.ok(from >= last && to > from, `${from} to ${to} after ${last}`);
    last = to;
    assert.ok(lines.length === 1 || lines.length === 2, block);
    for (const line of lines) {
      assert.ok([...line].length <= 42 && line === line.trim() && line.length > 0, line);
      assert.doesNotMatch(line, /-->|\*\*|^#|\[/);
      if (!number) assert.doesNotMatch(line.replace(/&(amp|lt|gt);/g, ''), /[<>&]/);
    }
    return { from, to, lines };
  });
}
const srt = (text) => cues(text, { number: true, dot: ',' });
function vtt(text) {
  assert.ok(text.startsWith('WEBVTT\n\n'));
  return cues(text.slice(8), { number: false, dot: '\\.' });
}

const FORMS = { md: /^# |^### /m, txt: /^Description$/m, teleprompter: /[.!?]"?$/m, json: /^\{"sections"/,
  srt: /^1\n00:00:00,000 -->/, vtt: /^WEBVTT/, fountain: /^NARRATOR$/m };
const FILES = { teleprompter: 'teleprompter.txt' };

test('jobs export writes every form, as files and to standard output', (t) => {
  const dir = folder(t);
  const done = run(dir, ['run', '--topic', 'Why bridges hum', '--minutes', '3', '--speed', '1000', '--json']);
  assert.equal(done.code, 0, done.err);
  const [{ id }] = json(dir, ['jobs', 'list']).jobs;
  const names = Object.keys(FORMS);
  const { files } = json(dir, ['jobs', 'export', id, '--format', names.join(','), '--out', 'a/b']);
  assert.deepEqual(files, names.map((format) => ({ format, file: `a/b/${id}.${FILES[format] ?? format}` })));
  assert.equal(readdirSync(join(dir, 'a/b')).length, names.length);
  const text = {};
  for (const { format, file } of files) {
    text[format] = readFileSync(join(dir, file), 'utf8');
    assert.match(text[format], FORMS[format]);
    const printed = run(dir, ['jobs', 'export', id, '--format', format]);
    assert.equal(printed.code, 0, printed.err);
    assert.equal(printed.out, text[format]);
  }
  // by 130 words a minute the last word ends when all have been said
  const { words } = JSON.parse(text.json);
  assert.equal(srt(text.srt).at(-1).to, Math.floor(words * 60000 / 130));
  assert.deepEqual(vtt(text.vtt).map(({ from, to }) => ({ from, to })), srt(text.srt).map(({ from, to }) => ({ from, to })));
  const twice = run(dir, ['jobs', 'export', id, '--format', 'srt', '--wpm', '260']).out;
  assert.equal(srt(twice).at(-1).to, Math.floor(words * 60000 / 260));
  // what the teleprompter shows is what the subtitles show
  const said = (s) => s.split(/\s+/).filter(Boolean).join(' ');
  assert.equal(said(srt(text.srt).map((c) => c.lines.join(' ')).join(' ')), said(text.teleprompter));
  for (const block of text.fountain.trimEnd().split('\n\n')) {
    assert.match(block, /^(Title: |\.[^.]|!|NARRATOR\n[^\n]+$)/, block);
  }
});

test('what cannot be exported is told', (t) => {
  const dir = folder(t);
  const id = run(dir, ['enqueue', '--topic', 'Salt']).out.trim();
  const fails = (args, code, words) => {
    const done = run(dir, ['jobs', 'export', ...args]);
    assert.equal(done.code, code, done.err);
    assert.match(done.err, words);
    assert.equal(done.out, '');
  };
  fails([id], 1, /is pending: it has no script/);
  fails([id, '--format', 'md,pdf'], 2, /'pdf' is none; there are md, txt, teleprompter/);
  fails([id, '--format', ''], 2, /'' is none/);
  fails([id, '--wpm', '4000'], 2, /--wpm/);
  fails(['00000000-0000-4000-8000-000000000000'], 1, /no job/);
});

test('the API gives the same forms with their types', async (t) => {
  const dir = folder(t);
  assert.equal(run(dir, ['run', '--topic', 'Salt', '--minutes', '2', '--speed', '1000', '--json']).code, 0);
  const [{ id }] = json(dir, ['jobs', 'list']).jobs;
  const printed = Object.fromEntries(Object.keys(FORMS).map((format) =>
    [format, run(dir, ['jobs', 'export', id, '--format', format]).out]));
  const d = await daemon(t, dir);
  const types = { md: 'text/markdown', json: 'application/json', srt: 'application/x-subrip', vtt: 'text/vtt' };
  for (const format of Object.keys(FORMS)) {
    const answer = await d.get(`/v1/jobs/${id}/script?format=${format}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type').split(';')[0], types[format] ?? 'text/plain');
    assert.match(answer.headers.get('content-disposition'), new RegExp(`filename="${id}\\.${FILES[format] ?? format}"`));
    assert.equal(await answer.text(), printed[format]);
  }
  assert.equal((await d.get(`/v1/jobs/${id}/script?format=srt&wpm=20`)).status, 400);
});
