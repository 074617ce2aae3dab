# SPDX-License-Identifier: Apache-2.0
"""What the benches share: the processor time and memory of a tree of processes, how busy others kept the machine, and goals."""

import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")


def stat_fields(pid):
    """proc(5): the fields of /proc/PID/stat from the third, which is [0] here; None where the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def children(pid):
    """A process and all its descendants."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat_fields(entry.name)):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for known in found:
        found += parents.get(known, [])
    return found


def cpu_seconds(roots):
    """User and system time of these processes and of all their descendants, those that have ended (and were waited for) too."""
    total = 0
    for root in roots:
        for pid in children(root):
            if fields := stat_fields(pid):
                total += sum(map(int, fields[11:15]))
    return total / TICKS


def pss(roots):
    """Proportional set size of these processes and their descendants, in octets."""
    total = 0
    for root in roots:
        for pid in children(root):
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def busy_seconds():
    """Of all processors since the machine started: all but idle and waiting for disks."""
    fields = list(map(int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def idleness():
    load, cores = os.getloadavg()[0], os.cpu_count()
    return f"{cores} cores, load average {load:.1f}{': NOT IDLE, so absolute figures and percentiles mean little' if load > 0.3 * cores else ''}"


class Goals:
    def __init__(self):
        self.met = []

    def check(self, what, value, wanted, at_least=True, unit=""):
        """A figure that does not exist (nan) meets no goal."""
        self.met.append(value >= wanted if at_least else value <= wanted)
        print(f"{what:<76} {value:>7.2f}{unit}  goal {'>=' if at_least else '<='} {wanted}{unit} {'met' if self.met[-1] else 'NOT MET'}", flush=True)

    def fail(self, what):
        self.met.append(False)
        print(f"{what}; NOT MET", flush=True)

    def summary(self):
        return f"{sum(self.met)} goals met, {len(self.met) - sum(self.met)} not met"
