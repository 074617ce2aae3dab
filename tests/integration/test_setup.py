# SPDX-License-Identifier: Apache-2.0
"""`postsluice setup` on a real Postfix that knows nothing of Postsluice: each way in, and out again."""

import re
import shutil
import subprocess
import unittest

from setup_support import SetupCase
from support import ROOT, mails

WAYS = {"lmtp": "after-queue", "smtp": "after-queue-smtp", "before-queue": "before-queue", "pipe": "pipe"}

PARALLEL = True


class Lmtp(SetupCase):
    WAY = "lmtp"
    MODE = "enforce"
    EXAMPLE = WAYS["lmtp"]

    def example_services(self):
        """{service: {option: value}} of the example, as Postfix reads it, with this sandbox's names in it."""
        with_ours = self.box.path("etc/example")
        shutil.copytree(ROOT / "postfix-examples" / self.EXAMPLE, with_ours, dirs_exist_ok=True)
        text = (with_ours / "master.cf").read_text()
        for port, name in ((587, "submission"), (465, "submissions")):
            text = re.sub(rf"(?m)^{name}(\s+inet.*) y ", rf"{self.box.address}:{port}\1 {self.CHROOT} ", text)
        for there, here in (("[127.0.0.1]:10587", f"[{self.box.address}]:10587"), ("/usr/libexec/postsluice", str(self.box.build)),
                            ("/var/spool/postfix", str(self.box.path("queue"))), ("user=postsluice", "user=daemon")):
            text = text.replace(there, here)
        (with_ours / "master.cf").write_text(text)
        return self.services(with_ours)

    @staticmethod
    def services(config):
        found = {}
        for option in ("-P", "-F"):
            run = subprocess.run(["postconf", "-c", str(config), option], check=True, capture_output=True, text=True)
            for line in run.stdout.splitlines():
                key, _, value = line.partition(" = ")
                service, _, name = key.rpartition("/")
                found.setdefault(service, {})[name] = " ".join(value.replace(",", ", ").split())
        return found

    def test_in_and_out_again(self):
        shown = self.setup_command("--way", self.WAY)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        self.assertIn("+++ " + str(self.config / "master.cf"), shown.stdout)
        self.assertIn("postsluice setup --apply", shown.stdout)
        self.assertEqual(self.files(), self.files_before)
        self.assertFalse(self.state_directory.exists())

        patched = self.box.path("etc/patched")  # what is shown is a patch, says patch(1), and what is applied
        patched.mkdir()
        for name in ("main.cf", "master.cf"):
            shutil.copy(self.config / name, patched)
        diff = "".join(line for line in shown.stdout.splitlines(keepends=True) if not line.startswith(("note:", "      ")))
        diff = diff[:diff.rindex("Nothing was changed")].replace(str(self.config) + "/", "")
        subprocess.run(["patch", "-s", "-p0"], input=diff, text=True, cwd=patched, check=True)

        self.mail_arrives("before", signed=False)
        if self.MODE != "enforce":
            self.assertEqual(self.box.postsluice("config", "set", "mode", self.MODE).returncode, 0)
        said = self.apply("--way", self.WAY)
        self.assertIn(f'Mode is "{self.MODE}"', said)
        self.assertIn("postsluice config set mode " + ("observe" if self.MODE == "enforce" else "enforce"), said)
        self.assertIn("a message goes through the filter, comes back, and is discarded", said)
        self.assertIn("policyd answers Postfix about a recipient", said)
        self.assertEqual((patched / "master.cf").read_bytes(), self.files()["master.cf"])
        self.assertEqual((patched / "main.cf").read_bytes(), self.files()["main.cf"])
        shutil.rmtree(patched)

        example, is_now = self.example_services(), self.services(self.config)
        ours = {name: options for name, options in example.items() if re.match(r"postsluice|pickup|\S+:(587|465)/", name)}
        self.assertGreaterEqual(len(ours), 5)
        for service, options in ours.items():
            self.assertEqual(is_now[service], options, service)

        self.mail_arrives("guarded", signed=True)
        self.assertEqual(self.box.sendmail(33, ["friend@example.net"], mails.plain("web@example.org", "friend@example.net", "local"))
                         .returncode, 0)
        self.assertTrue(self.box.verify_dkim(self.arrived("local")[0].content)[1])
        run = self.box.postsluice("doctor", "--postfix-config", str(self.config))
        self.assertEqual(run.returncode, 0, run.stdout)

        files = self.files()
        self.assertIn("Nothing to change", self.apply("--way", self.WAY))
        self.assertIn("Nothing to change", self.apply())
        self.assertEqual(self.files(), files)

        self.assertIn("Taken back", self.undo())
        self.assert_as_before()
        self.assertEqual(self.files(), self.files_before)
        self.mail_arrives("after", signed=False)
        self.assertIn("Nothing to take back", self.undo())


class Smtp(Lmtp):
    CHROOT = "n"
    WAY = "smtp"
    EXAMPLE = WAYS["smtp"]


class BeforeQueue(Lmtp):
    WAY = "before-queue"
    EXAMPLE = WAYS["before-queue"]


class Pipe(Lmtp):
    WAY = "pipe"
    MODE = "observe"
    EXAMPLE = WAYS["pipe"]


if __name__ == "__main__":
    unittest.main()
