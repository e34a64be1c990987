# SPDX-License-Identifier: MIT
"""The image of `make image`, run by podman: it attaches to a pgpool-II in another container, and its counts are right."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import urllib.request

import pytest

from harness import Client, Metrics, Pgpool, cluster, configuration, free_port, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ARCHIVE = f"{ROOT}/build/image/mirror-observer.docker.tar"
OCI = f"{ROOT}/build/image/mirror-observer.oci.tar"
LIMIT = 60_000_000
# As docs/kubernetes/daemonset.yaml declares, and what `user` takes, which Kubernetes cannot give. Podman 4.3's own seccomp profile refuses bpf() to all but CAP_SYS_ADMIN.
RIGHTS = ("--pid", "host", "--network", "host", "--read-only", "--cap-drop", "all", "--cap-add", "BPF,PERFMON,SETUID,SETGID",
          "--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined")


class Podman:
    """With storage of its own, below `directory`. runc, where it is there: crun refuses hosts with both kinds of cgroups."""

    def __init__(self, directory):
        self.base = ["podman", "--root", f"{directory}/storage", "--runroot", f"{directory}/run", "--storage-driver", "vfs",
                     "--cgroup-manager", "cgroupfs", *(["--runtime", "runc"] if shutil.which("runc") else [])]
        self.image = self.call("load", "-q", "-i", ARCHIVE).strip().rpartition("Loaded image: ")[2]

    def call(self, *arguments, check=True):
        done = subprocess.run([*self.base, *map(str, arguments)], check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def running(self, name, *arguments):
        self.call("run", "-d", "--name", name, "--no-healthcheck", "--ulimit", "nofile=4096:4096", "--ulimit",
                  "nproc=4096:4096", *arguments)
        try:
            yield
        finally:
            self.call("rm", "-f", "-t", "10", name, check=False)


class ContainedPgpool(Pgpool):
    """Debian's pgpool-II in a container of its own: its programs and libraries are the host's, nothing else is."""

    def __init__(self, podman, *arguments):
        self.podman, self.container = podman, None
        super().__init__(*arguments)

    def start(self):
        conf = self.directory
        mounts = [f"-v={path}:{path}:ro" for path in ("/usr", "/lib", "/lib64", "/etc/passwd", "/etc/group")]
        self.container = self.podman.running("pgpool", "--network", "host", "--user", "postgres", *mounts, f"-v={conf}:{conf}",
                                             "--entrypoint", "/usr/sbin/pgpool", self.podman.image, "-n", "-f",
                                             f"{conf}/pgpool.conf", "-a", f"{conf}/pool_hba.conf", "-F", f"{conf}/pcp.conf",
                                             "-k", "/dev/null")
        self.container.__enter__()
        wait_for(self.listens, "pgpool-II to listen", timeout=30)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def stop(self):
        if self.container:
            self.container.__exit__(None, None, None)
            self.container = None


@pytest.fixture(scope="module")
def podman():
    if not shutil.which("podman"):
        pytest.skip("needs podman")
    assert os.path.exists(ARCHIVE), "make image has not been run"
    directory = tempfile.mkdtemp(prefix="mo-podman.", dir="/var/tmp")
    try:
        yield Podman(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def bpffs(tmp_path):
    path = tmp_path / "bpf"
    path.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def test_it_is_small_and_says_what_it_is():
    assert os.path.getsize(OCI) <= LIMIT
    with tarfile.open(OCI) as archive:
        blob = lambda digest: json.load(archive.extractfile("blobs/" + digest.replace(":", "/")))  # noqa: E731
        manifest = blob(json.load(archive.extractfile("index.json"))["manifests"][0]["digest"])
        config = blob(manifest["config"]["digest"])["config"]
    assert config["Entrypoint"] + config["Cmd"] == ["/usr/bin/mirror-observer", "--config", "/etc/mirror-observer/observer.yaml"]
    assert {"org.opencontainers.image.title", "org.opencontainers.image.version",
            "org.opencontainers.image.licenses"} <= set(config["Labels"])
    with tarfile.open(ARCHIVE) as archive:
        name = json.load(archive.extractfile("manifest.json"))[0]["Config"]
        assert "/-/healthy" in " ".join(json.load(archive.extractfile(name))["config"]["Healthcheck"]["Test"])


def test_it_counts_what_a_pgpool_in_another_container_sends(podman, stand, bpffs, tmp_path):
    port = free_port()
    config = configuration([cluster(stand.primary, stand.mirror)], "/pins/mirror_observer", port=port, user="mirror-observer")
    (tmp_path / "observer.yaml").write_text(json.dumps(config), encoding="ascii")
    url = f"http://127.0.0.1:{port}"

    def counted():
        metrics = Metrics.scrape(f"{url}/metrics")
        return {target: metrics.get("pgdog_mirror_statements_total", cluster="app_mirror", target=target, status="success")
                for target in ("primary", "mirror")}

    def healthy():
        try:
            return urllib.request.urlopen(f"{url}/-/ready", timeout=5).status == 200
        except OSError:
            return False

    with podman.running("observer", *RIGHTS, f"-v={tmp_path}:/etc/mirror-observer:ro", f"-v={bpffs}:/pins", podman.image):
        wait_for(healthy, f"the observer's container:\n{podman.call('logs', 'observer')}")
        stand.reset_counts()
        with ContainedPgpool(podman, stand.directory, (stand.primary, stand.mirror), 4) as proxy:
            with Client(proxy) as client:
                for i in range(50):
                    client.run(f"SELECT {i}")
            truth = stand.settled_counts()
        assert truth["mirror"] >= 50
        wait_for(lambda: counted() == truth, f"{truth} to be counted", timeout=20)
        rights = podman.call("exec", "observer", "/bin/cat", "/proc/self/status")
        assert "NoNewPrivs:\t1" in rights
        main = int(podman.call("inspect", "-f", "{{.State.Pid}}", "observer"))
        with open(f"/proc/{main}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file)
        assert {status[key] for key in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}
        assert "0" not in status["Uid"].split()
        podman.call("exec", "observer", "/bin/wget", "-q", "-O", "/dev/null", f"{url}/-/healthy")


def test_a_changed_file_is_reloaded_by_the_container_beside_it(podman, stand, bpffs, tmp_path):
    """In a network namespace that only the two share, as the containers of a pod do."""
    config = configuration([cluster(stand.primary, stand.mirror)], "/pins/mirror_observer")
    path = tmp_path / "observer.yaml"
    path.write_text(json.dumps(config), encoding="ascii")
    mounted = f"-v={tmp_path}:/etc/mirror-observer:ro"
    alone = [word if word != "host" or RIGHTS[i - 1] != "--network" else "none" for i, word in enumerate(RIGHTS)]
    with podman.running("observer", *alone, mounted, f"-v={bpffs}:/pins", podman.image), \
            podman.running("reload", "--pid", "host", "--network", "container:observer", "--read-only", "--cap-drop", "all", mounted,
                           "--entrypoint", "/usr/share/mirror-observer/reload-when-changed", podman.image,
                           "/etc/mirror-observer/observer.yaml", "1"):
        wait_for(lambda: "1 cluster" in podman.call("logs", "observer"), "the observer to start")
        wait_for(lambda: "watching" in podman.call("logs", "reload"), "the other container to look at the file")
        config["clusters"].append(cluster(stand.primary, (f"127.0.0.1:{free_port()}", "other"), name="second"))
        path.write_text(json.dumps(config), encoding="ascii")
        wait_for(lambda: "configuration reloaded" in podman.call("logs", "observer"), "the reload", timeout=15)
