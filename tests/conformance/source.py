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
    """apt-get with lists, cache and sources of its own under FOLDER."""

    def __init__(self, folder, backports):
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        known = archives()
        if backports:
            release = codename()
            known = [(site, f"{release}-backports") for site, name in known if name == release]
        trust = f" [signed-by={KEYRING}]" if KEYRING.exists() else ""
        lines = [f"{kind}{trust} {site} {release} main\n" for site, release in known
                 for kind in (("deb", "deb-src") if backports else ("deb-src",))]
        (folder / "sources.list").write_text("".join(lines))
        self.run("update")

    def run(self, *words, cwd=None):
        settings = {
            "Dir::Etc::sourcelist": self.folder / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": self.folder / "lists", "Dir::Cache": self.folder / "cache",
            "APT::Sandbox::User": "root", "APT::Update::Error-Mode": "any"}
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        return run(["apt-get", "-q", *options, *words], cwd=cwd)


def fetch(folder, package, backports):
    """The directory of PACKAGE's unpacked source under FOLDER; downloads it if it is not there."""
    target = folder / package
    if (target / "tests/test_helper.tcl").exists():
        return target
    apt = PrivateApt(folder / ("apt-backports" if backports else "apt"), backports)
    work = folder / f"{package}.part"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    apt.run("source", "--download-only", package, cwd=work)
    description, = work.glob("*.dsc")
    run(["dpkg-source", "--no-check", "-x", str(description), str(work / "unpacked")])
    os.rename(work / "unpacked", target)
    shutil.rmtree(work)
    return target


def fetch_program(folder, package, program):
    """PACKAGE's PROGRAM from backports, unpacked under FOLDER without being installed."""
    target = folder / f"{package}-package"
    binary = target / program
    if not binary.exists():
        apt = PrivateApt(folder / "apt-backports", backports=True)
        work = folder / f"{package}-package.part"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        apt.run("download", package, cwd=work)
        archive, = work.glob("*.deb")
        run(["dpkg-deb", "-x", str(archive), str(work / "unpacked")])
        os.rename(work / "unpacked", target)
        shutil.rmtree(work)
    return binary
