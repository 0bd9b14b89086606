// ioredis with sentinels, unchanged, to a weir with the facade of sentinels.
const assert = require('node:assert');
const { test } = require('node:test');
const Redis = require('ioredis');

const port = Number(process.env.WEIR_PORT);
const sentinels = [{ host: '127.0.0.1', port }];

test('ioredis finds weir as the primary', async () => {
  const redis = new Redis({ sentinels, name: 'mymaster', failoverDetector: true });
  try {
    assert.strictEqual(await redis.set('a', '1'), 'OK');
    assert.strictEqual(await redis.incr('a'), 2);
    assert.strictEqual(redis.stream.remotePort, port);
  } finally {
    redis.disconnect();
  }
});

test('an unknown name is not found', async () => {
  const redis = new Redis({ sentinels, name: 'other', sentinelRetryStrategy: () => null });
  redis.on('error', () => {});
  await assert.rejects(redis.get('a'));
  redis.disconnect();
});
