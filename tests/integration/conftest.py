# SPDX-License-Identifier: MIT
"""Fixtures: one pair of servers with pgpool-II for the whole run, and observers for each test."""

import os
import sys

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
    with harness.Stand("mo-test", children=16, scale=2, passwords="app:TEXTsecret\n") as it:
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
