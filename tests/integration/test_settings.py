# SPDX-License-Identifier: Apache-2.0
"""[[settings]] and fingerprints through a real Postfix: who is meant, what a sender cannot bring about by himself, and one campaign
that several accounts send."""

import random
import re
import signal
import unittest

import mails
from support import SandboxCase

WORDS = [a + b for a in ("ka", "mi", "to", "re", "lu", "sa", "vo", "ne", "pi", "du") for b in ("ran", "tel", "mos", "lin", "gar", "vet")]


def prose(seed, words=120):
    choose = random.Random(seed)
    return "".join(choose.choice(WORDS) + ("\r\n" if i % 12 == 11 else " ") for i in range(words))


def hidden(subject, extra="", sender="alice@example.org"):
    """Letters that nobody sees: HIDDEN_TEXT, and nothing else."""
    return mails.plain(sender, "friend@example.net", subject, body="<p>Hello, how are you today, my friend?</p><p style='display:none'>"
                       + "x y z " * 40 + "</p>\r\n", extra=extra).replace("text/plain", "text/html")


class Settings(SandboxCase):
    OVERRIDES = """
[[settings]]
name    = "carol"
account = ["carol@example.org"]
symbols = { HIDDEN_TEXT = { action = "quarantine" } }

[[settings]]
name     = "newsletter"
priority = 10
account  = ["bob@example.org"]
header   = ["List-Id: *news*"]
symbols  = { HIDDEN_TEXT = { enabled = false } }

[[settings]]
name     = "header"
priority = 900
header   = ["X-Friend: *"]
scores   = { tag = 900, hold = 900, reject = 900 }
symbols  = { HIDDEN_TEXT = { score = -100, action = "none" } }

[[settings]]
name    = "bulk"
header  = ["Precedence: bulk"]
symbols = { HIDDEN_TEXT = { action = "quarantine" } }

[[settings]]
name            = "abuse-desk"
recipient       = ["abuse@example.com"]
disabled_groups = ["content"]
"""

    def post(self, login, text, recipients=("friend@example.net",)):
        story = self.box.send(login, list(recipients), text)
        self.assertEqual(story[-1][1], 250, story)

    def kept(self, subject):
        self.wait_until(lambda: [e for e in self.quarantine() if e["subject"] == subject], f"{subject} in quarantine")

    def test_settings_hold_for_the_account_that_they_name(self):
        self.post("carol@example.org", hidden("of carol", sender="carol@example.org"))
        self.post("alice@example.org", hidden("of alice"))
        self.kept("of carol")
        self.assertEqual(len(self.arrived("of alice")), 1)

    def test_a_header_makes_it_stricter_and_never_milder(self):
        self.post("alice@example.org", hidden("bulk of alice", extra="Precedence: bulk\r\n"))
        self.post("carol@example.org", hidden("friend carol", extra="X-Friend: yes\r\n", sender="carol@example.org"))
        self.kept("bulk of alice")
        self.kept("friend carol")
        verdict, found = self.judge(mails.plain("alice@example.org", "x@example.net", extra="X-Friend: 1\r\n", body=mails.GTUBE + "\r\n"))
        self.assertIn(verdict, ("reject", "quarantine"))
        self.assertIn("GTUBE", found)

    def test_a_header_beside_an_account_holds_for_that_account_only(self):
        news = "List-Id: <news.example.org>\r\n"
        self.assertIn("HIDDEN_TEXT", self.judge(hidden("x", news), "alice@example.org")[1])
        self.assertIn("HIDDEN_TEXT", self.judge(hidden("x"), "bob@example.org")[1])
        self.assertNotIn("HIDDEN_TEXT", self.judge(hidden("x", news), "bob@example.org")[1])

    def test_one_exempt_recipient_among_others_loosens_nothing(self):
        spam = mails.plain("alice@example.org", "abuse@example.com", "complaint", body=mails.GTUBE + "\r\n")
        self.post("alice@example.org", spam.replace("complaint", "complaint of one"), ("abuse@example.com",))
        self.post("bob@example.org", spam.replace("complaint", "complaint of two").replace("alice@", "bob@"), ("abuse@example.com", "friend@example.net"))
        self.assertEqual(len(self.arrived("complaint of one")), 1)
        self.wait_until(lambda: "abuse-desk(stricter)" in self.box.daemon_log("contentfilter"), "the settings in the log")
        self.assertFalse([d for d in self.box.sink.deliveries if "complaint of two" in d.header("Subject")])

    def test_the_command_shows_which_apply(self):
        run = self.box.postsluice("message", "test", "-", "--as", "carol@example.org", "--to", "abuse@example.com", "--client", "192.0.2.1",
                                  input=hidden("x", "Precedence: bulk\r\nX-Friend: 1\r\n"))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertRegex(run.stdout, r"Settings +carol, header \(only what is stricter\), bulk \(only what is stricter\)")

    def test_mistakes_are_all_reported_and_the_old_configuration_stays(self):
        extra = self.box.config_file.parent / "conf.d" / "wrong.toml"
        extra.parent.mkdir(exist_ok=True)
        extra.write_text('[[settings]]\nname = "x"\nheader = ["X-Y: 1"]\ndisabled_checks = ["shap"]\n[[settings]]\nacount = ["a@b"]\n')
        try:
            run = self.box.postsluice("config", "reload")
            self.assertNotEqual(run.returncode, 0)
            for part in ('wrong.toml:4: settings.disabled_checks: "shap" is not known here; did you mean "shape"?', "wrong.toml:6: settings.acount",
                         "wrong.toml:5: settings.name: is missing"):
                self.assertIn(part, run.stdout + run.stderr)
            self.box.processes["contentfilter"].send_signal(signal.SIGHUP)  # the command itself does not get beyond the file
            self.wait_until(lambda: "configuration not reloaded: the old one stays in force" in self.box.daemon_log("contentfilter"), "the refusal")
        finally:
            extra.unlink()
        self.assertIn("HIDDEN_TEXT", self.judge(hidden("x"), "carol@example.org")[1])


KEPT = 'symbols = { HIDDEN_TEXT = { action = "quarantine" } }'
PASSES = 'symbols = { HIDDEN_TEXT = { action = "none", score = 0 } }'


def entry(name, conditions, consequence=KEPT):
    return f'[[settings]]\nname = "{name}"\n{conditions}\n{consequence}\n'


class Conditions(SandboxCase):
    """Each condition alone, by mail that meets it and mail that does not. Each case has accounts of its own, by which the log is read."""

    ACCOUNTS = {login: "secret" for login in ("a@example.com", "a@sub.example.com", "a@notexample.com", "near@example.org",
                                              "web@example.org", "shop@example.org", "dave@example.org", "news@example.org")}
    OVERRIDES = "".join([
        entry("by-domain", 'login_domain = ["example.com", "*.example.com"]'),
        entry("by-network", 'network = ["127.0.7.0/24"]'),
        entry("by-origin", 'origin = ["local"]'),
        entry("by-sender", 'priority = 900\nsender = ["sales@example.org"]',
              'symbols = { HIDDEN_TEXT = { action = "quarantine" }, GTUBE = { score = -100, action = "none" } }'),
        entry("low", 'priority = 5\naccount = ["dave@example.org"]'),
        entry("high", 'priority = 6\naccount = ["dave@*"]', PASSES),
        entry("first", 'priority = 5\naccount = ["news@example.org"]'),
        entry("second", 'priority = 5\naccount = ["news@*"]', PASSES),
    ])

    def outcome(self, subject, login, sender=None, client="127.0.0.1", text=None):
        """Sends it; whether it is "kept" or has "arrived"."""
        with self.session_from(client, login) as session:
            session.mail(sender or login)
            self.assertEqual(session.rcpt("friend@example.net")[0], 250)
            self.assertEqual(session.data((text or hidden(subject, sender=login)).encode())[0], 250)
        return self.end_of(subject)

    def end_of(self, subject):
        self.wait_until(lambda: self.quarantine(subject=subject) or self.arrived(subject, timeout=0), f"an end of {subject}")
        return "kept" if self.quarantine(subject=subject) else "arrived"

    def settings_of(self, account, count=1):
        """The settings that the log names for the account's messages, in their order."""
        lines = self.filter_lines(f" account={account} ", least=count)
        return [(re.search(r' settings="?([^" ]+)', line) or [None, None])[1] for line in lines]

    def test_login_domain(self):
        for login, end, name in (("a@example.com", "kept", "by-domain"), ("a@sub.example.com", "kept", "by-domain"), ("a@notexample.com", "arrived", None)):
            with self.subTest(login):
                self.assertEqual(self.outcome(f"domain of {login}", login), end)
                self.assertEqual(self.settings_of(login), [name])

    def test_network(self):
        self.assertEqual(self.outcome("from afar", "near@example.org", client="127.0.8.255"), "arrived")
        self.assertEqual(self.outcome("from near", "near@example.org", client="127.0.7.255"), "kept")
        self.assertEqual(self.settings_of("near@example.org", 2), [None, "by-network"])

    def test_origin(self):
        self.assertEqual(self.outcome("with a login", "web@example.org"), "arrived")
        run = self.box.sendmail(33, ["friend@example.net"], hidden("by a local user", sender="web@example.org").replace("\r\n", "\n"))
        self.assertEqual(run.returncode, 0, run)
        self.assertEqual(self.end_of("by a local user"), "kept")
        self.assertEqual((self.settings_of("web@example.org"), self.settings_of("uid:33")), ([None], ["by-origin"]))

    def test_sender_makes_it_stricter_and_never_milder(self):
        login = "shop@example.org"
        self.assertEqual(self.outcome("of the shop", login), "arrived")
        self.assertEqual(self.outcome("of its sales", login, sender="sales@example.org"), "kept")
        spam = mails.plain(login, "friend@example.net", "spam of its sales", body=mails.GTUBE + "\r\n")
        self.assertEqual(self.outcome("spam of its sales", login, sender="sales@example.org", text=spam), "kept")
        self.assertEqual(self.settings_of(login, 3), [None, "by-sender(stricter)", "by-sender(stricter)"])

    def test_of_two_that_match_the_higher_priority_applies_alone_and_of_equals_the_first(self):
        self.assertEqual(self.outcome("high and low", "dave@example.org"), "arrived")
        self.assertEqual(self.settings_of("dave@example.org"), ["high"])
        self.assertEqual(self.outcome("first and second", "news@example.org"), "kept")
        self.assertEqual(self.settings_of("news@example.org"), ["first"])


class Fingerprints(SandboxCase):
    OVERRIDES = """
[fingerprints]
many_accounts = 3
[profile.default]
symbols = { CAMPAIGN_ACCOUNTS = { action = "quarantine" } }
"""

    def letter(self, login, subject, text):
        return mails.plain(login, "friend@example.net", subject, body=text)

    def test_the_third_account_that_sends_the_same_is_stopped(self):
        text = prose(1)
        for login in ("alice@example.org", "bob@example.org", "carol@example.org"):
            name = login.partition("@")[0]
            self.box.send(login, "friend@example.net", self.letter(login, f"offer of {name}", f"Dear {name},\r\n{text}"))
            if name != "carol":
                self.assertEqual(len(self.arrived(f"offer of {name}")), 1)
        self.wait_until(lambda: [e for e in self.quarantine() if e["subject"] == "offer of carol"], "the third in quarantine")
        entry = [e for e in self.quarantine() if e["subject"] == "offer of carol"][0]
        self.assertIn("CAMPAIGN_ACCOUNTS", entry["findings"][0])
        self.assertEqual(self.judge(self.letter("carol@example.org", "else", prose(2)), "carol@example.org")[0], "pass")

    def test_what_an_operator_added_is_known_until_it_is_deleted_and_after_a_restart(self):
        text = prose(3)
        bad = self.letter("alice@example.org", "invoice", text)
        near = self.letter("bob@example.org", "an invoice", "Dear Sir, " + text.replace("karan", "other", 1))
        self.assertEqual(self.judge(near, "bob@example.org")[0], "pass")
        added = self.box.postsluice("fingerprint", "add", "-", "--why", "the invoice", json_output=True, input=bad)
        self.assertTrue(added["ok"], added)
        self.assertEqual(added["fingerprints"], ["text"])
        verdict, found = self.judge(near, "bob@example.org")
        self.assertEqual(verdict, "quarantine")
        self.assertIn("the invoice", found["KNOWN_FINGERPRINT"]["evidence"])
        self.box.stop_daemon("contentfilter")
        self.box.start_daemon("contentfilter")
        self.assertEqual(self.judge(near, "bob@example.org")[0], "quarantine")
        listed = self.box.postsluice("fingerprint", "list")
        self.assertIn(added["id"], listed.stdout)
        self.assertIn("the invoice", listed.stdout)
        self.assertEqual(self.box.postsluice("fingerprint", "delete", added["id"].lower()).returncode, 0)
        self.assertEqual(self.box.postsluice("fingerprint", "delete", added["id"]).returncode, 3)
        self.assertEqual(self.judge(near, "bob@example.org")[0], "pass")

    def test_what_has_no_fingerprint_cannot_be_added(self):
        run = self.box.postsluice("fingerprint", "add", "-", input=self.letter("alice@example.org", "short", "Hello.\r\n"))
        self.assertEqual(run.returncode, 1, run.stdout)
        self.assertIn("min_words", run.stderr)


if __name__ == "__main__":
    unittest.main()
