# SPDX-License-Identifier: Apache-2.0
"""The bayes check: taught by the command and from the quarantine, judging mail of a real Postfix."""

import contextlib
import mailbox
import os
import pathlib
import pty
import random
import signal
import subprocess
import tempfile
import unittest

from control_between import Between
from support import BUILD, SandboxCase, mails

PARALLEL = True

PITCH = ("lottery prize winner claim transfer million dollars agent fee urgent confidential beneficiary bank draft wire "
         "congratulations ticket promotion cash deposit lawyer inheritance").split()
WORK = ("meeting minutes budget review schedule project release patch compile server backup invoice order lunch colleague "
        "document draft comments thanks regards").split()
MESSAGES = 30


def letter(words, seed, subject=None):
    """Some forty of these words; another text for each seed."""
    pick = random.Random(f"{words[0]} {seed}")
    body = " ".join(pick.choice(words) for _ in range(40))
    return mails.plain("alice@example.org", "friend@example.net", subject or f"{pick.choice(words)} {pick.choice(words)}", body=body + "\r\n")


class BayesCase(SandboxCase):
    OVERRIDES = f"""
[bayes]
min_spam = {MESSAGES}
min_ham = {MESSAGES}
[profile.default]
scores = {{ tag = 3, hold = 5, reject = 15 }}
"""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postsluice-bayes-"))
        self.addCleanup(subprocess.run, ["rm", "-r", self.folder], check=True)

    def files(self, name, words, first, count=MESSAGES):
        folder = self.folder / name
        folder.mkdir()
        for n in range(first, first + count):
            (folder / f"{n:04}.eml").write_text(letter(words, n))
        return folder

    def learn(self, *words, **more):
        said = self.box.postsluice("learn", *words, json_output=True, **more)
        return {name: count for name, count in said.items() if count and name != "ok"}

    def status(self):
        return self.box.postsluice("learn", "status", json_output=True)

    def symbols(self, text):
        return {name for name in self.judge(text)[1] if name.startswith("BAYES")}


class Taught(BayesCase):
    def test_1_it_is_silent_until_it_has_learned_enough_and_then_stops_spam(self):
        self.assertEqual(self.symbols(letter(PITCH, "new")), set())
        spam = self.files("spam", PITCH, 0)
        self.assertEqual(self.learn("spam", spam), {"learned": MESSAGES})
        self.assertEqual(self.symbols(letter(PITCH, "new")), set())
        self.assertFalse(self.status()["speaks"])
        self.assertIn(f"{MESSAGES} spam, 0 ham: not enough for bayes to speak", self.box.postsluice("status").stdout)
        box = mailbox.Maildir(self.folder / "honest")
        for n in range(MESSAGES):
            box.add(letter(WORK, n))
        self.assertEqual(self.learn("ham", self.folder / "honest"), {"learned": MESSAGES})
        self.assertTrue(self.status()["speaks"])
        self.assertEqual(self.symbols(letter(PITCH, "new")), {"BAYES_SPAM"})
        self.assertEqual(self.symbols(letter(WORK, "new")), {"BAYES_HAM"})
        self.assertEqual(self.box.send("alice@example.org", ["friend@example.net"], letter(PITCH, "mail", "a pitch"))[-1][1], 250)
        self.assertEqual(self.box.send("alice@example.org", ["friend@example.net"], letter(WORK, "mail", "some work"))[-1][1], 250)
        self.assertEqual(len(self.arrived("some work")), 1)
        self.wait_until(lambda: self.quarantine(subject="a pitch"), "the pitch in quarantine")

    def test_2_a_message_is_learned_once_moved_and_forgotten(self):
        before = self.status()
        same = self.files("same", PITCH, 0)
        self.assertEqual(self.learn("spam", same), {"known": MESSAGES})
        one = same / "0000.eml"
        self.assertEqual(self.learn("ham", one), {"moved": 1})
        self.assertEqual(self.status()["ham"], before["ham"] + 1)
        self.assertEqual(self.learn("spam", "-", input=one.read_text().replace("\r\n", "\n")), {"moved": 1})
        self.assertEqual(self.learn("spam", "--forget", one), {"forgotten": 1})
        self.assertEqual(self.learn("spam", "--forget", one), {"unknown": 1})
        self.assertEqual(self.status()["spam"], before["spam"] - 1)
        self.assertEqual(self.learn("spam", one), {"learned": 1})
        self.assertEqual({key: self.status()[key] for key in ("spam", "ham", "tokens")}, {key: before[key] for key in ("spam", "ham", "tokens")})

    def test_3_an_mbox_is_its_messages_and_what_cannot_be_read_is_said(self):
        mbox = self.folder / "mbox"
        mbox.write_text("".join(f"From x@example.net Sat Nov 28 10:00:00 2026\n{letter(WORK, n)}\n".replace("\r\n", "\n") for n in range(200, 203)))
        run = self.box.postsluice("learn", "ham", mbox)
        self.assertEqual((run.returncode, run.stdout), (0, "3 messages learned.\n"))
        (self.folder / "empty").touch()
        run = self.box.postsluice("learn", "ham", self.folder / "empty", mbox)
        self.assertEqual(run.returncode, 1)
        self.assertIn("holds no message", run.stderr)
        self.assertIn("3 messages known before.", run.stdout)
        self.assertEqual(self.box.postsluice("learn", "ham", self.folder / "none").returncode, 3)
        self.assertEqual(self.box.postsluice("learn", "ham").returncode, 2)

    def test_4_a_terminal_sees_a_bar(self):
        main, side = pty.openpty()
        run = subprocess.run([f"{BUILD}/postsluice", "--config", self.box.config_file, "learn", "spam", self.files("more", PITCH, 300, 5)],
                             stderr=side, stdout=subprocess.PIPE, text=True)
        os.close(side)
        seen = ""
        with contextlib.suppress(OSError):  # the end: EIO, once all that was written has been read
            while more := os.read(main, 65536):
                seen += more.decode()
        os.close(main)
        self.assertEqual((run.returncode, run.stdout), (0, "5 messages learned.\n"))
        self.assertIn("[#", seen)
        self.assertTrue(seen.endswith("\r\033[K"), seen)

    def test_5_what_was_learned_outlives_the_daemon(self):
        before = self.status()
        self.box.stop_daemon("contentfilter", signal.SIGKILL)
        self.box.start_daemon("contentfilter")
        self.assertEqual(self.status(), before)
        self.box.stop_daemon("contentfilter")
        self.assertEqual(self.box.postsluice("learn", "status").returncode, 4)
        run = self.box.postsluice("learn", "spam", self.files("later", PITCH, 400, 1))
        self.assertEqual(run.returncode, 4)
        self.box.start_daemon("contentfilter")


    def test_6_a_daemon_killed_while_it_learns_has_learned_whole_messages(self):
        before, many = self.status(), 600
        folder = self.files("many", PITCH, 1000, many)
        between = Between(self.folder / "control", self.box.path("run/contentfilter.sock"), most=2)
        self.addCleanup(between.close)
        learning = subprocess.Popen([f"{BUILD}/postsluice", "--config", self.box.config_file, "--control", self.folder / "control", "learn", "spam", folder],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_until(lambda: self.status()["spam"] > before["spam"] + 20, "the first messages learned")
        self.box.stop_daemon("contentfilter", signal.SIGKILL)
        between.let_go()
        said = learning.communicate(timeout=120)
        self.assertEqual(learning.returncode, 4, said)
        self.box.start_daemon("contentfilter")
        there = self.status()["spam"] - before["spam"]
        self.assertTrue(20 < there < many, there)
        self.assertEqual(self.learn("spam", folder), {"known": there, "learned": many - there})
        self.assertEqual(self.learn("spam", "--forget", folder), {"forgotten": many})
        self.assertEqual({key: self.status()[key] for key in ("spam", "ham", "tokens")}, {key: before[key] for key in ("spam", "ham", "tokens")})


class FromQuarantine(BayesCase):
    def held(self, subject, seed, mark=mails.GTUBE):
        text = letter(WORK, seed, subject).replace("\r\n\r\n", "\r\n\r\n" + mark + "\r\n", 1)
        self.assertEqual(self.box.send("alice@example.org", ["friend@example.net"], text)[-1][1], 250)
        self.wait_until(lambda: self.quarantine(subject=subject), f"{subject} in quarantine")
        return self.quarantine(subject=subject)[0]["id"]

    def test_deleting_and_releasing_teach_where_they_are_asked_to(self):
        spam, ham, quiet, gone = (self.held(f"kept {n}", n) for n in range(4))
        run = self.box.postsluice("quarantine", "delete", spam, "--spam", "--yes")
        self.assertIn("learned as spam", run.stdout)
        run = self.box.postsluice("release", ham, "--ham")
        self.assertIn("Learned as ham.", run.stdout)
        self.assertEqual(len(self.arrived("kept 1")), 1)
        self.assertEqual(self.box.postsluice("release", quiet).returncode, 0)
        self.assertEqual(self.box.postsluice("quarantine", "delete", gone, "--yes").returncode, 0)
        status = self.status()
        self.assertEqual((status["spam"], status["ham"]), (1, 1))


class ReleasedIsHam(FromQuarantine):
    OVERRIDES = BayesCase.OVERRIDES.replace("[bayes]", "[bayes]\nlearn_released = true")

    def test_deleting_and_releasing_teach_where_they_are_asked_to(self):
        elsewhere, plain = (self.held(f"sent {n}", n) for n in range(2))
        self.assertEqual(self.box.postsluice("release", elsewhere, "--redirect", "desk@example.com").returncode, 0)
        self.assertEqual(self.status()["ham"], 0)
        self.assertEqual(self.box.postsluice("release", plain).returncode, 0)
        self.assertEqual(self.status()["ham"], 1)
        virus = self.held("sent 2", 2, mails.EICAR)
        self.assertEqual(self.box.postsluice("release", virus, "--force", "--ham").returncode, 1)
        run = self.box.postsluice("release", virus, "--force")
        self.assertEqual((run.returncode, "Learned" in run.stdout), (0, False), run)
        self.assertEqual(self.status()["ham"], 1)


if __name__ == "__main__":
    unittest.main()
