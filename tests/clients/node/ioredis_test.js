// ioredis with its default options, doing ordinary work through weir.
'use strict';
const assert = require('node:assert');
const Redis = require('ioredis');

const port = Number(process.env.WEIR_PORT);

async function main() {
  const redis = new Redis(port);
  assert.strictEqual(await redis.ping(), 'PONG');
  assert.strictEqual(await redis.set('io:k', 'v', 'EX', 100), 'OK');
  assert.strictEqual(await redis.get('io:k'), 'v');
  assert.strictEqual(await redis.get('io:nosuch'), null);
  await redis.hset('io:h', { a: 1, b: 2 });
  assert.deepStrictEqual(await redis.hgetall('io:h'), { a: '1', b: '2' });
  const binary = Buffer.from(Array.from({ length: 300000 }, (_, i) => i % 256));
  await redis.set('io:bin', binary);
  assert.ok(binary.equals(await redis.getBuffer('io:bin')));

  // Sent at once, answered in order.
  const echoes = await Promise.all(Array.from({ length: 5000 }, (_, i) => redis.echo(`e${i}`)));
  echoes.forEach((echo, i) => assert.strictEqual(echo, `e${i}`));

  const pipeline = redis.pipeline();
  for (let i = 0; i < 1000; i++) pipeline.set(`io:p${i}`, i).incr(`io:p${i}`);
  const results = await pipeline.exec();
  results.forEach(([error, value], i) => {
    assert.strictEqual(error, null);
    assert.strictEqual(value, i % 2 === 0 ? 'OK' : (i - 1) / 2 + 1);
  });

  redis.defineCommand('both', { numberOfKeys: 1, lua: 'return {KEYS[1], ARGV[1]}' });
  assert.deepStrictEqual(await redis.both('io:a', 'b'), ['io:a', 'b']);

  let scanned = 0;
  for await (const keys of redis.scanStream({ match: 'io:p*', count: 100 })) scanned += keys.length;
  assert.ok(scanned >= 1000, `scanned ${scanned}`);

  await assert.rejects(redis.call('NOSUCH'), /unknown command/);
  await assert.rejects(redis.lpush('io:k', 'x'), /WRONGTYPE/);
  await assert.rejects(redis.shutdown(), /NOPERM weir/);

  const three = new Redis({ port, db: 3, connectionName: 'three' });
  await three.set('io:k', 'in three');
  assert.strictEqual(await redis.get('io:k'), 'v');
  assert.strictEqual(await three.client('GETNAME'), 'three');
  await three.quit();

  const piped = new Redis({ port, enableAutoPipelining: true });
  await Promise.all(Array.from({ length: 1000 }, (_, i) => piped.set(`io:auto${i}`, i)));
  assert.strictEqual(await piped.get('io:auto999'), '999');
  piped.disconnect();
  assert.strictEqual(await redis.quit(), 'OK');
  console.log('ioredis: all as it should be');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
