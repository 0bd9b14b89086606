"""Clients that redis-benchmark cannot play, for benchmarks: many at once in one thread, each with its
next words as soon as it has its reply."""
import select
import socket
import time


def request(*args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


def connect(port):
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_line(s):
    line = b""
    while not line.endswith(b"\r\n"):
        line += s.recv(4096)
    return line


class Crowd:
    """Sockets by descriptor, and whoever has something to read calls on_bytes(socket, bytes)."""

    def __init__(self):
        self.epoll = select.epoll()
        self.sockets = {}

    def add(self, s):
        s.setblocking(False)
        self.epoll.register(s.fileno(), select.EPOLLIN)
        self.sockets[s.fileno()] = s

    def run_until(self, done, on_bytes, patience_s=60):
        deadline = time.monotonic() + patience_s
        while not done():
            for fd, _ in self.epoll.poll(1, 4096):
                s = self.sockets[fd]
                data = s.recv(262144)
                if not data:
                    raise SystemExit("a connection was closed")
                on_bytes(s, data)
            if time.monotonic() > deadline:
                raise SystemExit("what was asked for does not come")

    def close(self):
        for s in self.sockets.values():
            s.close()
        self.epoll.close()
