# SPDX-License-Identifier: MIT
"""What others read from /metrics: promtool, prometheus_client's parser, and a real Prometheus that scrapes."""

import json
import math
import os
import re
import shutil
import subprocess
import textwrap
import urllib.parse
import urllib.request

import pytest

from harness import Process, free_port, wait_for
from harness.exposition import OPENMETRICS, Exposition

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FIXED = {  # shared contract: name, type, labels
    "pgdog_mirror_requests": ("counter", {"cluster", "status"}),
    "pgdog_mirror_failures": ("counter", {"cluster", "error_type"}),
    "pgdog_mirror_success_rate": ("gauge", {"cluster"}),
    "pgdog_mirror_last_success_timestamp": ("gauge", {"cluster"}),
    "pgdog_mirror_last_failure_timestamp": ("gauge", {"cluster"}),
    "pgdog_mirror_statements": ("counter", {"cluster", "target", "status"}),
    "pgdog_mirror_errors": ("counter", {"cluster", "target", "sqlstate"}),
    "pgdog_mirror_statement_duration_seconds": ("histogram", {"cluster", "target"}),
    "pgdog_mirror_connections": ("gauge", {"cluster", "target", "state"}),
    "pgdog_mirror_connection_attempts": ("counter", {"cluster", "target", "result"}),
    "pgdog_mirror_failure_threshold_exceeded": ("gauge", {"cluster"}),
    "mirror_observer_events": ("counter", set()),
    "mirror_observer_bytes": ("counter", set()),
    "mirror_observer_lost_bytes": ("counter", {"reason"}),
    "mirror_observer_unclassified_connections": ("gauge", set()),
    "mirror_observer_unclassified_failures": ("counter", set()),
}


@pytest.fixture(scope="module", autouse=True)
def built():
    Exposition.build()


@pytest.fixture(scope="module")
def served():
    with Exposition("--add", 9, "app", "other") as it:
        yield it


def families(served, **options):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="needs python3-prometheus-client")
    _, headers, text = served.get("/metrics", headers={"Accept": OPENMETRICS}, **options)
    assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def test_promtool_finds_nothing_to_say_about_0_0_4(served):
    if not shutil.which("promtool"):
        pytest.skip("needs promtool (Debian package prometheus)")
    _, headers, text = served.get("/metrics")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def code_block(document, heading):
    """The indented lines behind a heading, without the indentation."""
    with open(os.path.join(ROOT, "docs", document), encoding="utf-8") as file:
        section = re.split(r"^#+ ", file.read().split(f"### {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    return textwrap.dedent("".join(line for line in section.splitlines(keepends=True) if line.startswith("    ")))


def test_promtool_takes_the_documented_queries(tmp_path):
    if not shutil.which("promtool"):
        pytest.skip("needs promtool (Debian package prometheus)")
    queries = re.split(r"^#.*\n", code_block("migration-readiness.md", "PromQL"), flags=re.MULTILINE)[1:]
    recorded = "".join(f"      - record: query_{i}\n        expr: |\n{textwrap.indent(query, ' ' * 10)}"
                       for i, query in enumerate(queries))
    rules = tmp_path / "rules.yml"
    rules.write_text("groups:\n  - name: documented\n    rules:\n" + recorded)
    checked = subprocess.run(["promtool", "check", "rules", rules], text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(queries)} rules found" in checked.stdout and len(queries) == 6


def test_openmetrics_parses_with_fixed_names_types_and_labels(served):
    found = families(served)
    for name, (kind, labels) in FIXED.items():
        assert found[name].type == kind, name
        for sample in found[name].samples:
            assert set(sample.labels) - {"le"} == labels, sample
    assert "pgdog_mirror_queue_depth" not in found
    assert found["pgdog_mirror_statement_duration_seconds"].unit == "seconds"


def test_every_family_has_help_and_a_series_for_each_cluster(served):
    for name, family in families(served).items():
        assert family.documentation, name
        assert family.samples, name
        clusters = {sample.labels["cluster"] for sample in family.samples if "cluster" in sample.labels}
        assert clusters in (set(), {"app", "other"}), name


def test_both_formats_tell_the_same(served):
    def figures(accept):
        text = served.get("/metrics", headers={"Accept": accept})[2]
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: value for name, value in lines if name.startswith("pgdog_")}

    assert figures(OPENMETRICS) == figures("text/plain")


def test_the_figures_are_those_that_were_counted(served):
    metrics = served.metrics()
    assert metrics.get("pgdog_mirror_requests_total", cluster="app", status="success") == 9
    assert metrics.sum("pgdog_mirror_failures_total", cluster="app") == \
        metrics.get("pgdog_mirror_requests_total", cluster="app", status="failure") == 3
    assert metrics.get("pgdog_mirror_success_rate", cluster="app") == 75
    assert metrics.get("pgdog_mirror_last_success_timestamp", cluster="app") == 1700000000.123456
    assert metrics.get("pgdog_mirror_errors_total", cluster="app", target="mirror", sqlstate="57014") == 3
    assert metrics.get("pgdog_mirror_statement_duration_seconds_sum", cluster="app", target="mirror") == 0.013536
    assert metrics.get("pgdog_mirror_statement_duration_seconds_bucket", cluster="app", target="mirror",
                       le="0.002") == 9
    assert math.isnan(metrics.get("pgdog_mirror_failure_threshold_exceeded", cluster="app"))


def test_observer_only_serves_no_family_of_a_cluster():
    with Exposition("--observer-only", "--add", 9, "app") as served:
        names = families(served)
        assert not [name for name in names if name.startswith("pgdog_")]
        assert "mirror_observer_build_info" in names and "process_cpu_seconds" in names


def test_a_real_prometheus_scrapes_and_answers(served, tmp_path):
    if not shutil.which("prometheus"):
        pytest.skip("needs Debian's package prometheus")
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [
        {"job_name": "mirror", "static_configs": [{"targets": [f"127.0.0.1:{served.port}"]}]}]}))
    port = free_port()

    def query(expression):
        url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return [(r["metric"], r["value"][1]) for r in json.load(answer)["data"]["result"]]
        except OSError:
            return []

    with Process(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
                  f"--web.listen-address=127.0.0.1:{port}"], tmp_path / "prometheus.log"):
        result = wait_for(lambda: query('pgdog_mirror_requests_total{cluster="app",status="success"}'),
                          "a scrape by Prometheus")
        assert result[0][1] == "9"
        assert query("up")[0][1] == "1"
        # 9 durations of 1.5 ms: the median is interpolated between 1 and 2 ms.
        quantile = query('histogram_quantile(0.5, pgdog_mirror_statement_duration_seconds_bucket'
                         '{cluster="app",target="mirror"})')
        assert float(quantile[0][1]) == pytest.approx(0.0015)
