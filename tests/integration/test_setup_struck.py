# SPDX-License-Identifier: Apache-2.0
"""`postsluice setup` killed in the middle, on a full disk, on a disk that cannot be written: a Postfix that works is left.

Postfix itself is stopped meanwhile: each command takes a second then, and it can be struck at each of its steps. What is left is
a pair of files; each pair that is new is given to Postfix, which has to deliver mail with it.
"""

import unittest

from setup_support import SetupCase

PARALLEL = True


class Struck(SetupCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box.stop_postfix()
        cls.known = set()

    def strike(self, point, *words):
        """setup with one of its system calls struck, by strace: those of its children go on."""
        log = self.box.path("log/strace")
        return self.setup_command(*words, before=["strace", "-qq", "-o", str(log), "-e", "trace=rename,fsync,unlinkat", "-e", f"inject={point}"])

    def each_strike(self, call, how, *words, step=1):
        """Once for each time that the call is made; ends with the run that is not struck."""
        for when in range(1, 60, step):
            run = self.strike(f"{call}:{how}:when={when}", *words)
            if run.returncode == 0:
                return
            yield when, run
        self.fail(f"{call} is called more than 60 times")

    def assert_works(self):
        """Postfix delivers mail with the files that are there."""
        pair = tuple(self.files().items())
        if pair in self.known:
            return
        subject = f"pair {len(self.known)}"
        self.known.add(pair)
        self.box.start_postfix()
        try:
            self.box._wait_for_submission()
            story = self.send("alice@example.org", "friend@example.net", subject)
            self.assertEqual(story[-1][1], 250, story)
            self.assertEqual(len(self.arrived(subject)), 1)
            self.box.wait_queue_empty()
        finally:
            self.box.stop_postfix()

    def test_killed_in_the_middle_of_apply_it_is_undone_or_finished(self):
        finished = 0
        for when, _ in self.each_strike("rename", "signal=KILL", "--apply"):
            with self.subTest(when=when):
                self.assert_works()
                begun = self.state_directory.exists() and (self.state_directory / "state.json").exists()
                said = self.undo()
                self.assertIn("Taken back" if begun else "Nothing to take back", said)
                self.assertEqual(self.files(), self.files_before)
                self.assertEqual(self.postfix_state(), self.before)
                if not begun:
                    continue
                finished += 1
                self.assertNotEqual(self.strike(f"rename:signal=KILL:when={when}", "--apply").returncode, 0)
                shown = self.setup_command()
                self.assertEqual(shown.returncode, 0, shown.stderr)
                self.assertNotIn("corrupt", shown.stderr)
                self.apply_again()
                self.assert_works()
                self.assertEqual(self.setup_command().stdout.split(":")[0], "Nothing to change")
                self.undo()
                self.assertEqual(self.files(), self.files_before)
        self.undo()
        self.assertGreaterEqual(finished, 3)  # main.cf, master.cf, the journal's last word
        self.assertGreaterEqual(len(self.known), 3)
        self.assert_as_before()

    def apply_again(self):
        run = self.setup_command("--apply")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_killed_in_the_middle_of_undo_it_is_undone(self):
        struck = 0
        for call in ("rename", "unlinkat"):
            self.apply_again()
            for when, _ in self.each_strike(call, "signal=KILL", "--undo"):
                with self.subTest(call=call, when=when):
                    struck += 1
                    self.assert_works()
                    self.undo()
                    self.assert_as_before()
                    self.apply_again()
        self.assertGreaterEqual(struck, 5)
        self.assert_as_before()

    def test_a_file_that_cannot_be_written_changes_nothing(self):
        for when, run in self.each_strike("rename", "error=EROFS", "--apply"):
            with self.subTest(when=when):
                self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
                self.assertIn("Read-only file system", run.stderr)
                if "run this again" in run.stderr:  # only the journal's last word is missing
                    self.undo()
                self.assert_as_before()
                self.assertEqual(self.files(), self.files_before)
        self.undo()

    def test_a_full_disk_changes_nothing(self):
        for when, run in self.each_strike("fsync", "error=ENOSPC", "--apply", step=3):
            with self.subTest(when=when):
                self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
                if self.state_directory.exists():
                    self.undo()
                self.assertEqual(self.files(), self.files_before)
        self.undo()
        self.assert_as_before()


if __name__ == "__main__":
    unittest.main()
