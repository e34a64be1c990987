# SPDX-License-Identifier: MIT
"""The pinned maps: what bpftool shows, restarts, --fresh, other layouts, and a second daemon."""

import json
import os
import shutil
import signal
import subprocess
import uuid

import pytest

from harness.exposition import Exposition


@pytest.fixture(scope="module", autouse=True)
def built():
    if os.getuid() != 0:
        pytest.skip("needs root: BPF maps are created")
    if not shutil.which("bpftool"):
        pytest.skip("needs bpftool")
    Exposition.build()


@pytest.fixture
def pin():
    path = f"/sys/fs/bpf/mo_test_{uuid.uuid4().hex}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def bpftool(*arguments):
    shown = subprocess.run(["bpftool", "-j", *arguments], check=True, capture_output=True, text=True)
    return json.loads(shown.stdout) if shown.stdout else None


def dump(pin, name):
    return [element["formatted"]["value"] for element in bpftool("map", "dump", "pinned", f"{pin}/{name}")]


def requests(served, cluster="app"):
    return served.metrics().get("pgdog_mirror_requests_total", cluster=cluster, status="success")


def refused(*arguments):
    """The log of a fixture that must not start."""
    with Exposition(*arguments) as served:
        assert served.port is None
        assert served.stop() == 1
        return served.log


def test_bpftool_prints_named_fields_of_each_cluster(pin):
    with Exposition("--pin", pin, "--add", 9, "app", "other") as served:
        clusters = {element["name"]: element for element in dump(pin, "stats")}
        assert set(clusters) == {"app", "other", ""}
        assert clusters["app"]["requests"] == {"success": 9, "failure": 3, "unknown": 0}
        assert clusters["app"]["mirror"]["duration"]["buckets"]["le_2000_us"] == 9
        assert clusters["app"]["mirror"]["errors"]["known"][0] == {"sqlstate": "57014", "count": 3}
        assert clusters["app"]["last_success"]["value"] == 1700000000123456
        assert dump(pin, "observer")[0]["pid"] == served.pid


def test_a_restart_continues_the_counters_and_says_so(pin):
    with Exposition("--pin", pin, "--add", 9, "app") as served:
        assert f"pinned the counters in {pin}" in served.log
    with Exposition("--pin", pin, "--add", 1, "app") as served:
        assert requests(served) == 10
        assert f"continuing the counters of 1 cluster pinned in {pin}" in served.log


def test_what_was_open_in_a_dead_daemon_is_not_open_any_more(pin):
    with Exposition("--pin", pin, "--add", 9, "app") as served:
        assert served.metrics().sum("pgdog_mirror_connections", cluster="app") == 3
        served.stop(signal.SIGKILL)
    with Exposition("--pin", pin, "app") as served:
        metrics = served.metrics()
        assert metrics.sum("pgdog_mirror_connections", cluster="app") == 0
        assert metrics.get("mirror_observer_unclassified_connections") == 2, "this daemon's own, not both"
        assert metrics.get("mirror_observer_events_total") == 14


def test_fresh_starts_at_zero_and_says_so(pin):
    with Exposition("--pin", pin, "--add", 9, "app"):
        pass
    with Exposition("--pin", pin, "--fresh", "--add", 1, "app") as served:
        assert requests(served) == 1
        assert "start at zero (--fresh)" in served.log
    with Exposition("--pin", pin, "app") as served:
        assert requests(served) == 1


def test_a_second_daemon_is_refused_and_names_the_first(pin):
    with Exposition("--pin", pin, "--add", 9, "app") as first:
        assert f"pid {first.pid}," in refused("--pin", pin, "app")
        assert f"pid {first.pid}," in refused("--pin", pin, "--fresh", "app"), "--fresh does not force it"
        assert requests(first) == 9


def test_a_second_daemon_in_another_pid_namespace_is_refused_too(pin):
    with Exposition("--pin", pin, "--add", 9, "app") as first:
        second = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", first.process.args[0], "--pin", pin, "a"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30)
        assert second.returncode == 1
        assert f"pid {first.pid} in its own pid namespace" in second.stderr


def test_a_killed_daemon_does_not_block_the_next(pin):
    with Exposition("--pin", pin, "--add", 9, "app") as served:
        served.stop(signal.SIGKILL)
    with Exposition("--pin", pin, "app") as served:
        assert requests(served) == 9


@pytest.mark.parametrize("value_size", [8, None])
def test_a_pin_of_another_layout_is_replaced_and_says_so(pin, value_size):
    with Exposition("--pin", pin, "--add", 9, "app"):
        element = bpftool("map", "show", "pinned", f"{pin}/stats")
    os.unlink(f"{pin}/stats")
    # None: the right size without BTF, so that only the missing names tell.
    bpftool("map", "create", f"{pin}/stats", "type", "array", "key", "4", "value",
            str(value_size or element["bytes_value"]), "entries", "4", "name", "stats", "flags", "1024")
    with Exposition("--pin", pin, "--add", 1, "app") as served:
        assert requests(served) == 1
        assert "of another version of mirror-observer and were replaced" in served.log
    assert "app" in [element["name"] for element in dump(pin, "stats")]


def test_another_version_number_in_the_map_is_another_layout(pin):
    with Exposition("--pin", pin, "--add", 9, "app"):
        pass
    size = bpftool("map", "show", "pinned", f"{pin}/observer")["bytes_value"]
    subprocess.run(["bpftool", "map", "update", "pinned", f"{pin}/observer", "key", "0", "0", "0", "0", "value",
                    "99", *["0"] * (size - 1)], check=True)
    with Exposition("--pin", pin, "--add", 1, "app") as served:
        assert requests(served) == 1
        assert "were replaced" in served.log


@pytest.mark.parametrize("size", [2, 64])
def test_another_max_clusters_carries_the_counters_over(pin, size):
    with Exposition("--pin", pin, "--add", 9, "old", "older", "app"):
        pass
    with Exposition("--pin", pin, "--max-clusters", size, "--add", 1, "app") as served:
        assert requests(served) == 10
        assert f"max_clusters changed from 4 to {size}" in served.log
    assert len(dump(pin, "stats")) == size
    with Exposition("--pin", pin, "--max-clusters", size, "app") as served:
        assert requests(served) == 10


def test_a_pin_outside_of_a_bpffs_is_refused(tmp_path):
    assert "is not on a bpffs" in refused("--pin", tmp_path / "pin", "app")
    assert not (tmp_path / "pin").exists()


def test_a_bpffs_is_mounted_where_none_is(tmp_path):
    """In a mount namespace of its own, so that nobody else's pins disappear."""
    binary = Exposition("--observer-only")
    binary.stop()
    script = 'umount -l /sys/fs/bpf || true; exec "$0" --pin /sys/fs/bpf/deep/pin app'
    run = subprocess.run(["unshare", "--mount", "sh", "-c", script, binary.process.args[0]], stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, check=False, timeout=30)
    assert run.returncode == 0, run.stderr
    assert "mounted a bpffs on /sys/fs/bpf" in run.stderr
    assert "pinned the counters in /sys/fs/bpf/deep/pin" in run.stderr
