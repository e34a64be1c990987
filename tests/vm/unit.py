# SPDX-License-Identifier: MIT
"""The packaged unit under a running systemd, from `make install` to the stop; run by tests/vm/matrix --systemd.

Installs into the system that it runs on: for a virtual machine, whose files are gone afterwards. Writes a line of JSON to
standard output as inside.py does, for the mode `systemd`.
"""

import json
import os
import pwd
import re
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNIT = "mirror-observer.service"
ACCOUNT = "mirror-observer"
CONFIG = "/etc/mirror-observer/observer.yaml"
PIN = "/sys/fs/bpf/mirror_observer"
PORT = 10432


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` ended with {done.returncode}: {done.stdout}{done.stderr}\n{journal()}")
    return done.stdout


def journal():
    return subprocess.run(["journalctl", "-b", "-u", UNIT, "--no-pager", "-o", "cat"], capture_output=True, text=True,
                          check=False).stdout


def expect(what, value, wanted):
    if value != wanted:
        raise RuntimeError(f"{what}: {value!r}, expected {wanted!r}\n{journal()}")


def expect_soon(what, look, wanted, seconds=30):
    deadline = time.monotonic() + seconds
    while (value := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    expect(what, value, wanted)


def shown(name):
    return run("systemctl", "show", "--value", "-p", name, UNIT).strip()


def configure(*clusters, **keys):
    os.makedirs(os.path.dirname(CONFIG), exist_ok=True)
    with open(CONFIG, "w", encoding="ascii") as file:
        json.dump({"proxy": {"comm": os.path.basename(sys.executable)[:15]},
                   "clusters": [{"name": name, "primary": {"address": "127.0.0.1:1"},
                                 "mirror": {"address": f"127.0.0.1:{port}"}} for port, name in enumerate(clusters, 2)],
                   **keys}, file)
    os.chmod(CONFIG, 0o640)
    os.chown(CONFIG, 0, pwd.getpwnam(ACCOUNT).pw_gid)


def page(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode("utf-8")
    except urllib.error.HTTPError as error:
        return error.code, ""


def refused(cluster):
    """Connects to the mirror that were refused, as the observer has counted them."""
    found = re.search(f'pgdog_mirror_connection_attempts_total{{cluster="{cluster}",result="refused",target="mirror"}} (\\d+)|'
                      f'pgdog_mirror_connection_attempts_total{{cluster="{cluster}",target="mirror",result="refused"}} (\\d+)',
                      page("/metrics")[1])
    return int(found.group(1) or found.group(2)) if found else None


def fail_to_connect():
    with socket.socket() as client:
        expect("the connect", client.connect_ex(("127.0.0.1", 2)), 111)


def programs():
    """Names of the BPF programs that the kernel holds now, but for systemd's own, of whatever unit begins meanwhile."""
    return {(entry["id"], entry.get("name")) for entry in json.loads(run("bpftool", "-j", "prog", "show"))
            if not entry.get("name", "").startswith("sd_")}


def install():
    run("make", "-s", "-C", ROOT, "install")  # to /usr/local, as the unit has it
    run("systemd-sysusers")
    run("systemd-tmpfiles", "--create", "mirror-observer.conf")
    run("systemctl", "daemon-reload")
    run("ip", "link", "set", "lo", "up")


def starts():
    configure("first")
    run("systemctl", "start", UNIT)  # Type=notify: returns once the daemon has said that it is ready
    expect("state", (shown("ActiveState"), shown("SubState"), shown("Type")), ("active", "running", "notify"))
    expect("/-/ready", page("/-/ready")[0], 200)
    expect("status text", shown("StatusText"), "observing")
    with open(f"/proc/{shown('MainPID')}/status", encoding="ascii") as file:
        now = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    account = pwd.getpwnam(ACCOUNT)
    expect("user", set(now["Uid"].split()), {str(account.pw_uid)})
    expect("not root", account.pw_uid != 0, True)
    expect("capabilities", {now[key] for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")}, {"0" * 16})
    expect("privileges", (now["NoNewPrivs"], now["Seccomp"]), ("1", "2"))
    expect("owner of the pin", os.stat(f"{PIN}/stats").st_uid, account.pw_uid)


def observes_and_reloads():
    fail_to_connect()
    expect_soon("refused connects", lambda: refused("first"), 1)
    configure("first", "second")
    before = shown("MainPID")
    run("systemctl", "reload", UNIT)
    expect_soon("reloaded", lambda: 'cluster="second"' in page("/metrics")[1], True)
    expect("process", shown("MainPID"), before)
    expect_soon("state", lambda: shown("StatusText"), "observing")
    expect("the reload in the journal", "configuration reloaded" in journal(), True)
    fed = shown("WatchdogTimestampMonotonic")
    expect_soon("the watchdog is fed", lambda: shown("WatchdogTimestampMonotonic") != fed, True)


def stops(before):
    expect("programs while it runs", bool(programs() - before), True)
    run("systemctl", "stop", UNIT)
    expect("state", (shown("ActiveState"), shown("Result")), ("inactive", "success"))
    expect_soon("programs after the stop", lambda: programs() - before, set())
    expect("what stays", sorted(os.listdir(PIN)), ["observer", "stats"])  # the counters, and nothing that is attached
    run("systemctl", "start", UNIT)
    expect_soon("counters after a restart", lambda: refused("first"), 1)


def does_not_try_again_what_cannot_work():
    configure("first", attach="uprobe")
    run("systemctl", "stop", UNIT)
    expect("a wrong configuration", subprocess.run(["systemctl", "start", UNIT], capture_output=True,
                                                   check=False).returncode, 1)
    expect("state", (shown("ActiveState"), shown("ExecMainStatus"), shown("NRestarts")), ("failed", "2", "0"))
    expect("the journal names the key", 'attach: "uprobe" is not allowed' in journal(), True)


def main():
    began, result = time.monotonic(), "ok: started, not root, observed, reloaded, stopped, continued, refused for good"
    try:
        install()
        before = programs()
        starts()
        observes_and_reloads()
        stops(before)
        does_not_try_again_what_cannot_work()
    except Exception as error:
        result = f"failed: {error}"
        traceback.print_exc()
    print("CELL " + json.dumps({"mode": "systemd", "result": result, "seconds": time.monotonic() - began}), flush=True)
    return 0 if result.startswith("ok") else 1


if __name__ == "__main__":
    sys.exit(main())
