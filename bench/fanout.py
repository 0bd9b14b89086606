#!/usr/bin/env python3
"""Fan-out of messages: many subscribers of one channel, at Redis directly and through weir, in one run.

The figure is the CPU time (user and system) of whoever fans out, divided by the messages that the
subscribers got: Redis' process directly, weir's through weir (and, beside it, Redis' own, which then
only serves weir's subscription). One worker; server on one core, load on the other. Targets take
turns; medians of the rounds are shown. Every subscriber's bytes are counted, so nothing is lost.

  single   one message at a time: the next when all have it
  burst    64 at a time in a pipeline
"""
import argparse
import os
import resource
import statistics
import time

from clients import Crowd, connect, read_line, request
from side_by_side import BUILD, LOAD_CPU, PROXY_CPU, Stage, cpu_s, resident_bytes


class Subscribers(Crowd):
    def __init__(self, port, count):
        super().__init__()
        self.got = 0
        for at in range(0, count, 200):
            batch = [connect(port) for _ in range(at, min(at + 200, count))]
            for s in batch:
                s.sendall(request(b"SUBSCRIBE", b"c"))
            for s in batch:
                while not s.recv(4096).endswith(b":1\r\n"):
                    pass
                self.add(s)

    def read(self, total):
        self.run_until(lambda: self.got >= total, self.count)

    def count(self, _, data):
        self.got += len(data)


def run(port, pids, count, messages, at_once, size):
    subscribers = Subscribers(port, count)
    publisher = connect(port)
    text = b"x" * size
    frame = len(b"*3\r\n" + request(b"message", b"c", text)[4:])
    before = [cpu_s(pid) for pid in pids]
    start = time.monotonic()
    sent = 0
    while sent < messages:
        publisher.sendall(request(b"PUBLISH", b"c", text) * at_once)
        sent += at_once
        subscribers.read(sent * frame * count)
        for _ in range(at_once):
            reply = read_line(publisher) if at_once == 1 else None
            if reply is not None and reply != b":%d\r\n" % count:
                raise SystemExit(f"{reply} receivers")
        if at_once > 1:
            replies = b""
            while replies.count(b"\n") < at_once:
                replies += publisher.recv(65536)
            if replies != b":%d\r\n" % count * at_once:
                raise SystemExit("a number of receivers is wrong")
    took_s = time.monotonic() - start
    cpu_us = [1e6 * (cpu_s(pid) - b) / (sent * count) for pid, b in zip(pids, before)]
    subscribers.close()
    publisher.close()
    time.sleep(0.5)
    return sent * count / took_s, cpu_us


def info(port, names):
    s = connect(port)
    s.sendall(request(b"INFO", b"weir"))
    text = b""
    while b"weir_message_bytes_copied" not in text:
        text += s.recv(65536)
    s.close()
    fields = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return [int(fields[name]) for name in names]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", default=f"{BUILD}/weir")
    parser.add_argument("--subscribers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    os.sched_setaffinity(0, {int(LOAD_CPU)})
    with Stage() as stage:
        # Whoever fans out is on the same core.
        redis_port, redis = stage.redis(cpu=PROXY_CPU)
        config = f"[limits]\nclients_max = {options.subscribers + 100}\n"
        weir_port, weir = stage.weir(f"redis://127.0.0.1:{redis_port}", config, binary=options.weir)
        compare(options, redis, redis_port, weir, weir_port)


def compare(options, redis, redis_port, weir, weir_port):
    count, size = options.subscribers, options.size
    print(f"{count} subscribers of one channel, messages of {size} bytes, medians of {options.rounds}")
    for name, at_once, messages in (("single", 1, 40), ("burst", 64, 640)):
        rows = {"direct": [], "weir": []}
        for _ in range(options.rounds):
            rows["direct"].append(
                run(redis_port, [redis.pid], count, messages, at_once, size))
            rows["weir"].append(
                run(weir_port, [weir.pid, redis.pid], count, messages, at_once, size))
        for target, runs in rows.items():
            rate = statistics.median(r[0] for r in runs)
            cpu = [statistics.median(c) for c in zip(*(r[1] for r in runs))]
            print(f"{name:8} {target:8} {rate:12,.0f} messages/s  CPU us a delivered message: "
                  + ", ".join(f"{c:.3f}" for c in cpu), flush=True)
    shared, copied = info(weir_port, ["weir_message_bytes_shared", "weir_message_bytes_copied"])
    print(f"weir: {shared:,} bytes given to subscribers without a copy, {copied:,} bytes copied; "
          f"{resident_bytes(weir.pid):,} bytes resident")


if __name__ == "__main__":
    main()
