// redis-commander, the web page, opened on Redis and on weir: it lists keys and shows values.
'use strict';
const { spawn } = require('node:child_process');
const { createClient } = require('redis');
const { eventually, twice } = require('./twice');

const web = `http://127.0.0.1:${process.env.SPARE_PORT}`;

async function fill(port) {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', (error) => {
    throw error;
  });
  await client.connect();
  await client.mSet({
    plain: 'shown',
    'user:1:name': 'ann',
    'user:2:name': 'bob',
    'user:2:mail': 'b@example.org',
  });
  await client.hSet('hash', { a: '1', b: '2' });
  await client.rPush('list', ['x', 'y', 'z']);
  await client.sAdd('set', ['m']);
  await client.zAdd('zset', [
    { score: 1, value: 'one' },
    { score: 2, value: 'two' },
  ]);
  await client.xAdd('stream', '1-1', { f: 'v' });
  await client.select(3);
  await client.set('elsewhere', 'not in the tree of db 0');
  await client.close();
}

async function get(path, options) {
  const response = await fetch(web + path, options);
  const text = await response.text();
  if (!response.ok) return `${path}: ${response.status} ${text}`;
  return response.headers.get('content-type').includes('json') ? JSON.parse(text) : text;
}

const post = (path, fields) => get(path, { method: 'POST', body: new URLSearchParams(fields) });

// Connections are named after host and port, which differ.
const anonymous = (value, port) =>
  JSON.parse(JSON.stringify(value).replaceAll(String(port), 'PORT'));

async function browse(port) {
  const seen = {};
  const [{ conId: id }] = (await get('/connections')).connections;
  seen.home = (await get('/')).includes('<title>Redis Commander');
  seen.tree = await get(`/apiv2/keystree/${id}`);
  seen.branch = await get(`/apiv2/keystree/${id}/user:`);
  seen.values = [];
  for (const key of ['plain', 'user:1:name', 'hash', 'list', 'set', 'zset', 'stream', 'nosuch']) {
    seen.values.push(await get(`/apiv2/key/${id}/${key}`));
  }
  seen.saved = [
    await post(`/apiv2/key/${id}/fresh`, { keyType: 'string', stringValue: 'by hand' }),
    await get(`/apiv2/key/${id}/fresh`),
  ];
  seen.field = await post('/apiv2/hash/field', {
    connectionId: id,
    key: 'hash',
    field: 'c',
    value: '3',
  });
  seen.typed = await post(`/apiv2/exec/${id}`, { cmd: 'hgetall hash' });
  seen.wrong = await post(`/apiv2/exec/${id}`, { cmd: 'nosuch' });
  seen.deleted = [
    await post(`/apiv2/key/${id}/fresh?action=delete`, {}),
    await get(`/apiv2/keys/${id}/*`),
  ];
  const [server] = (await get('/apiv2/server/info')).data;
  seen.info = server.info.filter(({ key }) =>
    ['redis_version', 'role', 'db0', 'db3'].includes(key)
  );
  return anonymous(seen, port);
}

async function work(port) {
  await fill(port);
  const program = require.resolve('redis-commander/bin/redis-commander.js');
  // It ends with this process, however that ends.
  const commander = spawn(
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      process.execPath,
      program,
      '--noload',
      '--nosave',
      '--redis-host',
      '127.0.0.1',
      '--redis-port',
      port,
      '--address',
      '127.0.0.1',
      '--port',
      process.env.SPARE_PORT,
    ],
    { env: { ...process.env, HOME: process.env.TMPDIR }, stdio: ['ignore', 'pipe', 'pipe'] }
  );
  const said = [];
  for (const stream of [commander.stdout, commander.stderr])
    stream.on('data', (data) => said.push(data));
  const ended = new Promise((resolve) => {
    commander.once('exit', resolve);
  });
  try {
    await eventually('redis-commander is connected', () =>
      get('/connections').then(
        ({ connections }) => connections.length === 1,
        () => commander.exitCode !== null
      )
    );
    return await browse(port);
  } catch (error) {
    console.error(Buffer.concat(said).toString());
    throw error;
  } finally {
    commander.kill();
    await ended;
  }
}

twice('redis-commander', work);
