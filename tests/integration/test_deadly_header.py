# SPDX-License-Identifier: Apache-2.0
"""A message over whose header the filter dies, before it knows who sent it: it is recognised at its next try, and kept unread."""

import os
import pathlib
import subprocess
import unittest
import unittest.mock

from support import SandboxCase, mails, sanitized

PARALLEL = True
SHIM = pathlib.Path(__file__).resolve().parents[1] / "support" / "deadly_read.cpp"


class Deadly:
    MAIN_CF = ("minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n"
               "postsluice_destination_concurrency_failed_cohort_limit = 1000\n")
    OVERRIDES = '[contentfilter]\nspool_memory = "1 KiB"\nmax_tries = 2\nafter_tries = "pass"\n'
    DEATHS = 3  # two, and the one over the header that should have said who sent it

    @classmethod
    def setUpClass(cls):
        if sanitized():
            raise unittest.SkipTest("a sanitizer's library has to be the first that is loaded")
        super().setUpClass()
        cls.library = cls.box.path("deadly_read.so")
        subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O1", "-shared", "-fPIC", "-o", cls.library, SHIM, "-ldl"], check=True)
        cls.box.stop_daemon("contentfilter")
        cls.start()

    @classmethod
    def start(cls):
        with unittest.mock.patch.dict(os.environ, LD_PRELOAD=str(cls.library)):
            cls.box.start_daemon("contentfilter")

    def held(self):
        return self.quarantine(reason="tried-too-often")

    def has_died(self):
        return self.box.processes["contentfilter"].poll() is not None

    def deadly(self, login):
        return mails.plain(login, "friend@example.net", "deadly header", extra="X-Deadly: yes\r\n", body="a line of text\r\n" * 1500)

    def check_what_is_kept(self):
        self.assertEqual([(e["account"], e["subject"], e["held"]) for e in self.held()], [("-", "", True)])
        self.assertEqual([d for d in self.box.sink.deliveries if "deadly header" in d.header("Subject")], [])
        self.assertEqual(self.send("bob@example.org", "friend@example.net", "behind it", body="a line of text\r\n" * 1500)[-1][1], 250)
        self.assertEqual(len(self.arrived("behind it")), 1)


class AfterTheQueue(Deadly, SandboxCase):
    def test_it_is_kept_unread_and_the_mail_behind_it_passes(self):
        self.assertEqual(self.box.send("alice@example.org", "friend@example.net", self.deadly("alice@example.org"))[-1][1], 250)

        def decided():
            self.box.flush()
            return self.has_died() or self.held()
        deaths = 0
        while deaths < 6:
            self.wait_until(decided, "the message's next try")
            if not self.has_died():
                break
            deaths += 1
            self.start()
        self.assertEqual(deaths, self.DEATHS, self.box.daemon_log("contentfilter")[-3000:])
        self.check_what_is_kept()


class BeforeTheQueue(Deadly, SandboxCase):
    EXAMPLE = "before-queue"

    def test_the_clients_next_try_is_recognised(self):
        for _ in range(self.DEATHS):
            self.assertEqual(self.box.send("alice@example.org", "friend@example.net", self.deadly("alice@example.org"))[-1][1], 451)
            self.wait_until(self.has_died, "the filter's end")
            self.start()
        story = self.box.send("alice@example.org", "friend@example.net", self.deadly("alice@example.org"))
        self.assertEqual(story[-1][1], 250, story)
        self.assertFalse(self.has_died())
        self.check_what_is_kept()


if __name__ == "__main__":
    unittest.main()
