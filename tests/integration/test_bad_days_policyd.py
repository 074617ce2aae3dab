# SPDX-License-Identifier: Apache-2.0
"""policyd's bad days: whatever happens to its state directory, its peers or itself, it answers from the closed set, admits no
more than the limit, and says what is wrong."""

import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from support import BUILD, Sandbox, mails, sanitized

from policy_client import Client, request
from unwritable import unwritable

CLOSED_SET = re.compile(rb"action=(DUNNO|(450 4\.7\.1|550 5\.7\.1|451 4\.3\.0) [ -~]+|PREPEND [!-9;-~]+: [ -~]+|HOLD [ -~]+|WARN [ -~]+)\n\n")
LIMIT = 20
PROFILE = """
[profile.few]
inherits = "default"
limits = ["%d recipients per day"]
[[assign]]
profile = "few"
login = ["*"]
""" % LIMIT


class BadDay(unittest.TestCase):
    def setUp(self):
        self.box = Sandbox(BUILD, overrides=PROFILE)
        self.addCleanup(self.box.stop, keep=bool(os.environ.get("POSTSLUICE_KEEP")))

    def ask(self, login, number, **more):
        with Client(self.box) as client:
            got = client.ask(login, number, **more)
        self.assertRegex(got, CLOSED_SET)
        return got

    def message(self, login, number):
        """One whole transaction; whether its recipient was admitted and DATA went through."""
        with Client(self.box) as client:
            for state in ("RCPT", "DATA", "END-OF-MESSAGE"):
                got = client.ask(login, number, state=state)
                if not got:
                    return False
                self.assertRegex(got, CLOSED_SET)
                if re.match(rb"action=[45]", got):
                    return False
        return True

    def policyd(self):
        return self.box.processes["policyd"]


class State(BadDay):
    def test_state_deleted_under_the_daemon(self):
        self.box.start_daemon("policyd")
        self.assertTrue(self.message("a@example.org", 1))
        for entry in self.box.path("state").iterdir():
            # The daemon may be renaming its copy at this moment.
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink(missing_ok=True)
        for number in range(2, 2 * LIMIT):  # the open files live on: it answers, and counts on
            self.message("a@example.org", number)
        self.assertRegex(self.ask("a@example.org", 999), rb"action=45[01] ")
        self.assertIsNone(self.policyd().poll())

    def test_state_read_only_at_start_is_refused_with_its_name(self):
        state = self.box.path("state")
        os.chown(state, 0, 0)
        os.chmod(state, 0o555)
        with self.assertRaises(Exception):
            self.box.start_daemon("policyd")
        self.assertIn(str(state), self.box.daemon_log("policyd"))

    def test_state_full(self):
        state = self.box.path("state")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=3m,uid={self.box.uid},gid={self.box.gid},mode=0700", "none", state], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("no tmpfs can be mounted here: " + mounted.stderr.decode())
        try:
            try:
                self.box.start_daemon("policyd")
            except Exception:  # no room even to begin: then it has to say so
                self.assertRegex(self.box.daemon_log("policyd"), r"(?i)no space|full|room")
                return
            with open(state / "filler", "wb", buffering=0) as filler:
                try:
                    while filler.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            for number in range(400):  # new accounts need room: each gets an answer, and none kills the daemon
                self.ask(f"user{number}@example.org", number)
            self.assertIsNone(self.policyd().poll(), self.box.daemon_log("policyd")[-2000:])
            (state / "filler").unlink()
            self.box.wait_until(lambda: self.ask("later@example.org", 1).startswith(b"action=DUNNO"), "an admission after room is back")
        finally:
            self.box.stop_daemon("policyd")
            subprocess.run(["umount", state], check=True)


class ReadOnly(BadDay):
    """The kernel makes a file system read-only when its disk fails, under the daemon's hands."""

    def configure(self, text):
        before = self.told("configuration reloaded")
        self.box.path("etc/postsluice/conf.d/on_error.toml").write_text(text)
        self.policyd().send_signal(signal.SIGHUP)
        self.box.wait_until(lambda: self.told("configuration reloaded") > before, "the reload")

    def told(self, words):
        return self.box.daemon_log("policyd").count(words)

    def test_it_answers_as_configured_says_so_once_and_goes_on_when_it_can_write_again(self):
        self.box.start_daemon("policyd")
        self.assertTrue(self.message("a@example.org", 1))
        self.assertEqual(self.box.postsluice("lock", "locked@example.org", "--why", "by phone").returncode, 0)
        for turn, (policy, answer) in enumerate((("defer", rb"action=451 4\.3\.0 "), ("dunno", rb"action=DUNNO\n")), 1):
            self.configure(f'[policyd]\non_error = "{policy}"\n')
            with self.subTest(policy), unwritable(self.box, "policyd", self.box.path("state")) as files:
                for number in range(10):
                    self.assertRegex(self.ask(f"new{turn}-{number}@example.org", number), answer)
                    self.assertRegex(self.ask("a@example.org", 100 * turn + number), answer)
                self.assertRegex(self.ask("locked@example.org", 7), rb"action=450 4\.7\.1 .* is locked", "what can be read still counts")
                self.assertNotEqual(self.box.postsluice("lock", "b@example.org").returncode, 0)
                before = files.struck()
                self.box.wait_until(lambda: files.struck() > before + 5, "further tries")
                self.assertIsNone(self.policyd().poll())
            self.box.wait_until(lambda: self.message("later@example.org", turn), "an admission when it can write again")
            self.box.wait_until(lambda: self.told("the journal goes to its environment again") == turn, "the good news")
            for words in ("the journal cannot go to its environment", "sweep failed", "state sync failed"):
                self.assertLessEqual(self.told(words), turn, words)
            self.assertEqual(self.told("the journal cannot go to its environment"), turn)
        self.box.stop_daemon("policyd", signal.SIGKILL)  # what was admitted before, between and after is counted
        self.box.start_daemon("policyd")
        used = lambda login: [l["used"] for l in self.box.postsluice("account", "show", login, json_output=True)["use"] if l["subject"] == "recipients per day"]
        self.assertEqual((used("a@example.org"), used("later@example.org")), ([1], [2]))


class WriterLock(BadDay):
    def test_a_contentfilter_that_sleeps_on_the_writer_lock_of_the_shared_state_does_not_silence_policyd(self):
        """Stopped inside a commit, made certain: strace sends SIGSTOP as it syncs the shared state."""
        self.box.start()
        self.assertTrue(self.message("a@example.org", 1))
        filter_ = self.box.processes["contentfilter"]
        data = self.box.path("state/state/data.mdb")
        strace = subprocess.Popen(["strace", "-f", "-qq", "-o", self.box.path("log/strace"), "-p", str(filter_.pid), "-P", data,
                                   "-e", "trace=fdatasync", "-e", "inject=fdatasync:signal=SIGSTOP:when=1"], stdin=subprocess.DEVNULL)
        try:
            self.box.wait_until(lambda: self.status_of(filter_.pid, "TracerPid") != "0", "strace")
            virus = mails.with_attachment("bob@example.org", "friend@example.net", "a.txt", mails.EICAR.encode(), "held up")
            self.assertEqual(self.box.send("bob@example.org", "friend@example.net", virus)[-1][1], 250)
            self.box.wait_until(self.is_locked, "the filter asleep on the lock")
            for number in range(2, 12):
                began = time.monotonic()
                self.assertRegex(self.ask("a@example.org", number), CLOSED_SET)
                self.assertRegex(self.ask(f"new{number}@example.org", number), CLOSED_SET)
                self.assertLess(time.monotonic() - began, 5)
            self.assertTrue(self.is_locked(), "all the while")
            self.assertIsNone(self.policyd().poll())
        finally:
            strace.terminate()
            strace.wait(20)
            filter_.send_signal(signal.SIGCONT)
        self.assertTrue(self.message("a@example.org", 100), "and goes on when the lock is free")
        listing = lambda: self.box.postsluice("quarantine", "list", json_output=True)["entries"]
        self.box.wait_until(lambda: [e["subject"] for e in listing()] == ["held up"], "what the filter was about to do")

    @staticmethod
    def status_of(pid, field):
        return re.search(rf"^{field}:\s+(.*)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE).group(1)

    def is_locked(self):
        """Nobody else gets a write transaction within five seconds: a busy machine takes one to start the program that tries."""
        probe = subprocess.Popen(["mdb_load", str(self.box.path("state/state"))], stdin=subprocess.PIPE)
        try:
            probe.communicate(b"VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\nDATA=END\n", timeout=5)
            return False
        except subprocess.TimeoutExpired:
            return True
        finally:
            probe.kill()
            probe.wait()


class Connections(BadDay):
    def test_5000_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 12000:
            self.skipTest(f"RLIMIT_NOFILE is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (12000, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        path = self.box.config_file
        path.write_text(path.read_text().replace("[policyd]\n", "[policyd]\nmax_connections = 6000\n", 1))
        self.box.start_daemon("policyd")
        before = self.anonymous()
        clients = [Client(self.box) for _ in range(5000)]
        try:
            for number, client in enumerate(clients[::50]):
                self.assertRegex(client.ask(f"user{number}@example.org", number), CLOSED_SET)
            each = (self.anonymous() - before) / len(clients)
            if not sanitized():
                self.assertLess(each, 8192, "octets of memory a connection")
        finally:
            for client in clients:
                client.close()

    def anonymous(self):
        text = pathlib.Path(f"/proc/{self.policyd().pid}/smaps_rollup").read_text()
        return int(re.search(r"^Anonymous: +(\d+) kB", text, re.MULTILINE).group(1)) * 1024

    def test_a_client_that_sends_an_octet_at_a_time_is_answered_and_holds_up_nobody(self):
        self.box.start_daemon("policyd")
        with Client(self.box) as slow:
            for number, octet in enumerate(request("slow@example.org", 1)[:-1]):
                slow.socket.sendall(bytes([octet]))
                if number % 40 == 0:
                    began = time.monotonic()
                    self.ask("quick@example.org", 1000, instance=f"q.{number}")
                    self.assertLess(time.monotonic() - began, 5)
            slow.socket.sendall(b"\n")
            self.assertEqual(slow.answer(), b"action=DUNNO\n\n")

    def test_half_closed_connections_get_their_answer(self):
        self.box.start_daemon("policyd")
        for number in range(50):
            with Client(self.box) as client:
                client.socket.sendall(request("half@example.org", 1, instance=f"h.{number}"))
                client.socket.shutdown(socket.SHUT_WR)
                self.assertRegex(client.answer(), CLOSED_SET)
                self.assertEqual(client.socket.recv(1), b"")

    def test_a_client_that_does_not_read_holds_up_nobody(self):
        self.box.start_daemon("policyd")
        with Client(self.box) as deaf:
            deaf.socket.setblocking(False)
            sent = 0
            try:
                while sent < 4 << 20:
                    sent += deaf.socket.send(request("deaf@example.org", sent))
            except BlockingIOError:
                pass
            began = time.monotonic()
            self.ask("quick@example.org", 1)
            self.assertLess(time.monotonic() - began, 5)


class Kill(BadDay):
    def test_kill_9_in_a_loop_never_admits_more_than_the_limit(self):
        """Quota that was used is used after each kill: what a run admitted in all is never over the limit."""
        self.box.start_daemon("policyd")
        logins = [f"user{n}@example.org" for n in range(4)]
        through, stop = {login: 0 for login in logins}, threading.Event()

        def sender(index, login):
            number = index << 20
            while not stop.is_set():
                number += 1
                try:
                    through[login] += self.message(login, number)
                except OSError:  # nobody listens just now
                    time.sleep(0.02)

        threads = [threading.Thread(target=sender, args=pair) for pair in enumerate(logins)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(6):
                time.sleep(0.3)
                self.box.stop_daemon("policyd", signal.SIGKILL)
                self.box.start_daemon("policyd")
            time.sleep(1)
            self.box.wait_until(lambda: all(through.values()), "a message of each of them")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for index, login in enumerate(logins):
            number = (index << 20) + (1 << 19)
            while through[login] <= LIMIT and self.message(login, number):  # what is left: how far they came is the machine's affair
                through[login] += 1
                number += 1
            self.assertLessEqual(through[login], LIMIT, login)
            self.assertRegex(self.ask(login, 77), rb"action=450 ", "a limit that was reached stays reached")


if __name__ == "__main__":
    unittest.main()
