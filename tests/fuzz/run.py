#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the fuzz targets, two at a time, and prints what each of them saw."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parent
REPOSITORY = SOURCE.parent.parent

# The longest input of each. Those of SMALL have little to find: where all run they get half the time.
LENGTHS = {"profile": 2048, "journal": 1024, "restore": 1024, "config": 1024, "rules": 2048,
           "knob_name": 300}
SMALL = ("config", "knob_name")
SEEDS = {"profile": ["profiles"], "config": ["systemd"], "rules": ["profiles/rules"]}
AT_ONCE = 2
SLOWEST_S = 10
MEMORY_MB = 2048
START_AND_END_S = 120
MERGE_S = 600
MOST_FILES = 60


def memory():
    """A folder in memory, or None where there is no such place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Target:
    def __init__(self, name, build):
        self.name = name
        self.program = build / "tests" / "fuzz" / f"fuzz_{name}"
        self.found = build / "corpus" / name
        self.artifacts = build / "artifacts" / name
        self.log = build / f"{name}.log"
        self.committed = SOURCE / "corpus" / name
        for folder in (self.found, self.artifacts):
            folder.mkdir(parents=True, exist_ok=True)

    def options(self):
        return [f"-max_len={LENGTHS[self.name]}", f"-timeout={SLOWEST_S}",
                f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={self.artifacts}/"]

    def seeds(self):
        """Shipped files change with the project: they need no copy in the corpus."""
        return [self.committed] + [REPOSITORY / folder for folder in SEEDS.get(self.name, [])]

    def call(self, arguments, seconds):
        """libFuzzer ends without destructors: the trees that a target makes are removed here."""
        command = [self.program, *self.options(), *arguments]
        with open(self.log, "wb") as log, \
                tempfile.TemporaryDirectory(prefix="tuneshift-fuzz-", dir=memory()) as trees:
            done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False,
                                  env={**os.environ, "TMPDIR": trees},
                                  timeout=seconds + START_AND_END_S)
        return done.returncode

    def fuzz(self, seconds):
        """Whether nothing was found."""
        status = self.call([f"-max_total_time={seconds}", "-print_final_stats=1", self.found,
                            *self.seeds()], seconds)
        return status == 0

    def edges(self, path):
        """The edges that one input reaches: libFuzzer's own record of a merge of nothing else."""
        record = self.found.parent / f"{self.name}.edges"
        record.write_text(f"1\n0\n{path}\n")
        self.call(["-merge_inner=1", f"-merge_control_file={record}"], 0)
        lines = [line.split() for line in record.read_text().splitlines()]
        return {int(edge) for line in lines if line[0] == "COV" for edge in line[2:]}

    def merge(self):
        """Makes the committed corpus a few inputs that reach nearly every edge that is known."""
        merged = self.found.parent / f"{self.name}.merged"
        shutil.rmtree(merged, ignore_errors=True)
        merged.mkdir()
        if self.call(["-merge=1", "-use_counters=0", merged, self.found, self.committed],
                     MERGE_S) != 0:
            tell_finding(self)
            return False
        kept = cover({path: self.edges(path) for path in merged.iterdir()})
        for old in self.committed.iterdir():
            old.unlink()
        for path in kept:
            path.rename(self.committed / path.name)
        shutil.rmtree(merged)
        sizes = [path.stat().st_size for path in self.committed.iterdir()]
        print(f"{self.name:10} {len(sizes)} files, {sum(sizes)} bytes", flush=True)
        return True


def cover(edges):
    """Few inputs that together reach the most edges: the one with the most new ones first."""
    missing = set().union(*edges.values())
    chosen = []
    while missing and len(chosen) < MOST_FILES:
        best = max(sorted(edges), key=lambda path: (len(edges[path] & missing),
                                                    -path.stat().st_size))
        chosen.append(best)
        missing -= edges[best]
    return chosen


def last(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def figures(target):
    text = target.log.read_text(errors="replace")
    before = re.search(r"INITED cov: (\d+) ft: \d+ corp: (\d+)", text)
    cover, inputs = (int(part) for part in before.groups()) if before else (0, 0)
    return (f"{target.name:10} {last(r'number_of_executed_units: *([0-9]+)', text):>10} runs "
            f"{last(r'average_exec_per_sec: *([0-9]+)', text):>6}/s   "
            f"edges {cover} → {last(r' cov: ([0-9]+)', text)}   "
            f"inputs {inputs} → {last(r' corp: ([0-9]+)/', text)}")


def tell_finding(target):
    print(f"{target.name}: FOUND something")
    text = target.log.read_text(errors="replace")
    shown = [line for line in text.splitlines() if not re.match(r"#\d+\t", line)]
    print("\n".join(shown[-40:]))
    for artifact in sorted(target.artifacts.iterdir(), key=os.path.getmtime)[-1:]:
        print(f"again: {target.program} {artifact}")


def fuzz(targets, seconds_of):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(target.fuzz, seconds_of(target.name)): target for target in targets}
        good = True
        for done in concurrent.futures.as_completed(running):
            print(figures(running[done]), flush=True)
            if not done.result():
                tell_finding(running[done])
                good = False
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--merge", action="store_true",
                        help="write what was found into the committed corpus instead of running")
    parser.add_argument("seconds", type=int, nargs="?", default=60)
    parser.add_argument("target", nargs="*", help=", ".join(LENGTHS))
    arguments = parser.parse_args()
    for unknown in set(arguments.target) - set(LENGTHS):
        parser.error(f"no target '{unknown}': there are {', '.join(LENGTHS)}")
    build = arguments.build.resolve()
    targets = [Target(name, build) for name in arguments.target or LENGTHS]
    if arguments.merge:
        return 0 if all([target.merge() for target in targets]) else 1
    all_run = not arguments.target

    def seconds_of(name):
        return max(1, arguments.seconds // 2 if all_run and name in SMALL else arguments.seconds)

    return 0 if fuzz(targets, seconds_of) else 1


if __name__ == "__main__":
    sys.exit(main())
