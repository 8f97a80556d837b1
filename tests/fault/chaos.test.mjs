// The short form of the chaos, as a test; SEED=... replays its choices. `make chaos` is the long form.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos, forms } from './chaos.mjs';

test('nodes, network and database fail while clients meddle: nothing is lost, doubled or written too late',
  { timeout: 350000 }, async () => {
    assert.deepEqual(await chaos(forms.short), []);
  });
