# SPDX-License-Identifier: MIT
"""Whose connections are followed, and what is known of those that were there before."""

import os

import harness
import pytest
from conftest import lone_server, mirror_alone
from counted import counted, eventually
from harness.actor import Actor

CGROUPS = "/sys/fs/cgroup/unified"
RENAME = "import ctypes; ctypes.CDLL(None).prctl(15, b'late', 0, 0, 0)"


@pytest.fixture(scope="module")
def server():
    with lone_server() as it:
        yield it


@pytest.fixture
def connected(server):
    """An actor with a connection, of which nothing is known yet."""
    with Actor("early") as actor:
        actor.run(f"c = wire.Client(('127.0.0.1', {server.port})); c.startup(user='postgres', database='app')")
        yield actor


@pytest.fixture
def cgroup():
    if not os.path.exists(f"{CGROUPS}/cgroup.procs"):
        pytest.skip(f"no cgroup v2 at {CGROUPS}")
    path = f"{CGROUPS}/mo_late.{os.getpid()}"
    os.mkdir(path)
    yield path
    os.rmdir(path)


def statements(metrics):
    return sum(counted(metrics).get("statements", {}).values())


def check_followed_from(observer, actor, becomes):
    actor.run("for _ in range(5): c.ask(wire.query('SELECT 1'))")
    assert statements(observer.settled()) == 0, "it is not the proxy"
    becomes()
    eventually(observer, lambda m: counted(m).get("connections"), "the connection", timeout=10)
    actor.run("for _ in range(20): c.ask(wire.query('SELECT 1'))")
    assert statements(observer.settled()) == 20


def test_a_process_that_gets_its_name_after_it_has_connected(server, observe_comm, connected):
    observer = observe_comm("late", mirror_alone(server))
    check_followed_from(observer, connected, lambda: connected.run(RENAME))


def test_a_process_that_comes_into_the_cgroup_after_it_has_connected(server, tmp_path, connected, cgroup):
    def move(to):
        with open(f"{to}/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write(str(connected.pid))
    pin = f"/sys/fs/bpf/mo_test_{harness.free_port()}"
    with harness.Observer(str(tmp_path), mirror_alone(server), proxy={"cgroup": cgroup}, pin=pin) as observer:
        observer.own_pin = True
        try:
            check_followed_from(observer, connected, lambda: move(cgroup))
        finally:
            move(CGROUPS)


PREPARED = "wire.bind('{name}') + wire.execute() + wire.sync()"


def unkeyed(metrics):
    return metrics.get("pgdog_mirror_unmatched_total", cluster="app_mirror", target="mirror", reason="unkeyed")


@pytest.mark.parametrize("name, known", [("__pgdog_1", True), ("S_1", False)])
def test_a_text_that_was_prepared_before_is_known_where_all_connections_have_one_name_for_it(server, observe_comm, name, known):
    prepare = f"wire.parse('SELECT 1', '{name}') + wire.sync()"
    with Actor("prepares") as actor:
        actor.run(f"""
def connected():
    c = wire.Client(('127.0.0.1', {server.port}))
    c.startup(user='postgres', database='app')
    c.ask({prepare})
    return c
early = connected()
""")
        observer = observe_comm("prepares", mirror_alone(server))
        for _ in range(10):
            actor.run(f"early.ask({PREPARED.format(name=name)})")
        first = unkeyed(observer.settled())
        assert first >= 9, "nobody has seen it prepared"
        actor.run("late = connected()")
        for _ in range(10):
            actor.run(f"early.ask({PREPARED.format(name=name)}); late.ask({PREPARED.format(name=name)})")
        metrics = observer.settled()
        assert unkeyed(metrics) == (first if known else first + 10)
        assert statements(metrics) == 30
