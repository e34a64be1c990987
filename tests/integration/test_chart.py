# SPDX-License-Identifier: MIT
"""docs/kubernetes/chart as helm renders it: valid by Kubernetes's own schemas, its configuration by the program, and the
observer declared as docs/kubernetes/daemonset.yaml declares it, which test_manifest.py runs."""

import itertools
import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml

from harness.observer import BINARY

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CHART = f"{ROOT}/docs/kubernetes/chart"
TOOLS = f"{ROOT}/build/tools"
KUBERNETES = "1.31"
EVERYTHING = ("podMonitor.enabled=true", "prometheusRule.enabled=true", "dashboard.enabled=true")
OPERATOR_S = {"PodMonitor", "PrometheusRule"}  # kinds whose schemas are not Kubernetes's


def helm(*arguments):
    program = shutil.which("helm", path=f"{TOOLS}/bin:{os.environ['PATH']}:{os.path.expanduser('~/go/bin')}")
    if not program:
        pytest.skip("needs helm, which Debian does not have: scripts/package/tools")
    return subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=60)


def rendered(*values):
    settings = itertools.chain.from_iterable(("--set-json" if value.endswith(("}", "]")) else "--set", value) for value in values)
    done = helm("template", "observe", CHART, "--kube-version", KUBERNETES, *settings)
    assert done.returncode == 0, done.stderr
    return {document["kind"] + ("/dashboard" if document["metadata"]["name"].endswith("-dashboard") else ""): document
            for document in yaml.safe_load_all(done.stdout) if document}


def pod(documents):
    return documents.get("DaemonSet", documents.get("Deployment"))["spec"]["template"]["spec"]


def observer(documents):
    return next(c for c in pod(documents)["containers"] if c["name"] == "mirror-observer")


@pytest.fixture(params=["daemonset", "sidecar"])
def mode(request):
    return request.param


@pytest.mark.parametrize("reload", ["signal", "restart", "none"])
def test_what_helm_renders_is_valid_kubernetes(mode, reload):
    documents = rendered(f"mode={mode}", f"reload={reload}", *EVERYTHING)
    assert len(documents) == 7
    if not os.path.isdir(f"{TOOLS}/python"):
        pytest.skip("needs kubernetes-validate, which Debian does not have: scripts/package/tools")
    script = ("import json, sys; sys.path.insert(0, sys.argv[1]); import kubernetes_validate as k\n"
              "for document in json.load(sys.stdin): k.validate(document, sys.argv[2], strict=True)")
    ours = [document for kind, document in documents.items() if kind not in OPERATOR_S]
    done = subprocess.run([sys.executable, "-c", script, f"{TOOLS}/python", KUBERNETES], input=json.dumps(ours),
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_validation_would_see_a_mistake():
    if not os.path.isdir(f"{TOOLS}/python"):
        pytest.skip("needs kubernetes-validate, which Debian does not have: scripts/package/tools")
    document = rendered()["DaemonSet"]
    document["spec"]["template"]["spec"]["hostPid"] = True
    script = ("import json, sys; sys.path.insert(0, sys.argv[1]); import kubernetes_validate as k\n"
              "k.validate(json.load(sys.stdin), sys.argv[2], strict=True)")
    assert subprocess.run([sys.executable, "-c", script, f"{TOOLS}/python", KUBERNETES], input=json.dumps(document),
                          capture_output=True, text=True, check=False, timeout=60).returncode != 0


def test_the_observer_is_declared_as_in_the_manifest_that_is_run_in_a_test(mode):
    with open(f"{ROOT}/docs/kubernetes/daemonset.yaml", encoding="ascii") as file:
        manifest = {document["kind"]: document for document in yaml.safe_load_all(file)}
    ours, tried = observer(rendered(f"mode={mode}")), observer(manifest)
    for key in ("args", "ports", "livenessProbe", "readinessProbe", "resources", "securityContext"):
        assert ours[key] == tried[key], key
    documents = rendered(f"mode={mode}")
    assert pod(documents)["volumes"][-1] == pod(manifest)["volumes"][-1]
    assert pod(documents).get("hostPID", False) == (mode == "daemonset")
    assert pod(documents).get("shareProcessNamespace", False) == (mode == "sidecar")


def test_its_configuration_is_valid(tmp_path):
    text = rendered('observer.extra={"window":"5m","readiness":{"observed":"1h"},"mirror_failure_threshold":5}')
    path = tmp_path / "observer.yaml"
    path.write_text(text["ConfigMap"]["data"]["observer.yaml"], encoding="utf-8")
    done = subprocess.run([BINARY, "--check", "--config", path], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1, 4), done.stdout + done.stderr
    assert "is valid, 1 cluster" in done.stdout


def test_a_wrong_value_is_refused_by_name():
    for value, word in (("mode=deployment", "mode"), ("reload=perhaps", "reload"), ("observer.clusters=null", "observer.clusters")):
        done = helm("template", "observe", CHART, "--kube-version", KUBERNETES, "--set", value)
        assert done.returncode != 0 and f"{word}: " in done.stderr


def test_a_changed_configuration_changes_the_pods_only_where_they_shall_restart():
    def template(*values):
        return rendered(*values)["DaemonSet"]["spec"]["template"]
    changed = "observer.proxy.comm=pgcat"
    assert template("reload=restart") != template("reload=restart", changed)
    assert template("reload=signal") == template("reload=signal", changed)
    assert [c["name"] for c in template("reload=signal")["spec"]["containers"]] == ["mirror-observer", "reload"]


def test_rules_and_dashboard_are_the_documented_ones():
    documents = rendered(*EVERYTHING)
    with open(f"{ROOT}/docs/prometheus/rules.yaml", encoding="utf-8") as file:
        assert documents["PrometheusRule"]["spec"] == yaml.safe_load(file)
    with open(f"{ROOT}/docs/grafana/mirror-observer.json", encoding="utf-8") as file:
        assert json.loads(documents["ConfigMap/dashboard"]["data"]["mirror-observer.json"]) == json.load(file)


def test_the_network_policy_lets_in_who_is_named_and_the_proxy_s_clients():
    named = rendered('networkPolicy.from=[{"namespaceSelector":{"matchLabels":{"name":"monitoring"}}}]', "mode=sidecar")
    ingress = named["NetworkPolicy"]["spec"]["ingress"]
    assert ingress[0] == {"ports": [{"port": "metrics"}], "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]}
    assert ingress[1] == {"ports": [{"port": 6432}]}
    assert rendered()["NetworkPolicy"]["spec"]["ingress"] == [{"ports": [{"port": "metrics"}], "from": [{"podSelector": {}}]}]
