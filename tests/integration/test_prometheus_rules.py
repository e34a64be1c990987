# SPDX-License-Identifier: MIT
"""docs/prometheus/rules.yaml: promtool's unit tests, and that each alert has some that fire and some that do not."""

import glob
import os
import re
import shutil
import subprocess

import pytest
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = f"{ROOT}/docs/prometheus/rules.yaml"
TESTS = sorted(glob.glob(f"{ROOT}/tests/prometheus/*.yaml"))


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def rules():
    return [rule for group in load(RULES)["groups"] for rule in group["rules"]]


def promtool(*arguments):
    if not shutil.which("promtool"):
        pytest.skip("needs promtool (package prometheus)")
    return subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True, timeout=300)


def test_promtool_s_unit_tests_pass():
    assert len(TESTS) >= 2
    done = promtool("test", "rules", *TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_firing_and_not_firing():
    cases = [case for path in TESTS for test in load(path)["tests"] for case in test.get("alert_rule_test", [])]
    fired = {case["alertname"] for case in cases if case["exp_alerts"]}
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert fired == alerts
    for alert in alerts:
        series_beside = [case for case in cases if case["alertname"] == alert]
        assert any(not case["exp_alerts"] for case in series_beside) or beside_quiet_ones(alert), alert


def beside_quiet_ones(alert):
    """A test that fires may itself hold an instance or a cluster that does not."""
    for path in TESTS:
        for test in load(path)["tests"]:
            for case in test.get("alert_rule_test", []):
                if case["alertname"] != alert or not case["exp_alerts"]:
                    continue
                told = {(e["exp_labels"].get("instance"), e["exp_labels"].get("cluster")) for e in case["exp_alerts"]}
                names = {tuple((re.search(rf'{label}="(\w+)"', s["series"]) or [None, None])[1]
                               for label in ("instance", "cluster")) for s in test["input_series"]}
                for instance, cluster in names:
                    if not any(i in (None, instance) and c in (None, cluster) for i, c in told):
                        return True
    return False


def test_every_alert_says_what_is_the_matter_and_what_to_do():
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_the_documentation_names_every_alert_and_no_other():
    with open(f"{ROOT}/docs/prometheus.md", encoding="utf-8") as file:
        text = file.read()
    named = set(re.findall(r"^\| `(Mirror\w+)` \|", text, re.MULTILINE))
    assert named == {rule["alert"] for rule in rules() if "alert" in rule}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert set(re.findall(r"`(cluster\w*:\w+:\w+)`", text)) <= recorded
