# SPDX-License-Identifier: Apache-2.0
"""Held mail through a real Postfix: in quarantine until its time or a person comes, or in Postfix's own hold queue."""

import re
import shutil
import signal
import subprocess
import time
import unittest

from support import SandboxCase, mails

PARALLEL = True

HOLD = '[profile.default]\nsymbols = { GTUBE = { action = "hold" } }\n'


class HoldCase(SandboxCase):
    def hold(self, login, subject, recipients=("friend@example.net",)):
        text = mails.plain(login, recipients[0], subject, body=mails.GTUBE + "\r\n")
        self.assertEqual(self.box.send(login, list(recipients), text)[-1][1], 250)

    def held(self, subject):
        return self.quarantine(subject=subject)

    def restart(self, how=signal.SIGTERM):
        self.box.stop_daemon("contentfilter", how)
        self.box.start_daemon("contentfilter")


class InItsTime(HoldCase):
    OVERRIDES = HOLD + 'hold_release = "12 seconds"\n[quarantine]\nrelease_retry = "2 seconds"\n'

    def test_it_leaves_in_its_time_signed_over_a_kill(self):
        self.hold("alice@example.org", "timed one")
        self.wait_until(lambda: self.held("timed one"), "the hold")
        entry = self.held("timed one")[0]
        self.assertTrue(entry["held"])
        self.assertIsNotNone(entry["release_at"])
        self.wait_until(lambda: self.box.postsluice("why", entry["id"]).returncode == 0, "its event, which comes after the entry")
        self.restart(signal.SIGKILL)
        self.assertEqual(len(self.held("timed one")), 1)
        arrived = self.arrived("timed one")
        self.assertEqual(len(arrived), 1)
        self.assertTrue(self.box.verify_dkim(arrived[0].content)[1])
        self.wait_until(lambda: not self.held("timed one"), "the end of its entry")
        self.restart()
        self.assertEqual(len(self.arrived("timed one")), 1)

    def test_it_stays_where_an_operator_says_so_and_leaves_by_hand(self):
        self.hold("bob@example.org", "timed kept")
        self.wait_until(lambda: self.held("timed kept"), "the hold")
        entry = self.held("timed kept")[0]
        self.assertEqual(self.box.postsluice("quarantine", "keep", entry["id"]).returncode, 0)
        self.hold("bob@example.org", "timed next")
        self.assertEqual(len(self.arrived("timed next")), 1)  # its time was later
        self.assertIsNone(self.held("timed kept")[0]["release_at"])
        self.assertEqual(self.box.postsluice("release", entry["id"]).returncode, 0)
        self.assertEqual(len(self.arrived("timed kept")), 1)

    def test_mail_of_a_locked_account_waits_for_the_unlock(self):
        self.hold("carol@example.org", "timed locked")
        self.wait_until(lambda: self.held("timed locked"), "the hold")
        self.assertEqual(self.box.postsluice("lock", "carol@example.org", "--why", "test").returncode, 0)
        self.wait_until(lambda: "not released: the account is locked" in self.box.daemon_log("contentfilter"), "its time")
        self.assertEqual(len(self.held("timed locked")), 1)
        self.assertEqual(self.box.postsluice("unlock", "carol@example.org").returncode, 0)
        self.assertEqual(len(self.arrived("timed locked")), 1)

    def test_a_dead_next_hop_delays_it(self):
        real = self.box.path("queue/public/postsluice-reentry")
        self.hold("dave@example.org", "timed delayed")
        self.wait_until(lambda: self.held("timed delayed"), "the hold")
        real.rename(real.with_name("away"))
        try:
            self.wait_until(lambda: "done=released-in-time" in self.box.daemon_log("contentfilter") and any(
                "done=released-in-time" in line and "trouble=" in line for line in self.box.daemon_log("contentfilter").splitlines()), "the first try")
            self.assertEqual(len(self.held("timed delayed")), 1)
        finally:
            real.with_name("away").rename(real)
        self.assertEqual(len(self.arrived("timed delayed")), 1)


class KilledOverReleases(HoldCase):
    """kill -9 again and again while held mail is released: each message arrives, and hardly one twice."""

    OVERRIDES = HOLD + 'hold_release = "8 seconds"\n[quarantine]\nrelease_retry = "1 second"\n' + """
[profile.bulk]
inherits = "default"
limits   = ["unlimited messages per minute", "100000 recipients per hour", "100000 recipients per day"]
lock     = { after = ["1000 spam"], for = "30 minutes" }
[[assign]]
profile = "bulk"
login   = ["alice@example.org"]
"""
    MESSAGES = 40

    def test_every_message_arrives(self):
        with self.box.submit_session("alice@example.org") as session:
            for n in range(self.MESSAGES):
                session.sendmail("alice@example.org", ["friend@example.net"],
                                 mails.plain("alice@example.org", "friend@example.net", f"killed {n}.", body=mails.GTUBE + "\r\n"))
        arrived = lambda: [d.header("Subject")[0] for d in self.box.sink.deliveries if d.header("Subject") and d.header("Subject")[0].startswith("killed ")]
        wanted = {f"killed {n}." for n in range(self.MESSAGES)}
        # What is on its way into the filter when it is killed waits for Postfix's next try, and may have been taken all the same.
        known = set()

        def all_taken():
            known.update(arrived(), (e["subject"] for e in self.quarantine()))
            return wanted <= known
        self.wait_until(all_taken, "the filter to have them all")
        # A message whose reply a kill takes along stays in Postfix's queue until its next try, in minutes.
        told = lambda: len(re.findall(r"postfix/to-filter/\S+ .* status=sent ", self.box.log()))
        self.wait_until(lambda: told() >= self.MESSAGES, "Postfix to know it")
        kills, deadline = 0, time.monotonic() + 300
        while set(arrived()) < wanted and time.monotonic() < deadline:
            before = len(arrived())
            end = time.monotonic() + 4
            while len(arrived()) <= before + 3 and time.monotonic() < end:
                time.sleep(0.01)
            if kills < 6 and len(arrived()) > before:
                self.restart(signal.SIGKILL)
                kills += 1
        self.assertEqual(set(arrived()), wanted)
        self.assertGreater(kills, 0)
        self.wait_until(lambda: not self.quarantine(account="alice@example.org"), "an empty quarantine")
        self.box.wait_queue_empty()
        # A kill may come between the next hop's reply and our record of it, once for each kill: SMTP knows no better.
        self.assertLessEqual(len(arrived()) - self.MESSAGES, kills)


class HoldQueue(HoldCase):
    OVERRIDES = HOLD + 'hold = "queue"\n'

    def on_hold(self):
        return [m for m in self.box.queue() if m["queue_name"] == "hold"]

    def postsuper(self, *arguments):
        subprocess.run(["postsuper", "-c", str(self.box.path("etc/postfix")), *arguments], check=True, capture_output=True)

    def test_postfix_keeps_it_on_hold_and_what_is_taken_off_goes_out_signed(self):
        self.hold("alice@example.org", "queue one", ["a@example.net", "b@example.net"])
        self.wait_until(self.on_hold, "the hold queue")
        mine = self.on_hold()
        self.assertEqual(len(mine), 1)
        self.assertEqual(sorted(r["address"] for r in mine[0]["recipients"]), ["a@example.net", "b@example.net"])
        self.assertEqual(self.quarantine(), [])
        self.send("bob@example.org", "friend@example.net", "queue other")
        self.assertEqual(len(self.arrived("queue other")), 1)  # only what is held is held
        self.assertEqual(self.arrived("queue one", timeout=1), [])
        self.box.flush()
        self.assertEqual(len(self.on_hold()), 1)
        self.postsuper("-H", mine[0]["queue_id"])
        self.box.flush()
        arrived = self.arrived("queue one")
        self.assertEqual(sorted(r for d in arrived for r in d.recipients), ["a@example.net", "b@example.net"])
        self.assertTrue(self.box.verify_dkim(arrived[0].content)[1])
        self.box.wait_queue_empty()
        self.assertIn("verdict=hold done=hold-queue", self.box.daemon_log("contentfilter"))

    def test_what_is_requeued_off_hold_passes_without_a_second_look(self):
        self.hold("carol@example.org", "queue requeued")
        self.wait_until(self.on_hold, "the hold queue")
        # By then it is known to have passed; Postfix has it on hold before.
        self.filter_lines("account=carol@example.org", "done=hold-queue", least=1)
        self.postsuper("-r", self.on_hold()[0]["queue_id"])
        self.box.flush()
        self.assertEqual(len(self.arrived("queue requeued", timeout=180)), 1)  # pickup looks once a minute

    def test_without_its_listener_it_waits_before_the_filter(self):
        real = self.box.path("queue/public/postsluice-hold")
        real.rename(real.with_name("away"))
        try:
            self.restart()  # with the connection that it kept
            self.hold("dave@example.org", "queue dead")
            self.box.wait_deferred()
            self.assertEqual(self.on_hold(), [])
        finally:
            real.with_name("away").rename(real)
        self.box.flush()
        self.wait_until(self.on_hold, "the hold queue")
        self.postsuper("-d", self.on_hold()[0]["queue_id"])
        self.assertEqual(self.arrived("queue dead", timeout=1), [])

    def test_doctor_sees_a_listener_that_does_not_hold(self):
        copy = self.box.path("etc/copy")
        shutil.copytree(self.box.path("etc/postfix"), copy)
        found = lambda: "hold-queue" in self.box.postsluice("doctor", "--postfix-config", str(copy)).stdout
        self.assertFalse(found())
        subprocess.run(["postconf", "-c", copy, "-P", "postsluice-hold/unix/smtpd_relay_restrictions=permit_mynetworks,reject"], check=True)
        self.assertTrue(found())
        subprocess.run(["postconf", "-c", copy, "-MX", "postsluice-hold/unix"], check=True)
        self.assertTrue(found())


if __name__ == "__main__":
    unittest.main()
