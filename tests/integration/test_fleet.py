# SPDX-License-Identifier: MIT
"""Three observers, two pgpool-II and a third proxy on one cluster, and a real Prometheus that makes one verdict of them."""

import contextlib
import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from harness import MirrorProxy, Observer, Pgpool, Prometheus, cluster, wait_for
from harness.observer import BINARY
from test_readiness import QUICK, Traffic

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = f"{ROOT}/docs/prometheus/rules.yaml"
DASHBOARD = f"{ROOT}/docs/grafana/mirror-observer.json"
READY, USAGE, NO_DATA, UNREACHABLE = 0, 2, 3, 5
# Nothing is lost, encrypted or evicted here, no observer is missing: no sample is right for them.
MAY_BE_EMPTY = re.compile(r"fleet_missing|last_failure_timestamp|tls_connections|errors_total|not_comparable")


def metrics_of(expression):
    """The names of metrics in an expression, also through what the rules record; buckets count as their histogram."""
    with open(RULES, encoding="utf-8") as file:
        rules = {rule["record"]: rule["expr"] for group in yaml.safe_load(file)["groups"] for rule in group["rules"]
                 if "record" in rule}
    names = {re.sub(r"_bucket$", "", name) for name in
             re.findall(r"(?<![:\w])(?:pgdog_mirror|mirror_observer|process)_[a-z0-9_]+(?!:)\b", expression)}
    for name in set(re.findall(r"\bcluster\w*:\w+:\w+", expression)) & set(rules):
        names |= metrics_of(rules[name].replace(name, ""))
    return names


def exported():
    """What docs/metrics.md lists, which lint holds against the program. Others named in rules and panels are to come."""
    with open(f"{ROOT}/docs/metrics.md", encoding="utf-8") as file:
        return set(re.findall(r"^### `(\w+)`", file.read(), re.MULTILINE))


def ask(prometheus, *arguments, name="app_mirror"):
    return subprocess.run([BINARY, "readiness", "--prometheus", prometheus.url, "--cluster", name, *arguments],
                          check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def fleet(stand):
    """(proxies, observers, prometheus): pgpool-II twice, told apart by their executables, and the test proxy."""
    if not shutil.which("prometheus"):
        pytest.skip("needs Debian's package prometheus")
    second = os.path.join(stand.directory, "second-pgpool")
    shutil.copy("/usr/sbin/pgpool", second)
    pair = [cluster(stand.primary, stand.mirror)]
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        stand.pgpool.stop()
        observers = [enter(Observer(stand.directory, pair, name=f"fleet{i}", proxy=proxy, readiness=QUICK))
                     for i, proxy in enumerate(({"exe": "/usr/sbin/pgpool"}, {"exe": second}, {"comm": "mirror-proxy"}))]
        stand.pgpool.start()
        stand.reset_counts()
        proxies = [stand.pgpool,
                   enter(Pgpool(stand.directory, (stand.primary, stand.mirror), children=8, name="second", program=second)),
                   enter(MirrorProxy(stand.directory, stand.primary, stand.mirror))]
        prometheus = enter(Prometheus(stand.directory, [observer.config["listen"] for observer in observers], RULES))
        yield proxies, observers, prometheus


@contextlib.contextmanager
def traffic(proxies):
    """Of each proxy; all of it has been sent when the block ends."""
    with contextlib.ExitStack() as stack:
        for proxy in proxies:
            stack.enter_context(Traffic(proxy, ["SELECT %s::int AS fleet"], sessions=2, pause=0.002))
        yield


def test_the_cluster_is_ready_when_all_three_are(fleet):
    proxies, _, prometheus = fleet
    with traffic(proxies):
        ready = ask(prometheus, "--wait", "40s")
    assert ready.returncode == READY, ready.stdout + ready.stderr
    assert "app_mirror: READY." in ready.stdout and "  observers " in ready.stdout


def test_every_expression_of_the_dashboard_has_an_answer(fleet):
    _, _, prometheus = fleet
    with open(DASHBOARD, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(expressions) > 30
    for expression in expressions:
        real = expression.replace("$__rate_interval", "1m").replace("$cluster", "app_mirror")
        if metrics_of(real) <= exported() and not MAY_BE_EMPTY.search(real):
            wait_for(lambda: prometheus.query(real), f"an answer to {expression}", timeout=15)
        prometheus.query(real)  # an error of its own if it is refused


def test_the_sums_are_the_servers_own(fleet, stand):
    _, _, prometheus = fleet

    def equal():
        truth = stand.settled_counts()
        return truth if all(prometheus.query(
            f'sum(pgdog_mirror_statements_total{{cluster="app_mirror", target="{target}", status="success"}})')
            == [({}, float(truth[target]))] for target in truth) else None
    assert wait_for(equal, "Prometheus's sums to equal pg_stat_statements", timeout=30)


def test_one_that_is_killed_withholds_the_verdict_and_is_named(fleet):
    _, observers, prometheus = fleet
    observers[1].process.kill()
    wait_for(lambda: [value for _, value in prometheus.query("cluster:fleet_missing:count") or []] == [1],
             "Prometheus to miss it")
    done = ask(prometheus)
    assert done.returncode == NO_DATA, done.stdout
    assert f"{observers[1].config['listen']} does not report" in done.stdout
    # Rules are evaluated group by group: the alert may follow the count by one round.
    wait_for(lambda: prometheus.query('ALERTS{alertname="MirrorObserverMissing"}'), "the alert")


def test_an_unknown_cluster_is_a_slip_and_no_verdict(fleet):
    _, _, prometheus = fleet
    done = ask(prometheus, name="app_miror")
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert "knows no cluster app_miror" in done.stderr


def test_without_the_rules_there_is_no_verdict_and_it_says_so(fleet, stand):
    _, observers, _ = fleet
    with Prometheus(stand.directory, [observers[0].config["listen"]]) as bare:
        done = ask(bare)
        assert done.returncode == NO_DATA and "load rules.yaml" in done.stderr
    assert ask(bare).returncode == UNREACHABLE
