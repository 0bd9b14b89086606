// redlock: locks that exclude, expire, extend and are given back, direct and through weir.
'use strict';
const Redis = require('ioredis');
const Redlock = require('redlock');
const { eventually, twice } = require('./twice');

const errorOf = (promise) =>
  promise.then(
    () => 'no error',
    (error) => `${error.name} after ${error.attempts}`
  );

async function work(port) {
  const clients = Array.from({ length: 4 }, () =>
    new Redis(port).on('error', (error) => {
      throw error;
    })
  );
  const patient = clients.map(
    (client) => new Redlock([client], { retryCount: -1, retryDelay: 5, retryJitter: 5 })
  );
  const [one, two] = clients.map(
    (client) => new Redlock([client], { retryCount: 2, retryDelay: 5 })
  );
  const seen = {};

  // A read and a write apart from each other: only the lock makes this count right.
  await Promise.all(
    Array.from({ length: 80 }, async (_, i) => {
      const lock = await patient[i % 4].lock('lock:counter', 10000);
      const value = Number((await clients[i % 4].get('counter')) ?? 0);
      await clients[(i + 1) % 4].set('counter', value + 1);
      await lock.unlock();
    })
  );
  seen.counter = await clients[0].get('counter');

  const held = await one.lock('lock:held', 10000);
  seen.refused = await errorOf(two.lock('lock:held', 1000));
  const extended = await held.extend(60000);
  seen.extended = (await clients[1].pttl('lock:held')) > 50000;
  await extended.unlock();
  const next = await two.lock('lock:held', 1000);
  await next.unlock();
  seen.left = await clients[0].keys('lock:*');

  const short = await one.lock('lock:short', 300);
  const after = await eventually('it expires', () =>
    patient[1].lock('lock:short', 10000).catch(() => null)
  );
  seen.late = await errorOf(short.extend(1000));
  await after.unlock();
  const several = await one.lock(['lock:{a}1', 'lock:{a}2'], 10000);
  seen.overlapping = await errorOf(two.lock(['lock:{a}2', 'lock:{a}3'], 1000));
  seen.keys = (await clients[0].keys('lock:*')).sort();
  await several.unlock();
  await clients[2].script('FLUSH');
  const flushed = await patient[2].lock('lock:flushed', 10000);
  seen.flushed = await clients[0].exists('lock:flushed');
  await flushed.unlock();
  await Promise.all(clients.map((client) => client.quit()));
  return seen;
}

twice('redlock', work);
