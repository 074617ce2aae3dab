# SPDX-License-Identifier: Apache-2.0
"""`postsluice doctor` on a real private Postfix: nothing to find while it is healthy, and each diagnosis when it is broken."""

import contextlib
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from control_between import Between
from shifted import ShiftedSandbox
from support import Nsd, SandboxCase, mails, txt

PARALLEL = True

HOOK = "$postsluice_policy"


def policy(box, *requests):
    """Each is answered, whatever the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(box.path("queue/postsluice/policyd")))
        for request in requests:
            attributes = {"request": "smtpd_access_policy", "client_address": "192.0.2.9", "server_address": "192.0.2.1", "server_port": "25",
                          "sender": "x@example.net", **request}
            connection.sendall("".join(f"{k}={v}\n" for k, v in attributes.items()).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n\n"):
                more = connection.recv(4096)
                if not more:
                    raise AssertionError(f"closed after {answer}")
                answer += more


class DoctorCase(SandboxCase):
    @classmethod
    def prepare(cls):
        """The DNS publishes the keys: each doctor asks for them, and would wait where nobody answers."""
        nsd = Nsd(cls.box.path("nsd"), cls.box.address, "".join(txt(*record) for record in cls.box.records.items()))
        cls.addClassCleanup(nsd.stop)
        nsd.start()

    @property
    def config(self):
        return self.box.path("etc/postfix")

    def doctor(self, config=None, more=()):
        """{diagnosis: [finding]} and what was not seen."""
        shown = self.box.postsluice("doctor", "--postfix-config", str(config or self.config), *more, json_output=True)
        found = {}
        for one in shown["findings"]:
            for part in ("what", "why", "mend"):
                self.assertTrue(one[part], one)
            found.setdefault(one["diagnosis"], []).append(one)
        self.assertEqual(shown["ok"], not found)
        return found, shown["unseen"]

    def postconf(self, *words, config=None):
        subprocess.run(["postconf", "-c", str(config or self.config), *words], check=True, capture_output=True)
        self.let_settle(config or self.config)

    @staticmethod
    def let_settle(config):
        """Postfix's programs would wait for two seconds, lest the file be half written (dict_load_file)."""
        age = time.time() - 10
        os.utime(pathlib.Path(config) / "main.cf", (age, age))

    @contextlib.contextmanager
    def broken(self, *edits):
        """A copy of Postfix's configuration, which postconf edited; the running one stays as it is."""
        with tempfile.TemporaryDirectory(dir=self.box.path("etc")) as copy:
            for name in ("main.cf", "master.cf"):
                shutil.copy2(self.config / name, copy)
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
                if not found:
                    break
                for command in [c for all in found.values() for one in all for c in one["mend"].split(" && ")]:
                    self.assertIn(str(copy), command)
                    if command.startswith("postconf"):  # "postfix reload" is for one that runs
                        subprocess.run(command, shell=True, check=True, capture_output=True)
                        self.let_settle(copy)
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

    def test_a_service_that_relays_past_the_filter(self):
        smtp = f"{self.box.address}:25/inet"
        for restrictions in ("permit_mynetworks,reject_unauth_destination", "permit_mynetworks,permit_sasl_authenticated,reject"):
            with self.subTest(restrictions):
                self.assert_finds("relay-past-filter", ["-P", f"{smtp}/smtpd_relay_restrictions={restrictions}"], text=":25")
        for harmless in ("smtpd_relay_restrictions=reject_unauth_destination,permit_mynetworks", "smtpd_recipient_restrictions=permit_mynetworks"):
            with self.subTest(harmless), self.broken(["-P", f"{smtp}/{harmless}"]) as copy:
                self.assertEqual(self.doctor(copy)[0], {})
        with self.broken(["-P", f"{smtp}/smtpd_relay_restrictions=permit_mynetworks,reject"], ["-P", f"{smtp}/content_filter=postsluice:unix:postsluice/filter"]) as copy:
            self.assertEqual(self.doctor(copy)[0], {})

    def test_pickup_without_filter(self):
        self.assert_finds("local-mail-without-filter", ["-P", "pickup/unix/content_filter="], text="pickup")

    def test_a_filter_where_nobody_listens(self):
        self.assert_finds("filter-socket", ["-P", "pickup/unix/content_filter=postsluice:unix:postsluice/elsewhere"], text="elsewhere")

    def test_no_way_back(self):
        with self.broken(["-MX", "postsluice-reentry/unix"]) as copy:
            self.assertIn("reentry-missing", self.doctor(copy)[0])

    def test_a_way_back_that_filters_again(self):
        self.assert_finds("reentry-loops", ["-P", "postsluice-reentry/unix/content_filter=postsluice:unix:postsluice/filter"])

    def test_a_way_back_that_changes_what_was_signed(self):
        self.assert_finds("reentry-rewrites", ["-P", "postsluice-reentry/unix/receive_override_options=no_unknown_recipient_checks,no_header_body_checks"], text="no_milters")
        self.assert_finds("reentry-rewrites", ["-P", "postsluice-reentry/unix/local_header_rewrite_clients=permit_mynetworks"], text="local_header_rewrite_clients")

    def test_a_way_back_that_refuses_the_filter(self):
        self.assert_finds("reentry-refuses", ["-P", "postsluice-reentry/unix/mynetworks=192.0.2.0/24"], text="127.0.0.1")
        self.assert_finds("reentry-refuses", ["-e", "inet_protocols=ipv6"], ["-P", "postsluice-reentry/unix/mynetworks=127.0.0.0/8"], text="::1")

    def test_a_way_back_that_takes_less_than_what_comes(self):
        for service in ("postsluice-reentry", "postsluice-cleanup"):
            self.assert_finds("reentry-bounds", ["-P", f"{service}/unix/message_size_limit=104857600"], text=f"{service}/unix has message_size_limit")
        self.assert_finds("reentry-bounds", ["-P", "postsluice-cleanup/unix/header_size_limit=1048576"], text="header_size_limit = 1048576")
        # As it was before there was such a cleanup.
        self.assert_finds("reentry-bounds", ["-MX", "postsluice-cleanup/unix"], ["-PX", "postsluice-reentry/unix/cleanup_service_name"],
                          ["-PX", "postsluice-hold/unix/cleanup_service_name"], text="cleanup/unix has header_size_limit = 102400")
        with self.broken(["-P", "postsluice-reentry/unix/message_size_limit=105000000"]) as copy:
            self.assertEqual(self.doctor(copy)[0], {})

    def test_a_way_back_for_other_members_of_the_group(self):
        """main.cf names another group than postdrop here: one that has a member, so that /etc/group stays as it is."""
        groups = [g for g in grp.getgrall() if any(pwd.getpwnam(m).pw_uid not in (0, self.box.uid) for m in g.gr_mem if m in {p.pw_name for p in pwd.getpwall()})]
        if not groups:
            self.skipTest("no group of this machine has a member")
        with self.broken(["-e", f"setgid_group={groups[0].gr_name}"]) as copy:
            found, _ = self.doctor(copy)
            self.assertEqual(set(found), {"reentry-open"}, found)
            self.assertIn(groups[0].gr_name, found["reentry-open"][0]["mend"])

    def test_what_changes_messages_after_signing(self):
        for parameter in ("smtp_generic_maps=static:x@example.net", "smtp_header_checks=static:IGNORE", "disable_mime_output_conversion=no"):
            with self.subTest(parameter):
                self.assert_finds("changes-after-signing", ["-e", parameter], text=parameter.split("=")[0])

    def test_bare_newlines(self):
        self.assert_finds("bare-newline", ["-e", "smtpd_forbid_bare_newline=no"])

    def test_a_setup_that_stopped_half_way(self):
        with self.broken() as copy:
            for phase in ("applying", "undoing", "draining"):
                for part in ("before", "after"):
                    (copy / "postsluice-setup/1" / part).mkdir(parents=True, exist_ok=True)
                    for name in ("main.cf", "master.cf"):
                        shutil.copy(copy / name, copy / "postsluice-setup/1" / part)
                (copy / "postsluice-setup/state.json").write_text(json.dumps({"phase": phase, "way": "lmtp", "generation": 1}))
                found, _ = self.doctor(copy)
                self.assertEqual(set(found), {"setup-unfinished"}, found)
                self.assertIn("--undo", found["setup-unfinished"][0]["mend"])

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
            "state-permissions": (self.box.path("state/ticket.keys"), 0o644),
            "socket-permissions": (self.box.path("queue/postsluice"), 0o700),
            "sockets-open": (self.box.path("queue/postsluice"), 0o2751),
            "reentry-open": (self.box.path("queue/public"), 0o2711),
            "key-permissions": (key, 0o644),
        }
        for diagnosis, (path, mode) in cases.items():
            with self.subTest(diagnosis), self.mode(path, mode):
                found, _ = self.doctor()
                seen_too = {"key-unusable"} if diagnosis == "key-permissions" else set()  # the filter may have seen the key
                self.assertEqual(set(found) - seen_too, {diagnosis}, found)
                self.assertIn(str(path), found[diagnosis][0]["what"])
        self.box.postsluice("reload")  # of the key that was not usable
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

    def test_a_filter_that_is_not_in_the_group(self):
        gid, self.box.postdrop_gid = self.box.postdrop_gid, self.box.gid
        try:
            self.box.stop_daemon("contentfilter")
            self.box.start_daemon("contentfilter")
            found, _ = self.doctor()
            self.assertEqual(set(found), {"reentry-permissions"}, found)
            self.assertIn("usermod -aG postdrop daemon", found["reentry-permissions"][0]["mend"])
        finally:
            self.box.postdrop_gid = gid
            self.box.stop_daemon("contentfilter")
            self.box.start_daemon("contentfilter")

    def test_keys_that_are_missing_or_cannot_be_used(self):
        directory = self.box.path("etc/postsluice/dkim/example.org")
        key = directory / "rsa1.pem"
        before = key.read_text()
        try:
            key.write_text("no key\n")
            self.box.postsluice("reload")
            found, _ = self.doctor()
            self.assertEqual(set(found), {"key-unusable"}, found)
            self.assertIn("rsa1.pem", found["key-unusable"][0]["what"])
            directory.rename(self.box.path("etc/keys-away"))
            self.box.postsluice("reload")
            found, _ = self.doctor()
            self.assertEqual(set(found), {"no-keys"}, found)
        finally:
            if not directory.exists():
                self.box.path("etc/keys-away").rename(directory)
            key.write_text(before)
            self.box.postsluice("reload")
        self.assertEqual(self.doctor()[0], {})

    def test_a_filter_that_trusts_everybody(self):
        extra = self.box.path("etc/postsluice/conf.d/trust.toml")
        extra.write_text('[contentfilter]\ntrusted = ["0.0.0.0/0"]\n')
        try:
            found, _ = self.doctor()
            self.assertEqual(set(found), {"filter-trusts-everybody"}, found)
        finally:
            extra.unlink()

    def test_a_daemon_of_another_version(self):
        directory = self.box.path("run-between")
        older = lambda answer: re.sub(rb'"version": ?"[^"]*"', b'"version":"0.0.9"', answer)
        between = [Between(directory, self.box.path("run", name), edit=edit)
                   for name, edit in (("policyd.sock", older), ("contentfilter.sock", lambda answer: answer))]
        try:
            found, _ = self.doctor(more=("--control", str(directory)))
            self.assertEqual(set(found), {"versions"}, found)
            self.assertEqual(len(found["versions"]), 1)
            self.assertRegex(found["versions"][0]["what"], r"^postsluice-policyd is version 0\.0\.9, this program \d")
            self.assertEqual(found["versions"][0]["mend"], "systemctl restart postsluice-policyd")
        finally:
            for one in between:
                one.close()

    def test_a_wall_clock_that_was_set_since_the_first_start(self):
        anchor = self.box.path("state/clock")
        before = anchor.read_text()
        boot, offset = before.split()

        def start_by(text):
            for daemon in ("policyd", "contentfilter"):
                self.box.stop_daemon(daemon)
            anchor.write_text(text)
            for daemon in ("policyd", "contentfilter"):
                self.box.start_daemon(daemon)
        try:
            start_by(f"{boot} {int(offset) - 3600 * 1000}\n")
            found, _ = self.doctor()
            self.assertEqual(set(found), {"clock"}, found)
            self.assertRegex(found["clock"][0]["what"], r" (1 h|60 m|59 m)")
        finally:
            start_by(before)
        self.assertEqual(self.doctor()[0], {})

    def test_a_disk_with_little_room(self):
        place = self.box.path("state/quarantine")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=4m,mode=0700,uid={self.box.uid},gid={self.box.gid}", "none", place], check=True)
        try:
            found, _ = self.doctor()
            self.assertEqual(set(found), {"disk-space"}, found)
            self.assertRegex(found["disk-space"][0]["what"], rf"^The disk of {place} has [0-9.]+ \w+ left\.$")
        finally:
            subprocess.run(["umount", place], check=True)
        self.assertEqual(self.doctor()[0], {})

    def test_a_postfix_that_is_too_old(self):
        with self.broken(["-e", "mail_version=2.11.11"]) as copy:  # a parameter like others: postconf tells what it is set to
            found, _ = self.doctor(copy)
            self.assertEqual(set(found), {"postfix-version"}, found)
            self.assertIn("2.11.11", found["postfix-version"][0]["what"])

    def test_a_postfix_that_does_not_run(self):
        self.box.stop_postfix()
        try:
            found, _ = self.doctor()
            self.assertEqual(set(found), {"postfix-down"}, found)
            self.assertEqual(found["postfix-down"][0]["mend"], f"postfix -c {self.config} start")
        finally:
            self.box.start_postfix()

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

    def test_1_requests_without_logins(self):
        policy(self.box, *[{"protocol_state": "RCPT", "instance": f"a{n}", "recipient": "r@example.org"} for n in range(20)])
        found, _ = self.doctor()
        self.assertEqual(set(found), {"login-never-seen"}, found)

    def test_2_messages_that_the_filter_never_sees_and_no_end_of_message(self):
        login = {"sasl_username": "alice@example.org", "sender": "alice@example.org"}
        for n in range(20):
            policy(self.box, {"protocol_state": "RCPT", "instance": f"b{n}", "recipient": "r@example.net", **login},
                   {"protocol_state": "DATA", "instance": f"b{n}", "recipient_count": "1", "queue_id": f"4BcDeF{n}", **login})
        found, _ = self.doctor()
        self.assertEqual(set(found), {"end-of-message-never-seen", "one-of-two"}, found)


class FullState(DoctorCase):
    OVERRIDES = '[state]\nmap_size = "1 MiB"\n'

    def test_state_that_fills_its_map(self):
        self.assertEqual(self.doctor()[0], {})
        for number in range(3000):
            who = {"instance": f"c{number}", "sasl_username": f"u{number}@example.org", "sender": f"u{number}@example.org", "recipient": "r@example.net",
                   "recipient_count": "1", "queue_id": f"4BcDeG{number}"}
            policy(self.box, *({"protocol_state": stage, **who} for stage in ("RCPT", "DATA", "END-OF-MESSAGE")))
            if number % 50 == 49 and self.box.postsluice("status", json_output=True)["policyd"]["state"]["counters_fill"] >= 0.8:
                break
        found, _ = self.doctor()
        self.assertEqual(set(found), {"state", "one-of-two"}, found)  # and the filter has not seen these messages
        self.assertRegex(found["state"][0]["what"], r"^postsluice-policyd: counters_fill is ([89]\d|100) % of state\.map_size\.$")


class MisplacedCase(DoctorCase):
    """A Postfix that is set up wrongly, with real mail through it. The daemons' own logs speak an hour later, once."""

    SANDBOX = ShiftedSandbox

    def assert_logged(self, *expected):
        """(daemon, words, {key: value}): what the logs say of misplacement after an hour, a line each. Comes last: the clock of the
        daemons stays as it is then."""
        complaints = lambda: [(name, line) for name in ("policyd", "contentfilter") for line in self.box.daemon_log(name).splitlines()
                              if "(postsluice doctor)" in line]
        self.assertEqual(complaints(), [])
        self.box.shift(wall=3700, boot=3700)
        self.wait_until(lambda: len(complaints()) >= len(expected), f"{len(expected)} complaints")
        said = complaints()
        self.assertEqual([daemon for daemon, _ in said], [daemon for daemon, _, _ in expected], said)
        for (_, line), (_, words, values) in zip(said, expected):
            self.assertIn(words, line)
            for key, value in values.items():
                self.assertRegex(line, rf"\b{key}={value}\b")

    def send_twenty(self, session, sender):
        """In one session; as many as a diagnosis from traffic asks for."""
        with session:
            for _ in range(20):
                self.assertEqual(session.sendmail(sender, ["friend@example.net"], mails.plain(sender, "friend@example.net", "twenty")), {})
        self.assertEqual(len(self.arrived("twenty", 20)), 20)


class FilterAlone(MisplacedCase):
    MAIN_CF = "postsluice_policy =\n"

    def test_messages_without_requests(self):
        self.send_twenty(self.box.submit_session("alice@example.org"), "alice@example.org")
        found, _ = self.doctor()
        self.assertEqual(set(found), {"one-of-two", "submission-without-hook"}, found)
        self.assert_logged(("contentfilter", "policyd was asked nothing in the last hour", {"messages": 20, "client": "127.0.0.1"}))


class NobodyLogsIn(MisplacedCase):
    """policyd is asked on the port of other servers, too, which relays for a network that is no account's."""

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.edit_service(25, "smtpd_relay_restrictions=permit_mynetworks,reject", f"smtpd_recipient_restrictions={HOOK},permit_mynetworks,reject",
                         f"smtpd_data_restrictions={HOOK}", f"smtpd_end_of_data_restrictions={HOOK}", "content_filter=postsluice:unix:postsluice/filter")

    def test_it_is_named_until_somebody_does(self):
        self.send_twenty(smtplib.SMTP(self.box.address, 25, local_hostname="host.example", timeout=120), "x@example.com")
        found, _ = self.doctor()
        self.assertEqual(set(found), {"login-never-seen"}, found)
        self.assertEqual(found["login-never-seen"][0]["what"],
                         "None of 20 requests carried a SASL login, or came from a network of an [[account]].")
        self.assertEqual(self.send("alice@example.org", "friend@example.net", "with a login")[-1][1], 250)
        self.assertEqual(self.doctor()[0], {})


class EndOfMessageNotAsked(MisplacedCase):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.edit_service(587, "smtpd_end_of_data_restrictions=")

    def configure(self, text):
        self.box.path("etc/postsluice/conf.d/test.toml").write_text(text)
        self.assertEqual(self.box.postsluice("reload").returncode, 0)

    def test_it_is_named_where_the_accounting_or_a_limit_in_bytes_needs_it(self):
        self.send_twenty(self.box.submit_session("alice@example.org"), "alice@example.org")
        data = '[policyd]\naccounting = "data"\n[profile.large]\ninherits = "default"\n'
        for settings, named, why in (("", {"end-of-message-never-seen", "stages"}, "Transactions that fail after DATA stay charged until their lease ends."),
                                     (data, set(), None),
                                     (data + 'limits = ["1 GB per day"]\n', {"end-of-message-never-seen"},
                                      "Limits in bytes count nothing, and transactions that fail after DATA stay charged."),
                                     (data + 'limits = ["unlimited bytes per day"]\n', set(), None)):
            with self.subTest(settings):
                self.configure(settings)
                found, _ = self.doctor()
                self.assertEqual(set(found), named, found)
                told = [(one["what"], one["why"]) for one in found.get("end-of-message-never-seen", [])]
                self.assertEqual(told, [("No request at END-OF-MESSAGE came from port 587, after 20 at DATA.", why)] if named else [])
        self.configure("")
        self.assert_logged(("policyd", "END-OF-MESSAGE was not asked in the last hour", {"messages": 20, "server_port": 587}))


class PolicydAlone(MisplacedCase):
    @classmethod
    def prepare(cls):
        super().prepare()
        cls.edit_service(587, "content_filter=")

    def test_requests_without_messages(self):
        self.send_twenty(self.box.submit_session("alice@example.org"), "alice@example.org")
        found, _ = self.doctor()
        self.assertEqual(set(found), {"one-of-two", "submission-without-filter"}, found)
        self.assertEqual([one["what"] for one in found["one-of-two"]], ["policyd passed 20 messages, but the filter has seen none."])
        self.assert_logged(("contentfilter", "policyd passed messages in the last hour, but none of them came here", {"messages": 20}))


class PermitBeforeHook(MisplacedCase):
    """On port 25 for every stage, on port 465 for RCPT alone: there DATA brings a ticket."""

    @classmethod
    def prepare(cls):
        super().prepare()
        first = f"permit_mynetworks,{HOOK}"
        cls.edit_service(25, "smtpd_relay_restrictions=permit_mynetworks,reject", f"smtpd_recipient_restrictions={first},reject",
                         f"smtpd_data_restrictions={first}", f"smtpd_end_of_data_restrictions={first}", "content_filter=postsluice:unix:postsluice/filter")
        cls.edit_service(465, "smtpd_relay_restrictions=permit_mynetworks,reject", f"smtpd_recipient_restrictions={first},reject")

    def test_clients_that_are_permitted_before_policyd_is_asked(self):
        self.send_twenty(smtplib.SMTP(self.box.address, 25, local_hostname="host.example", timeout=120), "x@example.com")
        self.box.sink.clear()
        self.send_twenty(smtplib.SMTP_SSL(self.box.address, 465, "host.example", timeout=120, context=ssl._create_unverified_context()), "x@example.com")
        self.assertEqual(self.send("alice@example.org", "friend@example.net", "asked about")[-1][1], 250)
        self.arrived("asked about")
        found, _ = self.doctor()
        self.assertEqual(set(found), {"permit-before-hook"}, found)
        self.assertEqual(len(found["permit-before-hook"]), 4, found)
        self.assert_logged(("policyd", "asked about at DATA, but none of their recipients: a permit (permit_mynetworks", {"messages": 20, "server_port": 465}),
                           ("contentfilter", "came from clients that policyd was not asked about: a permit (permit_mynetworks",
                            {"messages": 20, "client": "127.0.0.1"}))


if __name__ == "__main__":
    unittest.main()
