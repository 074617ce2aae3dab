# SPDX-License-Identifier: Apache-2.0
"""A daemon that gets no memory, at each of many moments of its work: it ends at once and says so, so that it is never deaf; what it
said it took is not lost, and started again it goes on.
"""

import smtplib
import subprocess
import unittest

from support import BUILD, Sandbox, mails, sanitized

from policy_client import Client
from scarcity import Scarcity

OVERRIDES = """
[contentfilter]
command_timeout = "5 seconds"
deadline = "10 seconds"
check_timeout = "3 seconds"
next_hop_reply_timeout = "3 seconds"
max_tries = 100
"""
MOMENTS = 60  # of a message's way, or a request's


@unittest.skipIf(sanitized(), "a sanitizer has an allocator of its own")
class Starved(unittest.TestCase):
    """One daemon, asked at each of many moments of its work."""
    DAEMON = None
    FULL_STOP = 'the daemon cannot go on why="no memory"'

    def setUp(self):
        self.box = Sandbox(BUILD, overrides=OVERRIDES)
        self.addCleanup(self.box.stop)
        self.memory, self.asked = Scarcity(self.box), 0

    def start(self):
        self.process = self.memory.start(self.DAEMON)

    def ask(self):
        """Something that is new each time; whether the daemon did what it is for."""
        raise NotImplementedError

    def allocations_of_one(self):
        for _ in range(3):  # what is made once is there
            self.assertTrue(self.ask())
        most = 1 << 40
        self.memory.begin(most, 0)
        self.assertTrue(self.ask())
        return most - self.memory.end()[1]

    def starve_at_many_moments(self):
        self.start()
        count = self.allocations_of_one()
        self.assertGreater(count, 10)
        for after in range(0, count * 9 // 10, max(count // MOMENTS, 1)):
            for times in (1, 1 << 40)[:1 if after % 5 else 2]:  # a moment, or for good
                with self.subTest(after=after, times=times):
                    self.memory.begin(after, times)
                    self.ask()
                    code = self.end_of_process()
                    refused, _ = self.memory.end()
                    said = self.box.daemon_log(self.DAEMON).splitlines()[-1]
                    self.start()
                    self.assertGreater(refused, 0, "there was memory enough")
                    self.assertEqual(code, 1, said)
                    self.assertIn(self.FULL_STOP, said)
                    self.box.wait_until(self.ask, "the next one's answer")

    def end_of_process(self):
        """Its exit code; None, and its end, where it goes on."""
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


class Filter(Starved):
    DAEMON = "contentfilter"

    def setUp(self):
        super().setUp()
        hop = f'next_hop = "unix:{self.box.path("queue/public/postsluice-reentry")}"'
        text = self.box.config_file.read_text()
        self.assertIn(hop, text)
        self.box.config_file.write_text(text.replace(hop, f'next_hop = "inet:{self.box.address}:2525"'))

    def ask(self):
        """A message, straight to the filter. What it took has arrived, once."""
        self.asked += 1
        subject = f"message {self.asked}"
        client = smtplib.LMTP(timeout=30)
        try:
            client.connect(str(self.box.path("queue/postsluice/filter")))
            client.sendmail("alice@example.org", ["f@example.net"], mails.plain("alice@example.org", "f@example.net", subject))
        except (smtplib.SMTPException, OSError):
            return False
        finally:
            client.close()
        self.assertEqual(sum(subject in delivery.header("Subject") for delivery in self.box.sink.deliveries), 1)
        return True

    def test_ends_at_once_and_goes_on_when_it_is_started_again(self):
        self.starve_at_many_moments()


class Policyd(Starved):
    DAEMON = "policyd"

    def ask(self):
        """A recipient's request."""
        self.asked += 1
        try:
            with Client(self.box) as client:
                return client.ask("alice@example.org", self.asked).startswith(b"action=DUNNO")
        except OSError:
            return False

    def test_ends_at_once_and_goes_on_when_it_is_started_again(self):
        self.starve_at_many_moments()


if __name__ == "__main__":
    unittest.main()
