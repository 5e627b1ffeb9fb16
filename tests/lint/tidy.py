#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""clang-tidy over source files. One that has passed is not looked at again until its text, that of
a header, or the checks are other ones: what passed is kept for all trees of this user."""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

KEPT_DAYS = 30


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(base, "tuneshift-tidy")
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
            entry.unlink(missing_ok=True)
    return folder


def preprocessed(entry):
    """All that clang-tidy sees of a file, comments too: they may switch a check off."""
    words = shlex.split(entry["command"])
    begin = next(place for place, word in enumerate(words) if word.startswith("-"))
    options, skip = [], False
    for word in words[begin:]:
        if skip or word in ("-o", "-c"):
            skip = word == "-o"
        elif word != entry["file"]:
            options.append(word)
    done = subprocess.run(["clang++", "-Wno-everything", *options, "-Wno-everything", "-E", "-C", "-P",
                           entry["file"]], cwd=entry["directory"], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def look_at(entry, build, settings, cache):
    """(whether it is right, what is to be printed)"""
    text = preprocessed(entry)
    key = None
    if text is not None:
        name = os.path.relpath(entry["file"], pathlib.Path(build).resolve().parent.parent)
        key = cache / hashlib.sha256(settings + name.encode() + text).hexdigest()
        if key.exists():
            key.touch()
            return True, ""
    done = subprocess.run(["clang-tidy", "--quiet", "-p", build, entry["file"]],
                          capture_output=True, text=True, check=False)
    if done.returncode == 0 and key:
        key.touch()
    return done.returncode == 0, done.stdout if done.returncode == 0 else done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="folder with compile_commands.json")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    commands = json.loads(pathlib.Path(options.build, "compile_commands.json").read_text("utf-8"))
    by_file = {os.path.realpath(entry["file"]): entry for entry in commands}
    missing = [file for file in options.files if os.path.realpath(file) not in by_file]
    if missing:
        print(f"tidy: not compiled by anything: {' '.join(missing)}", file=sys.stderr)
        return 1
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    settings = version + pathlib.Path(".clang-tidy").read_bytes()
    cache = cache_folder()
    good = True
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for right, said in pool.map(lambda file: look_at(by_file[os.path.realpath(file)],
                                                         options.build, settings, cache),
                                    options.files):
            good = good and right
            print(said, end="", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
