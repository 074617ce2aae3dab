# SPDX-License-Identifier: Apache-2.0
"""What the filter promises about a message that comes in slices, or over which it dies, through a real Postfix."""

import array
import ctypes
import fcntl
import os
import pathlib
import re
import signal
import termios
import unittest

from support import SandboxCase, mails

WORKER_CHANNEL = 3  # contentfilter/worker/protocol.hpp
PIDFD_GETFD = 438

MAIN_CF = "minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n"


class Slices(SandboxCase):
    """Postfix hands a message of 120 recipients over in three transactions."""

    MAIN_CF = MAIN_CF
    OVERRIDES = '[[assign]]\nprofile = "bounced"\naccount = ["uid:*"]\n[profile.bounced]\ninherits = "default"\nsymbols = { GTUBE = { action = "reject" } }\n'
    RECIPIENTS = [f"r{n}@example.net" for n in range(120)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box.stop_postfix()
        main = cls.box.path("etc/postfix/main.cf")
        text = main.read_text()
        limit = "postsluice_destination_recipient_limit = 1000"
        assert limit in text
        main.write_text(text.replace(limit, limit.replace("1000", "50")))
        cls.box.start_postfix()
        cls.box._wait_for_submission()

    def transactions(self):
        return self.box.postsluice("status", json_output=True)["contentfilter"]["messages"]["total"]

    def test_clean_mail_arrives_once_at_each(self):
        before = self.transactions()
        self.assertEqual(self.send("alice@example.org", self.RECIPIENTS, "slices clean")[-1][1], 250)
        seen = lambda: [r for d in self.arrived("slices clean", 1, 1) for r in d.recipients]
        self.wait_until(lambda: len(seen()) >= 120, "all recipients", 60)
        self.box.wait_queue_empty()
        self.assertEqual(sorted(seen()), sorted(self.RECIPIENTS))
        self.assertEqual(self.transactions() - before, 3)

    def test_malware_is_one_entry_with_all_recipients_and_one_strike(self):
        before = self.transactions()
        text = mails.with_attachment("carol@example.org", "v@example.net", "a.txt", mails.EICAR.encode(), "slices eicar")
        self.box.send("carol@example.org", self.RECIPIENTS, text)
        self.wait_until(lambda: sum(len(e["recipients"]) for e in self.quarantine(account="carol@example.org")) >= 120, "the quarantine", 60)
        self.box.wait_queue_empty()
        entries = self.quarantine(account="carol@example.org")
        self.assertEqual(len(entries), 1)
        self.assertEqual(sorted(r.strip("<>") for r in entries[0]["recipients"]), sorted(self.RECIPIENTS))
        self.assertEqual(self.transactions() - before, 3)
        strikes = self.box.postsluice("account", "history", "carol@example.org", json_output=True)["strikes"]
        self.assertEqual(sum(s["weight"] for s in strikes), 1, strikes)

    def test_local_mail_that_is_refused_is_one_verdict_and_one_strike(self):
        verdicts = lambda: self.box.postsluice("status", json_output=True)["contentfilter"]["verdicts"].get("reject", 0)
        transactions, refused = self.transactions(), verdicts()
        text = mails.plain("web@example.org", "f@example.net", "slices local", body=mails.GTUBE + "\r\n").replace("\r\n", "\n")
        run = self.box.sendmail(33, self.RECIPIENTS, text)
        self.assertEqual(run.returncode, 0, run)
        bounces = lambda: [d.text() for d in list(self.box.sink.deliveries) if d.sender.startswith("<>") and "slices local" in d.text()]
        told = lambda: {r for text in bounces() for r in re.findall(r"Final-Recipient: rfc822; *(\S+)", text)}
        self.wait_until(lambda: len(told()) >= 120, "the bounces", 60)
        self.box.wait_queue_empty()
        self.assertEqual(sorted(told()), sorted(self.RECIPIENTS))
        self.assertEqual(len({reference for text in bounces() for reference in re.findall(r"\bref\s+([0-9A-Z]{8})\b", text)}), 1, bounces()[0])
        self.assertEqual((self.transactions() - transactions, verdicts() - refused), (3, 1))
        strikes = self.box.postsluice("account", "history", "uid:33", json_output=True)["strikes"]
        self.assertEqual(sum(s["weight"] for s in strikes), 1, strikes)


class DiedOver(SandboxCase):
    """kill -9 while a message is being looked at: after max_tries it is looked at no more."""

    MAIN_CF = MAIN_CF + "postsluice_destination_concurrency_failed_cohort_limit = 1000\n"
    OVERRIDES = '[contentfilter]\nmax_tries = 3\nafter_tries = "hold"\nworker_idle = "1 hour"\n'

    def workers(self):
        pid = self.box.processes["contentfilter"].pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        every = [int(e.name) for e in pathlib.Path("/proc").glob("[0-9]*") if self.parent(e) == str(pid)]
        return sorted(set(map(int, children)) | set(every))

    @staticmethod
    def parent(entry):
        try:
            return (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            return ""

    def signal_workers(self, number, which=None):
        for pid in which or self.workers():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    @staticmethod
    def is_asked(pid):
        """Whether a stopped worker has a request before it, that it would read if it ran."""
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        channel = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, process, WORKER_CHANNEL, 0)
        os.close(process)
        if channel < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        waiting = array.array("i", [0])
        fcntl.ioctl(channel, termios.FIONREAD, waiting)
        os.close(channel)
        return waiting[0] > 0

    def under_way_or_held(self):
        """Workers that do not answer keep the message under way. It is marked before any of them is asked."""
        def known():
            self.box.flush()
            return self.held() or any(map(self.is_asked, self.workers()))
        self.wait_until(known, "the message to be looked at", 60)
        return not self.held()

    def die(self):
        """The daemon is gone, and its workers with it; the next one has stopped workers before Postfix is back."""
        workers = self.workers()
        self.assertTrue(workers)
        self.box.stop_daemon("contentfilter", signal.SIGKILL)
        self.box.stop_postfix()
        self.signal_workers(signal.SIGKILL, workers)
        self.box.start_daemon("contentfilter")
        self.signal_workers(signal.SIGSTOP)
        self.box.start_postfix()
        self.box._wait_for_submission()

    def held(self):
        return self.quarantine(account="alice@example.org")

    def test_after_three_deaths_it_is_held_and_the_mail_behind_it_passes(self):
        attachment = bytes(range(256)) * 20
        text = mails.with_attachment("alice@example.org", "f@example.net", "data.bin", attachment, "deadly")
        self.signal_workers(signal.SIGSTOP)
        self.assertEqual(self.box.send("alice@example.org", "friend@example.net", text)[-1][1], 250)
        deaths = 0
        while deaths < 6 and self.under_way_or_held():
            self.die()
            deaths += 1
        self.signal_workers(signal.SIGCONT)
        self.assertEqual(deaths, 3, self.box.daemon_log("contentfilter")[-3000:])
        self.assertEqual([e["reason"] for e in self.held()], ["tried-too-often"])
        self.assertEqual(self.arrived("deadly", timeout=1), [])
        text = mails.with_attachment("bob@example.org", "f@example.net", "data.bin", attachment, "behind it")
        self.assertEqual(self.box.send("bob@example.org", "friend@example.net", text)[-1][1], 250)
        self.assertEqual(len(self.arrived("behind it")), 1)

    def test_workers_that_are_killed_are_replaced_and_their_mail_passes(self):
        for number in range(5):
            before = self.workers()
            self.assertTrue(before)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            text = mails.with_attachment("dave@example.org", "f@example.net", "data.bin", bytes(range(256)) * 20, f"worker {number}")
            self.assertEqual(self.box.send("dave@example.org", "friend@example.net", text)[-1][1], 250)
            self.box.flush()
            self.assertEqual(len(self.arrived(f"worker {number}", timeout=60)), 1)
        self.assertTrue(self.workers())
        for pid in self.workers():
            self.assertRegex(pathlib.Path(f"/proc/{pid}/status").read_text(), r"Seccomp:\s+2")


if __name__ == "__main__":
    unittest.main()
