# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loads a file in two parts: phased.py HOW PART PATH.

HOW is read, mmap, or again (mmap, where the second part is all of it once more). PART is how many
bytes come first, or a fraction. Says "part", waits for a line, says "loaded", stays until its
input ends.
"""
import mmap
import os
import sys

STEP = 1 << 20


def say(text):
    print(text, flush=True)


def read(file, first, last):
    parts = []
    for at in range(first, last, STEP):
        parts.append(os.pread(file.fileno(), min(STEP, last - at), at))
    return parts


def main():
    how, part, path = sys.argv[1:]
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = int(float(part) * size) if "." in part else int(part)
        if how == "read":
            kept = read(file, 0, first)
            say("part")
            sys.stdin.readline()
            kept += read(file, first, size)
        else:
            area = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
            kept = [area, sum(area[0:first:4096])]
            if how == "again":
                area.madvise(mmap.MADV_DONTNEED)  # mapped pages cannot be made cold
                first = 0
            say("part")
            sys.stdin.readline()
            kept.append(sum(area[first:size:4096]))
        say("loaded")
        sys.stdin.read()


main()
