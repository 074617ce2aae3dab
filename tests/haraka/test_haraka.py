# SPDX-License-Identifier: Apache-2.0
"""A real Haraka (npm's, pinned in fixtures/) as the client of policyd and of the filter, from mta-examples/haraka as it is; and its guide.

`make check-haraka` runs it. It is not part of `make check`: that works with Debian's packages alone, and Haraka is none.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / folder) for folder in ("support", "integration")]

from haraka_box import EXAMPLE, HARAKA_USER, HarakaSandbox  # noqa: E402
from support import BUILD, ROOT, SandboxCase, mails, reference_of  # noqa: E402

GUIDE = ROOT / "docs/guides/haraka.md"
OVERRIDES = """
[profile.default]
symbols = { GTUBE = { action = "reject" } }
[profile.three]
inherits = "default"
limits   = ["3 recipients per hour", "unlimited messages per minute"]
[profile.held]
inherits = "default"
limits   = ["1 messages per hour then hold", "unlimited messages per minute"]
[[assign]]
profile = "three"
login   = ["carol@example.org", "dave@example.org"]
[[assign]]
profile = "held"
login   = ["news@example.org"]
"""
KNOCK = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).recv(200).decode())"


class HarakaCase(SandboxCase):
    @classmethod
    def setUpClass(cls):
        cls.box = HarakaSandbox(BUILD, overrides=OVERRIDES)
        try:
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    def refusals(self, story):
        return [line for line in story if line[1] >= 400]

    def assert_signed(self, delivery):
        lines, passed = self.box.verify_dkim(delivery.content)
        self.assertTrue(passed, lines)
        self.assertEqual(len(delivery.header("DKIM-Signature")), 2)
        self.assertEqual(delivery.header("X-Postsluice-Ticket"), [])

    def test_clean_mail_arrives_signed_and_its_sender_is_known_by_the_ticket(self):
        body = "Grüße,\r\n..\r\n" + "x" * 990 + "\r\n\r\nend\r\n"
        self.assertEqual(self.refusals(self.send("alice@example.org", ["friend@example.net", "other@example.net"], "clean", body=body)), [])
        arrived = self.arrived("clean")
        self.assertEqual([sorted(d.recipients) for d in arrived], [["friend@example.net", "other@example.net"]], self.box.log())
        self.assert_signed(arrived[0])
        log = [line for line in self.box.daemon_log("contentfilter").splitlines() if "account=alice@example.org" in line and "proof=ticket" in line]
        self.assertTrue(log, self.box.daemon_log("contentfilter"))
        self.assertEqual(self.usage("alice@example.org")["messages per minute"], 1)
        self.assertEqual(self.usage("alice@example.org")["recipients per hour"], 2)

    def test_the_limit_is_exact_and_what_is_aborted_is_given_back(self):
        with self.box.submit_session("dave@example.org") as session:
            for _ in range(3):
                session.mail("dave@example.org")
                for n in range(3):
                    self.assertEqual(session.rcpt(f"{n}@example.net")[0], 250)
                self.assertEqual(session.rcpt("3@example.net")[0], 450)
                self.assertEqual(session.rset()[0], 250)
            session.mail("dave@example.org")
            self.assertEqual([session.rcpt(f"{n}@example.net")[0] for n in (1, 2, 3)], [250] * 3)
            self.assertEqual(session.data(mails.plain("dave@example.org", "1@example.net", "limit one"))[0], 250)
            session.mail("dave@example.org")
            code, text = session.rcpt("4@example.net")
        self.assertEqual(code, 450)
        self.assertRegex(text.decode(), r"^4\.7\.1 3 of 3 recipients per hour used; next in \d+ s; see https://example\.org/mail-policy ref ")
        self.assertEqual(self.box.postsluice("why", reference_of(text.decode())).returncode, 0)
        self.assert_signed(self.arrived("limit one")[0])

    def test_parallel_sessions_never_pass_more_than_the_limit(self):
        def one(n):
            return self.refusals(self.send("carol@example.org", f"p{n}@example.net", "parallel"))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(one, range(8)))
        self.assertEqual(len([a for a in answers if not a]), 3, answers)
        self.assertEqual(len(self.arrived("parallel", 3)), 3)

    def test_a_forged_reverse_path_is_refused(self):
        story = self.send("alice@example.org", "friend@example.net", "forged", sender="boss@bank.example")
        self.assertEqual(story[-1][1], 550, story)
        self.assertIsNotNone(reference_of(story[-1][2]), story)

    def test_spam_is_refused_in_the_session_and_malware_quarantined(self):
        spam = mails.plain("eve@example.org", "v@example.net", "gtube", body=mails.GTUBE + "\r\n")
        story = self.box.send("eve@example.org", "v@example.net", spam)
        self.assertEqual(story[-1][:2], ("DATA", 550), story)
        self.assertIsNotNone(reference_of(story[-1][2]), story)
        text = mails.with_attachment("mallory@example.org", "v@example.net", "a.txt", mails.EICAR.encode(), "eicar")
        self.assertEqual(self.refusals(self.box.send("mallory@example.org", "v@example.net", text)), [])
        self.wait_until(lambda: self.quarantine(account="mallory@example.org", reason="virus"), "the quarantine")
        self.assertEqual([d for d in self.box.sink.deliveries if "v@example.net" in d.recipients], [])

    def test_what_policyd_holds_is_deferred(self):
        self.assertEqual(self.refusals(self.send("news@example.org", "friend@example.net", "held not")), [])
        self.assertEqual(self.send("news@example.org", "friend@example.net", "held")[-1][1], 450)

    def test_without_policyd_mail_is_deferred(self):
        with self.box.submit_session("bob@example.org") as session:
            session.mail("bob@example.org")
            self.assertEqual(session.rcpt("friend@example.net")[0], 250)
            self.box.stop_daemon("policyd")
            try:
                answer = (451, b"4.3.5 Policy service unavailable, try again later")
                self.assertEqual(session.rcpt("other@example.net"), answer)
                self.assertEqual(session.docmd("DATA"), answer)
            finally:
                self.box.start_daemon("policyd")
            session.mail("bob@example.org")
            self.assertEqual(session.rcpt("friend@example.net")[0], 250)
            self.box.stop_daemon("policyd")
            self.box.start_daemon("policyd")
            self.assertEqual(session.data(mails.plain("bob@example.org", "f@example.net", "again"))[0], 250)
        self.assert_signed(self.arrived("again")[0])

    def test_without_the_filter_mail_is_deferred(self):
        self.box.stop_daemon("contentfilter")
        try:
            self.assertEqual(self.send("bob@example.org", "friend@example.net", "no filter")[-1][1] // 100, 4)
        finally:
            self.box.start_daemon("contentfilter")
        self.assertEqual(self.box.queue(), [])
        self.wait_until(lambda: not self.refusals(self.send("bob@example.org", "friend@example.net", "no filter")), "the filter")
        self.assert_signed(self.arrived("no filter")[0])

    def test_nobody_gets_in_by_the_back_door(self):
        for port, uid, answer in ((10025, 65534, "554 5.7.1 "), (10026, 65534, "421 4.7.0 "), (10026, self.box.uid, "220 ")):
            run = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", "/usr/bin/python3", "-c", KNOCK, self.box.address, str(port)],
                                 capture_output=True, text=True, timeout=30)
            self.assertTrue(run.stdout.startswith(answer), (port, uid, run))

    def test_addresses_are_what_they_are_and_nothing_more(self):
        with self.box.submit_session("bob@example.org") as session:
            for sender, code in ((b'"sender=bob@example.org"@bank.example', 550), (b'"a\\\rsender=bob@example.org"@bank.example', None)):
                session.send(b"MAIL FROM:<" + sender + b">\r\n")
                if session.getreply()[0] == 250:
                    self.assertEqual(session.rcpt("friend@example.net")[0], code or 550, sender)
                    session.rset()
            session.mail("bob@example.org")
            self.assertEqual(session.rcpt('"a=b"@example.net')[0], 250)
            self.assertEqual(session.data(mails.plain("bob@example.org", "f@example.net", "odd"))[0], 250)
        self.assertEqual([d.recipients for d in self.arrived("odd")], [['"a=b"@example.net']])
        self.assertNotIn("refused: closing without a reply", self.box.daemon_log("policyd"))


class Guide(unittest.TestCase):
    def test_what_it_shows_and_tells_to_run(self):
        found = re.findall(r"^```(\S+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
        shown = {kind: "".join(text for other, text in found if other == kind) for kind, _ in found}
        for kind, name in (("toml", "postsluice.toml"), ("plugins", "config/plugins"), ("smtp.ini", "config/smtp.ini")):
            known = (EXAMPLE / name).read_text().splitlines()
            self.assertEqual([line for line in shown[kind].splitlines() if line not in known], [])
        box = HarakaSandbox(BUILD)
        try:
            for line in shown["sh"].splitlines():
                here = line.replace("/etc/haraka", str(box.path("guided"))).replace("/run/", f"{box.path('guided')}/").replace(
                    "-g haraka", f"-g {HARAKA_USER}").replace("-o postsluice", f"-o {box.uid}").replace(
                    "/etc/postsluice", str(box.path("guided"))).replace("postsluice config", f"{box.build}/postsluice --config {box.config_file} config")
                run = subprocess.run(["sh", "-ec", here], cwd=ROOT, capture_output=True, text=True, timeout=60)
                self.assertEqual(run.returncode, 0, f"{here}: {run.stderr}")
            for name in ("plugins/postsluice.js", "config/plugins", "config/postsluice.ini"):
                self.assertEqual(box.path("guided", name).read_text(), (EXAMPLE / name).read_text())
        finally:
            box.stop()


if __name__ == "__main__":
    unittest.main()
