// cache-manager over keyv and @keyv/redis, direct and through weir.
'use strict';
const { createCache } = require('cache-manager');
const { default: KeyvRedis } = require('@keyv/redis');
const { Keyv } = require('keyv');
const { eventually, twice } = require('./twice');

function open(port, namespace) {
  const store = new KeyvRedis(`redis://127.0.0.1:${port}`, { throwOnErrors: true });
  return createCache({
    stores: [new Keyv({ store, namespace, useKeyPrefix: false, throwOnErrors: true })],
  });
}

async function work(port) {
  const one = open(port, 'app');
  const two = open(port, 'app');
  const stranger = open(port, 'stranger');
  const seen = {};
  seen.set = [
    await one.set('k', { deep: [1, 'two', null] }, 60000),
    await two.get('k'),
    await stranger.get('k'),
  ];
  let computed = 0;
  const compute = async () => {
    computed += 1;
    return { computed };
  };
  seen.wrapped = await Promise.all(Array.from({ length: 20 }, () => one.wrap('w', compute, 60000)));
  seen.wrapped_elsewhere = await two.wrap('w', compute, 60000);
  seen.computed = computed;
  await one.mset(Array.from({ length: 100 }, (_, i) => ({ key: `m${i}`, value: i, ttl: 60000 })));
  seen.mget = await two.mget([...Array.from({ length: 100 }, (_, i) => `m${i}`), 'nosuch']);
  await one.set('short', 'lived', 50);
  seen.expired = await eventually('it expires', async () => (await two.get('short')) === undefined);
  seen.del = [
    await one.del('k'),
    await two.get('k'),
    await two.mdel(['m0', 'm1']),
    await one.mget(['m0', 'm1', 'm2']),
  ];
  await stranger.set('k', 'stays', 60000);
  const keys = [];
  for await (const [key] of one.stores[0].iterator()) keys.push(key);
  seen.keys = keys.sort();
  seen.cleared = [await one.clear(), await two.get('m5'), await stranger.get('k')];
  for (const cache of [one, two, stranger]) await cache.disconnect();
  return seen;
}

twice('cache-manager', work);
