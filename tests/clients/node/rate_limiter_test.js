// rate-limiter-flexible on ioredis and on node-redis, direct and through weir.
'use strict';
const { BurstyRateLimiter, RateLimiterRedis } = require('rate-limiter-flexible');
const Redis = require('ioredis');
const { createClient } = require('redis');
const { eventually, twice } = require('./twice');

// What of an answer does not depend on the time.
const told = ({ remainingPoints, consumedPoints, isFirstInDuration, msBeforeNext }) => ({
  remainingPoints,
  consumedPoints,
  isFirstInDuration,
  waits: msBeforeNext > 0,
});
const ask = (promise) =>
  promise.then(
    (yes) => ({ yes: told(yes) }),
    (no) => ({ no: no instanceof Error ? no.message : told(no) })
  );
const byPoints = (a, b) => (a.yes ?? a.no).consumedPoints - (b.yes ?? b.no).consumedPoints;

async function limits(options) {
  const seen = {};
  const limiter = new RateLimiterRedis({
    ...options,
    keyPrefix: 'login',
    points: 10,
    duration: 60,
  });
  const twin = new RateLimiterRedis({ ...options, keyPrefix: 'login', points: 10, duration: 60 });
  seen.crowd = (
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => ask((i % 2 ? limiter : twin).consume('ann')))
    )
  ).sort(byPoints);
  seen.other = await ask(limiter.consume('bob', 4));
  seen.changed = [
    told(await twin.penalty('bob', 2)),
    told(await limiter.reward('bob', 3)),
    told(await twin.get('bob')),
  ];
  seen.nobody = await limiter.get('nobody');
  seen.blocked = [
    told(await limiter.block('bob', 30)),
    await ask(limiter.consume('bob')),
    await ask(twin.consume('bob')),
  ];
  seen.deleted = [
    await limiter.delete('bob'),
    await limiter.delete('bob'),
    await ask(limiter.consume('bob')),
  ];
  seen.set = [
    told(await limiter.set('cid', 9, 60)),
    await ask(twin.consume('cid')),
    await ask(twin.consume('cid')),
  ];

  const strict = new RateLimiterRedis({
    ...options,
    keyPrefix: 'strict',
    points: 2,
    duration: 60,
    blockDuration: 30,
    inMemoryBlockOnConsumed: 2,
  });
  seen.strict = [];
  for (let i = 0; i < 4; i++) seen.strict.push(await ask(strict.consume('ann')));
  const bursty = new BurstyRateLimiter(
    new RateLimiterRedis({ ...options, keyPrefix: 'base', points: 2, duration: 60 }),
    new RateLimiterRedis({ ...options, keyPrefix: 'burst', points: 3, duration: 60 })
  );
  seen.bursty = [];
  for (let i = 0; i < 7; i++)
    seen.bursty.push(
      await bursty.consume('ann').then(
        () => 'yes',
        () => 'no'
      )
    );
  const quick = new RateLimiterRedis({ ...options, keyPrefix: 'quick', points: 1, duration: 1 });
  seen.quick = await Promise.all([ask(quick.consume('ann')), ask(quick.consume('ann'))]);
  seen.again = await eventually('a new second', () => quick.consume('ann').then(told, () => null));
  return seen;
}

async function work(port) {
  const fail = (error) => {
    throw error;
  };
  const ioredis = new Redis({ port, enableOfflineQueue: false }).on('error', fail);
  await new Promise((resolve) => {
    ioredis.once('ready', resolve);
  });
  const onIoredis = await limits({ storeClient: ioredis });
  await ioredis.flushall();
  const nodeRedis = createClient({ url: `redis://127.0.0.1:${port}` }).on('error', fail);
  await nodeRedis.connect();
  const onNodeRedis = await limits({ storeClient: nodeRedis, useRedisPackage: true });
  await Promise.all([ioredis.quit(), nodeRedis.close()]);
  return { onIoredis, onNodeRedis };
}

twice('rate-limiter-flexible', work);
