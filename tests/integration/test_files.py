# SPDX-License-Identifier: Apache-2.0
"""Archives and documents through a real Postfix; lists of known files, reloaded. The archives are written by Python."""

import hashlib
import io
import signal
import tarfile
import zipfile

from support import SandboxCase, mails

PARALLEL = True


def zipped(*files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def tarred(name, content):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        about = tarfile.TarInfo(name)
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
    return out.getvalue()


class Files(SandboxCase):
    # A busy machine is slow; a command waits for thirty.
    OVERRIDES = '[contentfilter]\nworker_timeout = "20 seconds"\ncheck_timeout = "25 seconds"\n'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lists = cls.box.path("etc/postsluice/hashes.d")
        lists.mkdir()
        cls.box.path("etc/postsluice/conf.d/hashes.toml").write_text(f'[hashes]\nfiles = ["{lists}/*.hashes"]\n')

    def attached(self, name, content, login="alice@example.org", subject="a file"):
        return mails.with_attachment(login, "friend@example.net", name, content, subject)

    def test_an_archive_with_a_program_is_quarantined_and_one_without_arrives(self):
        self.box.send("alice@example.org", "friend@example.net", self.attached("a.zip", zipped(("b.zip", zipped(("run.exe", "x")))), subject="with program"))
        self.box.send("bob@example.org", "friend@example.net", self.attached("a.zip", zipped(("b.zip", zipped(("letter.txt", "x")))), "bob@example.org", "without program"))
        self.assertEqual(len(self.arrived("without program")), 1)
        self.wait_until(lambda: self.quarantine(account="alice@example.org", reason="forbidden-file"), "the quarantine")
        self.assertEqual([d for d in self.box.sink.deliveries if "with program" in d.header("Subject")], [])

    def test_other_writers_archives_are_read(self):
        for name, bad, good in (("x.zip", zipped(("a.js", "x")), zipped(("a.txt", "x"))),
                                ("x.tgz", tarred("a.js", b"x"), tarred("a.txt", b"x"))):
            with self.subTest(name):
                self.assertIn("ARCHIVE_EXECUTABLE_NAME", self.judge(self.attached(name, bad))[1])
                self.assertEqual(self.judge(self.attached(name, good)), ("pass", {}))

    def test_bombs_are_findings_and_the_filter_goes_on(self):
        zeros = zipped(("zeros", bytes(300 << 20)))
        verdict, found = self.judge(self.attached("a.zip", zeros))
        self.assertEqual(verdict, "quarantine")
        self.assertIn("ARCHIVE_BOMB", found)
        self.assertNotIn("CHECK_FAILED", found)
        many = zipped(*((f"{n}.txt", "") for n in range(12000)))
        verdict, found = self.judge(self.attached("many.zip", many))
        self.assertIn("ARCHIVE_BOUND", found)
        self.assertEqual(self.judge(self.attached("a.zip", zipped(("a.txt", "x")))), ("pass", {}))

    def test_known_files_are_reloaded_and_a_bad_list_keeps_the_old_one(self):
        known, filter_ = self.box.path("etc/postsluice/hashes.d/local.hashes"), self.box.processes["contentfilter"]
        letter = self.attached("letter.pdf", b"%PDF-1.4 the campaign")
        before = self.box.daemon_log("contentfilter").count("configuration reloaded")
        known.write_text(hashlib.sha256(b"%PDF-1.4 the campaign").hexdigest() + "  a campaign\n")
        filter_.send_signal(signal.SIGHUP)
        self.wait_until(lambda: self.box.daemon_log("contentfilter").count("configuration reloaded") > before, "the reload")
        verdict, found = self.judge(letter)
        self.assertEqual(verdict, "quarantine")
        self.assertIn("local.hashes:1: a campaign", found["KNOWN_FILE"]["evidence"])
        self.assertNotIn("KNOWN_FILE", self.judge(self.attached("letter.pdf", b"%PDF-1.4 another"))[1])
        known.write_text("# nothing\nnot a sum\n")
        run = self.box.postsluice("config", "reload")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("local.hashes:2", run.stdout + run.stderr)
        self.assertIn("KNOWN_FILE", self.judge(letter)[1])

    def test_a_template_from_the_web_is_found(self):
        relation = ('<Relationships><Relationship Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
                    'attachedTemplate" Target="{}" TargetMode="External"/></Relationships>')
        for target, expected in (("http://evil.example/t.dotm", True), ("file://server/share/t.dotx", False)):
            with self.subTest(target):
                document = zipped(("[Content_Types].xml", "<Types/>"), ("word/_rels/settings.xml.rels", relation.format(target)))
                self.assertEqual("EXTERNAL_TEMPLATE" in self.judge(self.attached("a.docx", document))[1], expected)
