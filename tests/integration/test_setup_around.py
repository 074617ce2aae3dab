# SPDX-License-Identifier: Apache-2.0
"""`postsluice setup` where Postfix is not alone, or not as usual: neighbours, IPv6 only, several instances. And `config set`."""

import os
import shutil
import smtplib
import socket
import ssl
import subprocess
import unittest

from setup_support import SetupCase, bare_postfix
from support import BUILD, Sandbox, SandboxCase, mails

PARALLEL = True


class Neighbours(SetupCase):
    BARE_MAIN = """
smtpd_milters = inet:127.0.0.1:1
milter_default_action = accept
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:2
smtpd_policy_service_default_action = DUNNO
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
"""

    def test_who_is_there_already_stays_and_is_named(self):
        said = self.apply()
        self.assertIn("smtpd_milters = inet:127.0.0.1:1 stays", " ".join(said.split()))
        self.assertIn("inet:127.0.0.1:2", said)
        self.assertIn(f"{self.box.address}:25/inet relays for mynetworks and stays as it is", " ".join(said.split()))
        found = self.box.postsluice("doctor", "--postfix-config", str(self.config)).stdout
        self.assertIn("relay-past-filter", found)
        self.mail_arrives("beside others", signed=True)
        self.undo()
        self.assert_as_before()


class Ipv6Only(SetupCase):
    # Nobody is at the relayhost: mail waits, to be looked at.
    IPV6 = ["inet_protocols=ipv6", "inet_interfaces=::1", "relayhost=[::1]:9"]

    @classmethod
    def setUpClass(cls):
        cls.wait_for_turn()
        cls.box = box = Sandbox(BUILD, cls.EXAMPLE)
        try:
            bare_postfix.make_bare(box)
            subprocess.run(["postconf", "-c", box.path("etc/postfix"), "-e", *cls.IPV6], check=True)
            master = box.path("etc/postfix/master.cf")
            master.write_text(master.read_text().replace(f"{box.address}:", "[::1]:"))
            box.start_daemon("policyd")
            box.start_daemon("contentfilter")
            box.start_postfix()
            box.start_dovecot()
            box.wait_until(cls.greets, "the submission port")
        except BaseException:
            box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    @staticmethod
    def greets():
        try:
            with socket.create_connection(("::1", 587), 20) as probe:
                return probe.recv(100).startswith(b"220")
        except OSError:
            return False

    def test_in_and_out_again(self):
        self.assertIn("a message goes through the filter, comes back, and is discarded", self.apply())
        self.wait_until(self.greets, "the submission port")
        with smtplib.SMTP("::1", 587, local_hostname="client.example.org", timeout=60) as session:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            session.starttls(context=context)
            session.login("alice@example.org", self.box.accounts["alice@example.org"])
            session.sendmail("alice@example.org", ["friend@example.net"], mails.plain("alice@example.org", "friend@example.net", "six"))
        self.wait_until(lambda: [m for m in self.box.queue() if m["queue_name"] == "deferred"], "the message on its way out")
        queued = [m for m in self.box.queue() if m["queue_name"] == "deferred"][0]["queue_id"]
        content = subprocess.run(["postcat", "-c", str(self.config), "-b", "-h", "-q", queued], check=True, capture_output=True).stdout
        lines, good = self.box.verify_dkim(content.replace(b"\n", b"\r\n"))
        self.assertTrue(good, lines)
        self.assertIn("Taken back", self.undo())
        self.assert_as_before()
        self.wait_until(self.greets, "the submission port")


class ConfigSet(SandboxCase):
    def mode(self):
        return self.box.postsluice("status", json_output=True)["policyd"]["mode"]

    def test_the_mode_changes_in_its_place_and_the_daemons_follow(self):
        main = self.box.config_file
        os.chmod(main, 0o644)
        before = main.read_text()
        self.assertEqual(self.mode(), "enforce")
        run = self.box.postsluice("config", "set", "mode", "observe")
        self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout)
        self.assertEqual(self.mode(), "observe")
        after = main.read_text()
        self.assertEqual([line for line in after.splitlines() if line not in before.splitlines()], ['mode = "observe"'])
        self.assertEqual(os.stat(main).st_mode & 0o777, 0o644)
        self.box.postsluice("config", "set", "mode", "enforce")
        self.assertEqual(self.mode(), "enforce")
        self.assertEqual(main.read_text(), after.replace("observe", "enforce"))

    def test_a_key_of_conf_d_changes_there(self):
        extra = self.box.path("etc/postsluice/conf.d/dns.toml")
        before, main = extra.read_text(), self.box.config_file.read_text()
        run = self.box.postsluice("config", "set", "dns.timeout", "2 seconds")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(extra.read_text(), before.replace('"1 second"', '"2 seconds"'))
        self.assertEqual(self.box.config_file.read_text(), main)

    def test_what_would_be_wrong_is_refused_and_changes_nothing(self):
        before = self.box.config_file.read_text()
        for key, value, code, said in (("mode", "obverse", 78, "observe"), ("policyd.lese", "1 minute", 78, 'did you mean "lease"'),
                                       ("profile.default.lock.for", "1 hour", 1, "part of the value"), ("a b", "1", 2, "no key"),
                                       ("mode", 'x"\nlisten = 1', 78, "mode")):
            with self.subTest(key=key, value=value):
                run = self.box.postsluice("config", "set", key, value)
                self.assertEqual(run.returncode, code, run.stdout + run.stderr)
                self.assertIn(said, run.stderr)
                self.assertEqual(self.box.config_file.read_text(), before)


class TwoInstances(SetupCase):
    def second(self):
        """Another instance: its own configuration, queue and data."""
        config = self.box.path("etc/postfix-out")
        shutil.copytree(self.config, config, ignore=shutil.ignore_patterns("postsluice-setup"))
        queue, data = self.box.path("queue-out"), self.box.path("data-out")
        for directory in (queue, data):
            directory.mkdir()
        shutil.chown(data, "postfix")
        subprocess.run(["postconf", "-c", str(config), "-e", f"queue_directory={queue}", f"data_directory={data}", "syslog_name=postfix-out"], check=True)
        master = config / "master.cf"
        master.write_text(master.read_text().replace(f"{self.box.address}:", f"{self.box.address}:1"))
        return config

    def test_one_is_set_up_and_the_other_stays(self):
        other = self.second()
        subprocess.run(["postconf", "-c", str(self.config), "-e", f"multi_instance_directories={other}"], check=True)
        self.before = self.postfix_state()
        theirs = self.postfix_state(other)
        run = self.box.postsluice("setup", "-c", str(other), "--apply")
        self.assertEqual(run.returncode, 1, run.stdout)
        self.assertIn(f"unix:{self.box.path('queue-out')}/postsluice/policyd", run.stderr)
        self.assertIn(str(other), self.apply())
        self.mail_arrives("the first instance", signed=True)
        self.assertEqual(self.postfix_state(other), theirs)
        run = self.box.postsluice("setup", "-c", str(other), "--undo")
        self.assertIn("Nothing to take back", run.stdout)
        self.undo()
        self.assert_as_before()
        self.assertEqual(self.postfix_state(other), theirs)


if __name__ == "__main__":
    unittest.main()
