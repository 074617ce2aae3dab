# SPDX-License-Identifier: Apache-2.0
"""Real scanners beside the filter: ClamAV with a signature database made for the test, SpamAssassin and Rspamd with one rule."""

import io
import signal
import zipfile

from support import ROOT, SandboxCase, mails
from scanners import MARKER, Clamd, Rspamd, Spamd  # noqa: E402 (support says where it lies)

PARALLEL = True


def zipped(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


class Scanners(SandboxCase):
    KINDS = ()
    MAIN_CF = "minimal_backoff_time = 2s\nmaximal_backoff_time = 4s\nqueue_run_delay = 2s\n"

    @classmethod
    def setUpClass(cls):
        cls.scanners = {}
        try:
            for kind in cls.KINDS:
                scanner = kind()
                cls.scanners[kind.name] = scanner
                scanner.start()
            cls.OVERRIDES = cls.overrides()
            super().setUpClass()
        except BaseException:
            cls.stop_scanners()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.stop_scanners()

    @classmethod
    def stop_scanners(cls):
        for scanner in cls.scanners.values():
            scanner.stop()

    @classmethod
    def overrides(cls):
        return ""

    def configure(self, text):
        """Replaces the overrides, and has the filter read them."""
        before = self.box.daemon_log("contentfilter").count("configuration reloaded")
        self.box.path("etc/postsluice/conf.d/test.toml").write_text(text)
        self.box.processes["contentfilter"].send_signal(signal.SIGHUP)
        self.wait_until(lambda: self.box.daemon_log("contentfilter").count("configuration reloaded") > before, "the reload")

    def judge_by(self, prefix, message):
        """The symbols of one scanner alone: what other checks say of these accounts, which are struck again and again, is theirs."""
        verdict, found = self.judge(message)
        return verdict, {name: it for name, it in found.items() if name.startswith(prefix)}

    def mail(self, subject, body="hello\r\n", login="alice@example.org"):
        return mails.plain(login, "friend@example.net", subject, body=body)


class ClamAV(Scanners):
    KINDS = (Clamd,)

    @classmethod
    def overrides(cls):
        return f'[clamd]\nendpoint = "{cls.scanners["clamd"].unix}"\n'

    def test_a_virus_is_quarantined_and_honest_mail_arrives(self):
        self.box.send("alice@example.org", "friend@example.net", self.mail("with marker", f"see {MARKER}\r\n"))
        self.box.send("bob@example.org", "friend@example.net", self.mail("without marker", login="bob@example.org"))
        self.assertEqual(len(self.arrived("without marker")), 1)
        self.wait_until(lambda: self.quarantine(account="alice@example.org", reason="virus"), "the quarantine")
        self.assertEqual([d for d in self.box.sink.deliveries if "with marker" in d.header("Subject")], [])

    def test_clamd_sees_into_attachments_over_both_sockets_and_in_both_modes(self):
        clamd = self.scanners["clamd"]
        bad = mails.with_attachment("alice@example.org", "f@example.net", "a.zip", zipped("a.txt", f"x {MARKER}"))
        good = mails.with_attachment("alice@example.org", "f@example.net", "a.zip", zipped("a.txt", "x"))
        for endpoint in (clamd.unix, clamd.inet):
            for scan in ("message", "parts"):
                with self.subTest(endpoint=endpoint, scan=scan):
                    self.configure(f'[clamd]\nendpoint = "{endpoint}"\nscan = "{scan}"\n')
                    verdict, found = self.judge(bad)
                    self.assertEqual(verdict, "quarantine")
                    self.assertIn("Postsluice.Test.Marker", found["CLAMD_FOUND"]["evidence"])
                    self.assertEqual(self.judge_by("CLAMD_", good), ("pass", {}))

    def test_the_document_that_our_own_reader_is_tested_with_is_one_to_clamd_too(self):
        self.configure(f'[clamd]\nendpoint = "{self.scanners["clamd"].unix}"\n')
        document = (ROOT / "tests/corpus/fuzz/documents/word").read_bytes()
        self.assertNotIn(b"vb_name", document)
        _, found = self.judge(mails.with_attachment("alice@example.org", "f@example.net", "a.doc", document))
        self.assertIn("Postsluice.Test.Vba", found["CLAMD_FOUND"]["evidence"])
        self.assertIn("AutoOpen; Shell", found["MACRO_DANGEROUS"]["evidence"])

    def test_over_clamds_own_limit_is_said_and_is_no_error(self):
        self.configure(f'[clamd]\nendpoint = "{self.scanners["clamd"].unix}"\n')
        large = self.mail("large", ("x" * 70 + "\r\n") * 30000)  # over StreamMaxLength, under max_size
        verdict, found = self.judge_by("CLAMD_", large)
        self.assertEqual((verdict, list(found)), ("pass", ["CLAMD_TOO_LARGE"]))

    def test_a_dead_clamd_defers_with_an_alarm_and_mail_goes_on_when_it_is_back(self):
        clamd = self.scanners["clamd"]
        self.configure(f'[clamd]\nendpoint = "{clamd.unix}"\n')
        clamd.halt()
        try:
            self.box.send("carol@example.org", "friend@example.net", self.mail("while dead", login="carol@example.org"))
            self.wait_until(lambda: "451 4.3.0" in self.box.log(), "the deferral")
            self.assertIn("scanner-down", self.box.daemon_log("contentfilter"))
            self.assertEqual([d for d in self.box.sink.deliveries if "while dead" in d.header("Subject")], [])
            # The same with consequences of its own for this check.
            self.configure(f'[contentfilter]\non_error_of = {{ clamd = "hold" }}\n[clamd]\nendpoint = "{clamd.unix}"\n')
            self.box.send("dave@example.org", "friend@example.net", self.mail("held", login="dave@example.org"))
            self.wait_until(lambda: self.quarantine(account="dave@example.org", reason="check-failed"), "the quarantine")
            self.configure(f'[contentfilter]\non_error_of = {{ clamd = "pass" }}\n[clamd]\nendpoint = "{clamd.unix}"\n')
            self.box.send("eve@example.org", "friend@example.net", self.mail("passed", login="eve@example.org"))
            self.assertEqual(len(self.arrived("passed", timeout=90)), 1)
        finally:
            self.configure(f'[clamd]\nendpoint = "{clamd.unix}"\n')
            clamd.start()
        self.box.flush()
        self.wait_until(lambda: [d for d in self.box.sink.deliveries if "while dead" in d.header("Subject")] or
                        self.quarantine(account="carol@example.org"), "the deferred message", 90)


class SpamFilters(Scanners):
    KINDS = (Spamd, Rspamd)

    @classmethod
    def overrides(cls):
        return (f'[spamd]\nendpoint = "{cls.scanners["spamd"].inet}"\n'
                f'[rspamd]\nendpoint = "{cls.scanners["rspamd"].inet}"\nfactor = 2.0\n')

    def test_symbols_and_scores_of_both_are_taken_over(self):
        _, found = self.judge(self.mail("with marker", f"see {MARKER}\r\n"))
        self.assertAlmostEqual(found["SA_POSTSLUICE_TEST"]["score"], 4.2)
        self.assertAlmostEqual(found["RSPAMD_POSTSLUICE_TEST"]["score"], 8.4)
        self.assertIn("alice@example.org", found["RSPAMD_POSTSLUICE_TEST"]["evidence"])  # Rspamd was told who sends
        verdict, found = self.judge(self.mail("without marker"))
        self.assertEqual(verdict, "pass")
        self.assertFalse({"SA_POSTSLUICE_TEST", "RSPAMD_POSTSLUICE_TEST", "CHECK_FAILED"} & set(found), found)

    def test_honest_mail_arrives_and_the_sum_decides(self):
        self.box.send("bob@example.org", "friend@example.net", self.mail("without marker", login="bob@example.org"))
        self.assertEqual(len(self.arrived("without marker")), 1)
        self.box.send("carol@example.org", "friend@example.net", self.mail("with marker", f"see {MARKER}\r\n", "carol@example.org"))
        self.wait_until(lambda: self.quarantine(account="carol@example.org"), "the quarantine (4.2 + 8.4 is over hold)")

    def test_dead_ones_are_errors_of_their_checks(self):
        self.configure('[contentfilter]\non_error_of = { spamd = "pass", rspamd = "pass" }\n'
                       '[spamd]\nendpoint = "inet:127.0.0.1:9"\n[rspamd]\nendpoint = "inet:127.0.0.1:9"\n')
        try:
            verdict, found = self.judge(self.mail("with marker", f"see {MARKER}\r\n"))
            self.assertEqual(verdict, "pass")
            self.assertIn("CHECK_FAILED", found)
        finally:
            self.configure(self.overrides())
