"""Redis, one server or a cluster, and a weir in front of it: new, on ports that the system chose."""
import ctypes
import os
import signal
import socket
import subprocess
import time

PATIENCE_S = 60

# All that the suite may do must be allowed, and slow machines must not look like slow servers. Of two
# clients that say something at almost the same time, the suite expects the first to come first, as
# with Redis' one thread; between several workers that is undecided, so there is one.
WEIR_CONFIG = """
workers = 1
[[listener]]
address = "127.0.0.1:{port}"
[upstream.default]
url = "{redis_url}"
request_timeout_ms = 20000
[auth]
mode = "passthrough"
[commands]
allow = ["@all"]
[limits]
client_output_buffer_bytes_max = 1073741824
memory_bytes_max = 2147483648
[admin]
address = "off"
[log]
level = "debug"
"""


def reserve_port():
    """A socket that is bound and never listens keeps a port for a server that sets SO_REUSEADDR."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    return keeper


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


SLOTS = 16384
CLUSTER_NODES = 3


def node_lines(ports, me):
    """The file that a cluster's node keeps: so told, its nodes need no introduction."""
    for i, (port, bus_port) in enumerate(ports):
        flags = "myself,master" if i == me else "master"
        first, last = SLOTS * i // len(ports), SLOTS * (i + 1) // len(ports) - 1
        yield (f"{i + 1:040x} 127.0.0.1:{port}@{bus_port} {flags} - 0 0 {i + 1} connected "
               f"{first}-{last}\n")
    yield f"vars currentEpoch {len(ports)} lastVoteEpoch 0\n"


class Servers:
    """With a WEIR: its port is `port`. Without: Redis' own is.

    With CLUSTER, weir stands before CLUSTER_NODES primaries, and direct is a cluster of one node.
    """

    def __init__(self, folder, redis, weir=None, cluster=False):
        self.started, self.keepers = [], []
        try:
            if cluster:
                self.port = self.start_cluster(folder, redis, CLUSTER_NODES if weir else 1)
            else:
                self.port = self.start_redis(folder, redis)
            if weir:
                scheme = "redis+cluster" if cluster else "redis"
                self.port = self.start_weir(folder, weir, f"{scheme}://127.0.0.1:{self.port}")
        except BaseException:
            self.stop()
            raise

    def reserve(self):
        self.keepers.append(reserve_port())
        return self.keepers[-1].getsockname()[1]

    def start_cluster(self, folder, redis, count):
        """The port of one of its nodes."""
        ports = [(self.reserve(), self.reserve()) for _ in range(count)]
        for me, (port, bus_port) in enumerate(ports):
            home = f"{folder}/node{me}"
            os.mkdir(home)
            with open(f"{home}/nodes.conf", "w", encoding="utf-8") as file:
                file.writelines(node_lines(ports, me))
            self.start_redis(home, redis, port, "--cluster-enabled", "yes",
                             "--cluster-port", str(bus_port))
        end = time.monotonic() + PATIENCE_S
        while not all(self.in_cluster(port) for port, _ in ports):
            if time.monotonic() > end:
                raise SystemExit(f"the nodes of the cluster did not agree: see {folder}")
            time.sleep(0.05)
        return ports[0][0]

    @staticmethod
    def in_cluster(port):
        with socket.create_connection(("127.0.0.1", port)) as node:
            node.sendall(b"CLUSTER INFO\r\n")
            return b"cluster_state:ok" in node.recv(65536)

    def start_redis(self, folder, redis, port=None, *options):
        port = port or self.reserve()
        self.start([redis, "--bind", "127.0.0.1", "--port", str(port), "--save", "",
                    "--appendonly", "no", "--dir", folder, "--enable-debug-command", "yes",
                    "--enable-protected-configs", "yes", "--enable-module-command", "yes", *options],
                   port, f"{folder}/redis.log")
        return port

    def start_weir(self, folder, weir, redis_url):
        port = self.reserve()
        config = f"{folder}/weir.toml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(WEIR_CONFIG.format(port=port, redis_url=redis_url))
        self.start([weir, "--config", config], port, f"{folder}/weir.log")
        return port

    def start(self, argv, port, log_path):
        with open(log_path, "wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       preexec_fn=die_with_parent)
        self.started.append(process)
        end = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise SystemExit(f"{argv[0]} did not start: see {log_path}")

    def end_weir(self):
        """Ends weir as its operator would; returns what was wrong with that, or None."""
        process = self.started[-1]
        if process.poll() is not None:
            return f"weir had ended with exit code {process.returncode}"
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            return f"weir did not end within {PATIENCE_S} s of SIGTERM"
        return f"weir ended with exit code {code}" if code != 0 else None

    def stop(self):
        for process in self.started:
            process.kill()
            process.wait()
        for keeper in self.keepers:
            keeper.close()
