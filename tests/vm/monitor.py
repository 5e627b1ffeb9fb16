# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's monitor (QMP): what a hand at the machine's slots would do."""

import json
import time

DISK_BYTES = 1 << 30
ANSWER_S = 60


class MonitorError(Exception):
    """QEMU refused, or did not answer in time."""


class Monitor:
    """Over a connected socket; events that nobody waits for are dropped."""

    def __init__(self, channel):
        self.channel_ = channel
        self.lines_ = channel.makefile("r", encoding="utf-8")
        self.message_(time.monotonic() + ANSWER_S)  # the greeting
        self.execute_("qmp_capabilities")

    def message_(self, deadline):
        self.channel_.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            line = self.lines_.readline()
        except TimeoutError:
            raise MonitorError("QEMU's monitor says nothing") from None
        if not line:
            raise MonitorError("QEMU's monitor went away")
        return json.loads(line)

    def execute_(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.channel_.sendall(json.dumps(request).encode() + b"\n")
        deadline = time.monotonic() + ANSWER_S
        while True:
            message = self.message_(deadline)
            if "error" in message:
                raise MonitorError(f"{command}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]

    def plug(self, name):
        """An empty NVMe disk."""
        self.execute_("blockdev-add", **{"driver": "null-co", "node-name": name,
                                         "size": DISK_BYTES, "read-zeroes": True})
        self.execute_("device_add", driver="nvme", id=name, serial=name, drive=name)

    def unplug(self, name):
        """Asks the guest to let go of it, and waits until it has."""
        self.execute_("device_del", id=name)
        deadline = time.monotonic() + ANSWER_S
        while True:
            message = self.message_(deadline)
            if message.get("event") == "DEVICE_DELETED" and message["data"].get("device") == name:
                break
        self.execute_("blockdev-del", **{"node-name": name})

    def cut_power(self):
        """What the guest has not written to its disks is lost, and it boots again: what ends QEMU
        at a reset else (-no-reboot) does not from here on."""
        self.execute_("set-action", reboot="reset")
        self.execute_("system_reset")

    def cpus(self):
        """A line for each CPU that tells its instruction pointer and whether it is halted."""
        registers = self.execute_("human-monitor-command", **{"command-line": "info registers -a"})
        return "\n".join(line for line in registers.splitlines() if line.startswith(("CPU", "RIP")))

    def answer(self, request):
        """What a case asked for: {"plug": NAME}, {"unplug": NAME} or {"cut_power": true}. Its answer;
        None where nobody is left to hear it."""
        try:
            if "cut_power" in request:
                return self.cut_power()
            for verb, act in (("plug", self.plug), ("unplug", self.unplug)):
                if verb in request:
                    act(request[verb])
        except MonitorError as error:
            return {"error": str(error)}
        return {}
