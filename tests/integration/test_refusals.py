# SPDX-License-Identifier: Apache-2.0
"""Refusals that a sender meets seldom, through a real Postfix: messages that are too large, bounces over the cap, mail loops, mail that
policyd never saw, and locked accounts that are told for good."""

import os
import unittest

from shifted import ShiftedSandbox
from support import BUILD, SandboxCase, mails, reference_of, sanitized

PARALLEL = True

KIB = "x" * 62 + "\r\n"  # sixteen of these lines


class RefusalCase(SandboxCase):
    def post(self, login, subject, **more):
        story = self.send(login, "friend@example.net", subject, **more)
        self.assertEqual(story[-1][:2], ("DATA", 250), story)

    def bounces(self, login, count=1, timeout=90):
        return self.box.sink.wait(count, timeout, lambda d: login in d.recipients and d.sender.startswith("<>"))

    def why(self, reference):
        run = self.box.postsluice("why", reference)
        self.assertEqual(run.returncode, 0, run)
        return run.stdout

    def kept(self, **match):
        """The entries. Each is listed a moment before its event is written, by which `why` knows it."""
        self.wait_until(lambda: self.quarantine(**match), f"{match} in quarantine")
        entries = self.quarantine(**match)
        for entry in entries:
            self.wait_until(lambda: self.box.postsluice("why", entry["id"]).returncode == 0, f"the event of {entry['id']}")
        return entries


class Content(RefusalCase):
    OVERRIDES = """
[contentfilter]
bounces_per_hour = 2
max_loops = 2
[profile.small]
inherits = "default"
max_message_size = "20 KiB"
[profile.small_by_limit]
inherits = "default"
limits = ["20 KB per message"]
[[assign]]
profile = "small"
login = ["alice@example.org"]
[[assign]]
profile = "small_by_limit"
login = ["dave@example.org"]
"""

    def assert_too_large(self, login):
        self.post(login, f"{login} large", body=KIB * 16 * 22)
        bounce = self.bounces(login)
        self.assertEqual(len(bounce), 1)
        self.assertRegex(bounce[0].text(), r"550 5\.7\.1 This message was refused because of its\s+content")
        explained = self.why(reference_of(bounce[0].text()))
        self.assertIn("message-too-large", explained)
        self.assertRegex(explained, r"MESSAGE_TOO_LARGE.* \d{5} octets of 20 Ki?B allowed")
        self.assertEqual(self.arrived(f"{login} large", timeout=0), [])
        self.post(login, f"{login} small", body=KIB * 16 * 16)
        self.assertEqual(len(self.arrived(f"{login} small")), 1)

    def test_a_message_over_the_profiles_size_is_refused_and_its_sender_told(self):
        self.assert_too_large("alice@example.org")

    def test_so_is_one_over_the_limit_per_message_that_did_not_announce_its_size(self):
        self.assert_too_large("dave@example.org")

    def test_over_the_cap_of_bounces_refused_mail_is_quarantined(self):
        forge = lambda login, n: self.box.send(login, "friend@example.net", mails.plain("ceo@bank.example", "friend@example.net", f"forged {n}"))
        for n in range(3):
            self.assertEqual(forge("bob@example.org", n)[-1][1], 250)
            if n < 2:
                self.assertEqual(len(self.bounces("bob@example.org", n + 1)), n + 1)
        entries = self.kept(account="bob@example.org")
        self.assertEqual([(e["reason"], e["subject"]) for e in entries], [("bounce-cap", "forged 2")])
        self.assertIn("bounce-cap", self.why(entries[0]["id"]))
        forge("eve@example.org", 3)  # each account has a share of its own
        self.assertEqual(len(self.bounces("eve@example.org")), 1)
        self.box.wait_queue_empty()
        self.assertEqual(len(self.bounces("bob@example.org", 3, timeout=0)), 2)
        self.assertEqual(self.quarantine(account="eve@example.org"), [])
        self.assertEqual([d for d in self.box.sink.deliveries if "friend@example.net" in d.recipients and "forged" in d.text()], [])

    def test_a_message_that_passed_us_too_often_is_a_mail_loop(self):
        passed = "Received: from mail.example.org\r\n\tby {} (Postsluice) with LMTP id X;\r\n\tSat, 21 Nov 2026 10:15:30 +0000\r\n"
        ours, others = passed.format("mail.example.org"), passed.format("mail.example.com")
        self.post("carol@example.org", "passed twice", extra=ours * 2 + others * 3)
        self.assertEqual(len(self.arrived("passed twice")), 1)
        self.post("carol@example.org", "passed thrice", extra=ours * 3)
        bounce = self.bounces("carol@example.org")
        self.assertEqual(len(bounce), 1)
        self.assertRegex(bounce[0].text(), r"554 5\.4\.6 Mail loop: the message passed this filter too\s+often")
        self.assertIn("mail-loop", self.why(reference_of(bounce[0].text())))
        self.assertEqual(self.arrived("passed thrice", timeout=0), [])


class BeforeQueue(RefusalCase):
    EXAMPLE = "before-queue"
    OVERRIDES = '[contentfilter]\nmax_loops = 1\nbounces_per_hour = 0\n[profile.default]\nmax_message_size = "20 KiB"\n'

    def test_the_client_itself_is_told_and_no_bounce_is_counted(self):
        loop = "Received: from x by mail.example.org (Postsluice) with ESMTP id X; Sat, 21 Nov 2026 10:15:30 +0000\r\n" * 2
        for subject, more, reply, reason in (("large", {"body": KIB * 16 * 22}, r"550 5\.7\.1 This message was refused", "message-too-large"),
                                             ("loop", {"extra": loop}, r"554 5\.4\.6 Mail loop", "mail-loop")):
            with self.subTest(subject):
                command, code, text = self.send("alice@example.org", "friend@example.net", subject, **more)[-1]
                self.assertEqual(command, "DATA")
                self.assertRegex(f"{code} {text}", reply)
                self.assertIn(reason, self.why(reference_of(text)))
        self.box.wait_queue_empty()
        self.assertEqual(self.box.sink.deliveries, [])
        self.assertEqual(self.quarantine(), [])


class Unasked(RefusalCase):
    """policyd is down, and Postfix is told to go on without it: mail comes without a ticket."""

    MAIN_CF = """
postsluice_policy = check_policy_service { unix:postsluice/policyd, timeout=10s, { default_action = DUNNO } }
minimal_backoff_time = 300s
maximal_backoff_time = 300s
queue_run_delay = 300s
"""

    def without_policyd(self, subject):
        self.box.stop_daemon("policyd")
        try:
            self.post("alice@example.org", subject)
        finally:
            self.box.start_daemon("policyd")


class Held(Unasked):
    OVERRIDES = '[contentfilter]\nno_ticket = "hold"\n'

    def test_mail_that_policyd_did_not_see_is_held_until_a_person_releases_it(self):
        self.post("alice@example.org", "seen")
        self.assertEqual(len(self.arrived("seen")), 1)
        self.without_policyd("unseen held")
        entry = self.kept(subject="unseen held")[0]
        self.assertEqual((entry["reason"], entry["account"], entry["held"]), ("no-ticket", "-", True))
        self.assertIn("no-ticket", self.why(entry["id"]))
        self.assertEqual(self.arrived("unseen held", timeout=0), [])
        self.assertEqual(self.box.postsluice("release", entry["id"]).returncode, 0)
        self.assertEqual(len(self.arrived("unseen held")), 1)


class Deferred(Unasked):
    OVERRIDES = '[contentfilter]\nno_ticket = "tempfail"\n'

    def test_mail_that_policyd_did_not_see_waits_until_it_is_to_pass(self):
        self.post("alice@example.org", "seen")
        self.assertEqual(len(self.arrived("seen")), 1)
        self.without_policyd("unseen deferred")
        self.box.wait_deferred()
        reason = next(m for m in self.box.queue() if m["queue_name"] == "deferred")["recipients"][0]["delay_reason"]
        self.assertIn("451 4.3.0 Content filter: temporary trouble, try again later", reason)
        self.assertIn("no-ticket", self.why(reference_of(reason)))
        self.assertEqual(len(self.filter_lines("reason=no-ticket", "proof=none", "account=- ", least=1)), 1)
        self.box.path("etc/postsluice/conf.d/test.toml").write_text('[contentfilter]\nno_ticket = "default-profile"\n')
        self.assertEqual(self.box.postsluice("config", "reload").returncode, 0)
        self.assertEqual(self.arrived("unseen deferred", timeout=0), [])
        self.box.flush()
        self.assertEqual(len(self.arrived("unseen deferred")), 1)
        self.box.wait_queue_empty()
        self.assertEqual(len(self.arrived("unseen deferred")), 1)


class ForGood(RefusalCase):
    OVERRIDES = '[profile.default]\nwhen_locked = "reject"\n'

    def test_a_locked_account_is_refused_for_good_where_the_profile_says_so(self):
        self.assertEqual(self.box.postsluice("lock", "alice@example.org", "--why", "stolen").returncode, 0)
        command, code, text = self.send("alice@example.org", "friend@example.net", "locked")[-1]
        self.assertEqual((command.partition(" ")[0], code), ("RCPT", 550), text)
        self.assertIn("5.7.1", text)
        self.assertIn("alice@example.org is locked until a person unlocks it", text)
        self.assertIn("account-locked", self.why(reference_of(text)))
        self.assertEqual(self.send("alice@example.org", "abuse@example.org", "help")[1][1], 250)
        self.assertEqual(self.box.postsluice("unlock", "alice@example.org").returncode, 0)
        self.post("alice@example.org", "unlocked")
        self.assertEqual(len(self.arrived("unlocked")), 1)


@unittest.skipIf(sanitized(), "AddressSanitizer and a preloaded clock do not go together")
class Automatic(RefusalCase):
    """Locks for half an hour, which goes by in a moment."""

    LOGIN = "mallory@example.org"
    OVERRIDES = f"""
[profile.watched]
inherits = "default"
lock = {{ after = ["1 spam"], for = "30 minutes", automatic_unlocks = 1 }}
[[assign]]
profile = "watched"
login = ["{LOGIN}"]
"""

    @classmethod
    def setUpClass(cls):
        cls.box = ShiftedSandbox(BUILD, overrides=cls.OVERRIDES)
        try:
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    def history(self):
        return self.box.postsluice("account", "history", self.LOGIN, json_output=True)

    def reply(self):
        return self.send(self.LOGIN, "friend@example.net", "asks")[1][1:]

    def strike(self, subject):
        self.post(self.LOGIN, subject, body=mails.GTUBE + "\r\n")
        self.wait_until(lambda: self.history()["locked"], "the lock")

    def test_a_lock_times_out_as_often_as_it_may_and_the_next_one_is_for_good(self):
        self.strike("spam one")
        code, text = self.reply()
        self.assertEqual(code, 450, text)
        self.assertRegex(text, r"mallory@example.org is locked until 20\S+ \(1 spam\)")
        self.box.shift(boot=20 * 60)
        self.assertEqual(self.reply()[0], 450)
        self.box.shift(boot=31 * 60)
        self.post(self.LOGIN, "after the first lock")
        self.assertEqual(len(self.arrived("after the first lock")), 1)
        self.strike("spam two")
        code, text = self.reply()
        self.assertEqual(code, 450, text)
        self.assertIn("mallory@example.org is locked until a person unlocks it (1 spam)", text)
        told = self.history()
        self.assertEqual([e["kind"] for e in told["events"]], ["made-permanent", "unlocked-by-time", "locked"])
        self.assertIsNone(told["lock"]["until"])
        self.box.shift(boot=400 * 86400)  # past state.history_retention: from now on policyd may forget these events at any time
        self.assertEqual(self.reply()[0], 450)
        self.assertEqual(self.box.postsluice("unlock", self.LOGIN, "--why", "password changed").returncode, 0)
        self.post(self.LOGIN, "after the unlock")
        self.assertEqual(len(self.arrived("after the unlock")), 1)
        self.strike("spam three")  # a person's unlock gives the automatic ones back
        self.assertRegex(self.reply()[1], r"is locked until 20")


if __name__ == "__main__":
    unittest.main()
