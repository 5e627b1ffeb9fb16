#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A hostile client: it is always answered, changes nothing that it may not, and costs no memory."""
import collections
import contextlib
import multiprocessing
import os
import random
import re
import socket
import subprocess
import time

import bus_case
from bus_case import DENIED, MANAGER, NAME, NOBODY, PATH, BusCase
from dbus_wire import BusError, Connection
from hostile_values import (ESCAPES, FORGED, INTROSPECTABLE, PEER, PROPERTIES, Call,
                            Calls, introspected)
from lib.processes import wait_for
from lib.programs import Reader

MIB = 1 << 20
MODEL_BYTES = 300 * MIB
SEED = os.environ.get("TUNESHIFT_FUZZ_SEED") or str(random.getrandbits(32))
# Of a whole run. The daemon of a sanitizer build takes ten times as long for each.
CALLS = 100000
AS_NOBODY, AS_ROOT, HOLDS = 0.15, 0.75, 0.1
WARM_UP = 0.2           # of the calls as root; the history is full then
IN_FLIGHT = 32
A_CONNECTION = 1024     # calls, then another takes over
MOST_GROWTH_KIB = 16 << 10
MOST_DESCRIPTORS = 8    # more than before, when the clients have gone
MOST_LATENCY_S = 1      # half of all; milliseconds where nothing else runs
PATIENCE_S = 60
# The bus takes messages of 32 MiB.
LONG = "a" * (31 * MIB)
MOST_HOLDS = 32

# What everyone may: all else that nobody gets a result of is a hole.
OPEN = {"ListProfiles", "ListHolds", "ListKnobs", "Verify", "Plan", "Get", "GetAll", "Introspect",
        "GetManagedObjects", "Ping", "GetMachineId"}
CHANGES = {"hold", "release", "switch", "mode", "pause", "reload", "written", "restored"}
# The bus says these in the place of a daemon that is not there.
GONE = {"org.freedesktop.DBus.Error." + name
        for name in ("NoReply", "ServiceUnknown", "NameHasNoOwner", "Disconnected", "Timeout")}
ERRORS = re.compile(r"org\.tuneshift1\.Error\.\w+|org\.freedesktop\.DBus\.Error\.\w+")
# Everything that a terminal might obey, and what shows a text in another order.
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def calls(share):
    return int(CALLS * share / (10 if bus_case.BUILD.endswith("asan") else 1))


def measure(address, told):
    """In a process of its own, until it is told to end: the seconds that another client waits."""
    latencies = []
    with Connection(address) as connection:
        while not told.poll(0.002):
            for interface, member, *arguments in ((PEER, "Ping"),
                                                  (PROPERTIES, "GetAll", "s", (MANAGER,))):
                started = time.monotonic()
                connection.call(NAME, PATH, interface, member, *arguments, wait_seconds=PATIENCE_S)
                latencies.append(time.monotonic() - started)
    told.send(latencies)


class HostileCase(BusCase):
    def setUp(self):
        super().setUp()
        print(f"\nTUNESHIFT_FUZZ_SEED={SEED}", flush=True)
        self.unique = self.owner()

    def owner(self):
        return self.root.call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                              "org.freedesktop.DBus", "GetNameOwner", "s", (NAME,))

    def assert_unharmed(self):
        """It has not even left the bus, and nobody wrote its log but itself."""
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log_tail(40))
        self.assertEqual(self.owner(), self.unique, self.daemon.log_tail(40))
        self.assert_printable(self.daemon.log())

    def assert_printable(self, text):
        raw = RAW.search(text)
        self.assertIsNone(raw, raw and repr(text[max(0, raw.start() - 200):raw.end() + 200]))
        self.assertNotIn("\n" + FORGED, text)

    def all_holds(self):
        return [row["cookie"] for row in self.call("ListHolds")]


class Attack(HostileCase):
    def setUp(self):
        super().setUp()
        self.answers = collections.Counter()
        self.make_descriptors()
        self.make_load()
        tree = dict(self.introspect(PATH))
        self.assertEqual({interface.rpartition(".")[2] for found in tree.values()
                          for interface in found} - {"Properties", "Introspectable", "Peer",
                                                     "ObjectManager"},
                         {"Manager", "Load", "Device"})
        self.calls = Calls(SEED, tree, (*bus_case.PROFILES, "auto", "manual", "paused", "observe",
                                        bus_case.DISK, "vm.swappiness", PATH, MANAGER, "Mode"))

    def make_descriptors(self):
        ended = subprocess.Popen(["true"])
        one, other = socket.socketpair()
        listener = socket.socket(socket.AF_UNIX)
        for opened in (one, other, listener):
            self.enter(opened)
        reading, writing = os.pipe()
        self.open = {"null": os.open("/dev/null", os.O_RDWR), "pipe": writing,
                     "own process": os.pidfd_open(os.getpid()),
                     "ended process": os.pidfd_open(ended.pid), "memory": os.memfd_create("fuzz"),
                     "folder": os.open("/proc/self", os.O_RDONLY)}
        for descriptor in (reading, *self.open.values()):
            self.addCleanup(os.close, descriptor)
        ended.wait()
        self.open |= {"socket": one.fileno(), "listener": listener.fileno()}

    def make_load(self):
        """One that has ended stays on the bus."""
        model = self.cold_model("fuzz", MODEL_BYTES)
        with Reader(bus_case.BUILD, "mmap-sequential", model) as reader:
            reader.loaded()
        self.wait_history("finished", pid=reader.pid)
        self.wait_equal(lambda: self.get("State"), "idle")
        self.wait_equal(self.differences, [])

    def introspect(self, path):
        """Of this object and all below it: (path, interfaces)."""
        interfaces, nodes = introspected(self.call("Introspect", path=path,
                                                   interface=INTROSPECTABLE))
        if MANAGER.rpartition(".")[0] + "." in "".join(interfaces):
            yield path, interfaces
        for node in nodes:
            yield from self.introspect(f"{path}/{node}")

    def send(self, connection, call):
        return connection.send(NAME, call.path, call.interface, call.member, call.signature,
                               call.arguments, [self.open[name] for name in call.descriptors])

    def attack(self, uid, numbers):
        """Makes these calls as this user and looks at each answer."""
        for first in range(numbers.start, numbers.stop, A_CONNECTION):
            with Connection(self.bus.address, uid) as connection:
                ours = range(first, min(first + A_CONNECTION, numbers.stop))
                for at in range(ours.start, ours.stop, IN_FLIGHT):
                    batch = {number: self.calls.make(number)
                             for number in range(at, min(at + IN_FLIGHT, ours.stop))}
                    self.make_calls(connection, uid, batch)

    def make_calls(self, connection, uid, batch):
        """All at once; then each must be answered as it may be."""
        try:
            serials = [self.send(connection, call) for call in batch.values()]
            for call, serial in zip(batch.values(), serials):
                self.assert_answer(uid, call, self.answer(connection, serial))
        except (OSError, AssertionError) as problem:
            made = "\n".join(f"{number}: {call}" for number, call in batch.items())
            self.fail(f"{problem}\nas uid {uid}, of the calls\n{made}\nAgain: TUNESHIFT_FUZZ_SEED="
                      f"{SEED} {__file__} {bus_case.BUILD} {self.id().partition('.')[2]}\n"
                      f"{self.daemon.log_tail(40)}")

    def answer(self, connection, serial):
        """The error, or None."""
        try:
            connection.answer(serial, PATIENCE_S)
        except BusError as error:
            return error
        return None

    def assert_answer(self, uid, call, error):
        self.answers["a result" if error is None else error.name] += 1
        if error is None:
            if not call.legal:
                self.fail(f"it succeeded: {call}")
            if uid != 0 and call.member not in OPEN:
                self.fail(f"it was not denied: {call}")
        elif error.name in GONE or not ERRORS.fullmatch(error.name):
            self.fail(f"{error.name} for {call}")
        elif error.name.startswith(bus_case.ERROR):
            # The others are sd-bus's, which repeats what its caller said, to this caller alone.
            self.assert_printable(error.text)

    def release_all(self):
        for cookie in self.all_holds():
            with contextlib.suppress(BusError):  # its time may be over
                self.call("Release", "u", cookie)

    @contextlib.contextmanager
    def measured(self):
        """Prints how long another client waited for its answers meanwhile."""
        ours, theirs = multiprocessing.get_context("fork").Pipe()
        client = multiprocessing.get_context("fork").Process(
            target=measure, args=(self.bus.address, theirs), daemon=True)
        client.start()
        try:
            yield
            ours.send("end")
            latencies = sorted(ours.recv())
        finally:
            client.terminate()
            client.join()
        half, most = (latencies[int(len(latencies) * part)] for part in (0.5, 0.99))
        print(f"figure: another client's answers: {len(latencies)}, p50 {half * 1000:.2f} ms, "
              f"p99 {most * 1000:.2f} ms", flush=True)
        self.assertLess(half, MOST_LATENCY_S)

    def state(self):
        """What nobody may change."""
        return ({name: self.get(name) for name in ("Mode", "State", "ActiveProfiles")},
                self.call("ListHolds"), self.call("ListKnobs"),
                [row for row in self.history() if row["kind"] in CHANGES], self.differences())

    def test_as_nobody(self):
        self.call("SetMode", "s", "manual")
        self.hold("throughput")
        self.wait_equal(lambda: self.knob("vm.swappiness")["current"], "37")
        self.call("Verify")  # all of it is written
        before = self.state()
        self.attack(NOBODY, range(calls(AS_NOBODY)))
        self.assertEqual(self.state(), before)
        self.print_answers()
        self.assert_unharmed()

    def test_as_root(self):
        count, warm = calls(AS_ROOT), calls(AS_ROOT * WARM_UP)
        self.attack_with_long_texts()
        self.attack(0, range(warm))
        self.release_all()
        before_kib, before = self.daemon.status_kib("VmRSS"), self.daemon.descriptors()
        started = time.monotonic()
        with self.measured():
            self.attack(0, range(warm, count))
        seconds = time.monotonic() - started
        self.attack_with_long_texts()
        self.release_all()
        # What the last answers were made of is let go after they were sent.
        wait_for(lambda: self.daemon.status_kib("VmRSS") - before_kib < MOST_GROWTH_KIB, 5)
        after_kib = self.daemon.status_kib("VmRSS")
        print(f"figure: {count - warm} calls in {seconds:.1f} s, VmRSS {before_kib} → {after_kib} "
              "KiB", flush=True)
        if not bus_case.BUILD.endswith("asan"):
            self.assertLess(after_kib - before_kib, MOST_GROWTH_KIB)
        self.wait_equal(lambda: self.daemon.descriptors() < before + MOST_DESCRIPTORS, True)
        self.print_answers()
        self.assert_unharmed()
        self.daemon.stop()
        self.assertEqual(self.differences(), [])

    def attack_with_long_texts(self):
        """Each nearly as long as the bus lets through."""
        for member, signature, arguments in (
                ("SetMode", "s", (LONG,)), ("Hold", "ssa{sv}", ("throughput", LONG, {})),
                ("Plan", "sa{sv}", (LONG, {})), ("Rearm", "s", (LONG,)),
                ("Why", "a{sv}", ({"path": ("s", LONG)},)), ("Nonesuch", "s", (LONG,))):
            call = Call(PATH, MANAGER, member, signature, arguments, legal=member == "Why")
            with Connection(self.bus.address) as connection:
                self.assert_answer(0, call, self.answer(connection, self.send(connection, call)))

    def print_answers(self):
        print("figure: answers: " + ", ".join(f"{name.removeprefix('org.')} {count}" for name, count
                                              in self.answers.most_common()), flush=True)


class Holds(HostileCase):
    configuration = "mode: manual\n"

    def take(self, connection, count):
        """Attempts without waiting for each: the cookies of those that are granted."""
        cookies = []
        for first in range(0, count, IN_FLIGHT):
            serials = [self.send_hold(connection) for _ in range(min(IN_FLIGHT, count - first))]
            for serial in serials:
                try:
                    cookies.append(connection.answer(serial, PATIENCE_S))
                except BusError as error:
                    self.assertEqual(error.name, "org.tuneshift1.Error.LimitExceeded", error)
        return cookies

    def send_hold(self, connection):
        return connection.send(NAME, PATH, MANAGER, "Hold", "ssa{sv}", ("throughput", "", {}))

    def test_ten_thousand_attempts(self):
        clients = [self.connect() for _ in range(8)]
        each = MOST_HOLDS // len(clients)
        taken = {client: self.take(client, each) for client in clients}
        for client in clients:
            self.assertEqual(len(taken[client]), each)
            self.assertEqual(self.take(client, calls(HOLDS) // len(clients) - each), [])
        while clients:
            left = sorted(cookie for client in clients for cookie in taken[client])
            self.wait_equal(lambda now=left: sorted(self.all_holds()) == now, True)
            clients.pop().close()
        self.wait_equal(self.all_holds, [])
        self.wait_equal(self.differences, [])
        self.assertEqual(len(self.history("hold")), MOST_HOLDS)
        self.assert_unharmed()

    def test_clients_that_leave_before_the_answer(self):
        for _ in range(calls(0.005)):
            with Connection(self.bus.address) as client:
                self.send_hold(client)
                # Its answer comes while the bus is asked who the client is.
                client.call(NAME, PATH, PEER, "Ping")
        # The daemon takes its calls in order, and has heard of their ends before that of this one.
        self.wait_equal(self.all_holds, [])
        self.assertNotEqual(self.history("hold"), [])
        self.wait_equal(self.differences, [])
        self.assert_unharmed()

    def test_who_may_not_hold_takes_no_room_from_who_may(self):
        # The bus lets a user have 256 connections, and each of them watch 512 names. Users that
        # the system knows: the bus refuses others.
        for uid in (1, 2, NOBODY):
            for _ in range(180):
                self.assert_error(DENIED, "Hold", "ssa{sv}", "throughput", "", {},
                                  connection=self.connect(uid))
        self.hold("throughput")
        self.assert_unharmed()


    def test_a_thousand_clients_and_one_that_reads_nothing(self):
        deaf = self.connect()
        deaf.match("sender='org.tuneshift1'")
        users = {client: uid for uid in (0, 1, 2, NOBODY)
                 for client in (self.connect(uid) for _ in range(250))}

        def ends_of(send):
            """How often each user got a result, or an error of which name."""
            asked = {client: send(client) for client in users}
            ends = collections.Counter()
            for client, serial in asked.items():
                try:
                    client.answer(serial, PATIENCE_S)
                    ends[users[client], "result"] += 1
                except BusError as error:
                    ends[users[client], error.name] += 1
            return ends

        ends = ends_of(lambda client: client.send(NAME, PATH, PROPERTIES, "GetAll", "s", (MANAGER,)))
        self.assertEqual({name for _, name in ends}, {"result"}, ends)
        ends = ends_of(lambda client: client.send(NAME, PATH, MANAGER, "ListKnobs"))
        self.assertEqual({name for _, name in ends}, {"result"}, ends)
        ends = ends_of(self.send_hold)
        self.assertEqual(ends[0, "result"], MOST_HOLDS, ends)
        self.assertEqual(ends[0, bus_case.ERROR + "LimitExceeded"], 250 - MOST_HOLDS, ends)
        self.assertEqual(sum(ends[uid, DENIED] for uid in (1, 2, NOBODY)), 750, ends)
        for client in users:
            client.close()
        self.wait_equal(self.all_holds, [])
        for _ in range(calls(0.005)):  # signals that nobody takes
            self.call("Release", "u", self.hold("latency"))
        self.wait_equal(self.differences, [])
        self.assert_unharmed()


class Injection(HostileCase):
    configuration = "mode: manual\n"

    def ctl(self, *words):
        return subprocess.run([bus_case.BUILD + "/client/tuneshiftctl", *words], timeout=30,
                              env=self.daemon.environment, capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)

    def assert_shown(self, *words, contains=""):
        for option in ([], ["--json"]):
            done = self.ctl(*option, *words)
            self.assert_printable(done.stdout + done.stderr)
            if not option:
                self.assertIn(contains, done.stdout + done.stderr)

    def test_reasons_and_names(self):
        for text in ESCAPES:
            with self.subTest(text=text):
                self.hold("throughput", reason="reason " + text)
                for words in (("hold", text), ("switch", text), ("rearm", text), ("plan", text),
                              ("why", text), ("histogram", text),
                              ("hold", "latency", "--reason", "ctl " + text, "--for", "60s"),
                              ("release", text), ("mode", text), ("show", text)):
                    self.assert_shown(*words)
        self.assert_shown("holds", contains="reason ")
        self.assert_shown("history", contains="reason ")
        for words in (("status",), ("knobs",), ("report",)):
            self.assert_shown(*words)
        self.assertIn("for reason ", self.daemon.log())
        self.assert_unharmed()


if __name__ == "__main__":
    bus_case.main()
