# SPDX-License-Identifier: MIT
"""The daemon under test, with a configuration written for it."""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

from .metrics import Metrics
from .process import Process, free_port, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("MIRROR_OBSERVER", os.path.join(ROOT, "build", "mirror-observer"))
BPFFS = "/sys/fs/bpf"
BPF_STATS = "/proc/sys/kernel/bpf_stats_enabled"


def cluster(primary, mirror, name="app_mirror", database="app", **keys):
    """One entry of `clusters`; servers are given as harness.Server, or as (address, database)."""
    def endpoint(server):
        address, base = server if isinstance(server, tuple) else (server.address, database)
        return {"address": address, "database": base}
    return {"name": name, "primary": endpoint(primary), "mirror": endpoint(mirror), **keys}


def configuration(clusters, pin, proxy=None, port=None, **keys):
    """The whole file. YAML takes JSON as it is."""
    return {"listen": f"127.0.0.1:{port or free_port()}", "pin": pin, "proxy": proxy or {"comm": "pgpool"},
            "clusters": clusters, **keys}


class Observer:
    """Writes the configuration to `directory` and starts the daemon; ready once the constructor returns.

    command: what to run instead of the program, for example ["setpriv", ..., BINARY]; it must not fork.
    """

    def __init__(self, directory, clusters, name="observer", proxy=None, arguments=(), start=True, command=(BINARY,),
                 env=None, **keys):
        self.path = os.path.join(directory, f"{name}.yaml")
        self.log = os.path.join(directory, f"{name}.log")
        self.own_pin = "pin" not in keys
        self.pin = keys.pop("pin", f"{BPFFS}/{os.path.basename(directory)}_{name}".replace(".", "_"))
        self.config = configuration(clusters, self.pin, proxy, **keys)
        self.arguments = list(arguments)
        self.command, self.env = list(command), env
        self.process = None
        self.mounted = mount_bpffs()
        try:
            self.write()
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self):
        return f"http://{self.config['listen']}"

    def write(self):
        text = json.dumps(self.config, indent=2)
        with open(self.path, "w", encoding="ascii") as file:
            # Quantities such as 5m or 64KiB stand without quotes.
            file.write(re.sub(r'"(\d+(?:ms|s|m|h|[KMG]iB))"', r"\1", text) + "\n")

    def start(self, *arguments, timeout=30):
        self.process = Process([*self.command, "--config", self.path, *self.arguments, *arguments], self.log,
                               env=self.env)

        def ready():
            if not self.process.running():
                raise RuntimeError(f"the observer ended with {self.process.child.returncode}:\n"
                                   + self.process.output())
            return self.status(awaited) == 200
        awaited = "/-/ready" if self.config.get("mirror_metrics_enabled", True) else "/-/healthy"
        wait_for(ready, "the observer to be ready", timeout)

    def status(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def metrics(self, **options):
        return Metrics.scrape(self.url + "/metrics", **options)

    def settled(self, quiet=0.3, timeout=20):
        """Metrics once no event has come for `quiet` seconds: everything sent before has been counted."""
        last = {}

        def still():
            now, metrics = time.monotonic(), self.metrics()
            events = metrics.get("mirror_observer_events_total")
            if last.get("events") != events:
                last.update(events=events, since=now)
            return metrics if now - last["since"] >= quiet else None
        return wait_for(still, "the observer to settle", timeout, interval=0.05)

    def reload(self):
        self.process.signal(signal.SIGHUP)

    def cpu_seconds(self):
        """User and system time of the daemon so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _memory(self, field):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(rf"{field}:\s+(\d+) kB", file.read()).group(1)) * 1024

    def peak_rss(self):
        """Bytes."""
        return self._memory("VmHWM")

    def rss(self):
        """Bytes in memory now that are its own: without the ring buffer and mapped files."""
        return self._memory("RssAnon")

    def programs(self):
        """Ids of the BPF programs that it holds, itself or by a link."""
        found = set()
        for info in glob.glob(f"/proc/{self.process.pid}/fdinfo/*"):
            try:
                with open(info, encoding="ascii") as file:
                    found.update(int(number) for number in re.findall(r"^prog_id:\s+(\d+)$", file.read(), re.MULTILINE))
            except FileNotFoundError:
                pass
        return found

    def run_times(self):
        """{program: (nanoseconds, runs)} of its BPF programs, as the kernel tells bpftool; see bpf_stats."""
        shown = subprocess.run(["bpftool", "-j", "prog", "show"], check=True, capture_output=True, text=True)
        ours = self.programs()
        return {program["name"]: (program.get("run_time_ns", 0), program.get("run_cnt", 0))
                for program in json.loads(shown.stdout) if program["id"] in ours}

    def stop(self):
        return self.process.stop() if self.process else None

    def close(self):
        """Stops it, removes its pins and, if it was we who mounted it, unmounts bpffs."""
        self.stop()
        if self.own_pin:
            shutil.rmtree(self.pin, ignore_errors=True)
        if self.mounted:
            if not os.listdir(BPFFS):  # somebody else's pins would go with it
                subprocess.run(["umount", BPFFS], check=False, stderr=subprocess.DEVNULL)
            self.mounted = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def mount_bpffs():
    """Mounts bpffs if it is not; True when it was us."""
    with open("/proc/mounts", encoding="ascii") as file:
        if any(line.split()[1:3] == [BPFFS, "bpf"] for line in file):
            return False
    os.makedirs(BPFFS, exist_ok=True)
    subprocess.run(["mount", "-t", "bpf", "bpf", BPFFS], check=True)
    return True


@contextlib.contextmanager
def bpf_stats():
    """Has the kernel measure all BPF programs of the machine."""
    with open(BPF_STATS, encoding="ascii") as file:
        before = file.read()
    try:
        with open(BPF_STATS, "w", encoding="ascii") as file:
            file.write("1")
        yield
    finally:
        with open(BPF_STATS, "w", encoding="ascii") as file:
            file.write(before)
