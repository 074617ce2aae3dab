# SPDX-License-Identifier: Apache-2.0
"""The checks of headers, text and links, and rule files, through a real Postfix: what is stopped, and what is left alone."""

import email.utils
import signal
import unittest
import uuid

from support import SandboxCase

PARALLEL = True

BURST = 25


def letter(subject, body, kind="text/plain"):
    return (f"From: Alice <alice@example.org>\r\nTo: friend@example.net\r\nSubject: {subject}\r\n"
            f"Message-ID: <{uuid.uuid4()}@client.example.org>\r\nDate: {email.utils.formatdate()}\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: {kind}; charset=utf-8\r\n\r\n{body}\r\n")


class Checks(SandboxCase):
    OVERRIDES = """
[content]
novelty_history = 10
[profile.default]
symbols = { CREDENTIALS = { action = "quarantine" }, NEW_RECIPIENTS = { action = "quarantine" }, LINK_OTHER_HOST = { score = 10 } }
"""

    def post(self, subject, body, kind="text/plain", recipients=("friend@example.net",)):
        story = self.box.send("alice@example.org", list(recipients), letter(subject, body, kind))
        self.assertEqual(story[-1][1], 250, story)

    def kept(self, subject):
        self.wait_until(lambda: [e for e in self.quarantine() if e["subject"] == subject], f"{subject} in quarantine")

    def symbols(self, text):
        run = self.box.postsluice("message", "test", "-", "--as", "alice@example.org", input=text)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def test_the_answer_to_a_phish_is_kept_and_a_question_about_passwords_arrives(self):
        self.post("re quota", "Username: alice\r\nE-mail: alice@example.org\r\nPassword: hunter2")
        self.post("passwords", "How do I change my password?\r\n-- \r\nAlice, alice@example.org")
        self.assertEqual(len(self.arrived("passwords")), 1)
        self.kept("re quota")

    def test_a_link_that_lies_is_held_and_an_honest_newsletter_arrives(self):
        self.post("your bank", "<p>Log in: <a href='http://198.51.100.7/x'>https://www.bank.example/login</a>", "text/html")
        self.post("our news", "<p>Read <a href='https://www.example.org/n'>our news</a> and <a href='https://www.shop.example/x?utm=1'>"
                              "https://shop.example</a>.", "text/html")
        self.assertEqual(len(self.arrived("our news")), 1)
        self.kept("your bank")

    def test_many_new_recipients_of_an_account_with_history_are_found(self):
        usual = [f"usual{i}@example.net" for i in range(12)]
        for turn in range(2):
            self.post(f"to all of us {turn}", "hello", recipients=usual)
            # The filter has learned them when it says what it did; the message may be at its goal before.
            self.wait_until(lambda: self.box.daemon_log("contentfilter").count(f" nrcpt={len(usual)} delivered={len(usual)} ") > turn, "its turn")
            self.wait_until(lambda: sum(len(d.recipients) for d in self.arrived(f"to all of us {turn}")) == len(usual), "all of them")
        self.post("to strangers", "hello", recipients=[f"stranger{i}@example.net" for i in range(BURST)])
        self.kept("to strangers")

    def test_a_message_is_explained(self):
        shown = self.symbols(letter("x", "<img src='http://www.example.com/x.png'>", "text/html"))
        self.assertIn("IMAGE_ONLY", shown)
        self.assertNotIn("MISSING_DATE", shown)

    def test_rule_files_are_reloaded_and_a_mistake_keeps_the_old_ones(self):
        text = letter("rules", "the word of the day is xyzzy")
        self.assertNotIn("XYZZY", self.symbols(text))
        file = self.box.path("etc/postsluice/rules.d/own.toml")
        file.write_text("[[words]]\nsymbol = \"XYZZY\"\nscore = 1\nwhere = [\"text\"]\nwords = [\"xyzzy\"]\n")
        self.box.processes["contentfilter"].send_signal(signal.SIGHUP)
        self.wait_until(lambda: "XYZZY" in self.symbols(text), "the new rule")
        file.write_text("[[words]]\nsymbol = \"OTHER\"\nwhere = [\"nowhere\"]\nwords = [\"xyzzy\"]\n")
        run = self.box.postsluice("config", "reload")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("own.toml:3", run.stdout + run.stderr)
        self.assertIn("XYZZY", self.symbols(text))
        file.unlink()
        self.assertEqual(self.box.postsluice("config", "reload").returncode, 0)
        self.assertNotIn("XYZZY", self.symbols(text))


if __name__ == "__main__":
    unittest.main()
