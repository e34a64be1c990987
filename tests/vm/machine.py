# SPDX-License-Identifier: MIT
"""A virtual machine that runs one command on another kernel, with the host's files below it.

QEMU without KVM (an emulated processor), so that it runs wherever CI runs; figures measured in it are worth nothing
but as ratios.
"""

import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUSYBOX = "/bin/busybox"
# What the host has enabled would wait for a network, or for devices.
SYSTEMD = "systemd.show_status=0 systemd.firstboot=0 systemd.mask=systemd-timesyncd.service fstab=no"
QEMU = "qemu-system-x86_64"


def cannot_run():
    for program, package in ((shutil.which(QEMU), "qemu-system-x86"), (os.access(BUSYBOX, os.X_OK), "busybox-static")):
        if not program:
            return f"{package} is not installed: scripts/setup --vm"
    return None


def cpio(entries):
    """An archive in the format that the kernel unpacks ("newc"): [(path, mode, bytes)]."""
    out = bytearray()
    for number, (path, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")]):
        name = path.encode() + b"\0"
        fields = (number + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)


def initramfs(kernel, systemd):
    def file(path):
        with open(path, "rb") as source:
            return source.read()
    modules = kernel.modules()
    return cpio([("bin", 0o40755, b""), ("modules", 0o40755, b""), ("bin/busybox", 0o100755, file(BUSYBOX)),
                 ("init", 0o100755, file(os.path.join(HERE, "init"))),
                 ("modules/order", 0o100644, "\n".join(name for name, _ in modules).encode()),
                 *([("modules/systemd", 0o100644, b"")] if systemd else []),
                 *((f"modules/{name}.ko", 0o100644, content) for name, content in modules)])


class Failed(Exception):
    """The machine ended without the command's status: its console's last lines."""


def run(kernel, command, timeout=600, cpus=2, memory="3G", echo=None, options=(), systemd=False):
    """Boots, runs the shell command as root, halts. Returns (exit status, output).

    Inside, /out is a directory shared with the host that is gone afterwards. echo is called with the output as it comes.
    systemd: the command is a service of the host's systemd, without the units that the host has enabled.
    """
    with tempfile.TemporaryDirectory(prefix="mo-vm.", dir="/tmp") as directory:
        out = os.path.join(directory, "out")
        os.mkdir(out)
        with open(os.path.join(directory, "initramfs"), "wb") as file:
            file.write(initramfs(kernel, systemd))
        with open(os.path.join(out, "command"), "w", encoding="utf-8") as file:
            file.write(command + "\n")
        console = os.path.join(directory, "console")
        arguments = [QEMU, "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", str(cpus), "-m", memory, "-nodefaults",
                     "-nographic", "-no-reboot", "-serial", f"file:{console}", "-kernel", kernel.image,
                     "-initrd", os.path.join(directory, "initramfs"),
                     "-append", f"console=ttyS0 panic=-1 quiet mitigations=off nokaslr {SYSTEMD if systemd else ''}",
                     "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
                     *options,
                     "-virtfs", f"local,path={out},mount_tag=out,security_model=none,multidevs=remap"]
        with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True) as qemu:
            try:
                ended = follow(qemu, os.path.join(out, "output"), timeout, echo)
            finally:
                qemu.kill()
            error = qemu.stderr.read()
        return result(out, "" if ended else f"not finished after {timeout} s; ", error + tail(console))


def follow(qemu, path, timeout, echo):
    """Waits for the machine's end, handing on what the command prints; False after the timeout."""
    shown, waited = 0, 0.0
    while True:
        try:
            qemu.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            waited += 0.5
        if echo and os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                file.seek(shown)
                echo(file.read())
                shown = file.tell()
        if qemu.returncode is not None or waited >= timeout:
            return qemu.returncode is not None


def tail(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-30:])
    except OSError:
        return ""


def result(out, problem, console):
    output = ""
    if os.path.exists(os.path.join(out, "output")):
        with open(os.path.join(out, "output"), encoding="utf-8", errors="replace") as file:
            output = file.read()
    try:
        with open(os.path.join(out, "status"), encoding="ascii") as file:
            return int(file.read()), output
    except (OSError, ValueError):
        raise Failed(f"{problem}the virtual machine ended without a result\n{output[-2000:]}\n{console}") from None
