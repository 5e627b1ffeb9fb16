# SPDX-License-Identifier: LGPL-2.1-or-later
"""The distribution's tuned with settings of its own: for a process in a mount namespace of its own."""
import os
import signal
import subprocess

from .processes import Failed, end, spawn, wait_for


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def private_settings(profiles):
    """In our mount namespace alone; profiles: {name: {sysctl: value}}."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    main = read("/etc/tuned/tuned-main.conf")
    for folder in ("/etc/tuned", "/run/tuned", "/var/log/tuned"):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tuned", folder], check=True)
    write("/etc/tuned/tuned-main.conf", main.replace("reapply_sysctl = 1", "reapply_sysctl = 0"))
    for name, knobs in profiles.items():
        os.makedirs(f"/etc/tuned/{name}")
        lines = "".join(f"{knob} = {value}\n" for knob, value in knobs.items())
        write(f"/etc/tuned/{name}/tuned.conf", f"[main]\nsummary=test\n[sysctl]\n{lines}")


LATE_NAMES = """
import builtins
import io
import threading

real_open = builtins.open

class Late(io.StringIO):
    def __exit__(self, *_):
        threading.Timer(0.15, self.write_out).start()

    def write_out(self):
        with real_open("/etc/tuned/active_profile", "w") as file:
            file.write(self.getvalue())

def late_open(path, mode="r", *arguments, **options):
    file = real_open(path, mode, *arguments, **options)
    return Late() if mode == "w" and str(path) == "/etc/tuned/active_profile" else file

builtins.open = late_open
"""


class Tuned:
    """The real one; each step returns when it is done, by what tuned itself shows."""

    def __init__(self, bus, on_bus, late_in=None):
        """late_in: a folder of its own. The names that tuned writes then come 0.15 s after it has emptied
        the file, as they come to somebody who read it in between and got no further for so long."""
        self.environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        self.command = ["/usr/sbin/tuned"]
        if late_in:
            write(os.path.join(late_in, "sitecustomize.py"), LATE_NAMES)
            self.environment["PYTHONPATH"] = late_in
            self.command = ["/usr/bin/python3", "-s", "/usr/sbin/tuned"]
        self.on_bus = on_bus
        self.process = None

    def _log(self):
        return read("/run/tuned/log")

    def _applied(self):
        return self._log().count("static tuning from profile")

    def profile(self, name):
        applied = self._applied()
        write("/etc/tuned/profile_mode", "manual\n")
        if self.process is None:
            write("/etc/tuned/active_profile", name + "\n")
            options = [] if self.on_bus else ["--no-dbus"]
            self.process = spawn([*self.command, "--log=/run/tuned/log", *options],
                                 env=self.environment, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        elif self.on_bus:
            self._call("switch_profile", f"string:{name}")
            self._call("start")  # as tuned-adm does: a switch after "off" starts nothing
        else:
            write("/etc/tuned/active_profile", name + "\n")
            self.process.send_signal(signal.SIGHUP)
        if not wait_for(lambda: self._applied() > applied, 20, 0.02):
            raise Failed("tuned did not apply its profile:\n" + self._log()[-2000:])
        if self.on_bus:
            wait_for(lambda: self._call("is_running", check=False), 20, 0.02)

    def off(self):
        if self.on_bus:
            self._call("disable")
            return
        # Off the bus: no profile, read again.
        destroyed = self._log().count("terminating TuneD")
        write("/etc/tuned/active_profile", "\n")
        write("/etc/tuned/profile_mode", "manual\n")
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self._log().count("terminating TuneD") > destroyed, 20, 0.02)
        # It rolls back behind that line.
        wait_for(lambda: "No profile" in self._log().split("terminating TuneD")[-1], 20, 0.02)

    def stop(self):
        process, self.process = self.process, None
        if process is not None:
            end(process, 30)

    def kill(self):
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def reap(self):
        """A kill, and what systemd does to a service that has died."""
        self.kill()
        os.unlink("/run/tuned/tuned.pid")

    def _call(self, method, *arguments, check=True):
        done = subprocess.run(
            ["dbus-send", "--system", "--print-reply", "--reply-timeout=30000",
             "--dest=com.redhat.tuned", "/Tuned", "com.redhat.tuned.control." + method, *arguments],
            env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise Failed(f"tuned {method}: {done.stderr}")
        return done.returncode == 0
