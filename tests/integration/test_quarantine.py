# SPDX-License-Identifier: Apache-2.0
"""The quarantine as its operator uses it, through a real Postfix: found, released in part, elsewhere and in bulk, deleted,
and bounded without a loss."""

import json
import subprocess
import unittest

from support import SandboxCase, mails

PARALLEL = True

FRIENDS = ["one@example.net", "three@example.net", "two@example.net"]  # as Postfix hands them over


class QuarantineCase(SandboxCase):
    def quarantined(self, login, subject, recipients=FRIENDS, body=mails.GTUBE):
        """Sends what is quarantined; its entry."""
        text = mails.plain(login, recipients[0], subject, body=body + "\r\n")
        self.assertEqual(self.box.send(login, recipients, text)[-1][1], 250)
        self.wait_until(lambda: self.quarantine(subject=subject), f"{subject} in quarantine")
        return self.quarantine(subject=subject)[0]

    def listed(self, *filters):
        entries = self.box.postsluice("quarantine", "list", *filters, json_output=True)["entries"]
        return sorted(entry["subject"] for entry in entries)

    def to_whom(self, subject):
        return sorted(r for d in self.box.sink.deliveries if subject in d.header("Subject") for r in d.recipients)


class Operator(QuarantineCase):
    def test_what_is_looked_for_is_found(self):
        self.quarantined("alice@example.org", "find one")
        self.quarantined("bob@example.org", "find two", ["four@example.com"])
        self.quarantined("bob@example.org", "find eicar", ["four@example.com"], mails.EICAR)
        every = ["find eicar", "find one", "find two"]
        for filters, expected in (([], every), (["--account", "bob@example.org"], ["find eicar", "find two"]),
                                  (["--account", "*@example.org"], every), (["--symbol", "GTUBE"], ["find one", "find two"]),
                                  (["--reason", "virus"], ["find eicar"]), (["--sender", "alice@example.org"], ["find one"]),
                                  (["--recipient", "two@example.net"], ["find one"]), (["--recipient", "@example.com"], ["find eicar", "find two"]),
                                  (["--subject", "FIND T"], ["find two"]), (["--since", "1 hour"], every), (["--until", "1 hour"], []),
                                  (["--since", "2020-01-01", "--until", "2020-12-31"], []), (["--held"], []),
                                  (["--account", "bob@example.org", "--symbol", "GTUBE"], ["find two"])):
            with self.subTest(filters):
                found = [subject for subject in self.listed("--subject", "find", *filters)] if "--subject" not in filters else self.listed(*filters)
                self.assertEqual(found, expected)
        self.assertEqual(len(self.listed("--limit", "1")), 1)
        self.assertEqual(self.box.postsluice("quarantine", "list", "--since", "some day").returncode, 2)
        self.assertEqual(self.box.postsluice("quarantine", "list", "--reason", "no-such").returncode, 1)

    def test_named_recipients_get_it_signed_and_the_rest_stays(self):
        entry = self.quarantined("carol@example.org", "in part")
        run = self.box.postsluice("quarantine", "release", entry["id"], "--to", "two@example.net")
        self.assertEqual(run.returncode, 0, run)
        arrived = self.arrived("in part")
        self.assertEqual(arrived[0].recipients, ["two@example.net"])
        self.assertTrue(self.box.verify_dkim(arrived[0].content)[1])
        self.assertIn(mails.GTUBE, arrived[0].text())  # not scanned again
        self.assertEqual(self.quarantine(subject="in part")[0]["recipients"], ["one@example.net", "three@example.net"])
        self.assertEqual(self.box.postsluice("quarantine", "release", entry["id"], "--to", "two@example.net").returncode, 3)
        self.assertEqual(self.box.postsluice("release", entry["id"]).returncode, 0)
        self.wait_until(lambda: self.to_whom("in part") == sorted(FRIENDS), "the others")
        self.assertEqual(self.quarantine(subject="in part"), [])

    def test_it_goes_to_another_address_and_may_stay_as_well(self):
        entry = self.quarantined("carol@example.org", "elsewhere")
        self.assertEqual(self.box.postsluice("release", entry["id"], "--redirect", "desk@example.com", "--keep").returncode, 0)
        self.wait_until(lambda: self.to_whom("elsewhere") == ["desk@example.com"], "the copy")
        self.assertEqual(self.quarantine(subject="elsewhere")[0]["recipients"], FRIENDS)
        self.assertEqual(self.box.postsluice("release", entry["id"], "--redirect", "no address").returncode, 1)
        self.assertEqual(self.box.postsluice("release", entry["id"], "--redirect", "desk@example.com").returncode, 0)
        self.wait_until(lambda: self.to_whom("elsewhere") == ["desk@example.com"] * 2, "the message")
        self.assertEqual(self.quarantine(subject="elsewhere"), [])

    def test_a_virus_leaves_only_by_force(self):
        bad = self.quarantined("mallory@example.org", "forced eicar", ["one@example.net"], mails.EICAR)
        self.quarantined("news@example.org", "forced gtube", ["one@example.net"])
        run = self.box.postsluice("release", bad["id"])
        self.assertEqual(run.returncode, 1, run)
        self.assertIn("is kept for a virus", run.stderr)
        told = self.box.postsluice("--json", "release", bad["id"], "--redirect", "desk@example.com")
        self.assertEqual((told.returncode, json.loads(told.stdout)["code"]), (1, "denied"))
        run = self.box.postsluice("quarantine", "release", "--subject", "forced", "--yes")
        self.assertEqual(run.returncode, 1, run)
        self.assertIn("Released 1 of 2 messages.", run.stdout)
        self.assertIn(f"{bad['id']}: ", run.stderr)
        self.assertEqual(len(self.arrived("forced gtube")), 1)
        self.assertEqual([entry["id"] for entry in self.quarantine() if "forced" in entry["subject"]], [bad["id"]])
        self.assertIn(f"postsluice release {bad['id']} --force", self.box.postsluice("why", bad["id"]).stdout)
        self.assertEqual(self.box.postsluice("release", bad["id"], "--force").returncode, 0)
        self.assertIn(mails.EICAR, self.arrived("forced eicar")[0].text())
        self.assertIn("forced=yes", self.box.daemon_log("contentfilter"))

    def test_many_at_once_are_not_released_or_deleted_unasked(self):
        for n in range(3):
            self.quarantined("dave@example.org", f"bulk {n}", ["one@example.net"])
        chosen = ("--account", "dave@example.org", "--subject", "bulk")
        for verb in ("release", "delete"):
            run = self.box.postsluice("quarantine", verb, *chosen, input="")
            self.assertEqual(run.returncode, 2, run)
        self.assertEqual(len(self.listed(*chosen)), 3)
        gone = self.quarantine(subject="bulk 0")[0]["id"]
        self.assertEqual(self.box.postsluice("quarantine", "delete", gone, "--yes").returncode, 0)
        run = self.box.postsluice("quarantine", "release", *chosen, "--yes")
        self.assertEqual(run.returncode, 0, run)
        self.assertIn("Released 2 of 2 messages.", run.stdout)
        for subject in ("bulk 1", "bulk 2"):
            self.assertEqual(len(self.arrived(subject)), 1)
        self.assertEqual(self.to_whom("bulk 0"), [])
        self.assertEqual(self.listed(*chosen), [])


class Bounds(QuarantineCase):
    OVERRIDES = '[quarantine]\nmax_messages = 2\nkeep_at_least = "1 hour"\n'
    MAIN_CF = "minimal_backoff_time = 300s\nmaximal_backoff_time = 300s\nqueue_run_delay = 300s\n"

    def strikes(self, account):
        return [one["kind"] for one in json.loads(self.box.postsluice("--json", "account", "show", account).stdout)["strikes"]]

    def test_a_full_quarantine_lets_mail_wait_and_loses_neither_it_nor_its_strike(self):
        first = self.quarantined("alice@example.org", "bound 1")
        self.quarantined("alice@example.org", "bound 2")
        text = mails.plain("bob@example.org", FRIENDS[0], "bound 3", body=mails.GTUBE + "\r\n")
        self.assertEqual(self.box.send("bob@example.org", FRIENDS, text)[-1][1], 250)
        self.wait_until(lambda: "452 4.3.1" in self.box.log(), "the refusal")
        # Alone: the others are in quarantine a moment before Postfix hears that they were taken.
        self.wait_until(lambda: [m["queue_name"] for m in self.box.queue()] == ["deferred"], "the deferred message")
        self.assertEqual(len(self.quarantine()), 2)
        self.assertEqual(self.strikes("bob@example.org"), [])
        self.assertIn("the quarantine is full", self.box.daemon_log("contentfilter"))
        self.box.postsluice("quarantine", "delete", first["id"], "--yes")
        self.box.flush()
        self.wait_until(lambda: self.quarantine(subject="bound 3"), "its turn")
        self.box.wait_queue_empty()
        self.assertEqual(self.quarantine(subject="bound 3")[0]["recipients"], FRIENDS)
        self.assertEqual(self.strikes("bob@example.org"), ["spam"])


class NoDisk(QuarantineCase):
    """The disk of the quarantine is full, as a small tmpfs is."""

    MAIN_CF = Bounds.MAIN_CF

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.disk = cls.box.path("state/quarantine")
        cls.box.stop_daemon("contentfilter")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=256k,uid={cls.box.uid},gid={cls.box.gid},mode=0700", "tmpfs", cls.disk], check=True)
        cls.box.start_daemon("contentfilter")

    @classmethod
    def tearDownClass(cls):
        cls.box.stop_daemon("contentfilter")
        subprocess.run(["umount", cls.disk], check=True)
        super().tearDownClass()

    def test_mail_waits_until_there_is_room(self):
        large = mails.GTUBE + "\r\n" + ("x" * 70 + "\r\n") * 2000
        entry = self.quarantined("alice@example.org", "disk 1", body=large)
        text = mails.plain("bob@example.org", FRIENDS[0], "disk 2", body=large)
        self.box.send("bob@example.org", FRIENDS, text)
        self.wait_until(lambda: "452 4.3.1" in self.box.log(), "the refusal")
        self.box.wait_deferred()
        self.assertEqual(sorted(file.suffix for file in self.disk.iterdir()), [".eml", ".env"])  # of the first, and no part of the other
        self.assertEqual(self.box.postsluice("quarantine", "delete", entry["id"], "--yes").returncode, 0)
        self.box.flush()
        self.wait_until(lambda: self.quarantine(subject="disk 2"), "its turn")
        self.assertEqual(self.box.postsluice("release", self.quarantine(subject="disk 2")[0]["id"]).returncode, 0)
        self.assertIn(large, self.arrived("disk 2")[0].text())


if __name__ == "__main__":
    unittest.main()
