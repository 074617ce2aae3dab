# SPDX-License-Identifier: Apache-2.0
"""What is done to mail that passes, by profile, through a real Postfix: its way out, its pseudonym, and what of the client
is left in it."""

import os
import re
import subprocess
import time
import unittest

from support import BUILD, Sandbox, SandboxCase, mails

PARALLEL = True

BULK = """
[profile.bulk]
inherits = "default"
next_hop = "unix:QUEUE/public/postsluice-bulk"
[profile.lost]
inherits = "default"
next_hop = "unix:QUEUE/public/nobody-listens"
[[assign]]
profile = "bulk"
login   = ["bob@example.org"]
[[assign]]
profile = "lost"
login   = ["eve@example.org"]
"""


class NextHops(SandboxCase):
    MAIN_CF = "minimal_backoff_time = 300s\nmaximal_backoff_time = 300s\nqueue_run_delay = 300s\n"

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox(BUILD, overrides="[contentfilter]\n", main_cf=cls.MAIN_CF)
        try:
            profiles = cls.box.path("etc/postsluice/conf.d/test.toml")
            profiles.write_text(BULK.replace("QUEUE", str(cls.box.path("queue"))))
            master = cls.box.path("etc/postfix/master.cf")
            text = master.read_text()
            way_back = text[text.index("postsluice-reentry unix"):]
            way_back = way_back[:way_back.index("\n\n")]
            master.write_text(text + "\n" + way_back.replace("postsluice-reentry", "postsluice-bulk").replace("postfix/reentry", "postfix/bulk") + "\n")
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    def by_bulk(self):
        return len(re.findall(r"postfix/bulk/smtpd\S* [0-9A-Za-z]+: client=", self.box.log()))

    def test_each_profile_has_its_own_way_out(self):
        before = self.by_bulk()
        self.send("bob@example.org", "friend@example.net", "by bulk")
        self.send("alice@example.org", "friend@example.net", "by default")
        for subject in ("by bulk", "by default"):
            arrived = self.arrived(subject)
            self.assertEqual(len(arrived), 1)
            self.assertTrue(self.box.verify_dkim(arrived[0].content)[1])
        self.wait_until(lambda: self.by_bulk() > before, "its line in the log")
        self.assertEqual(self.by_bulk(), before + 1)
        self.assertEqual(set(self.next_hops()), {"postsluice-reentry", "postsluice-bulk", "nobody-listens"})
        # Postfix may deliver a message before the filter has read the reply to its dot.
        self.wait_until(lambda: self.next_hops()["postsluice-bulk"]["reached"], "the reply of its next hop")

    def next_hops(self):
        return {hop["address"].rsplit("/", 1)[1]: hop for hop in self.box.postsluice("status", json_output=True)["contentfilter"]["next_hops"]}

    def test_a_way_out_where_nobody_listens_delays_its_own_mail_alone(self):
        self.send("eve@example.org", "friend@example.net", "no way out")
        self.wait_until(lambda: "status=deferred" in self.box.log(), "the deferral")
        self.send("alice@example.org", "friend@example.net", "beside it")
        self.assertEqual(len(self.arrived("beside it")), 1)
        self.assertEqual(self.arrived("no way out", timeout=1), [])
        self.assertIn("451 4.4.1", self.box.log())

    def test_a_released_message_takes_the_way_of_its_profile(self):
        text = mails.plain("bob@example.org", "friend@example.net", "released bulk", body=mails.GTUBE + "\r\n")
        self.box.send("bob@example.org", ["friend@example.net"], text)
        self.wait_until(lambda: self.quarantine(subject="released bulk"), "the quarantine")
        before = self.box.log().count("postfix/bulk/smtpd")
        self.assertEqual(self.box.postsluice("release", self.quarantine(subject="released bulk")[0]["id"]).returncode, 0)
        self.assertEqual(len(self.arrived("released bulk")), 1)
        self.wait_until(lambda: self.box.log().count("postfix/bulk/smtpd") > before, "its line in the log")


class Identity(SandboxCase):
    OVERRIDES = '[contentfilter]\nidentity_header = "X-Sender-Id"\nidentity_key_rotation = "365 days"\n'

    def pseudonym(self, login, subject, **more):
        self.send(login, "friend@example.net", subject, **more)
        arrived = self.arrived(subject)[0]
        self.assertTrue(self.box.verify_dkim(arrived.content)[1])
        values = arrived.header("X-Sender-Id")
        self.assertEqual(len(values), 1, values)
        self.assertNotIn(login.split("@")[0], values[0])
        return values[0]

    def who(self, token):
        return self.box.postsluice("whois", token, json_output=True).get("account")

    def test_a_pseudonym_tells_nobody_but_us(self):
        alice = self.pseudonym("alice@example.org", "who alice")
        self.assertEqual(self.pseudonym("alice@example.org", "who alice again"), alice)
        bob = self.pseudonym("bob@example.org", "who bob", extra=f"X-Sender-Id: {alice}\r\n")  # kept from her mail
        self.assertNotEqual(bob, alice)
        self.assertEqual((self.who(alice), self.who(bob)), ("alice@example.org", "bob@example.org"))
        self.assertEqual(self.box.postsluice("whois", alice[:-4] + "AAAA").returncode, 1)
        self.assertEqual(self.box.postsluice("whois", "999." + alice.split(".")[1]).returncode, 3)
        keys = self.box.path("state/identity.keys")
        self.assertEqual(keys.stat().st_mode & 0o7777, 0o600)
        # Another start, with a rotation whose time is over: there is a new key, and the old pseudonyms still say who it was.
        began = next(int(line.split()[1]) for line in keys.read_text().splitlines() if not line.startswith("#"))
        self.wait_until(lambda: time.time() * 1000 > began + 1000, "the end of the key's second")
        self.box.stop_daemon("contentfilter")
        changed = self.box.path("etc/postsluice/conf.d/test.toml")
        changed.write_text(changed.read_text().replace("365 days", "1 second"))
        self.box.start_daemon("contentfilter")
        self.wait_until(lambda: len([line for line in keys.read_text().splitlines() if not line.startswith("#")]) > 1, "the new key")
        later = self.pseudonym("alice@example.org", "who alice later")
        self.assertNotEqual(later, alice)
        self.assertEqual((self.who(alice), self.who(later)), ("alice@example.org", "alice@example.org"))
        shown = self.box.postsluice("whois", alice)
        self.assertEqual(shown.returncode, 0, shown)
        self.assertIn("Until", shown.stdout)


HIDE = """
[profile.default]
symbols = { GTUBE = { action = "hold" } }
[profile.hidden]
inherits = "default"
hide_client = "rewrite"
[profile.removed]
inherits = "default"
hide_client = "remove"
[[assign]]
profile = "hidden"
login   = ["alice@example.org"]
[[assign]]
profile = "removed"
login   = ["bob@example.org"]
"""


class HiddenClients(SandboxCase):
    OVERRIDES = HIDE
    MAIN_CF = "smtpd_sasl_authenticated_header = yes\nminimal_backoff_time = 300s\nmaximal_backoff_time = 300s\nqueue_run_delay = 300s\n"
    QUEUED_FIRST = True

    def received(self, login, subject):
        forged = "Received: from old.example.com (old.example.com [198.51.100.9])\r\n\tby mail.example.org (Postfix) with ESMTPSA id FORGED;\r\n\tFri, 20 Nov 2026 10:00:00 +0000\r\n"
        self.box.send(login, "friend@example.net", forged + mails.plain(login, "someone@example.net", subject))
        arrived = self.arrived(subject)[0]
        self.assertTrue(self.box.verify_dkim(arrived.content)[1])
        fields = arrived.header("Received")
        self.assertIn("from old.example.com (old.example.com [198.51.100.9])", fields[-1])  # the sender's own stay
        self.assertTrue(any("(Postsluice)" in field for field in fields), fields)
        return fields

    def client(self, fields):
        return [field for field in fields if "client.example.org" in field or "Authenticated sender" in field]

    def test_only_the_profile_says_what_is_left_of_the_client(self):
        shown = self.received("carol@example.org", "client shown")
        self.assertEqual(len(self.client(shown)), 1, shown)
        rewritten = self.received("alice@example.org", "client rewritten")
        self.assertEqual(self.client(rewritten), [])
        self.assertEqual(len(rewritten), len(shown))
        self.assertTrue(any(re.match(r"by mail\.example\.org \(Postfix\) with ESMTPSA( id \w+)?; \w{3}, ", field) for field in rewritten), rewritten)
        removed = self.received("bob@example.org", "client removed")
        self.assertEqual(self.client(removed), [])
        self.assertEqual(len(removed), len(shown) - 1)

    def test_of_what_is_released_nothing_more_is_left(self):
        text = mails.plain("bob@example.org", "friend@example.net", "released hidden", body=mails.GTUBE + "\r\n", extra="X-Old : style\r\n")
        self.assertEqual(self.box.send("bob@example.org", ["friend@example.net"], text)[-1][1], 250)
        self.wait_until(lambda: self.quarantine(subject="released hidden"), "the hold")
        self.assertEqual(self.box.postsluice("release", self.quarantine(subject="released hidden")[0]["id"]).returncode, 0)
        arrived = self.arrived("released hidden")[0]
        self.assertEqual(self.client(arrived.header("Received")), [])
        self.assertTrue(self.box.verify_dkim(arrived.content)[1])

    def test_of_what_is_queued_again_nothing_more_is_left(self):
        if not self.QUEUED_FIRST:
            self.skipTest("no queue lies before the filter")
        self.box.stop_daemon("contentfilter")
        self.send("bob@example.org", "friend@example.net", "requeued hidden")
        self.wait_until(lambda: "status=deferred" in self.box.log(), "the deferral")
        self.box.start_daemon("contentfilter")
        subprocess.run(["postsuper", "-c", str(self.box.path("etc/postfix")), "-r", "ALL"], check=True, capture_output=True)
        self.box.flush()
        fields = self.arrived("requeued hidden")[0].header("Received")
        self.assertTrue(any("from userid" in field for field in fields), fields)
        self.assertEqual(self.client(fields), [])


class HiddenClientsPipe(HiddenClients):
    EXAMPLE = "pipe"


class HiddenClientsBeforeQueue(HiddenClients):
    EXAMPLE = "before-queue"
    QUEUED_FIRST = False


if __name__ == "__main__":
    unittest.main()
