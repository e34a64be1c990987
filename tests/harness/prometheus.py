# SPDX-License-Identifier: MIT
"""Debian's Prometheus, which scrapes and evaluates once a second."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request

from .process import Process, free_port, wait_for


class Prometheus:
    """targets: addresses to scrape; rules: a file of them, or None."""

    def __init__(self, directory, targets, rules=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            json.dump({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                       "rule_files": [rules] if rules else [],
                       "scrape_configs": [{"job_name": "mirror-observer", "static_configs": [{"targets": targets}]}]}, file)
        self.process = Process(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data{self.port}",
                                f"--web.listen-address=127.0.0.1:{self.port}"], os.path.join(directory, "prometheus.log"))
        try:
            wait_for(lambda: self.query("vector(1)"), "Prometheus to answer")
        except BaseException:
            self.process.stop()
            raise

    def query(self, expression):
        """[(labels, value)], None while it does not answer; what it refuses is an error of ours."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression}),
                                        timeout=10) as answer:
                return [(r["metric"], float(r["value"][1])) for r in json.load(answer)["data"]["result"]]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # while it starts
                return None
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        except OSError:
            return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()
