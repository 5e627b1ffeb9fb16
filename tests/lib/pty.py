# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program on a terminal of its own."""
import contextlib
import fcntl
import os
import pty
import select
import struct
import termios
import time

from .processes import Failed, end, spawn


class Terminal:
    """Runs `command` as the foreground of a new terminal."""

    def __init__(self, command, columns=120, rows=40, **named):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.output = ""
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)

        self.process = spawn(command, lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
                             stdin=slave, stdout=slave, stderr=slave, **named)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        os.close(self.slave)
        os.close(self.master)

    def resize(self, columns, rows):
        """The kernel sends SIGWINCH to who runs in the foreground."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def settings(self):
        return termios.tcgetattr(self.slave)

    def type(self, text):
        os.write(self.master, text.encode())

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        with contextlib.suppress(OSError):
            self.output += os.read(self.master, 65536).decode("utf-8", "replace")
            return True
        return False

    def wait_for(self, matches, seconds=15):
        """Reads until `matches(all that came)`."""
        until = time.monotonic() + seconds
        while not matches(self.output):
            if time.monotonic() > until:
                raise Failed("the terminal shows only:\n" + self.output[-4000:])
            self._read(0.2)

    def forget(self):
        """What comes later is looked at alone."""
        self.output = ""

    def ended(self, seconds=15):
        """The exit status, once it ended; all that it wrote is read by then."""
        status = self.process.wait(seconds)
        while self._read(0):
            pass
        return status
