# SPDX-License-Identifier: Apache-2.0
"""Locks through a real Postfix: what triggers them, what they lock, who opens them, what they survive, what they run."""

import os
import pathlib
import shutil
import signal
import tempfile
import unittest

from support import SandboxCase, SandboxError, mails, reference_of

from sandbox import ACCOUNTS

PARALLEL = True

# Stands after policyd, as an operator's own rule might.
OTHERS_REFUSE = """
postsluice_policy = check_policy_service { unix:postsluice/policyd, timeout=10s,
    { default_action = 451 4.3.5 Policy service unavailable, try again later } },
    check_recipient_access regexp:{{/^gone/ REJECT no such user}}
"""


class LockCase(SandboxCase):
    def refusal(self, login, recipient="friend@example.net", sender=None):
        """(code, text) of RCPT; the message is not sent."""
        with self.box.submit_session(login) as session:
            session.mail(sender or login)
            code, text = session.rcpt(recipient)
        return code, text.decode()

    def history(self, subject):
        return self.box.postsluice("account", "history", subject, json_output=True)

    def is_locked(self, subject):
        return self.history(subject)["locked"]

    def operator(self, *words):
        run = self.box.postsluice(*words)
        self.assertEqual(run.returncode, 0, run)
        return run.stdout

    def exhaust(self, login):
        with self.box.submit_session(login) as session:
            session.mail(login)
            return [session.rcpt(f"r{n}@example.net") for n in range(4)]


class Triggers(LockCase):
    ACCOUNTS = {**ACCOUNTS, "roamer@example.org": "homesick"}
    MAIN_CF = OTHERS_REFUSE
    OVERRIDES = """
[profile.bob]
inherits = "default"
limits   = ["3 recipients per hour"]
lock     = { after = ["1 limit"], for = "30 minutes" }
[profile.dave]
inherits = "default"
lock     = { after = ["20 invalid recipients in 1 hour"], for = "30 minutes" }
[profile.eve]
inherits = "default"
lock     = { after = ["2 complaints in 1 hour"], for = "30 minutes" }
[profile.mallory]
inherits = "default"
lock     = { after = ["1 virus"], for = "30 minutes" }
[profile.carol]
inherits = "default"
lock     = { after = ["2 phish in 24 hours"], for = "30 minutes" }
[profile.roamer]
inherits = "default"
limits   = ["2 client networks per day"]
lock     = { after = ["1 stolen password"], for = "30 minutes" }
""" + "".join(f"""
[[assign]]
profile = "{name}"
login   = ["{name}@example.org"]
""" for name in ("bob", "carol", "dave", "eve", "mallory", "roamer"))
    PHISH = """
[[pattern]]
symbol = "MAILBOX_FULL"
where  = ["text"]
match  = 'confirm your mailbox'
action = "quarantine"
reason = "phish"
strike = "phish"
"""

    @classmethod
    def prepare(cls):
        cls.box.path("etc/postsluice/rules.d/phish.toml").write_text(cls.PHISH)

    def test_a_limit_that_was_reached_is_a_strike(self):
        answers = self.exhaust("bob@example.org")
        self.assertEqual([code for code, _ in answers], [250, 250, 250, 450])
        self.wait_until(lambda: self.is_locked("bob@example.org"), "the lock")
        code, text = self.refusal("bob@example.org")
        self.assertEqual(code, 450, text)
        self.assertIn("bob@example.org is locked until", text)
        self.assertIn("(1 limit)", text)
        events = self.history("bob@example.org")["events"]
        self.assertEqual(events[0]["reference"], reference_of(answers[3][1].decode()))

    def test_recipients_that_others_refuse_are_strikes(self):
        login = "dave@example.org"
        for turn in range(2):
            with self.box.submit_session(login) as session:
                session.mail(login)
                codes = [session.rcpt(f"gone{turn}n{n}@example.net")[0] for n in range(10)]
                self.assertEqual(set(codes), {554}, codes)
                self.assertEqual(session.rcpt("friend@example.net")[0], 250)
                self.assertEqual(session.data(mails.plain(login, "friend@example.net", f"list {turn}"))[0], 250)
            if turn == 0:
                self.wait_until(lambda: sum(s["weight"] for s in self.history(login)["strikes"]) == 10, "ten strikes")
                self.assertFalse(self.is_locked(login))
        self.wait_until(lambda: self.is_locked(login), "the lock")
        strikes = self.history(login)["strikes"]
        self.assertLess(len(strikes), 5, strikes)
        self.assertEqual({s["kind"] for s in strikes}, {"invalid recipients"})

    def test_an_operators_strikes_count(self):
        login = "eve@example.org"
        self.assertIn("it is open", self.operator("account", "strike", login, "--kind", "complaint", "--why", "an angry call"))
        self.assertIn("it is locked", self.operator("account", "strike", login, "--kind", "complaint"))
        self.assertEqual(self.refusal(login)[0], 450)
        self.assertIn("an angry call", [s["note"].partition(": ")[2] for s in self.history(login)["strikes"]])
        self.assertNotEqual(self.box.postsluice("account", "strike", login, "--kind", "nonsense").returncode, 0)

    def test_a_strike_of_the_filter_locks_at_the_front_door(self):
        login = "mallory@example.org"
        self.box.send(login, "v@example.net", mails.with_attachment(login, "v@example.net", "b.pdf", mails.EICAR.encode(), "locks"))
        self.wait_until(lambda: self.is_locked(login), "the lock")
        self.assertIn("(1 virus)", self.refusal(login)[1])

    def test_phish_of_the_filter_locks_when_there_is_enough_of_it(self):
        login = "carol@example.org"
        bodies = ["Please confirm your mailbox today.\r\n"] * 2 + ["Or else: confirm your mailbox.\r\n"]
        for n, body in enumerate(bodies):
            self.assertFalse(self.is_locked(login), "one message counts once, however often it is sent")
            self.assertEqual(self.send(login, "v@example.net", "phish", body=body)[-1][1], 250)
            self.wait_until(lambda: len(self.quarantine(account=login, reason="phish")) == n + 1, "the quarantine")
            self.wait_until(lambda: self.box.daemon_log("contentfilter").count(f"strike account={login} kind=phish") == n + 1, "the strike")
        self.wait_until(lambda: self.is_locked(login), "the lock")
        code, text = self.refusal(login)
        self.assertEqual(code, 450, text)
        self.assertRegex(text, r"is locked until .* \(2 phish in (24 hours|1 day|day)\)")
        self.assertEqual([s["kind"] for s in self.history(login)["strikes"]], ["phish"] * 2)
        self.assertEqual(self.refusal("alice@example.org")[0], 250)

    def test_a_login_from_too_many_networks_is_a_stolen_password(self):
        login, codes = "roamer@example.org", []
        for client in ("127.0.77.1", "127.0.77.2", "127.0.78.1", "127.0.79.1"):
            with self.session_from(client, login) as session:
                session.mail(login)
                codes.append(session.rcpt("friend@example.net"))
                if codes[-1][0] == 250:
                    self.assertEqual(session.data(mails.plain(login, "friend@example.net", "roaming"))[0], 250)
        self.assertEqual([code for code, _ in codes], [250, 250, 250, 450], codes)
        self.assertIn(b"2 of 2 client networks per day used", codes[-1][1])
        self.wait_until(lambda: self.is_locked(login), "the lock")
        with self.session_from("127.0.77.1", login) as session:  # where its owner is
            session.mail(login)
            code, text = session.rcpt("friend@example.net")
        self.assertEqual(code, 450, text)
        self.assertRegex(text.decode(), r"is locked until .* \(1 stolen password\)")
        told = self.history(login)
        self.assertEqual([s["kind"] for s in told["strikes"]], ["stolen password"])
        self.assertEqual(told["events"][0]["reference"], reference_of(codes[-1][1].decode()))


class LimitsThatLock(LockCase):
    OVERRIDES = """
[profile.carol]
inherits = "default"
limits   = ["3 recipients per hour then lock"]
[[assign]]
profile = "carol"
login   = ["carol@example.org"]
"""

    @classmethod
    def setUpClass(cls):
        try:
            super().setUpClass()
        except SandboxError as error:
            if "is not offered by this version" in str(error):
                raise unittest.SkipTest("limits cannot say \"then lock\" in this version") from error
            raise

    def test_a_limit_that_locks_locks_at_once(self):
        self.assertEqual(self.exhaust("carol@example.org")[3][0], 450)
        self.wait_until(lambda: self.is_locked("carol@example.org"), "the lock")
        self.assertIn("3 recipients per hour then lock", self.refusal("carol@example.org")[1])
        self.operator("unlock", "carol@example.org")
        self.assertEqual(self.exhaust("carol@example.org")[3][0], 450) # nothing was sent: the first three were given back
        self.wait_until(lambda: self.is_locked("carol@example.org"), "the next lock")


class Scopes(LockCase):
    OVERRIDES = """
[[customer]]
name    = "Acme"
domains = ["example.org"]
"""

    def test_each_scope_stops_those_who_belong_to_it(self):
        table = {
            "alice@example.org": "alice@example.org is locked",
            "domain:example.org": "the domain example.org is locked",
            "customer:acme": "the customer that this account belongs to is locked",
            "client:127.0.0.1": "the client address 127.0.0.1 is locked",
            "network:127.0.0.0/8": "the client network 127.0.0.0/8 is locked",
            "sender:alice@example.org": "the sender alice@example.org is locked",
            "sender-domain:example.org": "the sender domain example.org is locked",
        }
        for subject, words in table.items():
            with self.subTest(subject):
                self.operator("account", "lock", subject, "--why", "the operator's words")
                code, text = self.refusal("alice@example.org")
                self.assertEqual(code, 450, text)
                self.assertIn(words, text)
                self.assertNotIn("operator's words", text)
                self.assertEqual(self.refusal("alice@example.org", "abuse@example.org")[0], 250)
                event = self.history(subject)["events"][0]
                self.assertEqual((event["kind"], event["cause"]), ("locked-by-person", "the operator's words"))
                self.assertIn("account-locked", self.box.postsluice("why", reference_of(text)).stdout)
                self.operator("account", "unlock", subject)
                self.assertEqual(self.refusal("alice@example.org")[0], 250)

    def test_a_wrong_subject_is_said_to_be(self):
        for subject in ("network:192.0.2.1/24", "client:nonsense", "domain:"):
            self.assertNotEqual(self.box.postsluice("account", "lock", subject).returncode, 0, subject)

    def test_queued_mail_of_a_locked_domain_is_quarantined(self):
        self.box.stop_daemon("contentfilter")
        self.send("bob@example.org", "friend@example.net", "waited for its domain")
        self.box.wait_deferred()
        self.operator("account", "lock", "domain:example.org")
        self.box.start_daemon("contentfilter")
        self.box.flush()
        self.wait_until(lambda: self.quarantine(account="bob@example.org", reason="account-locked"), "the quarantine")
        self.operator("account", "unlock", "domain:example.org")

    def test_a_lock_for_a_time_ends_by_itself(self):
        with self.box.submit_session("carol@example.org") as session:  # before the lock: a login takes its time on a busy machine
            session.mail("carol@example.org")
            self.operator("account", "lock", "carol@example.org", "--for", "5 seconds", "--why", "a pause")
            self.assertIn(b"is locked until 20", session.rcpt("friend@example.net")[1])
        self.wait_until(lambda: self.refusal("carol@example.org")[0] == 250, "the end of the lock")


class Survival(LockCase):
    def kill_both(self):
        for name in ("policyd", "contentfilter"):
            self.box.stop_daemon(name, signal.SIGKILL)

    def start_both(self):
        for name in ("policyd", "contentfilter"):
            self.box.start_daemon(name)

    def test_what_a_person_did_survives_kill_9_and_the_loss_of_counters(self):
        self.operator("lock", "alice@example.org", "--why", "by phone")
        self.operator("account", "lock", "network:203.0.113.0/24")
        for _ in range(2):
            self.operator("account", "strike", "bob@example.org", "--kind", "phish")
        self.assertTrue(self.is_locked("bob@example.org"))
        self.operator("unlock", "bob@example.org", "--why", "talked to him")
        self.kill_both()
        shutil.rmtree(self.box.path("state/counters"))
        self.start_both()
        self.assertEqual(self.refusal("alice@example.org")[0], 450)
        self.assertTrue(self.is_locked("network:203.0.113.0/24"))
        self.assertEqual(self.refusal("bob@example.org")[0], 250)
        event = self.history("bob@example.org")["events"][0]
        self.assertEqual((event["kind"], event["cause"]), ("unlocked-by-person", "talked to him"))
        self.operator("account", "strike", "bob@example.org", "--kind", "phish")  # the slate is still clean
        self.assertFalse(self.is_locked("bob@example.org"))
        self.operator("unlock", "alice@example.org")
        self.kill_both()
        self.start_both()
        self.assertEqual(self.refusal("alice@example.org")[0], 250)


class Hooks(LockCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="postsluice-hooks-"))
        os.chmod(cls.scratch, 0o777)
        cls.log = cls.scratch / "log"
        for name, body in (("tell", f'echo "$1|$POSTSLUICE_EVENT|$POSTSLUICE_STATE|$POSTSLUICE_ACTOR" >> {cls.log}'),
                           ("slow", f'echo begun >> {cls.scratch}/slow.log; until test -e {cls.scratch}/go; do sleep 0.1; done; '
                                    f'echo over >> {cls.scratch}/slow.log'),
                           ("disable", f'echo "$1" >> {cls.scratch}/disabled'), ("bad", "echo broken; exit 9")):
            (cls.scratch / name).write_text("#!/bin/sh\n" + body + "\n")
            os.chmod(cls.scratch / name, 0o755)
        cls.OVERRIDES = f"""
[profile.told]
inherits = "default"
on_lock  = ["notify", "exec:{cls.scratch}/tell {{account}} {{event}}", "exec:{cls.scratch}/disable {{account}}"]
[profile.slow]
inherits = "default"
on_lock  = ["exec:{cls.scratch}/slow"]
[profile.bad]
inherits = "default"
on_lock  = ["notify", "exec:{cls.scratch}/bad"]
[[assign]]
profile = "told"
login   = ["alice@example.org", "mallory@example.org"]
[[assign]]
profile = "slow"
login   = ["bob@example.org"]
[[assign]]
profile = "bad"
login   = ["carol@example.org"]
"""
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.scratch, ignore_errors=True)

    def lines(self, name="log"):
        file = self.scratch / name
        return file.read_text().splitlines() if file.exists() else []

    def test_programs_run_for_what_operator_and_filter_do(self):
        self.operator("lock", "alice@example.org")
        self.operator("unlock", "alice@example.org")
        self.wait_until(lambda: len([l for l in self.lines() if l.startswith("alice")]) == 2, "both programs")
        events = [line.split("|")[:3] for line in self.lines() if line.startswith("alice")]
        self.assertEqual(events, [["alice@example.org", "locked-by-person", "locked"],
                                  ["alice@example.org", "unlocked-by-person", "open"]])
        self.wait_until(lambda: "alice@example.org" in self.lines("disabled"), "the second program")
        self.assertEqual(self.lines("disabled").count("alice@example.org"), 1)
        login = "mallory@example.org"
        self.box.send(login, "v@example.net", mails.with_attachment(login, "v@example.net", "b.pdf", mails.EICAR.encode(), "hook"))
        self.wait_until(lambda: f"{login}|locked|locked|postsluice" in self.lines(), "the program")
        self.wait_until(lambda: login in self.lines("disabled"), "the second program")

    def test_a_program_that_fails_is_told(self):
        self.operator("lock", "carol@example.org")
        notice = self.box.sink.wait(1, 90, lambda d: "abuse@example.org" in d.recipients and "exited with status 9" in d.text())
        self.assertEqual(len(notice), 1)
        self.assertIn("hook failed", self.box.daemon_log("policyd"))
        self.wait_until(lambda: "hook-failed" in [e["kind"] for e in self.history("carol@example.org")["events"]], "its event")

    def test_a_slow_program_stops_no_mail_and_a_kill_loses_nothing(self):
        self.operator("lock", "bob@example.org")
        self.wait_until(lambda: self.lines("slow.log") == ["begun"], "the program's begin")
        self.assertEqual(self.refusal("alice@example.org")[0], 250)
        self.assertNotIn("over", self.lines("slow.log"))
        self.box.stop_daemon("policyd", signal.SIGTERM)
        self.box.start_daemon("policyd")
        self.wait_until(lambda: self.lines("slow.log") == ["begun"] * 2, "the program's begin")
        (self.scratch / "go").touch()
        self.wait_until(lambda: "over" in self.lines("slow.log"), "the program's end")
        self.assertEqual(self.lines("slow.log"), ["begun", "begun", "over"])


if __name__ == "__main__":
    unittest.main()
