#!/usr/bin/python3
"""Redis' own test suite, direct and through weir: what passes direct must pass through weir.

Each unit file runs against a new redis-server, and against a new weir in front of a new
redis-server. A case that passes direct and not through weir fails the run, unless known.txt says
why it cannot hold behind a proxy; so does a known one that passes after all. With --recorded the
direct result is not measured but read from direct.txt. Valkey has lists of its own, and so has
--cluster: the suite's --cluster-mode, with weir in front of a cluster of three primaries.
"""
import argparse
import concurrent.futures
import os
import pathlib
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import servers  # noqa: E402
import source  # noqa: E402
import suite  # noqa: E402

BUILD = HERE.parent.parent / "build"
TEXT_LINES_MAX = 12
MISSING = "missing: the suite never came to it"
WEIRS_END = "(weir's own end)"
WHOLE = "*"  # in a list of known cases: the whole file, which then does not run through weir


class Flavour:
    """Redis of this Debian, or Valkey of its backports: the suite and the server."""

    def __init__(self, valkey, force_resp3, cluster):
        get = source.fetch_valkey if valkey else source.fetch_redis
        self.source, self.server = get(BUILD / "conformance")
        self.cluster = cluster
        self.options = ["--force-resp3"] * force_resp3 + ["--cluster-mode"] * cluster
        variant = "-valkey" * valkey + "-cluster" * cluster
        self.known = HERE / f"known{variant}.txt"
        self.direct = HERE / f"direct{variant}{'-resp3' * force_resp3}.txt"


def read_known(path):
    """{(file, case): (may_pass, reason)} of a list, which says itself what its lines mean."""
    known = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split(" :: ")]
        if len(parts) != 3 or not all(parts):
            raise SystemExit(f"{path}:{number}: expected FILE :: CASE :: REASON")
        known[parts[0], parts[1]] = (parts[2].startswith("may pass: "), parts[2])
    return known


def read_direct(path):
    """{file: [case…]} of what passes direct."""
    found, cases = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("[") and line.endswith("]") and line[1:].startswith("unit/"):
            cases = found.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            cases.append(line)
    return found


def write_direct(path, results):
    lines = ["# What passes direct, file by file. Written by run.py --direct-only --write.\n"]
    for unit, cases in sorted(results.items()):
        passed = [case.name for case in cases if case.status == suite.PASSED]
        if passed:
            lines += [f"\n[{unit}]\n", *(f"{name}\n" for name in passed)]
    path.write_text("".join(lines))


def run_servers(flavour, unit, weir, options, kept):
    """The cases of one file with these OPTIONS of the suite, on servers of its own."""
    with tempfile.TemporaryDirectory(prefix="weir-conformance-") as folder:
        pair = servers.Servers(folder, flavour.server, weir, flavour.cluster)
        try:
            with open(f"{folder}/suite.log", "wb") as log:
                cases = suite.run_unit(flavour.source, unit, pair.port,
                                       [*flavour.options, *options], log)
            wrong = pair.end_weir() if weir else None
            if wrong:
                cases.append(suite.Case(WEIRS_END, suite.FAILED, wrong))
        finally:
            pair.stop()
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            for path in pathlib.Path(folder).rglob("*.log"):
                shutil.copy(path, kept / "-".join(path.relative_to(folder).parts))
    return cases


def run_one(flavour, unit, weir, races, hanging):
    """The cases of one file, and the seconds they took; direct if WEIR is None.

    Through weir, RACES (what known.txt lets pass or fail) run each by itself: one that is lost may
    hang, and must not take the rest of the file along. Those that known.txt says are HANGING do not
    run.
    """
    begin = time.monotonic()
    kept = BUILD / "conformance/logs" / f"{unit.replace('/', '-')}-{'weir' if weir else 'direct'}"
    alone = sorted(races) if weir else []
    without = [word for name in alone + (hanging if weir else []) for word in ("--skiptest", name)]
    cases = run_servers(flavour, unit, weir, without, kept)
    for number, name in enumerate(alone):
        cases += run_servers(flavour, unit, weir, ["--only", name], kept / f"race{number}")
    return cases, time.monotonic() - begin


def run_all(flavour, names, ways, jobs):
    """{(unit, way): (cases, seconds)}; prints a line as each is done."""
    found = {}
    known = read_known(flavour.known)
    races = {unit: [] for unit in names}
    hanging = {unit: [] for unit in names}
    for (unit, name), (may_pass, reason) in known.items():
        if unit in names and may_pass:
            races[unit].append(name)
        elif unit in names and reason.startswith("hangs: "):
            hanging[unit].append(name)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_one, flavour, unit, weir, races[unit],
                               hanging[unit]): (unit, way)
                   for unit in names for way, weir in ways.items()
                   if not (weir and (unit, WHOLE) in known)}
        found.update({(unit, way): ([], 0) for unit in names for way, weir in ways.items()
                      if weir and (unit, WHOLE) in known})
        for future in concurrent.futures.as_completed(running):
            unit, way = running[future]
            found[unit, way] = cases, seconds = future.result()
            passed = sum(case.status == suite.PASSED for case in cases)
            print(f"{unit} {way}: {passed} of {len(cases)} passed in {seconds:.0f} s", flush=True)
    return found


def verdict(unit, direct, cases, known, strict):
    """[(case, text)] of what fails this file; DIRECT names what must pass.

    STRICT: what is excused must fail.
    """
    by_name = {case.name: case for case in cases}
    wrong = []
    for name in direct:
        case = by_name.get(name)
        may_pass, reason = known.get((unit, name)) or known.get((unit, WHOLE), (False, None))
        if case and case.status == suite.PASSED:
            if strict and reason and not may_pass:
                wrong.append((name, f"it passes now: the list of known ones names it ({reason})"))
        elif not reason:
            wrong.append((name, case.text if case else MISSING))
    for case in cases:
        if case.name == WEIRS_END:
            wrong.append((case.name, case.text))
    return wrong


def stale(names, direct, known):
    """Entries of known.txt that name no case that passes direct."""
    return [(unit, name) for unit, name in known
            if unit in names and name not in (*direct[unit], WHOLE)]


def print_table(names, direct, through):
    print(f"\n{'file':28} {'cases':>6} {'direct':>7} {'weir':>6} {'missing':>8}")
    sums = [0, 0, 0, 0]
    for unit in names:
        seen = {case.name for case in through[unit]}
        passed = {case.name for case in through[unit] if case.status == suite.PASSED}
        row = [len(seen | set(direct[unit])), len(direct[unit]), len(passed),
               len(set(direct[unit]) - seen)]
        sums = [a + b for a, b in zip(sums, row)]
        if row[0]:
            print(f"{unit:28} {row[0]:6} {row[1]:7} {row[2]:6} {row[3]:8}")
    print(f"{'all':28} {sums[0]:6} {sums[1]:7} {sums[2]:6} {sums[3]:8}")


def print_wrong(wrong):
    for unit, name, text in sorted(wrong, key=lambda entry: entry[2] == MISSING):
        if text == MISSING:
            print(f"{unit} :: {name}: {MISSING}")
            continue
        print(f"\n{unit} :: {name}")
        lines = text.splitlines()
        shown = lines[:TEXT_LINES_MAX] + ["…"] * (len(lines) > TEXT_LINES_MAX)
        print("".join(f"    {line}\n" for line in shown), end="")


def judge(flavour, names, direct, through, strict):
    known = read_known(flavour.known)
    wrong = [(unit, name, text) for unit in names
             for name, text in verdict(unit, direct[unit], through[unit], known, strict)]
    wrong += [(unit, name, f"{flavour.known.name} names it, but it does not pass direct")
              for unit, name in (stale(names, direct, known) if strict else [])]
    print_table(names, direct, through)
    excused = sum(unit in names for unit, _ in known)
    print_wrong(wrong)
    print(f"\nconformance: {len(wrong)} cases fail through weir that pass direct; "
          f"{flavour.known.name} excuses {excused}")
    return 1 if wrong else 0


def options():
    parser = argparse.ArgumentParser(description="Redis' own test suite, direct and through weir")
    parser.add_argument("files", nargs="*", metavar="FILE", help="such as unit/type/string; all")
    parser.add_argument("--weir", metavar="BINARY", default=str(BUILD / "release/weir"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="files at a time")
    parser.add_argument("--valkey", action="store_true", help="Valkey and its suite")
    parser.add_argument("--force-resp3", action="store_true", help="Valkey's option of that name")
    parser.add_argument("--cluster", action="store_true", help="the suite's --cluster-mode")
    parser.add_argument("--direct-only", action="store_true", help="not through weir")
    parser.add_argument("--write", action="store_true", help="record what passes direct")
    parser.add_argument("--recorded", action="store_true", help="only through weir")
    parser.add_argument("--fetch", action="store_true", help="only fetch the suite")
    chosen_options = parser.parse_args()
    if chosen_options.force_resp3 and not chosen_options.valkey:
        parser.error("--force-resp3 needs --valkey: Redis 7.0's suite does not have it")
    return chosen_options


def chosen(flavour, files):
    known = suite.units(flavour.source)
    unknown = [name for name in files if name not in known]
    if unknown:
        raise SystemExit(f"conformance: the suite has no {unknown[0]}; it has: {' '.join(known)}")
    return files or known


def main():
    chosen_options = options()
    try:
        flavour = Flavour(chosen_options.valkey, chosen_options.force_resp3, chosen_options.cluster)
    except source.FetchError as error:
        raise SystemExit(f"conformance: cannot fetch the suite: {error}") from None
    if chosen_options.fetch:
        print(f"conformance: the suite is at {flavour.source}")
        return 0
    names = chosen(flavour, chosen_options.files)
    ways = {}
    if not chosen_options.recorded:
        ways["direct"] = None
    if not chosen_options.direct_only:
        ways["weir"] = os.path.abspath(chosen_options.weir)
    found = run_all(flavour, names, ways, chosen_options.jobs)
    if chosen_options.recorded:
        recorded = read_direct(flavour.direct)
        direct = {unit: recorded.get(unit, []) for unit in names}
    else:
        direct = {unit: [case.name for case in found[unit, "direct"][0]
                         if case.status == suite.PASSED] for unit in names}
    if chosen_options.write:
        write_direct(flavour.direct, {unit: found[unit, "direct"][0] for unit in names})
    if chosen_options.direct_only:
        print_wrong([(unit, case.name, case.text) for unit in names
                     for case in found[unit, "direct"][0] if case.status != suite.PASSED])
        print(f"\nconformance: {sum(map(len, direct.values()))} cases pass direct")
        return 0
    # With RESP3 some of what is known may pass after all.
    return judge(flavour, names, direct, {unit: found[unit, "weir"][0] for unit in names},
                 strict=not chosen_options.force_resp3)


if __name__ == "__main__":
    sys.exit(main())
