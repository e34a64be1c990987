# SPDX-License-Identifier: MIT
"""What the BPF programs capture of a small client (traps.c): bytes, positions, reasons of loss, and whose they are."""

import contextlib
import errno
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / os.environ.get("BUILD", "build") / "tests"
CGROUPS = Path("/sys/fs/cgroup/unified")

UNREADABLE, FOREIGN, MULTI, TRUNCATED, TOO_LONG = 2, 3, 4, 5, 6
LAST, FIN, BEFORE = 1, 2, 4
ESTABLISHED, SYN_SENT, CLOSE = 1, 2, 7
MODULUS = 1 << 32

# tests/vm runs these tests in each attach mode, on an emulated processor.
MODE = os.environ.get("MO_ATTACH", "tracepoint")
SECONDS = int(os.environ.get("MO_TEST_SECONDS", "30"))


@pytest.fixture(autouse=True)
def time_limit():
    """A client that waits for bytes which never come fails its test instead of stopping all of them."""
    def expired(_signum, _frame):
        raise TimeoutError(f"{SECONDS} s are over")
    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="module", autouse=True)
def programs():
    if os.getuid():
        pytest.skip("BPF programs need root")
    if "MO_NO_BUILD" not in os.environ:
        subprocess.run(["make", "-s", "-C", ROOT, "test-programs"], check=True)


def stream(start, length):
    """A part of the stream that traps.c sends; ours is the same."""
    return bytes((i * 7 + i // 256) % 256 for i in range(start, start + length))


class Record:
    def __init__(self, line):
        self.kind, *fields = line.split(" ")
        for field in fields:
            name, _, value = field.partition("=")
            if name == "data":
                setattr(self, name, bytes.fromhex(value))
            else:
                setattr(self, name, int(value) if value.lstrip("-").isdigit() else value)
        self.line = line[:300]

    def __repr__(self):
        return self.line


class Commanded:
    """A program that answers a command a line."""

    def __init__(self, argv):
        self.child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def hear(self):
        line = self.child.stdout.readline()
        assert line, f"{self.child.args[0]} ended"
        return line.rstrip("\n")

    def stop(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.kill()
        self.child.wait()


class Dump(Commanded):
    """probe_dump: what the probe hands on."""

    def __init__(self, *arguments):
        super().__init__([os.environ.get("MO_PROBE_DUMP", PROGRAMS / "probe_dump"), f"attach={MODE}", *arguments])
        self.records = []
        assert self.hear() == "ready"

    def command(self, line):
        self.say(line)
        while (heard := self.hear()) != ".":
            assert not heard.startswith("error"), heard
            self.records.append(Record(heard))
        return self.records

    def drain(self):
        return [r for r in self.command("drain") if r.kind != "totals"]

    def totals(self):
        return [r for r in self.command("totals") if r.kind == "totals"][-1]

    def hold(self):
        self.command("hold")

    def socket_of(self, port_of_server):
        found = {r.sock for r in self.drain() if r.kind == "open" and r.remote.endswith(f":{port_of_server}")}
        assert len(found) == 1, self.records
        return found.pop()


class Client(Commanded):
    """traps: what it is told to do with its connection."""

    def __init__(self, prefix=(), program=None):
        super().__init__([*prefix, program or PROGRAMS / "traps"])

    def start(self, line):
        self.say(line)

    def result(self):
        n, error = self.hear().split()
        return int(n) if int(n) >= 0 else -int(error)

    def do(self, line):
        self.start(line)
        return self.result()


class Pair:
    """A client, the server's end of its connection, and what was captured of it."""

    def __init__(self, dump, client, listener, host):
        self.dump, self.client, self.port = dump, client, listener.getsockname()[1]
        assert client.do(f"connect {host} {self.port}") == 0
        self.server, self.peer = listener.accept()
        self.server.settimeout(20)
        self.sent_by_server = 0

    def serve(self, length):
        self.server.sendall(stream(self.sent_by_server, length))
        self.sent_by_server += length

    def eat(self, length):
        got = b""
        while len(got) < length:
            got += self.server.recv(length - len(got))
        return got

    def records(self, kind=None, direction=None):
        sock = self.dump.socket_of(self.port)
        return [r for r in self.dump.drain() if r.sock == sock and kind in (None, r.kind)
                and direction in (None, r.direction)]

    def data(self, direction):
        return self.records("data", direction)

    def base(self, direction):
        """The position of the first byte: that of the change to ESTABLISHED."""
        state = next(r for r in self.records("state") if r.new == ESTABLISHED)
        return state.send_pos if direction == "send" else state.recv_pos

    def captured(self, direction):
        """The captured bytes, after checking that the records stand for one unbroken stream."""
        position, got = self.base(direction), b""
        for r in self.data(direction):
            assert r.pos == position, (r, position)
            assert (r.loss, r.captured, len(r.data)) == (0, r.len, r.len), r
            position = (position + r.len) % MODULUS
            got += r.data
        return got

    def losses(self, direction):
        return [(r.loss, r.len) for r in self.data(direction) if r.loss]

    def check_positions(self, direction):
        position = self.base(direction)
        for r in self.data(direction):
            assert r.pos == position, (r, position)
            position = (position + r.len) % MODULUS
        return (position - self.base(direction)) % MODULUS


@contextlib.contextmanager
def listening(family=socket.AF_INET, host="127.0.0.1"):
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen(64)
        listener.settimeout(20)
        yield listener


@contextlib.contextmanager
def stopping(thing):
    try:
        yield thing
    finally:
        thing.stop()


@pytest.fixture
def listener():
    with listening() as it:
        yield it


def everything_to(listener, host="::ffff:127.0.0.1"):
    return f"[{host}]/128:{listener.getsockname()[1]}"


@pytest.fixture
def dump(listener):
    with stopping(Dump("comm=traps", everything_to(listener))) as it:
        yield it


@pytest.fixture
def client():
    with stopping(Client()) as it:
        yield it


@pytest.fixture
def pair(dump, client, listener):
    it = Pair(dump, client, listener, "127.0.0.1")
    yield it
    it.server.close()


SENDS = ["write 200", "send 1", "send 128", "send 129", "send 32768", "send 32769", "send 300000", "writev 300 3",
         "writev 1024 1024", "writev 70000 2", "writev 10 1024", "pwritev2 300 3", "sendmsg 300 1", "sendmsg 5000 7",
         "sendmmsg 300 1"]


@pytest.mark.parametrize("how", SENDS)
def test_what_a_send_moved_is_captured_whole(pair, how):
    length = int(how.split()[1])
    reader = threading.Thread(target=pair.eat, args=(length + 10,))
    reader.start()
    assert pair.client.do(how) == length
    assert pair.client.do("send 10") == 10
    reader.join()
    assert pair.captured("send") == stream(0, length + 10)
    assert [r for r in pair.data("send") if r.flags & LAST][0].pos != pair.data("send")[-1].pos


RECEIVES = ["read 200", "recv 1", "recv 128", "recv_all 32769", "recv_all 300000", "readv 300 3", "readv 1024 1024",
            "readv 10 1024", "preadv2 300 3", "recvmsg 300 1", "recvmsg 5000 7", "recvmmsg 300 1"]


@pytest.mark.parametrize("how", RECEIVES)
def test_what_a_receive_moved_is_captured_whole(pair, how):
    length = int(how.split()[1])
    writer = threading.Thread(target=pair.serve, args=(length,))
    writer.start()
    got = pair.client.do(how)
    writer.join()
    while got < length:
        got += pair.client.do(f"recv {length - got}")
    assert got == length
    assert pair.captured("recv") == stream(0, length)


def test_a_receive_into_a_larger_buffer_takes_only_what_came(pair):
    pair.serve(100)
    assert pair.client.do("recv 100000") == 100
    pair.serve(100)
    assert pair.client.do("readv 100000 4") == 100
    assert pair.captured("recv") == stream(0, 200)


# The tracepoints show the socket only; the functions of the other modes also the message, which tells what the registers
# do not.
SENDS_IN_MESSAGES = ["sendmmsg 300 2", "uring_send 300", "uring_send 300 2"]
RECEIVES_IN_MESSAGES = ["recvmmsg 300 2", "uring_recv 300", "uring_recv 300 2"]

if MODE != "tracepoint":
    @pytest.mark.parametrize("how", SENDS_IN_MESSAGES)
    def test_a_send_that_the_registers_do_not_show_is_captured_by_its_message(pair, how):
        assert pair.client.do(how) == 300
        assert pair.client.do("send 10") == 10
        pair.eat(310)
        assert pair.captured("send") == stream(0, 310)

    @pytest.mark.parametrize("how", RECEIVES_IN_MESSAGES)
    def test_a_receive_that_the_registers_do_not_show_is_captured_by_its_message(pair, how):
        pair.serve(310)
        assert pair.client.do(how) == 300
        assert pair.client.do("recv 10") == 10
        assert pair.captured("recv") == stream(0, 310)


def out_of_reach(*cases):
    """Those that are in this attach mode. In 6.1, sendfile and splice reach the socket by a function of their own."""
    seen = SENDS_IN_MESSAGES + RECEIVES_IN_MESSAGES
    if os.uname().release.startswith("6.1."):
        seen += ["sendfile 300", "splice_to 300"]
    return [case for case in cases if MODE == "tracepoint" or case[0] not in seen]


@pytest.mark.parametrize("how, reason", out_of_reach(("sendmmsg 300 2", MULTI), ("sendfile 300", FOREIGN),
                                                     ("splice_to 300", FOREIGN), ("uring_send 300", FOREIGN),
                                                     ("uring_send 300 2", FOREIGN)))
def test_a_send_whose_bytes_are_out_of_reach_is_lost_for_its_reason(pair, how, reason):
    assert pair.client.do(how) == 300
    assert pair.client.do("send 10") == 10
    pair.eat(310)
    losses = pair.losses("send")
    assert {loss for loss, _ in losses} == {reason}
    assert sum(length for _, length in losses) == 300
    assert pair.check_positions("send") == 310
    assert pair.data("send")[-1].data == stream(300, 10)
    assert getattr(pair.dump.totals(), f"lost{reason}") == 300


@pytest.mark.parametrize("how, reason", out_of_reach(("recvmmsg 300 2", MULTI), ("truncate 300", TRUNCATED),
                                                     ("uring_recv 300", FOREIGN), ("uring_recv 300 2", FOREIGN)))
def test_a_receive_whose_bytes_are_out_of_reach_is_lost_for_its_reason(pair, how, reason):
    pair.serve(310)
    assert pair.client.do(how) == 300
    assert pair.client.do("recv 10") == 10
    losses = pair.losses("recv")
    assert {loss for loss, _ in losses} == {reason}
    assert sum(length for _, length in losses) == 300
    assert pair.check_positions("recv") == 310
    assert pair.data("recv")[-1].data == stream(300, 10)


def test_io_uring_that_finishes_during_another_call_is_not_taken_for_that_call(pair):
    pair.client.start("uring_recv_late 300")
    assert pair.client.hear() == "waiting"
    pair.serve(300)
    assert pair.client.result() == 300
    if MODE == "tracepoint":
        assert pair.losses("recv") == [(FOREIGN, 300)]
    else:
        assert pair.captured("recv") == stream(0, 300)


def test_splice_from_a_socket_shows_as_a_jump_of_the_position(pair):
    pair.serve(310)
    assert pair.client.do("splice_from 300") == 300
    assert pair.client.do("recv 10") == 10
    [record] = pair.data("recv")
    assert (record.pos - pair.base("recv")) % MODULUS == 300
    assert record.data == stream(300, 10)


def test_peeks_and_the_error_queue_move_nothing(pair):
    pair.serve(100)
    assert pair.client.do("peek 50") == 50
    assert pair.client.do("error_queue") == -errno.EAGAIN
    assert pair.data("recv") == []
    assert pair.client.do("recv 100") == 100
    assert pair.captured("recv") == stream(0, 100)


def test_a_call_of_more_than_the_bound_is_captured_up_to_it(pair):
    length = (4 << 20) + 5000
    reader = threading.Thread(target=pair.eat, args=(length + 10,))
    reader.start()
    assert pair.client.do(f"send {length}") == length
    assert pair.client.do("send 10") == 10
    reader.join()
    assert pair.losses("send") == [(TOO_LONG, 5000)]
    assert pair.check_positions("send") == length + 10
    assert b"".join(r.data for r in pair.data("send")) == stream(0, 4 << 20) + stream(length, 10)


def test_a_partial_send_counts_what_the_kernel_took(pair):
    taken = pair.client.do("send_now 16000000")
    assert 0 < taken < 16000000
    assert pair.check_positions("send") == taken
    while (more := pair.client.do("send_now 1000000")) > 0:
        taken += more
    assert more == -errno.EAGAIN
    assert pair.check_positions("send") == taken
    assert pair.data("send")[0].data == stream(0, 32768)


def test_memory_that_is_gone_when_the_send_returns_is_unreadable_and_the_rest_is_not(pair):
    length = 8 << 20
    pair.client.start(f"send_unreadable {length}")
    assert pair.client.hear() == "waiting"
    pair.eat(4096)  # the kernel has taken the first page
    pair.client.say("go")
    assert pair.client.hear() == "protected"
    pair.eat(length - 4096)
    assert pair.client.result() == length
    assert pair.losses("send") == [(UNREADABLE, 32768), (TOO_LONG, length - (4 << 20))]
    assert pair.check_positions("send") == length
    assert b"".join(r.data for r in pair.data("send")) == stream(32768, (4 << 20) - 32768)


def test_memory_that_is_gone_when_the_receive_returns_is_unreadable(pair):
    pair.client.start("recv_unreadable 40000")
    assert pair.client.hear() == "waiting"
    pair.serve(32768)
    wait_until_read(pair)
    pair.client.say("go")
    assert pair.client.hear() == "protected"
    pair.serve(40000 - 32768)
    assert pair.client.result() == 40000
    assert pair.losses("recv") == [(UNREADABLE, 32768)]
    assert pair.data("recv")[-1].data == stream(32768, 40000 - 32768)


def wait_until_read(pair):
    """Until the client's kernel buffer is empty, which its peer cannot see: ask for the queue's length."""
    port = pair.peer[1]
    while True:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == port and fields[4].split(":")[1] == "00000000":
                return


def test_the_end_of_the_stream_is_told_and_not_counted_as_a_byte(pair):
    pair.serve(100)
    pair.server.shutdown(socket.SHUT_WR)
    wait_for_fin(pair)
    assert pair.client.do("recv 50") == 50
    assert pair.client.do("recv 1000") == 50  # the data and the FIN in one call
    assert pair.client.do("recv 1000") == 0
    assert pair.client.do("recv 1000") == 0
    assert pair.captured("recv") == stream(0, 100)
    assert [r.flags & FIN for r in pair.data("recv")] == [FIN, FIN]
    assert {(r.recv_pos - pair.base("recv")) % MODULUS for r in pair.data("recv")} == {50, 100}
    [eof] = pair.records("eof")
    assert (eof.error, (eof.recv_pos - pair.base("recv")) % MODULUS) == (0, 100)


def wait_for_fin(pair):
    while not any(r.new == 8 for r in pair.records("state")):  # CLOSE_WAIT
        pass


def test_a_receive_of_no_bytes_is_not_the_end(pair):
    assert pair.client.do("recv_now 10") == -errno.EAGAIN
    pair.serve(1)
    assert pair.client.do("recv 0") == 0
    pair.server.shutdown(socket.SHUT_WR)
    wait_for_fin(pair)
    assert pair.client.do("recv 0") == 0
    assert pair.records("eof") == []
    assert pair.client.do("recv 10") == 1
    assert pair.captured("recv") == stream(0, 1)


def test_our_own_fin_is_not_counted_as_a_byte(pair):
    assert pair.client.do("send 10") == 10
    assert pair.client.do("shutdown 1") == 0
    pair.eat(10)
    pair.serve(10)
    assert pair.client.do("recv 10") == 10
    [record] = pair.data("recv")
    assert (record.send_pos - pair.base("send")) % MODULUS == 10


def test_a_reset_is_told_as_a_state_an_error_and_an_end_of_its_own(pair):
    pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pair.server.close()
    assert pair.client.do("recv 10") == -errno.ECONNRESET
    closed = [r for r in pair.records("state") if r.new == CLOSE]
    assert [r.error for r in closed] == [errno.ECONNRESET]
    assert [r.error for r in pair.records("eof")] == [errno.ECONNRESET]
    assert pair.records("end") == []  # the client still holds it
    assert pair.client.do("close") == 0
    assert len(pair.records("end")) == 1
    assert pair.records()[-1].kind == "end"


def test_a_close_ends_with_one_end(pair):
    assert pair.client.do("send 10") == 10
    assert pair.client.do("close") == 0
    pair.eat(10)
    pair.server.close()
    while not pair.records("end"):
        pass
    assert [r.kind for r in pair.records()].count("end") == 1
    assert pair.records()[0].kind == "open"


def test_a_connection_is_announced_first_and_by_its_addresses(pair):
    first, second = pair.records()[:2]
    assert (first.kind, first.state, first.flags, first.tgid) == ("open", SYN_SENT, 0, pair.client.child.pid)
    assert first.remote == f"[::ffff:127.0.0.1]:{pair.port}"
    assert first.netns == os.stat("/proc/self/ns/net").st_ino
    assert (second.kind, second.old, second.new, second.error) == ("state", SYN_SENT, ESTABLISHED, 0)
    assert second.acked == 1


@pytest.mark.parametrize("family, host, remote, target", [
    (socket.AF_INET6, "::1", "::1", "[::1]/128"),
    (socket.AF_INET, "::ffff:127.0.0.1", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]/128"),
    (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1", "[::ffff:127.0.0.0]/104"),
    (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1", "[::]/0")])
def test_every_kind_of_address_is_followed(client, family, host, remote, target):
    with listening(family, host.removeprefix("::ffff:")) as listener:
        port = listener.getsockname()[1]
        with stopping(Dump("comm=traps", f"{target}:{port}")) as dump:
            pair = Pair(dump, client, listener, host)
            assert client.do("send 10") == 10
            pair.serve(10)
            assert client.do("recv 10") == 10
            assert pair.captured("send") == pair.captured("recv") == stream(0, 10)
            assert pair.records("open")[0].remote == f"[{remote}]:{port}"
            pair.server.close()


@pytest.mark.parametrize("target", ["[::ffff:127.0.0.2]/128", "[::ffff:126.0.0.0]/104", "[::1]/128"])
def test_an_address_that_is_no_target_is_not_followed(client, listener, target):
    with stopping(Dump("comm=traps", f"{target}:{listener.getsockname()[1]}")) as dump:
        assert client.do(f"connect 127.0.0.1 {listener.getsockname()[1]}") == 0
        assert client.do("send 10") == 10
        assert dump.drain() == []


def test_another_port_is_not_followed(client, listener, dump):
    with listening() as other:
        assert client.do(f"connect 127.0.0.1 {other.getsockname()[1]}") == 0
        assert client.do("send 10") == 10
        assert dump.drain() == []


def test_the_servers_end_of_a_connection_is_not_followed(listener):
    """Here the filter lets our own process in, which only accepts."""
    target = everything_to(listener)
    with stopping(Dump(f"pid={os.getpid()}", target, "[::ffff:127.0.0.1]/128:1")) as dump:
        with stopping(Client(prefix=["setsid", "--fork", "setsid"])) as client:
            client.child.wait(20)
            assert client.do(f"connect 127.0.0.1 {listener.getsockname()[1]}") == 0
            server, _ = listener.accept()
            server.sendall(b"x")
            assert client.do("recv 1") == 1
            server.close()
        assert dump.drain() == []
        dump.command("scan")
        assert dump.drain() == []


def test_a_refused_connect_closes_with_its_error(dump, client, listener):
    port = listener.getsockname()[1]
    listener.close()
    assert client.do(f"connect 127.0.0.1 {port}") == -errno.ECONNREFUSED
    sock = dump.socket_of(port)
    [state] = [r for r in dump.drain() if r.kind == "state" and r.sock == sock]
    assert (state.old, state.new, state.error, state.acked) == (SYN_SENT, CLOSE, errno.ECONNREFUSED, 0)


def test_a_socket_that_connects_again_is_a_new_one(dump, client, listener):
    port = listener.getsockname()[1]
    listener.close()
    assert client.do(f"connect 127.0.0.1 {port}") == -errno.ECONNREFUSED
    assert client.do(f"connect 127.0.0.1 {port}") == -errno.ECONNREFUSED
    assert client.do("close") == 0
    records = dump.drain()
    opened = [r.sock for r in records if r.kind == "open"]
    assert len(opened) == len(set(opened)) == 2
    assert [r.sock for r in records if r.kind == "end"] == opened


def test_a_non_blocking_connect_is_followed(dump, client, listener):
    assert client.do(f"connect_now 127.0.0.1 {listener.getsockname()[1]}") == -errno.EINPROGRESS
    server, _ = listener.accept()
    with server:
        assert client.do("send 10") == 10
    assert [r.data for r in dump.drain() if r.kind == "data"] == [stream(0, 10)]


def test_an_abandoned_connect_closes_without_an_error(client):
    with listening() as full:
        full.listen(0)
        port = full.getsockname()[1]
        with stopping(Dump("comm=traps", everything_to(full))) as dump, contextlib.ExitStack() as stack:
            for _ in range(3):  # until the backlog is full and a SYN gets no answer
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            assert client.do(f"connect_now 127.0.0.1 {port}") == -errno.EINPROGRESS
            assert client.do("close") == 0
            opened, state, end = dump.drain()
            assert (opened.kind, state.kind, end.kind) == ("open", "state", "end")
            assert (state.old, state.new, state.error, state.acked) == (SYN_SENT, CLOSE, 0, 0)


def test_a_connection_stays_followed_in_forked_children_and_other_threads(pair):
    assert pair.client.do("send 10") == 10
    assert pair.client.do("send_child 10") == 10
    pair.client.do("send_thread 10")
    pair.eat(30)
    records = pair.data("send")
    assert [r.len for r in records] == [10, 10, 10]
    assert records[0].tgid == records[2].tgid == pair.client.child.pid
    assert records[1].tgid not in (0, pair.client.child.pid)


def test_connections_that_existed_before_are_found(client, listener):
    port = listener.getsockname()[1]
    assert client.do(f"connect 127.0.0.1 {port}") == 0
    server, _ = listener.accept()
    assert client.do("send 10") == 10
    with stopping(Dump("comm=traps", everything_to(listener))) as dump:
        [opened] = dump.drain()
        assert (opened.kind, opened.flags, opened.state) == ("open", BEFORE, ESTABLISHED)
        assert opened.tgid == client.child.pid
        assert client.do("send 20") == 20
        record = dump.drain()[-1]
        assert (record.pos, record.data) == (opened.send_pos, stream(10, 20))
        dump.command("scan")
        assert [r.kind for r in dump.drain()] == ["open", "data"]
    server.close()


def test_a_wider_filter_finds_the_rest_with_a_scan(client, listener):
    port = listener.getsockname()[1]
    assert client.do(f"connect 127.0.0.1 {port}") == 0
    with stopping(Dump("comm=other", everything_to(listener))) as dump:
        assert dump.drain() == []
        dump.command(f"filter comm=traps {everything_to(listener)}")
        dump.command("scan")
        assert [r.kind for r in dump.drain()] == ["open"]


def is_followed(dump, client, listener):
    """Connects the client and tells whether the probe saw it."""
    before = len(dump.drain())
    assert client.do(f"connect 127.0.0.1 {listener.getsockname()[1]}") == 0
    server, _ = listener.accept()
    server.close()
    return len(dump.drain()) > before


@pytest.fixture
def other_program(tmp_path):
    """The same client as another file and by another name."""
    return shutil.copy(PROGRAMS / "traps", tmp_path / "traps-other")


def test_other_processes_to_the_same_address_are_not_followed(dump, client, listener, other_program):
    with stopping(Client(program=other_program)) as other:
        assert not is_followed(dump, other, listener)
    assert is_followed(dump, client, listener)


def test_a_restarted_proxy_is_followed_again(dump, listener):
    for _ in range(3):
        with stopping(Client()) as client:
            assert is_followed(dump, client, listener)


def test_the_executable_selects(listener, other_program, client):
    with stopping(Dump(f"exe={other_program}", everything_to(listener))) as dump:
        assert not is_followed(dump, client, listener)
        with stopping(Client(program=other_program)) as other:
            assert is_followed(dump, other, listener)


def test_the_pid_selects_a_process_and_what_it_forked(listener, client):
    with stopping(Dump(f"pid={client.child.pid}", everything_to(listener))) as dump:
        with stopping(Client()) as other:
            assert not is_followed(dump, other, listener)
        assert is_followed(dump, client, listener)
    parent = subprocess.Popen(["sh", "-c", f"{PROGRAMS}/traps; :"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    with stopping(Dump(f"pid={parent.pid}", everything_to(listener))) as dump:
        child = Client.__new__(Client)
        child.child = parent
        with stopping(child):
            assert is_followed(dump, child, listener)


def test_all_selectors_must_hold(listener, client, other_program):
    with stopping(Dump(f"exe={other_program}", "comm=traps", everything_to(listener))) as dump:
        assert not is_followed(dump, client, listener)
        with stopping(Client(program=other_program)) as other:
            assert not is_followed(dump, other, listener)


@pytest.fixture
def cgroup():
    if not (CGROUPS / "cgroup.procs").exists():
        pytest.skip(f"no cgroup v2 at {CGROUPS}")
    path = CGROUPS / f"mo-capture-{os.getpid()}"
    inner = path / "inner"
    inner.mkdir(parents=True)
    yield path
    for directory in (inner, path):
        directory.rmdir()


@pytest.mark.parametrize("place", [".", "inner"])
def test_the_cgroup_selects_what_is_in_it_or_below(listener, client, cgroup, place):
    with stopping(Dump(f"cgroup={cgroup}", everything_to(listener))) as dump:
        assert not is_followed(dump, client, listener)
        with stopping(Client()) as inside:
            (cgroup / place / "cgroup.procs").write_text(str(inside.child.pid))
            assert is_followed(dump, inside, listener)
            dump.command("scan")
    assert not any(p for p in (cgroup / place / "cgroup.procs").read_text().split())


@contextlib.contextmanager
def in_namespaces():
    """A client with its own pid, mount and network namespace and a listener of ours in the latter."""
    with stopping(Client(prefix=["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c",
                                 f"ip link set lo up && exec {PROGRAMS}/traps"])) as client:
        assert client.do("recv 0") < 0  # it is there
        yield client


def listen_in_namespace_of(pid):
    made = []

    def make():
        with open(f"/proc/{pid}/ns/net") as namespace:
            libc_setns(namespace.fileno())
            made.append(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    made[0].settimeout(20)
    return made[0]


def libc_setns(fd):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0):
        raise OSError(ctypes.get_errno(), "setns")


def child_of(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@pytest.mark.parametrize("selector", ["comm", "exe", "pid"])
def test_a_proxy_in_namespaces_of_its_own_is_followed(selector):
    with in_namespaces() as client:
        inside = child_of(client.child.pid)
        argument = {"comm": "comm=traps", "exe": f"exe={PROGRAMS / 'traps'}", "pid": f"pid={inside}"}[selector]
        with listen_in_namespace_of(inside) as listener, \
                stopping(Dump(argument, everything_to(listener))) as dump:
            assert is_followed(dump, client, listener)
            opened = dump.drain()[0]
            assert opened.netns == os.stat(f"/proc/{inside}/ns/net").st_ino
            assert opened.tgid == inside


def test_a_connection_in_another_network_namespace_is_found_by_the_scan():
    with in_namespaces() as client:
        inside = child_of(client.child.pid)
        with listen_in_namespace_of(inside) as listener:
            assert client.do(f"connect 127.0.0.1 {listener.getsockname()[1]}") == 0
            with stopping(Dump("comm=traps", everything_to(listener))) as dump:
                [opened] = dump.drain()
                assert (opened.flags, opened.tgid) == (BEFORE, inside)


def test_a_full_ring_is_counted_by_connection_and_in_all_and_keeps_room_for_control(listener, client):
    with stopping(Dump("ring=65536", "comm=traps", everything_to(listener))) as dump:
        pair = Pair(dump, client, listener, "127.0.0.1")
        dump.hold()
        for _ in range(100):
            assert client.do("send 1000") == 1000
        pair.eat(100000)
        assert client.do("close") == 0
        pair.server.close()
        dump.drain()
        while not pair.records("end"):
            pass
        got = pair.data("send")
        assert 0 < len(got) < 100
        assert b"".join(r.data for r in got) == stream(0, 1000 * len(got))
        totals = dump.totals()
        assert totals.lost1 == 100000 - 1000 * len(got)
        assert totals.lost_control == 0
        assert (totals.events, totals.bytes) == (len(got), 1000 * len(got))


def test_a_gap_of_the_ring_shows_by_position_and_by_count(listener, client):
    with stopping(Dump("ring=65536", "comm=traps", everything_to(listener))) as dump:
        pair = Pair(dump, client, listener, "127.0.0.1")
        dump.hold()
        for _ in range(100):
            assert client.do("send 1000") == 1000
        dump.drain()
        before = pair.data("send")[-1]
        assert client.do("send 10") == 10
        last = pair.data("send")[-1]
        gap = (last.pos - before.pos - before.len) % MODULUS
        assert gap == last.missed == dump.totals().lost1 > 0
        assert last.data == stream(100000, 10)
        pair.server.close()


def test_a_smaller_piece_splits_a_call_and_marks_its_last(listener, client):
    with stopping(Dump("piece=100", "comm=traps", everything_to(listener))) as dump:
        pair = Pair(dump, client, listener, "127.0.0.1")
        assert client.do("send 250") == 250
        assert [(r.len, r.flags & LAST) for r in pair.data("send")] == [(100, 0), (100, 0), (50, LAST)]
        assert pair.captured("send") == stream(0, 250)
        pair.server.close()


def test_nothing_is_left_when_the_observer_is_killed(client, listener):
    dump = Dump("comm=traps", everything_to(listener))
    before = attached_programs(dump.child.pid)
    assert before
    dump.child.send_signal(signal.SIGKILL)
    dump.stop()
    assert client.do(f"connect 127.0.0.1 {listener.getsockname()[1]}") == 0
    assert client.do("send 10") == 10
    gone = set(before)
    while gone & set(all_programs()):
        pass


def all_programs():
    shown = subprocess.run(["bpftool", "prog", "show"], capture_output=True, text=True, check=True).stdout
    return [int(line.split(":")[0]) for line in shown.splitlines() if line[0].isdigit()]


def attached_programs(pid):
    ids = []
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        ids += [int(line.split()[1]) for line in entry.read_text().splitlines() if line.startswith("prog_id")]
    return ids


def test_without_privilege_the_error_says_what_is_missing(listener):
    run = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", PROGRAMS / "probe_dump", "comm=traps",
                          everything_to(listener)], capture_output=True, text=True)
    assert run.returncode == 4
    assert "CAP_BPF" in run.stderr and run.stderr.count("\n") == 1


def test_capture_goes_on_after_privileges_were_dropped(listener, client):
    with stopping(Dump("comm=other", everything_to(listener))) as dump:
        dump.command("drop")
        assert not is_followed(dump, client, listener)
        assert client.do("close") == 0
        dump.command(f"filter comm=traps {everything_to(listener)}")
        assert is_followed(dump, client, listener)
        assert client.do("send 10") == 10
        assert [r.data for r in dump.drain() if r.kind == "data"] == [stream(0, 10)]
        assert dump.totals().bytes == 10


def check_host(*prefix):
    return subprocess.run([*prefix, PROGRAMS / "probe_dump", "check", MODE], capture_output=True, text=True)


def test_a_host_that_is_fit_is_checked_by_attaching_and_nothing_stays():
    run = check_host()
    assert run.returncode == 0, run.stdout
    assert f"attach mode: {MODE}" in run.stdout
    assert f"kernel: Linux {os.uname().release}" in run.stdout
    assert run.stderr == ""


def test_a_host_that_is_not_fit_is_told_why_in_one_sentence():
    run = check_host("setpriv", "--reuid", "65534", "--clear-groups")
    assert run.returncode == 4
    [why] = [line for line in run.stdout.splitlines() if line.startswith("not usable: ")]
    assert "CAP_BPF" in why


def test_two_capabilities_are_enough():
    caps = "-all,+bpf,+perfmon"
    if MODE == "kprobe" and int(Path("/proc/sys/kernel/perf_event_paranoid").read_text()) > 2:
        caps += ",+sys_admin"  # Debian's kernels ask for it then
    run = check_host("setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", caps, "--ambient-caps", caps)
    assert run.returncode == 0, run.stdout
