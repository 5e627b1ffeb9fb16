# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recordings of the daemon's event stream."""
import contextlib
import os
import signal
import subprocess

from .processes import Failed, end, spawn, wait_for


class Recording:
    """`tuneshiftctl record` for as long as it is open; the labels are added at its end."""

    def __init__(self, daemon, path, *options, hashed=True, keep_decisions=True):
        self.path = path
        self.labels = []
        self.keep_decisions = keep_decisions
        command = [os.path.join(daemon.build, "client/tuneshiftctl"), "record", path, "--force",
                   *(["--hash-paths"] if hashed else []), *options]
        # What an earlier one wrote there would be taken for this one's beginning.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             env=daemon.environment)
        if not wait_for(lambda: "settings " in self.text(), 10, 0.01):
            end(self.process)
            raise Failed(f"{path}: nothing was recorded")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the recording as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        if self.process.wait(10) != 0:
            raise Failed(f"{self.path}: tuneshiftctl record failed")
        lines = self.text().splitlines(keepends=True)
        if not self.keep_decisions:
            lines = [line for line in lines if " decided " not in line]
        with open(self.path, "w", encoding="ascii") as file:
            file.writelines(lines + self.labels)
        self.labels = []

    def label(self, pid, what, name, within_ms=0):
        within = f" within_ms={within_ms}" if within_ms else ""
        self.labels.append(f"label pid={pid} is={what} name={name}{within}\n")

    def text(self):
        try:
            with open(self.path, encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_for(self, words, wait_seconds=30):
        if not wait_for(lambda: words in self.text(), wait_seconds):
            raise Failed(f"{self.path}: no '{words}'")

    def wait_decided(self, kind, wait_seconds=30):
        self.wait_for(f"decided kind={kind} ", wait_seconds)
