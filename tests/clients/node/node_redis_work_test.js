// What applications do with node-redis, in RESP3 (its default) and RESP2, direct and through weir.
'use strict';
const {
  BasicClientSideCache,
  BasicPooledClientSideCache,
  createClient,
  createClientPool,
  defineScript,
  RESP_TYPES,
} = require('redis');
const { eventually, within, twice } = require('./twice');

const errorOf = (promise) =>
  promise.then(
    () => 'no error',
    (error) => `${error.constructor.name}: ${error.message}`
  );

const scripts = {
  addAll: defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: `
      for _, v in ipairs(ARGV) do redis.call('incrby', KEYS[1], v) end
      return {redis.call('get', KEYS[1])}`,
    parseCommand(parser, key, ...numbers) {
      parser.pushKey(key);
      parser.push(...numbers.map(String));
    },
    transformReply: (reply) => reply,
  }),
};

async function connect(port, options) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, scripts, ...options });
  client.on('error', (error) => {
    throw error;
  });
  return client.connect();
}

async function transactions(client, other) {
  const seen = {};
  seen.multi = await client
    .multi()
    .set('t', '1')
    .incr('t')
    .hSet('h', { a: '1' })
    .hGetAll('h')
    .get('t')
    .exec();
  seen.failing = await errorOf(client.multi().set('t', 'x').incr('t').exec());
  seen.refused = await errorOf(client.multi().addCommand(['SET', 'only']).get('t').exec());
  seen.pipeline = await client.multi().get('t').incr('n').execAsPipeline();
  await client.watch('t');
  seen.untouched = await client.multi().set('t', '2').exec();
  await client.watch('t');
  await other.set('t', 'other');
  seen.touched = await errorOf(client.multi().set('t', '3').exec());
  seen.value = await client.get('t');
  const large = client.multi();
  for (let i = 0; i < 2000; i++) large.rPush('l', String(i));
  seen.large = await large.exec();
  return seen;
}

async function pools(client, other, port, options) {
  const seen = {};
  const pool = await createClientPool(
    { url: `redis://127.0.0.1:${port}`, ...options },
    { minimum: 2, maximum: 8 }
  )
    .on('error', (error) => {
      throw error;
    })
    .connect();
  seen.increments = await Promise.all(Array.from({ length: 200 }, () => pool.incr('n'))).then(
    (all) => all.sort((a, b) => a - b)
  );
  // Optimistic locking: each increment happens exactly once however they collide.
  const increment = () =>
    pool.execute(async (own) => {
      for (;;) {
        await own.watch('optimistic');
        const value = Number((await own.get('optimistic')) ?? 0);
        const done = await own
          .multi()
          .set('optimistic', String(value + 1))
          .exec()
          .catch(() => null);
        if (done) return;
      }
    });
  await Promise.all(Array.from({ length: 40 }, increment));
  seen.optimistic = await client.get('optimistic');
  // Many wait, each gets one element.
  const waiting = Array.from({ length: 6 }, () => pool.blPop('queue', 0));
  await other.rPush('queue', ['a', 'b', 'c', 'd', 'e', 'f']);
  seen.popped = (await within('six elements', Promise.all(waiting)))
    .map(({ element }) => element)
    .sort();
  await pool.close();
  return seen;
}

async function blocking(client, other) {
  const seen = {};
  const popped = client.blPop(['q1', 'q2'], 0);
  await other.rPush('q2', ['a', 'b']);
  seen.blPop = await within('an element', popped);
  seen.nothing = await client.blPop('q1', 0.05);
  const least = client.bzPopMin('z', 0);
  await other.zAdd('z', [
    { score: 2, value: 'two' },
    { score: 1.5, value: 'one' },
  ]);
  seen.bzPopMin = await within('a member', least);
  seen.blmPop = await client.blmPop(1, ['q2'], 'LEFT', { COUNT: 5 });
  const own = client.duplicate();
  own.on('error', () => {});
  await own.connect();
  const id = await own.clientId();
  const unblocked = errorOf(own.blPop('q1', 0));
  await eventually('it is unblocked', () =>
    other.sendCommand(['CLIENT', 'UNBLOCK', String(id), 'ERROR'])
  );
  seen.unblocked = await within('the error', unblocked);
  await own.close();
  return seen;
}

async function pubSub(client, other) {
  const seen = { messages: [], buffers: [], shard: [] };
  const subscriber = client.duplicate();
  subscriber.on('error', (error) => {
    throw error;
  });
  await subscriber.connect();
  const take = (message, channel) => seen.messages.push([channel, message]);
  await subscriber.subscribe(['news', 'sport'], take);
  await subscriber.pSubscribe('n*', take);
  await subscriber.sSubscribe('shard', (message) => seen.shard.push(message));
  await subscriber.subscribe(
    'bytes',
    (message) => seen.buffers.push(message.toString('hex')),
    true
  );
  seen.receivers = [];
  for (let i = 0; i < 100; i++) seen.receivers.push(await other.publish('news', `n${i}`));
  seen.receivers.push(
    await other.publish('bytes', Buffer.from([0, 255, 13, 10])),
    await other.sPublish('shard', 's')
  );
  await eventually(
    'all messages',
    () => seen.messages.length === 200 && seen.buffers.length && seen.shard.length
  );
  seen.numSub = { ...(await other.pubSubNumSub(['news', 'nobody'])) };
  seen.channels = (await other.pubSubChannels()).sort();
  await subscriber.unsubscribe('news');
  await subscriber.pUnsubscribe();
  seen.afterwards = await other.publish('news', 'unheard');
  await subscriber.unsubscribe();
  await subscriber.sUnsubscribe();
  seen.again = await subscriber.set('s', '1');
  await subscriber.close();
  return seen;
}

// Whose connection is cut subscribes again on the next one.
async function resubscription(client, other) {
  const seen = new Set();
  const subscriber = client.duplicate();
  subscriber.on('error', () => {});
  await subscriber.connect();
  await subscriber.subscribe('news', (message) => seen.add(`news ${message}`));
  await subscriber.pSubscribe('n*', (message) => seen.add(`n* ${message}`));
  await subscriber.sSubscribe('shard', (message) => seen.add(`shard ${message}`));
  const killed = await other.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
  await eventually('it is back', async () => {
    await other.publish('news', 'again');
    await other.sPublish('shard', 'again');
    return seen.size === 3;
  });
  await subscriber.close();
  return { killed, seen: [...seen].sort() };
}

async function scripting(client, other) {
  const seen = {};
  seen.first = await client.addAll('sum', 1, 2, 3);
  await other.scriptFlush();
  seen.flushed = await client.addAll('sum', 4);
  seen.together = await Promise.all(Array.from({ length: 200 }, () => client.addAll('sum', 1)));
  await other.scriptFlush();
  seen.in_multi = await client.multi().addAll('sum', 1).get('sum').exec();
  seen.unknown = await errorOf(client.evalSha('f'.repeat(40)));
  await client.functionLoad(
    "#!lua name=lib\nredis.register_function('twice', function(k, a) return a[1] * 2 end)",
    { REPLACE: true }
  );
  seen.fCall = await client.fCall('twice', { arguments: ['21'] });
  return seen;
}

async function streams(client, other) {
  const seen = {};
  await client.xGroupCreate('s', 'g', '$', { MKSTREAM: true });
  const reading = client.xReadGroup('g', 'c1', { key: 's', id: '>' }, { COUNT: 10, BLOCK: 0 });
  await other.xAdd('s', '1-1', { f: 'v1' });
  seen.first = await within('an entry', reading);
  for (let i = 2; i <= 20; i++) await other.xAdd('s', `${i}-1`, { f: `v${i}` });
  seen.second = await client.xReadGroup('g', 'c2', { key: 's', id: '>' }, { COUNT: 5 });
  seen.ack = await client.xAck('s', 'g', ['1-1', '2-1']);
  seen.pending = await client.xPending('s', 'g');
  seen.claimed = await client.xAutoClaim('s', 'g', 'c1', 0, '0', { COUNT: 2 });
  seen.nothing = await client.xRead({ key: 's', id: '$' }, { BLOCK: 20 });
  seen.groups = await client.xInfoGroups('s');
  return seen;
}

// The client keeps values until Redis says that they changed (CLIENT TRACKING).
async function clientSideCache(client, other, port) {
  const seen = {};
  const cache = new BasicClientSideCache({ maxEntries: 1000 });
  const cached = await connect(port, { clientSideCache: cache });
  const count = () => [cache.stats().hitCount, cache.stats().missCount];
  await other.mSet(Array.from({ length: 50 }, (_, i) => [`cached${i}`, `v${i}`]));
  const all = () => Promise.all(Array.from({ length: 50 }, (_, i) => cached.get(`cached${i}`)));
  seen.filled = [await all(), count()];
  seen.hit = [await all(), count()];
  await other.set('cached7', 'changed');
  seen.changed = await eventually(
    'an invalidation',
    async () => (await cached.get('cached7')) === 'changed'
  );
  seen.others = [await cached.get('cached8'), cache.stats().missCount];
  await other.flushAll();
  seen.flushed = await eventually(
    'all are invalidated',
    async () => (await cached.get('cached8')) === null
  );
  // Its own writes, in a transaction too.
  await cached.set('own', '1');
  seen.own = [await cached.get('own'), await cached.multi().set('own', '2').get('own').exec()];
  seen.after = await eventually(
    'its own invalidation',
    async () => (await cached.get('own')) === '2'
  );
  await cached.close();
  return seen;
}

// The same for a pool, whose clients share what they keep; and told to the application instead.
async function invalidations(client, other, port) {
  const seen = { told: [] };
  const cache = new BasicPooledClientSideCache({ maxEntries: 100 });
  const pool = await createClientPool(
    { url: `redis://127.0.0.1:${port}` },
    { clientSideCache: cache, minimum: 3, maximum: 3 }
  )
    .on('error', (error) => {
      throw error;
    })
    .connect();
  await other.set('shared', '1');
  seen.kept = [await pool.get('shared'), await pool.get('shared'), cache.stats().hitCount];
  await other.set('shared', '2');
  seen.changed = await eventually(
    'an invalidation',
    async () => (await pool.get('shared')) === '2'
  );
  await pool.close();

  const told = await connect(port, { emitInvalidate: true });
  told.on('invalidate', (key) => seen.told.push(key && key.toString()));
  await told.get('told');
  await other.set('told', '1');
  await other.flushAll();
  await eventually('it is told', () => seen.told.length === 2);
  await told.close();
  return seen;
}

async function kinds(client) {
  const seen = {};
  const mapped = client.withTypeMapping({
    [RESP_TYPES.MAP]: Map,
    [RESP_TYPES.BLOB_STRING]: Buffer,
  });
  await client.hSet('h', { a: '1', b: '2' });
  await client.zAdd('z', [
    { score: 1.5, value: 'm' },
    { score: Infinity, value: 'i' },
  ]);
  seen.map = await mapped.hGetAll('h');
  seen.scores = [await client.zScore('z', 'm'), await client.zRangeWithScores('z', 0, -1)];
  seen.set = [await client.sAdd('s', ['x', 'y']), (await client.sMembers('s')).sort()];
  seen.hello = (({ server, proto, role }) => ({ server, proto, role }))(await client.hello());
  seen.verbatim = (await client.sendCommand(['LOLWUT'])).length;
  seen.config = await client.configGet('maxmemory');
  seen.hash = [await client.hmGet('h', ['a', 'nosuch'])];
  seen.geo = [
    await client.geoAdd('g', { longitude: 13.4, latitude: 52.5, member: 'b' }),
    await client.geoPos('g', ['b', 'c']),
  ];
  return seen;
}

async function work(port) {
  const seen = {};
  for (const options of [{}, { RESP: 2 }]) {
    const client = await connect(port, options);
    const other = await connect(port, options);
    const parts = [
      transactions,
      blocking,
      pools,
      pubSub,
      resubscription,
      scripting,
      streams,
      kinds,
    ];
    if (!options.RESP) parts.push(clientSideCache, invalidations);
    for (const part of parts) {
      await other.flushAll();
      seen[`${part.name} ${JSON.stringify(options)}`] = await part(client, other, port, options);
    }
    await client.close();
    await other.close();
  }
  return seen;
}

twice('node-redis at work', work);
