// What applications do with ioredis, for ioredis and for clients that descend from it.
'use strict';
const { once } = require('node:events');
const { eventually, within } = require('./twice');

// The text of the error that `promise` rejects with.
const errorOf = (promise) =>
  promise.then(
    () => 'no error',
    (error) => error.message
  );

async function transactions(redis, other) {
  const seen = {};
  seen.multi = await redis.multi().set('t', 1).incr('t').get('t').exec();
  seen.failing = await redis.multi().set('t', 'text').incr('t').get('t').exec();
  seen.refused = await errorOf(redis.multi().set('t').get('t').exec());
  seen.afterRefusal = await redis.get('t');

  await redis.multi({ pipeline: false });
  seen.queued = [await redis.set('t', 5), await redis.incr('t')];
  seen.one_by_one = await redis.exec();
  await redis.multi({ pipeline: false });
  await redis.set('t', 'never');
  seen.discarded = [await redis.discard(), await redis.get('t')];

  await redis.watch('t');
  seen.untouched = await redis.multi().incr('t').exec();
  await redis.watch('t');
  await other.set('t', 100);
  seen.touched = await redis.multi().incr('t').exec();
  seen.large = await redis.multi(Array.from({ length: 2000 }, (_, i) => ['rpush', 'l', i])).exec();
  return seen;
}

async function blocking(redis, other) {
  const seen = {};
  const popped = redis.blpop('q1', 'q2', 0);
  await other.rpush('q2', 'a', 'b');
  seen.blpop = await within('an element', popped);
  seen.at_once = await redis.brpop('q2', 1);
  seen.nothing = await redis.blpop('q1', 0.05);
  const moved = redis.blmove('q1', 'q3', 'LEFT', 'RIGHT', 0);
  await other.rpush('q1', 'm');
  seen.blmove = [await within('a move', moved), await redis.lrange('q3', 0, -1)];
  const least = redis.bzpopmin('z', 0);
  await other.zadd('z', 2, 'two', 1, 'one');
  seen.bzpopmin = await within('a member', least);
  // A client that leaves takes nothing with it.
  const leaver = redis.duplicate();
  const gone = errorOf(leaver.blpop('q4', 0));
  await eventually('it blocks', async () => /cmd=blpop/.test(await other.client('LIST')));
  leaver.disconnect();
  seen.gone = await gone;
  await eventually('it is gone', async () => !/cmd=blpop/.test(await other.client('LIST')));
  seen.kept = [await other.rpush('q4', 'x'), await other.lrange('q4', 0, -1)];
  return seen;
}

async function pubSub(redis, other) {
  const seen = { messages: [] };
  const subscriber = redis.duplicate();
  subscriber.on('message', (...message) => seen.messages.push(message));
  subscriber.on('pmessage', (...message) => seen.messages.push(message));
  seen.counts = [await subscriber.subscribe('news', 'sport'), await subscriber.psubscribe('n*')];
  seen.numsub = await other.pubsub('NUMSUB', 'news', 'nobody');
  seen.receivers = [];
  for (let i = 0; i < 100; i++) seen.receivers.push(await other.publish('news', `n${i}`));
  seen.receivers.push(await other.publish('sport', 's'));
  await eventually('all messages', () => seen.messages.length >= 201);
  seen.left = [await subscriber.unsubscribe('news'), await subscriber.punsubscribe('n*')];
  seen.afterwards = await other.publish('news', 'unheard');
  await subscriber.unsubscribe();
  seen.again = await subscriber.set('s', 1); // back from the mode of subscribers
  // Whose connection is cut subscribes again on the next one.
  await subscriber.subscribe('cut');
  seen.killed = await other.client('KILL', 'TYPE', 'pubsub');
  await eventually('it is back', async () => (await other.publish('cut', 'm')) === 1);
  await subscriber.unsubscribe();
  seen.messages = seen.messages.filter(([channel]) => channel !== 'cut');
  subscriber.messageBuffer = true;
  await subscriber.ssubscribe('shard').then((count) => {
    seen.shard = count;
  });
  const arrives = once(subscriber, 'smessage');
  seen.spublish = await other.spublish('shard', 'm');
  seen.smessage = await within('a message of a shard', arrives);
  await subscriber.quit();
  return seen;
}

async function scripts(redis, other) {
  const seen = {};
  redis.defineCommand('addAll', {
    numberOfKeys: 1,
    lua: `
      local n = 0
      for _, v in ipairs(ARGV) do n = n + redis.call('incrby', KEYS[1], v) end
      return {n, KEYS[1]}`,
  });
  seen.first = await redis.addAll('sum', 1, 2, 3);
  await other.script('FLUSH');
  seen.flushed = await redis.addAll('sum', 4);
  seen.together = await Promise.all(Array.from({ length: 200 }, () => redis.addAll('sum', 1)));
  seen.piped = await redis.pipeline().addAll('sum', 1).get('sum').exec();
  seen.in_multi = await redis.multi().addAll('sum', 1).get('sum').exec();
  const sha = await redis.script('LOAD', 'return redis.call("get", KEYS[1])');
  seen.evalsha = [
    sha,
    await redis.evalsha(sha, 1, 'sum'),
    await redis.script('EXISTS', sha, 'f'.repeat(40)),
  ];
  seen.unknown = await errorOf(redis.evalsha('f'.repeat(40), 0));
  seen.error = await errorOf(redis.eval('return redis.call("nosuch")', 0));
  await redis.function(
    'LOAD',
    'REPLACE',
    "#!lua name=lib\nredis.register_function('twice', function(k, a) return a[1] * 2 end)"
  );
  seen.fcall = await redis.fcall('twice', 0, 21);
  return seen;
}

async function streams(redis, other) {
  const seen = {};
  await redis.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM');
  const reading = redis.xreadgroup(
    'GROUP',
    'g',
    'c1',
    'COUNT',
    10,
    'BLOCK',
    0,
    'STREAMS',
    's',
    '>'
  );
  await other.xadd('s', '1-1', 'f', 'v1');
  seen.first = await within('an entry', reading);
  for (let i = 2; i <= 20; i++) await other.xadd('s', `${i}-1`, 'f', `v${i}`);
  seen.second = await redis.xreadgroup('GROUP', 'g', 'c2', 'COUNT', 5, 'STREAMS', 's', '>');
  seen.ack = await redis.xack('s', 'g', '1-1', '2-1');
  seen.pending = await redis
    .xpending('s', 'g', '-', '+', 10)
    .then((all) => all.map(([id, who]) => [id, who]));
  seen.claimed = await redis.xautoclaim('s', 'g', 'c1', 0, '0', 'COUNT', 2);
  seen.nothing = await redis.xread('BLOCK', 20, 'STREAMS', 's', '$');
  const tail = redis.xread('BLOCK', 0, 'STREAMS', 's', '20-1');
  await other.xadd('s', '21-1', 'f', 'last');
  seen.tail = await within('the last entry', tail);
  seen.group = await redis.xinfo('GROUPS', 's');
  return seen;
}

async function pipelines(redis) {
  const seen = {};
  const pipeline = redis.pipeline();
  for (let i = 0; i < 500; i++) pipeline.set(`p${i}`, i).incr(`p${i}`).lpush(`p${i}`, 'x');
  seen.results = (await pipeline.exec()).map(([error, value]) => (error ? error.message : value));
  seen.pipelined_multi = await redis
    .pipeline()
    .get('p1')
    .multi()
    .incr('p1')
    .get('p1')
    .exec()
    .get('p1')
    .exec();
  const hashes = redis
    .pipeline()
    .hset('h', { a: 1, b: 2 })
    .hgetall('h')
    .zadd('zz', 1.5, 'm')
    .zscore('zz', 'm');
  seen.kinds = await hashes.zrange('zz', 0, -1, 'WITHSCORES').smembers('none').exec();
  return seen;
}

async function states(redis, Redis, port) {
  const seen = {};
  const five = new Redis({ port, db: 5, connectionName: 'five', keyPrefix: 'app:' });
  await five.set('k', 'in five');
  seen.five = [await five.get('k'), await redis.exists('app:k'), await five.client('GETNAME')];
  seen.watched = await five.watch('k');
  await five.select(6);
  seen.selected = await five.multi().set('k', 6).get('k').exec();
  await five.select(5);
  seen.back = await five.get('k');
  const piped = new Redis({ port, enableAutoPipelining: true });
  seen.auto = await Promise.all(Array.from({ length: 500 }, (_, i) => piped.incr(`auto${i % 7}`)));
  await Promise.all([five.quit(), piped.quit()]);
  return seen;
}

// Everything above with clients of the class `Redis` on `port`; resolves to what they saw.
async function work(Redis, port) {
  const fail = (error) => {
    throw error;
  };
  const redis = new Redis(port).on('error', fail);
  const other = new Redis(port).on('error', fail);
  const seen = {};
  for (const part of [transactions, blocking, pubSub, scripts, streams, pipelines]) {
    await other.flushall();
    seen[part.name] = await part(redis, other);
  }
  seen.states = await states(redis, Redis, port);
  await Promise.all([redis.quit(), other.quit()]);
  return seen;
}

module.exports = { work };
