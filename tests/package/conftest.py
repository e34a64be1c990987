# SPDX-License-Identifier: MIT
"""One pair of servers, for what is made by `make deb` and `make image`; see `make dist-check`."""

import os
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import harness  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def cleaned_up_when_terminated():
    harness.interruptible()


@pytest.fixture(scope="session")
def stand():
    """Two servers; the proxy is each test's own."""
    with harness.Stand("mo-package", children=0) as it:
        yield it
    assert harness.leftovers(it.directory) == []
