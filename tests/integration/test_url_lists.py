# SPDX-License-Identifier: Apache-2.0
"""DNS lists of domains, in a zone that a real nsd serves on loopback."""

import ipaddress
import socket
import threading

from support import BUILD, Nsd, Sandbox, SandboxCase, mails

PARALLEL = True

# What a list says: addresses, bits, a refusal, and an answer that no list gives.
LISTED = """
evil.com.dbl.example. IN A 127.0.1.2
bits.com.multi.example. IN A 127.0.0.24
refused.com.dbl.example. IN A 127.255.255.254
forged.com.dbl.example. IN A 192.0.2.1
exempt.com.dbl.example. IN A 127.0.1.2
"""


class ListedCase(SandboxCase):
    OVERRIDES = """
[url_lists]
lists  = ["dbl.example 127.0.1.2=DBL_SPAM:6.5", "multi.example &8=URL_PHISH:7.5 &64=URL_ABUSE:5"]
exempt = ["exempt.com"]
"""

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox(BUILD, overrides=cls.OVERRIDES)
        try:
            cls.box.patient_with_dns("4 seconds")  # of the five that url_lists.timeout has for all questions
            cls.box.start()
            cls.nsd = cls.name_server()
            with open(cls.box.path("nsd/root.zone"), "a") as zone:
                zone.write(LISTED)
            cls.nsd.start()
        except BaseException:
            super().tearDownClass()
            raise

    @classmethod
    def name_server(cls):
        return Nsd(cls.box.path("nsd"), cls.box.address)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.nsd.stop()
        finally:
            super().tearDownClass()

    def judged(self, *links):
        body = "".join(f"see {link} now\r\n" for link in links)
        return self.judge(mails.plain("alice@example.org", "f@example.net", "links", body=body))


class UrlLists(ListedCase):
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

    def test_a_list_that_refuses_is_an_alarm_until_it_answers(self):
        lines = lambda: [line for line in self.box.daemon_log("contentfilter").splitlines() if "scanner-" in line and "endpoint=dbl.example" in line]
        self.judged("http://fresh1.com/")  # it is up
        before = len(lines())
        for host in ("refused.com", "www.refused.com"):
            self.judged(f"http://{host}/")
        self.assertEqual(["scanner-down" in line for line in lines()[before:]], [True], lines())
        self.judged("http://fresh2.com/")
        self.assertEqual(["scanner-up" in line for line in lines()[before:]], [False, True], lines())


class Recorder:
    """Stands before a name server, hands on what it is asked, and remembers it."""

    def __init__(self, listen, server):
        self.asked, self.server = [], server
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(listen)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            self.asked.append(question)
            threading.Thread(target=self.hand_on, args=(question, client), daemon=True).start()

    def hand_on(self, question, client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
            there.settimeout(30)
            try:
                there.sendto(question, self.server)
                self.socket.sendto(there.recv(65535), client)
            except OSError:
                pass

    def names(self):
        """What was asked about, in lower case."""
        out = set()
        for question in self.asked:
            labels, at = [], 12
            while at < len(question) and question[at]:
                labels.append(question[at + 1:at + 1 + question[at]])
                at += 1 + question[at]
            out.add(b".".join(labels).decode("latin-1").lower())
        return out

    def close(self):
        self.socket.close()


class Secret(ListedCase):
    """Whose mail it is nobody outside learns: all that the daemons ask of the DNS goes through the recorder."""

    CLIENT = "127.9.8.7"

    @classmethod
    def name_server(cls):
        behind = str(ipaddress.IPv4Address(int(ipaddress.IPv4Address(cls.box.address)) ^ 0x00800000))
        cls.recorder = Recorder((cls.box.address, 5353), (behind, 5353))
        return Nsd(cls.box.path("nsd"), behind)

    @classmethod
    def tearDownClass(cls):
        cls.recorder.close()
        super().tearDownClass()

    def test_no_question_holds_the_address_of_an_authenticated_client(self):
        login = "alice@example.org"
        text = mails.plain(login, "f@example.net", "secret", body=f"see http://evil.com/ and http://{self.CLIENT}/ now\r\n")
        with self.session_from(self.CLIENT, login) as session:
            session.sendmail(login, ["f@example.net"], text)
        self.arrived("secret")
        run = self.box.postsluice("message", "test", "-", "--as", login, "--client", "203.0.113.77", input=text.replace("evil", "bits"))
        self.assertIn("URL_PHISH", run.stdout)
        names = self.recorder.names()
        self.assertLessEqual({"evil.com.dbl.example", "evil.com.multi.example", "bits.com.multi.example"}, names)
        for address in (self.CLIENT, "203.0.113.77"):
            packed = ipaddress.IPv4Address(address).packed
            backwards = ".".join(reversed(address.split(".")))
            for name in names:
                self.assertNotIn(address, name)
                self.assertNotIn(backwards, name)
            for question in self.recorder.asked:  # nor anywhere else in it: no client subnet
                self.assertNotIn(packed, question)
                self.assertNotIn(packed[:3], question)
