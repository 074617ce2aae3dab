# SPDX-License-Identifier: Apache-2.0
"""Memory after a load: what was needed for it goes back to the system when a daemon comes to rest. Ratios within one run; the figures
and their goals are `make bench-filter`'s."""

import pathlib
import random
import smtplib
import subprocess
import sys
import threading
import time
import unittest

from support import BUILD, ROOT, Sandbox, sanitized

sys.path.insert(0, str(ROOT / "tests/bench"))
from measure import children  # noqa: E402

OVERRIDES = """
[log]
level = "debug"
[profile.many]
inherits = "default"
from = "own-address"
limits = ["100000000 messages per minute", "100000000 recipients per hour"]
[[assign]]
profile = "many"
login = ["*"]
"""
LOAD = pathlib.Path(BUILD) / "tests/bench/policy-load"


def anonymous(pid):
    """A process's own memory, in octets: no files, which the kernel may drop by itself."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Anonymous:"))


class Most:
    """The most memory of its own that a process has while something is done."""

    def __init__(self, pid):
        self.pid, self.octets, self.over = pid, 0, threading.Event()
        self.watcher = threading.Thread(target=self.watch)

    def watch(self):
        while not self.over.wait(0.02):
            self.octets = max(self.octets, anonymous(self.pid))

    def __enter__(self):
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.watcher.join()


@unittest.skipIf(sanitized(), "a sanitizer's allocator is another one")
class Memory(unittest.TestCase):
    def setUp(self):
        self.box = Sandbox(BUILD, overrides=OVERRIDES)
        self.addCleanup(self.box.stop)

    def started(self, name):
        """The daemon's process, once it has given back what its start needed."""
        pid = self.box.start_daemon(name).pid
        self.wait_for_rest(name, 1)
        return pid

    def wait_for_rest(self, name, times):
        self.box.wait_until(lambda: self.box.daemon_log(name).count("came to rest") >= times, f"{name} at rest", 60)

    def assert_given_back(self, name, pid, at_first, busy):
        rests = self.box.daemon_log(name).count("came to rest")
        self.wait_for_rest(name, rests + 1)
        at_rest = anonymous(pid)
        figures = f"{at_first} octets at first, {busy} under load, {at_rest} at rest"
        self.assertGreater(busy, 1.5 * at_first, f"no load that could be seen: {figures}")
        self.assertLess(at_rest - at_first, (busy - at_first) / 2, figures)

    def send(self, texts):
        """By LMTP straight into the filter, eight at a time."""
        path = str(self.box.path("queue/postsluice/filter"))
        failed, lock = [], threading.Lock()

        def one():
            client = smtplib.LMTP(path)
            while True:
                with lock:
                    if not texts:
                        return client.quit()
                    text = texts.pop()
                try:
                    client.sendmail("alice@example.org", ["f@example.net"], text)
                except smtplib.SMTPException as error:
                    failed.append(error)
        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_the_filter_gives_back_what_a_load_needed(self):
        text = self.box.config_file.read_text().replace(
            f'next_hop = "unix:{self.box.path("queue/public/postsluice-reentry")}"', f'next_hop = "inet:{self.box.address}:2525"')
        self.box.config_file.write_text(text)
        self.box.sink.replies["dot"] = "250 2.0.0 Ok: not kept"
        pid = self.started("contentfilter")
        at_first = anonymous(pid)
        chance = random.Random(1)
        words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(3000)]

        def message(size):
            lines = [" ".join(chance.choices(words, k=10)) for _ in range(size // 70)]
            return ("From: alice@example.org\r\nTo: f@example.net\r\nSubject: load\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
                    f"Message-ID: <{chance.randrange(1 << 40)}@example.org>\r\n\r\n" + "\r\n".join(lines) + "\r\n")
        with Most(pid) as busy:
            self.send([message(20_000) for _ in range(200)] + [message(2_000_000) for _ in range(8)])
        self.assert_given_back("contentfilter", pid, at_first, busy.octets)
        self.box.wait_until(lambda: children(pid) == [pid], "the end of workers that nobody asks", 30)

    def test_policyd_comes_to_rest_after_a_load_too(self):
        """What it holds then is what it knows of accounts; there is little to be given back."""
        self.started("policyd")
        target = f"unix:{self.box.path('queue/postsluice/policyd')}"
        run = subprocess.run([LOAD, "--target", target, "--connections", "10", "--data", "--accounts", "100", "--requests", "2000"],
                             capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.wait_for_rest("policyd", 2)
        self.assertRegex(self.box.daemon_log("policyd"), r"came to rest requests=[1-9]")


class Rest(unittest.TestCase):
    """What rest is, and how long it must last, is the operator's: a load is rest where he says so."""
    OFTEN, TIME = 8, 30  # times in seconds; by default 50 seconds would be needed

    def setUp(self):
        self.box = Sandbox(BUILD, overrides=OVERRIDES + """
[policyd]
rest_interval = "1 second"
rest_requests = 1000000
[contentfilter]
rest_interval = "1 second"
rest_messages = 1000000
""")
        self.addCleanup(self.box.stop)

    def load_until_rest_is_told(self, name, load):
        self.box.start_daemon(name)
        until = time.monotonic() + self.TIME
        while self.box.daemon_log(name).count("came to rest") < self.OFTEN and time.monotonic() < until:
            load()
        self.assertGreaterEqual(self.box.daemon_log(name).count("came to rest"), self.OFTEN)

    def test_of_the_filter(self):
        def load():
            with smtplib.LMTP(str(self.box.path("queue/postsluice/filter"))) as client:
                client.ehlo_or_helo_if_needed()
                for _ in range(10):
                    client.mail("alice@example.org")
                    client.rcpt("f@example.net")
                    client.data("From: alice@example.org\r\nSubject: load\r\n\r\nhello\r\n")  # nobody takes it: 451
        self.load_until_rest_is_told("contentfilter", load)

    def test_of_policyd(self):
        target = f"unix:{self.box.path('queue/postsluice/policyd')}"

        def load():
            subprocess.run([LOAD, "--target", target, "--connections", "2", "--data", "--accounts", "10", "--requests", "200"],
                           check=True, capture_output=True, timeout=60)
        self.load_until_rest_is_told("policyd", load)


if __name__ == "__main__":
    unittest.main()
