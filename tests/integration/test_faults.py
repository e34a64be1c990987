# SPDX-License-Identifier: MIT
"""A real PostgreSQL that fails under the proxy's hands: each outcome is right, and counted once."""

import os
import signal

import psycopg
import pytest
from conftest import lone_server, mirror_alone
from counted import counted, eventually
from harness import free_port, wait_for
from harness.actor import Actor
from harness.observer import BINARY

COMM = "acting"
OPEN = "c = wire.Client(('127.0.0.1', {port})); c.startup(user='postgres', database='app'); clients.append(c)"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server():
    with lone_server() as it:
        yield it


@pytest.fixture
def watch(server, observe_comm):
    """watch(**keys of the cluster): an observer that takes the server for a mirror."""
    return lambda address=None, **keys: observe_comm(COMM, mirror_alone(address or server, **keys))


class Proxy(Actor):
    """clients[i] in its namespace is the i-th connection that open() made."""

    def __init__(self, server):
        super().__init__(COMM)
        self.server = server
        self.run("clients = []")

    def open(self, times=1):
        for _ in range(times):
            self.run(OPEN.format(port=self.server.port))

    def ask(self, sql, client=-1):
        """The answer's kinds of messages as one string."""
        return self.get(f"''.join(k for k, _ in clients[{client}].ask(wire.query({sql!r})))")

    def send(self, sql, client=-1):
        """Without waiting for the answer."""
        self.run(f"clients[{client}].send(wire.query({sql!r}))")

    def last_words(self, client=-1):
        """What still comes until the server's end, closing then."""
        return self.get(f"(''.join(k for k, _ in clients[{client}].until_closed()), clients[{client}].close())[0]")

    def backend(self, client=-1):
        return self.get(f"clients[{client}].pid")


@pytest.fixture
def proxy(server):
    with Proxy(server) as it:
        yield it


def running(server, text):
    """Once a statement that begins so runs: the server has it."""
    wait_for(lambda: server.query("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s",
                                  database="postgres", parameters=(text + "%",)), f"{text} to run")


def gone(metrics):
    return "connections" not in counted(metrics)


def ended(observer):
    """Metrics once all has been counted and no connection is open."""
    observer.settled()
    return eventually(observer, gone, "the connections to be gone")


# An idle connection, one in an idle transaction, one in a statement: what every end of a server means for them.
def three_states(server, proxy):
    proxy.open(3)
    proxy.ask("SELECT 1", 0)
    proxy.ask("BEGIN", 1)
    proxy.ask("SELECT 1", 1)
    proxy.send("SELECT pg_sleep(60)", 2)
    running(server, "SELECT pg_sleep(60)")


ENDED = {
    "attempts": {"ok": 3},
    "requests": {"success": 1, "failure": 2},
    "failures": {"connection": 2},
    "statements": {"success": 3, "failure": 1},
}


@pytest.mark.parametrize("number, errors", [(signal.SIGINT, {"57P01": 3}), (signal.SIGQUIT, {})], ids=["fast", "immediate"])
def test_a_mirror_that_is_stopped_fails_what_is_open_and_nothing_idle(server, proxy, watch, number, errors):
    observer = watch()
    three_states(server, proxy)
    server.stop(number)
    try:
        for client in range(3):
            proxy.last_words(client)
        expected = {**ENDED, **({"errors": errors} if errors else {})}
        assert counted(ended(observer)) == expected
        assert proxy.get(f"attempt('127.0.0.1', {server.port})") == "ECONNREFUSED"
    finally:
        server.start()
    proxy.open()
    assert proxy.ask("SELECT 1") == "TDCZ"
    expected["attempts"] = {"ok": 4, "refused": 1}
    expected["requests"] = {"success": 2, "failure": 3}
    expected["failures"] = {"connection": 3}
    expected["statements"] = {"success": 4, "failure": 1}
    assert counted(observer.settled()) == {**expected, "connections": {"plain": 1}}


def test_backends_that_are_terminated_fail_what_is_open_and_nothing_idle(server, proxy, watch):
    observer = watch()
    three_states(server, proxy)
    for client in range(3):
        server.query("SELECT pg_terminate_backend(%s)", database="postgres", parameters=(proxy.backend(client),))
        proxy.last_words(client)
    assert counted(ended(observer)) == {**ENDED, "errors": {"57P01": 3}}


def test_a_server_that_crashes_in_mid_result_fails_what_is_open_and_nothing_idle(server, proxy, watch):
    observer = watch()
    proxy.open(3)
    proxy.ask("SELECT 1", 0)
    proxy.ask("BEGIN", 1)
    proxy.ask("SELECT 1", 1)
    proxy.send("SELECT repeat('x', 1000) FROM pg_class, pg_class b, pg_class c", 2)
    assert proxy.get("''.join(clients[2].receive()[0] for _ in range(1000))") == "T" + "D" * 999
    os.kill(proxy.backend(2), signal.SIGKILL)
    for client in range(3):
        proxy.last_words(client)
    assert counted(ended(observer)) == ENDED

    def opens():
        try:
            with server.connect("postgres"):
                return True
        except psycopg.OperationalError:
            return False
    wait_for(opens, "the server to have recovered")


def test_a_server_that_is_suspended_is_one_timeout_and_its_answer_late(server, proxy, watch):
    observer = watch(request_timeout="1s")
    proxy.open()
    proxy.ask("SELECT 1")
    backend = proxy.backend()
    os.kill(backend, signal.SIGSTOP)
    try:
        proxy.send("SELECT 2")
        overdue = {"attempts": {"ok": 1}, "requests": {"success": 1, "failure": 1}, "failures": {"timeout": 1},
                   "statements": {"success": 1, "failure": 1}, "connections": {"plain": 1}}
        assert counted(eventually(observer, lambda m: "failures" in counted(m), "the timeout")) == overdue
    finally:
        os.kill(backend, signal.SIGCONT)
    assert proxy.get("''.join(k for k, _ in clients[-1].until('Z'))") == "TDCZ"
    assert counted(observer.settled()) == {**overdue, "late": 1}
    assert proxy.ask("SELECT 3") == "TDCZ"
    overdue["requests"] = {"success": 2, "failure": 1}
    overdue["statements"] = {"success": 2, "failure": 1}
    assert counted(observer.settled()) == {**overdue, "late": 1}


def test_a_suspended_server_that_takes_connections_is_abandoned_once(server, proxy, watch):
    observer = watch(request_timeout="1s")
    server.process.signal(signal.SIGSTOP)
    try:
        proxy.run(f"s = socket.create_connection(('127.0.0.1', {server.port})); "
                  "s.sendall(wire.startup_packet(user='postgres', database='app')); s.settimeout(2)")
        with pytest.raises(Exception, match="timed out"):
            proxy.run("s.recv(1)")
        assert counted(observer.settled()) == {"connections": {"plain": 1}}
        proxy.run("s.close()")
        metrics = eventually(observer, lambda m: "attempts" in counted(m), "the attempt to be settled")
        assert counted(metrics) == {"attempts": {"abandoned": 1}, "requests": {"failure": 1}, "failures": {"connection": 1}}
    finally:
        server.process.signal(signal.SIGCONT)


@pytest.mark.parametrize("how", ["clients[-1].socket.close()", "reset(clients[-1].socket)", "clients[-1].terminate()",
                                 "os.kill(os.getpid(), 9)"], ids=["close", "reset", "Terminate", "killed"])
def test_a_proxy_that_leaves_in_mid_statement_is_one_timeout(server, proxy, watch, how):
    observer = watch()
    proxy.open()
    proxy.send("SELECT pg_sleep(3)")
    running(server, "SELECT pg_sleep(3)")
    if "kill" in how:
        proxy.kill()
    else:
        proxy.run(how)
    metrics = eventually(observer, lambda m: "failures" in counted(m) and gone(m), "the end")
    assert counted(metrics) == {"attempts": {"ok": 1}, "requests": {"failure": 1}, "failures": {"timeout": 1},
                                "statements": {"failure": 1}}


def test_a_cancelled_statement_is_one_timeout_and_the_cancel_request_no_connect_of_its_own(server, proxy, watch):
    observer = watch()
    proxy.open()
    proxy.send("SELECT pg_sleep(60)")
    running(server, "SELECT pg_sleep(60)")
    proxy.run(f"k = socket.create_connection(('127.0.0.1', {server.port})); "
              "k.sendall(wire.cancel_request(clients[0].pid, clients[0].key)); k.recv(1); k.close()")
    assert proxy.get("''.join(k for k, _ in clients[-1].until('Z'))") == "TEZ"
    metrics = observer.settled()
    assert counted(metrics) == {"attempts": {"ok": 2}, "requests": {"failure": 1}, "failures": {"timeout": 1},
                                "statements": {"failure": 1}, "errors": {"57014": 1}, "connections": {"plain": 1}}
    assert metrics.get("mirror_observer_cancel_requests_total") == 1


def test_a_child_of_the_proxy_goes_on_with_its_connection(server, proxy, watch):
    observer = watch()
    proxy.open()
    proxy.ask("SELECT 1")
    proxy.run("""
child = os.fork()
if not child:
    clients[-1].ask(wire.query("SELECT 2"))
    os._exit(0)
os.waitpid(child, 0)""")
    assert proxy.ask("SELECT 3") == "TDCZ"
    proxy.run("clients[-1].terminate()")
    metrics = ended(observer)
    assert counted(metrics) == {"attempts": {"ok": 1}, "requests": {"success": 3}, "statements": {"success": 3}}


def test_a_restarted_proxy_is_the_proxy_again(server, watch):
    observer = watch()
    for _ in range(3):
        with Proxy(server) as proxy:
            proxy.open(2)
            proxy.ask("SELECT 1")
            proxy.kill()
    metrics = eventually(observer, lambda m: gone(m) and counted(m)["attempts"] == {"ok": 6}, "all of them")
    assert counted(metrics) == {"attempts": {"ok": 6}, "requests": {"success": 3}, "statements": {"success": 3}}


def test_the_same_local_port_is_a_new_connection_each_time(server, proxy, watch):
    observer = watch()
    port = free_port()
    for number in range(3):
        proxy.run(f"""
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", {port}))
c = wire.Client.__new__(wire.Client); c.socket = s; c.buffer = b""; c.queries = 0
s.connect(("127.0.0.1", {server.port})); c.startup(user="postgres", database="app")
answer = c.ask(wire.query("SELECT {number}" if {number} != 1 else "SELECT nonsense"))
reset(s)""")
    metrics = ended(observer)
    assert counted(metrics) == {"attempts": {"ok": 3}, "requests": {"success": 2, "failure": 1},
                                "failures": {"query_execution": 1}, "statements": {"success": 2, "failure": 1},
                                "errors": {"42703": 1}}


# ------------------------------------------------------------------------------------------------ packets

RELAY = """
import select
relayed, pause, going = [], [0.0], [True]
def carry(a, b):
    try:
        while going:
            data = a.recv(65536)
            time.sleep(pause[0])
            if not data:
                break
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def serve():
    while going:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX); far.connect({path!r}); relayed.extend((near, far))
        for a, b in ((near, far), (far, near)):
            threading.Thread(target=carry, args=(a, b), daemon=True).start()
listener = socket.create_server(("127.0.0.1", 6000)); threading.Thread(target=serve, daemon=True).start()
clients = []
subprocess.run(["nft", "-f", "-"], text=True, check=True,
               input="table ip t {{\\n chain in {{ type filter hook input priority 0; }}\\n }}\\n")
def drop(what):
    subprocess.run(["nft", "add rule ip t in tcp " + what + " 6000 drop"], check=True)
def drop_nothing():
    subprocess.run(["nft", "flush chain ip t in"], check=True)
"""


class Distant(Proxy):
    """In a network of its own, where 127.0.0.1:6000 leads to the server through a relay (over its Unix-domain socket)."""

    def __init__(self, server):
        Actor.__init__(self, COMM, netns=True)
        self.server = server
        self.run(RELAY.format(path=f"{server.directory}/.s.PGSQL.{server.port}"))

    def open(self, times=1):
        for _ in range(times):
            self.run(OPEN.format(port=6000))


@pytest.fixture
def distant(server):
    with Distant(server) as it:
        yield it


@pytest.fixture
def watch_distant(watch):
    return lambda **keys: watch("127.0.0.1:6000", **keys)


@pytest.mark.parametrize("packets", ["dport", "sport"], ids=["requests", "answers"])
def test_packets_that_are_lost_and_sent_again_change_nothing(distant, watch_distant, packets):
    observer = watch_distant()
    distant.open()
    distant.run(f"drop('{packets}')")
    distant.run("threading.Timer(0.7, drop_nothing).start()")
    assert distant.ask("SELECT 1") == "TDCZ"
    assert distant.ask("SELECT nonsense") == "EZ"
    assert counted(observer.settled()) == {
        "attempts": {"ok": 1}, "requests": {"success": 1, "failure": 1}, "failures": {"query_execution": 1},
        "statements": {"success": 1, "failure": 1}, "errors": {"42703": 1}, "connections": {"plain": 1}}


def test_a_slow_network_changes_nothing(distant, watch_distant):
    observer = watch_distant(request_timeout="2s")
    distant.run("pause[0] = 0.05")
    distant.open(2)
    for client in range(2):
        distant.send("SELECT 1", client)
        distant.send("SELECT 2; SELECT 3", client)
    for client in range(2):
        distant.run(f"clients[{client}].until('Z'); clients[{client}].until('Z')")
    assert counted(observer.settled()) == {"attempts": {"ok": 2}, "requests": {"success": 4}, "statements": {"success": 6},
                                           "connections": {"plain": 2}}


def test_a_network_that_is_gone_is_one_timeout_and_the_kernels_end_of_it_not_another(distant, watch_distant):
    observer = watch_distant(request_timeout="1s")
    distant.open()
    distant.ask("SELECT 1")
    distant.run("TCP_USER_TIMEOUT = 18; clients[0].socket.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 3000)")
    distant.run("drop('dport')")
    distant.send("SELECT 2")
    overdue = {"attempts": {"ok": 1}, "requests": {"success": 1, "failure": 1}, "failures": {"timeout": 1},
               "statements": {"success": 1, "failure": 1}, "connections": {"plain": 1}}
    assert counted(eventually(observer, lambda m: "failures" in counted(m), "the timeout")) == overdue

    with pytest.raises(Exception, match="TimeoutError"):
        distant.run("clients[0].receive()")
    distant.run("clients[0].close()")
    del overdue["connections"]
    assert counted(ended(observer)) == overdue


def test_a_network_that_is_gone_before_the_timeout_is_one_connection_failure(distant, watch_distant):
    observer = watch_distant()
    distant.open()
    distant.run("TCP_USER_TIMEOUT = 18; clients[0].socket.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1000)")
    distant.run("drop('dport')")
    distant.send("SELECT 2")
    with pytest.raises(Exception, match="TimeoutError"):
        distant.run("clients[0].receive()")
    distant.run("clients[0].close()")
    assert counted(ended(observer)) == {
        "attempts": {"ok": 1}, "requests": {"failure": 1}, "failures": {"connection": 1}, "statements": {"failure": 1}}


# ------------------------------------------------------------------------------------------------ memory


@pytest.mark.skipif("asan" in BINARY, reason="the sanitizer keeps freed memory on purpose")
def test_a_thousand_connections_leave_no_memory_behind(server, proxy, watch):
    observer = watch()

    def round_of(times):
        proxy.run(f"""
for i in range({times}):
    c = wire.Client(("127.0.0.1", {server.port})); c.startup(user="postgres", database="app")
    c.ask(wire.query("SELECT 1" if i % 2 else "SELECT nonsense"))
    c.terminate() if i % 3 else reset(c.socket)""")
        return ended(observer)
    round_of(250)
    before = observer.rss()
    metrics = round_of(1000)
    assert counted(metrics) == {"attempts": {"ok": 1250}, "requests": {"success": 625, "failure": 625},
                                "failures": {"query_execution": 625}, "statements": {"success": 625, "failure": 625},
                                "errors": {"42703": 625}}
    # A connection takes some 2 KiB; 256 bytes of each that were left behind would show.
    assert observer.rss() - before < MEGABYTE / 4
