// How long clients are without a part of a cluster when its primary is killed: through weir, and
// with ioredis' own Cluster client, in one process, at the same time, on the same cluster.
//
//   NODE_PATH=build/test/tests/node/node_modules build/test/tests/node/node bench/failover.js WEIR [ROUNDS]
//
// WEIR is the program. In each round a fresh cluster of 3 primaries with a replica each loses a
// primary by SIGKILL, while both clients count (INCR) in keys of that primary and of another. Shown
// for each: from the kill, and from when the replica said that it is the primary, until requests
// for the dead node's keys succeed again (the first of 100 of which 99 do); what failed; how many
// INCRs were done more often than they were acknowledged or failed; and the longest that a request
// for the other node's keys took meanwhile.
'use strict';
const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const Redis = require('ioredis');

const weirProgram = process.argv[2];
const rounds = Number(process.argv[3] || 3);
if (!weirProgram) {
  console.error('usage: failover.js WEIR [ROUNDS]');
  process.exit(2);
}
const loops = 8; // of each client and node, each with a key and one request at a time
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

const free = (port) =>
  new Promise((resolve) => {
    const server = net.createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
let nextPort = 12000 + Math.floor(Math.random() * 8000);
async function freePort() {
  for (;;) {
    const port = nextPort++;
    if ((await free(port)) && (await free(port + 10000))) return port;
  }
}

async function startCluster(folder, children) {
  const ports = [];
  for (let i = 0; i < 6; ++i) {
    const port = await freePort();
    fs.mkdirSync(path.join(folder, String(port)));
    const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--cluster-enabled', 'yes',
      '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0', '--dir', path.join(folder, String(port))];
    children.push(spawn('redis-server', args.map(String), { stdio: 'ignore' }));
    ports.push(port);
  }
  const cli = (port, ...args) => spawnSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8' }).stdout;
  for (const port of ports) while (!cli(port, 'ping').includes('PONG')) await sleep(20);
  spawnSync('redis-cli', ['--cluster', 'create', ...ports.map((p) => `127.0.0.1:${p}`), '--cluster-replicas', '1', '--cluster-yes']);
  for (const port of ports) {
    while (!cli(port, 'cluster', 'info').includes('cluster_state:ok')) await sleep(50);
    while (!/role:master|master_link_status:up/.test(cli(port, 'info', 'replication'))) await sleep(50);
  }
  const nodes = cli(ports[0], 'cluster', 'nodes').trim().split('\n').map((line) => {
    const [id, address, flags, primary, , , , , ...slots] = line.split(' ');
    return { id, port: Number(address.split(/[:@]/)[1]), isPrimary: flags.includes('master'), primary, slots };
  });
  return nodes;
}

const slotOf = require('cluster-key-slot');
function keysOf(node, prefix) {
  const [first, last] = node.slots[0].split('-').map(Number);
  const keys = [];
  for (let i = 0; keys.length < loops; ++i) {
    const slot = slotOf(`${prefix}${i}`);
    if (slot >= first && slot <= last) keys.push(`${prefix}${i}`);
  }
  return keys;
}

// Counts in these keys until told to stop.
function count(client, keys, log, stop) {
  return Promise.all(
    keys.map(async (key) => {
      const tally = { acknowledged: 0, failed: 0 };
      log.keys[key] = tally;
      while (!stop.now) {
        const begin = nowMs();
        let ok = true;
        try {
          await client.incr(key);
          ++tally.acknowledged;
        } catch (error) {
          ok = false;
          ++tally.failed;
          const word = String(error.message).split(' ')[0];
          log.errors[word] = (log.errors[word] || 0) + 1;
        }
        log.requests.push({ begin, end: nowMs(), ok });
        await sleep(1);
      }
    })
  );
}

const newLog = () => ({ keys: {}, errors: {}, requests: [] });

// When requests that ended after the kill began to succeed again.
function recoveredMs(log, killedMs) {
  const after = log.requests.filter((r) => r.end > killedMs + 20).sort((a, b) => a.end - b.end);
  // What the dead node had answered just before is no recovery.
  const gap = after.findIndex((r, i) => !r.ok || (i > 0 && r.end - after[i - 1].end > 100));
  for (let i = Math.max(gap, 0); i + 100 <= after.length; ++i) {
    if (after[i].ok && after.slice(i, i + 100).filter((r) => r.ok).length >= 99) return after[i].end;
  }
  return NaN;
}

async function round() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-failover-'));
  const children = [];
  const clients = [];
  try {
    const nodes = await startCluster(folder, children);
    const primaries = nodes.filter((n) => n.isPrimary);
    const [victim, other] = primaries;
    const heir = nodes.find((n) => n.primary === victim.id);
    const port = await freePort();
    children.push(spawn(weirProgram, ['--workers', '1', '--admin', 'off', '--listen', `127.0.0.1:${port}`,
      `redis+cluster://${primaries.map((n) => `127.0.0.1:${n.port}`).join(',')}`], { stdio: 'ignore' }));
    while (await free(port)) await sleep(20);
    const ways = {
      weir: new Redis(port),
      'ioredis Cluster': new Redis.Cluster(primaries.map((n) => ({ host: '127.0.0.1', port: n.port }))),
    };
    const watcher = new Redis(heir.port);
    clients.push(watcher, ...Object.values(ways));
    clients.forEach((c) => c.on('error', () => {}));
    const stop = { now: false };
    const logs = {};
    const running = [];
    for (const [name, client] of Object.entries(ways)) {
      logs[name] = { dead: newLog(), other: newLog() };
      running.push(count(client, keysOf(victim, `${name} dead `), logs[name].dead, stop));
      // On one connection replies come in order, so those behind the dead node's would wait.
      const another = name === 'weir' ? new Redis(port) : client;
      another.on('error', () => {});
      clients.push(another);
      running.push(count(another, keysOf(other, `${name} other `), logs[name].other, stop));
    }
    await sleep(1500);
    const pid = Number(spawnSync('redis-cli', ['-p', String(victim.port), 'info', 'server'], { encoding: 'utf8' }).stdout.match(/process_id:(\d+)/)[1]);
    process.kill(pid, 'SIGKILL');
    const killedMs = nowMs();
    while ((await watcher.role())[0] !== 'master') await sleep(2);
    const promotedMs = nowMs();
    await sleep(4000);
    stop.now = true;
    await Promise.all(running);
    const figures = {};
    for (const [name, { dead, other: rest }] of Object.entries(logs)) {
      const back = recoveredMs(dead, killedMs);
      let twice = 0;
      for (const [key, tally] of Object.entries(dead.keys)) {
        const value = Number(await ways[name].get(key));
        twice += Math.max(0, value - tally.acknowledged - tally.failed);
      }
      const meanwhile = rest.requests.filter((r) => r.end > killedMs);
      figures[name] = {
        fromKill: back - killedMs, fromPromotion: back - promotedMs, errors: dead.errors, twice,
        otherFailed: meanwhile.filter((r) => !r.ok).length,
        otherLongest: Math.max(...meanwhile.map((r) => r.end - r.begin)),
      };
    }
    return figures;
  } finally {
    clients.forEach((c) => c.disconnect());
    children.forEach((c) => c.kill('SIGKILL'));
    await sleep(200);
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

(async () => {
  console.log('round  client             ms from kill  from promotion  done twice  other node: failed  longest ms  errors');
  for (let i = 1; i <= rounds; ++i) {
    for (const [name, f] of Object.entries(await round())) {
      console.log(
        `${String(i).padEnd(7)}${name.padEnd(19)}${f.fromKill.toFixed(0).padStart(12)}${f.fromPromotion.toFixed(0).padStart(16)}` +
        `${String(f.twice).padStart(12)}${String(f.otherFailed).padStart(20)}${f.otherLongest.toFixed(0).padStart(12)}  ${JSON.stringify(f.errors)}`
      );
    }
  }
})();
