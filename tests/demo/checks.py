# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must truly happen for the demonstration to count."""
from lib.terminal import paint, say


class Checks:
    def __init__(self):
        self.rows = []

    def add(self, name, good, detail=""):
        self.rows.append((name, good, detail))

    @property
    def passed(self):
        return bool(self.rows) and all(good for _, good, _ in self.rows)

    def show(self):
        width = max(len(name) for name, _, _ in self.rows)
        for name, good, detail in self.rows:
            mark = paint("green", "yes") if good else paint("red", "NO ")
            say(f"  {mark}  {name:<{width}}  {paint('dim', detail)}".rstrip())
