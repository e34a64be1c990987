# SPDX-License-Identifier: MIT
"""docs/https/nginx.conf: a real nginx in front of the served figures asks for a password, speaks TLS, and lets nobody reset."""

import base64
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

from harness import Process, free_port, wait_for
from harness.exposition import Exposition

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """ask(path, password, method, headers): the status and text that the site gives."""
    if not NGINX:
        pytest.skip("needs nginx")
    Exposition.build()
    directory = tmp_path_factory.mktemp("nginx")
    directory.chmod(0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", directory / "mirror-observer.key", "-out",
                    directory / "mirror-observer.crt"], check=True, capture_output=True)
    hashed = subprocess.run(["openssl", "passwd", "-6", "secret"], check=True, capture_output=True, text=True).stdout
    (directory / "mirror-observer.htpasswd").write_text(f"prometheus:{hashed}", encoding="ascii")
    port = free_port()
    with Exposition("--add", 9, "app") as served:
        with open(f"{ROOT}/docs/https/nginx.conf", encoding="ascii") as file:
            text = file.read()
        for documented, ours in (("/etc/nginx/", f"{directory}/"), ("listen 10433", f"listen 127.0.0.1:{port}"),
                                 ("http://127.0.0.1:10432", f"http://127.0.0.1:{served.port}")):
            assert documented in text
            text = text.replace(documented, ours)
        temporary = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (directory / "nginx.conf").write_text(f"user root;\npid {directory}/pid;\ndaemon off;\nerror_log stderr;\nevents {{}}\n"
                                              f"http {{\naccess_log off;\n{temporary}{text}\n}}\n", encoding="ascii")
        context = ssl.create_default_context(cafile=directory / "mirror-observer.crt")

        def ask(path, password="secret", method="GET", headers=None):
            request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", method=method, headers=headers or {})
            if password:
                request.add_header("Authorization", "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode())
            try:
                with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                    return answer.status, answer.read().decode("utf-8")
            except urllib.error.HTTPError as error:
                return error.code, ""

        def up():
            assert process.running(), process.output()
            try:
                return ask("/-/healthy")
            except OSError:
                return None
        with Process([NGINX, "-e", "stderr", "-p", str(directory), "-c", str(directory / "nginx.conf")],
                     directory / "nginx.log") as process:
            wait_for(up, "nginx to listen")
            yield ask


def test_the_figures_are_served_to_who_knows_the_password(site):
    status, text = site("/metrics")
    assert status == 200 and 'pgdog_mirror_requests_total{cluster="app",status="success"} 9' in text


@pytest.mark.parametrize("path", ["/metrics", "/", "/readiness", "/-/healthy"])
def test_nobody_else_gets_anything(site, path):
    assert site(path, password=None) == (401, "")
    assert site(path, password="guessed") == (401, "")


@pytest.mark.parametrize("path", ["/-/reset", "/-/reset?cluster=app", "//-/reset", "/-/./reset", "/%2d/reset"])
def test_nobody_resets_through_it(site, path):
    for method in ("POST", "GET"):
        assert site(path, method=method, headers={"X-Mirror-Observer": "reset"})[0] in (403, 404, 405)
    assert site("/metrics", method="POST")[0] == 403
