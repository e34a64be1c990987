# SPDX-License-Identifier: MIT
"""Debian's kernels, fetched by apt and unpacked below build/vm; nothing is installed.

Not the cloud flavour: it has no 9p, by which the virtual machine sees the host's files. The rest is the same.
"""

import lzma
import os
import re
import shutil
import subprocess
import tempfile

# The meta packages by suite: its own kernel, and for Debian 12 the newer one that bookworm-security carries.
SUITES = {"bookworm": {"6.1": "linux-image-amd64", "6.12": "linux-image-6.12-amd64"},
          "trixie": {"6.12": "linux-image-amd64"}}


def suite():
    """This machine's, by its code name."""
    with open("/etc/os-release", encoding="utf-8") as file:
        found = re.search(r"^VERSION_CODENAME=(\w+)$", file.read(), re.M)
    return found[1] if found else None


PACKAGES = SUITES.get(suite(), {})

# What the initramfs loads, with what they depend on. Absent ones are built in.
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
# Where a package has them: until Debian 12, and since.
FOLDERS = ("lib/modules", "usr/lib/modules")


class Unavailable(Exception):
    """Why this kernel cannot be had."""


class Kernel:
    def __init__(self, name, release, directory):
        self.name, self.release, self.directory = name, release, directory
        self.image = os.path.join(directory, f"boot/vmlinuz-{release}")

    def modules(self):
        """The modules of MODULES in loading order: [(name, bytes)]."""
        files, ordered = {}, []
        for top in FOLDERS:
            for folder, _, names in os.walk(os.path.join(self.directory, top)):
                for name in names:
                    if ".ko" in name:
                        files[name.split(".ko")[0].replace("-", "_")] = os.path.join(folder, name)
        if not files:
            raise Unavailable(f"the package of {self.release} has no modules below {' or '.join(FOLDERS)}")

        def add(name):
            if name in files and name not in [done for done, _ in ordered]:
                content = module_content(files[name])
                for dependency in dependencies(content):
                    add(dependency)
                ordered.append((name, content))
        for module in MODULES:
            add(module)
        return ordered


def module_content(path):
    with (lzma.open if path.endswith(".xz") else open)(path, "rb") as file:
        return file.read()


def dependencies(content):
    """From the module's .modinfo: `depends=a,b`."""
    found = re.search(rb"\0depends=([^\0]*)\0", content)
    return [name.replace("-", "_") for name in found.group(1).decode().split(",") if name] if found else []


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise Unavailable(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def package_of(meta):
    """The package of one release that the meta package stands for now."""
    if not run("apt-cache", "policy", meta).strip():
        raise Unavailable(f"apt knows no package {meta}")
    found = re.search(r"Depends: (linux-image-(\d\S+))", run("apt-cache", "depends", meta))
    if not found:
        raise Unavailable(f"{meta} depends on no kernel")
    return found.groups()


def unpack(deb, release, directory):
    """The kernel and the modules' folders that are needed, no more: all of them are 400 MB."""
    wanted = [f"./boot/vmlinuz-{release}"] + [f"./{top}/{release}/kernel/{folder}" for top in FOLDERS
                                              for folder in ("drivers/virtio", "net/9p", "fs/9p", "fs/overlayfs",
                                                             "fs/netfs", "fs/fscache")]
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as archive:
        # Folders that this kernel does not have make tar fail: what counts is that the kernel came out.
        subprocess.run(["tar", "-x", "-C", directory, *wanted], stdin=archive.stdout, stderr=subprocess.DEVNULL,
                       check=False)
    if not os.path.exists(f"{directory}/boot/vmlinuz-{release}"):
        raise Unavailable(f"{os.path.basename(deb)} holds no boot/vmlinuz-{release}")


def fetch(name, cache):
    """The kernel `name`, from the cache directory or by apt. Raises Unavailable."""
    package, release = package_of(PACKAGES[name])
    directory = os.path.join(cache, release)
    if not os.path.isdir(directory):
        os.makedirs(cache, exist_ok=True)
        fresh = tempfile.mkdtemp(dir=cache)
        try:
            run("apt-get", "-q", "download", package, cwd=fresh)
            [deb] = [file for file in os.listdir(fresh) if file.endswith(".deb")]
            unpack(os.path.join(fresh, deb), release, fresh)
            os.unlink(os.path.join(fresh, deb))
            os.chmod(fresh, 0o755)
            os.rename(fresh, directory)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return Kernel(name, release, directory)
