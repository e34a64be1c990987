# SPDX-License-Identifier: MIT
"""What `make install` brings: a hardened unit that systemd understands, and a manifest with the same capabilities."""

import json
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NEEDED = {"BPF", "PERFMON"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    destination = tmp_path_factory.mktemp("install")
    subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={destination}", "PREFIX=/usr"], check=True)
    return destination / "usr"


@pytest.fixture
def unit(installed):
    return installed / "lib" / "systemd" / "system" / "mirror-observer.service"


@pytest.fixture
def manifest(installed):
    return (installed / "share/doc/mirror-observer/daemonset.yaml").read_text(encoding="ascii")


def values(unit, key):
    return re.findall(rf"^{key}=(.*)$", unit.read_text(encoding="ascii"), re.MULTILINE)


def analyze(*arguments):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze (package systemd)")
    return subprocess.run(["systemd-analyze", *map(str, arguments)], check=False, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)


def test_the_unit_starts_what_was_installed(installed, unit):
    assert values(unit, "ExecStart")[0].split()[0] == "/usr/bin/mirror-observer"
    assert os.access(installed / "bin" / "mirror-observer", os.X_OK)
    account = values(unit, "User")[0]
    assert re.search(rf"^u {account} ", (installed / "lib/sysusers.d/mirror-observer.conf").read_text(), re.MULTILINE)


def test_what_the_unit_binds_is_what_tmpfiles_makes_for_its_account(installed, unit):
    made = (installed / "lib/tmpfiles.d/mirror-observer.conf").read_text(encoding="ascii")
    account = values(unit, "User")[0]
    assert re.search(rf"^d {values(unit, 'BindPaths')[0]} 0700 {account} {account} ", made, re.MULTILINE)
    assert values(unit, "BindPaths") == values(unit, "ReadWritePaths")


def test_systemd_knows_every_line_of_the_unit(unit):
    """That the program is not at its place on this machine is no fault of the unit."""
    said = [line for line in analyze("verify", "--man=no", unit).stderr.splitlines()
            if "mirror-observer.service" in line and "is not executable" not in line]
    assert said == []


def test_the_unit_is_as_exposed_as_documented(unit):
    done = analyze("security", "--offline=true", "--no-pager", unit)
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert score, done.stdout + done.stderr
    with open(f"{ROOT}/docs/architecture.md", encoding="utf-8") as file:
        documented = dict(re.findall(r"systemd\s(\d+): exposure level ([\d.]+)", file.read()))
    version = analyze("--version").stdout.split()[1]
    if version not in documented:
        pytest.skip(f"docs/architecture.md names no exposure level for systemd {version}")
    assert score.group(1) == documented[version]


def test_unit_and_manifest_give_the_two_capabilities_and_no_other(unit, manifest):
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        assert {name.removeprefix("CAP_") for name in values(unit, key)[0].split()} == NEEDED
    assert set(re.search(r"add: \[(.*)\]", manifest).group(1).split(", ")) == NEEDED
    assert "drop: [ALL]" in manifest and "hostPID: true" in manifest


def test_the_manifest_s_configuration_is_valid(installed, manifest, tmp_path):
    block = re.search(r"  observer\.yaml: \|\n((?:    .*\n)+)", manifest).group(1)
    path = tmp_path / "observer.yaml"
    path.write_text(re.sub("^    ", "", block, flags=re.MULTILINE), encoding="ascii")
    done = subprocess.run([installed / "bin" / "mirror-observer", "--check", "--config", path], check=False,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1, 4), done.stderr  # 2 would be the configuration; no such proxy runs here
    assert "is valid, 1 cluster" in done.stdout


def test_the_bill_of_materials_names_a_licence_for_all_that_is_linked(installed):
    done = subprocess.run([f"{ROOT}/scripts/package/sbom", installed / "bin" / "mirror-observer", "0", "0"], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    linked = subprocess.run(["readelf", "-d", installed / "bin" / "mirror-observer"], check=True, capture_output=True, text=True).stdout
    names = {package["name"] for package in json.loads(done.stdout)["packages"]}
    assert set(re.findall(r"\(NEEDED\).*\[(.+)\]", linked)) <= names


def test_bash_completes_the_program_s_own_commands_and_options(installed):
    def complete(*words):
        script = ('source "$1"; shift; PATH=$1:$PATH; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mirror_observer; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        return set(subprocess.run(["bash", "-c", script, "bash", installed / "share/bash-completion/completions/mirror-observer",
                                   installed / "bin", *words], check=True, capture_output=True, text=True).stdout.split())
    assert {"readiness", "reset", "--config", "--check"} <= complete("mirror-observer", "")
    assert complete("mirror-observer", "readiness", "--pro") == {"--prometheus"}
    assert complete("mirror-observer", "--log-level", "w") == {"warning"}
    assert "--prometheus" not in complete("mirror-observer", "reset", "--")
