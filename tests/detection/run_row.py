# SPDX-License-Identifier: LGPL-2.1-or-later
"""One row: its programs are run, and the daemon's decision about them is waited for."""
import contextlib
import dataclasses
import os
import subprocess
import time

from lib.machine import make_cold
from lib.processes import Failed, end, read_line, spawn, wait_for

import rows
from speed import ROUNDS, Speed, compare
from verdict import judge, wrong
from world import now_us

PROGRAM_SECONDS = 120
# A decision comes with an event, the settle time (1 s) or the end of a process: all of them are
# over by then.
DECISION_SECONDS = 3


class Run:
    """One start of a row's programs."""

    def __init__(self, row, names, environment):
        self.row = row
        self.names = names
        self.files = {name: names[name] for name in row.files}
        self.command = [word.format(**names) for word in row.command]
        self.environment = dict(os.environ, **environment)
        self.processes = []
        self.seconds = 0.0

    @property
    def pids(self):
        return [process.pid for process in self.processes]

    def start(self):
        pipe = subprocess.PIPE if self.stays else subprocess.DEVNULL
        for _ in range(self.row.processes):
            self.processes.append(spawn(self.command, stdin=pipe, stdout=pipe,
                                        stderr=subprocess.PIPE, env=self.environment, bufsize=0))

    @property
    def stays(self):
        return self.row.label != rows.NOT

    def say(self, text):
        for process in self.processes:
            process.stdin.write(text.encode())

    def hear(self):
        return [read_line(process.stdout, PROGRAM_SECONDS, self.row.name)
                for process in self.processes]

    def load(self):
        """Until all is loaded, or the program has ended."""
        started = time.monotonic()
        self.start()
        if not self.stays:
            self.finish()
        elif self.row.drive:
            self.row.drive(self)
        else:
            self.hear()
        self.seconds = time.monotonic() - started

    def finish(self):
        for process in self.processes:
            try:  # closes its input first
                _, said = process.communicate(timeout=PROGRAM_SECONDS)
            except subprocess.TimeoutExpired as failure:
                raise Failed(f"{self.row.name}: no end in {PROGRAM_SECONDS} s") from failure
            if process.returncode != 0:
                raise Failed(f"{self.row.name}: status {process.returncode}: "
                             f"{said.decode(errors='replace').strip()}")

    def close(self):
        for process in self.processes:
            end(process)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()


@dataclasses.dataclass
class Result:
    row: rows.Row
    verdicts: list = dataclasses.field(default_factory=list)
    speed: Speed | None = None  # of a confuser

    @property
    def shown(self):
        """The verdict to print: the first that is wrong, or the first."""
        return next((one for one in self.verdicts if wrong(self.row, one)), self.verdicts[0])

    @property
    def wrong(self):
        return wrong(self.row, self.shown)


def _inodes(run, out):
    paths = list(run.files.values())
    paths += [os.path.join(folder, name) for folder, _, names in os.walk(out) for name in names]
    inodes = set()
    for path in paths:
        with contextlib.suppress(OSError):
            inodes.add(os.lstat(path).st_ino)
    return inodes


def _prepare_cache(run):
    for path in run.files.values():
        if not run.row.warm:
            make_cold(path)
            continue
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass


class RowRunner:
    def __init__(self, world, row):
        self.world = world
        self.row = row
        self.names = {}

    def _watched(self):
        """Runs the row with the daemon: (verdict, seconds)."""
        with self._run() as (run, out):
            since_us = now_us()
            inodes = _inodes(run, out)
            run.load()
            inodes |= _inodes(run, out)
            verdict = None

            def decided():
                nonlocal verdict
                # Not our own look at what is cached.
                history = [one for one in self.world.history(since_us)
                           if one.get("pid") != os.getpid()]
                verdict = judge(history, inodes, run.pids)
                return verdict

            if run.stays:
                # As a server does: what is decided while it lives counts.
                wait_for(lambda: decided().decided in ("load", "serving")
                         and not verdict.pending, DECISION_SECONDS)
                run.finish()
            self.world.catch_up(since_us)
            wait_for(lambda: not decided().pending, DECISION_SECONDS)
            # Before a file system of the row's own goes, and with it what was written to its queue.
            wait_for(lambda: not self.world.owners() & verdict.owners, DECISION_SECONDS)
        return verdict, run.seconds

    def _alone(self):
        with self._run() as (run, _):
            run.load()
        return run.seconds

    @contextlib.contextmanager
    def _run(self):
        with self.world.scratch("run") as out:
            run = Run(self.row, {**self.names, "out": out.path}, dict(self.row.environment))
            _prepare_cache(run)
            try:
                yield run, out.path
            finally:
                run.close()

    def measure(self, with_speed):
        """The row's result; with `with_speed`, a confuser runs without the daemon in turn."""
        result = Result(self.row)
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(self.world.scratch("row")).path
            os.chmod(folder, 0o755)
            self.names = {**self.world.names(), "folder": folder}
            if self.row.setup:
                self.names.update(self.row.setup(self.world, folder, stack))
            if not with_speed or self.row.label != rows.NOT:
                result.verdicts.append(self._watched()[0])
                return result
            alone, watched = [], []
            for _ in range(ROUNDS):
                self.world.daemon.stop()
                alone.append(self._alone())
                self.world.daemon.start()
                verdict, seconds = self._watched()
                result.verdicts.append(verdict)
                watched.append(seconds)
            result.speed = compare(alone, watched)
        return result
