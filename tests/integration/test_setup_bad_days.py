# SPDX-License-Identifier: Apache-2.0
"""Bad days of `postsluice setup`: whatever happens to it, a Postfix that works is left."""

import os
import subprocess
import time
import unittest

from setup_support import SetupCase
from support import mails

PARALLEL = True


class BadDays(SetupCase):
    def assert_works(self, subject):
        story = self.send("alice@example.org", "friend@example.net", subject)
        self.assertEqual(story[-1][1], 250, story)
        self.assertEqual(len(self.arrived(subject)), 1)

    def test_killed_between_main_cf_and_master_cf_mail_goes_on(self):
        # The renames before: the trial's link, four copies, the journal; test_setup_struck.py strikes at each.
        run = self.setup_command("--apply", before=["strace", "-qq", "-o", str(self.box.path("log/strace")), "-e", "trace=rename",
                                                    "-e", "inject=rename:signal=KILL:when=8"])
        self.assertNotEqual(run.returncode, 0)
        self.assertEqual([name for name, text in self.files().items() if text != self.files_before[name]], ["main.cf"])
        subprocess.run(["postfix", "-c", str(self.config), "reload"], check=True, capture_output=True)  # an admin, or a reboot
        self.assert_works("killed")
        self.undo()
        self.assert_as_before()
        self.assertEqual(self.files(), self.files_before)
        self.assert_works("taken back")

    def test_a_main_cf_that_is_immutable(self):
        if subprocess.run(["chattr", "+i", str(self.config / "main.cf")], capture_output=True).returncode != 0:
            self.skipTest("this file system knows no immutable files")
        try:
            run = self.setup_command("--apply")
        finally:
            subprocess.run(["chattr", "-i", str(self.config / "main.cf")], check=True)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assert_as_before()
        self.assert_works("immutable")

    def test_edited_by_hand_since(self):
        self.apply()
        subprocess.run(["postconf", "-c", str(self.config), "-e", "smtpd_banner=edited", "relay_domains=example.com"], check=True)
        master = self.config / "master.cf"
        text = master.read_text().replace("60      1       pickup", "59      1       pickup", 1)
        text += "\n# mine\nmine unix - - n - - discard\n"
        master.write_text(text)
        self.assertIn("Nothing to change", self.apply())
        self.undo()
        wanted_main = self.before[0] + "relay_domains = example.com\nsmtpd_banner = edited\n"
        now = self.postfix_state()
        self.assertEqual(sorted(now[0].splitlines()), sorted(wanted_main.splitlines()))
        self.assertIn("59", now[1])
        self.assertIn("mine", now[1])
        for ours in ("postsluice_", "postsluice:", "postsluice-reentry"):
            self.assertNotIn(ours, "".join(now))
        self.assertIn("# mine\n", master.read_text())
        self.assert_works("edited")
        for name, content in self.files_before.items():
            (self.config / name).write_bytes(content)
        subprocess.run(["postfix", "-c", str(self.config), "reload"], check=True, capture_output=True)

    def test_a_master_cf_that_master_would_not_read_is_refused_before_anything_is_changed(self):
        master = self.config / "master.cf"
        for line in ("broken unix - - n\n", "broken unix - - n x - discard\n", "broken unux - - n - - discard\n"):
            with self.subTest(line):
                master.write_bytes(self.files_before["master.cf"] + line.encode())
                try:
                    run = self.setup_command("--apply")
                    self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
                    self.assertFalse(self.state_directory.exists())
                    self.assertEqual(master.read_bytes(), self.files_before["master.cf"] + line.encode())
                finally:
                    master.write_bytes(self.files_before["master.cf"])

    def test_while_postfix_is_stopped(self):
        self.box.stop_postfix()
        try:
            self.assertIn("Postfix is not running", self.apply())
        finally:
            self.box.start_postfix()
        self.box._wait_for_submission()
        self.mail_arrives("started with it", signed=True)
        self.box.stop_postfix()
        try:
            self.undo()
        finally:
            self.box.start_postfix()
        self.box._wait_for_submission()
        self.assert_as_before()
        self.mail_arrives("started without it", signed=False)

    def test_a_daemon_that_is_down(self):
        self.box.stop_daemon("contentfilter")
        try:
            run = self.setup_command("--apply")
            self.assertEqual(run.returncode, 4, run.stdout + run.stderr)
            self.assert_as_before()
        finally:
            self.box.start_daemon("contentfilter")

    def test_a_policyd_that_postfix_may_not_reach_fails_the_trial(self):
        directory = self.box.path("queue/postsluice")
        os.chmod(directory, 0o700)
        try:
            run = self.setup_command("--apply")
        finally:
            os.chmod(directory, 0o2750)
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assertIn("Postfix does not reach policyd", run.stderr)
        self.assert_as_before()
        self.assert_works("trial failed")

    def test_what_is_queued_for_the_filter_keeps_its_way(self):
        self.apply()
        self.box.stop_daemon("contentfilter")
        try:
            self.send("alice@example.org", "friend@example.net", "queued for the filter")
            self.wait_until(lambda: any(m["queue_name"] == "deferred" for m in self.box.queue()), "a deferred message")
            said = self.undo()
            self.assertIn("1 queued message to go through the filter", said)
            self.assertIn("postsluice setup --undo", said)
            names = self.postfix_state()[1]
            self.assertIn("postsluice-reentry", names)
            self.assertNotIn("content_filter=postsluice", names)
            self.mail_arrives("past the filter", signed=False)
            # It waits for what is under way, as long as it is told to.
            self.assertGreater(self.seconds_of_undo("15 seconds"), self.seconds_of_undo("1 second") + 5)
        finally:
            self.box.start_daemon("contentfilter")
        self.box.flush()
        self.assertTrue(self.box.verify_dkim(self.arrived("queued for the filter")[0].content)[1])
        self.box.wait_queue_empty()
        self.assertIn("Taken back", self.undo())
        self.assert_as_before()
        self.assertEqual(self.files(), self.files_before)

    def seconds_of_undo(self, drain_timeout):
        text = self.box.config_file.read_text()
        self.box.config_file.write_text(f'{text}\n[setup]\ndrain_timeout = "{drain_timeout}"\n')
        try:
            began = time.monotonic()
            self.undo()
            return time.monotonic() - began
        finally:
            self.box.config_file.write_text(text)

    def test_a_session_from_before_keeps_its_way(self):
        self.apply()
        with self.box.submit_session("alice@example.org") as session:
            session.mail("alice@example.org")
            self.assertIn("1 smtpd process from before still with a client", self.undo())
            session.rcpt("friend@example.net")
            self.assertEqual(session.data(mails.plain("alice@example.org", "friend@example.net", "long session").encode())[0], 250)
        self.assertTrue(self.box.verify_dkim(self.arrived("long session")[0].content)[1])
        self.box.wait_queue_empty()
        self.wait_until(lambda: "Taken back" in self.undo(), "the end of that smtpd")
        self.assert_as_before()

    def test_without_root_it_shows_and_does_not_change(self):
        os.chmod(self.box.path("etc/postsluice"), 0o755)
        run = self.setup_command("--apply", before=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        self.assertEqual(run.returncode, 1)
        self.assertIn("needs root", run.stderr)
        self.assertIn("+++", run.stdout)

    def test_another_way_needs_the_first_to_be_taken_back(self):
        self.apply()
        run = self.setup_command("--way", "pipe", "--apply")
        self.assertEqual(run.returncode, 1)
        self.assertIn("--way lmtp", run.stderr)
        run = self.setup_command("--way", "carrier-pigeon")
        self.assertEqual(run.returncode, 2)
        self.undo()
        run = self.setup_command("--way", "pipe", "--apply")  # the filter does not listen for it
        self.assertEqual(run.returncode, 1)
        self.assertIn("config set contentfilter.listen_pipe", run.stderr)
        self.assert_as_before()


if __name__ == "__main__":
    unittest.main()
