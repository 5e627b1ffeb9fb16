#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replays the corpus: every label must hold. Prints precision, recall and delay."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROFILES = os.path.join(HERE, "../../profiles")


def tell(label):
    delay = f"{label['delay_us'] / 1000:.1f} ms after it was suspected" if label["loaded"] else ""
    what = "serves" if label["served"] else "a load" if label["loaded"] else "no load"
    print(f"{'ok' if label['holds'] else 'WRONG':5} {label['name']:22} is {label['is']:8} "
          f"seen as {what:8} {delay or label['reason']}")


def main():
    traces = sorted(glob.glob(os.path.join(HERE, "*.trace")))
    if not traces:
        print("there are no traces")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        # Profiles that another user owns are refused, as those of a checkout may be.
        for path in glob.glob(os.path.join(PROFILES, "*.yaml")):
            os.chmod(shutil.copyfile(path, os.path.join(folder, os.path.basename(path))), 0o644)
        done = subprocess.run([sys.argv[1], "replay", "--json", "--check", "--profiles", folder,
                               *traces], check=False, stdout=subprocess.PIPE, text=True)
    if not done.stdout:
        return done.returncode or 1
    answer = json.loads(done.stdout)
    for file in answer["files"]:
        if not file["labels"]:
            print(f"{file['file']} has no label")
            return 1
        for label in file["labels"]:
            tell(label)
    score = answer["summary"]
    print(f"{score['traces']} traces, {score['virtual_us'] / 1e6:.1f} s in "
          f"{score['took_us'] / 1e3:.1f} ms; precision {score['precision']:.3f}, "
          f"recall {score['recall']:.3f}, servers {score['found_servers']} of {score['servers']}; "
          f"delay median {score['delay_median_us'] / 1e3:.1f} ms, "
          f"worst {score['delay_worst_us'] / 1e3:.1f} ms")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
