# SPDX-License-Identifier: MIT
"""Hosts that lack something: the exit status, and one sentence that says what and what helps.

What the kernel at hand has is taken away in a mount namespace of our own, or refused by a seccomp filter.
"""

import os
import re
import shutil
import struct
import subprocess
import uuid

import pytest

import harness
from harness import Observer, cluster, wait_for
from harness.observer import BINARY
from conftest import cannot_run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
REFUSE = os.path.join(BUILD, "tests", "refuse")
# Numbers of <linux/bpf.h> and <linux/prctl.h>.
BPF_PROG_LOAD, BPF_RAW_TRACEPOINT_OPEN, BPF_LINK_CREATE, PR_SET_SECCOMP = 5, 17, 28, 22
NO_ATTACHING = [f"bpf:{BPF_RAW_TRACEPOINT_OPEN}=EPERM", f"bpf:{BPF_LINK_CREATE}=EPERM"]

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "-s", "-C", ROOT, REFUSE[len(ROOT) + 1:]], check=True)
    mounted = harness.observer.mount_bpffs()
    yield
    if mounted and not os.listdir("/sys/fs/bpf"):
        subprocess.run(["umount", "/sys/fs/bpf"], check=False)


@pytest.fixture
def pin():
    path = f"/sys/fs/bpf/mo_test_host_{uuid.uuid4().hex}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def observer(tmp_path, pin):
    """Not started. The servers need not be there."""
    it = Observer(str(tmp_path), [cluster(("127.0.0.1:1", "app"), ("127.0.0.1:2", "app"))], start=False, pin=pin,
                  proxy={"comm": "nobody-is-it"})
    yield it
    it.close()


def without(script):
    """A command under which `script` has changed what is mounted."""
    return ["unshare", "--mount", "sh", "-c", f'set -e; {script}; exec "$@"', "sh", BINARY]


def refusing(*rules):
    return [REFUSE, *rules, "--", BINARY]


def ended(observer, command, *arguments):
    """The exit status and what was said; a daemon that does not end is an error."""
    done = subprocess.run([*command, "--config", observer.path, *arguments], check=False, capture_output=True, text=True,
                          timeout=30)
    return done.returncode, done.stdout + done.stderr


def refused(observer, command):
    """What --check and a start say; both must end with 4."""
    said = []
    for arguments in (["--check"], []):
        code, text = ended(observer, command, *arguments)
        assert code == 4, text
        said.append(text)
    return said


def start(observer, command):
    observer.command = list(command)
    observer.start()
    assert observer.status("/metrics") == 200
    return observer.process.output()


NO_BTF = "mount -t tmpfs tmpfs /sys/kernel/btf"
LOCKDOWN = ("mkdir -p /sys/kernel/security && mount -t tmpfs tmpfs /sys/kernel/security && "
            "echo 'none {} {}' > /sys/kernel/security/lockdown")


def test_without_btf_it_names_the_file_and_the_kernel_option(observer):
    for said in refused(observer, without(NO_BTF)):
        assert "/sys/kernel/btf/vmlinux" in said
        assert "CONFIG_DEBUG_INFO_BTF=y" in said
        assert os.uname().release in said


def section(path, name):
    """Bytes of one section of a 64-bit ELF file (elf(5))."""
    with open(path, "rb") as file:
        elf = file.read()
    table, = struct.unpack_from("=Q", elf, 0x28)
    size, count, names = struct.unpack_from("=3H", elf, 0x3a)
    headers = [struct.unpack_from("=2I4Q", elf, table + i * size) for i in range(count)]
    start = headers[names][4]
    return next(elf[header[4]:header[4] + header[5]] for header in headers
                if elf[start + header[0]:].split(b"\0", 1)[0] == name)


def test_a_kernel_without_the_tracepoints_is_told_so(observer, tmp_path):
    """BTF that knows nothing of the kernel: that of our own programs."""
    btf = tmp_path / "vmlinux"
    btf.write_bytes(section(f"{BUILD}/bpf/observer.bpf.o", b".BTF"))
    for said in refused(observer, without(f"{NO_BTF} && cp {btf} /sys/kernel/btf/vmlinux")):
        assert "has no tracepoint inet_sock_set_state" in said  # the first that every mode needs


def test_a_filter_that_refuses_bpf_is_told_apart_from_missing_capabilities(observer):
    for said in refused(observer, refusing("bpf=EPERM")):
        assert "although the capabilities are there" in said
        assert "seccomp" in said


def test_a_kernel_without_bpf_is_told_so(observer):
    for said in refused(observer, refusing("bpf=ENOSYS")):
        assert "CONFIG_BPF_SYSCALL" in said


def test_lockdown_for_confidentiality_is_named(observer):
    command = without(LOCKDOWN.format("integrity", "[confidentiality]"))
    command[-1:] = refusing(*NO_ATTACHING)
    for said in refused(observer, command):
        assert "confidentiality" in said
        assert "lockdown=integrity" in said


def test_lockdown_for_integrity_is_no_obstacle(observer):
    """The kernel's own file where it is mounted, else one that says the same."""
    script = f"mountpoint -q /sys/kernel/security || {{ {LOCKDOWN.format('[integrity]', 'confidentiality')}; }}"
    assert "error" not in start(observer, without(script))


def test_programs_that_are_refused_name_what_was_done(observer):
    check, daemon = refused(observer, refusing(f"bpf:{BPF_PROG_LOAD}=EPERM"))
    assert "loading the BPF programs" in check
    assert "the BPF maps of the statistics" in daemon  # made first, by the same library


def test_a_refused_attachment_names_what_was_done(observer):
    for said in refused(observer, refusing(*NO_ATTACHING)):
        assert "attaching" in said


@pytest.mark.parametrize("mode", ["tracepoint", "fexit", "kprobe"])
def test_a_mode_that_is_asked_for_is_taken_or_refused_for_the_reason_that_check_gives(observer, mode):
    _, table = ended(observer, [BINARY], "--check")
    found = re.search(f"^attach by {mode}: (usable|not usable: (.*))$", table, re.MULTILINE)
    observer.config["attach"] = mode
    observer.write()
    if found.group(1) == "usable":
        start(observer, [BINARY])
        assert observer.metrics().get("mirror_observer_attach_mode", mode=mode) == 1
        return
    for said in refused(observer, [BINARY]):
        assert found.group(2) in said
    code, said = ended(observer, [BINARY], "--check")
    assert code == 4 and "privileges: sufficient" in said and "attach mode: none" in said


def test_tracefs_is_not_needed(observer):
    script = "umount -l /sys/kernel/tracing 2>/dev/null || :; umount -l /sys/kernel/debug 2>/dev/null || :; " \
             "test ! -e /sys/kernel/tracing/events"
    assert "tracepoint" in start(observer, without(script))


def test_a_bpffs_that_is_missing_and_cannot_be_mounted_is_named(observer):
    command = without("umount -l /sys/fs/bpf")
    command[-1:] = ["setpriv", "--bounding-set", "-sys_admin", "--", BINARY]
    code, said = ended(observer, command)
    assert code == 4, said
    assert observer.pin in said
    assert "mount -t bpf bpf /sys/fs/bpf" in said


def test_a_kernel_without_bpffs_is_told_so(observer):
    command = without("umount -l /sys/fs/bpf")
    command[-1:] = refusing("mount=ENODEV")
    code, said = ended(observer, command)
    assert code == 4, said
    assert observer.pin in said and "bpffs" in said


def test_a_missing_bpffs_is_mounted_by_root(observer):
    assert "mounted a bpffs on /sys/fs/bpf" in start(observer, without("umount -l /sys/fs/bpf"))


def status(observer, key):
    with open(f"/proc/{observer.process.pid}/status", encoding="ascii") as file:
        return re.search(rf"^{key}:\t(.*)$", file.read(), re.MULTILINE).group(1)


def test_without_landlock_it_runs_and_says_so(observer):
    said = start(observer, refusing("landlock_create_ruleset=ENOSYS"))
    assert "files not restricted (no Landlock)" in said
    assert "system calls filtered" in said


def test_without_seccomp_it_runs_and_says_so(observer):
    said = start(observer, refusing("seccomp=ENOSYS", f"prctl:{PR_SET_SECCOMP}=EINVAL"))
    assert "system calls not filtered" in said
    assert "files read-only" in said
    assert status(observer, "CapEff") == "0" * 16


def test_a_port_that_is_taken_ends_with_1_and_is_named(observer):
    start(observer, [BINARY])
    second = dict(observer.config, pin=f"{observer.pin}_second")
    other = Observer(os.path.dirname(observer.path), second["clusters"], name="second", start=False,
                     proxy=second["proxy"], pin=second["pin"], port=int(second["listen"].rsplit(":", 1)[1]))
    try:
        code, said = ended(other, [BINARY])
        assert code == 1
        assert "cannot listen on 127.0.0.1" in said
        wait_for(lambda: observer.status("/-/healthy") == 200, "the first to be as well as before")
    finally:
        other.close()
        shutil.rmtree(second["pin"], ignore_errors=True)
