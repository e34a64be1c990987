# SPDX-License-Identifier: MIT
"""Two minutes of `make soak`."""

import os
import subprocess

import pytest
from conftest import cannot_run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")
SECONDS = 120


def test_two_minutes_without_a_quiet_second_leave_nothing_behind_and_every_count_right():
    why = cannot_run()
    if why:
        pytest.skip(why)
    subprocess.run(["make", "-s", "-C", ROOT, f"{BUILD}/tests/mirror-proxy"], check=True)
    done = subprocess.run([os.path.join(ROOT, "tests/soak/soak"), "--seconds", str(SECONDS)], check=False, capture_output=True,
                          text=True, timeout=SECONDS + 180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "memory:" in done.stdout
