# SPDX-License-Identifier: Apache-2.0
"""policyd stays as cheap as it was made: its CPU for a request, in the default configuration and with synced counters, beside that
of a server that parses nothing, in the same run, and the calls of the system in a turn. No absolute times; the whole comparison is `make bench-policy`."""

import os
import pathlib
import re
import subprocess
import unittest

from support import BUILD, Sandbox, sanitized

LOAD = pathlib.Path(BUILD) / "tests/bench/policy-load"
LIMITS = """
[profile.many]
inherits = "default"
from = "own-address"
limits = ["100000000 messages per minute", "100000000 recipients per minute", "100000000 recipients per hour",
          "100000000 recipients per day", "100000000 messages per day"]
[[assign]]
profile = "many"
login = ["*"]
"""
REQUESTS, ROUNDS = 8000, 5


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(target, *more):
    run = subprocess.run([LOAD, "--target", target, "--connections", "10", "--data", "--accounts", "1000", *map(str, more)],
                         capture_output=True, text=True, timeout=120)
    values = dict(pair.split("=") for pair in run.stdout.split())
    if run.returncode != 0 or float(values["refused"]):
        raise AssertionError(run.stderr + run.stdout)
    return values


@unittest.skipIf(sanitized(), "a sanitizer's cost is not policyd's")
class Speed(unittest.TestCase):
    def setUp(self):
        self.box = Sandbox(BUILD, overrides=LIMITS)
        self.addCleanup(self.box.stop)

    def ratio(self):
        """CPU of a request, policyd / ceiling: the best of some rounds, since a busy machine's caches make both dearer."""
        self.box.start_daemon("policyd")
        ours = f"unix:{self.box.path('queue/postsluice/policyd')}"
        dunno = self.box.path("run/dunno")
        ceiling = subprocess.Popen([LOAD, "--serve-dunno", f"unix:{dunno}"])
        self.addCleanup(ceiling.wait)
        self.addCleanup(ceiling.kill)
        self.box.wait_until(dunno.exists, "the ceiling's socket", 10)
        load(ours, "--requests", REQUESTS)
        best = float("inf")
        for _ in range(ROUNDS):
            spent = []
            for pid, target in ((self.box.processes["policyd"].pid, ours), (ceiling.pid, f"unix:{dunno}")):
                before = cpu_seconds(pid)
                load(target, "--requests", REQUESTS * (1 if target == ours else 4))
                spent.append((cpu_seconds(pid) - before) / (1 if target == ours else 4))
            best = min(best, spent[0] / max(spent[1], 1e-3))
        return best

    def test_a_request_costs_a_small_multiple_of_one_that_is_not_even_read(self):
        self.assertLess(self.ratio(), 12)


class Turns(unittest.TestCase):
    """What one turn of the event loop comes to in calls of the system, by strace: whatever is ready is read, then one commit for all of
    it, then the replies, and only then the loop looks for more."""

    def setUp(self):
        self.box = Sandbox(BUILD, overrides=LIMITS)
        self.addCleanup(self.box.stop)

    def trace(self, *arguments):
        """The names of the calls that the thread of the event loop makes under such a load."""
        process = self.box.start_daemon("policyd")
        file = self.box.path("log/turns")
        tracer = subprocess.Popen(["strace", "-qq", "-o", file, "-p", str(process.pid), "-e", "trace=epoll_wait,epoll_pwait,pwrite64,recvfrom,sendto"],
                                  stdin=subprocess.DEVNULL)
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status")
            self.box.wait_until(lambda: not re.search(r"^TracerPid:\s+0$", status.read_text(), re.MULTILINE), "strace")
            load(f"unix:{self.box.path('queue/postsluice/policyd')}", *arguments)
        finally:
            tracer.terminate()
            tracer.wait(20)
        return re.findall(r"^(\w+)\(", file.read_text(), re.MULTILINE)

    def test_the_requests_of_a_turn_share_a_commit_that_comes_before_the_loop_looks_again(self):
        calls = self.trace("--requests", 4000)
        commits = [before for before, call in zip(calls, calls[1:]) if call == "pwrite64"]
        self.assertGreaterEqual(calls.count("recvfrom"), 3 * len(commits), "requests that are ready together share a commit")
        self.assertGreater(len(commits), 20)
        # A few are the periodic work's.
        self.assertGreater(commits.count("recvfrom"), 0.9 * len(commits), "a commit follows the last read of its turn")
        looks = sum(call.startswith("epoll") for call in calls)
        self.assertLess(looks, 2.3 * len(commits), "two looks a turn: the loop's, and that at the connections")


if __name__ == "__main__":
    unittest.main()
