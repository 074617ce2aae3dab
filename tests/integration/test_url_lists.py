# SPDX-License-Identifier: Apache-2.0
"""DNS lists of domains, in a zone that a real nsd serves on loopback."""

from support import SandboxCase, mails
from test_dns_rules import Nsd

PARALLEL = True

# What a list says: addresses, bits, a refusal, and an answer that no list gives.
LISTED = """
evil.com.dbl.example. IN A 127.0.1.2
bits.com.multi.example. IN A 127.0.0.24
refused.com.dbl.example. IN A 127.255.255.254
forged.com.dbl.example. IN A 192.0.2.1
exempt.com.dbl.example. IN A 127.0.1.2
"""


class UrlLists(SandboxCase):
    OVERRIDES = """
[url_lists]
lists  = ["dbl.example 127.0.1.2=DBL_SPAM:6.5", "multi.example &8=URL_PHISH:7.5 &64=URL_ABUSE:5"]
exempt = ["exempt.com"]
"""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.nsd = Nsd(cls.box.path("nsd"), cls.box.address)
            with open(cls.box.path("nsd/root.zone"), "a") as zone:
                zone.write(LISTED)
            cls.nsd.start()
        except BaseException:
            super().tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.nsd.stop()
        finally:
            super().tearDownClass()

    def judged(self, *links):
        body = "".join(f"see {link} now\r\n" for link in links)
        return self.judge(mails.plain("alice@example.org", "f@example.net", "links", body=body))

    def test_answers_are_what_the_configuration_says(self):
        _, found = self.judged("http://www.evil.com/a")
        self.assertAlmostEqual(found["DBL_SPAM"]["score"], 6.5)
        self.assertEqual(found["DBL_SPAM"]["evidence"], "evil.com at dbl.example")
        _, found = self.judged("https://x.bits.com/?y")  # 24: bits 8 and 16
        self.assertEqual({s for s in found if s.startswith("URL_")}, {"URL_PHISH"})

    def test_honest_and_exempt_domains_are_none(self):
        for link in ("http://good.com/", "http://www.exempt.com/", "http://192.0.2.1/", "mailto:a@evil.com"):
            with self.subTest(link):
                _, found = self.judged(link)
                self.assertFalse({"DBL_SPAM", "URL_PHISH", "CHECK_FAILED"} & set(found), found)

    def test_a_refusal_is_no_listing_and_by_default_no_obstacle(self):
        for link in ("http://refused.com/", "http://forged.com/"):
            with self.subTest(link):
                verdict, found = self.judged(link)
                self.assertNotIn("DBL_SPAM", found)
                self.assertIn("CHECK_FAILED", found)
                self.assertEqual(verdict, "pass")

    def test_what_one_list_found_stands_beside_the_refusal_of_another(self):
        _, found = self.judged("http://refused.com/", "http://bits.com/")
        self.assertIn("URL_PHISH", found)
