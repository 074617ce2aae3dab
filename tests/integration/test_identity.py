# SPDX-License-Identifier: Apache-2.0
"""Who is sending: client certificates, networks, logins with an extension, customers; through a real Postfix."""

import hashlib
import os
import re
import smtplib
import ssl
import subprocess
import unittest

from support import BUILD, Sandbox, SandboxCase, mails

PARALLEL = True

# Port 25 as a relay for hosts with a certificate or a known address.
RELAY = """
  -o smtpd_tls_ask_ccert=yes
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o {{ smtpd_recipient_restrictions = $postsluice_policy, permit_mynetworks, reject }}
  -o {{ smtpd_data_restrictions = $postsluice_policy }}
  -o {{ smtpd_end_of_data_restrictions = $postsluice_policy }}
  -o content_filter=postsluice:unix:postsluice/filter
""".format()

SETTINGS = """
recipient_delimiter = "-"
[[account]]
name = "relay"
certificate = ["{certificate}"]
domains = ["relay.example"]
[[account]]
name = "machine"
certificate = ["{public_key}"]
domains = ["machine.example"]
[[account]]
name = "shop"
network = ["127.0.9.0/24"]
domains = ["shop.example"]
[[customer]]
name = "Acme"
domains = ["acme.example", "*.acme.example"]
[profile.acme]
inherits = "default"
limits = ["2 recipients per hour"]
[[assign]]
profile = "acme"
customer = ["acme"]
"""


class Identity(SandboxCase):
    ACCOUNTS = {"alice@example.org": "wonderland", "alice-phone@example.org": "wonderland", "bob@acme.example": "builder",
                "eve@sub.acme.example": "apple"}

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox(BUILD, accounts=cls.ACCOUNTS)
        try:
            prints = {name: cls.make_certificate(name) for name in ("relay", "machine", "stranger")}
            text = SETTINGS.format(certificate=prints["relay"][0].lower(), public_key=prints["machine"][1])
            cls.box.path("etc/postsluice/conf.d/test.toml").write_text(text)
            master = cls.box.path("etc/postfix/master.cf")
            text, changed = re.subn(r"(?m)^(\S+:25\s+inet\s.*)$", lambda found: found.group(1) + RELAY.rstrip(), master.read_text())
            assert changed == 1, text
            master.write_text(text)
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    @classmethod
    def make_certificate(cls, name):
        """A self-signed one; its fingerprint by openssl(1), and its public key's by hand."""
        key, certificate = cls.box.path(f"tls/{name}.key"), cls.box.path(f"tls/{name}.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        said = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256"], check=True, capture_output=True, text=True)
        der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        return said.stdout.strip().split("=")[1], ":".join(f"{octet:02X}" for octet in hashlib.sha256(der).digest())

    def relay(self, sender, subject, certificate=None, source="127.0.0.1", text=None):
        """[code, answer] of RCPT, and of DATA where it came so far."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(self.box.path(f"tls/{certificate}.pem"), self.box.path(f"tls/{certificate}.key"))
        with smtplib.SMTP(self.box.address, 25, local_hostname="host.example", timeout=60, source_address=(source, 0)) as session:
            session.starttls(context=context)
            session.mail(sender)
            code, answer = session.rcpt("friend@example.net")
            if code != 250:
                return [(code, answer.decode())]
            body = text or mails.plain(sender, "friend@example.net", subject)
            data = session.data(body.encode() if isinstance(body, str) else body)
            return [(code, answer.decode()), (data[0], data[1].decode())]

    def counted(self, account):
        return self.usage(account).get("recipients per hour", 0)

    def test_a_certificate_is_its_account_also_in_the_filter(self):
        before = self.counted("relay")
        self.assertEqual(self.relay("news@relay.example", "by certificate", "relay")[-1][0], 250)
        self.assertEqual(len(self.arrived("by certificate")), 1)
        self.assertEqual(self.counted("relay"), before + 1)
        self.relay("news@relay.example", "", "relay",
                   text=mails.with_attachment("news@relay.example", "friend@example.net", "a.txt", mails.EICAR.encode(), "relay bad"))
        self.wait_until(lambda: self.quarantine(account="relay"), "the quarantine")
        self.wait_until(lambda: self.box.postsluice("account", "history", "relay", json_output=True)["locked"], "the lock, which comes after it")
        self.assertEqual(self.box.postsluice("unlock", "relay", "--why", "it was a test").returncode, 0)  # one virus locks

    def test_a_certificate_may_be_named_by_its_public_key(self):
        self.assertEqual(self.relay("a@machine.example", "by key", "machine")[-1][0], 250)
        self.assertEqual(self.counted("machine"), 1)
        code, answer = self.relay("a@relay.example", "not its own", "machine")[0]
        self.assertEqual(code, 550)
        self.assertIn("machine may send as anything at machine.example", answer)

    def test_a_certificate_that_nobody_listed_is_nobodys_and_so_is_none(self):
        for certificate in ("stranger", None):
            with self.subTest(certificate):
                subject = f"from {certificate}"
                text = mails.with_attachment("x@relay.example", "friend@example.net", "a.txt", mails.EICAR.encode(), subject)
                self.assertEqual(self.relay("x@relay.example", subject, certificate, text=text)[-1][0], 250)
                self.wait_until(lambda: [e for e in self.quarantine(account="-") if e["subject"] == subject], "the quarantine")

    def test_a_network_is_its_account(self):
        before = self.counted("shop")
        self.assertEqual(self.relay("orders@shop.example", "by network", source="127.0.9.17")[-1][0], 250)
        self.assertEqual(self.counted("shop"), before + 1)
        self.assertEqual(self.relay("orders@relay.example", "forged", source="127.0.9.17")[0][0], 550)

    def test_the_certificate_comes_before_the_network(self):
        before = self.counted("shop")
        self.assertEqual(self.relay("b@relay.example", "both", "relay", source="127.0.9.18")[-1][0], 250)
        self.assertEqual(self.counted("shop"), before)

    def test_an_extension_of_a_login_is_no_other_account(self):
        before = self.counted("alice@example.org")
        self.assertEqual(self.box.send("alice-phone@example.org", "friend@example.net",
                                       mails.plain("alice@example.org", "friend@example.net", "by phone"), sender="alice@example.org")[-1][1], 250)
        self.assertEqual(self.counted("alice@example.org"), before + 1)
        self.assertEqual(len(self.arrived("by phone")), 1)

    def test_a_customers_profile_holds_for_all_of_its_domains(self):
        for login in ("bob@acme.example", "eve@sub.acme.example"):
            with self.subTest(login):
                shown = self.box.postsluice("account", "show", login, json_output=True)
                self.assertEqual((shown["profile"], shown["chosen_by"]), ("acme", "assign 2 (customer acme)"))
                story = self.box.send(login, [f"r{n}@example.net" for n in range(3)], mails.plain(login, "r0@example.net", "customer"))
                self.assertEqual([code for command, code, _ in story if command.startswith("RCPT")], [250, 250, 450])


class BareLogins(SandboxCase):
    ACCOUNTS = {"walter": "secret", "walter@example.org": "secret", "shop": "secret"}
    KEEP_PROFILE = False
    OVERRIDES = """
[[account]]
name    = "storefront"
login   = ["shop"]
domains = ["shop.example"]
[profile.default]
limits = ["3 recipients per hour"]
from   = "own-domain"
"""

    def replies(self, login, sender, count=1):
        """The answers to so many recipients of one message, which is sent to those that are taken."""
        text = mails.plain(sender, "x@example.net", f"login {login.partition('@')[0]}")
        story = self.box.send(login, [f"r{n}@example.net" for n in range(count)], text, sender=sender)
        return [(code, answer) for command, code, answer in story if command.startswith("RCPT")]

    def account(self, name):
        """Which account `account show` means by this name, and how many recipients it has used."""
        shown = self.box.postsluice("account", "show", name, json_output=True)
        return shown["account"], {limit["subject"]: limit["used"] for limit in shown["use"]}["recipients per hour"]

    def assert_refused(self, answer, code, text):
        self.assertEqual(answer[0], code, answer)
        self.assertIn(text, answer[1])


class DefaultDomain(BareLogins):
    OVERRIDES = 'default_domain = "example.org"\n' + BareLogins.OVERRIDES

    def test_a_login_without_a_domain_has_the_default_one(self):
        self.assertEqual(self.replies("walter", "info@example.org", 2), [(250, "2.1.5 Ok")] * 2)
        answers = self.replies("walter@example.org", "walter@example.org", 2)  # the same account
        self.assertEqual([code for code, _ in answers], [250, 450])
        self.assert_refused(answers[1], 450, "3 of 3 recipients per hour used")
        for name in ("walter@example.org", "Walter"):
            self.assertEqual(self.account(name), ("walter@example.org", 3))
        self.assertEqual(len(self.arrived("login walter", 2)), 2)
        self.filter_lines("account=walter@example.org", "proof=ticket", least=2)
        self.assert_refused(self.replies("walter", "walter@shop.example")[0], 550, "walter@example.org may send as anything at example.org")

    def test_one_that_an_account_lists_as_it_is_has_not(self):
        self.assertEqual(self.replies("shop", "orders@shop.example"), [(250, "2.1.5 Ok")])
        self.assertEqual(self.account("storefront"), ("storefront", 1))
        self.assertEqual(self.account("shop@example.org")[1], 0)
        self.assert_refused(self.replies("shop", "orders@example.org")[0], 550, "shop may send as anything at shop.example")


class NoDefaultDomain(BareLogins):
    def test_a_login_without_a_domain_is_an_account_of_its_own_that_has_no_address(self):
        self.assert_refused(self.replies("walter", "walter@example.org")[0], 550, "walter has no address to send as")
        self.assertEqual(self.replies("walter", ""), [(250, "2.1.5 Ok")])
        self.assertEqual(self.account("walter"), ("walter", 1))
        self.assertEqual(self.account("walter@example.org"), ("walter@example.org", 0))


if __name__ == "__main__":
    unittest.main()
