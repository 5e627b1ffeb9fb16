# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads files and keeps nothing: passes.py VERB PATH…"""
import hashlib
import json
import mmap
import struct
import sys

STEP = 1 << 20
EPOCHS = 2


def digest(path):
    """A checksum by an interpreter that also loads models."""
    with open(path, "rb") as file:
        hashed = hashlib.sha256()
        while chunk := file.read(STEP):
            hashed.update(chunk)


def epochs(path):
    """As a data loader reads its records: from front to back, again and again."""
    for _ in range(EPOCHS):
        with open(path, "rb") as file:
            while file.read(STEP):
                pass


def header(path):
    """What tools that list a model's tensors read of it."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        json.loads(file.read(size))


def mapped_header(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as area:
        size, = struct.unpack("<Q", area[:8])
        json.loads(area[8:8 + size])


def main():
    verb, *paths = sys.argv[1:]
    for path in paths:
        globals()[verb](path)


main()
