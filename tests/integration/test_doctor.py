# SPDX-License-Identifier: Apache-2.0
"""`postsluice doctor` on a real private Postfix: nothing to find while it is healthy, and each diagnosis when it is broken."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from support import SandboxCase, mails

HOOK = "$postsluice_policy"


class DoctorCase(SandboxCase):
    @property
    def config(self):
        return self.box.path("etc/postfix")

    def doctor(self, config=None):
        """{diagnosis: [finding]} and what was not seen."""
        shown = self.box.postsluice("doctor", "--postfix-config", str(config or self.config), json_output=True)
        found = {}
        for one in shown["findings"]:
            for part in ("what", "why", "mend"):
                self.assertTrue(one[part], one)
            found.setdefault(one["diagnosis"], []).append(one)
        self.assertEqual(shown["ok"], not found)
        return found, shown["unseen"]

    def postconf(self, *words, config=None):
        subprocess.run(["postconf", "-c", str(config or self.config), *words], check=True, capture_output=True)

    @contextlib.contextmanager
    def broken(self, *edits):
        """A copy of Postfix's configuration, which postconf edited; the running one stays as it is."""
        with tempfile.TemporaryDirectory(dir=self.box.path("etc")) as copy:
            for name in ("main.cf", "master.cf"):
                shutil.copy(self.config / name, copy)
            for edit in edits:
                self.postconf(*edit, config=copy)
            yield pathlib.Path(copy)

    def assert_finds(self, only, *edits, text=""):
        """Exactly this diagnosis finds something, and the command it names mends it where it is one of postconf's."""
        with self.broken(*edits) as copy:
            found, _ = self.doctor(copy)
            self.assertEqual(set(found), {only}, found)
            said = " ".join(one["what"] for one in found[only])
            self.assertIn(text, said)
            for _ in range(2):  # a service that was not asked about at all has its stages next
                for command in [c for all in found.values() for one in all for c in one["mend"].split(" && ")]:
                    self.assertIn(str(copy), command)
                    if command.startswith("postconf"):  # "postfix reload" is for one that runs
                        subprocess.run(command, shell=True, check=True, capture_output=True)
                found, _ = self.doctor(copy)
            self.assertEqual(found, {})


class Healthy(DoctorCase):
    def test_a_healthy_installation_gives_no_finding(self):
        self.send("alice@example.org", "friend@example.net", "healthy")
        self.arrived("healthy")
        self.assertEqual(self.doctor(), ({}, []))
        run = self.box.postsluice("doctor", "--postfix-config", str(self.config))
        self.assertEqual((run.returncode, run.stderr), (0, ""), run)
        self.assertIn("Nothing is wrong", run.stdout)

    def test_without_root_it_says_what_it_could_not_see_and_guesses_nothing(self):
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", f"{self.box.build}/postsluice", "--config",
                   str(self.box.config_file), "doctor", "--postfix-config", str(self.config), "--json"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run)
        self.assertIn('"findings": []', run.stdout)
        self.assertEqual(run.stdout.count("you may not use"), 2, run.stdout)

    def test_a_directory_without_main_cf_is_not_seen(self):
        found, unseen = self.doctor("/nonexistent")
        self.assertEqual(found, {})
        self.assertEqual(len(unseen), 1, unseen)
        self.assertIn("main.cf", unseen[0])


class Postfix(DoctorCase):
    def test_a_service_for_logins_that_asks_nothing(self):
        self.assert_finds("submission-without-hook",
                          *[["-P", f"{self.name('submission')}/{kind}_restrictions={value}"]
                            for kind, value in (("smtpd_recipient", "permit_sasl_authenticated,reject"), ("smtpd_data", ""), ("smtpd_end_of_data", ""))],
                          text="587")

    def name(self, service):
        """The sandbox has an address in front of the port."""
        port = {"submission": 587, "submissions": 465}[service]
        return f"{self.box.address}:{port}/inet"

    def test_permits_before_the_hook(self):
        for permit in ("permit_mynetworks", "permit_sasl_authenticated", "permit"):
            with self.subTest(permit):
                self.assert_finds("permit-before-hook", ["-P", f"{self.name('submission')}/smtpd_recipient_restrictions={permit},{HOOK},reject"], text=permit)

    def test_what_refuses_may_stand_before_the_hook(self):
        with self.broken(["-P", f"{self.name('submission')}/smtpd_recipient_restrictions=reject_non_fqdn_recipient,{HOOK},reject"]) as copy:
            self.assertEqual(self.doctor(copy)[0], {})

    def test_a_hook_that_lacks_a_stage(self):
        for stage in ("smtpd_data_restrictions", "smtpd_end_of_data_restrictions"):
            with self.subTest(stage):
                self.assert_finds("stages", ["-P", f"{self.name('submissions')}/{stage}="])

    def test_short_queue_ids(self):
        self.assert_finds("short-queue-ids", ["-e", "enable_long_queue_ids=no"])

    def test_a_policy_service_without_timeout(self):
        self.assert_finds("policy-timeout", ["-e", "postsluice_policy=check_policy_service unix:postsluice/policyd"], text="100s")

    def test_a_default_action_that_lets_pass_or_refuses_for_good(self):
        for action in ("DUNNO", "OK", "550 5.3.5 down"):
            with self.subTest(action):
                self.assert_finds("policy-default-action",
                                  ["-e", f"postsluice_policy=check_policy_service {{ unix:postsluice/policyd, timeout=10s, {{ default_action = {action} }} }}"], text=action)

    def test_a_socket_where_nobody_listens(self):
        self.assert_finds("policy-socket", ["-e", "postsluice_policy=check_policy_service { unix:private/postsluice, timeout=10s }"], text="private/postsluice")

    def test_an_absolute_path_means_another_place_for_a_chrooted_smtpd(self):
        queue = self.box.path("queue")
        hook = f"check_policy_service {{ unix:{queue}/postsluice/policyd, timeout=10s }}"
        self.assert_finds("policy-socket", ["-e", f"postsluice_policy={hook}"], text="chrooted")

    def test_a_submission_service_without_filter(self):
        self.assert_finds("submission-without-filter", ["-P", f"{self.name('submission')}/content_filter="])

    def test_pickup_without_filter(self):
        self.assert_finds("local-mail-without-filter", ["-P", "pickup/unix/content_filter="], text="pickup")

    def test_a_filter_where_nobody_listens(self):
        self.assert_finds("filter-socket", ["-P", "pickup/unix/content_filter=postsluice:unix:postsluice/elsewhere"], text="elsewhere")

    def test_no_way_back(self):
        with self.broken(["-MX", "postsluice-reentry/unix"]) as copy:
            self.assertIn("reentry-missing", self.doctor(copy)[0])

    def test_a_way_back_that_filters_again(self):
        self.assert_finds("reentry-loops", ["-P", "postsluice-reentry/unix/content_filter=postsluice:unix:postsluice/filter"])

    def test_a_way_back_by_tcp(self):
        main = self.box.config_file
        text = main.read_text()
        try:
            main.write_text("\n".join('next_hop = "inet:127.0.0.1:10026"' if line.startswith("next_hop") else line for line in text.splitlines()) + "\n")
            with self.broken(["-M", "127.0.0.1:10026/inet=127.0.0.1:10026 inet n - y - - smtpd -o content_filter= -o smtpd_sasl_auth_enable=no"]) as copy:
                self.assertIn("reentry-by-tcp", self.doctor(copy)[0])
        finally:
            main.write_text(text)


class Files(DoctorCase):
    @contextlib.contextmanager
    def mode(self, path, mode):
        before = os.stat(path).st_mode & 0o7777
        os.chmod(path, mode)
        try:
            yield
        finally:
            os.chmod(path, before)

    def test_modes_that_let_in_too_many_or_too_few(self):
        key = next(self.box.path("etc/postsluice/dkim").rglob("*.pem"))
        cases = {
            "key-permissions": (key, 0o644),
            "state-permissions": (self.box.path("state/ticket.keys"), 0o644),
            "socket-permissions": (self.box.path("queue/postsluice"), 0o700),
        }
        for diagnosis, (path, mode) in cases.items():
            with self.subTest(diagnosis), self.mode(path, mode):
                found, _ = self.doctor()
                self.assertEqual(set(found), {diagnosis}, found)
                self.assertIn(str(path), found[diagnosis][0]["what"])
        self.assertEqual(self.doctor()[0], {})

    def test_errors_of_the_configuration(self):
        extra = self.box.path("etc/postsluice/conf.d/broken.toml")
        extra.write_text("[policyd]\nleese = \"1 minute\"\n")
        try:
            found, _ = self.doctor()
            self.assertEqual(set(found), {"configuration"}, found)
            self.assertIn("lease", found["configuration"][0]["what"])
        finally:
            extra.unlink()

    def test_a_daemon_that_is_down(self):
        self.box.stop_daemon("contentfilter")
        try:
            found, _ = self.doctor()
            self.assertEqual(set(found), {"daemon-down"}, found)
            self.assertIn("contentfilter", found["daemon-down"][0]["what"])
        finally:
            self.box.start_daemon("contentfilter")


class Traffic(DoctorCase):
    """What only the traffic shows: requests as a misplaced hook would make them."""

    def policy(self, *requests):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.box.path("queue/postsluice/policyd")))
            for request in requests:
                attributes = {"request": "smtpd_access_policy", "client_address": "192.0.2.9", "server_address": "192.0.2.1", "server_port": "25",
                              "sender": "x@example.net", **request}
                connection.sendall("".join(f"{k}={v}\n" for k, v in attributes.items()).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n\n"):
                    answer += connection.recv(4096)

    def test_1_requests_without_logins(self):
        self.policy(*[{"protocol_state": "RCPT", "instance": f"a{n}", "recipient": "r@example.org"} for n in range(20)])
        found, _ = self.doctor()
        self.assertEqual(set(found), {"login-never-seen"}, found)

    def test_2_messages_that_the_filter_never_sees_and_no_end_of_message(self):
        login = {"sasl_username": "alice@example.org", "sender": "alice@example.org"}
        for n in range(20):
            self.policy({"protocol_state": "RCPT", "instance": f"b{n}", "recipient": "r@example.net", **login},
                        {"protocol_state": "DATA", "instance": f"b{n}", "recipient_count": "1", "queue_id": f"4BcDeF{n}", **login})
        found, _ = self.doctor()
        self.assertEqual(set(found), {"end-of-message-never-seen", "one-of-two"}, found)


class FilterAlone(DoctorCase):
    MAIN_CF = "postsluice_policy =\n"

    def test_messages_without_requests(self):
        with self.box.submit_session("alice@example.org") as session:
            for n in range(20):
                session.sendmail("alice@example.org", ["friend@example.net"], mails.plain("alice@example.org", "friend@example.net", f"m{n}"))
        self.wait_until(lambda: self.box.postsluice("status", json_output=True)["contentfilter"]["messages"]["total"] >= 20, "20 messages", 60)
        found, _ = self.doctor()
        self.assertEqual(set(found), {"one-of-two", "submission-without-hook"}, found)


if __name__ == "__main__":
    unittest.main()
