# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's manager, as far as tuneshift asks it: units, their settings, and the drop-in files
that it writes for each change."""
import os
import select
import struct
import threading

from dbus_wire import _FIELDS, CALL, ERROR, RETURN, Connection, complete_types, _Writer

NAME = "org.freedesktop.systemd1"
UNSET = 2 ** 64 - 1
NUMBERS = ("CPUWeight", "IOWeight", "MemoryLow")
DISKS = ("IODeviceLatencyTargetUSec", "IOReadBandwidthMax", "IOWriteBandwidthMax")


class Refusal(Exception):
    def __init__(self, name, text):
        super().__init__(text)
        self.name = name
        self.text = text


class Unit:
    def __init__(self, name, control_group, active="active", load="loaded"):
        self.name = name
        self.loaded = True  # whether systemd has it in memory
        self.values = {
            "LoadState": ("s", load), "ActiveState": ("s", active),
            "ControlGroup": ("s", control_group), "DropInPaths": ("as", []),
            "CPUWeight": ("t", UNSET), "IOWeight": ("t", UNSET), "MemoryLow": ("t", 0),
        }
        self.values.update({name: ("a(st)", []) for name in DISKS})

    def __getitem__(self, name):
        return self.values[name][1]

    def __setitem__(self, name, value):
        self.values[name] = (self.values[name][0], value)


class FakeSystemd(Connection):
    """Answers on a thread of its own until closed. `runtime` stands for /run/systemd."""

    def __init__(self, address, runtime):
        self.serials = []
        super().__init__(address)
        self.runtime = runtime
        self.units = {}
        self.calls = []
        self.silent = False
        self.refuses = None  # the name of the error that is every answer
        self.stopping, self.stop_ = os.pipe()
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                  "RequestName", "su", (NAME, 0))
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def close(self):
        os.close(self.stop_)
        self.thread.join()
        os.close(self.stopping)
        super().close()

    def add(self, name, control_group=None, **named):
        unit = Unit(name, f"/{name}" if control_group is None else control_group, **named)
        self.units[name] = unit
        return unit

    def drop_in(self, unit, prop):
        return os.path.join(self.runtime, "system.control", f"{unit}.d", f"50-{prop}.conf")

    def _serve(self):
        while True:
            while True:
                serial = struct.unpack_from("<I", self.received, 8)[0] \
                    if len(self.received) >= 16 else 0
                message = self._take()
                if message is None:
                    break
                if message[0] == CALL:
                    self._answer(serial, message[1], message[2])
            ready, _, _ = select.select([self.socket, self.stopping], [], [])
            if self.stopping in ready:
                return
            self.received += self.socket.recv(1 << 16)

    def _answer(self, serial, fields, values):
        self.calls.append((fields["member"], values))
        if self.silent:
            return
        try:
            if self.refuses:
                raise Refusal(self.refuses, "not today")
            signature, result = getattr(self, "on_" + fields["member"])(fields["path"], *values)
            self._reply(RETURN, fields["sender"], serial, signature, (result,))
        except Refusal as refusal:
            self._reply(ERROR, fields["sender"], serial, "s", (refusal.text,), refusal.name)

    def _reply(self, kind, destination, reply_to, signature, values, error=None):
        self.serial += 1
        body = _Writer()
        for one, value in zip(complete_types(signature), values):
            body.write(one, value)
        fields = {"destination": destination, "reply_to": reply_to}
        if signature:
            fields["signature"] = signature
        if error:
            fields["error"] = error
        head = _Writer()
        head.data += struct.pack("<cBBBII", b"l", kind, 0, 1, len(body.data), self.serial)
        head.write("a(yv)", [(_FIELDS[name][0], (_FIELDS[name][1], value))
                             for name, value in fields.items()])
        head.align(8)
        self.socket.sendall(bytes(head.data + body.data))

    @staticmethod
    def _object(unit):
        return "/org/freedesktop/systemd1/unit/" + unit.encode().hex()

    def _unit_at(self, path):
        return self.units[bytes.fromhex(path.rsplit("/", 1)[1]).decode()]

    def on_GetUnit(self, _path, name):
        if name not in self.units or not self.units[name].loaded:
            raise Refusal(NAME + ".NoSuchUnit", f"Unit {name} not loaded.")
        return "o", self._object(name)

    def on_LoadUnit(self, _path, name):
        unit = self.units.get(name) or self.add(name, "", active="inactive", load="not-found")
        unit.loaded = True
        return "o", self._object(name)

    def on_Get(self, path, interface, prop):
        unit = self._unit_at(path)
        suffix = unit.name.rsplit(".", 1)[1].capitalize()
        general = prop in ("LoadState", "ActiveState", "DropInPaths")
        if interface != f"{NAME}.{'Unit' if general else suffix}":
            raise Refusal("org.freedesktop.DBus.Error.UnknownProperty", f"{interface} {prop}")
        return "v", unit.values[prop]

    def on_SetUnitProperties(self, _path, name, runtime, properties):
        if name not in self.units:
            raise Refusal(NAME + ".NoSuchUnit", f"Unit {name} not found.")
        unit = self.units[name]
        for prop, value in properties:
            if not runtime:
                raise Refusal("org.freedesktop.DBus.Error.InvalidArgs", "for good")
            if prop in NUMBERS:
                if prop.endswith("Weight") and value != UNSET and not 1 <= value <= 10000:
                    raise Refusal("org.freedesktop.DBus.Error.InvalidArgs",
                                  "Value specified in CPUWeight is out of range")
                unit[prop] = value
                text = f"{prop}={'' if value == UNSET else value}\n"
            else:
                entries = dict(unit[prop])
                entries.update(dict(value))
                if prop != "IODeviceLatencyTargetUSec":  # that one keeps what is unset
                    entries = {disk: limit for disk, limit in entries.items() if limit != UNSET}
                unit[prop] = list(entries.items())
                text = "".join(f"{prop}={disk} {limit}\n" for disk, limit in entries.items())
            self.write_drop_in(name, prop, text)
        return "", None

    def write_drop_in(self, name, prop, text):
        path = self.drop_in(name, prop)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + "~", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + "~", path)
        unit = self.units[name]
        if path not in unit["DropInPaths"]:
            unit["DropInPaths"] = unit["DropInPaths"] + [path]
