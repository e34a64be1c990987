# SPDX-License-Identifier: MIT
"""What an observer counted of one cluster, without all that is zero; and what must hold of it at any time."""

from harness import wait_for

NAME = "app_mirror"
STATUS = ("success", "failure", "unknown")


def series(metrics, family, label, **labels):
    """{value of label: figure} of one family, only what is not 0."""
    wanted = set(labels.items())
    return {dict(have)[label]: value for (name, have), value in metrics.samples.items()
            if name == family and wanted <= have and value}


def counted(metrics, target="mirror", cluster=NAME):
    """{"attempts": {...}, "statements": ..., "errors": ..., "connections": ...}; of the mirror also requests, failures,
    late, ignored and upkeep. Checks the identities of the metrics contract on the way."""
    labels = {"cluster": cluster, "target": target}
    found = {
        "attempts": series(metrics, "pgdog_mirror_connection_attempts_total", "result", **labels),
        "statements": series(metrics, "pgdog_mirror_statements_total", "status", **labels),
        "ignored_statements": series(metrics, "pgdog_mirror_ignored_statements_total", "status", **labels),
        "errors": series(metrics, "pgdog_mirror_errors_total", "sqlstate", **labels),
        "connections": series(metrics, "pgdog_mirror_connections", "state", **labels),
    }
    if target == "mirror":
        found["requests"] = series(metrics, "pgdog_mirror_requests_total", "status", cluster=cluster)
        found["failures"] = series(metrics, "pgdog_mirror_failures_total", "error_type", cluster=cluster)
        found["ignored"] = series(metrics, "pgdog_mirror_ignored_requests_total", "status", cluster=cluster)
        found["upkeep"] = metrics.sum("pgdog_mirror_upkeep_requests_total", cluster=cluster)
        found["late"] = metrics.sum("pgdog_mirror_late_answers_total", cluster=cluster)
        assert_identities(metrics, cluster)
    return {key: value for key, value in found.items() if value}


def assert_identities(metrics, cluster=NAME):
    requests = series(metrics, "pgdog_mirror_requests_total", "status", cluster=cluster)
    failures = series(metrics, "pgdog_mirror_failures_total", "error_type", cluster=cluster)
    attempts = series(metrics, "pgdog_mirror_connection_attempts_total", "result", cluster=cluster, target="mirror")
    success, failure = requests.get("success", 0), requests.get("failure", 0)
    assert sum(failures.values()) == failure
    assert sum(n for result, n in attempts.items() if result != "ok") <= failures.get("connection", 0)
    rate = metrics.get("pgdog_mirror_success_rate", cluster=cluster)
    if success + failure:
        assert abs(rate - 100 * success / (success + failure)) < 1e-6
    else:
        assert rate != rate, "NaN before the first request"


def lost(metrics):
    """Bytes not captured, {reason: bytes}."""
    return series(metrics, "mirror_observer_lost_bytes_total", "reason")


def eventually(observer, condition, what, timeout=30):
    """Metrics once condition(metrics) holds."""
    def met():
        metrics = observer.metrics()
        return metrics if condition(metrics) else None
    return wait_for(met, what, timeout, interval=0.05)
