# SPDX-License-Identifier: Apache-2.0
"""Rules that ask the DNS, with a real Postfix and a real nsd on loopback."""

import os
import pathlib
import select
import signal
import socket
import time
import unittest

from support import BUILD, Nsd, Sandbox, SandboxCase

from policy_client import Client, request

PARALLEL = True

ZONE = """
good.example. IN MX 10 mx.good.example.
mx.good.example. IN A 192.0.2.1
example.org. IN MX 10 mx.good.example.
addr.example. IN A 192.0.2.2
six.example. IN AAAA 2001:db8::2
alias.example. IN CNAME good.example.
null.example. IN MX 0 .
text.example. IN TXT "nothing else"
example.org. IN TXT "v=spf1 ip4:192.0.2.25 -all"
half.example. IN TXT "v=spf1 ip4:192.0.2.25 -all"
half.example. IN MX 10 mx.good.example.
"""


def profile(options, top=""):
    """Alice's profile, with these options."""
    return f'{top}\n[profile.asked]\ninherits = "default"\n{options}\n[[assign]]\nprofile = "asked"\nlogin = ["alice@example.org"]\n'


class DnsCase(SandboxCase):
    TTL = 1
    DNS_TIMEOUT = "3 seconds"  # of the ten that Postfix waits for policyd

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox(BUILD, overrides=cls.OVERRIDES)
        try:
            cls.box.patient_with_dns(cls.DNS_TIMEOUT)
            cls.nsd = Nsd(cls.box.path("nsd"), cls.box.address, ZONE, cls.TTL)
            cls.nsd.start()
            cls.box.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        if hasattr(cls, "nsd"):
            cls.nsd.stop()
        super().tearDownClass()

    def rcpt(self, recipient, sender="alice@example.org"):
        with self.box.submit_session("alice@example.org") as session:
            self.assertEqual(session.mail(sender)[0], 250)
            code, text = session.rcpt(recipient)
            return code, text.decode()


class Recipients(DnsCase):
    OVERRIDES = profile('valid_recipients = "reject"')

    def test_a_recipient_that_cannot_exist_is_refused(self):
        for recipient, code, status in (("a@good.example", 250, ""), ("a@addr.example", 250, ""), ("a@six.example", 250, ""),
                                        ("a@alias.example", 250, ""), ("a@[192.0.2.9]", 250, ""),
                                        ("a@nowhere.example", 550, "5.1.2"), ("a@text.example", 550, "5.1.2"),
                                        ("a@null.example", 556, "5.1.")):  # 5.1.10, of which Postfix makes 5.1.0
            with self.subTest(recipient):
                got, text = self.rcpt(recipient)
                self.assertEqual(got, code, text)
                self.assertIn(status, text)
        self.assertIn("reason=recipient-invalid", self.box.daemon_log("policyd"))



class Down(DnsCase):
    OVERRIDES = profile('valid_recipients = "reject"')

    def test_a_dns_that_is_down_refuses_no_recipient_and_soon_costs_no_wait(self):
        self.nsd.stop()
        try:
            with self.box.submit_session("alice@example.org") as session:
                session.mail("alice@example.org")
                for n in range(4):
                    self.assertEqual(session.rcpt(f"a@down{n}.example")[0], 250)
                begun = time.monotonic()
                self.assertEqual(session.rcpt("a@down9.example")[0], 250)
                self.assertLess(time.monotonic() - begun, 2.5)
        finally:
            self.nsd.start()


class InvalidOnes(DnsCase):
    """What recipients that cannot exist cost the account."""

    def assert_limited_by_the_third(self, code):
        """`code` is what each of three gets; a good recipient passes after the second, and no more after the third."""
        for n in range(3):
            self.assertEqual(self.rcpt(f"a@nowhere{n}.example")[0], code)
            got, text = self.rcpt("a@good.example")
            self.assertEqual(got, 250 if n < 2 else 450, text)
        self.assertIn("3 of 3 invalid recipients per hour used", text)
        self.assertEqual(self.usage("alice@example.org")["invalid recipients per hour"], 3)
        self.assertIn("reason=recipient-invalid", self.box.daemon_log("policyd"))


class Refused(InvalidOnes):
    OVERRIDES = profile('valid_recipients = "reject"\nlimits = ["3 invalid recipients per hour"]')

    def test_recipients_that_the_dns_does_not_know_are_refused_and_use_up_their_limit(self):
        self.assert_limited_by_the_third(550)


class Counted(InvalidOnes):
    OVERRIDES = profile('valid_recipients = "count"\nlimits = ["3 invalid recipients per hour"]')

    def test_count_refuses_none_of_them_and_they_use_up_their_limit(self):
        self.assert_limited_by_the_third(250)
        told = self.box.daemon_log("policyd").count("reason=recipient-invalid")
        for _ in range(2):  # a client that comes again is not one more each time
            code, text = self.rcpt("a@nowhere9.example")
            self.assertEqual(code, 450, text)
            self.assertIn("3 of 3 invalid recipients per hour used", text)
        self.assertEqual(self.box.daemon_log("policyd").count("reason=recipient-invalid"), told)


class Struck(InvalidOnes):
    OVERRIDES = profile('valid_recipients = "reject"\nlock = { after = ["3 invalid recipients in 1 hour"], for = "30 minutes" }')

    def history(self):
        return self.box.postsluice("account", "history", "alice@example.org", json_output=True)

    def test_they_are_strikes_and_the_last_one_locks(self):
        for n in range(2):
            self.assertEqual(self.rcpt(f"a@nowhere{n}.example")[0], 550)
        self.wait_until(lambda: sum(s["weight"] for s in self.history()["strikes"]) == 2, "two strikes")
        self.assertEqual(self.rcpt("a@good.example")[0], 250)
        self.assertEqual(self.rcpt("a@nowhere3.example")[0], 550)
        self.wait_until(lambda: self.history()["locked"], "the lock")
        self.assertEqual({s["kind"] for s in self.history()["strikes"]}, {"invalid recipients"})
        code, text = self.rcpt("a@good.example")
        self.assertEqual(code, 450, text)
        self.assertIn("(3 invalid recipients in 1 hour)", text)


class Senders(DnsCase):
    OVERRIDES = profile('valid_sender = true\nfrom = "any"\nvalid_recipients = "ignore"')

    # We say 5.1.8; in a restriction on the recipient Postfix makes 5.1.2 of it (smtpd_check_reject()).
    def test_a_sender_that_nobody_can_answer_is_refused(self):
        for sender, code, status in (("a@good.example", 250, ""), ("", 250, ""), ("a@nowhere.example", 550, "5.1.2"),
                                     ("a@text.example", 550, "5.1.2"), ("a@null.example", 550, "5.7.27")):
            with self.subTest(sender):
                got, text = self.rcpt("b@good.example", sender)
                self.assertEqual(got, code, text)
                self.assertIn(status, text)

    def test_trouble_with_the_dns_is_on_error(self):
        self.nsd.stop()
        try:
            code, text = self.rcpt("b@good.example", "a@down.example")
            self.assertEqual(code, 451, text)
        finally:
            self.nsd.start()


class SpfRequired(DnsCase):
    OVERRIDES = profile('spf = "require"\nfrom = "any"\nvalid_recipients = "ignore"', 'outbound_addresses = ["192.0.2.25"]')

    def test_only_senders_whose_record_permits_us(self):
        self.assertEqual(self.rcpt("b@good.example")[0], 250)
        code, text = self.rcpt("b@good.example", "a@text.example")
        self.assertEqual(code, 550, text)
        for words in ("5.7.23", "text.example", "192.0.2.25", "none"):
            self.assertIn(words, text)

    def test_spf_check_says_what_each_address_gets(self):
        run = self.box.postsluice("spf", "check", "example.org")
        self.assertEqual(run.returncode, 0, run)
        self.assertRegex(run.stdout, r"192\.0\.2\.25 +pass")
        run = self.box.postsluice("spf", "check", "example.org", "--ip", "2001:db8::25")
        self.assertEqual(run.returncode, 1, run)
        self.assertRegex(run.stdout, r"2001:db8::25 +fail")
        self.assertNotEqual(self.box.postsluice("spf", "check", "example.org", "--ip", "x").returncode, 0)

    def test_a_helper_that_was_killed_is_started_again(self):
        policyd = self.box.processes["policyd"].pid
        children = pathlib.Path(f"/proc/{policyd}/task/{policyd}/children").read_text().split()
        self.assertTrue(children)
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        self.wait_until(lambda: self.box.postsluice("spf", "check", "example.org").returncode == 0, "another helper")
        after = lambda: pathlib.Path(f"/proc/{policyd}/task/{policyd}/children").read_text().split()
        self.wait_until(lambda: not set(children) & set(after()), "the end of the old ones")


class SpfWaits(DnsCase):
    """A domain that is new, and a DNS that is silent for a while: one client waits, nobody else does."""

    OVERRIDES = profile('spf = "require"\nfrom = "any"', 'outbound_addresses = ["192.0.2.25"]') + '[spf]\nwait = "1 minute"\ntimeout = "2 minutes"\n'
    DNS_TIMEOUT = "1 minute"

    def test_others_are_answered_while_one_waits_and_it_gets_its_answer_when_that_is_there(self):
        self.nsd.stop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, Client(self.box, 120) as waiting:
            silent.bind((self.box.address, 5353))
            silent.settimeout(60)
            waiting.socket.sendall(request("alice@example.org", 1))
            self.assertIn(b"\7example\3org", silent.recv(512))
            for number in range(10, 30):
                with Client(self.box) as other:
                    for state in ("RCPT", "DATA", "END-OF-MESSAGE"):
                        self.assertRegex(other.ask("bob@example.org", number, state=state), rb"^action=(DUNNO|PREPEND .*)\n\n$")
            self.assertTrue(self.box.postsluice("status", json_output=True)["policyd"])
            self.assertEqual(select.select([waiting.socket], [], [], 0)[0], [], "it was not to be answered yet")
            self.assertEqual(set(self.usage("alice@example.org").values()), {0}, "nothing is charged before the answer")
            silent.close()
            self.nsd.start()
            self.assertEqual(waiting.answer(), b"action=DUNNO\n\n")
            self.assertEqual(waiting.ask("alice@example.org", 2), b"action=DUNNO\n\n")
        self.nsd.stop()  # by now it is known
        try:
            with Client(self.box) as again:
                self.assertEqual(again.ask("alice@example.org", 3), b"action=DUNNO\n\n")
        finally:
            self.nsd.start()


class SpfWarned(DnsCase):
    OVERRIDES = profile('spf = "warn"\nvalid_recipients = "ignore"', 'outbound_addresses = ["192.0.2.26"]')

    def test_warn_never_refuses_and_speaks_once_it_knows(self):
        def warned():
            self.assertEqual(self.rcpt("b@good.example")[0], 250)
            return "reason=spf-fail" in self.box.daemon_log("policyd")
        self.wait_until(warned, "a warning")


if __name__ == "__main__":
    unittest.main()
