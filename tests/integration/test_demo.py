# SPDX-License-Identifier: Apache-2.0
"""tests/support/demo, as `make demo` starts it: it tells its story, says whether all of it worked, and leaves nothing behind; with
KEEP=1 it stays, says how to try it, and goes at Ctrl-C."""

import contextlib
import ctypes
import os
import pathlib
import re
import shlex
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from support import BUILD, ROOT, mails

PR_SET_CHILD_SUBREAPER = 36

# Of each step its heading, and the lines that say what came of it, in their order.
STORY = {
    "1. A clean message is delivered, signed twice": [
        r"S: 250 2.0.0 Ok: queued as \w+", "[ok] it arrived at the next hop", "Mail::DKIM says: pass a=rsa-sha256 d=example.org s=rsa1",
        "Mail::DKIM says: pass a=ed25519-sha256 d=example.org s=ed1", "[ok] RSA and Ed25519 signatures verified"],
    "2. Nobody sends under another's name": [
        r"S: 550 5.7.1 .* alice@example.org may send as anything at example.org, not as ceo@bank.example; see \S+ ref [0-9A-Z]{8}",
        "[ok] a forged reverse-path is refused", r"Reason +header-from-forbidden", "[ok] friend@example.net never saw it"],
    "3. A burst stops exactly at the limit": [
        "RCPT number 12: 250 ", r"RCPT number 13: 450 4.7.1 .* 12 of 12 recipients per hour used; next in \d+ s; see \S+ ref [0-9A-Z]{8}",
        "[ok] 48 recipients asked, 12 taken, 36 refused"],
    "4. Malware is quarantined, the stolen account locked": [
        "[ok] program, GTUBE and EICAR are in quarantine", "[ok] what the account still had in the queue is in quarantine too",
        r"S: 450 4.7.1 .* mallory@example.org is locked until \S+ \(2 virus\)", "[ok] abuse@example.org stays reachable",
        "[ok] a mail to abuse@example.org told of the lock", "mallory@example.org is open again",
        r"Released [0-9A-Z]{8}, signed and handed on for friend@example.net", "[ok] released from quarantine, delivered, signed"],
    "5. Local users are filtered under their uid": [
        "account=uid:65534 .* proof=uid verdict=pass", "[ok] EICAR is quarantined under account uid:65534",
        "[ok] uid 65534 connects to queue/public/postsluice-reentry: Permission denied"],
    "6. The operator's view": ["postsluice-policyd .* up", "bob@example.org +burst", "[ok] accounts, use against limits, locks, verdicts"],
}


def listening(address):
    """The TCP ports that somebody listens on at an address of this machine."""
    inverted = socket.inet_aton(address)[::-1].hex().upper()
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sorted(int(row[1][9:], 16) for row in rows if row[3] == "0A" and row[1][:8] == inverted)


class Demo(unittest.TestCase):
    """What the demo starts and does not stop becomes a child of this process, whatever session it made for itself."""

    @classmethod
    def setUpClass(cls):
        cls.libc = ctypes.CDLL(None, use_errno=True)
        assert cls.libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

    @classmethod
    def tearDownClass(cls):
        cls.libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def setUp(self):
        self.scratch = tempfile.mkdtemp(prefix="demo-")
        os.chmod(self.scratch, 0o755)
        self.addCleanup(shutil.rmtree, self.scratch)

    def begin(self, *options, build=BUILD):
        """The demo in a session of its own, as a terminal starts it; what it says is gathered in self.said."""
        self.said, self.changed = "", threading.Condition()
        self.demo = subprocess.Popen([ROOT / "tests/support/demo", "--build", build, *options], cwd=ROOT, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                     env=dict(os.environ, TMPDIR=self.scratch),
                                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        self.addCleanup(self.end_by_force)
        self.reader = threading.Thread(target=self.listen)
        self.reader.start()

    def listen(self):
        with self.demo.stdout:
            for line in self.demo.stdout:
                with self.changed:
                    self.said += line
                    self.changed.notify_all()

    def end_by_force(self):
        if self.demo.poll() is None:
            self.demo.terminate()
            try:
                self.demo.wait(60)
            except subprocess.TimeoutExpired:
                self.demo.kill()
                self.demo.wait()
        self.reader.join()

    def wait_for(self, text, timeout=300):
        with self.changed:
            self.assertTrue(self.changed.wait_for(lambda: text in self.said or self.demo.poll() is not None, timeout), self.said)
        self.assertIn(text, self.said)

    def wait_end(self):
        status = self.demo.wait(300)
        self.reader.join()
        return status

    def where(self):
        """Its address and its directory, as it says them itself."""
        return re.search(r"both daemons and a sink on ([\d.]+), in (/\S+/postsluice-\w+)$", self.said, re.MULTILINE).groups()

    def children(self):
        """Those that are alive; who ended is let go."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return []
        pids = []
        for task in pathlib.Path("/proc/self/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a thread that was joined may take a moment to be gone
                pids += (task / "children").read_text().split()
        return [pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in pids]

    def assert_nothing_is_left(self):
        address, directory = self.where()
        deadline = time.monotonic() + 90
        while self.children() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.children(), [])
        self.assertEqual(os.listdir(self.scratch), [])
        self.assertEqual(listening(address), [])
        self.assertNotIn(directory, pathlib.Path("/proc/net/unix").read_text())

    def test_it_tells_its_story_and_leaves_nothing(self):
        self.begin()
        self.wait_for("1. A clean message")
        address, directory = self.where()
        self.assertEqual(listening(address), [25, 465, 587, 2525])  # as assert_nothing_is_left() would see it
        self.assertEqual([os.path.join(self.scratch, name) for name in os.listdir(self.scratch)], [directory])
        self.assertGreater(len(self.children()), 1)  # the demo, and Postfix's master at least
        status = self.wait_end()
        self.assertEqual(status, 0, self.said)
        self.assertRegex(self.said, r"\nAll of it worked, in \d+ s\. Everything that was started is stopped; only packages stay\.\n$")
        self.assertNotIn("FAILED", self.said)
        steps = re.split(r"^(?=\d\. )", self.said, flags=re.MULTILINE)[1:]
        self.assertEqual(len(steps), len(STORY), self.said)
        for step, (heading, lines) in zip(steps, STORY.items()):
            self.assertTrue(step.startswith(heading), step)
            at = 0
            for line in lines:
                found = re.compile(re.escape(line) if line.startswith("[ok]") else line).search(step, at)
                self.assertTrue(found, f"{line!r} does not stand there, or not in its order, in\n{step}")
                at = found.end()
        self.assert_nothing_is_left()

    def test_with_keep_it_stays_as_it_says_and_goes_at_ctrl_c(self):
        self.begin("--keep")
        self.wait_for("Press Ctrl-C here to stop and remove all of it.")
        self.assertIsNone(self.demo.poll())
        tries = self.said[self.said.index("Left running"):]
        port, login, password = re.search(r"submission port +([\d.]+:\d+) .* for example (\S+), password (\S+)", tries).groups()
        with smtplib.SMTP(*port.split(":"), local_hostname="client.example.org", timeout=120) as session:
            session.starttls(context=ssl._create_unverified_context())
            session.login(login, password)
            self.assertEqual(session.sendmail(login, ["friend@example.net"], mails.plain(login, "friend@example.net")), {})
        operator = re.search(r"operator +(.+)", tries).group(1)
        run = subprocess.run(shlex.split(operator), capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run)
        self.assertIn(login, run.stdout)
        for what in (r"configuration +(\S+)", r"Postfix .*log: (\S+)", r"daemons' logs +(\S+), ", r"daemons' logs +\S+, (\S+)"):
            self.assertTrue(pathlib.Path(re.search(what, tries).group(1)).is_file(), what)
        run = subprocess.run(shlex.split(re.search(r"Postfix +(postfix -c \S+ status)", tries).group(1)), stdin=subprocess.DEVNULL)
        self.assertEqual(run.returncode, 0)
        os.killpg(self.demo.pid, signal.SIGINT)  # a terminal tells all of them
        self.assertEqual(self.wait_end(), 0, self.said)
        self.assert_nothing_is_left()

    def test_who_stops_it_half_way_has_nothing_left(self):
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, None)):
            with self.subTest(number):
                self.begin()
                self.wait_for("2. Nobody sends under another's name")
                if number == signal.SIGTERM:
                    self.demo.terminate()
                else:
                    os.killpg(self.demo.pid, number)
                ended = self.wait_end()
                self.assertEqual(ended, status) if status else self.assertNotEqual(ended, 0)
                self.assertNotIn("All of it worked", self.said)
                self.assert_nothing_is_left()

    def test_a_build_that_is_not_there_is_said_and_is_a_failure(self):
        self.begin(build="/nonexistent")
        self.assertEqual(self.wait_end(), 1, self.said)
        self.assertIn("/nonexistent", self.said)
        self.assertEqual((self.children(), os.listdir(self.scratch)), ([], []))


if __name__ == "__main__":
    unittest.main()
