# SPDX-License-Identifier: Apache-2.0
"""Mail that Postfix queues again (`postsuper -r`), before and behind the filter: who sent it stays known, and nothing is
counted, signed or delivered twice."""

import subprocess
import unittest

from support import SandboxCase, mails

PARALLEL = True


class Requeue(SandboxCase):
    OVERRIDES = '[contentfilter]\nno_ticket = "hold"\n'
    MAIN_CF = "minimal_backoff_time = 300s\nmaximal_backoff_time = 300s\nqueue_run_delay = 300s\n"

    def tearDown(self):
        self.box.sink.replies.clear()

    def requeue(self):
        subprocess.run(["postsuper", "-c", str(self.box.path("etc/postfix")), "-r", "ALL"], check=True, capture_output=True)
        self.box.flush()

    def lines(self, *words):
        """Of the messages that the filter was done with, one at least: a message may be at its goal before its line is written."""
        found = lambda: [line for line in self.box.daemon_log("contentfilter").splitlines() if " message " in line and all(word in line for word in words)]
        self.wait_until(found, f"a line with {words}")
        return found()

    def test_behind_the_filter_it_passes_without_a_ticket(self):
        self.box.sink.replies["dot"] = "450 4.2.0 later"
        self.send("alice@example.org", "friend@example.net", "requeued behind")
        self.wait_until(lambda: "450 4.2.0 later" in self.box.log(), "the sink's deferral")
        self.box.wait_deferred()
        ident = self.lines("account=alice@example.org")[-1].split(" queue_id=")[1].split()[0]
        self.box.sink.replies.clear()
        self.requeue()
        delivered = self.arrived("requeued behind")
        self.assertEqual(len(delivered), 1)
        again = self.lines("queue_id=" + ident, "proof=passed")
        self.assertEqual(len(again), 1, self.box.daemon_log("contentfilter"))
        self.assertIn("account=alice@example.org", again[0])
        self.assertIn("sign=already-signed", again[0])
        self.assertEqual(len(delivered[0].header("DKIM-Signature")), 2)
        self.assertEqual(self.quarantine(), [])
        self.assertEqual(self.usage("alice@example.org")["recipients per hour"], 1)  # a minute may be over by now

    def test_before_the_filter_its_ticket_still_counts(self):
        self.box.stop_daemon("contentfilter")
        self.send("bob@example.org", "friend@example.net", "requeued before")
        self.box.wait_deferred()
        self.box.start_daemon("contentfilter")
        self.requeue()
        delivered = self.arrived("requeued before")
        self.assertEqual(len(delivered), 1)
        self.assertEqual(len(self.lines("account=bob@example.org", "proof=ticket")), 1)
        self.assertEqual(len(delivered[0].header("DKIM-Signature")), 2)
        self.assertEqual(self.quarantine(), [])

    def send_local(self, subject):
        text = mails.plain("web@example.org", "friend@example.net", subject).replace("\r\n", "\n")
        run = self.box.sendmail(33, ["friend@example.net"], text)
        self.assertEqual(run.returncode, 0, run)

    def test_local_mail_behind_the_filter_passes_as_its_users(self):
        before = len(self.filter_lines("account=uid:33", "proof=uid"))
        self.box.sink.replies["dot"] = "450 4.2.0 local later"
        self.send_local("local behind")
        self.wait_until(lambda: "450 4.2.0 local later" in self.box.log(), "the sink's deferral")
        self.box.wait_deferred()
        first = self.filter_lines("account=uid:33", "proof=uid", least=before + 1)[-1]
        ident = first.split(" queue_id=")[1].split()[0]
        self.assertIn(f"{ident}: uid=33 ", self.box.log())  # as pickup says it
        self.box.sink.replies.clear()
        self.requeue()
        delivered = self.arrived("local behind")
        self.assertEqual(len(delivered), 1)
        again = self.lines("queue_id=" + ident, "proof=passed")
        self.assertEqual(len(again), 1, self.box.daemon_log("contentfilter"))
        self.assertIn("account=uid:33", again[0])
        self.assertIn("sign=already-signed", again[0])
        self.assertEqual(len(delivered[0].header("DKIM-Signature")), 2)
        self.assertEqual(self.quarantine(), [])

    def test_local_mail_before_the_filter_is_still_its_users(self):
        before = len(self.filter_lines("account=uid:33", "proof=uid"))
        self.box.stop_daemon("contentfilter")
        self.send_local("local before")
        self.box.wait_deferred()
        self.box.start_daemon("contentfilter")
        self.requeue()
        delivered = self.arrived("local before")
        self.assertEqual(len(delivered), 1)
        line = self.filter_lines("account=uid:33", "proof=uid", least=before + 1)[-1]
        self.assertIn(f"{line.split(' queue_id=')[1].split()[0]}: uid=33 ", self.box.log())
        self.assertEqual(len(delivered[0].header("DKIM-Signature")), 2)
        self.assertEqual(self.quarantine(), [])


if __name__ == "__main__":
    unittest.main()
