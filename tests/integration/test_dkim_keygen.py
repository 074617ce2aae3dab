# SPDX-License-Identifier: Apache-2.0
"""`postsluice dkim keygen`: files that the filter can use, records that a zone file takes, nothing overwritten."""

import base64
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from support import BUILD

PARALLEL = True


class Keygen(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)
        self.keys = self.dir / "dkim"
        self.keys.mkdir()
        if os.geteuid() == 0:
            os.chown(self.keys, 65534, 65534)
        (self.dir / "postsluice.toml").write_text(f'hostname = "mail.example.org"\n[dkim]\ndirectory = "{self.keys}"\n')

    def keygen(self, *arguments):
        return subprocess.run([f"{BUILD}/postsluice", "--config", self.dir / "postsluice.toml", "dkim", "keygen", *arguments],
                              capture_output=True, text=True, timeout=120)

    def made(self):
        return {str(file.relative_to(self.keys)): file.read_bytes() for file in self.keys.rglob("*") if file.is_file()}

    def public_key(self, file):
        return subprocess.run(["openssl", "pkey", "-in", file, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout

    def test_both_kinds_with_owner_mode_and_record(self):
        run = self.keygen("Example.ORG", "--selector", "s1", "--json")
        self.assertEqual(run.returncode, 0, run)
        keys = json.loads(run.stdout)["keys"]
        self.assertEqual([(k["domain"], k["selector"], k["algorithm"]) for k in keys],
                         [("example.org", "s1-rsa", "rsa-sha256"), ("example.org", "s1-ed25519", "ed25519-sha256")])
        self.assertEqual(sorted(self.made()), ["example.org/s1-ed25519.pem", "example.org/s1-rsa.pem"])
        for key in keys:
            info = os.stat(key["file"])
            self.assertEqual(info.st_mode & 0o7777, 0o600)
            self.assertEqual(info.st_uid, os.stat(self.keys).st_uid)
            self.assertEqual(os.stat(self.keys / "example.org").st_uid, info.st_uid)
            der = self.public_key(key["file"])
            expected = der if key["algorithm"] == "rsa-sha256" else der[-32:]
            self.assertEqual(base64.b64decode(key["value"].split("p=")[1]), expected)
            self.assertEqual(key["name"], f"{key['selector']}._domainkey.example.org")

    def test_a_name_server_publishes_the_zone_record(self):
        run = self.keygen("example.org")
        self.assertEqual(run.returncode, 0, run)
        plain = [line[2:] for line in run.stdout.splitlines() if line.startswith("; v=DKIM1")]
        zone = self.dir / "zone"
        zone.write_text("$ORIGIN example.org.\n$TTL 60\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n"
                        + run.stdout)
        checked = subprocess.run(["nsd-checkzone", "example.org", zone], capture_output=True, text=True,
                                 env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        self.assertEqual(checked.returncode, 0, checked)
        strings = [re.findall(r'"([^"]*)"', record) for record in run.stdout.split("IN TXT")[1:]]
        self.assertEqual(["".join(s) for s in strings], plain)
        self.assertEqual(len(plain), 2)
        self.assertTrue(all(len(s) <= 255 for record in strings for s in record))

    def test_nothing_is_overwritten(self):
        self.assertEqual(self.keygen("example.org", "--selector", "s1", "--type", "rsa").returncode, 0)
        (self.keys / "example.org/s2-ed25519.pem").symlink_to("nowhere")
        before = self.made()
        for arguments in (("--selector", "s1", "--type", "rsa"), ("--selector", "s1", "--type", "ed25519"), ("--selector", "s2")):
            run = self.keygen("example.org", *arguments)
            self.assertEqual(run.returncode, 1, run)
            self.assertIn("there already", run.stderr)
            self.assertEqual(self.made(), before)

    def test_names_that_are_none_are_refused(self):
        for arguments in (("../x",), ("example..org",), ("example.org", "--selector", "a/b"), ("example.org", "--selector", ""),
                          ("example.org", "--type", "dsa"), ("*",)):
            with self.subTest(arguments):
                self.assertEqual(self.keygen(*arguments).returncode, 2)
        self.assertEqual(self.made(), {})
        self.assertEqual(self.keygen("*.example.org", "--type", "ed25519").returncode, 0)

    def test_an_owner_that_there_is_not_makes_nothing(self):
        self.assertEqual(self.keygen("example.org", "--owner", "no-such-user-here").returncode, 1)
        self.assertEqual(self.made(), {})


if __name__ == "__main__":
    unittest.main()
