# SPDX-License-Identifier: MIT
"""What outlives the daemon in the directory `state`: the figures over time, also with privileges given up; a broken file is a warning."""

import json
import os
import time
import urllib.request

import pytest

from harness import Observer


@pytest.fixture
def directory(tmp_path):
    os.chmod(tmp_path, 0o755)
    (tmp_path / "state").mkdir()
    return tmp_path


def observer(directory, mirror="127.0.0.1:2", **keys):
    clusters = [{"name": "app", "primary": {"address": "127.0.0.1:1", "database": "a"}, "mirror": {"address": mirror, "database": "a"}}]
    return Observer(str(directory), clusters, state=str(directory / "state"), **keys)


def series(served):
    with urllib.request.urlopen(f"{served.url}/api/v1/series?cluster=app&range=5m", timeout=5) as answer:
        return json.load(answer)


def known(answer):
    """{Unix time: value} of the points that are known."""
    values = next(one["values"] for one in answer["series"] if one["name"] == "success")
    return {answer["end"] - (len(values) - 1 - i) * answer["step"]: value for i, value in enumerate(values) if value is not None}


def marks(answer, kind):
    return [mark["text"] for mark in answer["marks"] if mark["kind"] == kind]


def watch(directory, seconds=1.2, **keys):
    with observer(directory, **keys) as served:
        time.sleep(seconds)
        answer = series(served)
        served.process.stop()
        return answer, served.process.output()


@pytest.mark.parametrize("keys", ({}, {"user": "nobody"}), ids=("root", "another account"))
def test_figures_over_time_go_on_after_a_restart_and_the_time_away_is_unknown(directory, keys):
    before, _ = watch(directory, seconds=3, **keys)
    time.sleep(2.5)
    after, log = watch(directory, seconds=3, **keys)
    older = set(known(before))
    assert len(older) >= 2 and older <= set(known(after)) and len(known(after)) >= len(older) + 2
    assert max(older) + 2 not in known(after)
    assert marks(after, "start")[0] == "observer started"
    assert marks(after, "start")[1].startswith("observer started, ") and marks(after, "start")[1].endswith(" s not observed")
    assert "history" not in log
    assert oct(os.stat(directory / "state" / "history").st_mode & 0o777) == "0o600"


def test_a_broken_file_is_a_warning_and_the_figures_begin_anew(directory):
    watch(directory)
    path = directory / "state" / "history"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    answer, log = watch(directory)
    assert "state/history cannot be used (it is broken): the figures over time begin anew" in log
    assert len(marks(answer, "start")) == 1
    # And it is whole again.
    answer, log = watch(directory)
    assert log.count("it is broken") == 1 and len(marks(answer, "start")) == 2  # the log goes on from start to start


def test_another_cluster_of_the_same_name_begins_anew(directory):
    watch(directory)
    answer, _ = watch(directory, mirror="127.0.0.1:3")
    assert marks(answer, "start") == ["observer started"]


def test_a_directory_that_is_not_there_is_a_warning(directory):
    (directory / "state").rmdir()
    answer, log = watch(directory)
    assert "state/history: No such file or directory: the figures over time will not outlive this process" in log
    assert marks(answer, "start")
