# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: a test class with one sandbox, and small helpers around it."""

import os
import pathlib
import re
import smtplib
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import mails  # noqa: E402,F401
from nsd import Nsd, txt  # noqa: E402,F401
from sandbox import ROOT, Sandbox, SandboxError  # noqa: E402,F401

BUILD = os.environ.get("POSTSLUICE_BUILD", str(ROOT / "build"))


def reference_of(text):
    found = re.search(r"ref ([0-9A-Z]{8})\b", text)
    return found.group(1) if found else None


class SandboxCase(unittest.TestCase):
    """One sandbox for all cases of a class; OVERRIDES is TOML that joins the example's configuration."""

    OVERRIDES = ""
    MAIN_CF = ""
    ACCOUNTS = None
    KEEP_PROFILE = True
    EXAMPLE = "after-queue"
    SANDBOX = Sandbox

    @classmethod
    def setUpClass(cls):
        cls.box = cls.SANDBOX(BUILD, cls.EXAMPLE, overrides=cls.OVERRIDES, main_cf=cls.MAIN_CF, accounts=cls.ACCOUNTS, keep_profile=cls.KEEP_PROFILE)
        try:
            cls.prepare()
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    @classmethod
    def prepare(cls):
        """What is written into the sandbox before it starts."""

    @classmethod
    def edit_main(cls, *entries):
        subprocess.run(["postconf", "-c", cls.box.path("etc/postfix"), "-e", *entries], check=True, capture_output=True)

    @classmethod
    def edit_service(cls, port, *entries):
        """What master.cf says of the smtpd with this port; values without blanks, as `postconf -P` takes them."""
        subprocess.run(["postconf", "-c", cls.box.path("etc/postfix"), "-P", *(f"{cls.box.address}:{port}/inet/{entry}" for entry in entries)],
                       check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))

    def quarantine(self, **match):
        entries = self.box.postsluice("quarantine", "list", json_output=True)["entries"]
        return [e for e in entries if all(e.get(key) == value for key, value in match.items())]

    def arrived(self, subject, count=1, timeout=90):
        return self.box.sink.wait(count, timeout, lambda d: subject in d.header("Subject"))

    def send(self, login, recipient, subject, **more):
        sender = more.pop("sender", None)
        return self.box.send(login, recipient, mails.plain(login, "someone@example.net", subject, **more), sender=sender)

    def session_from(self, client, login):
        """An authenticated session of a client that connects from another address of this machine (127.0.0.0/8)."""
        session = smtplib.SMTP(self.box.address, 587, local_hostname="client.example.org", timeout=120, source_address=(client, 0))
        session.starttls(context=ssl._create_unverified_context())
        session.login(login, self.box.accounts[login])
        return session

    def judge(self, text, login="alice@example.org"):
        """What `postsluice message test` says: the verdict, and {symbol: finding}."""
        said = self.box.postsluice("message", "test", "-", "--as", login, json_output=True, input=text)
        self.assertIn("verdict", said)
        return said["verdict"], {finding["symbol"]: finding for finding in said["findings"]}

    def wait_until(self, condition, what, timeout=90):
        self.box.wait_until(condition, what, timeout)

    def filter_lines(self, *words, least=0):
        """The filter's log of messages that it was done with. A message may be at its goal before its line is written: `least` are waited for."""
        found = lambda: [line for line in self.box.daemon_log("contentfilter").splitlines() if " message " in line and all(w in line for w in words)]
        self.wait_until(lambda: len(found()) >= least, f"{least} lines with {words}")
        return found()

    def assert_signed(self, delivery):
        """By both keys, as somebody else's program sees it, and without our ticket."""
        lines, passed = self.box.verify_dkim(delivery.content)
        self.assertTrue(passed, lines)
        self.assertEqual(len(delivery.header("DKIM-Signature")), 2)
        self.assertEqual(delivery.header("X-Postsluice-Ticket"), [])

    def usage(self, account):
        """{limit subject: used} of an account, as `postsluice account show` reports it."""
        shown = self.box.postsluice("account", "show", account, json_output=True)
        return {limit["subject"]: limit["used"] for limit in shown["use"]}


def resident_kib(pid):
    """Peak resident memory of a process, in KiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def sanitized():
    """Whether the daemons under test carry AddressSanitizer (memory figures mean nothing then)."""
    run = subprocess.run(["ldd", f"{BUILD}/postsluice-policyd"], capture_output=True, text=True)
    return "asan" in run.stdout
