# SPDX-License-Identifier: MIT
"""README's four commands, as they stand there, on the demo's set-up: set-up, discover, run, verdict."""
import os
import re
import subprocess

import pytest
from conftest import cannot_run
from harness import Pgbench, Stand, leftovers
from harness.observer import BINARY, ROOT

# In namespaces of its own for the port and the pin that are the defaults; the observer sees the proxy from anywhere.
SURROUNDINGS = """
set -e
ip link set lo up
mount -t bpf bpf /sys/fs/bpf
"""


def commands():
    """The block behind "Watch your own proxy", without sudo: we are root."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        part = file.read().split("## Watch your own proxy", 1)[1]
    block = re.search(r"(?:^    .*\n)+", part, re.MULTILINE).group(0)
    return [line.strip().replace("sudo ", "") for line in block.splitlines()]


def test_four_commands_lead_to_a_verdict(tmp_path):
    if cannot_run():
        pytest.skip(cannot_run())
    setup, discover, run, verdict = commands()
    assert setup == "scripts/setup --build && make"
    subprocess.run(["bash", "-c", setup], check=True, cwd=ROOT, capture_output=True)
    os.mkdir(tmp_path / "build")
    for name in (BINARY, f"{BINARY}-import"):
        os.symlink(name, tmp_path / "build" / os.path.basename(name))
    assert run.endswith("&")
    waiting = "for i in $(seq 100); do build/mirror-observer readiness --config my.yaml >/dev/null 2>&1; [ $? = 5 ] || break; sleep 0.1; done"
    script = f"{SURROUNDINGS}{discover}\n{run}\ntrap 'kill %1; wait' EXIT\nset +e\n{waiting}\nsleep 6\n{verdict}\necho status $?\n"
    with Stand("mo-first", children=4) as stand:
        load = Pgbench(stand.pgpool, stand.path("load.log"), clients=2, seconds=3600, options=("--rate=100",))
        try:
            done = subprocess.run(["unshare", "--mount", "--net", "bash", "-c", f"sleep 1\n{script}"], check=False, cwd=tmp_path,
                                  capture_output=True, text=True, timeout=120)
        finally:
            load.stop()
    assert leftovers(stand.directory) == []
    assert "status 3" in done.stdout, done.stdout + done.stderr  # not enough seen yet, which is the truth after seconds
    assert "mirror_1" in done.stdout
    assert "has no connection" not in done.stdout + done.stderr
