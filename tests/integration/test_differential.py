# SPDX-License-Identifier: MIT
"""A short differential run; the long one is `make check-differential`. DIFFERENTIAL_STATEMENTS sets its length."""
import os

import pytest
from conftest import cannot_run
from differential import driver

STATEMENTS = int(os.environ.get("DIFFERENTIAL_STATEMENTS", "5000"))


def agreed(**options):
    seed = driver.new_seed()
    problems, truth = driver.check(seed, STATEMENTS, **options)
    assert problems == [], f"repeat it with tests/differential/run --statements {STATEMENTS} --seed {seed}"
    return truth


def test_what_libpq_was_told_is_what_the_server_did():
    truth = agreed(observe=False, through="direct")
    assert truth["statements"]["success"] > 0.5 * STATEMENTS
    assert all(truth["failures"].values()), "a kind of failure was never tried"


@pytest.mark.parametrize("through", ["relay", "direct"])
def test_the_observer_counts_what_the_client_saw(through):
    if cannot_run():
        pytest.skip(cannot_run())
    agreed(through=through)


def test_an_observer_that_loses_much_tells_nothing_that_the_client_did_not_see():
    if cannot_run():
        pytest.skip(cannot_run())
    agreed(lossy=True)
