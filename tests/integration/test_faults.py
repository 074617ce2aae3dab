# SPDX-License-Identifier: Apache-2.0
"""The bounded part of the fault matrix (`make torture` runs all of it, with more messages): nothing is lost, nothing is cut, what
arrives twice is explained, and who is refused is told.
"""

import collections
import itertools
import unittest
import unittest.mock

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

    def test_every_accepted_message_arrives_once_or_its_sender_is_told(self):
        for name, fault, more in faults.rows(self.WAY, bounded=True):
            if self.shifted or not more.get("shifted"):
                with self.subTest(name):
                    row, wrong = faults.run(self.rig, self.WAY, name, fault, MESSAGES, more)
                    self.assertEqual(wrong, [], f"{row} {self.rig.ledger.broken}\n{self.rig.last_words() if wrong else ''}")
                self.assertTrue(self.rig.works(), f"after {name!r} a daemon is gone")
        self.assertEqual(self.rig.books.settle(), [])


class Lmtp(Faults, unittest.TestCase):
    WAY = "after-queue"


class Smtp(Faults, unittest.TestCase):
    WAY = "after-queue-smtp"


class BeforeQueue(Faults, unittest.TestCase):
    WAY = "before-queue"


class BeforeQueueByLine(Faults, unittest.TestCase):
    WAY = "before-queue-by-line"


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

    def test_each_time_too_much_needs_a_lost_reply(self):
        self.assertEqual(len(faults.faults_of(self.row(self.delivery(), self.delivery(), self.delivery()))), 1)
        self.ledger.lost_replies.update(self.message.recipients)
        self.assertEqual(self.row()["unexplained"], 2)  # recipients
        self.ledger.lost_replies.update(self.message.recipients)
        self.assertEqual(faults.faults_of(self.row()), [])

    def test_a_death_explains_what_was_taken_about_then_and_nothing_else(self):
        self.ledger.taken = [(100, 1), (200, 1), (150, 2)]
        row = self.row(self.delivery(), self.delivery())
        for absent, by_death in (([(140, 160)], 0), ([(101, 102)], 2), ([(99, 100)], 2), ([(110, 120), (190, 195)], 0)):
            self.ledger.absent = absent
            row = self.row()
            self.assertEqual((row["by death"], row["unexplained"]), (by_death, 2 - by_death), absent)

    def test_a_client_that_heard_no_250_explains_what_it_sent_again(self):
        self.ledger.sent_again.update(self.message.recipients[:1])
        row = self.row(self.delivery(), self.delivery())
        self.assertEqual((row["by client"], row["unexplained"]), (1, 1))

    def test_a_message_that_was_refused_in_the_session_is_told(self):
        self.ledger.refuse(1, self.message.recipients, "550 5.7.1 no, ref ABCD1234")
        row = self.row()
        self.assertEqual((row["told"], row["lost"], self.ledger.references), (2, 0, {1: "ABCD1234"}))

    def test_a_bounce_counts_for_the_recipients_that_it_names_and_only_if_its_sender_gets_it(self):
        text = b"Subject: Undelivered\r\n\r\nFinal-Recipient: rfc822; %s\r\n"
        first, second = self.message.recipients
        row = self.row(("<>", ["alice@example.org"], text % first.encode()))
        self.assertEqual((row["told"], row["lost"]), (1, 1))
        row = self.row(("<>", ["bob@example.org"], text % second.encode()))
        self.assertEqual(row["broken"], 1)


class TheBooksThemselves(unittest.TestCase):
    """The same for what is held against the state."""

    def setUp(self):
        from books import Books, Charges
        from ledger import make
        import random

        class Rig:
            pass
        self.rig = Rig()
        self.books, self.charges = Books(self.rig), {"alice@example.org": Charges()}
        self.charges["alice@example.org"].add("done", 2)
        self.used = (1, 2)
        self.books.use = lambda account: self.used
        self.virus = make(1, "alice@example.org", random.Random(1), virus=True)
        self.refused = make(2, "alice@example.org", random.Random(2), refused=True)

    def use(self, used, **more):
        self.used = used
        with unittest.mock.patch("time.sleep"), unittest.mock.patch("time.monotonic", side_effect=itertools.count(0, 10)):
            return self.books._compare_use({"alice@example.org": (0, 0)}, self.charges, **{"forgets": False, "exact": False, "unsure": False, **more})

    def test_what_was_taken_is_charged_and_nothing_else(self):
        self.assertEqual(self.use((1, 2)), [])
        for used in ((0, 0), (1, 1)):
            with self.subTest(used):
                self.setUp()
                self.assertEqual(len(self.use(used)), 1)
        for used in ((2, 2), (1, 3)):
            with self.subTest(used):
                self.setUp()
                self.assertEqual(len(self.use(used)), 1)

    def test_what_broke_off_may_be_charged_once_but_not_where_it_is_to_be_given_back(self):
        for exact, used, wrong in ((False, (2, 4), 0), (False, (2, 5), 1), (True, (2, 4), 1), (True, (1, 2), 0)):
            with self.subTest(used, exact=exact):
                self.setUp()
                self.charges["alice@example.org"].add("late", 2)
                self.assertEqual(len(self.use(used, exact=exact)), wrong)

    def test_what_got_a_5xx_may_be_charged_also_where_4xx_is_given_back(self):
        for used, wrong in (((2, 4), 0), ((1, 2), 0), ((3, 6), 1)):
            with self.subTest(used):
                self.setUp()
                self.charges["alice@example.org"].add("told", 2)
                self.assertEqual(len(self.use(used, exact=True)), wrong)

    def test_what_broke_off_before_the_content_is_given_back_in_the_end(self):
        self.charges["alice@example.org"].add("early", 2)
        self.assertEqual(self.use((2, 4)), [])
        with unittest.mock.patch("time.sleep"), unittest.mock.patch("time.monotonic", side_effect=itertools.count(1000)):
            self.assertEqual(len(self.books.settle()), 1)
            self.used = (1, 2)
            self.assertEqual(self.books.settle(), [])

    def strikes(self, *references):
        entries = [{"id": "KEPT", "subject": "number 1"}]
        return self.books._compare_strikes("alice@example.org", collections.Counter(references), [self.virus, self.refused], entries)

    def test_each_stopped_message_has_one_strike(self):
        self.assertEqual(self.strikes("KEPT", "TOLD"), [])
        for references in ((), ("KEPT",), ("TOLD",), ("KEPT", "KEPT", "TOLD"), ("KEPT", "TOLD", "MORE")):
            with self.subTest(references):
                self.assertNotEqual(self.strikes(*references), [])


if __name__ == "__main__":
    unittest.main()
