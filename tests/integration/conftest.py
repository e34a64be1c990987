# SPDX-License-Identifier: MIT
"""Fixtures: one pair of servers with pgpool-II for the whole run, and observers for each test."""

import contextlib
import os
import shutil
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402


def cannot_run():
    if os.getuid() != 0:
        return "needs root: BPF programs are loaded"
    if not os.access("/sys/kernel/btf/vmlinux", os.R_OK):
        return "needs the kernel's BTF"
    return None


@pytest.fixture(scope="session", autouse=True)
def cleaned_up_when_terminated():
    harness.interruptible()


@pytest.fixture(scope="session")
def stand():
    why = cannot_run()
    if why:
        pytest.skip(why)
    with harness.Stand("mo-test", children=16, scale=2, passwords="app:TEXTsecret\n",
                       tls=os.environ.get("MO_TEST_TLS")) as it:
        yield it
    assert harness.leftovers(it.directory) == []


@pytest.fixture
def observe(stand):
    """observe(**keys): an observer of the stand's one cluster, there before pgpool-II opens its first connection.

    fresh=False leaves pgpool-II and its connections alone.
    """
    running = []

    def start(clusters=None, fresh=True, **keys):
        clusters = clusters or [harness.cluster(stand.primary, stand.mirror)]
        if stand.tls:
            keys.setdefault("tls", "on")
        if fresh:
            stand.pgpool.stop()
        running.append(harness.Observer(stand.directory, clusters, name=f"observer{len(running)}", **keys))
        if fresh:
            stand.pgpool.start()
            stand.reset_counts()
        return running[-1]

    if not stand.pgpool.process.running():
        stand.pgpool.start()
    yield start
    for observer in running:
        observer.close()


@contextlib.contextmanager
def lone_server(settings=""):
    """A server without a proxy; skips where nothing can be observed."""
    why = cannot_run()
    if why:
        pytest.skip(why)
    directory = tempfile.mkdtemp(prefix="mo-lone.", dir="/tmp")
    os.chmod(directory, 0o755)
    try:
        with harness.Server(directory, "server", settings=settings) as it:
            yield it
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def mirror_alone(server, **keys):
    """Clusters: one, whose mirror is there (a harness.Server or an address) and whose primary is not."""
    mirror = (server, "app") if isinstance(server, str) else server
    return [harness.cluster((f"127.0.0.1:{harness.free_port()}", "app"), mirror, **keys)]


@pytest.fixture
def observe_comm(tmp_path):
    """observe_comm(comm, clusters, **keys): an observer that takes processes of that name for the proxy."""
    running = []

    def start(comm, clusters, **keys):
        # The directory's name, from which the pin gets its own, is that of the test, which may run more than once.
        running.append(harness.Observer(str(tmp_path), clusters, name=f"observer{len(running)}", proxy={"comm": comm},
                                        pin=f"/sys/fs/bpf/mo_test_{harness.free_port()}", **keys))
        running[-1].own_pin = True
        return running[-1]
    yield start
    for observer in running:
        observer.close()
