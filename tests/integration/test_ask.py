# SPDX-License-Identifier: MIT
"""top in a real terminal (tmux), status, --json, readiness --wait with its progress, and the report opened from disk."""

import glob
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from harness.browser import Browser, missing
from harness.observer import BINARY
from test_api import Page


@pytest.fixture(scope="module")
def page():
    served = Page(3)
    time.sleep(3)  # until enough is seen to say that it is not ready
    served.hold_still()
    yield served
    served.close()


def ask(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=20)


class Terminal:
    """A command in a window of tmux, on a server of its own."""

    def __init__(self, command, width=130, height=45):
        self.name = f"mirror-observer-{os.getpid()}"
        self.tmux("new-session", "-d", "-x", str(width), "-y", str(height), command)

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-L", self.name, "-f", "/dev/null", *arguments], capture_output=True, text=True, timeout=10,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"})

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def text(self):
        return self.tmux("capture-pane", "-p").stdout

    def until(self, part, timeout=10):
        end = time.monotonic() + timeout
        while part not in self.text():
            if time.monotonic() > end:
                raise TimeoutError(f"{part!r} not within {timeout} s on\n{self.text()}")
            time.sleep(0.1)
        return self.text()

    def close(self):
        self.tmux("kill-server")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


def test_top_shows_verdict_figures_and_plots_and_goes_by_keys(page):
    with Terminal(f"{BINARY} top --url {page.url}; echo ended with $?; sleep 30") as terminal:
        text = terminal.until("requests succeeded")
        metrics = page.metrics()
        failed = int(metrics.get("pgdog_mirror_requests_total", cluster="orders_000", status="failure"))
        assert text.splitlines()[1].startswith("Not ready: ")
        assert f"failed {failed} (connection 0, timeout 0, query {failed})" in text
        assert "█" in text and "statement p99, mirror" in text
        terminal.keys("Right")
        terminal.until("_001 (one of 3)")
        terminal.keys("Right")
        terminal.until("orders_002 (one of 3)")
        terminal.keys("t")
        terminal.until("last 1h")
        terminal.keys("/", "abc")
        terminal.until("search: abc_")
        terminal.keys("Enter", "s")
        terminal.until("sort: calls")
        terminal.keys("q")
        terminal.until("ended with 0")


def test_top_goes_on_while_the_daemon_is_away_and_says_so():
    served = Page(1)
    with Terminal(f"{BINARY} top --url {served.url}") as terminal:
        terminal.until("requests succeeded")
        served.close()
        assert "does not answer" in terminal.until("does not answer")


def test_top_needs_a_terminal(page):
    ended = ask("top", "--url", page.url)
    assert ended.returncode == 2 and "terminal" in ended.stderr


def test_status_says_what_metrics_say(page):
    ended = ask("status", "--url", page.url)
    metrics = page.metrics()
    assert ended.returncode == 0
    part = ended.stdout.split("\n\n")[0]
    failed = int(metrics.get("pgdog_mirror_requests_total", cluster="orders_000", status="failure"))
    assert part.startswith("orders_000: Not ready: ") and f"{failed} failed, 0 unknown" in part
    assert ask("status", "--cluster", "nobody", "--url", page.url).returncode == 2
    assert ask("status", "--url", "http://127.0.0.1:1").returncode == 5


def test_json_is_what_the_daemon_answers(page):
    assert {one["name"] for one in json.loads(ask("status", "--json", "--url", page.url).stdout)["clusters"]} > {"orders_000"}
    one = json.loads(ask("status", "--json", "--cluster", "orders_000", "--url", page.url).stdout)
    assert one["name"] == "orders_000" and len(one["check_list"]) == one["checks"]
    ended = ask("readiness", "--json", "--url", page.url)
    assert ended.returncode == 1 and len(json.loads(ended.stdout)["clusters"]) == 3


def test_waiting_tells_a_terminal_what_is_missing_and_how_long_it_takes(page):
    with Terminal(f"{BINARY} readiness --cluster orders_002 --wait 1m --url {page.url}") as terminal:
        text = terminal.until("at this rate")
        assert re.search(r"orders_002: Not enough seen yet: .* of .*; all evidence in [\d.]+ (min|h|s|d) at this rate", text)


# --------------------------------------------------------------------------------------------------- report

@pytest.fixture(scope="module")
def report(page, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("report") / "report.html")
    ended = ask("report", "-o", path, "--url", page.url)
    assert ended.returncode == 0, ended.stderr
    return path


def test_the_checksum_of_a_report_is_that_of_its_lines(report):
    with open(report, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    summed = subprocess.run(["xxh128sum"], input=b"".join(lines[:-1]), capture_output=True, check=True).stdout.split()[0]
    assert lines[-1] == b"<!-- xxh128 " + summed + b" -->\n"


def test_a_report_leaves_nothing_else_and_replaces_the_old_one_whole(page, report):
    assert glob.glob(report + "*") == [report]
    assert ask("report", "-o", report, "--cluster", "orders_002", "--url", page.url).returncode == 0
    ended = ask("report", "-o", "/nowhere/x.html", "--url", page.url)
    assert ended.returncode == 1 and "/nowhere/x.html: No such file" in ended.stderr
    assert ask("report", "-o", report, "--cluster", "nobody", "--url", page.url).returncode == 2
    assert ask("report", "-o", report, "--url", page.url).returncode == 0


@pytest.mark.skipif(bool(missing()), reason=str(missing()))
def test_a_report_opens_from_disk_without_a_network(page, report):
    with Browser() as browser:
        browser.driver.execute_cdp_cmd("Network.enable", {})
        browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {
            "offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0})
        browser.open(f"file://{report}")
        assert browser.run("return performance.getEntriesByType('resource').length") == 0
        assert browser.run("return [...document.querySelectorAll('h2')].map((one) => one.textContent)")[0] == "orders_000"
        assert browser.run("return document.querySelectorAll('svg').length") == 3 * 8
        text = browser.run("return document.body.textContent")
        failed = int(page.metrics().get("pgdog_mirror_requests_total", cluster="orders_000", status="failure"))
        assert f"failure{failed}" in text and "10.1.0.1:5432 (database app)" in text and "What happened" in text
        assert browser.messages() == []
        # On paper: pages of A4, none of them cut at the side.
        printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True})
        assert len(printed["data"]) > 10000
