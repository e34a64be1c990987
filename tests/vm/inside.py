# SPDX-License-Identifier: MIT
"""What runs on a kernel under test: for each attach mode, capture byte by byte and a load between real servers, by TCP
and by Unix-domain sockets.

Usage: tests/vm/inside.py [--all] MODE...

Writes a line of JSON per mode to standard output, beginning with `CELL `: {"mode", "result", "seconds"}; the result is
`ok`, "skipped: why" or "failed: what". --all: every test of the capture, not a choice, and those of Unix-domain sockets.
"""

import glob
import json
import os
import re
import subprocess
import sys
import time
import traceback

import psycopg

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import harness  # noqa: E402

BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
COMPILERS = sorted(glob.glob(f"{BUILD}/clang-*/probe_dump"))
NAME = "app_mirror"
# Of the capture's tests: each way to send and to receive, what is out of reach, the ends of a connection.
CHOICE = ["sendmsg 300 1", "recv_all 32769", "uring_send 300 2", "uring_recv 300 2", "end_of_the_stream", "test_a_reset",
          "refused_connect", "existed_before"]
BELOW = ["multipath_tcp_is_read_or_told both", "sockmap"]


def not_usable(mode, program=f"{BUILD}/tests/probe_dump"):
    """Why the observer cannot attach that way, or None."""
    check = subprocess.run([program, "try", mode], capture_output=True, text=True, check=False)
    if check.returncode == 0:
        return None
    found = re.search(r"^not usable: (.*)", check.stdout, re.MULTILINE)
    return found.group(1) if found else f"probe_dump ended with {check.returncode}: {check.stderr.strip()}"


def run_tests(name, mode, choice, **environment):
    """A file of tests; RuntimeError with pytest's last lines."""
    path = os.path.join(ROOT, "tests/integration", name)
    choice = ["-k", " or ".join(re.sub(r"\W+", " and ", one) for one in choice)] if choice else []
    run = subprocess.run([sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-x", path, *choice],
                         env={**os.environ, "MO_ATTACH": mode, "MO_TEST_SECONDS": "120", "MO_NO_BUILD": "1",
                              **environment},
                         capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{name}: {run.stdout[-1500:]}")
    return run.stdout.strip().splitlines()[-1].split(" in ")[0]


def expect(what, value, wanted):
    if value != wanted:
        raise RuntimeError(f"{what}: {value}, expected {wanted}")


def statements(metrics, target):
    return metrics.get("pgdog_mirror_statements_total", cluster=NAME, target=target, status="success")


def observe(stand, mode):
    """Counts of a load as the servers counted them, then a mirror that does not answer."""
    stand.pgpool.stop()
    with harness.Observer(stand.directory, [harness.cluster(stand.primary, stand.mirror)], name=f"by_{mode}",
                          attach=mode) as observer:
        expect("attach mode", observer.metrics().get("mirror_observer_attach_mode", mode=mode), 1)
        stand.pgpool.start()
        stand.reset_counts()
        for protocol in ("simple", "extended"):
            harness.pgbench(stand.pgpool, mode=protocol, clients=2, transactions=20)
        with harness.Client(stand.pgpool) as client:
            client.run("SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
        truth = stand.settled_counts(quiet=1.5, timeout=120)
        metrics = observer.settled(quiet=1.5, timeout=60)
        expect("statements", {target: statements(metrics, target) for target in truth}, truth)
        expect("lost bytes", metrics.sum("mirror_observer_lost_bytes_total"), 0)
        fail_to_connect(stand, observer, stand.pgpool, "refused")
        return truth["mirror"]


def reload_with_paths(stand, observer, mode):
    """The first `unix:` addresses by a reload; True if that was refused, as in kprobes it must be."""
    observer.config["clusters"] = [harness.cluster((stand.primary.path_address, "app"), (stand.mirror.path_address, "app"))]
    observer.write()
    before = len(observer.process.output())
    observer.reload()
    said = harness.wait_for(lambda: re.search("configuration reloaded|reload refused.*",
                                              observer.process.output()[before:]), "an answer to the reload").group()
    expect("the reload is refused", "the first `unix:` address needs a restart here" in said, mode == "kprobe")
    return mode == "kprobe"


def observe_by_path(stand, mode):
    """The same by Unix-domain sockets, of which the observer hears when it runs, where the mode allows that."""
    stand.pgpool.stop()
    with harness.Observer(stand.directory, [harness.cluster(stand.primary, stand.mirror)], name=f"path_{mode}",
                          attach=mode) as observer, \
            harness.Pgpool(stand.directory, (stand.primary, stand.mirror), name="path", children=4,
                           by_path=True) as pgpool:
        if reload_with_paths(stand, observer, mode):
            observer.stop()
            observer.start("--fresh", timeout=120)
        stand.reset_counts()
        harness.pgbench(pgpool, mode="extended", clients=2, transactions=10)
        truth = stand.settled_counts(quiet=1.5, timeout=120)
        metrics = observer.settled(quiet=1.5, timeout=60)
        expect("statements by path", {target: statements(metrics, target) for target in truth}, truth)
        expect("lost bytes by path", metrics.sum("mirror_observer_lost_bytes_total"), 0)
        fail_to_connect(stand, observer, pgpool, "unreachable")
    return truth["mirror"]


def fail_to_connect(stand, observer, pgpool, how):
    stand.mirror.stop()
    try:
        harness.Client(pgpool).close()
        raise RuntimeError("pgpool-II answered without its second server")
    except psycopg.OperationalError:
        pass
    metrics = observer.settled(quiet=1.5, timeout=60)
    stand.mirror.start()
    expect(f"{how} connects", metrics.get("pgdog_mirror_connection_attempts_total", cluster=NAME, target="mirror",
                                          result=how), 1)
    expect("connection failures", metrics.get("pgdog_mirror_failures_total", cluster=NAME, error_type="connection"), 1)


def try_compilers(mode):
    """The programs of each other compiler are loaded and attached, the newest one's capture. Returns which."""
    for program in COMPILERS:
        why = not_usable(mode, program)
        if why:
            raise RuntimeError(f"{program}: {why}")
    for program in COMPILERS[-1:]:
        run_tests("test_capture.py", mode, CHOICE[:2], MO_PROBE_DUMP=program)
    return ", ".join(os.path.basename(os.path.dirname(program)) for program in COMPILERS)


def cell(mode, stand, everything):
    tests = run_tests("test_capture.py", mode, [] if everything else CHOICE)
    if everything:
        tests += f", of Unix-domain sockets {run_tests('test_unix_sockets.py', mode, [])}"
    if everything:
        tests += f", below the socket {run_tests('test_below_the_socket.py', mode, BELOW)}"
    compilers = try_compilers(mode)
    count, by_path = observe(stand, mode), observe_by_path(stand, mode)
    return (f"ok: {tests}; {count:.0f} statements on each server as it counted them, "
            f"{by_path:.0f} by Unix-domain sockets" + (f"; objects of {compilers}" if compilers else ""))


def main():
    arguments = sys.argv[1:]
    everything = "--all" in arguments
    modes = [mode for mode in arguments if mode != "--all"]
    usable = {mode: not_usable(mode) for mode in modes}
    stand = harness.Stand("mo-vm", children=4) if None in usable.values() else None
    failed = False
    for mode, why in usable.items():
        began = time.monotonic()
        result = f"skipped: {why}"
        if why is None:
            try:
                result = cell(mode, stand, everything)
            except Exception as error:  # the other modes still have their turn
                failed, result = True, f"failed: {error}"
                traceback.print_exc()
        print("CELL " + json.dumps({"mode": mode, "result": result, "seconds": time.monotonic() - began}), flush=True)
    if stand:
        stand.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
