#!/usr/bin/python3
"""Runs a command beside a fresh redis-server and a weir in front of it.

    with_weir.py PATH_OF_WEIR [--facade=KIND] COMMAND...

The command finds WEIR_PORT (through weir) and REDIS_PORT (Redis itself) in its environment, and
SPARE_PORT, on which it may start a server. Its exit code is passed on; it is an error as well if
weir does not end with exit code 0 on SIGTERM. With --facade, weir's listener has that facade.
Everything runs on loopback ports that the system chose, and is gone at the end.
WEIR_TEST_REDIS_SERVER names another program than redis-server.
"""
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60


def reserve_port():
    """A socket that is bound and never listens keeps a port for a server that sets SO_REUSEADDR."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    return keeper


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def start(argv, port, log):
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                               preexec_fn=die_with_parent)
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process
        except ConnectionRefusedError:
            time.sleep(0.01)
    process.kill()
    raise SystemExit(f"{argv[0]} did not start: see its output above")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all of it is cleaned up
    weir, command = sys.argv[1], sys.argv[2:]
    facade = command.pop(0).split("=")[1] if command[0].startswith("--facade=") else "none"
    redis = os.environ.get("WEIR_TEST_REDIS_SERVER", "redis-server")
    redis_port, weir_port, spare_port = reserve_port(), reserve_port(), reserve_port()
    redis_number, weir_number = redis_port.getsockname()[1], weir_port.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="weir-client-") as folder:
        started = []
        try:
            started.append(start(
                [redis, "--port", str(redis_number), "--bind", "127.0.0.1", "--save", "",
                 "--dir", folder, "--loglevel", "warning"], redis_number, sys.stderr))
            argv = [weir, "--listen", f"127.0.0.1:{weir_number}", "--admin", "off",
                    "--workers", "2", f"redis://127.0.0.1:{redis_number}"]
            if facade != "none":
                configuration = os.path.join(folder, "weir.toml")
                with open(configuration, "w", encoding="utf-8") as file:
                    file.write(f'workers = 2\n[[listener]]\naddress = "127.0.0.1:{weir_number}"\n'
                               f'facade = "{facade}"\n[upstream.default]\n'
                               f'url = "redis://127.0.0.1:{redis_number}"\n'
                               '[admin]\naddress = "off"\n')
                argv = [weir, "--config", configuration]
            proxy = start(argv, weir_number, sys.stderr)
            started.append(proxy)
            environment = dict(os.environ, WEIR_PORT=str(weir_number),
                               REDIS_PORT=str(redis_number), TMPDIR=folder,
                               SPARE_PORT=str(spare_port.getsockname()[1]))
            code = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                                  preexec_fn=die_with_parent).returncode
            proxy.send_signal(signal.SIGTERM)
            proxy_code = proxy.wait(PATIENCE_S)
            if proxy_code != 0:
                print(f"weir ended with exit code {proxy_code}", file=sys.stderr)
                return 1
            return code
        finally:
            for process in started:
                process.kill()
                process.wait()


if __name__ == "__main__":
    sys.exit(main())
