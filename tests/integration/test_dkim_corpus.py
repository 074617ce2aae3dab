# SPDX-License-Identifier: Apache-2.0
"""Odd and hostile messages, signed on their way through a real Postfix, by every way in, and verified where they arrive, by
Mail::DKIM and by OpenDKIM's library: what leaves Postfix is what was signed."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from support import ROOT, SandboxCase, mails

import foreign_signer

PARALLEL = True

FROM = b"From: Alice <alice@example.org>\r\n"
PLAIN = FROM + b"To: b@example.net\r\nSubject: odd\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <odd@example.org>\r\n"
TEXT = b"Hello,\r\nthis is a message.\r\n"
EIGHT_BIT = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"

CORPUS = {
    "plain": PLAIN + b"\r\n" + TEXT,
    "no_body": PLAIN + b"\r\n",
    "no_separator": PLAIN,
    "one_empty_line": PLAIN + b"\r\n\r\n",
    "trailing_empty_lines": PLAIN + b"\r\n" + TEXT + b"\r\n" * 40,
    "only_blanks": PLAIN + b"\r\n \t \r\n\t\r\n   \r\n",
    "trailing_blanks": PLAIN + b"\r\nHello \t \r\n  this\t\t is  it\t\r\n \r\n",
    "leading_dots": PLAIN + b"\r\n.\r\n..\r\n. \r\n.hello\r\n",
    "line_of_998": PLAIN + b"\r\n" + b"x" * 998 + b"\r\n",
    "line_of_999": PLAIN + b"\r\n" + b"x" * 999 + b"\r\n",
    "line_of_3000": PLAIN + b"\r\n" + b"x y" * 1000 + b"\r\nend\r\n",
    "line_of_70000": PLAIN + b"\r\n" + b"0123456789" * 7000 + b"\r\nend\r\n",
    "long_eight_bit_line": PLAIN + EIGHT_BIT + b"\r\n" + "\u00e4".encode() * 2000 + b"\r\n",
    "bare_cr": PLAIN + b"\r\nHello\rworld\r\r\r\nend \r \r\n",
    "bare_cr_at_the_end": PLAIN + b"\r\nHello\r\r\n",
    "nul_in_body": PLAIN + b"\r\nHe\0llo\0\r\n\0\r\n",
    "controls": PLAIN + b"\r\n" + bytes(c for c in range(1, 32) if c not in (10, 13)) + b"\x7f\r\n",
    "eight_bit_body": PLAIN + EIGHT_BIT + b"\r\nGr\xc3\xbc\xc3\x9fe\r\n",
    "eight_bit_unannounced": PLAIN + b"\r\nGr\xfc\xdfe\xff\xfe\r\n",
    "all_octets": PLAIN + b"\r\n" + bytes(c for c in range(1, 256) if c not in (10, 13)) + b"\r\n",
    "no_blank_after_colon": FROM + b"Subject:odd\r\nTo:b@example.net\r\nX:\r\n\r\n" + TEXT,
    "blanks_around": FROM + b"Subject: \t  many   blanks\t \t\r\nTo:\tb@example.net  \r\n\r\n" + TEXT,
    "blank_before_colon": FROM + b"To: b@example.net\r\nSubject : old style\r\n\r\n" + TEXT,
    "folded": b"From:\r\n Alice\r\n\t<alice@example.org>\r\nSubject: a\r\n b\r\n\tc\r\n  d\r\nTo: b@example.net,\r\n c@example.net\r\n\r\n" + TEXT,
    "fold_of_blanks": FROM + b"Subject: a\r\n \r\n\t\r\n b\r\nTo: b@example.net\r\n\r\n" + TEXT,
    "empty_fields": FROM + b"Subject:\r\nTo: b@example.net\r\nReply-To:\r\nX-Empty: \r\n\r\n" + TEXT,
    "upper_case_names": b"FROM: alice@example.org\r\nSUBJECT: Loud\r\nTO: b@example.net\r\ncontent-TYPE: text/plain\r\n\r\n" + TEXT,
    "doubled_fields": PLAIN + b"Subject: again\r\nTo: c@example.net\r\nTo: d@example.net\r\n\r\n" + TEXT,
    "many_fields": PLAIN + b"".join(b"X-Number-%d: %d\r\n" % (n, n) for n in range(300)) + b"\r\n" + TEXT,
    "many_signed_fields": PLAIN + b"".join(b"List-Id: <%d.example.org>\r\n" % n for n in range(60)) + b"\r\n" + TEXT,
    "long_field": PLAIN + b"References: " + b" ".join(b"<%d@example.org>" % n for n in range(120)) + b"\r\n\r\n" + TEXT,
    "field_of_5000": PLAIN + b"In-Reply-To: " + b"y" * 5000 + b"\r\n\r\n" + TEXT,
    "eight_bit_header": FROM + "Subject: Gr\u00fc\u00dfe\r\nTo: b@example.net\r\n\r\n".encode() + TEXT,
    "latin1_header": FROM + b"Subject: Gr\xfc\xdfe\r\nTo: b@example.net\r\n\r\n" + TEXT,
    "encoded_header": FROM + b"Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n =?utf-8?Q?=20mehr?=\r\n\r\n" + TEXT,
    "bare_cr_in_header": FROM + b"Subject: a\rb\r\nTo: b@example.net\r\n\r\n" + TEXT,
    "semicolons": FROM + b"Subject: b=; bh=; v=1; h=from:to\r\nTo: b@example.net\r\n\r\n" + TEXT,
    "no_date_no_id": FROM + b"Subject: bare\r\n\r\n" + TEXT,
    "resent": PLAIN + b"Resent-From: other@example.net\r\nResent-To: c@example.net\r\nBcc: secret@example.net\r\n\r\n" + TEXT,
    "mailbox_from_line": PLAIN + b"\r\nFrom the beginning\r\n>From here\r\n",
    "foreign_signature": PLAIN.replace(b"From:", b"DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; h=from; bh=eA==; b=eA==\r\nFrom:", 1)
                         + b"\r\n" + TEXT,
    "list_fields": PLAIN + b"List-Unsubscribe: <https://example.org/u>,\r\n <mailto:u@example.org>\r\n"
                           b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n" + TEXT,
    "broken_header_line": FROM + b"Subject: odd\r\nthis is no field\r\nTo: b@example.net\r\n\r\n" + TEXT,
    "nul_in_subject": FROM + b"Subject: a\0b\r\nTo: b@example.net\r\n\r\n" + TEXT,
    "nul_in_folds": FROM + b"Subject: a\0b\r\n c\0\0\r\n\td\r\nTo:\0 b@example.net\r\n\r\n" + TEXT,
    "to_of_150_kb": FROM + b"Subject: many\r\nTo: " + b",\r\n\t".join(b"somebody%05d@example.net" % n for n in range(5400)) + b"\r\n\r\n" + TEXT,
    "references_of_150_kb": PLAIN + b"References: " + b" ".join(b"<somebody%05d@example.net>" % n for n in range(5400)) + b"\r\n\r\n" + TEXT,
    "first_line_from": b"From alice@example.org Sat Nov 21 10:00:00 2026\r\n" + PLAIN + b"\r\n" + TEXT,
    "first_line_quoted_from": b">From alice@example.org Sat Nov 21 10:00:00 2026\r\n" + PLAIN + b"\r\n" + TEXT,
    "field_name_of_997": PLAIN + b"X" * 997 + b": x\r\nSender: alice@example.org\r\n\r\n" + TEXT,
    "field_name_of_1000": PLAIN + b"X" * 1000 + b": x\r\nSender: alice@example.org\r\n\r\n" + TEXT,
    "large": PLAIN + b"\r\n" + (b"The quick brown fox jumps over the lazy dog.  \r\n" * 20000),
}


OVERRIDES = """
[profile.default]
limits = ["1000 recipients per minute"]
valid_recipients = "ignore"
symbols = { GTUBE = { score = 1, action = "tag" } }
subject_prefix = "[spam] "
remove_headers = ["Reply-To"]
"""
OURS = ["ed1", "rsa1"]
TOOLS = ("dkim-verify", "dkim-verify-opendkim")


class Corpus:
    """The same by every way in."""

    KEEP_PROFILE = False
    OVERRIDES = OVERRIDES
    LIMIT = 1500000
    MAIN_CF = f"message_size_limit = {LIMIT}\n"

    @classmethod
    def prepare(cls):
        """A key of the domain that is not ours to sign with."""
        cls.own = cls.box.make_key("example.org", "own", "rsa").rename(cls.box.path("own.pem"))

    def submit(self, messages):
        """All of them in one session; the replies."""
        replies = {}
        with self.box.submit_session("alice@example.org") as session:
            for name, content in messages.items():
                stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in content.split(b"\r\n"))
                self.assertEqual(session.mail("alice@example.org", ["BODY=8BITMIME"])[0], 250)
                self.assertEqual(session.rcpt(f"{name}@example.net")[0], 250)
                self.assertEqual(session.docmd("DATA")[0], 354)
                session.send(stuffed + b".\r\n")
                replies[name] = session.getreply()
        return replies

    def arrived(self, name):
        return self.box.sink.wait(1, match=lambda d: any(f"{name}@example.net" in r for r in d.recipients))[0].content

    def verified(self, contents):
        """By each tool, of each message: which keys of the domain verify, and all that was said."""
        with tempfile.TemporaryDirectory() as directory:
            files = {name: pathlib.Path(directory, name) for name in contents}
            for name, file in files.items():
                file.write_bytes(contents[name])
            for tool in TOOLS:
                run = subprocess.run([ROOT / "tests/support" / tool, self.box.path("records.txt"), *files.values()], capture_output=True, text=True)
                said = {name: [] for name in files}
                for line in run.stdout.splitlines():
                    file, _, rest = line.partition(": ")
                    if file.startswith(directory):  # what it quotes from a message may have lines of its own
                        said[pathlib.Path(file).name].append(rest)
                for name, lines in said.items():
                    passed = sorted(line.split(" s=")[1].split()[0] for line in lines if line.startswith("pass ") and "d=example.org" in line)
                    yield tool, name, passed, lines + [run.stderr]

    def assert_verified(self, contents, by):
        for tool, name, passed, lines in self.verified(contents):
            if tool == "dkim-verify-opendkim" and name.endswith("_of_150_kb"):
                continue  # what Mail::DKIM finds good there, OpenDKIM's library does not
            with self.subTest(name, tool=tool):
                self.assertEqual(passed, by, lines)

    def signed_by_author(self, text, method="relaxed"):
        return foreign_signer.signature(self.own, "example.org", "own", text, method) + text

    def test_every_signature_verifies_at_the_last_hop(self):
        replies = self.submit(CORPUS)
        self.assertEqual({name: reply for name, reply in replies.items() if reply[0] != 250}, {})
        self.assert_verified({name: self.arrived(name) for name in CORPUS}, OURS)

    def test_a_signature_of_the_authors_domain_leaves_as_it_came_and_alone(self):
        content = self.signed_by_author(PLAIN + EIGHT_BIT + b"\r\nGr\xc3\xbc\xc3\x9fe\r\n.\r\n")
        field = content[:content.index(b"\r\nFrom:") + 2]
        self.submit({"signed-already": content})
        content = self.arrived("signed-already")
        self.assertEqual((content.count(field), content.count(b"DKIM-Signature:")), (1, 1), content)
        self.assert_verified({"signed-already": content}, ["own"])
        self.filter_lines("sign=already-signed", least=1)

    def test_a_signature_of_the_authors_domain_that_is_broken_here_is_not_the_only_one(self):
        messages = {"broken-by-tag": PLAIN + b"\r\n" + mails.GTUBE.encode() + b"\r\n",
                    "broken-by-removal": PLAIN + b"Reply-To: other@example.org\r\n\r\n" + TEXT,
                    "broken-by-line-length": PLAIN + b"\r\n" + b"x" * 2000 + b"\r\n"}
        # After the queue lmtp(8) and smtp(8) break long lines before the filter sees them: only a relaxed body hash tells.
        self.submit({name: self.signed_by_author(text, "relaxed/relaxed") for name, text in messages.items()})
        contents = {name: self.arrived(name) for name in messages}
        self.assertEqual({name: content.count(b"DKIM-Signature:") for name, content in contents.items()}, dict.fromkeys(messages, 3))
        self.assertIn(b"\r\nSubject: [spam] odd\r\n", contents["broken-by-tag"])
        self.assertNotIn(b"Reply-To: other", contents["broken-by-removal"])
        self.assert_verified(contents, OURS)

    def test_the_largest_message_that_submission_takes_arrives(self):
        head = PLAIN + b"\r\n"
        for size in range(self.LIMIT, self.LIMIT - 10240, -256):
            lines, rest = divmod(size - len(head), 100)
            code, text = self.submit({"largest": head + (b"x" * 98 + b"\r\n") * lines + b"y" * rest + b"\r\n"})["largest"]
            if code == 250:
                break
            self.assertEqual(code, 552, text)
        self.assertEqual(code, 250, text)
        content = self.arrived("largest")
        self.assertGreater(len(content), size)
        self.assert_verified({"largest": content}, OURS)


class Lmtp(Corpus, SandboxCase):
    def test_the_verifiers_notice_a_changed_message(self):
        self.submit({"changed": PLAIN + b"\r\n" + TEXT})
        content = self.arrived("changed")
        self.assert_verified({"unchanged": content}, OURS)
        self.assert_verified({"more": content + b"more\r\n", "even": content.replace(b"Subject: odd", b"Subject: even"),
                              "first": b"Subject: first\r\n" + content}, [])


class Smtp(Corpus, SandboxCase):
    EXAMPLE = "after-queue-smtp"


class Pipe(Corpus, SandboxCase):
    EXAMPLE = "pipe"


class BeforeQueue(Corpus, SandboxCase):
    EXAMPLE = "before-queue"

    def test_long_fields_arrive_whole(self):
        for name in ("to_of_150_kb", "references_of_150_kb"):
            self.submit({"whole_" + name: CORPUS[name]})
            self.assertIn(b"somebody05399@example.net", self.arrived("whole_" + name))


class Libopendkim(SandboxCase):
    """The other signer, which is given the whole body at once: what the filter changes, signed fields among it, it changes before that."""

    OVERRIDES = '[dkim]\nsigner = "libopendkim"\n[profile.default]\nremove_headers = ["Reply-To"]\n'
    MAIN_CF = "local_header_rewrite_clients =\nmessage_drop_headers =\n"  # or Postfix would do some of it first
    HEADER = FROM + b"To: b@example.net\r\nBcc: hidden@example.net\r\nReply-To: other@example.org\r\nSubject: edited\r\n\r\n"

    def test_what_is_edited_on_its_way_arrives_with_signatures_that_verify(self):
        long_line = b"x y" * 1000 + b"\r\n"
        for size, body in (("small", long_line), ("large", long_line + b"The quick brown fox jumps over the lazy dog.  \r\n" * 8000 + long_line)):
            with self.subTest(size):
                self.box.send("alice@example.org", f"{size}@example.net", self.HEADER + body)
                delivery = self.box.sink.wait(1, match=lambda d: f"{size}@example.net" in d.recipients)[0]
                self.assertEqual(len(delivery.content) > 256 * 1024, size == "large")
                head, _, arrived = delivery.content.partition(b"\r\n\r\n")
                self.assertEqual([len(delivery.header(name)) for name in ("Date", "Message-ID", "Bcc", "Reply-To")], [1, 1, 0, 0], head)
                self.assertRegex(head, rb"\r\nSubject: edited\r\nDate: [^\r]+\r\nMessage-ID: <[^>]+@mail\.example\.org>$")
                self.assertEqual(max(map(len, arrived.split(b"\r\n"))), 998)
                self.assertEqual(arrived.replace(b"\r\n ", b""), body)
                self.assert_signed(delivery)
                # It names the hash of the body before the fields, ours behind them.
                self.assertEqual(len(re.findall(rb"; t=\d+;\s+bh=[^;]+;\s+h=", re.sub(rb"\r\n\s+", b" ", head))), 2, head)


if __name__ == "__main__":
    unittest.main()
