# SPDX-License-Identifier: Apache-2.0
"""Bounces on the MX side, through a real Postfix: those that carry our tag arrive untagged, others are refused."""

import hashlib
import hmac
import os
import re
import smtplib
import stat
import time
import unittest

from support import BUILD, ROOT, Sandbox, SandboxCase, mails, reference_of

PARALLEL = True

MX = """
  -o mynetworks=127.0.0.2/32
  -o {{ smtpd_recipient_restrictions = reject_unauth_destination, $postsluice_policy }}
""".format()

MAIN = """
relay_domains = example.org
relay_recipient_maps = inline:{{alice@example.org=1, press@example.org=1, friend@example.org=1}}
recipient_canonical_maps = regexp:{root}/postfix-examples/batv/batv_recipient_canonical.regexp
recipient_canonical_classes = envelope_recipient
""".format(root=ROOT)

SETTINGS = """
[batv]
domains = ["example.org"]
key_file = "{keys}"
exempt = ["press@example.org"]
"""


class Bounces(SandboxCase):
    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox(BUILD, main_cf=MAIN)
        try:
            cls.keys = cls.box.path("state/batv.keys")
            cls.box.path("etc/postsluice/conf.d/test.toml").write_text(SETTINGS.format(keys=cls.keys))
            master = cls.box.path("etc/postfix/master.cf")
            text, changed = re.subn(r"(?m)^(\S+:25\s+inet\s.*)$", lambda found: found.group(1) + MX.rstrip(), master.read_text())
            assert changed == 1, text
            master.write_text(text)
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    def key(self):
        line = [line for line in self.keys.read_text().splitlines() if line and not line.startswith("#")][0]
        return line.split()

    def tag(self, address, days=7, secret=None):
        """As draft-levine-smtp-batv says, by Python's hmac."""
        number, ours = self.key()
        day = f"{(int(time.time()) // 86400 + days) % 1000:03d}"
        digest = hmac.new((secret or ours).encode(), (number + day + address).encode(), hashlib.sha1).hexdigest()
        return f"prvs={number}{day}{digest[:6]}={address}"

    def bounce(self, recipient, subject="bounce", sender=""):
        with smtplib.SMTP(self.box.address, 25, local_hostname="mx.example.net", timeout=60) as session:
            session.mail(sender)
            code, answer = session.rcpt(recipient)
            if code == 250:
                code, answer = session.data(mails.plain("MAILER-DAEMON@example.net", recipient, subject).encode())
            return code, answer.decode()

    def test_the_key_file_was_made_for_us_alone(self):
        info = self.keys.stat()
        self.assertEqual(stat.S_IMODE(info.st_mode), 0o600)
        self.assertEqual(info.st_uid, self.box.uid)
        self.assertRegex(self.keys.read_text().splitlines()[-1], r"^0 [\w-]{32}$")

    def test_a_bounce_with_a_good_tag_arrives_without_it(self):
        code, answer = self.bounce(self.tag("alice@example.org"), "good tag")
        self.assertEqual(code, 250, answer)
        self.assertEqual(self.arrived("good tag")[0].recipients, ["alice@example.org"])

    def test_what_an_account_sends_carries_a_tag_and_its_bounce_comes_back(self):
        before = self.tag("alice@example.org").lower()
        self.send("alice@example.org", "far@example.net", "tagged out")
        sender = self.arrived("tagged out")[0].sender.split(">")[0].strip("<")
        self.assertIn(sender.lower(), (before, self.tag("alice@example.org").lower()))  # a day may end in between
        code, answer = self.bounce(sender, "back again")
        self.assertEqual(code, 250, answer)
        self.assertEqual(self.arrived("back again")[0].recipients, ["alice@example.org"])

    def test_case_does_not_matter(self):
        code, answer = self.bounce(self.tag("alice@example.org").upper(), "upper tag")
        self.assertEqual(code, 250, answer)
        self.assertEqual([r.lower() for r in self.arrived("upper tag")[0].recipients], ["alice@example.org"])

    def test_a_bounce_without_a_tag_is_refused_and_why_explains_it(self):
        code, answer = self.bounce("alice@example.org")
        self.assertEqual(code, 550, answer)
        self.assertIn("5.7.1", answer)
        self.assertIn("carries no tag", answer)
        why = self.box.postsluice("why", reference_of(answer))
        self.assertEqual(why.returncode, 0, why)
        self.assertIn("bounce-forged", why.stdout)

    def test_an_expired_tag_and_a_forged_one_are_refused(self):
        code, answer = self.bounce(self.tag("alice@example.org", days=-1))
        self.assertEqual((code, "has expired" in answer), (550, True), answer)
        for recipient in (self.tag("alice@example.org", secret="another-secret"), self.tag("press@example.org").replace("press", "alice")):
            code, answer = self.bounce(recipient)
            self.assertEqual((code, "is not ours" in answer), (550, True), answer)

    def test_what_is_no_bounce_or_is_exempt_passes(self):
        self.assertEqual(self.bounce("alice@example.org", "plain mail", sender="x@example.net")[0], 250)
        self.assertEqual(self.bounce("press@example.org", "exempt")[0], 250)
        self.assertEqual(self.arrived("plain mail")[0].recipients, ["alice@example.org"])
        self.assertEqual(self.arrived("exempt")[0].recipients, ["press@example.org"])

    def test_a_new_key_signs_and_the_old_one_verifies(self):
        old = self.tag("friend@example.org")
        aside = self.box.path("state/batv.keys.test")
        aside.write_text("7 a-key-that-is-new\n" + self.keys.read_text())
        os.chown(aside, self.box.uid, self.box.gid)
        os.chmod(aside, 0o600)
        os.rename(aside, self.keys)
        self.assertEqual(self.bounce(old, "old key")[0], 250)
        new = self.tag("friend@example.org")
        self.assertTrue(new.startswith("prvs=7"))
        self.assertEqual(self.bounce(new, "new key")[0], 250)


if __name__ == "__main__":
    unittest.main()
