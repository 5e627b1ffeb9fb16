#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times `tuned-adm profile` between two profiles: for a mount namespace of its own (unshare --mount).
Reads {"bus": address, "rounds": N, "profiles": {name: {sysctl: value}}} and prints [ms, …]."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

# pylint: disable=wrong-import-position
from lib.processes import cleanup
from lib.tuned import Tuned, private_settings


class Bus:
    def __init__(self, address):
        self.address = address


def main():
    order = json.load(sys.stdin)
    private_settings(order["profiles"])
    tuned = Tuned(Bus(order["bus"]), True)
    names = list(order["profiles"])
    times = []
    with cleanup() as stack:
        stack.callback(tuned.stop)
        tuned.profile(names[0])
        for number in range(order["rounds"]):
            started = time.monotonic()
            subprocess.run(["tuned-adm", "profile", names[(number + 1) % 2]], check=True,
                           env=tuned.environment, capture_output=True, timeout=60)
            times.append((time.monotonic() - started) * 1000)
    print(json.dumps(times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
