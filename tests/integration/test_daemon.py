# SPDX-License-Identifier: MIT
"""The program itself: what it attaches and pins, its exit codes, databases that share a server."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness import Client, Process, bpf_stats, cluster, pgbench, wait_for
from harness.observer import BINARY

# A mirroring proxy in its smallest form: told to go, it sends each statement to both databases of each pair.
PROXY = """
import sys, psycopg
port, *rest = sys.argv[1:]
sys.stdin.readline()
keep = []
while rest:
    times, *databases = rest[:3]
    rest = rest[3:]
    pair = [psycopg.connect(host="127.0.0.1", port=port, dbname=d, user="postgres", autocommit=True)
            for d in databases]
    keep += pair
    for i in range(int(times)):
        for connection in pair:
            connection.execute("SELECT %s::int", (i,))
print("done", flush=True)
sys.stdin.readline()
"""


def run(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=60)


def loaded():
    """Ids of all BPF programs that the kernel knows."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], check=True, capture_output=True, text=True)
    return {entry["id"] for entry in json.loads(shown.stdout)}


def test_disabled_metrics_attach_nothing(observe):
    enabled = observe(fresh=False)
    assert enabled.programs(), "the control: an enabled one loads programs"
    disabled = observe(fresh=False, mirror_metrics_enabled=False)
    assert disabled.programs() == set()
    assert disabled.status("/-/ready") == 503
    metrics = disabled.metrics()
    assert not [name for name in metrics.names() if name.startswith("pgdog_mirror_")]
    assert [name for name in metrics.names() if name.startswith("mirror_observer_")]


def test_the_run_times_of_its_programs_are_those_that_the_kernel_measures(stand, observe):
    observer = observe(fresh=False)
    with bpf_stats():
        pgbench(stand.pgpool, clients=1, transactions=5)
        before, metrics, after = observer.run_times(), observer.metrics(), observer.run_times()
    assert len(before) >= 4 and all(ns > 0 for ns, runs in before.values() if runs)
    assert sum(runs for _, runs in before.values()) > 0
    for program, (ns, runs) in before.items():
        assert runs <= metrics.get("mirror_observer_bpf_runs_total", program=program) <= after[program][1]
        seconds = metrics.get("mirror_observer_bpf_run_seconds_total", program=program)
        assert ns <= round(seconds * 1e9) <= after[program][0]


def test_the_end_leaves_no_program_behind(observe):
    observer = observe(fresh=False)
    ours = observer.programs()
    assert ours and ours <= loaded(), "the control: bpftool shows the programs while it runs"
    assert observer.stop() == 0
    wait_for(lambda: not ours & loaded(), "the kernel to free the programs")


def test_the_pinned_map_reads_as_named_fields(stand, observe):
    observer = observe()
    pgbench(stand.pgpool, clients=1, transactions=5)
    stand.settled_counts()
    counted = int(observer.settled().get("pgdog_mirror_requests_total", cluster="app_mirror", status="success"))
    dump = subprocess.run(["bpftool", "map", "dump", "pinned", f"{observer.pin}/stats"], check=True,
                          capture_output=True, text=True).stdout
    assert '"app_mirror"' in dump
    assert re.search(rf'"requests": \{{\s*"success": {counted},', dump)


def test_a_second_daemon_on_the_same_pin_refuses_and_names_the_first(observe):
    first = observe(fresh=False)
    with pytest.raises(RuntimeError) as refused:
        observe(fresh=False, pin=first.pin)
    assert "ended with 1" in str(refused.value)
    assert str(first.process.pid) in str(refused.value)
    assert first.status("/-/ready") == 200
    assert os.path.exists(f"{first.pin}/stats")


def test_a_plain_restart_goes_on_and_fresh_starts_at_zero(stand, observe):
    observer = observe()
    pgbench(stand.pgpool, clients=1, transactions=5)
    stand.settled_counts()
    counted = observer.settled().sum("pgdog_mirror_statements_total")
    assert counted > 0
    observer.stop()
    observer.start()
    assert observer.metrics().sum("pgdog_mirror_statements_total") == counted
    observer.stop()
    observer.start("--fresh")
    assert observer.metrics().sum("pgdog_mirror_statements_total") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(observe, number):
    assert observe(fresh=False).process.stop(number) == 0


def test_databases_on_one_server_are_told_apart(stand, observe):
    server = stand.primary
    pairs = {"one": (20, "one_old", "one_new"), "two": (30, "two_old", "two_new")}
    databases = [database for _, *both in pairs.values() for database in both]
    for database in databases:
        server.query(f"CREATE DATABASE {database}", database="postgres")
    arguments = [argument for pair in pairs.values() for argument in pair]
    proxy = Process(["/usr/bin/python3", "-c", PROXY, server.port, *arguments], stand.path("proxy.log"),
                    stdin=subprocess.PIPE)
    try:
        clusters = [cluster((server.address, old), (server.address, new), name=name)
                    for name, (_, old, new) in pairs.items()]
        observer = observe(clusters, fresh=False, proxy={"pid": proxy.pid})
        proxy.child.stdin.write(b"go\n")
        proxy.child.stdin.flush()
        wait_for(lambda: "done" in proxy.output(), "the proxy to have sent everything")
        metrics = observer.settled()
        for name, (times, *_) in pairs.items():
            for target in ("primary", "mirror"):
                assert metrics.get("pgdog_mirror_statements_total", cluster=name, target=target,
                                   status="success") == times
                assert metrics.get("pgdog_mirror_connections", cluster=name, target=target, state="plain") == 1
            assert metrics.get("pgdog_mirror_requests_total", cluster=name, status="success") == times
        assert metrics.get("mirror_observer_unclassified_connections") == 0
    finally:
        proxy.stop()
        for database in databases:
            server.query(f"DROP DATABASE {database} WITH (FORCE)", database="postgres")


# ------------------------------------------------------------------------------------------------ command line


GOOD = """
listen: 127.0.0.1:0
pin: /sys/fs/bpf/mo_test_check
proxy: { comm: pgpool }
clusters:
  - name: app
    primary: { address: 127.0.0.1:1, database: app }
    mirror: { address: 127.0.0.1:2, database: app }
"""


@pytest.fixture
def configured(tmp_path):
    def write(text):
        path = tmp_path / "observer.yaml"
        path.write_text(text, encoding="utf-8")
        return path
    return write


@pytest.mark.parametrize("right, wrong, line, key", [
    ("listen: 127.0.0.1:0", "listne: 127.0.0.1:0", 2, "listne"),
    ("127.0.0.1:2,", "127.0.0.1:99999,", 8, "address"),
    ("127.0.0.1:2,", "127.0.0.1:1,", 8, "mirror"),
    ("proxy: { comm: pgpool }", "proxy: pgpool", 4, "proxy"),
    ("name: app", "name: 'a b'", 6, "name"),
    ("listen: 127.0.0.1:0", "listen: 127.0.0.1:0\nlisten: 127.0.0.1:0", 3, "listen"),
    ("proxy: {", "attach: uprobe\nproxy: {", 4, 'attach: "uprobe" is not allowed; write auto, tracepoint, fexit or kprobe'),
])
@pytest.mark.parametrize("check", [[], ["--check"]], ids=["start", "check"])
def test_a_bad_configuration_ends_with_2_and_says_where(configured, right, wrong, line, key, check):
    path = configured(GOOD.replace(right, wrong))
    done = run("--config", path, *check)
    assert done.returncode == 2, done.stderr
    assert re.search(rf"{re.escape(str(path))}:{line}:\d+: .*{key}", done.stderr)


def test_a_missing_configuration_file_ends_with_2(tmp_path):
    done = run("--config", tmp_path / "none.yaml")
    assert done.returncode == 2
    assert "none.yaml" in done.stderr


def test_an_unknown_option_ends_with_2():
    assert run("--no-such-option").returncode == 2


@pytest.mark.parametrize("option, says", [("--version", "mirror-observer"), ("--help", "--config")])
def test_version_and_help_end_with_0(option, says):
    done = run(option)
    assert done.returncode == 0
    assert says in done.stdout


def test_check_finds_the_running_proxy_and_leaves_no_pin(configured, stand):
    if not stand.pgpool.process.running():
        stand.pgpool.start()
    with Client(stand.pgpool):  # its connections go elsewhere than the configuration says
        done = run("--config", configured(GOOD), "--check")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "your primary address 127.0.0.1:1 has no connection" in done.stdout
    assert "tracepoint" in done.stdout + done.stderr
    assert not os.path.exists("/sys/fs/bpf/mo_test_check")


def test_check_without_a_proxy_says_that_nothing_would_be_seen(configured):
    done = run("--config", configured(GOOD.replace("comm: pgpool", "comm: nobody-is-it")), "--check")
    assert done.returncode == 1
    assert "nobody-is-it" in done.stdout + done.stderr
