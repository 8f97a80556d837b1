// In: the address of the simulated provider, and what shall happen to the nth model call. Out: a
// provider with faults on the wire that the simulator does not make itself.
import http from 'node:http';

// `acts[n]` (n from 1) gets the client's response; it answers for itself, or returns a function that
// is given the simulator's whole answer as text and returns what the client is to see.
export async function proxy(t, url, acts = {}) {
  const target = new URL(url);
  let n = 0;
  const server = http.createServer((request, response) => {
    const act = request.url === '/v1/messages' ? acts[++n] : undefined;
    const change = act ? act(response, request) : undefined;
    if (act && !change) {
      request.resume();
      return;
    }
    const forward = http.request({ host: target.hostname, port: target.port, path: request.url,
      method: request.method, headers: request.headers }, (answer) => {
      if (!change) {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
        return;
      }
      const parts = [];
      answer.on('data', (d) => parts.push(d));
      answer.on('end', () => {
        const headers = { ...answer.headers };
        delete headers['content-length'];
        delete headers['transfer-encoding'];
        response.writeHead(answer.statusCode, headers);
        response.end(change(Buffer.concat(parts).toString()));
      });
    });
    forward.on('error', () => response.destroy());
    response.on('close', () => forward.destroy());
    request.pipe(forward);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => new Promise((done) => {
    server.closeAllConnections();
    server.close(done);
  }));
  return {
    env: { ANTHROPIC_BASE_URL: `http://127.0.0.1:${server.address().port}`, ANTHROPIC_API_KEY: 'test-key' },
    calls: () => n,
  };
}

// A whole streamed answer of our own making.
export function stream(response, events) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(events.map((e) => `event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`).join(''));
}

export const messageStart = (input = 25) => ({ type: 'message_start', message: { id: 'msg_1', type: 'message',
  role: 'assistant', model: 'claude-x', content: [], stop_reason: null, usage: { input_tokens: input, output_tokens: 1 } } });
