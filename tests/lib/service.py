# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private bus and the daemon on it."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time

from .processes import Failed, end, read_line, spawn

_BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


class PrivateBus:
    """A dbus-daemon of our own that allows everything."""

    def __init__(self, folder):
        configuration = os.path.join(folder, "bus.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(_BUS_CONFIGURATION.format(socket=os.path.join(folder, "bus")))
        self.process = spawn(["dbus-daemon", f"--config-file={configuration}", "--nofork",
                              "--nopidfile", "--print-address"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, bufsize=0)
        self.address = read_line(self.process.stdout, 10, "dbus-daemon")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        self.process.stdout.close()


class Tuneshiftd:
    """The daemon of a build; start() and stop() as often as wanted."""

    def __init__(self, build, bus, folder, configuration):
        self.build = build
        self.folder = folder
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        self.process = None
        self.log_path = os.path.join(folder, "tuneshiftd.log")
        # The daemon refuses profiles that another user owns, as those of a checkout may be.
        self.profiles = os.path.join(folder, "profiles")
        self.configuration = os.path.join(folder, "tuneshift.yaml")
        self.rules = os.path.join(folder, "rules")
        sources = os.path.join(os.path.dirname(__file__), "..", "..", "profiles")
        for source, target in ((sources, self.profiles),
                               (os.path.join(sources, "rules"), self.rules)):
            os.makedirs(target, mode=0o755)
            for name in os.listdir(source):
                if name.endswith(".yaml"):
                    shutil.copyfile(os.path.join(source, name), os.path.join(target, name))
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(configuration)
        for path in (self.configuration, *(os.path.join(of, name)
                                           for of in (self.profiles, self.rules)
                                           for name in os.listdir(of))):
            os.chmod(path, 0o644)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _command(self):
        return [os.path.join(self.build, "daemon/tuneshiftd"), "--config", self.configuration,
                "--profiles", self.profiles, "--rules", self.rules,
                "--run-directory", os.path.join(self.folder, "run"),
                "--state-directory", os.path.join(self.folder, "state"),
                "--helper", os.path.join(self.build, "daemon/tuneshift-inspect")]

    def start(self):
        """Returns the seconds until it was ready."""
        notify_path = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, \
                open(self.log_path, "ab") as log:
            notify.bind(notify_path)
            started = time.monotonic()
            try:
                self.process = spawn(self._command(), stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=log,
                                     env=dict(self.environment, NOTIFY_SOCKET=notify_path))
                self._wait_ready(notify, started + 30)
            finally:
                os.unlink(notify_path)
        return time.monotonic() - started

    def _wait_ready(self, notify, deadline):
        notify.settimeout(0.2)
        while True:
            try:
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
            except socket.timeout:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"tuneshiftd did not start:\n{self.log_tail()}")

    def stop(self):
        """SIGTERM; returns the seconds until it had put everything back and ended."""
        if self.process is None:
            return 0.0
        process, self.process = self.process, None
        started = time.monotonic()
        status = end(process, 30)
        seconds = time.monotonic() - started
        if status != 0:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(self._command() + ["--restore"], env=self.environment, check=False,
                               timeout=60, stdin=subprocess.DEVNULL)
            raise Failed(f"tuneshiftd ended with status {status}:\n{self.log_tail()}")
        return seconds

    def log_tail(self, lines=12):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:]).rstrip()
        except OSError:
            return ""

    def ask(self, *words):
        """What `tuneshiftctl --json WORDS` prints."""
        command = [os.path.join(self.build, "client/tuneshiftctl"), "--json", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True,
                              timeout=30, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failed(f"tuneshiftctl {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout or "[]")


class History:
    """The daemon's own record, row by row as it grows."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.since_s = int(time.time())
        self.seen = set()
        self.rows = []

    def poll(self):
        """The rows that are new since the last call."""
        fresh = []
        for row in self.daemon.ask("history", "--since", f"@{self.since_s}"):
            key = json.dumps(row, sort_keys=True)
            if key not in self.seen:
                self.seen.add(key)
                fresh.append(row)
        self.rows += fresh
        return fresh

    def find(self, kind, **fields):
        """All rows of this kind with these fields."""
        return [row for row in self.rows if row.get("kind") == kind
                and all(row.get(name) == value for name, value in fields.items())]
