# SPDX-License-Identifier: MIT
"""Connects that fail, in every way that TCP and PostgreSQL know: one attempt, one failed request, never two."""

import pytest
from conftest import cannot_run, mirror_alone
from counted import counted, eventually
from harness import cluster, free_port
from harness.actor import Actor

COMM = "connecting"
NOWHERE = "10.99.0.2"  # a neighbour that does not answer
REJECTED, DROPPED, LATER = 5001, 5002, 5003

# A network of the test's own: a cable whose other end is silent, and a firewall.
FIREWALL = f"""
table ip test {{
    chain out {{ type filter hook output priority 0; tcp dport {REJECTED} reject with icmp type host-unreachable; }}
    chain in {{ type filter hook input priority 0; tcp dport {DROPPED} drop; }}
}}
"""
NETWORK = f"""
for command in ("ip link add cable type veth peer name end", "ip addr add 10.99.0.1/24 dev cable", "ip link set cable up",
                "ip link set end up", "sysctl -qw net.ipv4.tcp_syn_retries=1", "sysctl -qw net.ipv4.neigh.cable.mcast_solicit=1"):
    subprocess.run(command.split(), check=True)
subprocess.run(["nft", "-f", "-"], input={FIREWALL!r}, text=True, check=True)
"""


@pytest.fixture(scope="module")
def actor():
    why = cannot_run()
    if why:
        pytest.skip(why)
    with Actor(COMM, netns=True) as it:
        it.run(NETWORK)
        yield it


@pytest.fixture
def observe(observe_comm):
    """observe(address, ...): an observer whose mirror is there."""
    return lambda address, clusters=None, **keys: observe_comm(COMM, clusters or mirror_alone(address), **keys)


def failed(result, times=1):
    return {"attempts": {result: times}, "requests": {"failure": times}, "failures": {"connection": times}}


@pytest.mark.parametrize("host, port, error, result", [
    ("127.0.0.1", 5000, "ECONNREFUSED", "refused"),
    (NOWHERE, 5000, "EHOSTUNREACH", "unreachable"),
    ("127.0.0.1", REJECTED, "EHOSTUNREACH", "unreachable"),
    ("127.0.0.1", DROPPED, "ETIMEDOUT", "timeout"),
], ids=["refused", "unknown neighbour", "rejected", "dropped"])
def test_a_connect_that_the_network_fails_is_one_failed_request(actor, observe, host, port, error, result):
    observer = observe(f"{host}:{port}")
    assert actor.get(f"attempt({host!r}, {port})") == error
    assert counted(observer.settled()) == failed(result)
    assert actor.get(f"[attempt({host!r}, {port}) for _ in range(2)]") == [error] * 2
    assert counted(observer.settled()) == failed(result, 3)


def test_a_connect_over_ipv6_is_refused_as_one_over_ipv4(actor, observe):
    observer = observe("[::1]:5000")
    assert actor.get("attempt('::1', 5000)") == "ECONNREFUSED"
    assert counted(observer.settled()) == failed("refused")


def test_a_connect_that_the_proxy_gives_up_is_abandoned(actor, observe):
    observer = observe(f"127.0.0.1:{DROPPED}")
    assert actor.get(f"attempt('127.0.0.1', {DROPPED}, timeout=0.2)") == "gave up"
    assert counted(observer.settled()) == failed("abandoned")


@pytest.fixture
def listening(actor):
    """A server in the actor's network that takes connections and does nothing: a thread of another process would be
    the same to the observer, which follows connecting sockets only."""
    actor.run("l = socket.create_server(('127.0.0.1', 0)); port = l.getsockname()[1]; taken = []")
    yield actor.get("port")
    actor.run("l.close(); [s.close() for s in taken]")


def test_a_connect_without_waiting_that_succeeds_is_open_and_no_failure(actor, observe, listening):
    observer = observe(f"127.0.0.1:{listening}")
    actor.run("s = socket.socket(); s.setblocking(False)")
    assert actor.get("errno.errorcode[s.connect_ex(('127.0.0.1', port))]") == "EINPROGRESS"
    metrics = eventually(observer, lambda m: counted(m) != {}, "the connection to be seen")
    assert counted(metrics) == {"connections": {"plain": 1}}
    actor.run("s.close()")
    eventually(observer, lambda m: "connections" not in counted(m), "its end")


def test_a_connect_without_waiting_that_is_refused_counts_once(actor, observe):
    observer = observe("127.0.0.1:5000")
    actor.run("""
s = socket.socket(); s.setblocking(False)
first = s.connect_ex(('127.0.0.1', 5000)); time.sleep(0.1)
pending = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
s.close()""")
    assert counted(observer.settled()) == failed("refused")


def test_a_socket_that_connects_again_after_a_refusal_is_two_attempts(actor, observe):
    observer = observe("127.0.0.1:5000")
    actor.run("s = socket.socket(); [s.connect_ex(('127.0.0.1', 5000)) for _ in range(2)]; s.close()")
    assert counted(observer.settled()) == failed("refused", 2)


STARTUP = "c = wire.Client(('127.0.0.1', port)); taken += [l.accept()[0]]; " \
          "c.raw(wire.startup_packet(user='postgres', database='app'))"


def test_a_reset_during_startup_is_one_failed_request(actor, observe, listening):
    observer = observe(f"127.0.0.1:{listening}")
    actor.run(f"{STARTUP}; taken[0].recv(100); reset(taken.pop()); seen = c.until_closed(); c.close()")
    assert counted(observer.settled()) == failed("reset")


def test_an_end_during_startup_is_one_failed_request(actor, observe, listening):
    observer = observe(f"127.0.0.1:{listening}")
    actor.run(f"{STARTUP}; taken[0].recv(100); taken.pop().close(); seen = c.until_closed(); c.close()")
    assert counted(observer.settled()) == failed("reset")


def test_a_server_that_takes_the_connection_and_never_answers_is_abandoned_by_the_proxy(actor, observe, listening):
    observer = observe(f"127.0.0.1:{listening}")
    actor.run(STARTUP)
    metrics = eventually(observer, lambda m: "connections" in counted(m), "the connection")
    assert counted(metrics) == {"connections": {"plain": 1}}
    actor.run("c.close()")
    metrics = eventually(observer, lambda m: "attempts" in counted(m), "the attempt to be settled")
    assert counted(metrics) == failed("abandoned")


@pytest.mark.parametrize("code", ["57P03", "53300", "28P01", "3D000"])
def test_a_fatal_error_at_startup_is_one_failed_request(actor, observe, listening, code):
    observer = observe(f"127.0.0.1:{listening}")
    fields = f"SFATAL\0VFATAL\0C{code}\0Mno\0\0"
    actor.run(f"{STARTUP}; taken[0].recv(100); taken[0].sendall(wire.message('E', {fields!r}.encode())); "
              "taken.pop().close(); seen = c.until_closed(); c.close()")
    assert counted(observer.settled()) == {**failed("startup_error"), "errors": {code: 1}}


def test_failures_on_an_address_of_two_clusters_before_startup_belong_to_none(actor, observe, listening):
    address = f"127.0.0.1:{listening}"
    names = ("one", "two")
    observer = observe(address, [cluster((f"127.0.0.1:{free_port()}", n), (address, n), name=n) for n in names])
    actor.run("s = socket.create_connection(('127.0.0.1', port)); t = l.accept()[0]")
    metrics = eventually(observer, lambda m: m.get("mirror_observer_unclassified_connections"), "the connection")
    actor.run("reset(t); time.sleep(0.1); s.close(); l.close()")
    eventually(observer, lambda m: not m.get("mirror_observer_unclassified_connections"), "its end")
    assert actor.get("attempt('127.0.0.1', port)") == "ECONNREFUSED"
    metrics = observer.settled()
    assert metrics.get("mirror_observer_unclassified_failures_total") == 2
    assert [counted(metrics, cluster=name) for name in names] == [{}, {}]


def test_a_thousand_connections_opened_and_closed_within_a_second_are_each_counted(actor, observe):
    observer = observe("127.0.0.1:5000")
    actor.run("""
listener = socket.create_server(("127.0.0.1", 5000), backlog=64)
began = time.monotonic()
for _ in range(1000):
    attempt("127.0.0.1", 5000)
    listener.accept()[0].close()
took = time.monotonic() - began
listener.close()""")
    assert actor.get("took") < 1
    assert counted(observer.settled()) == {"attempts": {"ok": 1000}}


def test_a_thousand_refused_connects_are_a_thousand_failures(actor, observe):
    observer = observe("127.0.0.1:5000")
    assert actor.get("sum(attempt('127.0.0.1', 5000) == 'ECONNREFUSED' for _ in range(1000))") == 1000
    assert counted(observer.settled()) == failed("refused", 1000)
