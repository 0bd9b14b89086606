#!/usr/bin/env python3
"""What needs a connection of its own: transactions and blocking pops, at Redis directly and through weir.

The figure is CPU time (user and system) of weir's process by transactions, or by elements popped, beside
that of Redis when it is asked directly and that of the floor (floor.cc). Server and load on one core,
weir and the floor on the other, one worker. Targets take turns; medians of the rounds are shown.

  pipeline   MULTI, SET, EXEC in one piece: one round trip
  steps      the same one by one: three round trips
  waiting    BLPOP by clients that mostly wait for what other clients push
  ready      BLPOP where something mostly is there

The goal for transactions: weir takes, beyond the floor, at most 1.2 times what Redis takes for one.
"""
import argparse
import os
import statistics
import subprocess
import time

from clients import Crowd, connect, request
from side_by_side import BUILD, LOAD_CPU, PROXY_CPU, Stage, cpu_s, free_port

VALUE = b"x" * 64
MULTI, SET, EXEC = request(b"MULTI"), request(b"SET", b"key", VALUE), request(b"EXEC")
OK = b"+OK\r\n"
# Steps of a script: what is sent, what must come.
PIPELINE = [(MULTI + SET + EXEC, b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n")]
STEPS = [(MULTI, OK), (SET, b"+QUEUED\r\n"), (EXEC, b"*1\r\n+OK\r\n")]


def for_floor(script):
    """The same where every request is answered by +OK."""
    return [(sent, OK * sent.count(b"*")) for sent, _ in script]


class Script:
    """Clients that go through a script again and again; see script_load.cc."""

    def __init__(self, port, clients, script, times):
        words = [word for step in script for word in step]
        self.process = subprocess.Popen(
            ["taskset", "-c", LOAD_CPU, f"{BUILD}/bench/weir_script_load", str(port), str(clients), str(times), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.expect(b"ready")

    def expect(self, line):
        if (said := self.process.stdout.readline().strip()) != line:
            raise SystemExit(f"script_load said {said} for {line}")

    def measure(self, of, n):
        before = cpu_s(of.pid)
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        took_s = float(self.process.stdout.readline())
        self.process.wait()
        return (cpu_s(of.pid) - before) / n * 1e6, n / took_s


class Queue:
    """Consumers that pop, producers that push as long as fewer than `ahead` elements are not popped."""

    def __init__(self, port, consumers, producers, ahead):
        self.crowd, self.ahead = Crowd(), ahead
        self.consumers, self.producers = ({connect(port): b"" for _ in range(n)} for n in (consumers, producers))
        for s in (*self.consumers, *self.producers):
            self.crowd.add(s)

    def run(self, elements):
        pop, push = request(b"BLPOP", b"queue", b"0"), request(b"RPUSH", b"queue", VALUE)
        element = b"*2\r\n" + request(b"queue", VALUE)[4:]
        asked, pushed, popped = 0, 0, 0
        resting = list(self.producers)

        def ask(s):
            nonlocal asked
            if asked < elements:
                asked += 1
                s.sendall(pop)

        def produce():
            nonlocal pushed
            while resting and pushed < elements and pushed - popped < self.ahead:
                resting.pop().sendall(push)
                pushed += 1

        def hear(s, data):
            nonlocal popped
            if s in self.producers:
                self.producers[s] += data
                if self.producers[s].endswith(b"\r\n"):
                    self.producers[s] = b""
                    resting.append(s)
            else:
                self.consumers[s] += data
                if len(self.consumers[s]) < len(element):
                    return
                if self.consumers[s] != element:
                    raise SystemExit(f"{self.consumers[s]} was popped")
                self.consumers[s] = b""
                popped += 1
                ask(s)
            produce()

        for s in self.consumers:
            ask(s)
        produce()
        self.crowd.run_until(lambda: popped == elements, hear)

    def measure(self, of, n):
        self.run(n // 10)  # connections are made, links are opened
        before, start = cpu_s(of.pid), time.monotonic()
        self.run(n)
        figures = (cpu_s(of.pid) - before) / n * 1e6, n / (time.monotonic() - start)
        self.crowd.close()
        return figures


def compare(rounds, targets, loads, n):
    samples = {name: [] for name in loads}
    for _ in range(rounds):
        for name, make in loads.items():
            port, process = targets[name]
            samples[name].append(make(port).measure(process, n))
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in samples.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--work", default="pipeline,steps,waiting,ready")
    parser.add_argument("--number", type=int, default=50_000, help="transactions or elements a run")
    a = parser.parse_args()
    os.sched_setaffinity(0, {int(LOAD_CPU)})
    with Stage() as stage:
        redis_port, redis = stage.redis()
        port = free_port()
        targets = {"direct": (redis_port, redis),
                   "floor": (port, stage.start([f"{BUILD}/bench/weir_floor", str(port)], port, PROXY_CPU)),
                   "weir": stage.weir(f"redis://127.0.0.1:{redis_port}")}
        for work in a.work.split(","):
            if work in ("pipeline", "steps"):
                script = PIPELINE if work == "pipeline" else STEPS
                loads = {name: lambda port, s=s: Script(port, a.clients, s, a.number)
                         for name, s in (("direct", script), ("floor", for_floor(script)), ("weir", script))}
            else:
                ahead = a.clients // 2 if work == "waiting" else 20 * a.clients
                loads = {name: lambda port: Queue(port, a.clients, a.clients, ahead) for name in ("direct", "weir")}
            medians = compare(a.rounds, targets, loads, a.number)
            print(f"\n{work}: {a.clients} clients; {a.number} a run, median of {a.rounds}")
            for name, (cpu_us, rate) in medians.items():
                print(f"  {name:8}{cpu_us:9.2f} us CPU each{rate:10,.0f} a second")
            if "floor" in medians:
                beyond = (medians["weir"][0] - medians["floor"][0]) / medians["direct"][0]
                print(f"  weir beyond the floor: {beyond:.2f} x Redis' own (goal 1.2)", flush=True)


if __name__ == "__main__":
    main()
