# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settings of this machine that a test changes."""
import contextlib
import subprocess

# Its standard input ends when the test does, however that ends.
_SCRIPT = """cat >/dev/null; while [ "$#" -gt 0 ]; do printf %s "$2" >"$1"; shift 2; done"""


@contextlib.contextmanager
def kept(values):
    """Writes the values (path → text) when it is left, and also when this process is killed."""
    words = [word for pair in values.items() for word in pair]
    with subprocess.Popen(["sh", "-c", _SCRIPT, "sh", *words], stdin=subprocess.PIPE,
                          start_new_session=True) as keeper:
        try:
            yield
        finally:
            keeper.stdin.close()
