# SPDX-License-Identifier: MIT
"""Queue depth, lag and the share of statements matched, beside what is true. `make check-queue` is the long version."""

import os
import subprocess

import pytest

from conftest import cannot_run
from harness import pgbench
from harness.load import MODES
from harness.mirror_proxy import ROOT

NAME = "app_mirror"

# Twelve seconds hold a fifth of the samples that the limits are made for, on a machine that runs other tests as well:
# the error of a mean is twice as large.
SECONDS, TOLERANCE = 12, 2.0


@pytest.mark.parametrize("scenario", ["all", "half-stall"])
def test_depth_and_lag_agree_with_the_proxys_truth(scenario):
    if cannot_run():
        pytest.skip(cannot_run())
    done = subprocess.run([os.path.join(ROOT, "tests/proxy/scenarios"), "--observer", "start", "--seconds", str(SECONDS),
                           "--tolerance", str(TOLERANCE), scenario], check=False, capture_output=True, text=True,
                          timeout=180)
    if "only" in done.stdout and "statements/s" in done.stdout:
        pytest.skip(f"the machine is too slow for the load:\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_more_than_99_of_100_statements_that_pgpool_sends_to_the_mirror_are_matched(stand, observe, mode):
    observer = observe()
    pgbench(stand.pgpool, mode=mode, clients=8, transactions=150,
            options=[] if mode == "pipelined" else ["-b", "tpcb-like"])
    stand.settled_counts()
    metrics = observer.settled()
    kinds = {kind: metrics.get("pgdog_mirror_statements_by_kind_total", cluster=NAME, target="mirror", kind=kind)
             for kind in ("select", "insert", "update", "delete")}
    matched = metrics.get("pgdog_mirror_matched_total", cluster=NAME)
    assert sum(kinds.values()) >= 8 * 150 * 3, kinds
    assert matched > 0.99 * sum(kinds.values()), kinds
    unmatched = sum(metrics.get("pgdog_mirror_unmatched_total", cluster=NAME, target="mirror", reason=reason)
                    for reason in ("no_primary", "unkeyed", "fanout", "evicted"))
    assert unmatched < 0.01 * matched
