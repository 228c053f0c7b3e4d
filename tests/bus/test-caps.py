#!/usr/bin/python3 -B
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The caps: one below, at it, one above, by the methods and by Run; and what others have running goes on.

What is one too many is refused at once, before a script of it runs. (MaxStderr and the history's caps refuse
nobody: they drop text and runs.)
"""

import fcntl
import os
import signal

import samples
import tap
from client import wait_until
from run_case import RunTestCase
from samples import GUEST, NETWORK, PORT_MAC, domain, network, port

OTHER = "somebody-elses"


def sized_domain(size, name=GUEST):
    """A domain of exactly so many bytes."""
    empty = domain(name, inside="<description></description>")
    return domain(name, inside=f"<description>{'x' * (size - len(empty))}</description>")


def deep_domain(depth, name=GUEST):
    """So many elements inside each other, the root included."""
    inside = depth - 1
    return domain(name, inside="<a>" * inside + "</a>" * inside)


class CapsTestCase(RunTestCase):
    """Each test has a run of somebody else in flight, which must not notice anything."""

    def setUp(self):
        super().setUp()
        self.door = self.gate()
        self.others_door = self.gate("others-gate")
        self.other = self.new_client()

    def start_with_other(self, settings):
        self.tracing_script("lxc", self.others_door.wait)
        self.start(f"[Bridge]\n{settings}\n")
        self.others_call = self.other.send_hook("lxc", OTHER, "start", domain(OTHER))
        self.wait_traced(f"lxc {OTHER} start begin -")
        wait_until(lambda: self.client.events, "its HookStarted")

    def end_other(self):
        self.assertFalse(self.others_call.done)
        self.others_door.open()
        run = self.assert_return(self.others_call.wait()).run
        self.assert_finished(run, "success", scripts=1)

    def by_method(self, document, operation="start", client=None, guest=GUEST):
        return (client or self.client).send_hook("qemu", guest, operation, document)

    def by_sealed_memfd(self, document, operation="start", client=None, guest=GUEST):
        return (client or self.client).send_run("qemu", guest, operation, self.sealed(document))

    def by_pipe(self, document, operation="start", client=None, guest=GUEST):
        """All of it must fit into the pipe, since nobody writes while the call runs."""
        reader, writer = self.pipe()
        os.write(writer, document.encode())
        os.close(writer)
        call = (client or self.client).send_run("qemu", guest, operation, reader)
        os.close(reader)
        return call

    @property
    def ways(self):
        return (self.by_method, self.by_sealed_memfd, self.by_pipe)

    def wait_counts(self, running, queued):
        wait_until(lambda: (self.client.property("Running"), self.client.property("Queued")) == (running, queued),
                   f"{running} running and {queued} queued")

    def assert_limit(self, reply, *fragments):
        """It is told with the setting that would help."""
        self.assert_error(reply, "LimitExceeded", *fragments)

    def run_of(self, reply):
        self.assert_return(reply)
        self.addCleanup(reply.close)
        return reply.run


class Documents(CapsTestCase):
    def check_each_way(self, make, cap, setting):
        """Documents of one below the cap, of the cap, and of one above."""
        self.tracing_script("qemu")
        for way in self.ways:
            with self.subTest(way=way.__name__):
                before = len(self.trace())
                for size in (cap - 1, cap):
                    self.assert_finished(self.run_of(way(make(size)).wait()), "success", scripts=1)
                self.assertEqual(len(self.trace()), before + 2)
                n_events = len(self.client.events)
                self.assert_limit(way(make(cap + 1)).wait(), GUEST, setting)
                self.client.settle()
                self.assertEqual((len(self.client.events), len(self.trace())), (n_events, before + 2))
        self.end_other()

    def test_size(self):
        cap = 32 << 10
        self.start_with_other("MaxDocument=32K")
        self.assertEqual(len(sized_domain(cap)), cap)
        self.check_each_way(sized_domain, cap, "MaxDocument=")

    def test_least_size(self):
        self.start_with_other("MaxDocument=1K")
        self.check_each_way(sized_domain, 1024, "MaxDocument=")

    def test_default_size(self):
        """4 MiB, which no pipe holds."""
        self.start_with_other("")
        self.tracing_script("qemu")
        for way in (self.by_method, self.by_sealed_memfd):
            for size in ((4 << 20) - 1, 4 << 20):
                self.assert_finished(self.run_of(way(sized_domain(size)).wait()), "success", scripts=1)
            self.assert_limit(way(sized_domain((4 << 20) + 1)).wait(), GUEST, "MaxDocument=")
        self.end_other()

    def test_holes(self):
        """A memfd of a terabyte that has only holes is refused by its size: holes that are mapped become memory."""
        self.start_with_other("")
        fd = self.keep(os.memfd_create("holes", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        os.truncate(fd, 1 << 40)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
        self.assert_limit(self.client.run("qemu", GUEST, "start", fd), GUEST, "MaxDocument=")
        self.assertEqual(os.fstat(fd).st_blocks, 0)
        self.end_other()

    def test_depth(self):
        self.start_with_other("MaxDepth=20")
        self.check_each_way(deep_domain, 20, "MaxDepth=")

    def test_default_depth(self):
        self.start_with_other("")
        self.check_each_way(deep_domain, 128, "MaxDepth=")

    def test_greatest_depth(self):
        """As deep as the settings allow, libxml2 and our own stack bear it."""
        self.start_with_other("MaxDepth=2048")
        self.check_each_way(deep_domain, 2048, "MaxDepth=")

    def test_network_and_port_together(self):
        """It is the two of them that must not be larger."""
        self.start_with_other("MaxDocument=4K")
        self.tracing_script("network")
        room = 4096 - len(network()) - len(port())
        for size in (room - 1, room, room + 1):
            padded = port().replace("</networkport>", f"<!--{'x' * (size - 7)}--></networkport>")
            reply = self.client.hook("network", NETWORK, "port-created", network(), padded)
            if size <= room:
                self.assert_finished(self.run_of(reply), "success", scripts=1)
            else:
                self.assert_limit(reply, NETWORK, "MaxDocument=")
        self.assertEqual(len(self.trace()), 3)
        self.end_other()

    def test_what_is_told_of_a_port(self):
        """It goes into signals, and the answer to ListRuns has it of all runs: the bus cuts off who says too much."""
        self.start_with_other("")
        for size in (254, 255, 256, 3000000):
            told = port().replace(PORT_MAC, "m" * size)
            for _ in range(12):
                reply = self.client.hook("network", NETWORK, "port-created", network(), told)
                if size <= 255:
                    self.assert_return(reply)
                else:
                    self.assert_error(reply, "InvalidDocument", NETWORK, "MAC address of more than 255 bytes")
        self.assertEqual(len(self.assert_return(self.client.call("ListRuns", {})).values[0]), 25)
        self.end_other()


class Output(CapsTestCase):
    CAP = 8 << 10

    def test_filter(self):
        """What a filter printed beyond the cap was lost, and with it the domain."""
        self.start_with_other("MaxOutput=8K")
        printed = self.path("printed")
        self.tracing_script("qemu", f"cat {printed}")
        for size in (self.CAP - 1, self.CAP, self.CAP + 1):
            document = sized_domain(size)
            self.write(printed, document)
            with self.subTest(size=size):
                by_method = self.by_method(domain(), "migrate").wait()
                by_run = self.by_sealed_memfd(domain(), "migrate").wait()
                if size <= self.CAP:
                    self.assertEqual(self.assert_return(by_method).values[0], document)
                    self.assert_result(by_run, "success", 0, output=document)
                else:
                    self.assert_error(by_method, "InvalidOutput", "MaxOutput=")
                    self.assertEqual(self.assert_return(by_run).values[0], "invalid-output")
                    self.assertIn("MaxOutput=", by_run.values[5]["message"])
                    by_run.close()
        self.end_other()

    def test_errors(self):
        """Of more than the cap, the first and the last half are kept, and how much is missing between them."""
        cap = 2048
        self.start_with_other("MaxStderr=2K")
        for size in (cap - 1, cap, cap + 1):
            text = f"{'a' * (cap // 2)}{'b' * (size - cap // 2)}"
            self.write(self.path("printed"), text)
            self.tracing_script("qemu", f"cat {self.path('printed')} >&2; exit 1")
            kept = text if size <= cap else f"{'a' * (cap // 2)}\n[... 1 bytes left out ...]\n{'b' * (cap // 2)}"
            with self.subTest(size=size):
                self.assertTrue(self.assert_error(self.by_method(domain()).wait(), "ScriptFailed").message.endswith(kept))
                reply = self.by_sealed_memfd(domain()).wait()
                details = self.assert_result(reply, "failed", 1, errors=kept, effect="abort",
                                             reason="qemu exited with status 1")
                self.assertTrue(details["message"].endswith(kept))
        self.end_other()


class Runs(CapsTestCase):
    """How many run and wait. The calls are about one object, so that all but the first wait."""

    def setUp(self):
        super().setUp()
        self.tracing_script("qemu", self.door.wait)

    def let_through(self, calls):
        self.door.open(len(calls))
        for call in calls:
            self.run_of(call.wait())

    def test_running(self):
        """One too many waits for its turn: that is no reason to refuse it."""
        self.start_with_other("MaxRunning=3")
        for way in self.ways:
            with self.subTest(way=way.__name__):
                calls = []
                for guest, counts in (("a", (2, 0)), ("b", (3, 0)), ("c", (3, 1))):
                    calls.append(way(domain(guest), guest=guest))
                    self.wait_counts(*counts)
                self.assertFalse(any(call.done for call in calls))
                self.let_through(calls)
                self.wait_counts(1, 0)
        self.end_other()

    def fill(self, way, cap, clients, setting):
        """A first one that runs, then as many that wait as may; returns them all."""
        calls = [way(domain(), client=clients[0])]
        self.wait_counts(2, 0)
        for number in range(cap):
            calls.append(way(domain(), client=clients[number % len(clients)]))
            self.wait_counts(2, number + 1)
        for refusing in self.ways:
            n_events = len(self.client.events)
            self.assert_limit(refusing(domain()).wait(), GUEST, setting)
            self.client.settle()
            self.assertEqual(len(self.client.events), n_events)
        self.assertFalse(any(call.done for call in calls))
        self.wait_counts(2, cap)
        return calls

    def test_waiting(self):
        """Whoever they are of."""
        clients = [self.new_client() for _ in range(3)]
        self.start_with_other("MaxWaiting=4")
        for way in self.ways:
            with self.subTest(way=way.__name__):
                calls = self.fill(way, 4, clients, "MaxWaiting=")
                # Who need not wait is served, and a place that is free again is given away.
                self.assert_return(self.client.hook("libxl", GUEST, "start", domain()))
                self.door.open()
                self.run_of(calls.pop(0).wait())
                self.wait_counts(2, 3)
                calls.append(way(domain()))
                self.wait_counts(2, 4)
                self.let_through(calls)
        self.end_other()

    def test_waiting_per_caller(self):
        """It is the connection that counts: another's call waits on, and one more of another's is taken."""
        self.start_with_other("MaxWaitingPerCaller=3")
        for way in self.ways:
            with self.subTest(way=way.__name__):
                calls = self.fill(way, 3, [self.client], "MaxWaitingPerCaller=")
                calls.append(way(domain(), client=self.new_client()))
                self.wait_counts(2, 4)
                self.let_through(calls)
        self.end_other()

    def test_nobody_waits(self):
        """At a cap of 0 a call is served at once or not at all."""
        for setting in ("MaxWaiting", "MaxWaitingPerCaller"):
            with self.subTest(setting=setting):
                service = self.start(f"[Bridge]\n{setting}=0\n")
                call = self.by_method(domain())
                self.wait_counts(1, 0)
                for way in (self.by_method, self.by_sealed_memfd):
                    self.assert_limit(way(domain()).wait(), f"{setting}=")
                self.let_through([call])
                service.stop()

    def send_unknown(self, service, *calls):
        """Each a client and its guests. The service has all of them before the bus has told it who sends them."""
        service.signal(signal.SIGSTOP)
        sent = []
        for client, guests in calls:
            sent += [self.by_method(domain(guest), client=client, guest=guest) for guest in guests]
            client.bus_call("GetId")  # the bus has passed them on
        service.signal(signal.SIGCONT)
        return sent

    def test_new_connection(self):
        """What comes before the bus has said whose it is waits behind the connection's first call."""
        for setting in ("MaxWaitingPerCaller", "MaxWaiting"):
            with self.subTest(setting=setting):
                service = self.start(f"[Bridge]\n{setting}=3\n")
                for count in (3, 4, 5):
                    calls = self.send_unknown(service, (self.new_client(), [f"guest-{number}" for number in range(count)]))
                    if count > 4:
                        self.assert_limit(calls.pop().wait(), f"{setting}=", "who calls")
                    self.wait_counts(len(calls), 0)
                    self.let_through(calls)
                service.stop()

    def test_new_connection_with_documents_to_come(self):
        """The first ones wait on, for their documents, and not the last."""
        service = self.start("[Bridge]\nMaxWaitingPerCaller=2\n")
        client = self.new_client()
        service.signal(signal.SIGSTOP)
        pipes = [self.pipe() for _ in range(3)]
        calls = [client.send_run("qemu", f"guest-{number}", "start", reader) for number, (reader, _) in enumerate(pipes)]
        client.bus_call("GetId")
        service.signal(signal.SIGCONT)
        self.assert_limit(calls.pop().wait(), "MaxWaitingPerCaller=", "guest-2")
        for number, (_, writer) in enumerate(pipes):
            os.write(writer, domain(f"guest-{number}").encode())
            os.close(writer)
        self.wait_counts(2, 0)
        self.let_through(calls)

    def test_new_connections_together(self):
        """MaxWaiting= is for all of them: a first call of each, and three more."""
        service = self.start("[Bridge]\nMaxWaiting=3\n")
        calls = self.send_unknown(service, (self.new_client(), "abc"), (self.new_client(), "def"))
        self.assert_limit(calls.pop().wait(), "MaxWaiting=", "who calls")
        self.wait_counts(5, 0)
        self.let_through(calls)

    def test_new_connections_take_nobodys_place(self):
        """What waits for its turn and what is not let in yet are counted apart."""
        service = self.start("[Bridge]\nMaxWaiting=1\n")
        calls = [self.by_method(domain()), self.by_method(domain())]
        self.wait_counts(1, 1)
        calls += self.send_unknown(service, (self.new_client(), "ab"))
        self.wait_counts(3, 1)
        self.let_through(calls)

    def test_copies_and_turns_are_counted_together(self):
        """A call that waits for its document takes the place of one that waits for its turn."""
        self.start_with_other("MaxWaiting=2")
        reader, writer = self.pipe()
        calls = [self.by_method(domain())]
        self.wait_counts(2, 0)
        slow = self.client.send_run("qemu", "slow", "start", reader)
        calls.append(self.by_method(domain()))
        self.wait_counts(2, 1)
        for way in self.ways:
            self.assert_limit(way(domain()).wait(), GUEST, "MaxWaiting=")
        os.write(writer, domain("slow").encode())
        os.close(writer)
        self.wait_counts(3, 1)
        calls.append(self.by_method(domain()))
        self.wait_counts(3, 2)
        self.assert_limit(self.by_method(domain()).wait(), GUEST, "MaxWaiting=")
        self.let_through([*calls, slow])
        self.end_other()

    def test_copies_count_as_waiting(self):
        """A document that does not come out of its pipe keeps a place, until its caller leaves."""
        self.start_with_other("MaxWaitingPerCaller=2\nMaxWaiting=3")
        clients = [self.new_client() for _ in range(3)]

        def send(client):
            reader, _writer = self.pipe()
            call = client.send_run("qemu", GUEST, "start", reader)
            os.close(reader)
            return call
        calls = [send(clients[0]), send(clients[0])]
        self.assert_limit(send(clients[0]).wait(), "MaxWaitingPerCaller=")
        calls.append(send(clients[1]))
        # The service has taken that one when it answers a later message of the same connection.
        clients[1].settle()
        self.assert_limit(send(clients[2]).wait(), "MaxWaiting=")
        self.assertFalse(any(call.done for call in calls))
        clients[0].close()
        wait_until(lambda: clients[0].name in self.client.gone, "the caller to be gone")
        calls = [self.by_pipe(domain(), client=clients[2])]
        self.wait_traced(f"qemu {GUEST} start begin -")
        self.let_through(calls)
        self.end_other()


class History(CapsTestCase):
    def runs(self, state="finished"):
        return [run for run in self.assert_return(self.client.call("ListRuns", {})).values[0] if run["state"] == state]

    def test_runs(self):
        """The oldest goes; what runs is none of the history's."""
        self.start_with_other("HistoryRuns=3")
        ids = []
        for way in (self.by_method, self.by_sealed_memfd, self.by_pipe, self.by_method):
            ids.append(self.run_of(way(domain()).wait()))
            self.client.finished(ids[-1])
            self.assertEqual([run["run"] for run in self.runs()], ids[-3:][::-1])
        self.assert_error(self.client.call("GetRun", ids[0]), "NoSuchRun")
        self.assertEqual(len(self.runs("running")), 1)
        self.end_other()

    def test_bytes(self):
        """What the runs' scripts wrote counts: as many are kept as fit, to the byte."""
        self.tracing_script("qemu", "printf '%01000d' 0 >&2; exit 1")
        self.start_with_other("HistorySize=1M")

        def kept(size):
            self.write(self.path("virt-hooks.conf"), f"[Bridge]\nHistorySize={size}\n")
            self.assert_return(self.client.call("Reload"))
            for _ in range(4):
                self.client.finished(self.assert_error(self.by_method(domain()).wait(), "ScriptFailed").run)
            return len(self.runs())
        low, high = 3000, 1 << 20
        self.assertEqual((kept(low) < 3, kept(high) > 3), (True, True))
        # The least size that keeps three.
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if kept(middle) >= 3 else (middle, high)
        self.assertEqual([kept(high - 1), kept(high), kept(high + 1)], [2, 3, 3])
        self.end_other()


if __name__ == "__main__":
    tap.main()
