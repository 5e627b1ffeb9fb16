# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that a broken or hostile client makes: of a seed, each is told by its number alone."""
import dataclasses
import random
import xml.etree.ElementTree as ElementTree

from dbus_wire import complete_types

PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PEER = "org.freedesktop.DBus.Peer"
STANDARD = {PROPERTIES, INTROSPECTABLE, OBJECT_MANAGER, PEER}

# What follows the line feeds: a line of the daemon's log that begins with it was not written by it.
FORGED = "00:00:00.000 info forged"
ESCAPES = ("a\n" + FORGED, "\r" + FORGED, "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\u009b31m",
           "\x7f\x08\x08", "\u202etxt", "\u2028" + FORGED, "tab\tand\x0b")
TEXTS = ("", " ", *ESCAPES, "../../etc/passwd", "/", "/proc/self/mem", "a" * 257,
         "{}{0}{:>99999}", "%s%n%99999d", "\\x0a", "\ufffe", "\ufdd0", "\U0010ffff", "modèle", "-1",
         "'; DROP TABLE", "'", "\"", "0", "1e999", "$(reboot)", ":1.1", "org.tuneshift1")
FEW = (0, 1, 2, 3)
NUMBERS = {
    "y": (*FEW, 127, 128, 255),
    "b": (0, 1),  # the bus refuses any other
    "n": (*FEW, -1, -(1 << 15), (1 << 15) - 1),
    "q": (*FEW, (1 << 15), (1 << 16) - 1),
    "i": (*FEW, -1, -(1 << 31), (1 << 31) - 1),
    "u": (*FEW, 7, 31, 1 << 31, (1 << 32) - 1),
    "x": (*FEW, -1, -(1 << 63), (1 << 63) - 1),
    "t": (*FEW, 604800, 604801, 1 << 32, 1 << 63, (1 << 64) - 1),
    "d": (0.0, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan")),
}
BASIC = (*NUMBERS, "s", "o", "g", "h", "v")
CONTAINERS = ("as", "ay", "a{sv}", "aa{sv}", "(ss)", "a(ss)", "a{s(ss)}", "aav", "a{uv}",
              "a" * 32 + "y", "(" * 32 + "y" + ")" * 32)
PATHS = ("/", "/org", "/org/tuneshift1/load", "/org/tuneshift1/load/0",
         "/org/tuneshift1/load/4294967296", "/org/tuneshift1/device/nonesuch",
         "/org/tuneshift1/device/_2e_2e", "/org/freedesktop/DBus", "/" + "a" * 4000)
# What the options and questions of the contract are named, with types that are right for one each.
KEYS = ("ttl", "pidfd", "devices", "hash-names", "pid", "path", "knob")
DESCRIPTORS = ("null", "pipe", "socket", "listener", "own process", "ended process", "memory",
               "folder")
MOST_DESCRIPTORS = 16  # in a message on the bus
# The bus allows 64 levels in a message, and the dictionary around it has some.
DEEPEST = 58


@dataclasses.dataclass(frozen=True)
class Call:
    path: str
    interface: str | None
    member: str
    signature: str = ""
    arguments: tuple = ()
    descriptors: tuple = ()  # of DESCRIPTORS
    legal: bool = False      # the object has such a method: it may succeed

    def __str__(self):
        text = repr(self.arguments)
        shown = text if len(text) < 300 else f"{text[:300]}… ({len(text)} characters)"
        return (f"{self.path[:80]} {self.interface}.{self.member} '{self.signature}' {shown}"
                + (f" with {', '.join(self.descriptors)}" if self.descriptors else ""))


def introspected(text):
    """{interface: ({method: signature}, [property])} and the names of the nodes below."""
    root = ElementTree.fromstring(text)
    interfaces = {}
    for one in root.iter("interface"):
        methods = {method.get("name"): "".join(
            arg.get("type") for arg in method.iter("arg") if arg.get("direction", "in") == "in")
            for method in one.iter("method")}
        interfaces[one.get("name")] = (methods, [prop.get("name") for prop in one.iter("property")])
    return interfaces, [node.get("name") for node in root.findall("node")]


class Calls:
    """The calls of a seed on `tree`, {path: {interface: ({method: signature}, [property])}}, with
    `words` that mean something to the daemon."""

    def __init__(self, seed, tree, words):
        self.seed = seed
        self.words = tuple(words)
        self.methods = [(path, interface, member, signature)
                        for path, interfaces in sorted(tree.items())
                        for interface, (methods, _) in sorted(interfaces.items())
                        for member, signature in sorted(methods.items())]
        self.properties = [(path, interface, name)
                           for path, interfaces in sorted(tree.items())
                           for interface, (_, names) in sorted(interfaces.items())
                           for name in names]
        self.each = list(self._each())

    def _each(self):
        """What is tried of everything, before chance decides."""
        for method in self.methods:
            right = method[3]
            without_last = "".join(complete_types(right)[:-1])
            for signature in dict.fromkeys((*BASIC, *CONTAINERS, "", without_last, right,
                                            right + "s", right + "v")):
                yield method, signature
        for path, interface, name in self.properties:
            for kind in BASIC + CONTAINERS:
                yield (path, interface, name), kind

    def make(self, number):
        made = _Maker(random.Random(f"{self.seed}/{number}"), self.words)
        if number < len(self.each):
            target, signature = self.each[number]
            if len(target) == 3:
                return made.set(*target, signature)
            return made.call(target, signature)
        return self._any(made)

    def _any(self, made):
        chance = made.chance
        kind = chance.random()
        if kind < 0.6:
            return self._read(chance)
        method = chance.choice(self.methods)
        if kind < 0.8:
            return made.call(method, method[3])
        if kind < 0.9:
            return made.call(method, "".join(chance.choices(BASIC + CONTAINERS,
                                                            k=chance.randint(0, 4))))
        if kind < 0.94:
            return made.set(*chance.choice(self.properties), chance.choice(BASIC + CONTAINERS))
        return self._nowhere(made, method)

    def _read(self, chance):
        """As a program that watches the daemon does."""
        path, interface, name = chance.choice(self.properties)
        kind = chance.random()
        if kind < 0.5:
            return Call(path, PROPERTIES, "Get", "ss", (interface, name), legal=True)
        if kind < 0.55:
            return Call(path, PROPERTIES, "GetAll", "s", (interface,), legal=True)
        if kind < 0.9:
            return Call(path, PEER, "Ping", legal=True)
        return Call("/org/tuneshift1", "org.tuneshift1.Manager",
                    chance.choice(("ListHolds", "ListProfiles")), legal=True)

    def _nowhere(self, made, method):
        """A right call but for its place."""
        path, interface, member, signature = method
        wrong = made.chance.randrange(4)
        if wrong == 0:
            path = made.chance.choice(PATHS)
        elif wrong == 1:
            interface = made.chance.choice(("a.b", "org.tuneshift1.Nonesuch", "a." + "b" * 250))
        elif wrong == 2:
            member = made.chance.choice(("Nonesuch", "x" * 255, "get", "_"))
        else:
            interface = None  # any that has the member
        call = made.call((path, interface, member, signature), signature)
        # Those that sd-bus answers are also there for any path, or above an object.
        legal = wrong == 3 or (wrong == 0 and interface in STANDARD - {PROPERTIES})
        return dataclasses.replace(call, legal=legal)


class _Maker:
    """Makes one call."""

    def __init__(self, chance, words):
        self.chance = chance
        self.words = words
        self.descriptors = []
        # Values that containers may still hold; many rarely, as each costs both sides time.
        self.room = chance.choices((40, 1000), (60, 1))[0]

    def sized(self, size):
        size = min(size, self.room)
        self.room -= size
        return size

    def call(self, method, signature):
        path, interface, member, right = method
        # sd-bus answers the standard ones itself, and does not mind arguments too many.
        legal = signature == right or (interface in STANDARD and member != "Set")
        return self._call(path, interface, member, signature, self.values(signature), legal)

    def set(self, path, interface, name, kind):
        """No property can be set."""
        return self._call(path, PROPERTIES, "Set", "ssv",
                          (interface, name, (kind, self.value(kind))), False)

    def _call(self, path, interface, member, signature, arguments, legal):
        return Call(path, interface, member, signature, arguments, tuple(self.descriptors), legal)

    def values(self, signature):
        return tuple(self.value(kind) for kind in complete_types(signature))

    def value(self, kind):
        if kind in NUMBERS:
            return self.chance.choice(NUMBERS[kind])
        if kind == "s":
            return self.text()
        if kind == "o":
            # The bus closes the connection over one that is no path at all.
            return self.chance.choice(PATHS)
        if kind == "g":
            return self.chance.choice(("", *BASIC, *CONTAINERS))
        if kind == "h":
            return self.descriptor()
        if kind == "v":
            return self.variant()
        if kind == "a{sv}":
            return self.options()
        if kind[0] == "(":
            return tuple(self.value(part) for part in complete_types(kind[1:-1]))
        return self.array(kind)

    def text(self):
        kind = self.chance.random()
        if kind < 0.01:
            return "a" * 65536
        return self.chance.choice(self.words if kind < 0.4 else TEXTS)

    def descriptor(self):
        if self.chance.random() < 0.1 or len(self.descriptors) == MOST_DESCRIPTORS:
            return self.chance.choice((0, 1, 7, (1 << 32) - 1))  # which there may not be
        self.descriptors.append(self.chance.choice(DESCRIPTORS))
        return len(self.descriptors) - 1

    def variant(self):
        kind = self.chance.choice(BASIC[:-1] + ("as", "a{ss}", "v", "v"))
        if kind != "v":
            return kind, self.value(kind)
        value = ("u", 1)
        for _ in range(self.chance.choice((1, 2, 16, DEEPEST))):
            value = ("v", value)
        return value

    def array(self, kind):
        size = 1 if kind.startswith("aaa") else 2
        if kind in ("as", "ay"):
            size = self.sized(self.chance.choice((0, 1, 2, 33, 1000)))
        if kind[1] == "{":
            key, value = complete_types(kind[2:-1])
            return [(self.value(key), self.value(value)) for _ in range(size)]
        return [self.value(kind[1:]) for _ in range(size)]

    def options(self):
        """Also with keys that are there twice."""
        right = {"ttl": "t", "pidfd": "h", "devices": "as", "hash-names": "b", "pid": "u",
                 "path": "s", "knob": "s"}
        pairs = []
        for _ in range(self.sized(self.chance.choice((0, 1, 1, 1, 1, 2, 2, 3, 300)))):
            key = self.chance.choice(KEYS) if self.chance.random() < 0.85 else self.text()
            if key in right and self.chance.random() < 0.7:
                pairs.append((key, (right[key], self.value(right[key]))))
            else:
                pairs.append((key, self.variant()))
        return pairs
