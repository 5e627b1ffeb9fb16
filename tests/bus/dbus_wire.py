# SPDX-License-Identifier: LGPL-2.1-or-later
"""A D-Bus client of its own: each connection is one sender, of any user, with descriptors."""
import array
import functools
import os
import socket
import struct
import time

_SIZES = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d",
          "h": "I"}
_FIELDS = {"path": (1, "o"), "interface": (2, "s"), "member": (3, "s"), "error": (4, "s"),
           "reply_to": (5, "u"), "destination": (6, "s"), "sender": (7, "s"),
           "signature": (8, "g"), "descriptors": (9, "u")}
_FIELD_NAMES = {number: name for name, (number, _) in _FIELDS.items()}
CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4


class BusError(Exception):
    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


def _one_type(signature, at):
    """The end of the complete type that starts there."""
    if signature[at] == "a":
        return _one_type(signature, at + 1)
    if signature[at] in "({":
        closing = {"(": ")", "{": "}"}[signature[at]]
        at += 1
        while signature[at] != closing:
            at = _one_type(signature, at)
    return at + 1


@functools.cache
def complete_types(signature):
    """Its types one by one."""
    at, types = 0, []
    while at < len(signature):
        end = _one_type(signature, at)
        types.append(signature[at:end])
        at = end
    return types


@functools.cache
def _alignment(kind):
    if kind in _SIZES:
        return struct.calcsize(_SIZES[kind])
    return {"s": 4, "o": 4, "a": 4, "g": 1, "v": 1}.get(kind, 8)


class _Writer:
    def __init__(self):
        self.data = bytearray()

    def align(self, step):
        self.data += b"\0" * (-len(self.data) % step)

    def write(self, kind, value):
        """A variant is given as (type, value), a dictionary as a dict."""
        self.align(_alignment(kind[0]))
        if kind in _SIZES:
            self.data += struct.pack("<" + _SIZES[kind], value)
        elif kind in "so":
            text = value if isinstance(value, bytes) else value.encode()
            self.data += struct.pack("<I", len(text)) + text + b"\0"
        elif kind == "g":
            self.data += bytes([len(value)]) + value.encode() + b"\0"
        elif kind == "v":
            self.write("g", value[0])
            self.write(value[0], value[1])
        elif kind[0] == "a":
            start = len(self.data)
            self.data += b"\0\0\0\0"
            self.align(_alignment(kind[1]))
            first = len(self.data)
            for item in value.items() if isinstance(value, dict) else value:
                self.write(kind[1:], item)
            self.data[start:start + 4] = struct.pack("<I", len(self.data) - first)
        else:
            for part, item in zip(complete_types(kind[1:-1]), value):
                self.write(part, item)


class _Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def read(self, kind):
        """A variant is returned as its plain value."""
        self.at += -self.at % _alignment(kind[0])
        if kind in _SIZES:
            value, = struct.unpack_from("<" + _SIZES[kind], self.data, self.at)
            self.at += struct.calcsize(_SIZES[kind])
            return bool(value) if kind == "b" else value
        if kind in "so":
            return self._text(self.read("u"))
        if kind == "g":
            return self._text(self.read("y"))
        if kind == "v":
            return self.read(self.read("g"))
        if kind[0] == "a":
            return self._array(kind)
        return tuple(self.read(part) for part in complete_types(kind[1:-1]))

    def _text(self, size):
        text = self.data[self.at:self.at + size].decode()
        self.at += size + 1
        return text

    def _array(self, kind):
        size = self.read("u")
        self.at += -self.at % _alignment(kind[1])
        end, items = self.at + size, []
        while self.at < end:
            items.append(self.read(kind[1:]))
        return dict(items) if kind[1] == "{" else items


class Connection:
    """One name on the bus at "unix:path=…". With `uid`, as that user."""

    def __init__(self, address, uid=0):
        path = address.split("unix:path=")[1].split(",")[0]
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.received = bytearray()
        self.serial = 0
        self.signals = []
        self.answers = {}
        os.seteuid(uid)  # the bus asks who connected, at that moment
        try:
            self.socket.connect(path)
        finally:
            os.seteuid(0)
        self.socket.settimeout(10)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\n")
        self._expect(b"OK ")
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        self._expect(b"AGREE_UNIX_FD")
        self.socket.sendall(b"BEGIN\r\n")
        self.name = self.call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                              "org.freedesktop.DBus", "Hello")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def _expect(self, start):
        while not self.received.endswith(b"\r\n"):
            part = self.socket.recv(4096)
            if not part:
                raise ConnectionError("the bus refused the connection")
            self.received += part
        if not self.received.startswith(start):
            raise ConnectionError(f"the bus says {self.received}")
        self.received.clear()

    def send(self, destination, path, interface, member, signature="", arguments=(),
             descriptors=()):
        """Sends a call; returns its serial number for answer()."""
        self.serial += 1
        body = _Writer()
        for kind, value in zip(complete_types(signature), arguments):
            body.write(kind, value)
        fields = {"path": path, "member": member, "destination": destination}
        if interface is not None:
            fields["interface"] = interface
        if signature:
            fields["signature"] = signature
        if descriptors:
            fields["descriptors"] = len(descriptors)
        head = _Writer()
        head.data += struct.pack("<cBBBII", b"l", CALL, 0, 1, len(body.data), self.serial)
        head.write("a(yv)", [(_FIELDS[name][0], (_FIELDS[name][1], value))
                             for name, value in fields.items()])
        head.align(8)
        message = bytes(head.data + body.data)
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        sent = self.socket.sendmsg([message], extra if descriptors else [])
        self.socket.sendall(message[sent:])
        return self.serial

    def answer(self, serial, wait_seconds=10):
        """What the call returned: nothing, one value, or a tuple."""
        deadline = time.monotonic() + wait_seconds
        while serial not in self.answers:
            if not self._receive(deadline):
                raise TimeoutError(f"no answer in {wait_seconds} s")
        kind, fields, values = self.answers.pop(serial)
        if kind == ERROR:
            raise BusError(fields["error"], values[0] if values else "")
        return values[0] if len(values) == 1 else values or None

    def call(self, *arguments, wait_seconds=10, **named):
        return self.answer(self.send(*arguments, **named), wait_seconds)

    def match(self, rule):
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                  "AddMatch", "s", (rule,))

    def wait_signal(self, member, accept=lambda values: True, wait_seconds=10):
        """The values of the first such signal, received already or yet to come; else None."""
        deadline = time.monotonic() + wait_seconds
        while True:
            for entry in self.signals:
                if entry[0] == member and accept(entry[1]):
                    self.signals.remove(entry)
                    return entry[1]
            if not self._receive(deadline):
                return None

    def _receive(self, deadline):
        """Takes one message in; False when the time is over."""
        while True:
            message = self._take()
            if message is not None:
                break
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.socket.settimeout(left)
            try:
                part = self.socket.recv(1 << 16)
            except socket.timeout:
                return False
            if not part:
                raise ConnectionError("the bus closed the connection")
            self.received += part
        kind, fields, values = message
        if kind == SIGNAL:
            self.signals.append((fields["member"], values))
        elif kind in (RETURN, ERROR):
            self.answers[fields["reply_to"]] = message
        return True

    def _take(self):
        if len(self.received) < 16:
            return None
        body_size, _, fields_size = struct.unpack_from("<III", self.received, 4)
        body_at = 16 + fields_size + -fields_size % 8
        if len(self.received) < body_at + body_size:
            return None
        reader = _Reader(self.received[:body_at])
        reader.at = 12
        fields = {_FIELD_NAMES[number]: value for number, value in reader.read("a(yv)")
                  if number in _FIELD_NAMES}
        body = _Reader(self.received[body_at:body_at + body_size])
        values = tuple(body.read(kind) for kind in complete_types(fields.get("signature", "")))
        kind = self.received[1]
        del self.received[:body_at + body_size]
        return kind, fields, values
