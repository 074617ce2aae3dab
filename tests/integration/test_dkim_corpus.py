# SPDX-License-Identifier: Apache-2.0
"""Odd and hostile messages, signed on their way through a real Postfix and verified where they arrive, by Mail::DKIM and by
OpenDKIM's library: what leaves Postfix is what was signed."""

import re
import subprocess
import unittest

from support import ROOT, SandboxCase

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
    "large": PLAIN + b"\r\n" + (b"The quick brown fox jumps over the lazy dog.  \r\n" * 20000),
}


class Corpus(SandboxCase):
    KEEP_PROFILE = False
    OVERRIDES = '[profile.default]\nlimits = ["1000 recipients per minute"]\nvalid_recipients = "ignore"\n'

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

    def ours(self, tool, content):
        """Which of our keys verify, by this tool."""
        run = subprocess.run([ROOT / "tests/support" / tool, self.box.path("records.txt")], input=content, capture_output=True)
        lines = run.stdout.decode().splitlines() + run.stderr.decode().splitlines()
        return sorted(line.split(" s=")[1].split()[0] for line in lines if line.startswith("pass ") and "d=example.org" in line), lines

    def test_every_signature_verifies_at_the_last_hop(self):
        replies = self.submit(CORPUS)
        for name in CORPUS:
            with self.subTest(name):
                self.assertEqual(replies[name][0], 250, replies[name])
                content = self.arrived(name)
                for tool in ("dkim-verify", "dkim-verify-opendkim"):
                    verified, lines = self.ours(tool, content)
                    self.assertEqual(verified, ["ed1", "rsa1"], (tool, lines))

    def test_a_signature_of_the_authors_domain_leaves_as_it_came_and_alone(self):
        file = self.box.make_key("example.org", "own", "rsa").rename(self.box.path("own.pem"))
        self.assertEqual(self.box.postsluice("config", "reload").returncode, 0)  # ours it is not
        text = PLAIN + EIGHT_BIT + b"\r\nGr\xc3\xbc\xc3\x9fe\r\n.\r\n"
        field = foreign_signer.signature(file, "example.org", "own", text)
        self.submit({"signed-already": field + text})
        content = self.arrived("signed-already")
        self.assertEqual((content.count(field), content.count(b"DKIM-Signature:")), (1, 1), content)
        for tool in ("dkim-verify", "dkim-verify-opendkim"):
            self.assertEqual(self.ours(tool, content)[0], ["own"], tool)
        self.filter_lines("sign=already-signed", least=1)

    def test_the_verifiers_notice_a_changed_message(self):
        self.submit({"changed": PLAIN + b"\r\n" + TEXT})
        content = self.arrived("changed")
        for tool in ("dkim-verify", "dkim-verify-opendkim"):
            self.assertEqual(self.ours(tool, content)[0], ["ed1", "rsa1"])
            for other in (content + b"more\r\n", content.replace(b"Subject: odd", b"Subject: even"), b"Subject: first\r\n" + content):
                self.assertEqual(self.ours(tool, other)[0], [], tool)


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
