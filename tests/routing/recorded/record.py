#!/usr/bin/env python3
"""Records what the nodes of a real cluster say of it, for the tests of the topology parsers.

    record.py REDIS_SERVER FOLDER

starts clusters of that program on loopback, asks CLUSTER SHARDS, SLOTS, INFO and MYID in several
situations, and writes the bytes of each RESP2 reply to FOLDER/SITUATION.COMMAND.
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ASKED = ("shards", "slots", "info", "myid")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_reply(file):
    """The bytes of one whole RESP2 reply."""
    line = file.readline()
    if line[:1] == b"$" and line != b"$-1\r\n":
        return line + file.read(int(line[1:]) + 2)
    if line[:1] == b"*" and line != b"*-1\r\n":
        return line + b"".join(read_reply(file) for _ in range(int(line[1:])))
    return line


class Node:
    def __init__(self, program, *options):
        self.dir = tempfile.mkdtemp()
        self.port = free_port()
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--cluster-port", str(free_port()), "--dir", self.dir,
             "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--save", "",
             "--appendonly", "no", "--bind", "127.0.0.1", "::1", *options],
            stdout=subprocess.DEVNULL)
        self.cluster_port = None
        while True:
            try:
                self.ask("PING")
                break
            except OSError:
                time.sleep(0.05)
        self.id = self.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode()

    def ask(self, *args):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            request = b"*%d\r\n" % len(args)
            for arg in args:
                request += b"$%d\r\n%s\r\n" % (len(arg), arg.encode())
            connection.sendall(request)
            return read_reply(connection.makefile("rb"))

    def bus_port(self):
        return self.ask("CONFIG", "GET", "cluster-port").split(b"\r\n")[-2].decode()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.kill()
        shutil.rmtree(self.dir)


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise SystemExit("the cluster did not get where it should be")


def make_cluster(program, options_of, host="127.0.0.1"):
    """Three primaries and a replica of each; `options_of` gives each node its own options."""
    nodes = [Node(program, *options_of(i)) for i in range(6)]
    for node in nodes[1:]:
        node.ask("CLUSTER", "MEET", host, str(nodes[0].port), nodes[0].bus_port())
    for i, (first, last) in enumerate([(0, 5460), (5461, 10922), (10923, 16383)]):
        nodes[i].ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
    wait_for(lambda: all(node.ask("CLUSTER", "NODES").count(b" connected") == 6 for node in nodes))
    for i in range(3):
        nodes[3 + i].ask("CLUSTER", "REPLICATE", nodes[i].id)
    wait_for(lambda: all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") and
                         node.ask("CLUSTER", "SLOTS").count(b"\r\n$40\r\n") == 6 for node in nodes))
    return nodes


def record(folder, situation, node):
    for command in ASKED:
        with open(os.path.join(folder, f"{situation}.{command}"), "wb") as file:
            file.write(node.ask("CLUSTER", command.upper()))


def main():
    program, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)

    alone = Node(program)
    record(folder, "alone", alone)
    alone.end()

    nodes = make_cluster(program, lambda i: [])
    record(folder, "plain", nodes[0])
    record(folder, "plain-replica", nodes[4])
    nodes[1].kill()
    wait_for(lambda: b"cluster_state:ok" in nodes[0].ask("CLUSTER", "INFO") and
             nodes[1].id.encode() not in nodes[0].ask("CLUSTER", "SLOTS"))
    record(folder, "failed-over", nodes[0])
    for node in nodes:
        node.end()

    for kind in ("hostname", "unknown-endpoint"):
        nodes = make_cluster(program, lambda i: [
            "--cluster-preferred-endpoint-type", kind,
            *(["--cluster-announce-hostname", f"node{i}.example"] if i != 2 else [])])
        wait_for(lambda: nodes[0].ask("CLUSTER", "SLOTS").count(b".example") >= 5)
        record(folder, kind, nodes[0])
        for node in nodes:
            node.end()

    nodes = make_cluster(program, lambda i: ["--cluster-announce-ip", "::1"], host="::1")
    record(folder, "ipv6", nodes[0])
    for node in nodes:
        node.end()


if __name__ == "__main__":
    main()
