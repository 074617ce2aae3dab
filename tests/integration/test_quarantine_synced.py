# SPDX-License-Identifier: Apache-2.0
"""What is on the disk when the filter says that a message is in quarantine, as strace sees it: the message's file, its envelope, their
directory and the index are synced, in this order, before the 250 leaves."""

import re
import subprocess
import unittest

from support import SandboxCase, mails, sanitized

PARALLEL = True

EVENTS = "openat,rename,fsync,fdatasync,write,writev,sendto,sendmsg"
# What has to come before what. Each is a letter of story().
ORDER = ("mM", "eE", "Ed", "Md", "di", "ir")


def calls(text):
    """(begun or ended, the call) of strace -f's lines, in their order."""
    begun = {}
    for line in text.splitlines():
        pid, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>")
            yield "begun", begun[pid]
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", call):
            yield "ended", begun.pop(pid, "") + resumed[1]
        else:
            yield "begun", call
            yield "ended", call


def story(text, reference):
    """What happened to one entry, as letters: its message and its envelope (m e) synced and put in their places (M E), the directory
    synced (d), the index synced (i), the reply begun (r)."""
    letters = ""
    for when, call in calls(text):
        good = re.search(r"\) += 0\b", call)
        if when == "begun" and re.match(r"(write|writev|sendto|sendmsg)\(\d+<[^>]*(UNIX|socket)", call) and reference in call and "250 " in call:
            letters += "r"
        elif when == "ended" and good and re.match(r"f(data)?sync\(", call):
            for letter, name in (("m", f"{reference}.eml.new>"), ("e", f"{reference}.env.new>"), ("d", "/state/quarantine>"), ("i", "/state/state/data.mdb>")):
                letters += letter if name in call else ""
        elif when == "ended" and good and call.startswith("rename("):
            letters += "M" if f'{reference}.eml"' in call else "E" if f'{reference}.env"' in call else ""
    return letters


def out_of_order(letters):
    """What is missing or late before the first reply. Another thread may sync directory or index at any time: the last one counts."""
    before = letters.split("r")[0] + ("r" if "r" in letters else "")
    return [f"{a} before {b}" for a, b in ORDER if a not in before or b not in before or before.index(a) > before.rindex(b)]


class Story(unittest.TestCase):
    """A judge that never complains would prove nothing."""

    LINES = ('1 fsync(9</q/state/quarantine/AB12CD34.eml.new>) = 0', '1 fsync(9</q/state/quarantine/AB12CD34.env.new>) = 0',
             '1 rename("/q/state/quarantine/AB12CD34.env.new", "/q/state/quarantine/AB12CD34.env") = 0',
             '1 rename("/q/state/quarantine/AB12CD34.eml.new", "/q/state/quarantine/AB12CD34.eml") = 0',
             '1 fsync(9</q/state/quarantine>) = 0', '2 fdatasync(5</q/state/state/data.mdb>) = 0',
             '3 sendmsg(8<UNIX-STREAM:[1]>, {msg_iov=[{iov_base="250 2.0.0 Ok: quarantined, ref AB12CD34\\r\\n"}]}, 0) = 42')

    def judged(self, lines):
        return out_of_order(story("\n".join(lines), "AB12CD34"))

    def test_the_right_order_is_fine(self):
        self.assertEqual(self.judged(self.LINES), [])

    def test_each_step_that_is_missing_or_failed_or_late_is_seen(self):
        for number, line in enumerate(self.LINES[:-1]):
            rest = [*self.LINES[:number], *self.LINES[number + 1:]]
            with self.subTest(line):
                self.assertNotEqual(self.judged(rest), [])
                self.assertNotEqual(self.judged([*rest, line]), [])
                self.assertNotEqual(self.judged([one.replace("= 0", "= -1 EIO") if one == line else one for one in self.LINES]), [])
        self.assertNotEqual(self.judged(self.LINES[:-1]), [])

    def test_a_call_counts_when_it_ended(self):
        late = [line for line in self.LINES if ".eml.new>" not in line]
        late[0:0] = ["4 fsync(9</q/state/quarantine/AB12CD34.eml.new> <unfinished ...>"]
        self.assertNotEqual(self.judged([*late, "4 <... fsync resumed>) = 0"]), [])
        self.assertEqual(self.judged([late[0], "4 <... fsync resumed>) = 0", *late[1:]]), [])


@unittest.skipIf(sanitized(), "strace and the sanitizers' threads do not go together")
class Synced(SandboxCase):
    def test_before_the_250(self):
        log = self.box.path("log/strace")
        tracer = subprocess.Popen(["strace", "-f", "-yy", "-s", "300", "-o", log, "-p", str(self.box.processes["contentfilter"].pid), "-e", f"trace={EVENTS}"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            self.assertIn("attached", tracer.stderr.readline())
            for number, login in enumerate(("alice@example.org", "bob@example.org", "carol@example.org")):
                text = mails.plain(login, "f@example.net", f"synced {number}", body=mails.GTUBE + "\r\n" + "x\r\n" * 20000 * number)
                self.assertEqual(self.box.send(login, ["one@example.net", "two@example.net"], text)[-1][1], 250)
            self.wait_until(lambda: len(self.quarantine()) == 3, "the quarantine")
            self.box.wait_queue_empty()
        finally:
            tracer.terminate()
            tracer.wait(20)
            tracer.stderr.close()
        for entry in self.quarantine():
            letters = story(log.read_text(errors="replace"), entry["id"])
            self.assertEqual(out_of_order(letters), [], letters)


if __name__ == "__main__":
    unittest.main()
