# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each daemon under load: every accepted message arrives, complete; every counter is right."""

import signal
import smtplib
import threading
import time
import unittest

from support import SandboxCase, mails

LOGINS = ("alice@example.org", "bob@example.org", "carol@example.org", "dave@example.org")


class KillUnderLoad(SandboxCase):
    OVERRIDES = """
[policyd]
lease = "30 seconds"
[profile.bulk]
inherits = "default"
limits   = ["unlimited messages per minute", "100000 recipients per hour", "100000 recipients per day"]
[[assign]]
profile = "bulk"
login   = ["*@example.org"]
"""
    MAIN_CF = "minimal_backoff_time = 2s\nmaximal_backoff_time = 4s\nqueue_run_delay = 2s\n"
    MESSAGES, KILLS = 40, 5

    def load(self, kill):
        """Each login sends MESSAGES numbered messages, trying again on 4xx as a client does, and KILLS times meanwhile kill() runs. Noted
        are the stages at which they were put off: the command DATA, the message's end, or earlier."""
        accepted, lock, killed, held_up = {login: [] for login in LOGINS}, threading.Lock(), [], set()
        self.put_off = {login: [] for login in LOGINS}
        self.sending = lambda: len(held_up) < len(LOGINS)

        def sender(login):
            for number in range(self.MESSAGES):
                held_up.add(login)  # nobody is more than a sixth ahead of the kills
                self.wait_until(lambda: len(killed) >= number * (self.KILLS + 1) // self.MESSAGES - 1, "the kill")
                held_up.discard(login)
                for attempt in range(60):
                    try:
                        story = self.send(login, f"n{number}@example.net", f"{self.id()} {login} {number}", body=f"begin {number}\r\n" + "x" * 70 + "\r\nend\r\n")
                    except smtplib.SMTPDataError as error:
                        story = [("at DATA", error.smtp_code, "")]
                    except OSError:
                        story = [("", 451, "")]
                    if story[-1][1] == 250:
                        with lock:
                            accepted[login].append(number)
                        break
                    with lock:
                        self.put_off[login].append("at the end" if story[-1][0] == "DATA" else story[-1][0])
                    time.sleep(0.2)  # a client's pause before it tries again, not a wait for something to happen
            held_up.add(login)

        threads = [threading.Thread(target=sender, args=(login,)) for login in LOGINS]
        for thread in threads:
            thread.start()
        for part in range(1, self.KILLS + 1):
            due = part * self.MESSAGES * len(LOGINS) // (self.KILLS + 1)
            self.wait_until(lambda: sum(len(of) for of in accepted.values()) >= due, f"{due} messages")
            kill(part)
            killed.append(part)
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
        def kill(part):
            self.box.stop_daemon("contentfilter", signal.SIGKILL)
            self.box.start_daemon("contentfilter")

        self.check_all_arrived(self.load(kill))
        for login in LOGINS:
            self.assertEqual(self.usage(login)["recipients per day"], self.MESSAGES + self.before.get(login, 0), login)

    def test_policyd_killed(self):
        tries = lambda: sum(len(of) for of in self.put_off.values())

        def kill(part):
            before = tries()
            self.box.stop_daemon("policyd", signal.SIGKILL)
            if part % 2:  # every other time it stays away until a client was told so
                self.wait_until(lambda: tries() > before or not self.sending(), "a client that is put off")
            self.box.start_daemon("policyd")

        self.check_all_arrived(self.load(kill))
        # What policyd's death ended before DATA is released by its lease. After DATA the lease charges: whether Postfix took the message
        # is known to Postfix alone. So one that it put off at the end (it found no policyd there) is charged, and once more when it comes again.
        for login in LOGINS:
            used = lambda: self.usage(login)["recipients per day"] - self.before.get(login, 0)
            least = self.MESSAGES + self.put_off[login].count("at the end")
            most = least + self.put_off[login].count("at DATA")  # of these it may have said yes to DATA, or not
            self.assertGreaterEqual(used(), least, login)
            self.wait_until(lambda: used() <= most, f"{least} to {most} recipients of {login}")
            self.assertGreaterEqual(used(), least, login)

    def setUp(self):
        self.before = {}
        for login in LOGINS:
            try:
                self.before[login] = self.usage(login).get("recipients per day", 0)
            except Exception:  # never seen yet
                self.before[login] = 0


if __name__ == "__main__":
    unittest.main()
