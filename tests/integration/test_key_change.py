# SPDX-License-Identifier: Apache-2.0
"""DKIM keys are replaced while mail flows, by `dkim rotate` and by files alone: every message that arrives in the meantime is signed, and
every signature verifies with the key of its selector, by Mail::DKIM."""

import collections
import os
import re
import subprocess
import threading
import unittest

from support import ROOT, mails
from test_dkim_published import ED, RSA, PublishedCase

PARALLEL = True

LOGINS = ("alice@example.org", "bob@example.org", "carol@example.org")
LIMITS = """
[profile.bulk]
inherits = "default"
limits = ["100000 messages per minute", "100000 recipients per hour", "100000 recipients per day"]
[[assign]]
profile = "bulk"
login = ["*@example.org"]
"""


class Flow:
    """Clients that send one message after the other until stop()."""

    def __init__(self, case):
        self.case, self.over, self.accepted, self.lock = case, threading.Event(), set(), threading.Lock()
        self.threads = [threading.Thread(target=self._send, args=(login,)) for login in LOGINS]
        for thread in self.threads:
            thread.start()

    def _send(self, login):
        number = 0
        with self.case.box.submit_session(login) as session:
            while not self.over.is_set():
                subject, number = f"{self.case.id()} {login} {number}", number + 1
                session.sendmail(login, ["friend@example.net"], mails.plain(login, "friend@example.net", subject))
                with self.lock:
                    self.accepted.add(subject)
                self.over.wait(0.05)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


class KeyChange(PublishedCase):
    OVERRIDES = '[dkim]\ncheck_published = "require"\ncheck_retry = "1 second"\nwatch_interval = "1 second"\n' + LIMITS
    PUBLISHED = (RSA, ED)

    def setUp(self):
        self.keys = self.box.path("etc/postsluice/dkim/example.org")
        self.flow = Flow(self)
        self.addCleanup(self.flow.stop)
        self.wait_for_signers(self.files())

    def files(self, folder=""):
        return sorted(file.stem for file in (self.keys / folder).glob("*.pem"))

    def mine(self):
        return [d for d in self.box.sink.deliveries if "".join(d.header("Subject")).startswith(self.id())]

    def signers(self):
        """How many messages each selector has signed."""
        return collections.Counter(s for d in self.mine() for field in d.header("DKIM-Signature") for s in re.findall(r"\bs=([^;\s]+)", field))

    def wait_for_signers(self, selectors, least=6):
        self.wait_until(lambda: all(self.signers()[s] >= least for s in selectors), f"mail signed by {selectors}")

    def publish_records(self):
        """What `dkim record` says, as an operator would."""
        records = self.box.postsluice("dkim", "record", "example.org", json_output=True)["records"]
        self.box.records.update({r["name"]: r["value"] for r in records})
        self.publish(*self.box.records)

    def assert_all_arrived_signed(self, least):
        self.wait_until(lambda: len(self.flow.accepted) >= least, f"{least} messages")  # a busy machine sends few in the time of a change
        self.flow.stop()
        subjects = lambda: {d.header("Subject")[0] for d in self.mine()}
        self.wait_until(lambda: self.flow.accepted <= subjects(), "all that was accepted")
        self.assertGreaterEqual(len(subjects()), least)
        records = self.box.path("all-records.txt")
        records.write_text("".join(f"{name}\t{value}\n" for name, value in self.box.records.items()))
        files = []
        for number, delivery in enumerate(self.mine()):
            self.assertGreaterEqual(len(delivery.header("DKIM-Signature")), 2, delivery.header("Subject"))
            files.append(self.box.path(f"{number}.eml"))
            files[-1].write_bytes(delivery.content)
        run = subprocess.run([ROOT / "tests/support/dkim-verify", records, *files], capture_output=True, text=True)
        self.assertEqual((run.returncode, [line for line in run.stdout.splitlines() if ": pass " not in line]), (0, []))
        said = collections.Counter(line.split(":")[0] for line in run.stdout.splitlines())
        self.assertEqual(set(said), set(map(str, files)))
        self.assertNotIn("sign=not-published", self.box.daemon_log("contentfilter"))

    def test_a_rotation(self):
        before = set(self.files())
        command = [f"{self.box.build}/postsluice", "--config", self.box.config_file, "dkim", "rotate", "example.org", "--owner", "daemon",
                   "--interval", "1", "--wait", "60"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            self.wait_until(lambda: len(self.files("next")) == 2, "the next keys")
            self.publish_records()
            said = process.communicate(timeout=180)[0]
        self.assertEqual(process.returncode, 0, said)
        after = set(self.files())
        self.assertFalse(before & after)
        self.wait_for_signers(after)
        self.assert_all_arrived_signed(24)
        self.assertTrue(before | after <= set(self.signers()))

    def test_files_alone(self):
        """Nobody tells the filter: it looks by itself (watch_interval)."""
        before, reloads = set(self.files()), self.box.daemon_log("contentfilter").count("reloaded")
        made = {f"{self.id().rsplit('.', 1)[1][-5:]}-{kind}": kind for kind in ("rsa", "ed25519")}
        aside = {selector: self.box.make_key("elsewhere.example", selector, kind) for selector, kind in made.items()}
        for selector in made:
            name = f"{selector}._domainkey."
            self.box.records[name + "example.org"] = self.box.records.pop(name + "elsewhere.example")
        self.publish(*self.box.records)
        for selector, file in aside.items():
            os.rename(file, self.keys / file.name)
        self.wait_for_signers(made)
        for selector in before:
            (self.keys / f"{selector}.pem").unlink()

        def alone():
            last = "".join(self.mine()[-1].header("DKIM-Signature"))
            return not any(f"s={s};" in last for s in before)
        self.wait_until(alone, "mail that the new keys alone signed")
        self.assert_all_arrived_signed(24)
        self.assertEqual(self.box.daemon_log("contentfilter").count("reloaded"), reloads)
        self.assertTrue(before | set(made) <= set(self.signers()))


if __name__ == "__main__":
    unittest.main()
