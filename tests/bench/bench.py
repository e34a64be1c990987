# SPDX-License-Identifier: MIT
"""What the observer costs a pgpool-II under pgbench at full speed.

Throughput: rounds of three runs in changing order, two without the observer and one with it. The ratio of the first two
is the machine's own noise, beside which the ratio with the observer is to be read.

CPU: a run of its own per mode with kernel.bpf_stats_enabled: run time of the BPF programs, and the daemon's user and
system time, over the statements that both servers counted themselves.
"""

import argparse
import contextlib
import os
import random
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import Observer, Stand, bpf_stats, cluster, interruptible, leftovers, pgbench  # noqa: E402
from harness.load import MODES  # noqa: E402

CLIENTS = 8
QUIET = 1.5  # seconds: on a busy machine a server may pause between two statements


class Bench:
    def __init__(self, stand, seconds):
        self.stand, self.seconds = stand, seconds

    def observer(self):
        return Observer(self.stand.directory, [cluster(self.stand.primary, self.stand.mirror)])

    def load(self, mode):
        return pgbench(self.stand.pgpool, clients=CLIENTS, seconds=self.seconds, mode=mode)

    def round(self, mode):
        """(with the observer / without, without / without) of one round."""
        kinds, tps = ["off", "null", "on"], {}
        random.shuffle(kinds)
        for kind in kinds:
            with self.observer() if kind == "on" else contextlib.nullcontext():
                tps[kind] = self.load(mode)
        return tps["off"], tps["on"] / tps["off"], tps["null"] / tps["off"]

    def cost(self, mode):
        stand = self.stand
        with self.observer() as observer, bpf_stats():
            self.load(mode)  # connections that were there before must show where they stand first
            stand.settled_counts(QUIET)
            stand.reset_counts()
            before = observer.settled()
            programs, cpu = observer.run_times(), observer.cpu_seconds()
            self.load(mode)
            counts = stand.settled_counts(QUIET)
            after = observer.settled()
            programs = {name: (ns - programs[name][0], runs - programs[name][1])
                        for name, (ns, runs) in observer.run_times().items()}
            cpu = observer.cpu_seconds() - cpu
            ours = {target: after.get("pgdog_mirror_statements_total", cluster="app_mirror", target=target,
                                      status="success")
                    - before.get("pgdog_mirror_statements_total", cluster="app_mirror", target=target,
                                 status="success") for target in counts}
            return {"statements": sum(counts.values()), "agree": ours == counts, "cpu": cpu, "programs": programs,
                    "bpf": sum(ns for ns, _ in programs.values()) / 1e9, "rss": observer.peak_rss(),
                    "events": after.get("mirror_observer_events_total") - before.get("mirror_observer_events_total"),
                    "lost": after.sum("mirror_observer_lost_bytes_total") + after.sum(
                        "mirror_observer_lost_records_total")}


def spread(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown CPU")
    return f"Linux {os.uname().release}, {os.cpu_count()} x {model}"


def throughput_table(bench, modes, rounds):
    print("| mode | transactions/s without | with / without | without / without (noise) |\n|---|---|---|---|")
    for mode in modes:
        results = [bench.round(mode) for _ in range(rounds)]
        tps, ratios, null = zip(*results)
        print(f"| {mode} | {statistics.median(tps):.0f} | {spread(ratios)} | {spread(null)} |", flush=True)


def cost_table(bench, modes):
    print("\n| mode | statements | records, runs/statement | BPF us/statement | daemon us/statement | added CPU us/statement"
          " | peak RSS MiB | lost | counts equal |\n|---|---|---|---|---|---|---|---|---|")
    programs, good = {}, True
    for mode in modes:
        cost = bench.cost(mode)
        runs = sum(runs for _, runs in cost["programs"].values())
        count = cost["statements"]
        bpf, daemon = cost["bpf"] * 1e6 / count, cost["cpu"] * 1e6 / count
        print(f"| {mode} | {count} | {cost['events'] / count:.1f}, {runs / count:.1f} | {bpf:.2f} | {daemon:.2f} | {bpf + daemon:.2f} | {cost['rss'] / 2**20:.1f} |"
              f" {int(cost['lost'])} | {'yes' if cost['agree'] else 'NO'} |", flush=True)
        good = good and cost["agree"] and not cost["lost"]
        for name, (ns, runs) in cost["programs"].items():
            total = programs.get(name, (0, 0))
            programs[name] = (total[0] + ns, total[1] + runs)
    print("\n| BPF program | runs | ns/run |\n|---|---|---|")
    for name, (ns, runs) in sorted(programs.items()):
        if runs:
            print(f"| {name} | {runs} | {ns / runs:.0f} |")
    return good


def main():
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--modes", default=",".join(MODES))
    arguments = parser.parse_args()
    modes = arguments.modes.split(",")
    interruptible()
    try:
        with Stand("mo-bench", children=CLIENTS, scale=10) as stand:
            bench = Bench(stand, arguments.seconds)
            bench.load("simple")  # warm-up: connections, caches
            print(f"{machine()}; pgbench with {CLIENTS} clients, {arguments.seconds} s a run, {arguments.rounds}"
                  " rounds; median (lowest to highest)\n", flush=True)
            if arguments.rounds:
                throughput_table(bench, modes, arguments.rounds)
            good = cost_table(bench, modes)
    except KeyboardInterrupt:
        return 130
    return 0 if good and not leftovers(stand.directory) else 1


sys.exit(main())
