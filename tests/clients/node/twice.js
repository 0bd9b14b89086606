// The same work direct and through weir: what a client could observe must be the same.
'use strict';
const assert = require('node:assert');
const { setTimeout: sleep } = require('node:timers/promises');
const { createClient } = require('redis');

const PATIENCE_MS = 20000;
const WORK_PATIENCE_MS = 60000;

// Resolves to what `look` returns once that is truthy; looks until then, and fails after a while.
async function eventually(what, look) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, `in vain: ${what}`);
    await sleep(5);
  }
}

// Resolves as `promise` does, or fails once that has taken too long, naming what was awaited.
async function within(what, promise, patienceMs = PATIENCE_MS) {
  const giveUp = new AbortController();
  const tooLate = sleep(patienceMs, null, giveUp).then(() => assert.fail(`in vain: ${what}`));
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    giveUp.abort();
    tooLate.catch(() => {});
  }
}

// Runs `look` with a client of its own.
async function ask(port, look) {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', (error) => {
    throw error;
  });
  await client.connect();
  try {
    return await look(client);
  } finally {
    await client.close();
  }
}

async function wipe() {
  await ask(process.env.REDIS_PORT, async (client) => {
    await client.flushAll();
    await client.sendCommand(['SCRIPT', 'FLUSH']);
    await client.sendCommand(['FUNCTION', 'FLUSH']);
  });
}

// Whoever left must not keep a connection of its own.
async function nobodyIsPinned() {
  await ask(process.env.WEIR_PORT, (client) =>
    eventually('weir gives back what clients held', async () => {
      const info = await client.sendCommand(['INFO', 'weir']);
      return /^weir_clients:1\r/m.test(info) && !/^weir_pinned:.*=[1-9]/m.test(info);
    })
  );
}

// Runs `work(port)` first direct, then through weir, each time on an empty Redis; both must
// resolve to deeply equal values. Ends the process if they do not.
async function twice(name, work) {
  try {
    await wipe();
    const direct = await within(
      'the work direct',
      work(Number(process.env.REDIS_PORT)),
      WORK_PATIENCE_MS
    );
    await wipe();
    const through = await within(
      'the work through weir',
      work(Number(process.env.WEIR_PORT)),
      WORK_PATIENCE_MS
    );
    await nobodyIsPinned();
    assert.deepStrictEqual(through, direct);
    assert.notStrictEqual(direct, undefined);
    if (process.env.WEIR_CLIENTS_VERBOSE) console.dir(direct, { depth: 9 });
    console.log(`${name}: the same direct and through weir`);
  } catch (error) {
    console.error(`${name}:`, error);
    process.exit(1);
  }
}

module.exports = { twice, eventually, within };
