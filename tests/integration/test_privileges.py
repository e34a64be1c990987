# SPDX-License-Identifier: MIT
"""No more privilege than needed: two capabilities to start, none to run, and everything still works then."""

import contextlib
import os
import pwd
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import psycopg
import pytest

from harness import Client, MirrorProxy, cluster, mirror_proxy, pgbench, wait_for
from harness.observer import BINARY

USER = "nobody"
UID = pwd.getpwnam(USER).pw_uid
GID = pwd.getpwnam(USER).pw_gid
SETPRIV = ["setpriv", "--reuid", USER, "--regid", str(GID), "--clear-groups"]


def ambient(*capabilities):
    """What systemd's User= and AmbientCapabilities= do."""
    given = ",".join(f"+{name}" for name in capabilities)
    more = ["--inh-caps", given, "--ambient-caps", given] if given else []
    return [*SETPRIV, *more, "--", BINARY]


@pytest.fixture(scope="module")
def capable(stand):
    """A copy of the program with file capabilities, which any account may start."""
    path = stand.path("capable-observer")
    shutil.copy(BINARY, path)
    subprocess.run(["setcap", "cap_bpf,cap_perfmon=p", path], check=True)
    yield [*SETPRIV, "--", path]
    os.unlink(path)


@pytest.fixture
def own_pin(stand):
    """A directory for pins on a bpffs of its own that belongs to the account."""
    mount = tempfile.mkdtemp(dir=stand.directory)
    subprocess.run(["mount", "-t", "bpf", "-o", "mode=0700", "bpf", mount], check=True)
    os.chown(mount, UID, GID)
    yield f"{mount}/pin"
    subprocess.run(["umount", mount], check=True)
    os.rmdir(mount)


def status(observer):
    with open(f"/proc/{observer.process.pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def assert_harmless(observer, uid=UID, groups=None):
    now = status(observer)
    assert now["Uid"].split() == [str(uid)] * 4
    assert {now[key] for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert (now["NoNewPrivs"], now["Seccomp"]) == ("1", "2")
    if groups is not None:
        assert now["Groups"].split() == [str(group) for group in groups]
    return now


def statements(observer, target="mirror", name="app_mirror"):
    return observer.metrics().get("pgdog_mirror_statements_total", cluster=name, target=target, status="success")


def assert_counts_agree(stand, observer):
    truth = stand.settled_counts()
    observer.settled()
    assert {target: statements(observer, target) for target in truth} == truth
    assert truth["mirror"] > 0
    assert observer.metrics().sum("mirror_observer_lost_bytes_total") == 0


def reloaded(observer, answer="configuration reloaded"):
    """SIGHUP, and what the daemon said about it."""
    before = len(observer.process.output())
    observer.reload()
    return wait_for(lambda: answer in observer.process.output()[before:] and observer.process.output()[before:],
                    f"the daemon to say: {answer}")


def assert_reload_takes_other_clusters(stand, observer):
    observer.config["clusters"] = [cluster(stand.primary, stand.mirror, name="renamed")]
    observer.write()
    reloaded(observer)
    before = stand.settled_counts()["mirror"]
    pgbench(stand.pgpool, clients=2, transactions=20)
    after = stand.settled_counts()["mirror"]
    observer.settled()
    assert statements(observer, name="renamed") == after - before > 0


def assert_full_run(stand, observer, **expected):
    """Counts, a reload and a restart that goes on from the pinned counters, all without a privilege."""
    assert_harmless(observer, **expected)
    pgbench(stand.pgpool, clients=4, transactions=50)
    assert_counts_agree(stand, observer)
    assert_reload_takes_other_clusters(stand, observer)
    counted = statements(observer, name="renamed")
    assert observer.stop() == 0
    observer.start()
    assert statements(observer, name="renamed") == counted
    assert "continuing the counters" in observer.process.output()


# ------------------------------------------------------------------------------------------------ full runs


def test_root_without_user_keeps_its_number_and_nothing_else(stand, observe):
    observer = observe()
    now = assert_harmless(observer, uid=0)
    assert now["CapBnd"] == "0" * 16
    assert_full_run(stand, observer, uid=0)


def test_root_changes_to_the_configured_user_and_its_groups(stand, observe):
    observer = observe(user=USER)
    assert_harmless(observer, groups=os.getgrouplist(USER, GID))
    assert_full_run(stand, observer)


def test_two_file_capabilities_are_enough(stand, own_pin, observe, capable):
    observer = observe(command=capable, pin=own_pin)
    assert_full_run(stand, observer, groups=[])


def test_two_ambient_capabilities_are_enough(stand, own_pin, observe):
    observer = observe(command=ambient("bpf", "perfmon"), pin=own_pin)
    assert_full_run(stand, observer, groups=[])


def test_four_capabilities_are_enough_to_change_to_a_user(stand, observe):
    bounded = ["setpriv", "--bounding-set", "-all,+bpf,+perfmon,+setuid,+setgid", "--", BINARY]
    assert_harmless(observe(command=bounded, user=USER, fresh=False))


def test_a_pin_in_a_service_s_own_file_system_needs_no_open_bpffs(stand, own_pin, observe):
    """As the packaged unit has it: an empty /sys/fs/bpf with nothing but the account's directory in it."""
    os.mkdir(own_pin)
    os.chown(own_pin, UID, GID)
    script = ('mount -t tmpfs -o mode=755 tmpfs /sys/fs/bpf && mkdir /sys/fs/bpf/mirror_observer && '
              'mount --bind "$0" /sys/fs/bpf/mirror_observer && exec "$@"')
    command = ["unshare", "--mount", "sh", "-c", script, own_pin, *ambient("bpf", "perfmon")]
    assert_harmless(observe(command=command, pin="/sys/fs/bpf/mirror_observer", fresh=False))
    assert os.path.exists(f"{own_pin}/stats")


# ------------------------------------------------------------------------------------------- after the drop


def test_connections_older_than_a_reload_are_found_without_privileges(stand, observe):
    observer = observe(user=USER, proxy={"comm": "nobody-is-it"})
    with Client(stand.pgpool) as client:
        client.run("SELECT 1")
        assert observer.metrics().sum("pgdog_mirror_connections") == 0
        observer.config["proxy"] = {"comm": "pgpool"}
        observer.write()
        reloaded(observer)
        wait_for(lambda: observer.metrics().sum("pgdog_mirror_connections") == 2, "both connections to be found")


def test_a_second_daemon_is_still_refused_and_told_the_pid(stand, observe):
    first = observe(user=USER, fresh=False)
    with pytest.raises(RuntimeError) as refused:
        observe(user=USER, fresh=False, pin=first.pin)
    assert "ended with 1" in str(refused.value)
    assert f"pid {first.process.pid}" in str(refused.value)


def test_a_configuration_that_only_root_reads_is_said_at_once_and_refused_at_reload(stand, observe):
    observer = observe(start=False, user=USER, fresh=False)
    os.chmod(observer.path, 0o600)
    observer.start()
    assert f"{observer.path} cannot be read any more (Permission denied)" in observer.process.output()
    said = reloaded(observer, "reload refused")
    assert f"{observer.path}: cannot be read: Permission denied" in said
    os.chmod(observer.path, 0o640)
    os.chown(observer.path, 0, GID)
    reloaded(observer)
    os.unlink(observer.path)


def test_a_configuration_replaced_by_renaming_is_reloaded(stand, observe):
    observer = observe(user=USER, fresh=False)
    shutil.copy(observer.path, f"{observer.path}.new")
    os.rename(f"{observer.path}.new", observer.path)
    reloaded(observer)


def mirrored(proxy):
    with psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres", autocommit=True) as client:
        for number in range(20):
            client.execute("SELECT %s::int", (number,))
    return proxy.settled()["mirror"]


def test_processes_of_a_replaced_executable_stay_observed_beside_those_of_the_new_one(stand, observe):
    program = stand.path("proxy-program")

    def install():
        shutil.copy(mirror_proxy.BINARY, f"{program}.new")
        os.rename(f"{program}.new", program)
    install()
    with MirrorProxy(stand.directory, stand.primary, stand.mirror, name="old", program=program) as old:
        observer = observe(user=USER, fresh=False, proxy={"exe": program})
        assert_harmless(observer)
        install()
        wait_for(lambda: "was replaced" in observer.process.output(), "the observer to notice")
        assert mirrored(old) == statements(observer) >= 20
        with MirrorProxy(stand.directory, stand.primary, stand.mirror, name="new", program=program) as new:
            assert mirrored(old) + mirrored(new) == statements(observer)
            reloaded(observer)
            assert mirrored(old) + mirrored(new) == statements(observer)


@contextlib.contextmanager
def notifications(directory):
    """A stand-in for systemd's side of sd_notify(3); any account may send."""
    path = os.path.join(directory, "notify.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        os.chmod(path, 0o666)
        server.settimeout(10)
        try:
            yield path, lambda: server.recv(4096).decode("ascii")
        finally:
            os.unlink(path)


def test_systemd_is_told_everything_also_after_the_drop(stand, observe):
    with notifications(stand.directory) as (path, receive):
        # systemd gives WatchdogSec=0.3 like that; it would end the service when nothing comes for so long.
        observer = observe(user=USER, fresh=False, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"})
        said = []

        def heard(word):
            while not any(word in text for text in said):
                said.append(receive())
            return True
        assert heard("READY=1")
        begin = time.monotonic()
        assert [receive() for _ in range(10)] == ["WATCHDOG=1"] * 10
        assert time.monotonic() - begin < 10 * 0.3
        observer.reload()
        assert heard("RELOADING=1")
        said.clear()
        assert heard("READY=1")
        observer.stop()
        assert heard("STOPPING=1")


def test_without_a_watchdog_none_is_fed(stand, observe):
    with notifications(stand.directory) as (path, receive):
        observer = observe(fresh=False, env={"NOTIFY_SOCKET": path})
        time.sleep(2)
        observer.stop()
        said = [receive(), receive()]
        assert said[0].startswith("READY=1") and said[1] == "STOPPING=1"


# ---------------------------------------------------------------------------------------------- host names


class NameServer:
    """Answers every question for A with `address`, on UDP and TCP; a UDP answer says "too long" if truncated is set."""

    def __init__(self, host, address):
        self.address, self.truncated, self.by_tcp = address, False, 0
        self.udp, self.tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for own in (self.udp, self.tcp):
            own.bind((host, 53))
        self.tcp.listen()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def reply(self, query, truncated=False):
        end = query.index(b"\0", 12) + 5
        is_a = query[end - 4:end - 2] == b"\0\1"
        count = 1 if is_a and not truncated else 0
        head = query[:2] + (b"\x83\x80" if truncated else b"\x81\x80") + struct.pack("!4H", 1, count, 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(self.address)
        return head + query[12:end] + record * count

    def serve_udp(self):
        with contextlib.suppress(OSError):
            while (received := self.udp.recvfrom(4096))[0]:
                query, sender = received
                self.udp.sendto(self.reply(query, self.truncated), sender)

    def serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.tcp.accept()
                with client:
                    self.by_tcp += 1
                    while size := client.recv(2):
                        answer = self.reply(client.recv(struct.unpack("!H", size)[0]))
                        client.sendall(struct.pack("!H", len(answer)) + answer)

    def close(self):
        for own in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)
            own.close()
        for thread in self.threads:  # until then the port is taken: a call in progress keeps the socket
            thread.join(10)


@pytest.fixture
def name_server():
    server = NameServer("127.53.53.53", "127.99.99.99")
    yield server
    server.close()


@pytest.fixture
def with_resolver(stand):
    """A command under which the observer sees a resolv.conf and a hosts file of its own."""
    resolv, hosts = stand.path("resolv.conf"), stand.path("hosts")
    with open(resolv, "w", encoding="ascii") as file:
        file.write("nameserver 127.53.53.53\n")
    with open(hosts, "w", encoding="ascii") as file:
        file.write("127.99.99.98 primary.test\n")
    script = 'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/hosts && shift && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, resolv, hosts, BINARY], hosts


@pytest.mark.parametrize("truncated", [False, True], ids=["udp", "tcp"])
def test_host_names_are_looked_up_again_without_privileges(stand, observe, name_server, with_resolver, truncated):
    command, hosts = with_resolver
    servers = [(f"primary.test:{stand.primary.port}", "app"), (f"mirror.test:{stand.mirror.port}", "app")]
    observer = observe([cluster(*servers)], command=command, user=USER)
    wait_for(lambda: "mirror.test: is now 127.99.99.99" in observer.process.output() and
             "primary.test: is now 127.99.99.98" in observer.process.output(), "the first look-up")
    name_server.address, name_server.truncated = "127.0.0.1", truncated
    with open(hosts, "w", encoding="ascii") as file:
        file.write("127.0.0.1 primary.test\n")
    with Client(stand.pgpool) as client:
        client.run("SELECT 1")
        reloaded(observer, "mirror.test: is now 127.0.0.1")
        wait_for(lambda: observer.metrics().sum("pgdog_mirror_connections") == 2, "both connections to be found")
    assert bool(name_server.by_tcp) == truncated


# ------------------------------------------------------------------------------------------ what is missing


def refusal(stand, observe, **keys):
    with pytest.raises(RuntimeError) as refused:
        observe(fresh=False, **keys)
    assert "ended with 4" in str(refused.value)
    return str(refused.value).splitlines()[-1]  # the log goes on from test to test


@pytest.mark.parametrize("given, missing", [
    ((), ["CAP_BPF", "CAP_PERFMON"]), (("bpf",), ["CAP_PERFMON"]), (("perfmon",), ["CAP_BPF"])])
def test_a_missing_capability_is_named_and_no_other(stand, own_pin, observe, given, missing):
    said = refusal(stand, observe, command=ambient(*given), pin=own_pin)
    assert [name for name in ("CAP_BPF", "CAP_PERFMON", "CAP_SETUID", "CAP_SETGID") if name in said] == missing


def test_check_names_the_missing_capability_too(stand, own_pin, observe):
    observer = observe(start=False, fresh=False, pin=own_pin)
    done = subprocess.run([*ambient("bpf"), "--check", "--config", observer.path], check=False, capture_output=True,
                          text=True)
    assert done.returncode == 4
    assert "privileges: missing: CAP_PERFMON (to attach them);" in done.stdout


def test_changing_to_a_user_names_the_capabilities_that_it_needs(stand, own_pin, observe):
    said = refusal(stand, observe, command=ambient("bpf", "perfmon"), pin=own_pin, user="daemon")
    assert "CAP_SETUID" in said and "CAP_SETGID" in said and "CAP_BPF" not in said


def test_an_account_that_does_not_exist_is_named(stand, observe):
    assert "there is no account nobody-is-it" in refusal(stand, observe, user="nobody-is-it")


def test_capabilities_of_a_user_namespace_are_told_apart(stand, observe):
    # In there root's power over files ends: the checkout may lie in a home that is closed to others.
    binary = shutil.copy(BINARY, stand.path("observer-copy"))
    said = refusal(stand, observe, command=["unshare", "--user", "--map-root-user", "--", binary])
    assert "user namespace" in said


def test_a_pin_directory_of_another_account_says_whose_it_must_be(stand, own_pin, observe):
    os.mkdir(own_pin, mode=0o700)
    assert "must belong to the account" in refusal(stand, observe, command=ambient("bpf", "perfmon"), pin=own_pin)
