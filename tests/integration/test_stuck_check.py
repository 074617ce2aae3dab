# SPDX-License-Identifier: Apache-2.0
"""A check whose thread does not come back: the filter finishes what it can, ends as failed, and whoever watches over it starts it again
(systemd's Restart=on-failure; here a thread of the test). No mail is lost and none arrives twice."""

import contextlib
import pathlib
import re
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
    OVERRIDES = '[contentfilter]\ncheck_timeout = "2 seconds"\nspool_memory = "0 B"\nstop_timeout = "3 seconds"\n'

    def send_all(self, name):
        """What each account sends: a small message, and one whose checks have threads of their own."""
        for login in LOGINS:
            self.assertEqual(self.send(login, "friend@example.net", f"{name} small {login}")[-1][1], 250)
            text = mails.with_attachment(login, "friend@example.net", "data.bin", bytes(range(256)) * 400, f"{name} large {login}")
            self.assertEqual(self.box.send(login, "friend@example.net", text)[-1][1], 250)
        return {f"{name} {size} {login}" for size in ("small", "large") for login in LOGINS}

    @contextlib.contextmanager
    def traced(self, *arguments):
        log = self.box.path("log/strace")
        log.unlink(missing_ok=True)
        tracer = subprocess.Popen(["strace", "-o", log, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True)
        try:
            self.assertIn("attached", tracer.stderr.readline())
            yield log
        finally:
            tracer.terminate()
            tracer.wait(20)
            tracer.stderr.close()

    def readers(self, pid):
        """The threads that read messages' files and serve no connections: those of the checks are among them."""
        with self.traced("-f", "-p", str(pid), "-e", "trace=pread64,epoll_wait") as log:
            wanted = self.send_all("before")
            self.wait_until(lambda: wanted <= {d.header("Subject")[0] for d in self.box.sink.deliveries}, "mail of a healthy filter")
        calls = {name: set(re.findall(rf"(?m)^(\d+) +{name}\(", log.read_text(errors="replace"))) for name in ("pread64", "epoll_wait")}
        return wanted, sorted(calls["pread64"] - calls["epoll_wait"])

    def test_the_filter_ends_is_started_again_and_loses_nothing(self):
        stuck = self.box.processes["contentfilter"].pid
        wanted, threads = self.readers(stuck)
        self.assertTrue(threads)
        supervisor = Supervisor(self.box)
        self.addCleanup(supervisor.close)
        held = [word for thread in threads for word in ("-p", thread)]
        with self.traced(*held, "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=60000000"):
            wanted |= self.send_all("stuck")
            # Of its main thread. What strace holds is gone only when strace lets go of it.
            state = lambda: pathlib.Path(f"/proc/{stuck}/stat").read_text().rsplit(")", 1)[1].split()[0]
            self.wait_until(lambda: state() == "Z", "the end of the filter", 60)
        self.wait_until(lambda: supervisor.ends, "the process's end", 60)
        self.assertEqual(supervisor.ends, [1])
        for words in ("thread-stuck", "a check hangs: ending, to be started again"):
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
