# SPDX-License-Identifier: Apache-2.0
"""Delivery feedback: a real Postfix's notices of bounces, by its own example; what other servers say of recipients counts against
the account whose mail it was, and nothing that anybody writes does."""

import re
import unittest

from support import ROOT, SandboxCase, mails

PARALLEL = True

NOTICES = "bounces@postsluice.invalid"


class Feedback(SandboxCase):
    KEEP_PROFILE = False
    MAIN_CF = (ROOT / "postfix-examples/delivery-feedback/main.cf").read_text()
    OVERRIDES = """
[profile.default]
limits = ["3 invalid recipients per day"]
[profile.default.lock]
after = ["1000 invalid recipients in 1 hour"]
[profile.guarded]
inherits = "default"
limits = ["unlimited invalid recipients per day"]
[profile.guarded.lock]
after = ["3 invalid recipients in 1 hour"]
for = "1 hour"
[[assign]]
profile = "guarded"
login = ["mallory@example.org"]
"""

    @classmethod
    def prepare(cls):
        config = cls.box.path("etc/postsluice/conf.d/feedback.toml")
        config.write_text(f'[contentfilter]\nlisten_bounces = ["unix:{cls.box.path("queue/postsluice/bounces")}"]\n')

    def setUp(self):
        self.box.sink.replies.clear()
        self.box.sink.clear()

    def used(self, account):
        return self.usage(account).get("invalid recipients per day", 0)

    def status(self):
        return self.box.postsluice("status", json_output=True)

    def refuse(self, address, said="550 5.1.1 No such user"):
        self.box.sink.replies[f"rcpt:{address}"] = said
        return address

    def notices(self):
        return self.box.daemon_log("contentfilter").count(" bounced account=")

    def test_the_limit_on_invalid_recipients_counts_what_bounced(self):
        for number in range(2):
            self.assertEqual(self.send("alice@example.org", self.refuse(f"gone{number}@example.net"), f"to nobody {number}")[-1][1], 250)
            self.wait_until(lambda: self.used("alice@example.org") == number + 1, "the bounce to be counted")
        # NOTIFY=NEVER spares the sender the bounce, and nothing else; of two recipients one exists.
        with self.box.submit_session("alice@example.org") as session:
            session.mail("alice@example.org")
            self.assertEqual(session.rcpt(self.refuse("gone2@example.net"), ["NOTIFY=NEVER"])[0], 250)
            self.assertEqual(session.rcpt("friend@example.net")[0], 250)
            self.assertEqual(session.data(mails.plain("alice@example.org", "friend@example.net", "to one of two").encode())[0], 250)
        self.arrived("to one of two")
        self.wait_until(lambda: self.used("alice@example.org") == 3, "the bounce to be counted")
        code, answer = self.send("alice@example.org", "friend@example.net", "no more")[-1][1:3]
        self.assertEqual(code, 450, answer)
        self.assertIn("invalid recipients", answer)

    def test_three_bounces_lock(self):
        for number in range(3):
            self.send("mallory@example.org", self.refuse(f"nobody{number}@example.net", "550 5.1.10 Null MX"), f"guess {number}")
        self.wait_until(lambda: self.box.postsluice("account", "show", "mallory@example.org", json_output=True)["locked"], "the lock")

    def test_other_failures_do_not_count(self):
        before = self.status()["contentfilter"]["messages"]["bounce_notices"]
        for number, said in enumerate(("550 5.7.1 Looks like spam", "552 5.2.2 Mailbox full", "550 no status at all")):
            self.send("bob@example.org", self.refuse(f"other{number}@example.net", said), f"other {number}")
        self.wait_until(lambda: self.status()["contentfilter"]["messages"]["bounce_notices"] >= before + 3, "the notices")
        self.box.wait_queue_empty()
        self.assertEqual(self.used("bob@example.org"), 0)

    def test_a_forged_notice_counts_nothing(self):
        self.send("carol@example.org", "victim@example.net", "to be blamed")
        victim = self.arrived("to be blamed")[0]
        queue_id = re.search(r"\(Postfix\)[^;]*?\sid (\w+)", victim.text())[1]  # of the topmost Received: that of the way back
        report = (f"Reporting-MTA: dns; mail.example.org\r\nX-Postfix-Queue-ID: {queue_id}\r\n\r\nFinal-Recipient: rfc822; victim@example.net\r\n"
                  "Action: failed\r\nStatus: 5.1.1\r\n")
        text = ("From: {0}\r\nTo: " + NOTICES + "\r\nSubject: forged notice\r\nMIME-Version: 1.0\r\n"
                "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
                "--b\r\nContent-Type: message/delivery-status\r\n\r\n" + report + "\r\n--b--\r\n")
        self.assertEqual(self.box.send("dave@example.org", NOTICES, text.format("dave@example.org"))[-1][1], 250)
        self.box.sendmail(65534, [NOTICES], text.format("web@example.org"))
        self.wait_until(lambda: self.box.daemon_log("contentfilter").count("that the mail server did not write: refused") >= 2, "two refusals")
        self.assertEqual(self.used("carol@example.org"), 0)
        self.assertIn(f"next_queue_id={queue_id} ", self.filter_lines("account=carol@example.org", least=1)[0])

    def test_a_notice_waits_for_policyd_and_is_counted_once(self):
        with self.box.submit_session("eve@example.org") as session:
            session.mail("eve@example.org")
            session.rcpt(self.refuse("gone@example.net"))
            socket = self.box.path("run/policyd.sock")
            aside = socket.with_name("aside")
            socket.rename(aside)
            try:
                self.assertEqual(session.data(mails.plain("eve@example.org", "gone@example.net", "while policyd is away").encode())[0], 250)
                self.wait_until(lambda: "bounce not counted yet account=eve@example.org" in self.box.daemon_log("contentfilter"), "the try")
            finally:
                aside.rename(socket)
        self.wait_until(lambda: any(NOTICES in str(entry) for entry in self.box.queue()), "the notice in the queue")
        self.box.flush()
        self.wait_until(lambda: self.used("eve@example.org") == 1, "the bounce to be counted")
        self.box.wait_queue_empty()
        self.assertEqual(self.used("eve@example.org"), 1)


if __name__ == "__main__":
    unittest.main()
