#!/usr/bin/env python3
"""weir in front of a cluster beside weir in front of one server, in one run, on loopback.

CPU time of the proxy per request, as in side_by_side.py: the pipelines of its table, MSET and MGET of
10 keys over 3 nodes, and the same load over 3 to 100 nodes. The nodes are real servers that are told
of each other by the file that Redis keeps its cluster in, so 100 of them need no introduction.
"""
import argparse
import os
import socket
import statistics
import subprocess
import time

from side_by_side import LOAD_CPU, Stage, BUILD, cpu_s, free_port

KEY = "key:__rand_int__"
WORKLOADS = {  # name: (redis-benchmark's arguments, its command, requests)
    "p1 set": ("-c 50 -P 1 -d 64 -r 100000", "-t set", 50_000),
    "p16 set": ("-c 50 -P 16 -d 64 -r 100000", "-t set", 300_000),
    "p16 get": ("-c 50 -P 16 -d 64 -r 100000", "-t get", 300_000),
    "p64 set": ("-c 50 -P 64 -d 64 -r 100000", "-t set", 600_000),
    "p64 get": ("-c 50 -P 64 -d 64 -r 100000", "-t get", 600_000),
    "MSET of 10 keys, p4": ("-c 50 -P 4 -d 64 -r 100000", "-t mset", 40_000),
    "MGET of 10 keys, p4": ("-c 50 -P 4 -d 64 -r 100000", " ".join(["MGET"] + 10 * [KEY]), 40_000),
}
SLOTS = 16384


def bus_port(port):
    return port + 10_000


def node_ports(count):
    """Free ports whose buses' ports are free, too."""
    ports = []
    candidate = 10_000 + free_port() % 10_000
    while len(ports) < count:
        candidate += 1
        with socket.socket() as node, socket.socket() as bus:
            try:
                node.bind(("127.0.0.1", candidate))
                bus.bind(("127.0.0.1", bus_port(candidate)))
            except OSError:
                continue
        ports.append(candidate)
    return ports


def start_cluster(stage, count):
    ports = node_ports(count)
    ids = [f"{i:040x}" for i in range(1, count + 1)]
    for me, port in enumerate(ports):
        lines = []
        for i, other in enumerate(ports):
            slots = f"{SLOTS * i // count}-{SLOTS * (i + 1) // count - 1}"
            flags = "myself,master" if i == me else "master"
            lines.append(f"{ids[i]} 127.0.0.1:{other}@{bus_port(other)} {flags} - 0 0 {i + 1} connected {slots}")
        lines.append(f"vars currentEpoch {count} lastVoteEpoch 0\n")
        directory = f"{stage.dir}/node.{port}"
        os.mkdir(directory)
        with open(f"{directory}/nodes.conf", "w") as f:
            f.write("\n".join(lines))
        command = f"redis-server --port {port} --bind 127.0.0.1 --appendonly no --loglevel warning --cluster-enabled yes --cluster-config-file nodes.conf --dir {directory}"
        stage.start([*command.split(), "--save", ""], port, LOAD_CPU)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        states = [subprocess.run(["redis-cli", "-p", str(p), "cluster", "info"], capture_output=True, text=True).stdout for p in ports]
        if all("cluster_state:ok" in state for state in states):
            return f"redis+cluster://127.0.0.1:{ports[0]}"
        time.sleep(0.2)
    raise RuntimeError("the cluster's nodes did not agree")


def cost_us(target, name):
    port, weir = target
    arguments, command, n = WORKLOADS[name]
    before = cpu_s(weir.pid)
    subprocess.run(f"taskset -c {LOAD_CPU} redis-benchmark -p {port} -n {n} {arguments} -q {command}".split(),
                   check=True, stdout=subprocess.DEVNULL, timeout=600)
    return (cpu_s(weir.pid) - before) / n * 1e6


def beside_one_server(rounds, works, binary):
    with Stage() as stage:
        redis_port, _ = stage.redis()
        targets = {"one server": stage.weir(f"redis://127.0.0.1:{redis_port}", binary=binary),
                   "3 nodes": stage.weir(start_cluster(stage, 3), binary=binary)}
        print(f"  {'CPU us per request':24}{'one server':>12}{'3 nodes':>10}{'ratio':>8}")
        for work in works:
            rows = [{name: cost_us(target, work) for name, target in targets.items()} for _ in range(rounds)]
            one, three = (statistics.median(row[name] for row in rows) for name in targets)
            print(f"  {work:24}{one:12.3f}{three:10.3f}{three / one:8.2f}", flush=True)


def over_nodes(rounds, counts, binary):
    print(f"\n  {'CPU us per request':24}" + "".join(f"{f'{c} nodes':>11}" for c in counts))
    rows = {work: [] for work in ("p1 set", "p16 set", "p64 set")}
    for count in counts:
        with Stage() as stage:
            target = stage.weir(start_cluster(stage, count), binary=binary)
            for work, row in rows.items():
                row.append(statistics.median(cost_us(target, work) for _ in range(rounds)))
    for work, row in rows.items():
        print(f"  {work:24}" + "".join(f"{us:11.3f}" for us in row), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", help="only those whose name begins so")
    parser.add_argument("--nodes", default="3,12,100", help="numbers of nodes to compare; empty: none")
    parser.add_argument("--weir", default=f"{BUILD}/weir")
    a = parser.parse_args()
    works = [work for work in WORKLOADS if a.work is None or work.startswith(a.work)]
    beside_one_server(a.rounds, works, a.weir)
    if a.nodes:
        over_nodes(a.rounds, [int(n) for n in a.nodes.split(",")], a.weir)


if __name__ == "__main__":
    main()
