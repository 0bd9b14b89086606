#!/usr/bin/env python3
"""weir beside its peers, in one run, on loopback: what does a request cost in CPU?

The figure is the CPU time (user and system, all threads) that the proxy's process used, divided by
the requests that it carried. Targets take turns within each round, so a machine whose speed drifts
treats all alike; medians of the rounds are compared, as multiples of the floor (see floor.cc).
Absolute times mean nothing across machines, ratios of one run do.

  direct       no proxy: for the server's own CPU per request
  floor        one read and one write per batch: the least a proxy can pay
  haproxy      in TCP mode, that is at layer 4
  nutcracker   twemproxy
  weir         with its defaults, and `weir-bare` with all plugins off

Sections: table (the workloads), memory (bytes a connection), scale (cost as connections and
upstreams grow), instructions (by callgrind, per request: does not drift).
"""
import argparse
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = f"{ROOT}/build/bench"
PROXY_CPU, LOAD_CPU = ("0", "1") if (os.cpu_count() or 1) > 1 else ("0", "0")
WORKLOADS = {  # name: (what it is, redis-benchmark's arguments, requests)
    "p1": ("50 clients, no pipelining", "-c 50 -P 1 -d 64 -r 100000", 100_000),
    "p16": ("50 clients, 16 in a batch", "-c 50 -P 16 -d 64 -r 100000", 500_000),
    "p64": ("50 clients, 64 in a batch", "-c 50 -P 64 -d 64 -r 100000", 1_000_000),
    "c1000": ("1,000 clients, no pipelining", "-c 1000 -P 1 -d 64 -r 100000", 100_000),
    "d16k": ("50 clients, values of 16 KiB", "-c 50 -P 1 -d 16384 -r 10000", 30_000),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_s(pid):
    """User and system time of all threads, by the scheduler's own nanosecond count."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return 1024 * next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Stage:
    """The processes of one run, and a directory that goes with them."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-bench.")
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in reversed(self.processes):
            self.end(p)
        shutil.rmtree(self.dir, ignore_errors=True)

    def end(self, process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def file(self, name, text):
        path = f"{self.dir}/{name}"
        with open(path, "w") as f:
            f.write(text)
        return path

    def start(self, command, port, cpu):
        log = f"{self.dir}/{port}.log"
        with open(log, "w") as out:
            process = subprocess.Popen(["taskset", "-c", cpu, *command], stdout=out, stderr=out, cwd=self.dir)
        self.processes.append(process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 0.5).close()
                return process
            except OSError:
                time.sleep(0.02)
        with open(log) as f:
            sys.exit(f"side_by_side: did not start: {' '.join(command)}\n{f.read()[-800:]}")

    def redis(self, cpu=LOAD_CPU):
        port = free_port()
        os.mkdir(f"{self.dir}/redis.{port}")
        command = f"redis-server --port {port} --bind 127.0.0.1 --appendonly no --maxclients 20000 --loglevel warning"
        return port, self.start([*command.split(), "--save", "", "--dir", f"{self.dir}/redis.{port}"], port, cpu)

    def weir(self, url, config="", prefix=(), cpu=PROXY_CPU, binary=f"{BUILD}/weir"):
        port = free_port()
        path = self.file(f"weir.{port}.toml", f'workers = 1\n{config}')
        command = [*prefix, binary, "--config", path, "--listen", f"127.0.0.1:{port}", "--admin", "off", url]
        return port, self.start(command, port, cpu)


def load(port, arguments, test, n):
    command = f"taskset -c {LOAD_CPU} redis-benchmark -h 127.0.0.1 -p {port} -n {n} --csv {arguments} -t {test}"
    out = subprocess.run(command.split(), capture_output=True, text=True, timeout=900)
    rows = [line for line in out.stdout.splitlines() if line.startswith('"') and '"test"' not in line]
    if not rows:
        raise RuntimeError(f"{command}: {(out.stdout + out.stderr)[-400:]}")
    fields = [field.strip('"') for field in rows[-1].split('","')]
    return {"rps": float(fields[1]), "p50_ms": float(fields[4]), "p99_ms": float(fields[6])}


def measure(port, proxy, backend, arguments, test, n):
    before = cpu_s(proxy.pid) if proxy else 0, cpu_s(backend.pid)
    figures = load(port, arguments, test, n)
    after = cpu_s(proxy.pid) if proxy else 0, cpu_s(backend.pid)
    return {**figures, "proxy_us": (after[0] - before[0]) / n * 1e6, "redis_us": (after[1] - before[1]) / n * 1e6}


def table(rounds, works):
    results = {}
    with Stage() as stage:
        redis_port, redis = stage.redis()
        url = f"redis://127.0.0.1:{redis_port}"
        targets = {"direct": (redis_port, None)}
        port = free_port()
        targets["floor"] = port, stage.start([f"{BUILD}/bench/weir_floor", str(port)], port, PROXY_CPU)
        port = free_port()
        targets["haproxy"] = port, stage.start(["haproxy", "-db", "-f", stage.file("haproxy.cfg", f"""
global
 nbthread 1
 maxconn 5000
defaults
 mode tcp
 timeout connect 5s
 timeout client 60s
 timeout server 60s
listen redis
 bind 127.0.0.1:{port}
 server a 127.0.0.1:{redis_port}
""")], port, PROXY_CPU)
        port = free_port()
        targets["nutcracker"] = port, stage.start(["nutcracker", "-s", str(free_port()), "-p", f"{stage.dir}/nutcracker.pid",
            "-c", stage.file("nutcracker.yml", f"redis:\n  listen: 127.0.0.1:{port}\n  hash: crc16\n  distribution: modula\n"
                             f"  redis: true\n  servers:\n   - 127.0.0.1:{redis_port}:1\n")], port, PROXY_CPU)
        targets["weir"] = stage.weir(url)
        targets["weir-bare"] = stage.weir(url, "[plugin.metrics]\nenabled = false\n")
        for work in works:
            what, arguments, n = WORKLOADS[work]
            for test in ("set", "get"):
                samples = {name: [] for name in targets}
                for _ in range(rounds):
                    for name, (port, proxy) in targets.items():
                        samples[name].append(measure(port, proxy, redis, arguments, test, n))
                median = {name: {k: statistics.median(s[k] for s in rows) for k in rows[0]} for name, rows in samples.items()}
                results[f"{work} {test}"] = median
                floor = median["floor"]["proxy_us"]
                print(f"\n{work} {test}: {what}; {n} requests, median of {rounds}")
                print(f"  {'target':12}{'CPU us/req':>12}{'x floor':>9}{'Redis us/req':>14}{'% of direct':>13}{'req/s':>10}{'p50 ms':>9}{'p99 ms':>9}")
                for name, m in median.items():
                    share = 100 * m["redis_us"] / median["direct"]["redis_us"]
                    own = f"{m['proxy_us']:12.3f}{m['proxy_us'] / floor:9.2f}" if name != "direct" else f"{'-':>12}{'-':>9}"
                    redis_own = f"{m['redis_us']:14.3f}{share:13.0f}" if name != "floor" else f"{'-':>14}{'-':>13}"
                    print(f"  {name:12}{own}{redis_own}{m['rps']:10.0f}{m['p50_ms']:9.3f}{m['p99_ms']:9.3f}", flush=True)
    return results


def memory(count=8000):
    """Resident bytes that a connection adds: when it is opened, and after it was used."""
    with Stage() as stage:
        redis_port, _ = stage.redis()
        port, weir = stage.weir(f"redis://127.0.0.1:{redis_port}", "[limits]\nclients_max = 20000\n")
        warm = socket.create_connection(("127.0.0.1", port))
        warm.sendall(b"PING\r\n")
        warm.recv(100)
        time.sleep(0.5)
        start = resident_bytes(weir.pid)
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        time.sleep(1)
        idle = resident_bytes(weir.pid)
        for c in clients:
            c.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n")
            c.recv(100)
        time.sleep(1)
        used = resident_bytes(weir.pid)
        figures = {"idle": (idle - start) / count, "used": (used - start) / count}
    print(f"\nmemory: {count} connections; resident bytes each: idle {figures['idle']:.0f}, after use {figures['used']:.0f}")
    return figures


def scale(rounds):
    """CPU per request as connections and upstreams grow; p1, GET."""
    results = {}
    with Stage() as stage:
        redis_port, redis = stage.redis()
        port, weir = stage.weir(f"redis://127.0.0.1:{redis_port}", "[limits]\nclients_max = 20000\n")
        floor_port = free_port()
        floor = stage.start([f"{BUILD}/bench/weir_floor", str(floor_port)], floor_port, PROXY_CPU)
        print("\nscale: CPU us per request (GET, no pipelining), and as multiples of the floor")
        for clients in (50, 200, 1000, 4000, 8000):
            arguments = f"-c {clients} -P 1 -d 64 -r 100000"
            runs = [(measure(floor_port, floor, redis, arguments, "get", 100_000)["proxy_us"],
                     measure(port, weir, redis, arguments, "get", 100_000)["proxy_us"]) for _ in range(rounds)]
            least, own = (statistics.median(column) for column in zip(*runs))
            results[f"{clients} connections"] = own / least
            print(f"  {clients:5} connections: weir {own:7.3f}  floor {least:7.3f}  x {own / least:.2f}", flush=True)
    for upstreams in (1, 4, 16):
        with Stage() as stage:
            redis_port, redis = stage.redis()
            config, ports = "[limits]\nclients_max = 20000\n", []
            for i in range(1, upstreams):
                ports.append(free_port())
                config += f'[upstream.u{i}]\nurl = "redis://127.0.0.1:{redis_port}"\n'
                config += f'[[listener]]\naddress = "127.0.0.1:{ports[-1]}"\nupstream = "u{i}"\n'
            main = free_port()
            config += f'[[listener]]\naddress = "127.0.0.1:{main}"\n[upstream.default]\nurl = "redis://127.0.0.1:{redis_port}"\n[admin]\naddress = "off"\n'
            weir = stage.start([f"{BUILD}/weir", "--config", stage.file("weir.toml", "workers = 1\n" + config)], main, PROXY_CPU)
            everyone = [main, *ports]
            own = []
            for _ in range(rounds):
                before = cpu_s(weir.pid)
                loads = [subprocess.Popen(f"taskset -c {LOAD_CPU} redis-benchmark -p {p} -c {max(1, 48 // upstreams)} -n {96_000 // upstreams} "
                                          "-r 100000 -q -t get".split(), stdout=subprocess.DEVNULL) for p in everyone]
                for process in loads:
                    process.wait()
                own.append((cpu_s(weir.pid) - before) / (96_000 // upstreams * upstreams) * 1e6)
            results[f"{upstreams} upstreams"] = statistics.median(own)
            print(f"  {upstreams:5} upstreams, 48 connections together: weir {statistics.median(own):7.3f}", flush=True)
    return results


def instructions():
    """User-space instructions per request, as the difference of two loads under callgrind."""
    results = {}
    print("\ninstructions: in user space, per request, by callgrind")
    for name, arguments, per in (("p1", "-c 50 -P 1", 5_000), ("p16", "-c 50 -P 16", 40_000), ("p64", "-c 50 -P 64", 100_000)):
        for test in ("set", "get"):
            counts = []
            for n in (per, 3 * per):
                with Stage() as stage:
                    redis_port, _ = stage.redis()
                    out = f"{stage.dir}/callgrind.out"
                    port, weir = stage.weir(f"redis://127.0.0.1:{redis_port}", prefix=("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"))
                    load(port, f"{arguments} -d 64 -r 100000", test, n)
                    stage.end(weir)
                    with open(out) as f:
                        counts.append(next(int(line.split()[1]) for line in f if line.startswith(("summary:", "totals:"))))
            results[f"{name} {test}"] = (counts[1] - counts[0]) / (2 * per)
            print(f"  {name} {test}: {results[f'{name} {test}']:.0f}", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default=",".join(WORKLOADS), help="workloads of the table")
    parser.add_argument("--sections", default="table,memory,scale,instructions")
    parser.add_argument("--json", help="write all figures to this file")
    a = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sections = {"table": lambda: table(a.rounds, a.work.split(",")), "memory": memory, "scale": lambda: scale(a.rounds), "instructions": instructions}
    results = {name: sections[name]() for name in a.sections.split(",")}
    if a.json:
        with open(a.json, "w") as f:
            json.dump(results, f, indent=1)


if __name__ == "__main__":
    main()
