# SPDX-License-Identifier: Apache-2.0
"""tests/eval/eval, as `make eval` starts it but for the peers, on a made-up corpus of which it is known what is found in it. What it
prints is held against that, and against what was found in each message (--json)."""

import collections
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from support import BUILD, ROOT, mails

PARALLEL = True

HAM, HARD_HAM, SPAM = 6, 4, 10
# Shares with their intervals of 95 % (Wilson's, as tables and other programs have them), of spam and of what is caught in per cent, of
# ham in 10,000: 3, 2 and 0 of 10 are caught, beside 0 of 6 and 1 of 4 that are ham.
TAGGED = "3 of 10 30.0 [10.8, 60.3] 75.00 [30.06, 95.44] 0 of 6 0 [0, 3903] 1 of 4 2500 [456, 6994]"
HELD = "2 of 10 20.0 [5.7, 51.0] 66.67 [20.77, 93.85] 0 of 6 0 [0, 3903] 1 of 4 2500 [456, 6994]"
REFUSED = "0 of 10 0.0 [0.0, 27.8] - 0 of 6 0 [0, 3903] 0 of 4 0 [0, 4899]"


def write_corpus(folder):
    """Dull mail; one of the spam has EICAR, one GTUBE, as has one of the hard ham, and one what is enough to be tagged."""
    for name, count in (("ham", HAM), ("hard-ham", HARD_HAM), ("spam", SPAM)):
        (folder / name).mkdir()
        for number in range(count):
            body = f"Hello,\r\n\r\nthis is message {number} of {count}, and a plain one.\r\n"
            if (name, number) in (("spam", 3), ("hard-ham", 1)):
                body += mails.GTUBE + "\r\n"
            text = mails.plain("bob@example.org", "alice@example.org", f"Message {number}", body=body)
            if (name, number) == ("spam", 7):
                text = mails.with_attachment("bob@example.org", "alice@example.org", "a.txt", mails.EICAR.encode())
            if (name, number) == ("spam", 9):
                text = mails.plain("bob@example.org, carol@example.org", "alice@example.org", body="See http://0x7f.1/ for it.\r\n")
            (folder / name / f"{number:02}").write_text(text.replace("\r\n", "\n"))


class Eval(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="postsluice-corpus-")
        cls.addClassCleanup(scratch.cleanup)
        corpus, found = pathlib.Path(scratch.name, "corpus"), pathlib.Path(scratch.name, "found")
        corpus.mkdir()
        write_corpus(corpus)
        cls.run_of_it = subprocess.run([ROOT / "tests/eval/eval", "--no-peers", "--build", BUILD, "--json", found, corpus], cwd=ROOT,
                                       env=dict(os.environ, TMPDIR=scratch.name), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
        if cls.run_of_it.returncode != 0:
            raise AssertionError(cls.run_of_it)
        cls.lines = [" ".join(line.split()) for line in cls.run_of_it.stdout.splitlines()]
        cls.found = [json.loads(line) for line in found.read_text().splitlines()]
        cls.left = sorted(os.listdir(scratch.name))

    def test_each_message_is_judged_twice_and_trained_in_five_even_parts(self):
        messages = collections.Counter((line["file"].split("/")[0], line["spam"], line["trained"]) for line in self.found)
        self.assertEqual(messages, {("ham", False, False): HAM, ("ham", False, True): HAM, ("hard-ham", False, False): HARD_HAM,
                                    ("hard-ham", False, True): HARD_HAM, ("spam", True, False): SPAM, ("spam", True, True): SPAM})
        self.assertEqual(len({(line["file"], line["trained"]) for line in self.found}), 2 * (HAM + HARD_HAM + SPAM))
        parts = collections.Counter(line["part"] for line in self.found if line["spam"] and line["trained"])
        self.assertEqual(parts, dict.fromkeys(range(5), 2))

    def test_counts_and_intervals_are_those_of_what_is_in_the_corpus(self):
        for trained in ("untrained", "trained"):
            self.assertEqual([line for line in self.lines if line.startswith(f"postsluice {trained}, ")],
                             [f"postsluice {trained}, tag {TAGGED}", f"postsluice {trained}, hold {HELD}", f"postsluice {trained}, reject {REFUSED}"])
        self.assertIn("spam caught recall, % precision, % ham, false per 10,000 hard-ham, false per 10,000", self.lines)

    def test_the_symbols_are_those_that_were_found_with_their_numbers(self):
        expected = {}
        for line in (line for line in self.found if line["trained"]):
            for finding in line["findings"]:
                one = expected.setdefault(finding["symbol"], [0, 0, 0])
                one[0] += finding["score"] if line["spam"] else 0
                one[1 if line["spam"] else 2] += 1
        begin = self.lines.index("symbol (trained) score over spam in spam in ham")
        table = self.lines[begin + 1:self.lines.index("", begin)]
        ham = HAM + HARD_HAM
        self.assertEqual(sorted(table), sorted(f"{symbol} {score:.1f} {spam} ({100 * spam / SPAM:.1f} %) {other} ({100 * other / ham:.1f} %)"
                                               for symbol, (score, spam, other) in expected.items()))
        self.assertIn("EICAR 12.0 1 (10.0 %) 0 (0.0 %)", table)
        self.assertIn("GTUBE 12.0 1 (10.0 %) 1 (10.0 %)", table)

    def test_ham_that_is_taken_for_spam_is_named_with_what_was_found_in_it(self):
        for title in ("untrained", "trained"):
            at = self.lines.index(f"ham at hold or above, {title}:")
            self.assertRegex(self.lines[at + 1], r"^quarantine 12\.0 hard-ham/01: GTUBE 12\b")
            self.assertFalse(re.match(r"\w+ [\d.]+ \S+/\d\d: ", self.lines[at + 2]), self.lines[at + 2])

    def test_it_holds_a_made_up_corpus_to_no_goals_and_leaves_nothing(self):
        self.assertEqual(self.lines[-1], "no goals: they are for the public SpamAssassin corpus (folders ham, hard-ham, spam)")
        self.assertNotIn("goal ", self.run_of_it.stdout)
        self.assertEqual(self.left, ["corpus", "found"])


if __name__ == "__main__":
    unittest.main()
