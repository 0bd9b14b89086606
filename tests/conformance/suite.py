"""Runs one unit file of Redis' test suite against a server that is already there.

The suite is a server that gives unit files to clients, which run them and report each case. Here
we are that server: the client is the suite's own, in a process group of its own, and what it
reports (lists in Tcl's notation) is read as it comes, so that a case that hangs is known by name.
"""
import os
import re
import signal
import socket
import subprocess
import time

# Without a word from the suite for so long, a case hangs; the longest takes a third of it.
CASE_S_MAX = 180
FILE_S_MAX = 400

# What cannot be asked of a server that the suite did not start, and what takes minutes.
DENIED_TAGS = ("needs:repl", "needs:pfdebug", "needs:latency", "needs:local-process", "needs:save",
               "slow")

PASSED, FAILED = "passed", "failed"


class Case:
    """One case: its name (with #2, #3 … where the file has the name again), status and text."""

    def __init__(self, name, status, text=""):
        self.name, self.status, self.text = name, status, text


def tcl_list(text):
    """The elements of a list in Tcl's notation: bare words, {braced}, "quoted", backslashes."""
    elements, at = [], 0
    while True:
        while at < len(text) and text[at] in " \t\r\n\v\f":
            at += 1
        if at == len(text):
            return elements
        element, at = (braced if text[at] == "{" else word)(text, at)
        elements.append(element)


def braced(text, at):
    depth, start = 0, at
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1:at], at + 1
        at += 1
    raise ValueError("the suite sent a list whose brace is not closed")


ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "b": "\b"}
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|([0-7]{1,3})|(.))", re.DOTALL)


def unescaped(match):
    hexadecimal, unicode, octal, other = match.groups()
    if other is not None:
        return ESCAPES.get(other, other)
    return chr(int(octal, 8) if octal else int(hexadecimal or unicode, 16))


def word(text, at):
    quoted = text[at] == '"'
    start = at = at + quoted
    while at < len(text) and (text[at] != '"' if quoted else text[at] not in " \t\r\n\v\f"):
        at += 2 if text[at] == "\\" else 1
    return ESCAPE.sub(unescaped, text[start:at]), at + quoted


class Timeout(Exception):
    """The suite's client was silent for too long."""


class Wire:
    """The suite's client as seen from its server: packets of a length line and a list.

    Tcl writes the end of a line to a socket as CRLF and counts it as one; so must we, and a lone
    CR as well.
    """

    def __init__(self, connection, end):
        self.connection, self.end, self.buffered = connection, end, b""
        self.after_cr = False

    def give(self, unit):
        payload = f"run {unit}".encode()
        self.connection.sendall(b"%d\n%s" % (len(payload), payload))

    def more(self):
        patience = min(CASE_S_MAX, self.end - time.monotonic())
        if patience <= 0:
            raise Timeout
        self.connection.settimeout(patience)
        try:
            arrived = self.connection.recv(65536)
        except socket.timeout:
            raise Timeout from None
        if not arrived:
            raise EOFError
        if self.after_cr and arrived.startswith(b"\n"):
            arrived = arrived[1:]
        self.after_cr = arrived.endswith(b"\r")
        self.buffered += arrived.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def packet(self):
        while b"\n" not in self.buffered:
            self.more()
        line, self.buffered = self.buffered.split(b"\n", 1)
        while len(self.buffered) < int(line):
            self.more()
        payload, self.buffered = self.buffered[:int(line)], self.buffered[int(line):]
        elements = tcl_list(payload.decode("latin-1"))
        if len(elements) != 3:
            raise ValueError(f"the suite's packet is not a list of three: {payload!r}")
        return elements


class Cases:
    """Collects what the suite's client reports about one file."""

    def __init__(self):
        self.all, self.seen, self.running = [], {}, None

    def add(self, name, status, text=""):
        self.seen[name] = self.seen.get(name, 0) + 1
        ordinal = f" #{self.seen[name]}" if self.seen[name] > 1 else ""
        self.all.append(Case(" ".join(name.split()) + ordinal, status, text))

    def report(self, status, data):
        if status == "testing":
            self.running = data
        elif status == "ok":
            self.add(data, PASSED)
            self.running = None
        elif status in ("err", "exception"):
            # An error between cases belongs to the file: what it left out will be missing.
            self.add(self.running or "(outside of its cases)", FAILED, data)
            self.running = None

    def hangs(self, why):
        self.add(self.running or "(outside of its cases)", FAILED, why)


def start(source, port, listener, options, log):
    argv = ["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port),
            "--singledb", "--durable", "--tags", " ".join(f"-{tag}" for tag in DENIED_TAGS),
            "--client", str(listener.getsockname()[1]), *options]
    return subprocess.Popen(argv, cwd=source, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            env=dict(os.environ, LC_ALL="C.UTF-8"), start_new_session=True)


def run_unit(source, unit, port, options, log):
    """The cases of UNIT (such as unit/type/string) against the server on PORT, in their order.

    OPTIONS are further ones of the suite's own.
    """
    cases = Cases()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(CASE_S_MAX)
        process = start(source, port, listener, options, log)
        try:
            connection, _ = listener.accept()
            with connection:
                converse(Wire(connection, time.monotonic() + FILE_S_MAX), unit, cases)
        except (Timeout, socket.timeout):
            cases.hangs("it hung, and so ended the file: what comes behind it is missing")
        except (EOFError, ConnectionError):
            cases.hangs("the suite's process ended in it")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return cases.all


def converse(wire, unit, cases):
    wire.packet()  # "ready"
    wire.give(unit)
    while True:
        status, data, _ = wire.packet()
        if status == "done":
            return
        cases.report(status, data)
        if status == "exception":
            return


def units(source):
    """The suite's unit files; what it calls integration needs servers of its own."""
    listed = subprocess.run(["tclsh", "tests/test_helper.tcl", "--list-tests"], cwd=source,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, text=True)
    return [name for name in listed.stdout.split() if name.startswith("unit/")]
