# SPDX-License-Identifier: MIT
"""docs/kubernetes/daemonset.yaml as a container runtime would take it: what it declares is enough to attach and serve.

Read from the manifest: arguments, user, capabilities, privilege escalation, the root file system, volumes, ports,
probes and the memory limit. The configuration is the manifest's own but for the proxy and the servers. RuntimeDefault
is stood in for by a filter that refuses what containerd's default profile refuses.
"""

import os
import shutil
import subprocess
import tempfile

import psycopg
import pytest
import yaml

from harness import MirrorProxy, Process, cluster, wait_for
from harness.metrics import Metrics
from harness.observer import BINARY

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MANIFEST = f"{ROOT}/docs/kubernetes/daemonset.yaml"
# Of containerd's default profile, with CAP_BPF and CAP_PERFMON: system calls that it leaves to other capabilities.
REFUSED = ("mount", "umount2", "pivot_root", "setns", "unshare", "open_by_handle_at", "init_module", "finit_module",
           "delete_module", "kexec_load", "kexec_file_load", "keyctl", "add_key", "request_key", "userfaultfd",
           "swapon", "swapoff", "reboot", "sethostname", "setdomainname", "syslog", "acct", "settimeofday",
           "clock_settime", "quotactl", "fanotify_init", "lookup_dcookie", "chroot", "process_vm_readv", "pidfd_getfd")
UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def no_new_keys(mapping, known, where):
    """What this test does not act upon would be declared in vain."""
    assert set(mapping) <= set(known), f"{where}: {set(mapping) - set(known)} is not looked at here"


class Pod:
    """One container of the manifest's template."""

    def __init__(self, directory, bpffs, clusters, proxy):
        with open(MANIFEST, encoding="ascii") as file:
            documents = {entry["kind"]: entry for entry in yaml.safe_load_all(file)}
        spec = documents["DaemonSet"]["spec"]["template"]["spec"]
        no_new_keys(spec, ("hostPID", "automountServiceAccountToken", "containers", "volumes"), "the pod")
        assert spec["hostPID"] is True  # pod(1) leaves the process namespace alone
        [self.container] = spec["containers"]
        no_new_keys(self.container, ("name", "image", "args", "ports", "livenessProbe", "readinessProbe", "resources",
                                     "securityContext", "volumeMounts"), "the container")
        self.directory, self.bpffs = directory, bpffs
        self.maps = {entry["metadata"]["name"]: entry["data"] for entry in documents.values()
                     if entry["kind"] == "ConfigMap"}
        self.volumes = {volume["name"]: self.source(volume) for volume in spec["volumes"]}
        self.config = yaml.safe_load(self.maps["mirror-observer"]["observer.yaml"])
        self.config.update(clusters=clusters, proxy=proxy)
        with open(os.path.join(self.volumes["config"], "observer.yaml"), "w", encoding="ascii") as file:
            yaml.safe_dump(self.config, file)
        self.process = None

    def source(self, volume):
        if "hostPath" in volume:
            assert volume["hostPath"]["path"] == "/sys/fs/bpf"
            return self.bpffs  # another instance: the node may have an observer
        path = os.path.join(self.directory, volume["name"])
        os.mkdir(path)
        for name, text in self.maps[volume["configMap"]["name"]].items():
            with open(os.path.join(path, name), "w", encoding="ascii") as file:
                file.write(text)
        return path

    def mounts(self):
        for mount in self.container["volumeMounts"]:
            no_new_keys(mount, ("name", "mountPath", "readOnly"), "a mount")
            yield from (self.volumes[mount["name"]], mount["mountPath"], "ro" if mount.get("readOnly") else "rw")

    def restricted(self):
        """setpriv's arguments for the security context."""
        context = self.container["securityContext"]
        no_new_keys(context, ("runAsUser", "capabilities", "allowPrivilegeEscalation", "readOnlyRootFilesystem",
                              "seccompProfile"), "the security context")
        assert context["readOnlyRootFilesystem"] is True  # pod(1) has no other
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        capabilities = context["capabilities"]
        assert capabilities["drop"] == ["ALL"]
        bounding = ",".join(["-all", *(f"+{name.lower()}" for name in capabilities["add"])])
        return ["setpriv", "--reuid", str(context["runAsUser"]), "--regid", "0", "--clear-groups", "--bounding-set",
                bounding, "--inh-caps=-all", *([] if context["allowPrivilegeEscalation"] else ["--no-new-privs"])]

    def start(self):
        root = os.path.join(self.directory, "root")
        os.makedirs(root, exist_ok=True)
        command = [*self.restricted(), "--", "/opt/refuse", *(f"{call}=EPERM" for call in REFUSED), "--",
                   "/opt/mirror-observer", *self.container["args"]]
        self.process = Process(["unshare", "--mount", "--net", os.path.join(HERE, "pod"), root, BINARY, *self.mounts(),
                                "--", *command], os.path.join(self.directory, "pod.log"))
        wait_for(self.is_ready, "the pod to be ready")

    def is_ready(self):
        assert self.process.running(), self.process.output()
        return self.get(self.container["readinessProbe"])[0] == 200

    def get(self, probe):
        """(status, text) of a probe's page, asked from within the pod's network as the node would ask from outside."""
        port = {entry["name"]: entry["containerPort"] for entry in self.container["ports"]}[probe["httpGet"]["port"]]
        request = f"GET {probe['httpGet']['path']} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode("ascii")
        script = ("import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); "
                  "s.sendall(sys.stdin.buffer.read()); sys.stdout.write(s.makefile(encoding='utf-8', newline='').read())")
        done = subprocess.run(["nsenter", "--net", "--target", str(self.process.pid), "/usr/bin/python3", "-c", script,
                               str(port)], input=request, capture_output=True, check=False, timeout=30)
        if done.returncode:
            return None, done.stderr.decode()
        head, _, body = done.stdout.decode("utf-8").partition("\r\n\r\n")
        return int(head.split()[1]), body

    def metrics(self):
        status, text = self.get({"httpGet": {"path": "/metrics", "port": "metrics"}})
        assert status == 200
        return Metrics(text)

    def counted(self):
        metrics = self.metrics()
        return {target: metrics.get("pgdog_mirror_statements_total", cluster="app_mirror", target=target,
                                    status="success") for target in ("primary", "mirror")}

    def status(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file)

    def memory_limit(self):
        limit = self.container["resources"]["limits"]["memory"]
        return int(limit[:-2]) * UNITS[limit[-2:]]

    def stop(self):
        return self.process.stop() if self.process else None


@pytest.fixture
def bpffs(tmp_path):
    path = tmp_path / "bpf"
    path.mkdir()
    subprocess.run(["mount", "-t", "bpf", "-o", "mode=0700", "bpf", path], check=True)
    yield str(path)
    subprocess.run(["umount", path], check=True)


@pytest.fixture(scope="module", autouse=True)
def built():
    build = os.path.dirname(BINARY)
    subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={os.path.relpath(build, ROOT)}",
                    f"{os.path.relpath(build, ROOT)}/tests/refuse"], check=True)


@pytest.fixture
def proxy(stand):
    with MirrorProxy(stand.directory, stand.primary, stand.mirror) as it:
        yield it


@pytest.fixture
def pod(stand, bpffs):
    directory = tempfile.mkdtemp(prefix="pod.", dir=stand.directory)
    it = Pod(directory, bpffs, [cluster(stand.primary, stand.mirror)], {"comm": "mirror-proxy"})
    yield it
    it.stop()
    shutil.rmtree(directory)


def run(proxy, times):
    with psycopg.connect(host=proxy.host, port=proxy.port, dbname="app", user="postgres", autocommit=True) as client:
        for i in range(times):
            client.execute("SELECT %s::int", (i,))
    return proxy.settled()


def test_the_pod_attaches_serves_and_counts_what_the_proxy_of_the_node_sent(pod, proxy):
    pod.start()
    assert pod.get(pod.container["livenessProbe"])[0] == 200
    truth = run(proxy, 30)
    assert truth["mirror"] >= 30
    wait_for(lambda: pod.counted() == {target: truth[target] for target in ("primary", "mirror")},
             "the pod to count what the proxy sent")
    now = pod.status()
    assert int(now["VmHWM"].split()[0]) * 1024 < pod.memory_limit()
    assert {now[key] for key in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}
    assert "files read-only" in pod.process.output()


def test_the_counters_outlive_the_pod_and_are_continued_by_the_next(pod, proxy):
    pod.start()
    truth = run(proxy, 10)
    wanted = {target: truth[target] for target in ("primary", "mirror")}
    wait_for(lambda: pod.counted() == wanted, "the pod to count")
    assert pod.stop() == 0
    assert os.path.exists(f"{pod.bpffs}/{os.path.relpath(pod.config['pin'], '/pins')}/stats")
    pod.start()
    assert pod.counted() == wanted
    assert "continuing the counters" in pod.process.output()


def test_without_one_of_its_capabilities_it_would_not_attach(pod):
    """The control: what the manifest declares is what the pod runs with."""
    for name in list(pod.container["securityContext"]["capabilities"]["add"]):
        pod.container["securityContext"]["capabilities"]["add"].remove(name)
        with pytest.raises(AssertionError) as refused:
            pod.start()
        assert f"CAP_{name}" in str(refused.value)
        pod.stop()
        pod.container["securityContext"]["capabilities"]["add"].append(name)


def test_nothing_of_its_root_file_system_can_be_written(pod):
    pod.start()
    mounts = subprocess.run(["cat", f"/proc/{pod.process.pid}/mounts"], check=True, capture_output=True, text=True).stdout
    options = {line.split()[1]: line.split()[3].split(",") for line in mounts.splitlines()}
    for mount in pod.container["volumeMounts"]:
        assert ("ro" in options[mount["mountPath"]]) == bool(mount.get("readOnly"))
    assert "ro" in options["/"] and "ro" in options["/usr"]
