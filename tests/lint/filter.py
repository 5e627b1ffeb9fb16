#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the helpers allow themselves must be in the filter of the unit that they run in as well: a
system call that it refuses fails in the installed service alone."""

import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
UNIT = SOURCE / "systemd/tuneshift.service"


def read_sets():
    """systemd's own: name → what it lists, other sets too."""
    sets, entries = {}, None
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], check=True,
                          capture_output=True, text=True).stdout
    for line in text.splitlines():
        word = line.strip()
        if line.startswith("@"):
            entries = sets[word] = []
        elif word and not word.startswith("#") and entries is not None:
            entries.append(word)
    return sets


def expand(word, sets):
    if not word.startswith("@"):
        return {word}
    return set().union(*(expand(entry, sets) for entry in sets[word]))


def main():
    sets = read_sets()
    words = re.search(r"(?m)^SystemCallFilter=(.*)$", UNIT.read_text(encoding="utf-8"))[1].split()
    allowed = set().union(*(expand(word, sets) for word in words))
    refused = [f"{file.relative_to(SOURCE)}: {name}"
               for file in sorted((SOURCE / "daemon").rglob("*.cpp"))
               for name in sorted(set(re.findall(r"\bSCMP_SYS\((\w+)\)", file.read_text(encoding="utf-8"))))
               if name not in allowed]
    if refused:
        print(f"filter: {UNIT.name} refuses what a helper allows itself:", *refused, sep="\n  ",
              file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
