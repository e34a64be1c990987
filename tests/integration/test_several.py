# SPDX-License-Identifier: MIT
"""Several observers on one host, and one in a container: pins, ports and filters do not collide."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import psycopg
import pytest

from harness import MirrorProxy, Observer, Process, cluster, free_port, wait_for
from harness.observer import BPFFS

CONTAINER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "container.py")
CGROUPS = "/sys/fs/cgroup/unified"
TARGETS = ("primary", "mirror")


@pytest.fixture
def twin(stand):
    """A second database on the primary's server, for a mirror of its own."""
    stand.primary.query("CREATE DATABASE twin")
    yield "twin"
    stand.primary.query("DROP DATABASE twin WITH (FORCE)")


@pytest.fixture
def together():
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


def run(proxy, times):
    with psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres", autocommit=True) as client:
        for i in range(times):
            client.execute("SELECT %s::int", (i,))
    return proxy.settled()


def counted(observer, name="app_mirror"):
    metrics = observer.settled()
    return {target: metrics.get("pgdog_mirror_statements_total", cluster=name, target=target, status="success")
            for target in TARGETS}


def assert_true(observer, truth, name="app_mirror"):
    assert counted(observer, name) == {target: truth[target] for target in TARGETS}
    assert truth["mirror"] > 0


def test_two_configurations_watch_two_proxies_that_share_a_primary(stand, twin, together):
    """The same program, the same primary; told apart by process and by mirror."""
    one = together(MirrorProxy(stand.directory, stand.primary, stand.mirror, name="one"))
    two = together(MirrorProxy(stand.directory, stand.primary, stand.primary, name="two", mirror_database=twin))
    first = together(Observer(stand.directory, [cluster(stand.primary, stand.mirror, name="first")], name="first",
                              proxy={"pid": one.process.pid}))
    second = together(Observer(stand.directory, [cluster((stand.primary.address, "app"), (stand.primary.address, twin),
                                                         name="second")], name="second",
                               proxy={"pid": two.process.pid}))
    assert first.pin != second.pin
    truth_one, truth_two = run(one, 20), run(two, 30)
    assert_true(first, truth_one, "first")
    assert_true(second, truth_two, "second")
    assert counted(first, "first")["mirror"] != counted(second, "second")["mirror"]


def test_two_observers_of_one_proxy_count_the_same_and_end_alone(stand, together):
    proxy = together(MirrorProxy(stand.directory, stand.primary, stand.mirror))
    pair = [cluster(stand.primary, stand.mirror)]
    observers = [together(Observer(stand.directory, pair, name=name, proxy={"comm": "mirror-proxy"}))
                 for name in ("left", "right")]
    truth = run(proxy, 25)
    for observer in observers:
        assert_true(observer, truth)
    assert observers[0].stop() == 0
    assert_true(observers[1], run(proxy, 25))


class Container:
    """container.py in namespaces of its own; ended with it, whatever happens."""

    def __init__(self, stand, pin, ports, select, cgroup=None):
        self.directory = tempfile.mkdtemp(prefix="container.", dir=stand.directory)
        os.chmod(self.directory, 0o755)
        self.log = os.path.join(self.directory, "container.log")
        self.seen = 0
        enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup] if cgroup else []
        self.process = Process([*enter, "unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc",
                                "/usr/bin/python3", "-B", CONTAINER, self.directory, *ports, pin, select], self.log,
                               stdin=subprocess.PIPE)

    def answer(self):
        def line():
            if not self.process.running():
                raise RuntimeError(f"the container ended:\n{self.process.output()}")
            lines = [line for line in self.process.output().splitlines() if line.startswith("{")]
            return lines[self.seen:]
        answer = json.loads(wait_for(line, "the container to answer", 60)[0])
        self.seen += 1
        return answer

    def ask(self, line):
        self.process.child.stdin.write(f"{line}\n".encode("ascii"))
        self.process.child.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.ask("end")
            self.process.wait(30)
        self.process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture
def cgroup():
    if not os.path.exists(f"{CGROUPS}/cgroup.procs"):
        pytest.skip(f"no cgroup v2 at {CGROUPS}")
    path = tempfile.mkdtemp(prefix="mo_test_container_", dir=CGROUPS)
    yield path
    wait_for(lambda: remove(path), "the cgroup to be empty")


def remove(path):
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return not os.path.exists(path)


@pytest.mark.parametrize("select", ["comm", "exe"])
def test_an_observer_in_a_container_sees_its_own_proxy_only(stand, twin, cgroup, together, select):
    """Host and container have the same proxy, addresses, databases, port and pin, and each its own namespaces."""
    pin, listen, proxy_port = f"{BPFFS}/mo_test_container_{select}", free_port(), free_port()
    pair = [cluster((stand.primary.address, "app"), (stand.primary.address, twin))]
    proxy = together(MirrorProxy(stand.directory, stand.primary, stand.primary, listen=f"127.0.0.1:{proxy_port}",
                                 mirror_database=twin))
    host = together(Observer(stand.directory, pair, name="host", proxy={"pid": proxy.process.pid}, port=listen, pin=pin))
    host.own_pin = True
    container = together(Container(stand, pin, (stand.primary.port, proxy_port, listen), select, cgroup))
    outside = together(Observer(stand.directory, pair, name="outside",
                                proxy={"cgroup": os.path.basename(cgroup), "comm": "mirror-proxy"}))
    assert container.answer()["pid"] != proxy.process.pid
    truth = run(proxy, 15)
    container.ask("run 40")
    inside = container.answer()
    assert inside["truth"] == inside["observed"], inside["log"]
    assert inside["truth"]["mirror"] > truth["mirror"] > 0
    assert_true(host, truth)
    assert_true(outside, inside["truth"])  # by its cgroup the host sees into the container
