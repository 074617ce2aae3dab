# SPDX-License-Identifier: Apache-2.0
"""Clocks: one that jumps forward a year and back, before and behind a restart and a reboot; and what needs days of history, with
days that go by in a moment. The daemons run with tests/support/clock_shift.cpp preloaded."""

import os
import re
import unittest

from support import BUILD, mails, sanitized
from shifted import ShiftedSandbox
from test_bad_days_policyd import LIMIT, PROFILE, BadDay

DAY, YEAR = 86400, 365 * 86400


@unittest.skipIf(sanitized(), "AddressSanitizer and a preloaded clock do not go together")
class Jumps(BadDay):
    LOGIN = "a@example.org"

    def setUp(self):
        self.box = ShiftedSandbox(BUILD, overrides=PROFILE)
        self.addCleanup(self.box.stop, keep=bool(os.environ.get("POSTSLUICE_KEEP")))
        self.box.start_daemon("policyd")
        self.number = 0

    def send(self, messages):
        """How many of them got through; each is answered."""
        passed = 0
        for _ in range(messages):
            self.number += 1
            passed += self.message(self.LOGIN, self.number)
        return passed

    def restart(self, how="policyd"):
        self.box.stop_daemon("policyd")
        if how == "machine":
            self.box.path("state/clock").unlink()  # as another boot: the wall clock is believed anew
        self.box.start_daemon("policyd")

    def test_a_wall_clock_that_jumps_forward_a_year_and_back_frees_nothing_and_locks_nobody(self):
        self.assertEqual(self.send(LIMIT // 2), LIMIT // 2)
        self.box.postsluice("account", "lock", "b@example.org", "--for", "1 hour")
        for wall in (YEAR, 0, -YEAR):
            self.box.shift(wall=wall)
            self.assertRegex(self.ask("b@example.org", 1000 + abs(wall)), rb"action=450 ")
            self.assertEqual(self.send(2), 2)
            self.restart()
            self.assertRegex(self.ask("b@example.org", 2000 + abs(wall)), rb"action=450 ")
        self.box.shift()
        self.assertEqual(self.send(LIMIT), LIMIT - LIMIT // 2 - 6, "no more and no less than the limit")
        self.box.postsluice("account", "unlock", "b@example.org")
        self.assertEqual(self.ask("b@example.org", 3000), b"action=DUNNO\n\n")

    def test_a_machine_that_starts_with_a_clock_a_year_ahead_and_then_with_the_right_one(self):
        self.assertEqual(self.send(LIMIT), LIMIT)
        self.box.shift(wall=YEAR)
        self.restart("machine")
        self.assertEqual(self.send(LIMIT + 5), LIMIT, "a year later the day is over")
        self.box.shift()
        self.restart("machine")
        self.assertEqual(self.send(3), 0, "what was counted under the wrong clock is counted")
        answer = self.ask(self.LOGIN, 5000).decode()
        waits = int(re.search(r"next in (\d+) s", answer).group(1)) if "next in" in answer else None
        self.assertIsNotNone(waits, answer)
        self.assertLessEqual(waits, DAY + DAY // 16, "but nobody waits a year")
        self.box.shift(boot=waits)
        self.assertEqual(self.send(1), 1, "a retry at the stated time passes")


TREND = """
[policyd]
new_recipients_after = "14 days"
[profile.watched]
from = "own-address"
limits = ["1 new recipients per day"]
trend = { factor = 2, floor = "3 messages", action = "reject" }
[[assign]]
profile = "watched"
login = ["alice@example.org", "bob@example.org"]
"""


@unittest.skipIf(sanitized(), "AddressSanitizer and a preloaded clock do not go together")
class Days(unittest.TestCase):
    """Days of real mail through a real Postfix."""

    def setUp(self):
        self.box = ShiftedSandbox(BUILD, overrides=TREND)
        self.addCleanup(self.box.stop, keep=bool(os.environ.get("POSTSLUICE_KEEP")))
        self.box.start()

    def send(self, login, recipient, subject):
        return self.box.send(login, recipient, mails.plain(login, recipient, subject))

    def codes(self, story):
        return [code for _, code, _ in story]

    def test_an_account_that_sends_far_more_than_usual_is_stopped_and_new_recipients_are_limited_once_there_is_history(self):
        friend = "friend@example.net"
        for day in range(10):
            self.box.shift(boot=day * DAY)
            self.assertEqual(self.codes(self.send("alice@example.org", friend, f"day {day}")), [250, 250, 250])
        for recipient in ("one@example.net", "two@example.net", "three@example.net"):  # bob's first day: no history yet
            self.assertEqual(self.codes(self.send("bob@example.org", recipient, "young")), [250, 250, 250])
        self.box.shift(boot=10 * DAY)
        burst = [self.send("alice@example.org", friend, f"burst {n}") for n in range(8)]
        passed = sum(self.codes(story) == [250, 250, 250] for story in burst)
        self.assertTrue(3 <= passed < 8, burst)
        self.assertIn("far more than this account usually sends (up to 1 a day)", str(burst[-1]))
        self.assertIn(550, self.codes(burst[-1]))
        # Before the clock goes on: a ticket is believed for 14 days, and one of these may be on its way into the filter still.
        arrived = self.box.sink.wait(10, match=lambda d: re.match(r"day \d", " ".join(d.header("Subject"))))
        self.assertEqual(len(arrived), 10, "tickets of any day are believed by the filter")
        self.box.shift(boot=25 * DAY)  # 15 days after bob's first message
        self.assertEqual(self.codes(self.send("bob@example.org", "one@example.net", "known")), [250, 250, 250])
        self.assertEqual(self.codes(self.send("bob@example.org", "four@example.net", "new")), [250, 250, 250])
        refused = self.send("bob@example.org", "five@example.net", "another new one")
        self.assertEqual(self.codes(refused)[:2], [250, 450], refused)
        self.assertIn("1 of 1 new recipients per day used", str(refused))
        self.assertEqual(self.codes(self.send("bob@example.org", "two@example.net", "known")), [250, 250, 250])


if __name__ == "__main__":
    unittest.main()
