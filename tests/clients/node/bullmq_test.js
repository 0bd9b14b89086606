// BullMQ: delayed, repeated, failed, prioritised and flow jobs on several workers, direct and
// through weir.
'use strict';
const { FlowProducer, Queue, QueueEvents, Worker } = require('bullmq');
const { eventually, within, twice } = require('./twice');

const WORKERS = 3;

// A queue with its events, and what happened to it; `handle(job)` is what its workers do.
class Plant {
  constructor(name, port, handle, { workers = WORKERS, concurrency = 5, ...options } = {}) {
    this.connection = { port };
    this.queue = new Queue(name, { connection: this.connection });
    this.events = new QueueEvents(name, { connection: this.connection });
    this.finished = [];
    this.workers = Array.from(
      { length: workers },
      () =>
        new Worker(name, handle, {
          connection: this.connection,
          autorun: false,
          concurrency,
          ...options,
        })
    );
    for (const each of [this.queue, this.events, ...this.workers])
      each.on('error', (error) => {
        throw error;
      });
    this.events.on('completed', ({ jobId, returnvalue }) =>
      this.finished.push([jobId, returnvalue])
    );
  }

  // From here on events are seen.
  async open() {
    await Promise.all([this.queue.waitUntilReady(), this.events.waitUntilReady()]);
    return this;
  }

  start() {
    for (const worker of this.workers) worker.run();
  }

  done(count) {
    return eventually(
      `${count} jobs of ${this.queue.name} completed`,
      () => this.finished.length >= count
    );
  }

  async close() {
    await Promise.all(this.workers.map((worker) => worker.close()));
    await Promise.all([this.queue.close(), this.events.close()]);
  }
}

async function manyJobs(port) {
  const plant = await new Plant('many', port, async (job) => job.data.n * 2).open();
  plant.start();
  const jobs = await plant.queue.addBulk(
    Array.from({ length: 300 }, (_, n) => ({ name: 'double', data: { n } }))
  );
  const results = await within(
    'all jobs',
    Promise.all(jobs.map((job) => job.waitUntilFinished(plant.events)))
  );
  await plant.done(300);
  const counts = await plant.queue.getJobCounts();
  const each = new Set(plant.finished.map(([id]) => id)).size;
  await plant.close();
  return { results, counts, each };
}

async function delayed(port) {
  const order = [];
  const plant = await new Plant(
    'delayed',
    port,
    async (job) => {
      order.push(job.name);
      return Date.now() >= job.timestamp + job.opts.delay;
    },
    { workers: 1, concurrency: 1 }
  ).open();
  const timestamp = Date.now(); // one for all: adding takes a while on a busy machine
  await plant.queue.add('third', {}, { timestamp, delay: 900 });
  await plant.queue.add('first', {}, { timestamp, delay: 100 });
  await plant.queue.add('second', {}, { timestamp, delay: 500 });
  const waiting = await plant.queue.getDelayedCount();
  plant.start();
  await plant.done(3);
  await plant.close();
  return { order, waiting, inTime: plant.finished.map(([, late]) => late) };
}

async function repeated(port) {
  let runs = 0;
  const plant = await new Plant('repeated', port, async (job) => {
    runs += 1;
    return job.data;
  }).open();
  plant.start();
  await plant.queue.upsertJobScheduler(
    'tick',
    { every: 100, limit: 4 },
    { name: 'tick', data: { of: 'clock' } }
  );
  await plant.done(4);
  const scheduler = await plant.queue.getJobScheduler('tick');
  await plant.queue.upsertJobScheduler('cron', { pattern: '* * * * * *' }, { name: 'cron' });
  await plant.done(5);
  const removed = await plant.queue.removeJobScheduler('cron');
  const left = (await plant.queue.getJobSchedulers()).map(({ key }) => key);
  await plant.close();
  return {
    atLeast: runs >= 5,
    values: plant.finished.slice(0, 4).map(([, value]) => value),
    removed,
    left,
    scheduler: scheduler?.key,
  };
}

async function failed(port) {
  const tries = {};
  const plant = await new Plant('failed', port, async (job) => {
    tries[job.name] = (tries[job.name] ?? 0) + 1;
    if (job.name === 'hopeless' || tries[job.name] < 3)
      throw new Error(`${job.name} ${job.attemptsMade}`);
    return `worked at attempt ${job.attemptsMade + 1}`;
  }).open();
  const failures = [];
  plant.events.on('failed', ({ failedReason }) => failures.push(failedReason));
  plant.start();
  await plant.queue.add(
    'stubborn',
    {},
    { attempts: 4, backoff: { type: 'exponential', delay: 20 } }
  );
  const hopeless = await plant.queue.add('hopeless', {}, { attempts: 2, backoff: 10 });
  await plant.done(1);
  await eventually('the hopeless one fails', () => failures.length === 1);
  const state = await hopeless.getState();
  const counts = await plant.queue.getJobCounts('completed', 'failed', 'wait', 'delayed');
  await (await plant.queue.getJob(hopeless.id)).retry();
  await eventually('it fails again', () => failures.length === 2);
  await plant.close();
  return { tries, failures, state, counts, values: plant.finished };
}

async function prioritised(port) {
  const order = [];
  const plant = await new Plant(
    'prioritised',
    port,
    async (job) => {
      order.push(job.name);
    },
    { workers: 1, concurrency: 1 }
  ).open();
  for (let i = 0; i < 20; i++)
    await plant.queue.add(`p${1 + ((i * 7) % 5)} ${i}`, {}, { priority: 1 + ((i * 7) % 5) });
  await plant.queue.add('none', {});
  const counts = await plant.queue.getCountsPerPriority([0, 1, 2, 3, 4, 5]);
  plant.start();
  await plant.done(21);
  await plant.close();
  return { order, counts };
}

async function flows(port) {
  const plant = await new Plant('flow', port, async (job) => {
    if (job.name !== 'sum') return job.data.n;
    return Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0);
  }).open();
  plant.start();
  const producer = new FlowProducer({ connection: plant.connection });
  producer.on('error', (error) => {
    throw error;
  });
  const leaf = (n) => ({ name: 'leaf', queueName: 'flow', data: { n } });
  const tree = await producer.add({
    name: 'sum',
    queueName: 'flow',
    children: [
      { name: 'sum', queueName: 'flow', children: [leaf(1), leaf(2), leaf(3)] },
      leaf(10),
      leaf(20),
    ],
  });
  const total = await within('the flow', tree.job.waitUntilFinished(plant.events));
  const states = await Promise.all(tree.children.map(({ job }) => job.getState()));
  await producer.close();
  await plant.close();
  return { total, states };
}

async function pausedAndLimited(port) {
  const plant = await new Plant('limited', port, async (job) => job.data, {
    limiter: { max: 5, duration: 300 },
  }).open();
  await plant.queue.pause();
  plant.start();
  await plant.queue.addBulk(Array.from({ length: 12 }, (_, i) => ({ name: 'l', data: i })));
  const paused = [await plant.queue.isPaused(), plant.finished.length];
  const start = Date.now();
  await plant.queue.resume();
  await plant.done(12);
  const slow = Date.now() - start >= 500;
  await plant.queue.add('progress', 1, { jobId: 'mine' });
  const again = await plant.queue.add('progress', 2, { jobId: 'mine' });
  await plant.done(13);
  await plant.queue.obliterate({ force: true });
  const left = await plant.queue.getJobCounts();
  await plant.close();
  return { paused, slow, again: again.id, left };
}

async function work(port) {
  const parts = [manyJobs, delayed, repeated, failed, prioritised, flows, pausedAndLimited];
  const results = await Promise.all(parts.map((part) => part(port)));
  return Object.fromEntries(parts.map(({ name }, i) => [name, results[i]]));
}

twice('BullMQ', work);
