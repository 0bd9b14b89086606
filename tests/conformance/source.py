"""Fetches the source package that holds the suite, with apt's own download, into build/.

The machine's own apt configuration says where its Debian archive is; from it a private one is
derived, with a deb-src line for each of its archives. So nothing outside of build/ changes, and
it does not matter whether the machine itself is set up for sources.
"""
import os
import pathlib
import re
import shutil
import subprocess

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class FetchError(Exception):
    """Why the suite is not here, for people."""


def run(argv, **options):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise FetchError(f"`{argv[0]} {argv[-2]} {argv[-1]}` failed:\n{done.stdout[-2000:]}")
    return done.stdout


def archives():
    """(site, release) of each Debian archive that this machine's apt uses."""
    text = run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(ORIGIN)",
                "Created-By: Packages", "Component: main"])
    found = [line.split()[:2] for line in text.splitlines() if line.endswith(" Debian")]
    if not found:
        raise FetchError("apt knows no Debian archive on this machine: run `apt-get update` first")
    return list(dict.fromkeys(map(tuple, found)))


def codename():
    release = pathlib.Path("/etc/os-release").read_text()
    return re.search(r"^VERSION_CODENAME=(\w+)", release, re.MULTILINE).group(1)


class PrivateApt:
    """apt-get with lists and sources of its own under FOLDER, for RELEASE or this machine's."""

    def __init__(self, folder, release=None):
        self.folder = folder / f"apt-{release or 'own'}"
        for name in ("lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        known = archives()
        if release:
            known = [(site, release) for site, name in known if name == codename()]
        trust = f" [signed-by={KEYRING}]" if KEYRING.exists() else ""
        lines = [f"{kind}{trust} {site} {name} main\n" for site, name in known
                 for kind in ("deb", "deb-src")]
        (self.folder / "sources.list").write_text("".join(lines))
        self.run("update")

    def run(self, *words, cwd=None):
        settings = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": self.folder / "lists", "Dir::Cache": self.folder / "cache",
            "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any"}
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        return run(["apt-get", "-q", *options, *words], cwd=cwd)


def fetch(folder, package, releases):
    """The directory of PACKAGE's unpacked source under FOLDER; downloads it if it is not there.

    RELEASES are asked in turn, None being the machine's own.
    """
    target = folder / package
    if (target / "tests/test_helper.tcl").exists():
        return target
    work = emptied(folder / f"{package}.part")
    for release in releases:
        try:
            PrivateApt(folder, release).run("source", "--download-only", package, cwd=work)
            break
        except FetchError:
            if release == releases[-1]:
                raise
    description, = work.glob("*.dsc")
    run(["dpkg-source", "--no-check", "-x", str(description), str(work / "unpacked")])
    os.rename(work / "unpacked", target)
    shutil.rmtree(work)
    return target


def fetch_program(folder, package, program, release):
    """PACKAGE's PROGRAM, unpacked under FOLDER without being installed."""
    target = folder / f"{package}-package"
    if not (target / program).exists():
        work = emptied(folder / f"{package}-package.part")
        PrivateApt(folder, release).run("download", package, cwd=work)
        archive, = work.glob("*.deb")
        run(["dpkg-deb", "-x", str(archive), str(work / "unpacked")])
        os.rename(work / "unpacked", target)
        shutil.rmtree(work)
    return target / program


def fetch_redis(folder):
    """(the suite's directory, the server) of this Debian's Redis, which is installed."""
    server = shutil.which("redis-server")
    if not server:
        raise FetchError("redis-server is not installed; `./dev conformance` installs it")
    return fetch(folder, "redis", [None]), server


def fetch_valkey(folder):
    """(the suite's directory, the server) of Valkey, from this Debian's backports.

    Its source leaves the archive once the release is old, though the program stays; the suite
    then is the one of Debian's stable release.
    """
    backports = f"{codename()}-backports"
    # Debian has one program under several names, by which it knows what it is to be.
    program = fetch_program(folder, "valkey-tools", "usr/bin/valkey-check-rdb", backports)
    server = program.with_name("valkey-server")
    if not server.exists():
        server.symlink_to(program.name)
    return fetch(folder, "valkey", [backports, "stable"]), str(server)


def emptied(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
