# SPDX-License-Identifier: MIT
"""What an SQL client can write neither stalls the daemon nor ends it, and is named without a literal."""
import json
import os
import signal
import socket
import struct
import subprocess
import time
import urllib.request

import harness
from conftest import lone_server, mirror_alone
from harness import wait_for

LENGTH = 16000
LIMIT = 0.01  # seconds that a pass of the loop may take


def shapes():
    """Texts of nearly 16 KiB, each of a shape of its own, in the kinds that cost a parser most."""
    for number in range(60):
        yield f"update t{number} set b=1" + ",b=1" * ((LENGTH - 30) // 4)
        yield f"select a{number}" + ",a" * (LENGTH // 2)
        yield f"select a{number}" + ".a" * (LENGTH // 2)
        yield f"select {number} from t where x" + "[1]" * (LENGTH // 3 - 10) + f" = y{number}"
        yield f"with w{number} as (select 1)" + ",a as (select 1)" * (LENGTH // 16) + " select 1"
        yield f"select x{number} from t where a like '" + "%\\', '" * (LENGTH // 6)
        yield f"select z{number}" + " --\n/*/**/*/" * (LENGTH // 12)
        yield f"select n{number} where " + "not " * (LENGTH // 4) + "a"


class Speaker:
    """A proxy's connection to its backend that says what it likes; the answers are thrown away."""

    def __init__(self, server, database="app"):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        parameters = f"user\0postgres\0database\0{database}\0\0".encode()
        self.socket.sendall(struct.pack("!ii", len(parameters) + 8, 196608) + parameters)
        self.read_until_ready()

    def read_until_ready(self):
        buffer = b""
        while True:
            buffer += self.socket.recv(65536)
            while len(buffer) >= 5 and len(buffer) > struct.unpack("!i", buffer[1:5])[0]:
                kind, size = buffer[:1], struct.unpack("!i", buffer[1:5])[0] + 1
                buffer = buffer[size:]
                if kind == b"Z" and not buffer:
                    return

    def query(self, text):
        data = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(data) + 4) + data)
        self.read_until_ready()


def own_comm():
    with open("/proc/self/comm", encoding="ascii") as file:
        return file.read().strip()


def classes(observer):
    with urllib.request.urlopen(f"{observer.url}/statements?limit=1000", timeout=20) as reply:
        return [statement["text"] for cluster in json.load(reply)["clusters"] for statement in cluster["statements"]]


def stolen():
    """Ticks of 10 ms that the host below this machine has taken from its processors: nobody's pass is faster than that."""
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8])


def slow_passes(observer):
    """Passes of the loop that took longer than LIMIT, and all, without this scrape's own."""
    metrics = observer.metrics()
    return (metrics.get("mirror_observer_loop_seconds_count") - metrics.get("mirror_observer_loop_seconds_bucket", le=str(LIMIT)),
            metrics.get("mirror_observer_loop_seconds_count"))


def parser_of(observer):
    """The processes below the daemon: the keeper and its worker."""
    def children(parent):
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                        if int(file.read().rsplit(")", 1)[1].split()[1]) == parent:
                            found.append(int(entry))
                except OSError:
                    pass
        return found
    keepers = [child for child in children(observer.process.pid) if name_of(child) == "observer-parser"]
    return keepers, [worker for keeper in keepers for worker in children(keeper)]


def name_of(process):
    with open(f"/proc/{process}/comm", encoding="ascii") as file:
        return file.read().strip()


def without_waiting():
    """The daemon before everybody else where that is allowed, so that what it waits for is not the processor."""
    before_others = ["chrt", "--reset-on-fork", "--fifo", "1"]
    allowed = subprocess.run([*before_others, "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0
    return [*(before_others if allowed else []), harness.observer.BINARY]


def test_hostile_shapes_do_not_hold_up_the_loop(observe_comm):
    with lone_server() as server:
        observer = observe_comm(own_comm(), mirror_alone(server), command=without_waiting())
        speaker = Speaker(server)
        speaker.query("select 1")
        slow_passes(observer)  # its own pass is in the next
        slow_before, _ = slow_passes(observer)
        stolen_before = stolen()
        worst, count = 0, 0
        for text in shapes():
            speaker.query(text)
            if count % 20 == 0:
                begun = time.monotonic()
                observer.status("/-/healthy")
                worst = max(worst, time.monotonic() - begun)
            count += 1
        slow, passes = slow_passes(observer)
        assert passes > 100
        assert slow - slow_before <= stolen() - stolen_before, f"{slow - slow_before} of {passes} passes took longer than {LIMIT} s"
        assert worst < 0.5
        wait_for(lambda: any(text.startswith("select a0,a,a") for text in classes(observer)), "a name", 30)
        assert observer.metrics().get("mirror_observer_parser_deaths_total") == 0


def test_a_ring_full_of_hostile_shapes_does_not_hold_up_the_loop(observe_comm):
    """What piled up while the daemon stood still is handed on in pieces."""
    with lone_server() as server:
        observer = observe_comm(own_comm(), mirror_alone(server), command=without_waiting())
        speaker = Speaker(server)
        speaker.query("select 1")
        slow_passes(observer)
        slow_before, passes_before = slow_passes(observer)
        stolen_before = stolen()
        counted = observer.metrics().sum("pgdog_mirror_statements_total")
        observer.process.signal(signal.SIGSTOP)
        texts = [text for text in shapes() if not text.startswith("select n")]
        for text in texts:
            speaker.query(text)
        observer.process.signal(signal.SIGCONT)
        time.sleep(1)  # a scrape would hand on everything at once
        slow, passes = slow_passes(observer)
        assert passes - passes_before > 20  # of 3 ms each
        assert slow - slow_before <= stolen() - stolen_before, f"{slow - slow_before} of {passes - passes_before} passes took longer than {LIMIT} s"
        assert observer.metrics().sum("pgdog_mirror_statements_total") == counted + len(texts)
        assert observer.metrics().get("mirror_observer_lost_bytes_total", reason="ring_full") == 0


def test_the_process_that_names_statements_may_die(observe_comm):
    with lone_server() as server:
        observer = observe_comm(own_comm(), mirror_alone(server))
        speaker = Speaker(server)
        speaker.query("select 'before' where 'a' = 'b'")
        wait_for(lambda: "select $1 where $2 = $3" in classes(observer), "a name", 10)
        keepers, workers = parser_of(observer)
        assert len(keepers) == 1 and len(workers) == 1
        os.kill(workers[0], signal.SIGKILL)
        speaker.query("select 'after', 1")
        wait_for(lambda: "select $1, $2" in classes(observer), "a name by the next worker", 10)
        os.kill(keepers[0], signal.SIGKILL)
        speaker.query("update t set a = 'secret'")
        wait_for(lambda: "UPDATE" in classes(observer), "the tag", 10)
        assert "the process that names statements is gone" in observer.process.output()


def test_its_processes_have_neither_privileges_nor_files(observe_comm):
    with lone_server() as server:
        observer = observe_comm(own_comm(), mirror_alone(server))
        for process in sum(parser_of(observer), []):
            with open(f"/proc/{process}/status", encoding="ascii") as file:
                status = dict(line.split(":\t", 1) for line in file)
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
            assert status["NoNewPrivs"].strip() == "1"
            assert [os.readlink(f"/proc/{process}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{process}/fd")] == ["socket"]
        worker = parser_of(observer)[1][0]
        with open(f"/proc/{worker}/status", encoding="ascii") as file:
            assert "Seccomp:\t2" in file.read()
