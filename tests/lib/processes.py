# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts and ends programs so that nothing is left behind, also on Ctrl-C and SIGTERM."""
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time


class Failed(Exception):
    """Something that the caller reports in one line."""


def _interrupt(_number, _frame):
    raise KeyboardInterrupt


@contextlib.contextmanager
def cleanup():
    """An ExitStack that unwinds on SIGINT and SIGTERM too, and then not interrupted again."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        signal.signal(number, _interrupt)
    stack = contextlib.ExitStack()
    try:
        yield stack
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        stack.close()


def _die_with_parent():
    # Own session: a Ctrl-C reaches us alone and we end our children in order. Should we be killed,
    # they end as well (PR_SET_PDEATHSIG). Ignored signals are inherited: undo that.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def spawn(command, prepare=None, **options):
    """subprocess.Popen of a program that does not outlive us; `prepare` runs in the new process,
    which leads a session. Call from the main thread."""
    def before_exec():
        _die_with_parent()
        if prepare is not None:
            prepare()

    try:
        return subprocess.Popen(command, start_new_session=True, preexec_fn=before_exec, **options)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error


def end(process, wait_seconds=20):
    """SIGTERM, then SIGKILL after a while. Returns the exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(wait_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def read_line(stream, wait_seconds, what):
    """A line of a pipe opened without buffering."""
    deadline = time.monotonic() + wait_seconds
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise Failed(f"{what} said nothing in {wait_seconds} s")
        byte = os.read(stream.fileno(), 1)
        if not byte:
            raise Failed(f"{what} ended early")
        line += byte
    return line.decode(errors="replace").strip()


def wait_for(condition, wait_seconds, step_seconds=0.05):
    """The first true value of condition(), or its last one when the time is over."""
    deadline = time.monotonic() + wait_seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step_seconds)
