# SPDX-License-Identifier: MIT
"""One scrape of /metrics, parsed with nothing but the standard library."""

import re
import urllib.request

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """samples: {(name, frozenset of label pairs): value}."""

    def __init__(self, text):
        self.text = text
        self.samples = {}
        for line in text.splitlines():
            match = SAMPLE.match(line)
            if match and not line.startswith("#"):
                labels = frozenset(LABEL.findall(match.group(2) or ""))
                self.samples[match.group(1), labels] = float(match.group(3))

    @classmethod
    def scrape(cls, url, accept="text/plain"):
        request = urllib.request.Request(url, headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return cls(answer.read().decode("utf-8"))

    def get(self, name, **labels):
        """The one sample with these labels, exactly; KeyError when there is none."""
        return self.samples[name, frozenset(labels.items())]

    def sum(self, name, **labels):
        """Sum of all samples that have at least these labels."""
        wanted = set(labels.items())
        return sum(value for (sample, have), value in self.samples.items() if sample == name and wanted <= have)

    def names(self):
        return {name for name, _ in self.samples}

    def labels(self, name):
        """The label sets of a family, as dictionaries."""
        return [dict(have) for sample, have in self.samples if sample == name]
