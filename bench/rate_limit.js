// Rate limits by weir beside rate-limiter-flexible doing the same from Node, against the same Redis
// in one run: every operation is a decision by key, and then a GET.
//
//   NODE_PATH=build/test/tests/node/node_modules build/test/tests/node/node bench/rate_limit.js WEIR
//
// WEIR is the program. For each way: operations a second, the latency of the whole operation, what
// of it the decision added (against the same GET without one), and the CPU time of Redis, of weir
// and of Node for an operation. Ways take turns in each of the rounds; medians are shown.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const Redis = require('ioredis');
const { RateLimiterRedis } = require('rate-limiter-flexible');

const weirProgram = process.argv[2];
const rounds = Number(process.argv[3] || 3);
const operations = Number(process.argv[4] || 20000);
const atOnce = 64;
const keys = 1000;
const points = 1000000;
if (!weirProgram) {
  console.error('usage: rate_limit.js WEIR [ROUNDS [OPERATIONS]]');
  process.exit(2);
}

const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
const answers = async (port) => {
  for (;;) {
    const redis = new Redis(port, { lazyConnect: true, retryStrategy: null });
    redis.on('error', () => {});
    try {
      await redis.connect();
      await redis.ping();
      return redis.disconnect();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
};
// User and system time of all threads, in microseconds.
const cpuOf = (pid) => {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10000;
};

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-bench-'));
const children = [];
const start = (program, args) => {
  const child = spawn(program, args, { stdio: 'ignore' });
  children.push(child);
  return child.pid;
};

const rule = (more) => `[plugin.rate_limit]
enabled = true
[[plugin.rate_limit.rule]]
name = "bench"
commands = ["GET"]
${more}
[[plugin.rate_limit.rule.limit]]
points = ${points}
period_ms = 60000
by = ["key"]
`;

async function startWeir(name, redisPort, rules) {
  const port = await freePort();
  const file = path.join(folder, `${name}.toml`);
  fs.writeFileSync(
    file,
    `workers = 1\n[[listener]]\naddress = "127.0.0.1:${port}"\n` +
      `[upstream.default]\nurl = "redis://127.0.0.1:${redisPort}"\n[admin]\naddress = "off"\n${rules}`
  );
  const pid = start(weirProgram, ['--config', file]);
  await answers(port);
  return { port, pid };
}

async function main() {
  const redisPort = await freePort();
  const redisPid = start('redis-server', ['--port', redisPort, '--save', '', '--dir', folder]);
  await answers(redisPort);
  const plain = await startWeir('plain', redisPort, '');
  const local = await startWeir('local', redisPort, rule(''));
  const shared = await startWeir('shared', redisPort, rule('scope = "shared"'));
  const leased = await startWeir('leased', redisPort, rule('scope = "shared"\nlease = 100'));
  const commands = await startWeir('commands', redisPort, '[plugin.rate_limit]\nenabled = true\n');

  const connect = (port) => new Redis(port);
  const direct = connect(redisPort);
  const limiter = new RateLimiterRedis({ storeClient: direct, points, duration: 60 });
  const ways = {};
  const add = (name, base, pid, operate) => (ways[name] = { base, pid, operate, seen: [] });
  const gets = (client) => (key) => client.get(key);
  const throughCommands = connect(commands.port);
  add('GET, direct', null, 0, gets(direct));
  add('rate-limiter-flexible, then GET', 'GET, direct', 0, async (key) => {
    await limiter.consume(key);
    await direct.get(key);
  });
  add('GET through weir', null, plain.pid, gets(connect(plain.port)));
  add('rule, scope local', 'GET through weir', local.pid, gets(connect(local.port)));
  add('rule, scope shared', 'GET through weir', shared.pid, gets(connect(shared.port)));
  add('rule, scope shared, lease 100', 'GET through weir', leased.pid, gets(connect(leased.port)));
  add('WEIR.LIMIT, then GET', 'GET through weir', commands.pid, async (key) => {
    await throughCommands.call('WEIR.LIMIT', key, 'POINTS', points, 'PERIOD', 60000);
    await throughCommands.get(key);
  });

  for (let round = 0; round <= rounds; ++round) {
    for (const way of Object.values(ways)) {
      const before = { redis: cpuOf(redisPid), weir: way.pid ? cpuOf(way.pid) : 0 };
      const nodeBefore = process.cpuUsage();
      const began = process.hrtime.bigint();
      const latencies = [];
      let next = 0;
      const worker = async () => {
        while (next < operations) {
          const key = `user:${next++ % keys}`;
          const at = process.hrtime.bigint();
          await way.operate(key);
          latencies.push(Number(process.hrtime.bigint() - at) / 1000);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
      const seconds = Number(process.hrtime.bigint() - began) / 1e9;
      const node = process.cpuUsage(nodeBefore);
      latencies.sort((a, b) => a - b);
      if (round === 0) continue; // to warm up
      way.seen.push({
        rate: operations / seconds,
        p50: latencies[operations >> 1],
        p99: latencies[Math.floor(operations * 0.99)],
        redis: (cpuOf(redisPid) - before.redis) / operations,
        weir: way.pid ? (cpuOf(way.pid) - before.weir) / operations : 0,
        node: (node.user + node.system) / operations,
      });
    }
  }
  const median = (way, field) => {
    const values = way.seen.map((one) => one[field]).sort((a, b) => a - b);
    return values[values.length >> 1];
  };
  console.log('| way | operations/s | p50 us | p99 us | p50 added | CPU us: Redis | weir | Node |');
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const [name, way] of Object.entries(ways)) {
    const added = way.base ? Math.round(median(way, 'p50') - median(ways[way.base], 'p50')) : '';
    const cells = [
      Math.round(median(way, 'rate')),
      Math.round(median(way, 'p50')),
      Math.round(median(way, 'p99')),
      added,
      median(way, 'redis').toFixed(1),
      way.pid ? median(way, 'weir').toFixed(1) : '',
      median(way, 'node').toFixed(1),
    ];
    console.log(`| ${name} | ${cells.join(' | ')} |`);
  }
}

main()
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  })
  .finally(() => {
    for (const child of children) child.kill();
    fs.rmSync(folder, { recursive: true, force: true });
    process.exit();
  });
