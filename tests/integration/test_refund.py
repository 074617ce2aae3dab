# SPDX-License-Identifier: Apache-2.0
"""Before the queue (smtpd_proxy_filter) END-OF-MESSAGE has charged an account when the filter answers: what is put off is given back,
and its sender may send as many messages as ever."""

import signal
import unittest

from support import SandboxCase

PARALLEL = True


class Story:
    EXAMPLE = "before-queue"
    KEEP_PROFILE = False
    OVERRIDES = """
[contentfilter]
spool_memory = "0 B"
[profile.default]
limits = ["5 messages per hour", "5 recipients per hour", "5 new recipients per hour", "100000 bytes per hour"]
"""

    def attempt(self, number, expected, login="alice@example.org"):
        story = self.send(login, f"friend{number}@example.net", f"{login} {number}")
        self.assertEqual(story[-1][1], expected, story)
        return story

    def in_use(self, login):
        return {name: used for name, used in self.usage(login).items() if used}

    def test_three_that_were_put_off_cost_nothing_and_the_limit_holds_as_ever(self):
        self.box.sink.clear()
        socket = self.box.path("queue/public/postsluice-reentry")
        aside = socket.with_name("aside")
        socket.rename(aside)
        try:
            self.box.stop_daemon("contentfilter")  # with the connection to the next hop that it kept
            self.box.start_daemon("contentfilter")
            for number in range(3):
                self.attempt(number, 451)
                self.wait_until(lambda: self.in_use("alice@example.org") == {}, "the charge to be taken back")
        finally:
            aside.rename(socket)
        for number in range(5):
            self.attempt(number, 250)
        self.assertEqual(self.usage("alice@example.org")["messages per hour"], 5)
        self.assertEqual(self.attempt(5, 450)[-1][0].split()[0], "RCPT")
        self.assertEqual(len(self.box.sink.wait(5, 90, lambda d: d.sender.startswith("<alice@example.org>"))), 5)
        log = self.box.daemon_log("contentfilter")
        self.assertEqual(log.count('put off account=alice@example.org charge="taken back"'), 3, log)

    def test_a_kill_of_the_filter_forgets_no_charge_that_waits_for_policyd(self):
        hop, control = self.box.path("queue/public/postsluice-reentry"), self.box.path("run/policyd.sock")
        moved = [(path, path.with_name("aside-" + path.name)) for path in (hop, control)]
        self.box.stop_daemon("contentfilter")
        self.box.start_daemon("contentfilter")
        for path, aside in moved:
            path.rename(aside)
        try:
            for number in range(2):
                self.attempt(number, 451, login="mallory@example.org")
            self.box.stop_daemon("contentfilter", signal.SIGKILL)
        finally:
            for path, aside in moved:
                aside.rename(path)
        self.assertEqual(self.usage("mallory@example.org")["messages per hour"], 2)
        self.box.start_daemon("contentfilter")
        self.wait_until(lambda: not self.in_use("mallory@example.org"), "the charges given back")
        self.wait_until(lambda: not self.box.path("state/refunds").exists(), "the end of the file of what waits")

    def test_what_finds_no_room_costs_nothing(self):
        spool = self.box.path("state/spool")
        aside = spool.with_name("aside")
        spool.rename(aside)
        try:
            for number in range(3):
                self.attempt(number, 452, login="dave@example.org")
                self.wait_until(lambda: self.in_use("dave@example.org") == {}, "the charge to be taken back")  # or later, if policyd is slow
        finally:
            aside.rename(spool)
        self.attempt(3, 250, login="dave@example.org")
        self.assertEqual(self.usage("dave@example.org")["messages per hour"], 1)

    def test_a_refusal_by_verdict_stays_charged(self):
        text = "From: someone@bank.example\r\nTo: friend@example.net\r\nSubject: forged\r\n\r\nhello\r\n"
        story = self.box.send("bob@example.org", "friend@example.net", text)
        self.assertEqual(story[-1][:2], ("DATA", 550), story)
        self.assertEqual(self.usage("bob@example.org")["messages per hour"], 1)

    def test_in_one_session_too(self):
        socket = self.box.path("queue/public/postsluice-reentry")
        aside = socket.with_name("aside")
        socket.rename(aside)
        try:
            self.box.stop_daemon("contentfilter")
            self.box.start_daemon("contentfilter")
            with self.box.submit_session("carol@example.org") as session:
                for number in range(7):  # more than the limit
                    session.mail("carol@example.org")
                    self.assertEqual(session.rcpt(f"friend{number}@example.net")[0], 250)
                    self.assertEqual(session.data(b"From: carol@example.org\r\nSubject: x\r\n\r\nhello\r\n")[0], 451)
        finally:
            aside.rename(socket)
        self.wait_until(lambda: self.in_use("carol@example.org") == {}, "the charges to be taken back")


class SpeedAdjust(Story, SandboxCase):
    pass


class LineByLine(Story, SandboxCase):
    MAIN_CF = "smtpd_proxy_options =\n"


if __name__ == "__main__":
    unittest.main()
