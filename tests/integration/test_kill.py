# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each daemon under load: every accepted message arrives, complete; every counter is right."""

import signal
import threading
import time
import unittest

from support import SandboxCase, mails

LOGINS = ("alice@example.org", "bob@example.org", "carol@example.org", "dave@example.org")


class KillUnderLoad(SandboxCase):
    OVERRIDES = """
[profile.bulk]
inherits = "default"
limits   = ["unlimited messages per minute", "100000 recipients per hour", "100000 recipients per day"]
[[assign]]
profile = "bulk"
login   = ["*@example.org"]
"""
    MAIN_CF = "minimal_backoff_time = 2s\nmaximal_backoff_time = 4s\nqueue_run_delay = 2s\n"
    MESSAGES = 40

    def load(self, kill):
        """Each login sends MESSAGES numbered messages, trying again on 4xx as a client does, while kill() runs."""
        accepted, lock = {login: [] for login in LOGINS}, threading.Lock()

        def sender(login):
            for number in range(self.MESSAGES):
                for attempt in range(60):
                    try:
                        story = self.send(login, f"n{number}@example.net", f"{self.id()} {login} {number}", body=f"begin {number}\r\n" + "x" * 70 + "\r\nend\r\n")
                    except OSError:
                        story = [("", 451, "")]
                    if story[-1][1] == 250:
                        with lock:
                            accepted[login].append(number)
                        break
                    time.sleep(0.2)  # a client's pause before it tries again, not a wait for something to happen

        threads = [threading.Thread(target=sender, args=(login,)) for login in LOGINS]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            kill()
            time.sleep(0.7)
        for thread in threads:
            thread.join()
        return accepted

    def check_all_arrived(self, accepted):
        wanted = {f"{self.id()} {login} {number}" for login, numbers in accepted.items() for number in numbers}
        self.assertEqual(len(wanted), self.MESSAGES * len(LOGINS))
        subjects = lambda: {d.header("Subject")[0] for d in self.box.sink.deliveries if d.header("Subject")}
        deadline = time.monotonic() + 90
        while not wanted <= subjects() and time.monotonic() < deadline:
            self.box.flush()
            time.sleep(1)
        self.assertEqual(wanted - subjects(), set(), "accepted messages that did not arrive")
        for delivery in self.box.sink.deliveries:
            if self.id() in "".join(delivery.header("Subject")):
                self.assertTrue(delivery.content.endswith(b"end\r\n"), "a message was cut")

    def test_contentfilter_killed(self):
        killed = []

        def kill():
            if len(killed) < 5:
                self.box.stop_daemon("contentfilter", signal.SIGKILL)
                self.box.start_daemon("contentfilter")
                killed.append(1)

        accepted = self.load(kill)
        self.assertGreaterEqual(len(killed), 3)
        self.check_all_arrived(accepted)
        for login in LOGINS:
            self.assertEqual(self.usage(login)["recipients per day"], self.MESSAGES + self.before.get(login, 0), login)

    def test_policyd_killed(self):
        killed = []

        def kill():
            if len(killed) < 5:
                self.box.stop_daemon("policyd", signal.SIGKILL)
                self.box.start_daemon("policyd")
                killed.append(1)

        accepted = self.load(kill)
        self.assertGreaterEqual(len(killed), 3)
        self.check_all_arrived(accepted)
        # A transaction that policyd's death aborted is released by its lease only; it may stand in the count until then,
        # and never less than what was accepted.
        for login in LOGINS:
            used = self.usage(login)["recipients per day"] - self.before.get(login, 0)
            self.assertGreaterEqual(used, self.MESSAGES, login)
            self.assertLessEqual(used, self.MESSAGES + 5 * 2, login)

    def setUp(self):
        self.before = {}
        for login in LOGINS:
            try:
                self.before[login] = self.usage(login).get("recipients per day", 0)
            except Exception:  # never seen yet
                self.before[login] = 0


if __name__ == "__main__":
    unittest.main()
