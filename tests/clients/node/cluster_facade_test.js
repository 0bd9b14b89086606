// ioredis' Cluster and node-redis' createCluster, unchanged, to a weir with the facade of a cluster.
const assert = require('node:assert');
const { test } = require('node:test');
const { Cluster } = require('ioredis');
const { createCluster } = require('redis');

const port = Number(process.env.WEIR_PORT);

test('ioredis Cluster', async () => {
  const cluster = new Cluster([{ host: '127.0.0.1', port }]);
  try {
    await Promise.all(Array.from({ length: 200 }, (_, i) => cluster.set(`i${i}`, i)));
    const values = await Promise.all(Array.from({ length: 200 }, (_, i) => cluster.get(`i${i}`)));
    assert.deepStrictEqual(values, Array.from({ length: 200 }, (_, i) => String(i)));
    assert.deepStrictEqual(cluster.nodes('master').map((node) => node.options.port), [port]);
    const replies = await cluster.pipeline().incr('{t}a').incr('{t}a').get('{t}b').exec();
    assert.deepStrictEqual(replies, [[null, 1], [null, 2], [null, null]]);
    assert.deepStrictEqual(await cluster.multi().set('{t}c', 1).get('{t}c').exec(),
                           [[null, 'OK'], [null, '1']]);
  } finally {
    cluster.disconnect();
  }
});

test('ioredis Cluster, scaleReads', async () => {
  const cluster = new Cluster([{ host: '127.0.0.1', port }], { scaleReads: 'all' });
  try {
    await cluster.set('a', 'b');
    assert.strictEqual(await cluster.get('a'), 'b');
  } finally {
    cluster.disconnect();
  }
});

test('node-redis createCluster', async () => {
  const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
  await cluster.connect();
  try {
    await Promise.all(Array.from({ length: 200 }, (_, i) => cluster.set(`n${i}`, String(i))));
    const values = await Promise.all(Array.from({ length: 200 }, (_, i) => cluster.get(`n${i}`)));
    assert.deepStrictEqual(values, Array.from({ length: 200 }, (_, i) => String(i)));
    assert.strictEqual(cluster.masters.length, 1);
    assert.deepStrictEqual(await cluster.multi().set('{u}a', '1').get('{u}a').exec(), ['OK', '1']);
  } finally {
    cluster.destroy();
  }
});
