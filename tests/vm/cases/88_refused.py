# SPDX-License-Identifier: LGPL-2.1-or-later
"""In all the cases since this machine booted the unit's filters have refused no system call that the
daemon or one of its helpers needs. (The service manager has its filters logged: machine.py.)"""

import pathlib
import re

from checks import run

# As the kernel's log has it, which drops some of many, and as the journal has it from the audit socket.
REFUSED = re.compile(r'(?:type=1326|SECCOMP) .* comm="([^"]*)" .* syscall=(\d+) ')
# clone3(2): RestrictNamespaces= cannot see what is in its structure; the C library then calls clone(2).
CLONE3 = "435"

assert b"SYSTEMD_LOG_SECCOMP=1" in pathlib.Path("/proc/1/environ").read_bytes().split(b"\0")
refused = set(REFUSED.findall(run("journalctl", "--boot", "--no-pager", "--output=cat")))
# The service manager's own services are refused it as well: it is logged.
assert CLONE3 in {call for _, call in refused}, refused
ours = {(name, call) for name, call in refused if name.startswith("tuneshift") and call != CLONE3}
assert not ours, ours
