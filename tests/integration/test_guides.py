# SPDX-License-Identifier: Apache-2.0
"""The guides of docs/guides: what they tell to write is accepted, what they tell to run runs.

Each fenced block has a kind: `toml` is a configuration that has to pass `config check` and starts both daemons; `main.cf` and
`master.cf` are taken by Postfix (`postfix check`, and the mail goes through); `sh` is run line by line, REF being a real reference.
"""

import re
import shlex
import unittest

from support import BUILD, ROOT, Sandbox, mails, reference_of

PARALLEL = True

GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
KINDS = {"toml", "main.cf", "master.cf", "sh"}
ELSEWHERE = {"quick-start.md": "tests/package/guarded runs it: it needs the package, and a Postfix that setup may change",
             "exim.md": "test_exim.py runs it: it needs another mail server",
             "haraka.md": "make check-haraka runs it: it needs another mail server, which is not Debian's"}


def blocks(text):
    """[(kind, text)] of the fenced blocks."""
    return [(kind, body) for kind, body in re.findall(r"^```(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


class Guides(unittest.TestCase):
    def test_every_block_of_every_guide_holds(self):
        self.assertGreater(len(GUIDES), 5)
        for guide in GUIDES:
            if guide.name not in ELSEWHERE:
                with self.subTest(guide.name):
                    self.try_guide(blocks(guide.read_text()))

    def try_guide(self, found):
        self.assertTrue(found)
        self.assertLessEqual({kind for kind, _ in found}, KINDS)
        text = lambda kind: "\n".join(body for what, body in found if what == kind)
        box = Sandbox(BUILD, overrides=text("toml"), main_cf=text("main.cf"), keep_profile=False)
        try:
            self.tables(box)
            self.join_master(box, text("master.cf"))
            checked = box.postsluice("config", "check")
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
            box.start()
            story = box.send("alice@example.org", "friend@example.net", mails.plain("alice@example.org", "friend@example.net", "as the guide says"))
            self.assertEqual([code for _, code, _ in story], [250, 250, 250], story)
            self.assertTrue(box.sink.wait(1, 90, lambda d: d.header("Subject") == ["as the guide says"]))
            self.run_lines(box, text("sh"))
        finally:
            box.stop()

    def tables(self, box):
        """The files of OpenDKIM that its guide speaks of."""
        file = box.path("etc/postsluice/conf.d/test.toml")
        text = file.read_text() if file.exists() else ""
        if "/etc/opendkim/" not in text:
            return
        directory = box.path("opendkim")
        directory.mkdir()
        key = box.path("etc/postsluice/dkim/example.org/rsa1.pem")
        (directory / "key.table").write_text(f"one example.org:rsa1:{key}\n")
        (directory / "signing.table").write_text("*@example.org one\n")
        file.write_text(text.replace("/etc/opendkim/", f"{directory}/"))

    def join_master(self, box, text):
        """Services of the guide take the place of those of the example."""
        if not text:
            return
        file = box.path("etc/postfix/master.cf")
        lines = file.read_text().splitlines(keepends=True)
        for service in re.findall(r"^(\S+)\s+(?:inet|unix)", text, re.MULTILINE):
            port = {"smtp": 25, "submission": 587}[service]
            begins = [n for n, line in enumerate(lines) if line.startswith(f"{box.address}:{port} ")]
            self.assertEqual(len(begins), 1, service)
            end = begins[0] + 1
            while end < len(lines) and re.match(r"[ \t#]", lines[end]):
                end += 1
            del lines[begins[0]:end]
        for service, port in (("smtp", 25), ("submission", 587)):
            text = re.sub(rf"(?m)^{service}(\s+inet)", rf"{box.address}:{port}\1", text)
        file.write_text("".join(lines) + text)

    def run_lines(self, box, text):
        sample = box.path("message.eml")
        sample.write_text(mails.plain("alice@example.org", "friend@example.net", "a sample"))
        for line in filter(None, text.splitlines()):
            words = shlex.split(line, comments=True)
            self.assertEqual(words[0], "postsluice", line)
            here = {"REF": self.reference(box) if "REF" in words else "", "message.eml": str(sample)}
            done = box.postsluice(*[here.get(word, word) for word in words[1:]])
            self.assertEqual(done.returncode, 0, f"{line}: {done.stdout}{done.stderr}")

    def reference(self, box):
        story = box.send("alice@example.org", "friend@example.net", mails.plain("alice@example.org", "f@example.net", "forged"), sender="x@elsewhere.example")
        found = reference_of(str(story))
        self.assertIsNotNone(found, story)
        return found


if __name__ == "__main__":
    unittest.main()
