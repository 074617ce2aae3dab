# SPDX-License-Identifier: Apache-2.0
"""Each step of the main job, and each refusal, through a real Postfix with Dovecot's SASL."""

import re
import smtplib
import ssl
import subprocess
import threading
import unittest

from support import SandboxCase, mails, reference_of

PARALLEL = True


class CleanMail(SandboxCase):
    def test_clean_message_arrives_with_two_signatures_that_a_foreign_verifier_accepts(self):
        story = self.send("alice@example.org", "friend@example.net", "clean one")
        self.assertEqual(story[-1][1], 250, story)
        arrived = self.arrived("clean one")
        self.assertEqual(len(arrived), 1)
        lines, passed = self.box.verify_dkim(arrived[0].content)
        self.assertTrue(passed, lines)
        self.assertEqual(len(arrived[0].header("DKIM-Signature")), 2)
        self.assertIn("rsa-sha256", arrived[0].header("DKIM-Signature")[0])
        self.assertIn("ed25519-sha256", arrived[0].header("DKIM-Signature")[1])

    def test_a_tampered_copy_does_not_verify(self):
        self.send("alice@example.org", "friend@example.net", "clean two", body="pay 100\r\n")
        content = self.arrived("clean two")[0].content
        for old, new in ((b"pay 100", b"pay 900"), (b"clean two", b"clean 222")):
            lines, passed = self.box.verify_dkim(content.replace(old, new))
            self.assertFalse(passed, lines)

    def test_no_ticket_leaves_the_server(self):
        forged = "X-Postsluice-Ticket: v1 abcd efgh\r\n"
        self.send("alice@example.org", "friend@example.net", "clean three", extra=forged)
        self.assertNotIn("X-Postsluice-Ticket", self.arrived("clean three")[0].text())

    def test_missing_date_and_message_id_are_added_and_bcc_is_removed_before_signing(self):
        text = "From: alice@example.org\r\nTo: a@example.net\r\nBcc: hidden@example.net\r\nSubject: bare\r\n\r\nx\r\n"
        self.box.send("alice@example.org", "friend@example.net", text)
        delivery = self.arrived("bare")[0]
        self.assertEqual(len(delivery.header("Date")), 1)
        self.assertEqual(len(delivery.header("Message-ID")), 1)
        self.assertEqual(delivery.header("Bcc"), [])
        lines, passed = self.box.verify_dkim(delivery.content)
        self.assertTrue(passed, lines)
        for name in (b"Date", b"Message-ID"):  # what is added behind the filter is not signed: it could be changed, or taken away
            line = re.search(rb"(?mi)^%s: .*\r\n" % name, delivery.content).group()
            for instead in (line.replace(b"\r\n", b"x\r\n"), b""):
                with self.subTest(name, instead=instead):
                    self.assertFalse(self.box.verify_dkim(delivery.content.replace(line, instead))[1])

    def test_odd_but_legal_messages_arrive_unchanged_and_verify(self):
        odd = {
            "odd empty body": "\r\n",
            "odd long line": "x" * 5000 + "\r\n",
            "odd dots": ".\r\n..\r\n.leading\r\n",
            "odd blanks": "a  b\t c   \r\n\r\n\r\n\r\n",
            "odd utf8": "Grüße aus Köln — schön\r\n",
        }
        for subject, body in odd.items():
            with self.subTest(subject):
                text = (f"From: alice@example.org\r\nTo: a@example.net\r\nSubject: {subject}\r\n"
                        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}")
                story = self.box.send("alice@example.org", "friend@example.net", text, mail_options=["BODY=8BITMIME"])
                self.assertEqual(story[-1][1], 250, story)
                delivery = self.arrived(subject)[0]
                arrived = delivery.content.partition(b"\r\n\r\n")[2]
                if subject == "odd long line":  # Postfix breaks it before the filter (lmtp_line_length_limit)
                    arrived = arrived.replace(b"\r\n ", b"")
                self.assertEqual(arrived, body.encode())
                lines, passed = self.box.verify_dkim(delivery.content)
                self.assertTrue(passed, lines)

    def test_one_message_to_many_recipients_arrives_for_each_once(self):
        recipients = [f"r{n}@example.net" for n in range(25)]
        self.box.send("alice@example.org", recipients, mails.plain("alice@example.org", "list@example.net", "many"))
        self.wait_until(lambda: sum(len(d.recipients) for d in self.box.sink.deliveries if "many" in d.header("Subject")) >= 25, "25 recipients")
        got = [r for d in self.box.sink.deliveries if "many" in d.header("Subject") for r in d.recipients]
        self.assertEqual(sorted(got), sorted(recipients))

    def test_null_sender_dsn_and_8bit_parameters_pass(self):
        for number, sender in enumerate(("alice@example.org", "")):
            with self.subTest(sender), self.box.submit_session("alice@example.org") as session:
                self.assertEqual(session.mail(sender, ["BODY=8BITMIME", "RET=HDRS", "ENVID=abc"])[0], 250)
                self.assertEqual(session.rcpt("friend@example.net", ["NOTIFY=FAILURE", "ORCPT=rfc822;friend@example.net"])[0], 250)
                text = mails.plain("alice@example.org", "friend@example.net", f"dsn {number}", "Grüße\r\n", extra="Content-Transfer-Encoding: 8bit\r\n")
                self.assertEqual(session.data(text.encode())[0], 250)
                delivery = self.arrived(f"dsn {number}")[0]
                self.assertTrue(delivery.sender.startswith(f"<{sender}>"), delivery.sender)
                for parameter in ("BODY=8BITMIME", "RET=HDRS", "ENVID=abc"):
                    self.assertIn(parameter, delivery.sender)
                for parameter in ("NOTIFY=FAILURE", "ORCPT=rfc822;friend@example.net"):
                    self.assertIn(parameter, delivery.rcpt_lines[0])
                self.assertIn("Grüße", delivery.text())


class Submissions(SandboxCase):
    """Port 465, TLS from the first octet: all that submission does, too."""

    def test_mail_is_delivered_signed_and_counted_and_a_forged_sender_is_refused(self):
        login = "carol@example.org"
        with smtplib.SMTP_SSL(self.box.address, 465, "client.example.org", timeout=120, context=ssl._create_unverified_context()) as session:
            session.login(login, self.box.accounts[login])
            self.assertEqual(session.sendmail(login, ["a@example.net", "b@example.net"], mails.plain(login, "a@example.net", "by TLS")), {})
            self.assertEqual(session.mail("ceo@bank.example")[0], 250)
            code, text = session.rcpt("c@example.net")
        self.assertEqual(code, 550, text)
        self.assertIn("from-forbidden", self.box.postsluice("why", reference_of(text.decode())).stdout)
        self.wait_until(lambda: sorted(r for d in self.box.sink.deliveries for r in d.recipients) == ["a@example.net", "b@example.net"], "its arrival")
        for delivery in self.box.sink.deliveries:
            self.assert_signed(delivery)
            self.assertEqual([re.search(r"\bd=([^;]+);", field).group(1) for field in delivery.header("DKIM-Signature")], ["example.org"] * 2)
        use = self.usage(login)
        self.assertEqual((use["recipients per hour"], use["recipients per day"]), (2, 2))
        self.filter_lines(f"account={login}", "proof=ticket", least=1)
        self.assertRegex(self.box.log(), rf"postfix/submissions/smtpd\S* [0-9A-Za-z]+: client=.*, sasl_username={login}")


class ForgedSenders(SandboxCase):
    def test_forged_reverse_path_is_refused_at_rcpt_with_a_reason_that_why_explains(self):
        story = self.send("alice@example.org", "friend@example.net", "forged", sender="ceo@bank.example")
        self.assertEqual(story[-1][1], 550, story)
        self.assertIn("alice@example.org", story[-1][2])
        why = self.box.postsluice("why", reference_of(story[-1][2]))
        self.assertEqual(why.returncode, 0, why)
        self.assertIn("from-forbidden", why.stdout)
        self.assertIn("ceo@bank.example", why.stdout)

    def test_another_address_of_the_own_domain_may_be_used(self):
        story = self.send("alice@example.org", "friend@example.net", "own domain", sender="office@example.org")
        self.assertEqual(story[-1][1], 250, story)
        self.assertEqual(len(self.arrived("own domain")), 1)

    def test_forged_header_from_is_bounced_with_a_reference_and_never_arrives(self):
        self.box.send("bob@example.org", "friend@example.net", mails.plain("Bank <a@bank.example>", "friend@example.net", "header forged"))
        bounce = self.box.sink.wait(1, 90, lambda d: "bob@example.org" in d.recipients and d.sender.startswith("<>"))
        self.assertEqual(len(bounce), 1)
        reference = reference_of(bounce[0].text())
        self.assertIsNotNone(reference, bounce[0].text())
        self.assertIn("header-from-forbidden", self.box.postsluice("why", reference).stdout)
        self.assertEqual([d for d in self.box.sink.deliveries if "friend@example.net" in d.recipients and "header forged" in d.header("Subject")], [])

    def test_the_public_text_does_not_say_which_check_fired(self):
        self.box.send("carol@example.org", "friend@example.net", mails.plain("x@bank.example", "friend@example.net", "header forged 2"))
        bounce = self.box.sink.wait(1, 90, lambda d: "carol@example.org" in d.recipients and d.sender.startswith("<>"))[0]
        self.assertNotIn("FROM_FORBIDDEN", bounce.text())


class Limits(SandboxCase):
    OVERRIDES = """
[profile.burst]
inherits = "default"
limits   = ["12 recipients per hour", "unlimited messages per minute"]
[profile.slow]
inherits = "default"
limits   = ["3 messages per hour"]
[[assign]]
profile = "burst"
login   = ["bob@example.org", "carol@example.org", "dave@example.org", "eve@example.org"]
[[assign]]
profile = "slow"
login   = ["mallory@example.org"]
"""

    def test_a_burst_is_stopped_exactly_at_the_limit_and_told_when_it_frees(self):
        with self.box.submit_session("bob@example.org") as session:
            session.mail("bob@example.org")
            answers = [session.rcpt(f"r{n}@example.net") for n in range(15)]
            self.assertEqual([code for code, _ in answers], [250] * 12 + [450] * 3)
            text = answers[12][1].decode()
            self.assertRegex(text, r"12 of 12 recipients per hour used; next in \d+ s; see https://example.org/mail-policy ref [0-9A-Z]{8}")
            session.data(mails.plain("bob@example.org", "x@example.net", "burst"))
        self.assertEqual(self.usage("bob@example.org")["recipients per hour"], 12)
        self.assertIn("limit", self.box.postsluice("why", reference_of(text)).stdout)

    def test_sixteen_parallel_connections_stop_exactly_at_the_limit(self):
        codes, lock = [], threading.Lock()

        def sender(worker):
            with self.box.submit_session("carol@example.org") as session:
                session.mail("carol@example.org")
                mine = [session.rcpt(f"w{worker}n{n}@example.net")[0] for n in range(3)]
                if 250 in mine:
                    session.data(mails.plain("carol@example.org", "x@example.net", "parallel"))
            with lock:
                codes.extend(mine)

        threads = [threading.Thread(target=sender, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(codes.count(250), 12, codes)
        self.assertEqual(codes.count(450), 36, codes)
        self.assertEqual(self.usage("carol@example.org")["recipients per hour"], 12)

    def test_an_aborted_transaction_gives_its_recipients_back(self):
        with self.box.submit_session("dave@example.org") as session:
            session.mail("dave@example.org")
            for n in range(12):
                self.assertEqual(session.rcpt(f"r{n}@example.net")[0], 250)
            session.rset()
            session.mail("dave@example.org")
            self.assertEqual(session.rcpt("again@example.net")[0], 250)
            self.assertEqual(session.data(mails.plain("dave@example.org", "x@example.net", "after abort"))[0], 250)
        self.assertEqual(self.usage("dave@example.org")["recipients per hour"], 1)

    def test_messages_are_counted_as_messages(self):
        for n in range(3):
            self.assertEqual(self.send("mallory@example.org", ["a@example.net", "b@example.net"], f"m{n}")[-1][1], 250)
        story = self.send("mallory@example.org", "a@example.net", "m4")
        self.assertEqual(story[1][1], 450, story)
        self.assertIn("3 of 3 messages per hour used", story[1][2])

    def test_a_limit_does_not_stop_mail_to_the_abuse_address(self):
        with self.box.submit_session("eve@example.org") as session:
            session.mail("eve@example.org")
            codes = [session.rcpt(f"r{n}@example.net")[0] for n in range(13)]
            self.assertEqual(codes[-1], 450)
            self.assertEqual(session.rcpt("abuse@example.org")[0], 250)


class StolenAccount(SandboxCase):
    OVERRIDES = """
[profile.watched]
inherits = "default"
lock     = { after = ["1 virus"], for = "30 minutes", automatic_unlocks = 1 }
[[assign]]
profile = "watched"
login   = ["mallory@example.org", "eve@example.org"]
"""

    def test_program_eicar_and_gtube_are_quarantined_and_reach_nobody(self):
        cases = {
            "program": mails.with_attachment("bob@example.org", "v@example.net", "holiday.txt", mails.PROGRAM, "bad program"),
            "eicar": mails.with_attachment("carol@example.org", "v@example.net", "a.pdf", mails.EICAR.encode(), "bad eicar"),
            "gtube": mails.plain("dave@example.org", "v@example.net", "bad gtube", mails.GTUBE + "\r\n"),
        }
        for name, text in cases.items():
            login = text.split("From: ")[1].split("\r\n")[0]
            self.assertEqual(self.box.send(login, "v@example.net", text)[-1][1], 250)
        self.wait_until(lambda: len([e for e in self.quarantine() if e["subject"].startswith("bad ")]) == 3, "three entries")
        reasons = {e["subject"]: e["reason"] for e in self.quarantine()}
        self.assertEqual(reasons["bad program"], "virus")
        self.assertEqual(reasons["bad eicar"], "virus")
        self.assertEqual(reasons["bad gtube"], "spam")
        self.box.wait_queue_empty()
        self.assertEqual([d for d in self.box.sink.deliveries if "v@example.net" in d.recipients], [])

    def test_lock_why_notice_queue_unlock_and_release(self):
        login = "mallory@example.org"
        self.box.wait_queue_empty()
        self.box.stop_daemon("contentfilter")
        self.send(login, "friend@example.net", "waited in the queue")
        self.box.wait_deferred()
        subprocess.run(["postsuper", "-c", str(self.box.path("etc/postfix")), "-h", "ALL"], capture_output=True)
        self.box.start_daemon("contentfilter")
        self.box.send(login, "v@example.net", mails.with_attachment(login, "v@example.net", "b.pdf", mails.EICAR.encode(), "locks"))
        self.wait_until(lambda: self.quarantine(account=login, reason="virus"), "the quarantine")
        # The strike comes after the entry: what is let go before the lock would pass.
        self.wait_until(lambda: self.box.postsluice("account", "show", login, json_output=True)["locked"], "the lock")
        subprocess.run(["postsuper", "-c", str(self.box.path("etc/postfix")), "-H", "ALL"], capture_output=True)
        self.box.flush()
        self.wait_until(lambda: self.quarantine(account=login, reason="account-locked"), "the queued message in quarantine")
        story = self.send(login, "friend@example.net", "refused")
        self.assertEqual(story[1][1], 450, story)
        why = self.box.postsluice("why", reference_of(story[1][2]))
        self.assertIn("account-locked", why.stdout)
        self.assertEqual(self.send(login, "abuse@example.org", "help me")[1][1], 250)
        notice = self.box.sink.wait(1, 90, lambda d: "abuse@example.org" in d.recipients and login in d.text() and d.header("Subject") != ["help me"])
        self.assertEqual(len(notice), 1)
        self.assertEqual(self.box.postsluice("unlock", login, "--why", "talked to her").returncode, 0)
        self.assertEqual(self.send(login, "friend@example.net", "free again")[-1][1], 250)
        self.assertEqual(len(self.arrived("free again")), 1)
        entry = self.quarantine(account=login, reason="account-locked")[0]
        self.assertEqual(self.box.postsluice("release", entry["id"]).returncode, 0)
        released = self.arrived("waited in the queue")
        self.assertEqual(len(released), 1)
        self.assertTrue(self.box.verify_dkim(released[0].content)[1])
        history = self.box.postsluice("account", "show", login, json_output=True)["events"]
        self.assertEqual([e["kind"] for e in history][-1], "locked", history)
        self.assertIn("unlocked-by-person", [e["kind"] for e in history])

    def test_a_manual_lock_holds_until_a_person_unlocks(self):
        self.assertEqual(self.box.postsluice("lock", "eve@example.org", "--why", "phone call").returncode, 0)
        self.assertEqual(self.send("eve@example.org", "friend@example.net", "x")[1][1], 450)
        self.box.stop_daemon("policyd")
        self.box.start_daemon("policyd")
        self.assertEqual(self.send("eve@example.org", "friend@example.net", "x")[1][1], 450)
        self.assertEqual(self.box.postsluice("unlock", "eve@example.org").returncode, 0)
        self.assertEqual(self.send("eve@example.org", "friend@example.net", "x")[-1][1], 250)


class LocalUsers(SandboxCase):
    def test_sendmail_is_filtered_under_the_users_uid(self):
        text = mails.with_attachment("web@example.org", "v@example.net", "a.txt", mails.EICAR.encode(), "local bad").replace("\r\n", "\n")
        run = self.box.sendmail(65534, ["v@example.net"], text)
        self.assertEqual(run.returncode, 0, run)
        self.wait_until(lambda: self.quarantine(account="uid:65534"), "the quarantine")

    def test_clean_local_mail_arrives_signed(self):
        self.box.sendmail(65534, ["friend@example.net"], mails.plain("web@example.org", "friend@example.net", "local clean").replace("\r\n", "\n"))
        delivery = self.arrived("local clean")
        self.assertEqual(len(delivery), 1)
        self.assertTrue(self.box.verify_dkim(delivery[0].content)[1])

    def test_a_forged_received_header_does_not_make_a_uid(self):
        forged = "Received: by mail.example.org (Postfix, from userid 4711)\r\n\tid AAAA; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n"
        text = forged + mails.with_attachment("alice@example.org", "v@example.net", "a.txt", mails.EICAR.encode(), "forged uid")
        self.box.send("alice@example.org", "v@example.net", text)
        self.wait_until(lambda: [e for e in self.quarantine() if e["subject"] == "forged uid"], "the quarantine")
        entry = [e for e in self.quarantine() if e["subject"] == "forged uid"][0]
        self.assertEqual(entry["account"], "alice@example.org")

    def test_local_users_reach_neither_reentry_nor_filter_nor_policyd(self):
        program = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
        for name in ("queue/public/postsluice-reentry", "queue/public/postsluice-hold", "queue/postsluice/filter", "queue/postsluice/policyd", "run/policyd.sock", "run/contentfilter.sock"):
            with self.subTest(name):
                self.assertTrue(self.box.path(name).exists())
                run = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", "/usr/bin/python3", "-c", program,
                                      str(self.box.path(name))], capture_output=True, text=True)
                self.assertIn("PermissionError", run.stderr)


class Observe(SandboxCase):
    OVERRIDES = """
mode = "observe"
[profile.burst]
inherits = "default"
limits   = ["2 recipients per hour"]
[[assign]]
profile = "burst"
login   = ["bob@example.org"]
"""

    def test_nothing_is_refused_but_everything_is_decided_and_logged(self):
        story = self.send("bob@example.org", [f"r{n}@example.net" for n in range(4)], "observed")
        self.assertEqual([code for _, code, _ in story], [250] * 6, story)
        self.assertEqual(self.send("alice@example.org", "x@example.net", "observed forged", sender="a@bank.example")[-1][1], 250)
        text = mails.with_attachment("alice@example.org", "x@example.net", "a.txt", mails.EICAR.encode(), "observed eicar")
        self.assertEqual(self.box.send("alice@example.org", "x@example.net", text)[-1][1], 250)
        self.assertEqual(len(self.arrived("observed eicar")), 1)
        log = self.box.daemon_log("policyd")
        self.assertIn("reason=limit", log)
        self.assertIn("reason=from-forbidden", log)
        self.wait_until(lambda: "reason=virus" in self.box.daemon_log("contentfilter"), "its line in the log")
        self.assertEqual(self.quarantine(), [])


class Status(SandboxCase):
    def test_status_shows_use_locks_and_verdicts_and_says_when_a_daemon_is_down(self):
        self.send("alice@example.org", "friend@example.net", "for status")
        self.arrived("for status")
        self.box.postsluice("lock", "carol@example.org", "--why", "test")
        run = self.box.postsluice("status")
        self.assertEqual(run.returncode, 0, run)
        for word in ("alice@example.org", "recipients per hour", "carol@example.org", "pass"):
            self.assertIn(word, run.stdout)
        self.box.stop_daemon("contentfilter")
        run = self.box.postsluice("status")
        self.assertEqual(run.returncode, 4, run)
        self.assertIn("postsluice-contentfilter does not answer", run.stdout + run.stderr)
        self.box.start_daemon("contentfilter")


if __name__ == "__main__":
    unittest.main()
