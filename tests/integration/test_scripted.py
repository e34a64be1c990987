# SPDX-License-Identifier: MIT
"""Every transcript over real sockets, whole and torn: the scripted sides themselves, and what the observer makes of it."""
import glob
import os
import shutil
import tempfile
from collections import Counter

import pytest
from conftest import cannot_run
from harness import Observer, free_port, transcript, wait_for
from harness.scripted import Plan, ScriptedClient, ScriptedServer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRANSCRIPTS = sorted(glob.glob(f"{ROOT}/tests/transcripts/*.txt"))
COMM = "scripted"
NAME = "scripted"
GROUPS = {
    "statements": ("pgdog_mirror_statements_total", "status", {"target": "mirror"}),
    "requests": ("pgdog_mirror_requests_total", "status", {}),
    "failures": ("pgdog_mirror_failures_total", "error_type", {}),
}
PLANS = {
    "whole": {},
    "random pieces": {"writes": "random", "reads": "random"},
    "three bytes at a time": {"writes": "3", "reads": "3"},
}


def play(directory, paths, server_plan=None, server=None, **client_plan):
    with server or ScriptedServer(paths, server_plan) as server:
        with ScriptedClient(str(directory), server.address, paths, comm=COMM, **client_plan) as client:
            client.check()
        server.join()


def small(paths):
    """Without those that are too large to be moved in crumbs."""
    return [path for path in paths if sum(len(c.data) for c in transcript.read(path).chunks) < 50000]


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_both_sides_play_every_transcript_to_its_end(tmp_path, plan):
    paths = TRANSCRIPTS if not plan else small(TRANSCRIPTS)
    play(tmp_path, paths, Plan(**plan), **plan)


def test_a_client_that_is_told_to_cut_ends_after_so_many_bytes(tmp_path):
    path = f"{ROOT}/tests/transcripts/simple_select_insert.txt"
    play(tmp_path, [path], cut=50, how="close")
    play(tmp_path, [path], cut=50, how="reset")


def test_the_scripted_client_bears_the_name_that_it_is_given(tmp_path):
    path = f"{ROOT}/tests/transcripts/simple_select_insert.txt"
    with ScriptedServer([path], Plan(writes="bytes", pause=0.001)) as server:
        with ScriptedClient(str(tmp_path), server.address, [path], comm="a-proxy") as client:
            def named():
                with open(f"/proc/{client.process.pid}/comm", encoding="ascii") as file:
                    return file.read().strip() == "a-proxy"
            wait_for(named, "the name")
            client.check()


@pytest.fixture
def observed():
    """observed(paths, **plan): the metrics after these were played while an observer watched."""
    if cannot_run():
        pytest.skip(cannot_run())
    running = []
    directory = tempfile.mkdtemp(prefix="mo-scripted-")  # its name, that of the pin, is nobody else's

    def run(paths, server_plan=None, **plan):
        server = ScriptedServer(paths, server_plan)
        mirror = {"address": server.address}
        cluster = {"name": NAME, "primary": {"address": f"127.0.0.1:{free_port()}"}, "mirror": mirror}
        running.append(Observer(directory, [cluster], name=f"observer{len(running)}", proxy={"comm": COMM}))
        play(directory, paths, server=server, **plan)
        return running[-1].settled()
    yield run
    for observer in running:
        observer.close()
    shutil.rmtree(directory)


def complete(paths):
    """Those whose truth leaves nothing open."""
    wanted = {(group, key) for group in ("statements", "requests") for key in ("success", "failure", "unknown")}
    truths = ((path, transcript.read(path).truth) for path in paths)
    return [path for path, truth in truths if all(key in truth[group] for group, key in wanted)]


def stated(paths):
    """The sum of the truths, {(group, key): figure}."""
    total = Counter()
    for path in paths:
        for group in GROUPS:
            total.update({(group, key): figure for key, figure in transcript.read(path).truth[group].items()})
    return total


def counted(metrics, expected):
    found = {}
    for group, key in expected:
        name, label, labels = GROUPS[group]
        found[group, key] = metrics.sum(name, cluster=NAME, **labels, **{label: key})
    return found


def differences(observed_metrics, paths):
    expected = stated(paths)
    found = counted(observed_metrics, expected)
    return {f"{group} {key}": (figure, found[group, key]) for (group, key), figure in expected.items()
            if figure != found[group, key]}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_the_observer_counts_every_transcript_as_its_truth_says(observed, plan):
    paths = complete(TRANSCRIPTS if not plan else small(TRANSCRIPTS))
    assert differences(observed(paths, Plan(**plan), **plan), paths) == {}
