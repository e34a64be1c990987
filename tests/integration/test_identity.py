# SPDX-License-Identifier: MIT
"""A cluster is its name, its endpoints and its databases: whatever of these a reload changes, under load, what was
observed before says nothing about what comes after."""

import contextlib
import json
import time
import urllib.request

import pytest

from harness import cluster, free_port, wait_for
from test_readiness import GOOD, NO_DATA, Traffic, command, get, pair  # noqa: F401: a fixture

NAME = "app_mirror"


def nowhere():
    return (f"127.0.0.1:{free_port()}", "app")


def checks(observer, name):
    found = {one["name"]: one for one in get(observer, "/readiness")[1]["clusters"]}
    return found[name]["verdict"], {check["name"]: check for check in found[name]["checks"]}


def ready(observer, name=NAME):
    return wait_for(lambda: checks(observer, name)[0] == "ready", "the verdict to be ready", timeout=60)


def reloaded(observer, *clusters):
    before = len(observer.process.output())
    observer.config["clusters"] = list(clusters)
    observer.write()
    observer.reload()
    wait_for(lambda: "configuration reloaded" in observer.process.output()[before:], "the reload")


def counted(observer, name=NAME):
    return float(observer.metrics().get("pgdog_mirror_statements_total", cluster=name, target="mirror", status="success"))


def no_figure_is_absurd(observer):
    """No difference of counters has wrapped: neither in the verdict nor in a metric."""
    for name, check in checks(observer, observer.config["clusters"][0]["name"])[1].items():
        assert check["value"] is None or check["value"] < 1e12, (name, check)
    with urllib.request.urlopen(observer.url + "/statements", timeout=10) as answer:
        for one in json.load(answer)["clusters"]:
            for statement in one["statements"]:
                assert all(value < 1e15 for value in statement.values() if isinstance(value, (int, float))
                           ), statement


@contextlib.contextmanager
def observed_anew(observer, name):
    """Right after the reload, and no check rests on what was before."""
    verdict, found = checks(observer, name)
    assert verdict != "ready"
    assert found["observed"]["value"] < 2 and found["observed"]["verdict"] == "insufficient_data"
    no_figure_is_absurd(observer)
    yield
    no_figure_is_absurd(observer)


def test_another_name_is_another_cluster(stand, pair):  # noqa: F811
    proxy, observer = pair
    with Traffic(proxy, GOOD):
        ready(observer)
        before = counted(observer)
        reloaded(observer, cluster(stand.primary, stand.mirror, name="renamed"))
        with observed_anew(observer, "renamed"):
            assert command("readiness", "--url", observer.url, "--cluster", NAME).returncode == 2, "it is gone"
            assert counted(observer, "renamed") < before
        ready(observer, "renamed")
        assert checks(observer, "renamed")[1]["observed"]["value"] >= 3


# What each differs in, as arguments of harness.cluster; no traffic belongs to it any more.
OTHERS = {
    "primary": lambda stand: cluster(nowhere(), stand.mirror),
    "mirror": lambda stand: cluster(stand.primary, nowhere()),
    "database": lambda stand: cluster(stand.primary, (stand.mirror.address, "another")),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_servers_under_the_same_name_are_another_cluster(stand, pair, what):  # noqa: F811
    proxy, observer = pair
    with Traffic(proxy, GOOD):
        ready(observer)
        before = counted(observer)
        reloaded(observer, OTHERS[what](stand))
        with observed_anew(observer, NAME):
            assert counted(observer) >= before, "the counters of a name go on"
            until = time.monotonic() + 6
            while time.monotonic() < until:  # twice what would be enough to be ready
                assert checks(observer, NAME)[0] != "ready"
                time.sleep(0.1)
            assert command("readiness", "--url", observer.url).returncode == NO_DATA
            found = checks(observer, NAME)[1]
            assert not found["mirrored"]["value"] and found["lag_p99"]["value"] is None, "there are no pairs"
        reloaded(observer, cluster(stand.primary, stand.mirror))
        with observed_anew(observer, NAME):
            pass
        ready(observer)


def open_connections(observer, name, target):
    return sum(float(observer.metrics().get("pgdog_mirror_connections", cluster=name, target=target, state=state))
               for state in ("plain", "encrypted", "resyncing"))


def test_clusters_that_change_places_keep_what_is_known_and_their_connections(stand, pair):  # noqa: F811
    proxy, observer = pair
    this = cluster(stand.primary, stand.mirror)
    other = cluster(stand.primary, nowhere(), name="other")
    with Traffic(proxy, GOOD):
        ready(observer)
        mirrors = wait_for(lambda: open_connections(observer, NAME, "mirror"), "connections")
        for clusters in ((other, this), (this, other), (this,)):
            reloaded(observer, *clusters)
            assert checks(observer, NAME)[0] == "ready", "it is the same cluster"
            assert open_connections(observer, NAME, "mirror") == mirrors
            if other in clusters:
                assert checks(observer, "other")[0] != "ready"
                assert open_connections(observer, "other", "mirror") == 0
        reloaded(observer, cluster(stand.primary, stand.mirror, name="other"), cluster(stand.primary, nowhere()))
        assert checks(observer, NAME)[0] == checks(observer, "other")[0] == "insufficient_data"
        assert (open_connections(observer, NAME, "mirror"), open_connections(observer, "other", "mirror")) == (0, mirrors)
