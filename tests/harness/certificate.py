# SPDX-License-Identifier: MIT
"""Certificates for servers that speak TLS."""
import os
import subprocess


def make_certificate(directory, owner=None):
    """server.crt and server.key, signed by itself, in directory; returns both paths."""
    certificate, key = os.path.join(directory, "server.crt"), os.path.join(directory, "server.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
                   check=True, capture_output=True)
    if owner and os.getuid() == 0:
        import pwd
        entry = pwd.getpwnam(owner)
        for path in (certificate, key):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    os.chmod(key, 0o600)
    return certificate, key
