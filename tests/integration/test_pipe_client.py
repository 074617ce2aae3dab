# SPDX-License-Identifier: Apache-2.0
"""postsluice-pipe by itself, against a filter that does what it is told: 0, 75 or 77, whatever happens."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import BUILD

PARALLEL = True
PROGRAM = os.path.join(BUILD, "postsluice-pipe")
LATER, REFUSED = 75, 77


def stored_size(content):
    """What Postfix calls ${size}, for lines under 2048 octets: type, length and octets of each line's record."""
    return sum(len(line) + 1 + (2 if len(line) >= 128 else 1) for line in content.split(b"\n")[:-1])


class Filter:
    """Speaks LMTP to one client at a time. `replies`: by the command's first word, "dot" for the final dot; None hangs up,
    a number waits so many seconds."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="postsluice-pipe-")
        self.path = os.path.join(self.directory.name, "pipe")
        self.replies, self.commands, self.messages = {}, [], []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.directory.cleanup()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                with client, client.makefile("rwb") as stream:  # leaving it flushes too, and the client may be gone
                    self._talk(stream)
            except (OSError, ValueError):
                pass

    def _say(self, stream, what, default):
        text = self.replies.get(what, default)
        if text is None:
            return False
        if isinstance(text, (int, float)):
            time.sleep(text)
            return False
        stream.write(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        stream.flush()
        return True

    def _talk(self, stream):
        if not self._say(stream, "greeting", "220 test LMTP"):
            return
        recipients = 0
        while line := stream.readline():
            self.commands.append(line.rstrip(b"\r\n").decode())
            verb = line.split()[0].decode().upper()
            recipients += verb == "RCPT"
            if not self._say(stream, verb, {"DATA": "354 go", "LHLO": "250-test\r\n250 XFORWARD"}.get(verb, "250 2.0.0 Ok")):
                return
            if verb != "DATA":
                continue
            content = b""
            while (line := stream.readline()) != b".\r\n":
                if not line:
                    return
                content += line[1:] if line.startswith(b".") else line
            self.messages.append(content)
            for number in range(recipients):
                if not self._say(stream, f"dot{number}" if f"dot{number}" in self.replies else "dot", "250 2.0.0 Ok: queued as A"):
                    return


class PipeClient(unittest.TestCase):
    def setUp(self):
        self.filter = Filter()

    def tearDown(self):
        self.filter.close()

    def command(self, *more, size=None, recipients=("a@example.net",), sender="alice@example.org"):
        sizes = () if size is None else ("--size", str(size))
        return [PROGRAM, "--socket", self.filter.path, *sizes, "--timeout", "20", *more, "--sender", sender, "--", *recipients]

    def run_it(self, content=b"Subject: x\n\nhello\n", *more, **how):
        run = subprocess.run(self.command(*more, **how), input=content, capture_output=True, timeout=60)
        self.assertEqual(run.stderr, b"")
        return run.returncode, run.stdout.decode()

    def test_success_is_0_and_silent_and_the_message_is_whole(self):
        content = b"Subject: x\n\n.\n..two\n" + b"y" * 500 + b"\n\r\nlast"
        code, said = self.run_it(content, size=stored_size(content + b"\n"))
        self.assertEqual((code, said), (0, ""))
        self.assertEqual(self.filter.messages, [content.replace(b"\n", b"\r\n") + b"\r\n"])

    def test_macros_become_the_envelope(self):
        code, _ = self.run_it(b"x\n", "--queue-id", "4Q1", "--login", "al ice+=", "--client-address", "", "--client-name", "c.example.org",
                              "--client-helo", "-odd", recipients=("-a@example.net", '"b c"@example.net', "grüße@example.net"), sender="")
        self.assertEqual(code, 0)
        self.assertEqual(self.filter.commands, [
            "LHLO localhost", "XFORWARD IDENT=4Q1", "XFORWARD LOGIN=al+20ice+2B+3D", "XFORWARD NAME=c.example.org", "XFORWARD HELO=-odd",
            "MAIL FROM:<> BODY=8BITMIME SMTPUTF8", "RCPT TO:<-a@example.net>", 'RCPT TO:<"b c"@example.net>', "RCPT TO:<grüße@example.net>",
            "DATA"])

    def test_answers_become_exit_codes(self):
        rows = [
            ({"dot": "550 5.7.1 No; see https://example.org ref ABCD1234"}, REFUSED, "5.7.1 No; see https://example.org ref ABCD1234\n"),
            ({"dot": "554 5.4.6 Mail loop"}, REFUSED, "5.7.1 Mail loop\n"),
            ({"dot": "552 Too large"}, REFUSED, "5.7.1 Too large\n"),
            ({"dot": "550-5.7.1 one\r\n550 5.7.1 two"}, REFUSED, "5.7.1 two\n"),
            ({"dot": "550 5.7.1 \x1b[2Jx"}, REFUSED, "5.7.1 ?[2Jx\n"),
            ({"dot": "451 4.3.0 Later"}, LATER, "4.3.0 the filter said: 451 4.3.0 Later\n"),
            ({"dot0": "550 5.7.1 No"}, REFUSED,
             "5.7.1 Refused for 1 of 2 recipients, a@example.net first; the others were accepted, do not send to them again: No\n"),
            ({"dot0": "550 5.7.1 No", "dot1": "451 4.3.0 Later"}, LATER, "4.3.0 the filter said: 451 4.3.0 Later\n"),
            ({"dot1": "451 4.3.0 Later", "dot": "550 5.7.1 No"}, LATER, None),
            ({"dot": "354 what"}, LATER, None),
            ({"dot": None}, LATER, "4.3.0 the filter did not answer\n"),
            ({"dot": b"nonsense\r\n"}, LATER, None),
            ({"dot": b"x" * 10000}, LATER, None),
            ({"dot1": None}, LATER, None),
            ({"greeting": "554 5.7.1 Access denied"}, LATER, None),
            ({"greeting": "421 4.3.2 Stopping"}, LATER, None),
            ({"greeting": None}, LATER, None),
            ({"LHLO": "550 5.7.1 No"}, LATER, None),
            ({"XFORWARD": "550 5.7.1 No"}, LATER, None),
            ({"MAIL": "550 5.7.1 No"}, LATER, None),
            ({"RCPT": "550 5.1.1 No"}, LATER, None),
            ({"DATA": "554 5.5.1 No"}, LATER, None),
            ({"DATA": "250 What"}, LATER, None),
            ({"DATA": None}, LATER, None),
        ]
        for replies, code, said in rows:
            with self.subTest(replies):
                self.filter.replies = replies
                got = self.run_it(b"x\n", "--queue-id", "4Q1", recipients=("a@example.net", "b@example.net"))
                self.assertEqual(got[0], code, got)
                self.assertTrue(got[1].startswith("4.3.0 " if code == LATER else "5.7.1 "), got)
                self.assertEqual(got[1].count("\n"), 1)
                if said is not None:
                    self.assertEqual(got[1], said)

    def test_a_message_that_is_not_whole_is_never_ended(self):
        content = b"Subject: x\n\n" + b"hello\n" * 1000
        for cut in (content[:-1000], content[:-6], b""):
            code, said = self.run_it(cut, size=stored_size(content))
            self.assertEqual((code, said), (LATER, "4.3.0 the message is shorter than Postfix says\n"))
        self.assertEqual(self.filter.messages, [])
        self.assertEqual(self.run_it(content, size=stored_size(content))[0], 0)

    def test_where_its_parent_died_the_message_is_not_ended(self):
        # pipe(8) that is killed closes its end: the command sees a clean end of file.
        out = pathlib.Path(self.filter.directory.name, "out")
        reader, writer = os.pipe()
        parent = os.fork()
        if parent == 0:
            with open(out, "wb") as output:
                subprocess.Popen(self.command(), stdin=reader, stdout=output)
            os.close(writer)
            signal.pause()
        os.close(reader)
        os.write(writer, b"Subject: x\n\nhalf\n")
        self.wait(lambda: "DATA" in self.filter.commands)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        os.close(writer)
        self.wait(lambda: out.exists() and out.read_text())
        self.assertEqual(out.read_text(), "4.3.0 pipe(8) went away\n")
        self.assertEqual(self.filter.messages, [])

    def wait(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def test_odd_arguments_and_a_missing_daemon_are_temporary(self):
        good = ["--socket", self.filter.path, "--sender", "a@example.org", "--", "b@example.net"]
        rows = [[], ["--"], ["--sender"], ["--sender", "a@example.org"], ["--unknown", "x", *good], ["--size", "x", *good], ["--size", "-1", *good],
                ["--size", "99999999999999999999", *good], ["--timeout", "0", *good], ["--sender", "a\nb", "--", "b@example.net"],
                [*good, ""], [*good, "c\r\nDATA"], ["--help"], ["-h", "x"], ["--socket", "/nonexistent/pipe", *good[2:]],
                ["--socket", "", *good[2:]], ["--socket", "/" + "x" * 300, *good[2:]], ["--socket", self.filter.directory.name, *good[2:]]]
        for row in rows:
            with self.subTest(row):
                run = subprocess.run([PROGRAM, *row], input=b"x\n", capture_output=True, timeout=60)
                self.assertEqual(run.returncode, LATER, run)
                self.assertTrue(run.stdout.startswith(b"4.3.0 "), run)
        self.assertEqual(self.filter.messages, [])

    def test_closed_descriptors_are_temporary(self):
        for closed in ("<&-", ">&-", "<&- >&- 2>&-"):
            run = subprocess.run(["/bin/sh", "-c", f'("$@" {closed}); exit $?', "sh", *self.command(size=10)], stdin=subprocess.DEVNULL,
                                 capture_output=True, timeout=60)
            self.assertEqual(run.returncode, LATER, (closed, run))
        self.assertEqual(self.filter.messages, [])

    def test_signals_are_temporary(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGSEGV, signal.SIGABRT, signal.SIGXCPU, signal.SIGALRM, signal.SIGBUS,
                       signal.SIGFPE, signal.SIGILL, signal.SIGUSR1):
            with self.subTest(number):
                self.filter.commands.clear()
                process = subprocess.Popen(self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                self.wait(lambda: "DATA" in self.filter.commands)  # it waits for its input
                process.send_signal(number)
                said = process.communicate(timeout=30)[0]
                self.assertEqual((process.returncode, said), (LATER, b"4.3.0 postsluice-pipe was interrupted\n"))

    def test_a_filter_that_hangs_is_left_in_time(self):
        self.filter.replies = {"greeting": 5}
        begun = time.monotonic()
        run = subprocess.run([PROGRAM, "--socket", self.filter.path, "--timeout", "1", "--sender", "", "--", "b@example.net"], input=b"x\n",
                             capture_output=True, timeout=60)
        self.assertEqual(run.returncode, LATER, run)
        self.assertLess(time.monotonic() - begun, 30)

    def test_it_needs_no_library(self):
        if b"asan" in subprocess.run(["ldd", os.path.join(BUILD, "postsluice-policyd")], capture_output=True).stdout:
            self.skipTest("a sanitized build is not static")
        run = subprocess.run(["readelf", "-d", PROGRAM], capture_output=True, text=True)
        self.assertNotIn("NEEDED", run.stdout)


if __name__ == "__main__":
    unittest.main()
