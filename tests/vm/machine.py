# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU machine: started from an image that stays as it is, killed for certain."""

import ctypes
import json
import os
import pathlib
import re
import selectors
import signal
import socket
import subprocess
import tempfile
import time

import monitor

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def accelerator(kernel):
    """KVM when it really runs a kernel here. A /dev/kvm that opens proves nothing: in some
    containers and nested machines the guest then never executes an instruction."""
    # All that Debian needs: what has wider registers and longer page walks is a quarter slower.
    # Without arat an idle CPU may miss its timer.
    tcg = ["-accel", "tcg,thread=multi", "-cpu", "Nehalem,arat=on"]
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return tcg
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256M", "-nodefaults",
               "-display", "none", "-no-reboot", "-nic", "none", "-serial", "stdio",
               "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, preexec_fn=die_with_parent) as probe:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(probe.stdout, selectors.EVENT_READ)
                # The end of the output is readable too, and reads as nothing.
                works = bool(selector.select(5)) and bool(os.read(probe.stdout.fileno(), 1))
        finally:
            probe.kill()
    return ["-accel", "kvm", "-cpu", "host"] if works else tcg


class Dead(Exception):
    """The machine is gone, or said nothing before its deadline."""


# QEMU with a thread a CPU may run translated code after another CPU has written over it: the guest
# then traps at a breakpoint that its kernel had removed from its own code (a static key that was
# switched). It panics; or its handler sees that the breakpoint has gone and returns to it, for ever and
# on each CPU that comes there. A loop that writes kernel.timer_migration beside a few timers ends every
# kernel that we boot within seconds, without tuneshift. One thread for all CPUs is free of it, and
# twice as slow.
EMULATOR_TRAP = re.compile(r"\bint3: 0000 \[#\d+\]")
LOCKED_UP_AT = re.compile(r"\bsoft lockup - CPU#(\d+).*?\bRIP: 0010:(\S+)", re.DOTALL)
WAITS = re.compile(r"lock|smp_call|cpu_stop|rcu")
TRAP_LOOK_S = 5


def traps_for_ever(console):
    """Whether both CPUs are stuck at one place, which is none where a kernel waits."""
    reports = LOCKED_UP_AT.findall(console)
    places = {place for _, place in reports}
    return (len({cpu for cpu, _ in reports}) == 2 and len(places) == 1
            and not WAITS.search(places.pop()))


class Lines:
    """JSON objects, one a line, to and from QEMU at a socket that we listen on."""

    def __init__(self, directory, name):
        self.address = os.path.join(directory, name)
        self.buffer_ = b""
        self.channel = None
        self.listener_ = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.listener_.bind(self.address)
        self.listener_.listen(1)
        self.listener_.settimeout(10)

    def accept(self):
        self.channel, _ = self.listener_.accept()

    def take(self):
        """The next object that has come whole, or None."""
        if b"\n" not in self.buffer_:
            return None
        line, self.buffer_ = self.buffer_.split(b"\n", 1)
        return json.loads(line)

    def receive(self):
        """Reads what is there; False at the end."""
        piece = self.channel.recv(65536)
        self.buffer_ += piece
        return bool(piece)

    def send(self, message):
        self.channel.settimeout(10)
        self.channel.sendall(json.dumps(message).encode() + b"\n")

    def close(self):
        self.listener_.close()
        if self.channel is not None:
            self.channel.close()


class Machine:
    """The guest writes events to one virtio port, and asks the host for what only a hand at the
    machine could do through another (monitor.py)."""

    def __init__(self, image, kernel, drives, console):
        self.console = pathlib.Path(console)
        self.directory_ = tempfile.TemporaryDirectory(prefix="tuneshift-vm-")
        self.events_, self.requests_, self.monitor_ = (
            Lines(self.directory_.name, name) for name in ("events", "requests", "monitor"))
        self.acceleration = accelerator(kernel / "vmlinuz")
        command = ["qemu-system-x86_64", *self.acceleration, "-smp", "2", "-m", "2G", "-nodefaults",
                   "-display", "none", "-no-reboot", "-nic", "none",
                   "-serial", f"file:{self.console}",
                   "-kernel", str(kernel / "vmlinuz"), "-initrd", str(kernel / "initrd"),
                   "-append", "root=LABEL=tuneshift-root rw console=ttyS0 loglevel=5 mitigations=off"
                              " panic=-1 systemd.show_status=no SYSTEMD_LOG_SECCOMP=1",
                   "-drive", f"file={image / 'root.img'},if=virtio,format=raw,snapshot=on",
                   "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
                   "-chardev", f"socket,id=events,path={self.events_.address}",
                   "-device", "virtserialport,chardev=events,name=tuneshift.events",
                   "-chardev", f"socket,id=requests,path={self.requests_.address}",
                   "-device", "virtserialport,chardev=requests,name=tuneshift.requests",
                   "-chardev", f"socket,id=monitor,path={self.monitor_.address}",
                   "-mon", "chardev=monitor,mode=control", *drives]
        # The overlay of snapshot=on is an unlinked file in TMPDIR; /tmp may be small.
        environment = dict(os.environ, TMPDIR="/var/tmp")
        self.errors_ = tempfile.TemporaryFile(dir=self.directory_.name)
        self.process_ = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                         stdout=self.errors_, stderr=self.errors_,
                                         env=environment, preexec_fn=die_with_parent)
        try:
            for lines in (self.events_, self.requests_, self.monitor_):
                lines.accept()
            self.hand_ = monitor.Monitor(self.monitor_.channel)
        except (TimeoutError, monitor.MonitorError):
            message = self.errors()
            self.close()
            raise Dead(f"qemu did not start: {message}") from None

    def errors(self):
        self.errors_.seek(0)
        return self.errors_.read().decode(errors="replace").strip()

    def event(self, seconds):
        """The next event of the guest, within so many seconds; its requests are answered."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            for lines in (self.events_, self.requests_):
                selector.register(lines.channel, selectors.EVENT_READ, lines)
            while (event := self.events_.take()) is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Dead(f"no answer within {seconds:.0f} s")
                ready = selector.select(min(left, TRAP_LOOK_S))
                if not ready and self.died_of_emulator():
                    raise Dead("it traps for ever")
                for key, _ in ready:
                    if not key.data.receive():
                        raise Dead(f"the machine went away: {self.errors()}")
                while (request := self.requests_.take()) is not None:
                    if (answer := self.hand_.answer(request)) is not None:
                        self.requests_.send(answer)
        return event

    def console_text(self):
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def console_tail(self, lines=150):
        return "\n".join(self.console_text().splitlines()[-lines:])

    def died_of_emulator(self):
        console = self.console_text()
        return "tcg" in self.acceleration[1] and bool(EMULATOR_TRAP.search(console)
                                                      or traps_for_ever(console))

    def cpus(self):
        """Where each CPU is, for who looks for the reason of a hang."""
        try:
            return self.hand_.cpus()
        except (monitor.MonitorError, OSError) as error:
            return f"not known: {error}"

    def close(self):
        """A snapshot has nothing to lose: killing is the quick and certain end."""
        self.process_.kill()
        self.process_.wait()
        for lines in (self.events_, self.requests_, self.monitor_):
            lines.close()
        self.errors_.close()
        self.directory_.cleanup()
