# SPDX-License-Identifier: Apache-2.0
"""The bounded part of the fault matrix (`make torture` runs all of it, with more messages): nothing is lost, nothing is cut, what
arrives twice is explained, and who is refused is told.
"""

import unittest

from support import BUILD, Sandbox, sanitized

import faults
from rig import Rig

MESSAGES = 16
STARTS = 20  # `make torture`: 1,000


class Faults:
    """What every way in has to stand."""

    WAY = None

    @classmethod
    def setUpClass(cls):
        cls.shifted = not sanitized()
        cls.rig = Rig(BUILD, faults.SMALL, cls.WAY, shifted=cls.shifted)

    @classmethod
    def tearDownClass(cls):
        cls.rig.stop()
        print(faults.table(cls.rig.rows))

    def chosen(self, name, bounded):
        return name in faults.BY_OTHER_WAYS

    def test_every_accepted_message_arrives_once_or_its_sender_is_told(self):
        for name, fault, bounded, more in faults.MATRIX:
            if self.chosen(name, bounded) and (self.shifted or not more.get("shifted")):
                with self.subTest(name):
                    row, wrong = faults.run(self.rig, self.WAY, name, fault, MESSAGES, more)
                    self.assertEqual(wrong, [], f"{row} {self.rig.ledger.broken}\n{self.rig.last_words() if wrong else ''}")
                self.assertTrue(self.rig.works(), f"after {name!r} a daemon is gone")


class Lmtp(Faults, unittest.TestCase):
    WAY = "after-queue"

    def chosen(self, name, bounded):
        return bounded


class Smtp(Faults, unittest.TestCase):
    WAY = "after-queue-smtp"


class BeforeQueue(Faults, unittest.TestCase):
    WAY = "before-queue"


class Pipe(Faults, unittest.TestCase):
    WAY = "pipe"


class Starts(unittest.TestCase):
    def test_both_daemons_start_at_once_on_a_state_that_is_there_and_on_one_that_is_not(self):
        box = Sandbox(BUILD)
        try:
            self.assertEqual(faults.start_together(box, STARTS), [])
        finally:
            box.stop()


class TheLedgerItself(unittest.TestCase):
    """A ledger that never complains would prove nothing."""

    def setUp(self):
        from ledger import Ledger, make
        import random

        class Sink:
            deliveries = []
        self.sink = Sink()
        self.sink.deliveries = []
        self.ledger = Ledger(self.sink)
        self.ledger.messages[1] = self.message = make(1, "alice@example.org", random.Random(1))
        self.ledger.accepted.update(self.message.recipients)

    def row(self, *deliveries):
        from sink import Delivery
        self.sink.deliveries += [Delivery(sender, recipients, content) for sender, recipients, content in deliveries]
        self.ledger.read_sink()
        return {"struck": 1, "refused": [], **self.ledger.row([1])}

    def delivery(self, content=None):
        return "<alice@example.org>", list(self.message.recipients), content or self.message.text

    def test_a_message_that_arrived_is_fine(self):
        self.assertEqual(faults.faults_of(self.row(self.delivery())), [])

    def test_a_message_without_a_trace_is_lost(self):
        self.assertIn("lost 2, broken 0", faults.faults_of(self.row()))

    def test_a_message_that_was_cut_is_seen(self):
        self.assertIn("lost 0, broken 1", faults.faults_of(self.row(self.delivery(self.message.text[:-10]))))

    def test_a_duplicate_needs_a_lost_reply(self):
        self.assertEqual(len(faults.faults_of(self.row(self.delivery(), self.delivery()))), 1)
        self.ledger.lost_replies.update(self.message.recipients)
        self.assertEqual(faults.faults_of(self.row()), [])

    def test_a_bounce_counts_for_the_recipients_that_it_names_and_only_if_its_sender_gets_it(self):
        text = b"Subject: Undelivered\r\n\r\nFinal-Recipient: rfc822; %s\r\n"
        first, second = self.message.recipients
        row = self.row(("<>", ["alice@example.org"], text % first.encode()))
        self.assertEqual((row["told"], row["lost"]), (1, 1))
        row = self.row(("<>", ["bob@example.org"], text % second.encode()))
        self.assertEqual(row["broken"], 1)


if __name__ == "__main__":
    unittest.main()
