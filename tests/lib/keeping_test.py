# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test changes goes back, also when the test is killed."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from lib.keeping import kept
from lib.processes import wait_for

CHILD = """
import os, signal, sys
from lib.keeping import kept
with kept({sys.argv[1]: "before"}):
    with open(sys.argv[1], "w") as file:
        file.write("changed")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Kept(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "a file with spaces")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("changed")

    def test_when_it_is_left(self):
        with self.assertRaises(ValueError), kept({self.path: "before"}):
            self.assertEqual(read(self.path), "changed")
            raise ValueError
        self.assertEqual(read(self.path), "before")

    def test_when_it_is_killed(self):
        environment = dict(os.environ, PYTHONPATH=os.path.join(os.path.dirname(__file__), ".."))
        child = subprocess.run([sys.executable, "-c", CHILD, self.path], env=environment,
                               check=False)
        self.assertEqual(child.returncode, -9)
        self.assertTrue(wait_for(lambda: read(self.path) == "before", 10))


if __name__ == "__main__":
    unittest.main()
