// Valkey GLIDE, whose core is native code, in RESP3 (its default) and RESP2, direct and through
// weir.
'use strict';
const { Batch, GlideClient, ProtocolVersion, Script } = require('@valkey/valkey-glide');
const { eventually, within, twice } = require('./twice');

const errorOf = (promise) =>
  promise.then(
    () => 'no error',
    (error) => `${error.constructor.name}: ${error.message}`
  );

async function ordinary(client) {
  const seen = {};
  seen.set = [await client.set('k', 'v'), await client.get('k'), await client.get('nosuch')];
  await client.hset('h', { a: '1', b: '2' });
  seen.hash = await client.hgetall('h');
  await client.zadd('z', { a: 1.5, b: 2 });
  seen.scores = await client.zrangeWithScores('z', { start: 0, end: -1 });
  // This client keeps no order between commands that nobody waited for.
  seen.together = (await Promise.all(Array.from({ length: 500 }, () => client.incr('n')))).sort(
    (a, b) => a - b
  );
  seen.error = await errorOf(client.lpush('k', ['x']));
  seen.large = (await client.set('large', 'x'.repeat(2 << 20)), (await client.get('large')).length);
  seen.info = (await client.info()).includes('redis_version');
  seen.custom = await client.customCommand(['OBJECT', 'ENCODING', 'n']);
  return seen;
}

async function batches(client, other) {
  const seen = {};
  seen.atomic = await client.exec(
    new Batch(true).set('t', '1').incr('t').get('t').hgetall('h'),
    true
  );
  seen.pipeline = await client
    .exec(new Batch(false).set('t', 'x').incr('t').get('t'), false)
    .then((all) => all.map((each) => (each instanceof Error ? each.message : each)));
  await client.watch(['t']);
  await other.set('t', 'other');
  seen.touched = await client.exec(new Batch(true).set('t', 'mine'), true);
  await client.watch(['t']);
  seen.untouched = await client.exec(new Batch(true).set('t', 'mine'), true);
  return seen;
}

async function blocking(own, other) {
  const seen = {};
  const popped = own.blpop(['q1', 'q2'], 0);
  await other.rpush('q2', ['a', 'b']);
  seen.blpop = await within('an element', popped);
  seen.nothing = await own.blpop(['q1'], 0.05);
  await other.xgroupCreate('s', 'g', '$', { mkStream: true });
  const reading = own.xreadgroup('g', 'c', { s: '>' }, { block: 5000 });
  await other.xadd('s', [['f', 'v']], { id: '1-1' });
  seen.entry = await within('an entry', reading);
  return seen;
}

async function scripts(client, other) {
  const script = new Script("return {KEYS[1], ARGV[1], redis.call('incr', 'runs')}");
  const run = () => client.invokeScript(script, { keys: ['k'], args: ['v'] });
  const seen = [await run(), await run()];
  await other.scriptFlush();
  seen.push(await run());
  script.release();
  return seen;
}

async function pubSub(port, protocol, other) {
  const messages = [];
  const { PubSubChannelModes } = require('@valkey/valkey-glide').GlideClientConfiguration;
  const subscriber = await GlideClient.createClient({
    addresses: [{ host: '127.0.0.1', port }],
    protocol,
    pubsubSubscriptions: {
      channelsAndPatterns: {
        [PubSubChannelModes.Exact]: new Set(['news']),
        [PubSubChannelModes.Pattern]: new Set(['n*']),
      },
      callback: ({ channel, message, pattern }) =>
        messages.push([channel, message, pattern ?? null]),
    },
  });
  await eventually('it has subscribed', async () => (await other.publish('probe', 'news')) === 2);
  for (let i = 0; i < 50; i++) await other.publish(`n${i}`, 'news');
  const counted = () => messages.filter(([, message]) => message !== 'probe');
  await eventually('all messages', () => counted().length >= 100);
  subscriber.close();
  return counted();
}

async function work(port) {
  const seen = {};
  for (const protocol of [undefined, ProtocolVersion.RESP2]) {
    const options = {
      addresses: [{ host: '127.0.0.1', port }],
      protocol,
      requestTimeout: 15000,
      clientName: 'glide',
    };
    const [client, other] = [
      await GlideClient.createClient(options),
      await GlideClient.createClient(options),
    ];
    const part = {};
    part.ordinary = await ordinary(client);
    part.batches = await batches(client, other);
    part.blocking = await blocking(client, other);
    part.scripts = await scripts(client, other);
    if (protocol === undefined) part.pubSub = await pubSub(port, protocol, other);
    await other.flushall();
    client.close();
    other.close();
    seen[protocol ?? 'default'] = part;
  }
  return seen;
}

twice('GLIDE', work);
