# SPDX-License-Identifier: MIT
"""The installed package of `make deb`, in a clean room, where scripts/package/try-deb has just installed it: it started
nothing, observes with what `discover` writes and nothing else, goes on over an upgrade, and leaves nothing when purged.

These tests change the machine: they run only where MIRROR_OBSERVER_DEB names the package.
"""

import glob
import json
import os
import pwd
import re
import shutil
import subprocess

import pytest

from harness import Client, Metrics, Pgpool, Process, wait_for

PACKAGE = os.environ.get("MIRROR_OBSERVER_DEB")
CONFIG = "/etc/mirror-observer/observer.yaml"
PIN = "/sys/fs/bpf/mirror_observer"
UNIT = "mirror-observer.service"
INSUFFICIENT = 3

pytestmark = pytest.mark.skipif(not PACKAGE, reason="needs a machine that may be changed: scripts/package/try-deb")


def run(*command, check=True):
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


def unit(key):
    paths = [path for path in (f"/lib/systemd/system/{UNIT}", f"/usr/lib/systemd/system/{UNIT}") if os.path.exists(path)]
    with open(paths[0], encoding="ascii") as file:
        return re.findall(rf"^{key}=(.*)$", file.read(), re.MULTILINE)


class Service:
    """The unit's command as its account with its capabilities; no systemd runs here."""

    def __init__(self, directory):
        run("systemd-tmpfiles", "--create", "mirror-observer.conf")
        capabilities = ",".join("+" + name.removeprefix("CAP_").lower() for name in unit("AmbientCapabilities")[0].split())
        account = unit("User")[0]
        self.process = Process(["setpriv", "--reuid", account, "--regid", account, "--clear-groups", f"--inh-caps={capabilities}",
                                f"--ambient-caps={capabilities}", "--", *unit("ExecStart")[0].split()],
                               os.path.join(directory, "service.log"))
        with open(CONFIG, encoding="ascii") as file:
            self.url = "http://" + re.search(r'listen"?: "?([^\s",]+)', file.read()).group(1)
        wait_for(self.ready, "the service to be ready")

    def ready(self):
        assert self.process.running(), self.process.output()
        try:
            return self.counted()
        except OSError:
            return None

    def counted(self):
        metrics = Metrics.scrape(f"{self.url}/metrics")
        return {target: metrics.sum("pgdog_mirror_statements_total", target=target, status="success")
                for target in ("primary", "mirror")}


@pytest.fixture(scope="module")
def proxy(stand):
    with Pgpool(stand.directory, (stand.primary, stand.mirror), 4) as it:
        with Client(it) as client:
            client.run("SELECT 1")
        yield it


def test_installing_started_and_enabled_nothing():
    assert not glob.glob(f"/etc/systemd/system/*.wants/{UNIT}")
    assert not os.path.exists(f"{PIN}/stats")  # its folder is made, as at each boot; nothing is pinned
    assert pwd.getpwnam("mirror-observer").pw_shell == "/usr/sbin/nologin"


def test_what_belongs_to_it_is_there():
    listed = run("dpkg", "-L", "mirror-observer").stdout
    for path in ("/usr/share/bash-completion/completions/mirror-observer", "/usr/share/zsh/vendor-completions/_mirror-observer",
                 "/usr/share/man/man8/mirror-observer.8.gz", "/usr/share/man/man5/observer.yaml.5.gz",
                 "/usr/share/mirror-observer/prometheus/rules.yaml", "/usr/share/mirror-observer/grafana/mirror-observer.json",
                 "/usr/share/doc/mirror-observer/copyright"):
        assert path in listed.splitlines(), path
    with open("/usr/share/doc/mirror-observer/mirror-observer.spdx.json", encoding="utf-8") as file:
        sbom = json.load(file)
    linked = re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", "/usr/bin/mirror-observer").stdout)
    assert set(linked) <= {package["name"] for package in sbom["packages"]}
    assert all(package["licenseConcluded"] != "NOASSERTION" for package in sbom["packages"])


def test_what_discover_writes_is_enough_and_the_counters_outlive_an_upgrade(stand, proxy):
    with Client(proxy) as client:
        client.run("SELECT 1")
        found = run("mirror-observer", "discover").stdout
    with open(CONFIG, "w", encoding="utf-8") as file:
        file.write(found)
    service = Service(stand.directory)
    stand.reset_counts()
    before = service.counted()
    with Client(proxy) as client:
        for i in range(100):
            client.run(f"SELECT {i}")
    truth = stand.settled_counts()
    assert truth["mirror"] >= 100
    wanted = {target: before[target] + truth[target] for target in truth}
    wait_for(lambda: service.counted() == wanted, f"{wanted} to be counted", timeout=20)
    verdict = run("mirror-observer", "readiness", "--config", CONFIG, check=False)
    assert verdict.returncode == INSUFFICIENT and "INSUFFICIENT DATA" in verdict.stdout
    run("apt-get", "install", "-qq", "--reinstall", "--allow-downgrades", PACKAGE)
    assert service.process.running() and service.counted() == wanted
    with open(CONFIG, encoding="utf-8") as file:
        assert "pgpool" in file.read()
    assert service.process.stop() == 0
    service = Service(stand.directory)
    assert service.counted() == wanted
    assert service.process.stop() == 0


def test_purging_leaves_nothing():
    run("apt-get", "purge", "-qq", "mirror-observer")
    left = [path for path in (PIN, "/etc/mirror-observer", "/usr/bin/mirror-observer", "/usr/share/mirror-observer",
                              "/usr/share/doc/mirror-observer", "/var/lib/mirror-observer") if os.path.exists(path)]
    left += glob.glob("/etc/systemd/system/*/mirror-observer*") + glob.glob("/usr/lib/*/mirror-observer*")
    assert left == []
    with pytest.raises(KeyError):
        pwd.getpwnam("mirror-observer")
    assert shutil.which("mirror-observer") is None
