# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the machine: one case after the other, each with its deadline, one event for each."""

import json
import os
import pathlib
import signal
import subprocess
import time

HOME = pathlib.Path(__file__).resolve().parent
EVENTS = "/dev/virtio-ports/tuneshift.events"
# Left by a case that has the machine's power cut: it goes on after the next boot.
RESUME = HOME / "resume.json"
# For the tests' tools alone: what they need of the system that they were built on.
ENVIRONMENT = dict(os.environ, LD_LIBRARY_PATH=str(HOME / "lib"))
OUTPUT_LIMIT = 32 << 10
JOURNAL_LINES = 60


def prepare():
    """What a package's installation would do after unpacking, and the disk of the models."""
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "reload", "dbus.service"], check=True)
    subprocess.run(["udevadm", "settle"], check=True)
    os.makedirs("/srv/models", exist_ok=True)
    subprocess.run(["mount", "/dev/nvme0n1", "/srv/models"], check=True)
    # Says "running" or "degraded"; which of them is for the cases to judge.
    subprocess.run(["systemctl", "is-system-running", "--wait"], stdout=subprocess.DEVNULL)


def journal_of_daemon(since):
    command = ["journalctl", "--unit=tuneshift", f"--since=@{since:.0f}", "--no-pager",
               "--output=short-monotonic"]
    # With --since, its --lines= would count from there.
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines(True)
    return "".join(lines[-JOURNAL_LINES:])


def run_case(name, deadline_s, rounds):
    since = time.time()
    begin = time.monotonic()
    process = subprocess.Popen(["/usr/bin/python3", "-u", HOME / name], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True,
                               env=dict(ENVIRONMENT, TUNESHIFT_VM_ROUNDS=str(rounds)))
    try:
        output, _ = process.communicate(timeout=deadline_s)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        output += f"\nnot done within {deadline_s} s\n".encode()
        status = 124
    seconds = time.monotonic() - begin
    text = output[-OUTPUT_LIMIT:].decode(errors="replace")
    if status != 0:
        text += journal_of_daemon(since)
    return {"case": name, "status": status, "seconds": seconds, "output": text}


def main():
    with open(EVENTS, "wb", buffering=0) as events:
        def report(event):
            line = json.dumps(event).encode() + b"\n"
            while line:
                line = line[events.write(line):]

        prepare()
        report({"ready": True})
        plan = json.loads((HOME / "plan.json").read_text())
        cases = plan["cases"]
        if RESUME.exists():
            resumed = json.loads(RESUME.read_text())["case"]
            cases = cases[[name for name, _ in cases].index(resumed):]
        for name, deadline_s in cases:
            report(run_case(name, deadline_s, plan["rounds"]))
        time.sleep(3600)  # the host ends the machine; closing the port would look like its death


if __name__ == "__main__":
    main()
