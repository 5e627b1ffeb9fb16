# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test programs: model files, readers and the slow store."""
import json
import os
import select
import signal
import subprocess

from .processes import Failed, end, read_line, spawn


def make_model(build, path, size, *options):
    done = subprocess.run([os.path.join(build, "tests/tools/make_model"), path, "--size", str(size),
                           *options], check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"make_model {path} failed")


class Reader:
    """The unmodified program, in a process of its own, and in the control group of this folder."""

    def __init__(self, build, mode, path, *options, user=None, group=None):
        command = [os.path.join(build, "tests/tools/reader"), mode, path, *options]
        if group is not None:
            command = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', group, *command]
        self.process = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                             user=user)
        self.result = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        self.process.stdin.close()
        self.process.stdout.close()

    @property
    def pid(self):
        return self.process.pid

    def has_loaded(self, wait_seconds):
        """Whether the result is there, waiting for it so long at most."""
        return bool(select.select([self.process.stdout], [], [], wait_seconds)[0])

    def loaded(self, wait_seconds=120):
        """Waits until all is loaded: {"start_mono_ns", "load_ms", "bytes"}."""
        if self.result is None:
            self.result = json.loads(read_line(self.process.stdout, wait_seconds, "the reader"))
        return self.result

    def leave(self):
        """Ends its input, on which a serving reader ends."""
        self.process.stdin.close()
        return self.process.wait(10)


def load(build, mode, path, *options):
    """Loads a file in a process that ends: milliseconds."""
    with Reader(build, mode, path, *options) as reader:
        return reader.loaded()["load_ms"]


class SlowStore:
    """A mounted slowstore over a folder in memory."""

    def __init__(self, build, source, mount_point, *options):
        self.mount_point = mount_point
        command = [os.path.join(build, "tests/tools/slowstore"), source, mount_point, *options]
        self.process = spawn(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
        try:
            read_line(self.process.stdout, 10, "slowstore")
        except BaseException:
            self.__exit__()
            raise

    def hold(self):
        """From now on no read is answered."""
        self._tell(signal.SIGUSR1, "holding")

    def let_go(self):
        """Reads are answered again."""
        self._tell(signal.SIGUSR2, "letting go")

    def _tell(self, number, answer):
        # Of two signals that wait to be handled the first may be the last.
        self.process.send_signal(number)
        said = read_line(self.process.stdout, 10, "slowstore")
        if said != answer:
            raise Failed(f"slowstore says '{said}', not '{answer}'")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        self.process.stdout.close()
        if os.path.ismount(self.mount_point):
            subprocess.run(["umount", "--lazy", self.mount_point], check=False)
