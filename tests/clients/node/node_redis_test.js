// node-redis with its default options (RESP3) and with RESP2, doing ordinary work through weir.
'use strict';
const assert = require('node:assert');
const { createClient } = require('redis');

const url = `redis://127.0.0.1:${process.env.WEIR_PORT}`;

async function work(options, prefix) {
  const client = createClient({ url, ...options });
  client.on('error', (error) => { throw error; });
  await client.connect();
  assert.strictEqual(await client.ping(), 'PONG');
  assert.strictEqual(await client.set(`${prefix}:k`, 'v', { EX: 100 }), 'OK');
  assert.strictEqual(await client.get(`${prefix}:k`), 'v');
  assert.strictEqual(await client.get(`${prefix}:nosuch`), null);
  assert.strictEqual(await client.incr(`${prefix}:n`), 1);
  await client.hSet(`${prefix}:h`, { a: '1', b: '2' });
  assert.deepStrictEqual({ ...(await client.hGetAll(`${prefix}:h`)) }, { a: '1', b: '2' });
  await client.zAdd(`${prefix}:z`, [{ score: 1.5, value: 'a' }, { score: 2, value: 'b' }]);
  assert.deepStrictEqual(
    (await client.zRangeWithScores(`${prefix}:z`, 0, -1)).map(({ score, value }) => [value, score]),
    [['a', 1.5], ['b', 2]]);

  // Sent in one batch, answered in order.
  const echoes = await Promise.all(Array.from({ length: 5000 }, (_, i) => client.echo(`e${i}`)));
  echoes.forEach((echo, i) => assert.strictEqual(echo, `e${i}`));

  const large = 'x'.repeat(3 << 20);
  await client.set(`${prefix}:large`, large);
  assert.strictEqual(await client.get(`${prefix}:large`), large);

  await client.mSet(Array.from({ length: 500 }, (_, i) => [`${prefix}:m${i}`, String(i)]));
  let scanned = 0;
  for await (const keys of client.scanIterator({ MATCH: `${prefix}:m*`, COUNT: 50 })) {
    scanned += Array.isArray(keys) ? keys.length : 1;
  }
  assert.ok(scanned >= 500, `scanned ${scanned}`);

  assert.deepStrictEqual(
    await client.eval('return {KEYS[1], ARGV[1]}', { keys: ['a'], arguments: ['b'] }), ['a', 'b']);
  await assert.rejects(client.sendCommand(['NOSUCH']), /unknown command/);
  await assert.rejects(client.lPush(`${prefix}:k`, 'x'), /WRONGTYPE/);
  await assert.rejects(client.sendCommand(['SHUTDOWN']), /NOPERM weir/);

  const three = client.duplicate({ database: 3, name: 'three' });
  three.on('error', (error) => { throw error; });
  await three.connect();
  await three.set(`${prefix}:k`, 'in three');
  assert.strictEqual(await client.get(`${prefix}:k`), 'v');
  assert.strictEqual(await three.clientGetName(), 'three');
  await three.close();
  await client.close();
}

async function main() {
  await work({}, 'nr3');
  await work({ RESP: 2 }, 'nr2');
  console.log('node-redis: all as it should be');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
