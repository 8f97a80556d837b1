// In: a daemon and a path. Out: its event stream over a raw socket, read event by event, cut off when
// the test says so; and a client that keeps what a stream told, as a page would.
import http from 'node:http';

// {status, headers, next(), close()}: next() is the next event, null at the end of the stream.
export function open(url, { key, last, headers = {} } = {}) {
  return new Promise((done, fail) => {
    const request = http.get(url, { agent: false, headers: {
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...(last ? { 'last-event-id': last } : {}), ...headers } });
    request.on('error', fail);
    request.on('response', (response) => {
      const events = [];
      let text = '', over = false, wake = () => {};
      response.setEncoding('utf8');
      response.on('data', (d) => {
        text += d;
        for (let at; (at = text.indexOf('\n\n')) >= 0; text = text.slice(at + 2)) {
          const event = parse(text.slice(0, at));
          if (event) events.push(event);
        }
        wake();
      });
      const end = () => { over = true; wake(); };
      response.on('end', end);
      response.on('error', end);
      response.on('close', end);
      done({
        status: response.statusCode, headers: response.headers, response,
        body: async () => { while (!over) await new Promise((w) => { wake = w; }); return text; },
        next: async () => {
          while (events.length === 0 && !over) await new Promise((w) => { wake = w; });
          return events.shift() ?? null;
        },
        close: () => request.destroy(),
      });
    });
  });
}

function parse(block) {
  const event = { type: 'message', id: null, data: '' };
  let has = false;
  for (const line of block.split('\n')) {
    const [, name, value] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (name === 'event') event.type = value;
    else if (name === 'id') event.id = value;
    else if (name === 'data') { event.data += value; has = true; }
  }
  if (!has) return null;
  event.data = JSON.parse(event.data);
  return event;
}

// What a page keeps. Throws at a gap or a double.
export class Page {
  constructor() {
    this.texts = new Map();   // by step
    this.steps = [];
    this.progress = [];
    this.resets = 0;
    this.done = null;
    this.last = undefined;
    this.seen = new Set();
  }

  take(event) {
    const { type, id, data } = event;
    if (this.seen.has(id) && type === 'text') throw new Error(`told twice: ${JSON.stringify(event)}`);
    if (type === 'text') this.seen.add(id);
    if (this.done) throw new Error(`after the end: ${JSON.stringify(event)}`);
    this.last = id;
    if (type === 'text') {
      const known = this.texts.get(data.step) ?? '';
      const bytes = Buffer.byteLength(known);
      if (bytes !== data.offset) {
        throw new Error(`${data.step}: text at ${data.offset}, known ${bytes}`);
      }
      this.texts.set(data.step, known + data.text);
    } else if (type === 'step') {
      if (this.steps.includes(data.step)) throw new Error(`step ${data.step} told twice`);
      this.steps.push(data.step);
    } else if (type === 'reset') {
      this.resets++;
      this.seen.clear();
      if (data.step === null) { this.texts.clear(); this.steps = []; } else this.texts.delete(data.step);
    } else if (type === 'progress') {
      const now = JSON.stringify(data);
      if (now === this.progress.at(-1)) throw new Error(`progress told twice: ${now}`);
      this.progress.push(now);
    } else if (type === 'done') {
      this.done = data;
    } else {
      throw new Error(`unknown: ${JSON.stringify(event)}`);
    }
  }
}

// Follows a job to its end; `cut` says after how many events the connection breaks, 0 = never.
// `urls`: asked in turn; `alive`: waits until there is somebody to ask.
export async function follow(urls, path, { key, cut = () => 0, alive = async () => {} } = {}) {
  const page = new Page();
  for (let turn = 0; !page.done; turn++) {
    await alive();
    let stream;
    try {
      stream = await open(urls[turn % urls.length]() + path, { key, last: page.last });
    } catch {
      continue; // the node is down
    }
    if (stream.status !== 200) throw new Error(`${path}: ${stream.status} ${await stream.body()}`);
    const most = cut();
    for (let n = 0; !page.done && (most === 0 || n < most); n++) {
      const event = await stream.next();
      if (event === null) break;
      page.take(event);
    }
    stream.close();
  }
  return page;
}
