# SPDX-License-Identifier: Apache-2.0
"""What `policyd.durability` promises, seen from outside by strace: whether a reply waits for the disk, what a disk that cannot sync
does, and that a journal which was never written down counts after a kill."""

import contextlib
import re
import signal
import subprocess
import unittest

from support import sanitized
from test_bad_days_policyd import LIMIT, BadDay


class Durability(BadDay):
    def configure(self, durability):
        text = self.box.config_file.read_text()
        self.box.config_file.write_text(text.replace("[policyd]\n", f'[policyd]\ndurability = "{durability}"\n', 1))

    @contextlib.contextmanager
    def traced(self, *what):
        log = self.box.path("log/strace")
        log.unlink(missing_ok=True)
        tracer = subprocess.Popen(["strace", "-f", "-o", log, "-p", str(self.box.processes["policyd"].pid), *what],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            self.assertIn("attached", tracer.stderr.readline())
            yield log
        finally:
            tracer.terminate()
            tracer.wait(20)
            tracer.stderr.close()

    def calls(self):
        """The order in which the journal was written, a sync had ended, and the reply was sent, as letters."""
        with self.traced("-e", "trace=pwrite64,fdatasync,sendto,sendmsg") as log:
            self.assertRegex(self.ask("calls@example.org", 1), rb"DUNNO")
        letters = ""
        for line in log.read_text(errors="replace").splitlines():
            if "pwrite64(" in line and '"PSJ' in line:
                letters += "w"
            elif re.search(r"fdatasync.* = 0", line):
                letters += "s"
            elif "action=DUNNO" in line:
                letters += "r"
        return letters

    @unittest.skipIf(sanitized(), "strace and the sanitizers' threads do not go together")
    def test_a_synced_reply_comes_after_the_sync_of_its_journal(self):
        self.configure("sync")
        self.box.start_daemon("policyd")
        self.assertRegex(self.calls(), r"w.*s.*r")

    @unittest.skipIf(sanitized(), "strace and the sanitizers' threads do not go together")
    def test_by_default_a_reply_comes_after_the_write_of_its_journal(self):
        self.configure("background")
        self.box.start_daemon("policyd")
        self.assertRegex(self.calls(), r"w.*r")

    @unittest.skipIf(sanitized(), "strace and the sanitizers' threads do not go together")
    def test_a_disk_that_cannot_sync_is_trouble_and_then_it_goes_on(self):
        self.configure("sync")
        self.box.start_daemon("policyd")
        self.assertRegex(self.ask("a@example.org", 1), rb"DUNNO")
        with self.traced("-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"):
            self.assertRegex(self.ask("a@example.org", 2), rb"action=451 ")
        self.box.wait_until(lambda: b"DUNNO" in self.ask("a@example.org", 3), "an answer after the disk works again")

    def test_a_journal_that_was_not_written_down_counts_after_a_kill(self):
        self.configure("background")
        text = self.box.config_file.read_text()
        self.box.config_file.write_text(text.replace("[state]\n", '[state]\nsync_interval = "1 hour"\n', 1))
        self.box.start_daemon("policyd")
        for number in range(LIMIT):
            self.assertTrue(self.message("a@example.org", number))
        self.box.stop_daemon("policyd", signal.SIGKILL)
        self.box.start_daemon("policyd")
        self.assertIn("journal read", self.box.daemon_log("policyd"))
        self.assertRegex(self.ask("a@example.org", 99), rb"action=450 ")


if __name__ == "__main__":
    unittest.main()
