# SPDX-License-Identifier: Apache-2.0
"""Keys and what the DNS says of them: check_published, `dkim list|record|verify|rotate`, with a real nsd and a real Postfix."""

import os
import re
import signal
import subprocess
import time
import unittest

from support import BUILD, Nsd, Sandbox, SandboxCase, txt

PARALLEL = True


class PublishedCase(SandboxCase):
    PUBLISHED = ()  # names of the records that the zone has at first

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox(BUILD, overrides=cls.OVERRIDES)
        try:
            cls.box.patient_with_dns("5 seconds")
            cls.nsd = Nsd(cls.box.path("nsd"), cls.box.address, cls.zone(cls.PUBLISHED))
            cls.nsd.start()
            cls.box.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        if hasattr(cls, "nsd"):
            cls.nsd.stop()
        super().tearDownClass()

    @classmethod
    def zone(cls, names):
        return "".join(txt(name, cls.box.records[name]) for name in names)

    def publish(self, *names):
        self.nsd.publish(self.zone(names))

    def dkim(self, *arguments, **more):
        return self.box.postsluice("dkim", *arguments, **more)

    def selectors(self, subject):
        """Who signed a message of Alice's that went through Postfix; every signature must be good to Mail::DKIM."""
        self.assertEqual(self.send("alice@example.org", "someone@example.net", subject)[-1][1], 250)
        content = self.arrived(subject)[0].content
        header = content.split(b"\r\n\r\n")[0].decode()
        signed = re.findall(r"(?ms)^DKIM-Signature:.*?[\s;]s=([^;\s]+)", header)
        if signed:
            lines, good = self.box.verify_dkim(content)
            self.assertTrue(good, lines)
        return sorted(signed)


RSA, ED = "rsa1._domainkey.example.org", "ed1._domainkey.example.org"


class Require(PublishedCase):
    OVERRIDES = '[dkim]\ncheck_published = "require"\ncheck_retry = "1 second"\n'
    PUBLISHED = (RSA,)

    def test_only_what_is_published_signs(self):
        self.assertEqual(self.selectors("one of two"), ["rsa1"])
        run = self.dkim("verify", "example.org")
        self.assertEqual(run.returncode, 1, run)
        self.assertRegex(run.stdout, rf"(?m)^{ED} .*absent: there is no TXT record")
        self.assertRegex(run.stdout, rf"(?m)^{RSA} .*good")

        self.publish()
        self.assertEqual(self.dkim("verify", "--all").returncode, 1)
        self.assertEqual(self.selectors("none of two"), [])
        self.wait_until(lambda: "sign=not-published" in self.box.daemon_log("contentfilter"), "its line in the log")
        self.assertEqual(self.box.postsluice("status", json_output=True)["contentfilter"]["unsigned"], {"not-published": 1})

        self.publish(RSA, ED)  # asked again by itself, every check_retry
        self.wait_until(lambda: self.published() == {"rsa1": "good", "ed1": "good"}, "both keys to be found")
        self.assertEqual(self.selectors("two of two"), ["ed1", "rsa1"])
        self.assertEqual(self.dkim("verify", "--all").returncode, 0)

        self.nsd.stop()
        try:
            run = self.dkim("verify", "example.org")
            self.assertEqual(run.returncode, 75, run)
            self.assertEqual(self.selectors("a dead DNS"), ["ed1", "rsa1"])
            self.box.stop_daemon("contentfilter")
            self.box.start_daemon("contentfilter")  # now nothing is known, and that is not "unpublished"
            self.assertEqual(self.selectors("nothing known"), ["ed1", "rsa1"])
        finally:
            self.nsd.start()

    def published(self):
        return {k["selector"]: k["published"] for k in self.dkim("list", "example.org", json_output=True)["keys"]}


class Warn(PublishedCase):
    OVERRIDES = '[dkim]\ncheck_published = "warn"\n'

    def test_nothing_is_published_and_everything_signs(self):
        self.assertEqual(self.selectors("warned"), ["ed1", "rsa1"])
        self.wait_until(lambda: "dkim key is not published" in self.box.daemon_log("contentfilter"), "a warning")
        for words in ("selector=rsa1", "selector=ed1", "published=absent"):
            self.wait_until(lambda: words in self.box.daemon_log("contentfilter"), words)

    def test_list_record_and_verify_say_what_there_is(self):
        run = self.dkim("list")
        self.assertEqual(run.returncode, 0, run)
        self.assertRegex(run.stdout, r"(?m)^example\.org +rsa1 +rsa-sha256 2048 +current +\S.* @example\.org, @\*\.example\.org +\S+/rsa1\.pem$")
        self.assertEqual(self.dkim("list", "example.com").returncode, 3)
        run = self.dkim("record", "example.org")
        self.assertEqual(run.returncode, 0, run)
        zone = self.box.path("zone")
        zone.write_text("$ORIGIN example.org.\n$TTL 60\n@ IN SOA ns hostmaster 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n" + run.stdout)
        checked = subprocess.run(["/usr/sbin/nsd-checkzone", "example.org", zone], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 0, checked)
        records = self.dkim("record", "example.org", "--selector", "ed1", json_output=True)["records"]
        self.assertEqual([(r["name"], r["value"]) for r in records], [(ED, self.box.records[ED])])
        self.assertEqual(self.dkim("verify").returncode, 2)
        self.assertEqual(self.dkim("verify", "example.org", "--all").returncode, 2)
        self.assertEqual(self.dkim("verify", "example.com").returncode, 3)
        self.publish(RSA, ED)
        found = self.dkim("verify", "example.org", json_output=True)
        self.assertEqual((found["faults"], found["undecided"]), (0, 0))
        self.nsd.publish(txt(RSA, self.box.records[ED]) + txt(ED, self.box.records[ED] + "; t=y"))
        found = {k["selector"]: k for k in self.dkim("verify", "example.org", json_output=True)["keys"]}
        self.assertEqual(found["rsa1"]["published"], "different")
        self.assertEqual(found["rsa1"]["published_record"], self.box.records[ED])
        self.assertEqual((found["ed1"]["published"], found["ed1"]["usable"]), ("testing", True))
        shown = self.box.postsluice("doctor", "--postfix-config", str(self.box.path("etc/postfix")), json_output=True)
        self.assertEqual({(one["diagnosis"], one["what"]) for one in shown["findings"]},
                         {("key-unpublished", f"The DNS record of the DKIM key {RSA} is different."),
                          ("key-unpublished", f"The DNS record of the DKIM key {ED} is testing.")})

    def test_wildcards_have_records_of_their_subdomains(self):
        self.box.make_key("*.sub.example", "w1", "ed25519")
        self.box.records["w1._domainkey.a.sub.example"] = self.box.records.pop("w1._domainkey.*.sub.example")
        self.publish("w1._domainkey.a.sub.example")
        self.assertEqual(self.dkim("verify", "*.sub.example").returncode, 3)
        self.assertEqual(self.dkim("verify", "a.sub.example").returncode, 0)
        self.assertEqual(self.dkim("verify", "b.sub.example").returncode, 1)
        for _ in range(2):
            names = [k["name"] for k in self.dkim("verify", "*.sub.example", json_output=True)["keys"]]  # as far as they were used
            self.assertEqual(names, ["w1._domainkey.a.sub.example", "w1._domainkey.b.sub.example"])
            self.box.make_key("other.example", "x1", "ed25519")  # all keys are loaded again, and w1 is the same as before


class Rotate(PublishedCase):
    OVERRIDES = '[dkim]\ncheck_published = "require"\ncheck_retry = "1 second"\n'
    PUBLISHED = (RSA, ED)

    def setUp(self):
        """The state before any rotation: rsa1 and ed1, published."""
        self.keys = self.box.path("etc/postsluice/dkim/example.org")
        subprocess.run(["rm", "-rf", self.keys], check=True)
        self.box.records.clear()
        self.box.make_key("example.org", "rsa1", "rsa")
        self.box.make_key("example.org", "ed1", "ed25519")
        self.publish(RSA, ED)
        self.assertEqual(self.dkim("verify", "example.org").returncode, 0)

    def files(self, folder=""):
        return sorted(file.stem for file in (self.keys / folder).glob("*.pem"))

    def begin(self, *arguments):
        """A rotation that waits for its records: the filter knows the next keys. What it says goes to files."""
        command = [f"{self.box.build}/postsluice", "--config", self.box.config_file, "dkim", "rotate", "example.org", "--owner", "daemon",
                   "--interval", "1", "--wait", "120", *arguments]
        with open(self.box.path("rotate.out"), "w") as out, open(self.box.path("rotate.err"), "w") as err:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        told = lambda: "not published yet" in self.box.path("rotate.err").read_text()
        self.wait_until(lambda: told() or process.poll() is not None, "the next keys")
        return process

    def publish_all(self):
        """What `dkim record` says, as an operator would."""
        records = self.dkim("record", "example.org", json_output=True)["records"]
        self.box.records.update({r["name"]: r["value"] for r in records})
        self.box.path("records.txt").write_text("".join(f"{name}\t{value}\n" for name, value in self.box.records.items()))
        self.publish(*self.box.records)
        return [r["selector"] for r in records if r["role"] == "next"]

    def rotate(self, *arguments):
        """A rotation with an operator who publishes once the keys are there; the new selectors and the process's end."""
        process = self.begin(*arguments)
        selectors = self.publish_all()
        process.wait(180)
        out, err = (self.box.path(f"rotate.{what}").read_text() for what in ("out", "err"))
        return selectors, subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def test_the_next_keys_sign_once_they_are_published_and_the_old_records_must_stay(self):
        run = self.dkim("rotate", "example.org", "--owner", "daemon", "--wait", "1", "--interval", "1")
        self.assertEqual(run.returncode, 75, run)
        self.assertIn("run this again", run.stderr)
        self.assertEqual((self.files(), len(self.files("next"))), (["ed1", "rsa1"], 2))
        self.assertEqual(self.selectors("not yet"), ["ed1", "rsa1"])
        made = self.files("next")
        for file in (self.keys / "next").iterdir():
            self.assertEqual(file.stat().st_mode & 0o7777, 0o600)

        selectors, run = self.rotate()
        self.assertEqual(run.returncode, 0, run)
        self.assertEqual(sorted(selectors), made)
        self.assertEqual((self.files(), self.files("next"), self.files("old")), (made, [], ["ed1", "rsa1"]))
        self.assertEqual(self.selectors("rotated"), made)
        self.assertRegex(run.stdout, r"rsa1\._domainkey\.example\.org: its record must stay in the DNS until 20")
        listed = {k["selector"]: k for k in self.dkim("list", "example.org", json_output=True)["keys"]}
        self.assertEqual({s: k["role"] for s, k in listed.items()}, dict.fromkeys(made, "current") | {"rsa1": "retired", "ed1": "retired"})
        self.assertTrue(all(listed[s]["needed_until"] > listed[s]["since"] for s in ("rsa1", "ed1")))

        self.publish(*(name for name in self.box.records if name != RSA))  # too early
        run = self.dkim("verify", "example.org")
        self.assertEqual(run.returncode, 1, run)
        self.assertRegex(run.stdout, rf"(?m)^{RSA} .*retired +absent")
        past = time.time() - 8 * 86400
        for name in ("rsa1", "ed1"):
            os.utime(self.keys / f"old/{name}.pem", (past, past))
        self.assertEqual(self.dkim("verify", "example.org").returncode, 0)
        self.assertIn("its record may be removed", self.dkim("list").stdout)

        again, run = self.rotate()  # in the same month: other names; and what is over is cleared
        self.assertEqual(run.returncode, 0, run)
        self.assertFalse(set(again) & set(made))
        self.assertEqual(self.files("old"), made)
        self.assertIn("its key is deleted; remove its record from the DNS", run.stdout)
        self.assertEqual(self.selectors("rotated again"), sorted(again))

    def test_a_rotation_that_was_killed_is_gone_on_with_and_none_runs_beside_it(self):
        process = self.begin()
        made = self.files("next")
        self.assertEqual(len(made), 2)
        self.wait_until(lambda: self.dkim("rotate", "example.org", "--wait", "1").returncode == 1, "the lock")
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        self.assertEqual(self.files(), ["ed1", "rsa1"])
        selectors, run = self.rotate()
        self.assertEqual(run.returncode, 0, run)
        self.assertEqual((sorted(selectors), self.files()), (made, made))

    def test_a_switch_that_was_broken_off_is_finished(self):
        self.assertEqual(self.dkim("rotate", "example.org", "--owner", "daemon", "--wait", "1", "--interval", "1").returncode, 75)
        made = self.files("next")
        rsa = next(name for name in made if name.startswith("rsa"))
        os.link(self.keys / f"next/{rsa}.pem", self.keys / f"{rsa}.pem")  # killed after the first step of the first key
        self.publish_all()
        self.assertEqual(self.dkim("verify", "example.org").returncode, 0)
        self.assertEqual(self.selectors("in between"), sorted(["ed1", "rsa1", rsa]))
        self.assertEqual(self.dkim("rotate", "example.org", "--wait", "60", "--interval", "1").returncode, 0)
        self.assertEqual((self.files(), self.files("next"), self.files("old")), (made, [], ["ed1", "rsa1"]))

    def test_one_selector_alone_and_profiles_that_name_it(self):
        with open(self.box.path("etc/postsluice/conf.d/selector.toml"), "w") as profile:
            profile.write('[profile.default]\ndkim_selector = "ed1"\n')
        self.addCleanup(os.unlink, profile.name)
        selectors, run = self.rotate("--selector", "ed1")
        self.assertEqual(run.returncode, 0, run)
        self.assertEqual(self.files(), sorted([*selectors, "rsa1"]))
        self.assertIn(f'change it to "{selectors[0]}"', run.stderr)

    def test_a_wildcard_has_records_of_each_subdomain_that_sends(self):
        self.keys = self.box.path("etc/postsluice/dkim/*.sub.example")
        self.addCleanup(subprocess.run, ["rm", "-rf", self.keys], check=True)
        self.box.make_key("*.sub.example", "w1", "ed25519")
        self.box.make_key("own.sub.example", "o1", "ed25519")
        record = self.box.records.pop("w1._domainkey.*.sub.example")
        names = [f"w1._domainkey.{domain}.sub.example" for domain in ("a", "b")]
        self.box.records.update(dict.fromkeys(names, record))
        self.publish(*self.box.records)

        def rotate(*more, wait="1"):
            return self.dkim("rotate", "*.sub.example", "--owner", "daemon", "--wait", wait, "--interval", "1", *more)
        run = rotate()  # whose records?
        self.assertEqual(run.returncode, 2, run)
        self.assertIn("--subdomain", run.stderr)
        for domain, code in (("example.net", 2), ("sub.example", 2), ("x y", 2), ("own.sub.example", 1)):
            self.assertEqual(rotate("--subdomain", domain).returncode, code, domain)
        self.assertEqual((self.files(), self.files("next")), (["w1"], []))

        both = ("--subdomain", "a.sub.example", "--subdomain", "b.sub.example")
        run = rotate(*both)
        self.assertEqual(run.returncode, 75, run)
        self.assertEqual((self.files(), len(self.files("next"))), (["w1"], 1))
        new = self.files("next")[0]
        for domain in ("a", "b"):
            self.assertIn(f"{new}._domainkey.{domain}.sub.example. ", run.stdout)
            self.assertIn(f"{new} of {domain}.sub.example (there is no TXT record)", run.stderr)
        records = self.dkim("record", "a.sub.example", "--selector", new, json_output=True)["records"]
        for domain in ("a", "b"):  # one of both is not enough
            self.assertEqual(self.files(), ["w1"])
            self.box.records[f"{new}._domainkey.{domain}.sub.example"] = records[0]["value"]
            self.publish(*self.box.records)
            run = rotate(*both, wait="1" if domain == "a" else "45")
        self.assertEqual(run.returncode, 0, run)
        self.assertEqual((self.files(), self.files("next"), self.files("old")), ([new], [], ["w1"]))
        for name in names:
            self.assertRegex(run.stdout, rf"(?m)^{re.escape(name)}: its record must stay in the DNS until 20")
        found = self.dkim("verify", "b.sub.example", json_output=True)["keys"]
        self.assertEqual({k["selector"]: (k["role"], k["published"]) for k in found}, {new: ("current", "good"), "w1": ("retired", "good")})

    def test_what_cannot_be_rotated_is_said_and_nothing_is_made(self):
        for arguments, code in ((("*.example.org",), 3), (("example.org", "--subdomain", "a.example.org"), 2),
                                (("no domain",), 2), (("example.net",), 3), (("example.org", "--selector", "no"), 3),
                                (("www.example.org",), 3), (("example.org", "--owner", "no-such-user-here"), 1)):
            with self.subTest(arguments):
                self.assertEqual(self.dkim("rotate", *arguments, "--wait", "1").returncode, code)
        self.box.make_key("example.org", "rsa2", "rsa")
        run = self.dkim("rotate", "example.org", "--wait", "1")
        self.assertEqual(run.returncode, 1, run)
        self.assertIn("--selector", run.stderr)
        self.assertEqual(self.files("next"), [])
        self.box.stop_daemon("contentfilter")
        try:
            self.assertEqual(self.dkim("rotate", "example.org", "--wait", "1").returncode, 4)
            self.assertEqual(self.dkim("verify", "example.org").returncode, 4)
        finally:
            self.box.start_daemon("contentfilter")
        self.assertEqual(self.files("next"), [])


if __name__ == "__main__":
    unittest.main()
