# SPDX-License-Identifier: Apache-2.0
"""A check whose thread does not come back: the filter finishes what it can, ends as failed, and whoever watches over it starts it again
(systemd's Restart=on-failure; here a thread of the test). No mail is lost and none arrives twice."""

import subprocess
import threading
import time
import unittest

from support import SandboxCase, mails, sanitized

PARALLEL = True

LOGINS = ("alice@example.org", "bob@example.org", "carol@example.org", "dave@example.org")


class Supervisor:
    """Starts the filter again, a second after it failed, until close()."""

    def __init__(self, box):
        self.box, self.over, self.ends = box, threading.Event(), []
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self):
        while not self.over.wait(0.1):
            code = self.box.processes["contentfilter"].poll()
            if code is not None:
                self.ends.append(code)
                time.sleep(1)  # RestartSec
                self.box.start_daemon("contentfilter")

    def close(self):
        self.over.set()
        self.thread.join()


@unittest.skipIf(sanitized(), "strace and the sanitizers' threads do not go together")
class StuckCheck(SandboxCase):
    MAIN_CF = "minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\npostsluice_destination_concurrency_failed_cohort_limit = 1000\n"
    OVERRIDES = '[contentfilter]\ncheck_timeout = "1 second"\nspool_memory = "0 B"\nstop_timeout = "5 seconds"\n'

    def send_all(self, name):
        """What each account sends: a small message, and one whose checks have threads of their own."""
        for login in LOGINS:
            self.assertEqual(self.send(login, "friend@example.net", f"{name} small {login}")[-1][1], 250)
            text = mails.with_attachment(login, "friend@example.net", "data.bin", bytes(range(256)) * 400, f"{name} large {login}")
            self.assertEqual(self.box.send(login, "friend@example.net", text)[-1][1], 250)
        return {f"{name} {size} {login}" for size in ("small", "large") for login in LOGINS}

    def test_the_filter_ends_is_started_again_and_loses_nothing(self):
        wanted = self.send_all("before")
        self.wait_until(lambda: wanted <= {d.header("Subject")[0] for d in self.box.sink.deliveries}, "mail of a healthy filter")
        supervisor = Supervisor(self.box)
        self.addCleanup(supervisor.close)
        stuck = self.box.processes["contentfilter"].pid
        # Whoever reads a message's file for the first time is held for long; the checks read it on threads of the pool.
        tracer = subprocess.Popen(["strace", "-f", "-o", self.box.path("log/strace"), "-p", str(stuck), "-e", "trace=pread64",
                                   "-e", "inject=pread64:delay_enter=60000000:when=1"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            self.assertIn("attached", tracer.stderr.readline())
            wanted |= self.send_all("stuck")
            self.wait_until(lambda: supervisor.ends, "the end of the filter", 60)
        finally:
            tracer.terminate()
            tracer.wait(20)
            tracer.stderr.close()
        self.assertNotIn(0, supervisor.ends)
        self.assertTrue(all(code > 0 for code in supervisor.ends), f"by a signal: {supervisor.ends}")
        for words in ("thread-stuck", "a check hangs: ending, to be started again", "stopped"):
            self.assertIn(words, self.box.daemon_log("contentfilter"))
        wanted |= self.send_all("after")

        def all_there():
            self.box.flush()
            return wanted <= {d.header("Subject")[0] for d in self.box.sink.deliveries}
        self.wait_until(all_there, "every message")
        self.box.wait_queue_empty()
        self.assertEqual(sorted(d.header("Subject")[0] for d in self.box.sink.deliveries), sorted(wanted))
        status = self.box.postsluice("status", json_output=True)["contentfilter"]
        self.assertEqual((status["stuck"], status["pid"] != stuck), (False, True))


if __name__ == "__main__":
    unittest.main()
