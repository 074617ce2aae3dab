# SPDX-License-Identifier: Apache-2.0
"""systemd listens for policyd: a restart refuses no connection and puts no mail off, and what nobody would answer is named."""

import os
import socket
import subprocess
import tempfile
import threading
import time

from support import SandboxCase

PARALLEL = True

RESTARTS = 4


def request(instance):
    return (f"request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=127.0.0.1\nsender=alice@example.org\n"
            f"recipient=x@example.net\ninstance={instance}\nsasl_username=alice@example.org\n\n").encode()


class Hammer(threading.Thread):
    """Asks one question after the other, each on a connection of its own. Like smtpd it asks a second time where the connection
    was closed without an answer, and takes a connection that is refused for an error at once."""

    def __init__(self, path):
        super().__init__()
        self.path, self.stopped = str(path), threading.Event()
        self.answers, self.refused, self.unanswered = 0, 0, 0

    def ask(self, instance):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(self.path)
            got = b""
            try:
                connection.sendall(request(instance))
                while not got.endswith(b"\n\n"):
                    part = connection.recv(4096)
                    if not part:
                        break
                    got += part
            except (BrokenPipeError, ConnectionResetError):
                pass
            return got

    def run(self):
        number = 0
        while not self.stopped.is_set():
            number += 1
            try:
                got = self.ask(f"{id(self):x}.{number:x}.0") or self.ask(f"{id(self):x}.{number:x}.0")
                self.answers += got.startswith(b"action=")
                self.unanswered += not got
            except (ConnectionRefusedError, FileNotFoundError):
                self.refused += 1
                time.sleep(0.01)

    def stop(self):
        self.stopped.set()
        self.join(60)


def somebody_listens(path):
    """A socket file is there from bind(2) on; who connects before listen(2) is refused."""
    accepts = 0x10000  # __SO_ACCEPTCON
    with open("/proc/net/unix") as table:
        lines = [line.split() for line in table][1:]
    return any(line[-1] == path and int(line[3], 16) & accepts for line in lines)


class SocketActivation(SandboxCase):
    OVERRIDES = '[profile.default]\nlimits = ["unlimited recipients per day"]\n'
    KEEP_PROFILE = False

    def listen(self, path):
        if path.exists():
            path.unlink()
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(path))
        os.chmod(path, 0o666)
        listening.listen(1024)
        return listening

    def restart(self, times, listening, hammers):
        """Restarts while questions are asked, and lets each life answer some."""
        for _ in range(times):
            before = sum(one.answers for one in hammers)
            self.box.stop_daemon("policyd")
            self.box.start_daemon("policyd", listening=listening)
            self.wait_until(lambda: sum(one.answers for one in hammers) > before + 20, "answers after a restart")

    def hammered(self, path, times, listening):
        hammers = [Hammer(path) for _ in range(4)]
        for one in hammers:
            one.start()
        try:
            self.restart(times, listening, hammers)
        finally:
            for one in hammers:
                one.stop()
        return hammers

    def test_a_restart_refuses_no_connection(self):
        path = self.box.path("queue/postsluice/policyd")
        self.box.stop_daemon("policyd")
        listening = self.listen(path)
        self.box.start_daemon("policyd", listening=listening)
        hammers = self.hammered(path, RESTARTS, listening)
        self.assertEqual(sum(one.refused for one in hammers), 0)
        self.assertEqual(sum(one.unanswered for one in hammers), 0)

        with self.subTest("without systemd's socket the same hammer is refused: it would have noticed"):
            self.box.stop_daemon("policyd")
            listening.close()
            path.unlink()
            self.box.start_daemon("policyd")
            self.assertGreater(sum(one.refused for one in self.hammered(path, 1, None)), 0)

    def test_no_mail_is_put_off_while_policyd_starts_again(self):
        path = self.box.path("queue/postsluice/policyd")
        self.box.stop_daemon("policyd")
        listening = self.listen(path)
        self.box.start_daemon("policyd", listening=listening)
        stories, done = [], threading.Event()

        def submit():
            while not done.is_set():
                stories.append(self.send("alice@example.org", "bob@example.net", f"restart {len(stories)}"))

        sender = threading.Thread(target=submit)
        sender.start()
        try:
            for _ in range(RESTARTS):
                before = len(stories)
                self.box.stop_daemon("policyd")
                self.box.start_daemon("policyd", listening=listening)
                self.wait_until(lambda: len(stories) > before + 1, "mail after a restart", 60)
        finally:
            done.set()
            sender.join(120)
        self.assertEqual([step for story in stories for step in story if step[1] >= 300], [])
        self.assertNotIn("problem talking to server private/", self.box.log())
        listening.close()
        self.box.stop_daemon("policyd")
        path.unlink()
        self.box.start_daemon("policyd")

    def test_a_socket_that_is_in_no_entry_is_named(self):
        elsewhere = self.box.path("queue/postsluice/elsewhere")
        self.box.stop_daemon("policyd")
        listening = self.listen(elsewhere)
        self.box.start_daemon("policyd", listening=listening)
        self.assertRegex(self.box.daemon_log("policyd"), r"not in policyd\.listen.* sockets=1\b")
        self.assertEqual(self.send("alice@example.org", "bob@example.net", "still answered")[-1][1], 250)

    def test_the_first_question_starts_it_under_systemds_own_tool(self):
        with tempfile.TemporaryDirectory(prefix="postsluice-") as folder:
            os.chmod(folder, 0o755)
            os.makedirs(f"{folder}/etc")
            for name in ("state", "run"):
                os.mkdir(f"{folder}/{name}")
                os.chown(f"{folder}/{name}", self.box.uid, self.box.gid)
            with open(f"{folder}/etc/postsluice.toml", "w") as file:
                file.write(f'[state]\ndirectory = "{folder}/state"\n[control]\ndirectory = "{folder}/run"\n'
                           f'[policyd]\nlisten = ["unix:{folder}/policyd"]\n')
            daemon = subprocess.Popen(["systemd-socket-activate", "-l", f"{folder}/policyd", "setpriv", f"--reuid={self.box.uid}",
                                       f"--regid={self.box.gid}", "--clear-groups", "--", f"{self.box.build}/postsluice-policyd",
                                       "--config", f"{folder}/etc/postsluice.toml"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.wait_until(lambda: somebody_listens(f"{folder}/policyd"), "the socket")
                self.assertFalse(os.path.exists(f"{folder}/run/policyd.sock"))
                self.assertTrue(Hammer(f"{folder}/policyd").ask("1.1.0").startswith(b"action="))
                self.assertTrue(os.path.exists(f"{folder}/run/policyd.sock"))
            finally:
                daemon.terminate()
                self.assertEqual(daemon.wait(30), 0)
            self.assertTrue(os.path.exists(f"{folder}/policyd"), "systemd's socket is not ours to remove")
