# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the bus says of the service is what dbus/org.tuneshift1.xml promises."""

import xml.etree.ElementTree as ElementTree

from checks import HOME, busctl, daemon


def describe(interface):
    """Its members with names and types."""
    members = set()
    for member in interface:
        if member.tag == "property":
            members.add(("property", member.get("name"), member.get("type"), member.get("access")))
        elif member.tag in ("method", "signal"):
            default = "in" if member.tag == "method" else "out"
            arguments = tuple((argument.get("direction", default), argument.get("type"))
                              for argument in member.findall("arg"))
            members.add((member.tag, member.get("name"), arguments))
    return members


def interfaces(root):
    return {interface.get("name"): describe(interface) for interface in root.findall("interface")}


def introspect(path):
    answer = busctl("call", "org.tuneshift1", path, "org.freedesktop.DBus.Introspectable",
                    "Introspect")
    return ElementTree.fromstring(answer[0])


def expect_equal(contract, offered, name):
    assert name in offered, f"no {name}, only {sorted(offered)}"
    assert contract[name] == offered[name], sorted(contract[name] ^ offered[name])


contract = interfaces(ElementTree.parse(HOME / "org.tuneshift1.xml").getroot())
with daemon("observe"):
    offered = interfaces(introspect("/org/tuneshift1"))
    expect_equal(contract, offered, "org.tuneshift1.Manager")
    assert "org.freedesktop.DBus.ObjectManager" in offered, sorted(offered)
    offered = interfaces(introspect("/org/tuneshift1/device/nvme0n1"))
    expect_equal(contract, offered, "org.tuneshift1.Device")
