# SPDX-License-Identifier: Apache-2.0
"""Bad input and bad days: each gets a clear message and loses nothing."""

import hashlib
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import unittest
import unittest.mock

from support import BUILD, Sandbox, SandboxCase, mails, resident_kib, sanitized

from unwritable import unwritable


class NextHop(SandboxCase):
    MAIN_CF = "minimal_backoff_time = 2s\nmaximal_backoff_time = 4s\nqueue_run_delay = 2s\n"

    def tearDown(self):
        self.box.sink.replies.clear()

    def reentry(self, path):
        """Points the filter at another next hop."""
        override = self.box.path("etc/postsluice/conf.d/next_hop.toml")
        text = self.box.config_file.read_text()
        override.unlink(missing_ok=True)
        self.box.config_file.write_text("\n".join(
            f'next_hop = "unix:{path}"' if line.startswith("next_hop") else line for line in text.splitlines()) + "\n")
        self.box.stop_daemon("contentfilter")
        self.box.start_daemon("contentfilter")

    def test_mail_waits_while_the_next_hop_is_down_and_arrives_once_when_it_is_back(self):
        real = self.box.path("queue/public/postsluice-reentry")
        self.reentry(self.box.path("queue/public/nobody-listens"))
        self.assertEqual(self.send("alice@example.org", "friend@example.net", "hop down")[-1][1], 250)
        self.wait_until(lambda: "451 4.4.1" in self.box.log(), "the deferral")
        self.assertEqual(self.arrived("hop down", timeout=1), [])
        self.reentry(real)
        self.box.flush()
        self.assertEqual(len(self.arrived("hop down")), 1)
        self.box.wait_queue_empty()
        self.assertEqual(len(self.arrived("hop down", 2, timeout=2)), 1)

    def test_a_next_hop_that_answers_nonsense_loses_nothing(self):
        real = self.box.path("queue/public/postsluice-reentry")
        fake = str(self.box.path("run/fake-hop"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(fake)
        os.chmod(fake, 0o666)
        listener.listen(20)
        listener.settimeout(60)
        self.reentry(fake)
        self.send("bob@example.org", "friend@example.net", "hop nonsense")
        answers = 0
        while "451 4" not in self.box.log() and answers < 10:
            connection, _ = listener.accept()
            connection.sendall(b"\x00\xff garbage\r\nHTTP/1.1 200 OK\r\n\r\n")
            connection.close()
            answers += 1
        listener.close()
        self.wait_until(lambda: "status=deferred" in self.box.log(), "the deferral")
        self.reentry(real)
        self.box.flush()
        self.assertEqual(len(self.arrived("hop nonsense")), 1)


class Large(SandboxCase):
    # A check that a busy machine did not end in its time is a message that waits for minutes.
    OVERRIDES = """
[contentfilter]
check_timeout = "120 seconds"
[profile.large]
inherits = "default"
limits = ["1000 messages per minute"]
[[assign]]
profile = "large"
login = ["*@example.org"]
"""
    MAIN_CF = "message_size_limit = 200000000\n"

    def test_100_mib_pass_in_constant_memory_and_verify(self):
        line = b"0123456789abcdef" * 4 + b"0123456789\r\n"
        head = b"From: alice@example.org\r\nTo: f@example.net\r\nSubject: huge\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
        body = line * ((98 << 20) // len(line))
        story = self.box.send("alice@example.org", "friend@example.net", head + body)
        self.assertEqual(story[-1][1], 250, story)
        delivery = self.arrived("huge", timeout=180)
        self.assertEqual(len(delivery), 1)
        self.assertTrue(delivery[0].content.endswith(line))
        self.assertTrue(self.box.verify_dkim(delivery[0].content)[1])
        if not sanitized():
            self.assertLess(resident_kib(self.box.processes["contentfilter"].pid), 128 * 1024)

    def test_a_message_over_the_bound_is_refused_clearly(self):
        body = b"x" * 76 + b"\r\n"
        text = b"From: alice@example.org\r\nTo: f@example.net\r\nSubject: too huge\r\n\r\n" + body * ((101 << 20) // len(body))
        story = self.box.send("alice@example.org", "friend@example.net", text)
        self.assertEqual(story[-1][1], 250, story)
        bounce = self.box.sink.wait(1, 120, lambda d: "alice@example.org" in d.recipients and d.sender.startswith("<>"))
        self.assertEqual(len(bounce), 1)
        self.assertRegex(bounce[0].text(), r"5\.3\.4|5\.2\.3|too large|exceeds")

    def held(self, subject, sent):
        """The one entry of a message beyond the bounds, whose file has all that was sent."""
        self.wait_until(lambda: self.quarantine(subject=subject), f"{subject} in quarantine", 180)
        entries = self.quarantine(subject=subject)
        self.assertEqual([(e["reason"], e["held"], e["recipients"]) for e in entries], [("score", True, ["friend@example.net"])])
        kept = self.box.path("state/quarantine", entries[0]["id"] + ".eml").read_bytes()
        self.assertEqual(len(kept), entries[0]["size"])
        self.assertEqual(hashlib.sha256(kept).hexdigest(), entries[0]["digest"])
        self.assertTrue(kept.endswith(sent), "the message is not whole")
        self.box.wait_queue_empty()
        self.assertEqual([d for d in self.box.sink.deliveries if subject in d.header("Subject")], [])
        return entries[0]

    def assert_said(self, entry, finding, *more):
        """In the entry, to the help desk, and in the log."""
        self.assertEqual(entry["findings"], [finding, *more])
        self.assertIn(finding, self.box.postsluice("why", entry["id"]).stdout)
        self.assertEqual(len(self.filter_lines("verdict=hold", f"ref={entry['id']}", finding, least=1)), 1)

    def test_ten_thousand_header_fields_are_held_and_all_of_them_leave_on_release(self):
        fields = "".join(f"X-Field-{n}: value {n}\r\n" for n in range(10000))
        text = mails.plain("bob@example.org", "f@example.net", "many fields", extra=fields)
        story = self.box.send("bob@example.org", "friend@example.net", text)
        self.assertEqual(story[-1][1], 250, story)
        entry = self.held("many fields", text.encode())
        self.assert_said(entry, "MIME_BOUND(10.0) MIME structure: header of the message")
        self.assertEqual(self.box.postsluice("release", entry["id"]).returncode, 0)
        delivery = self.arrived("many fields")
        self.assertEqual(len(delivery), 1)
        self.assertIn(fields, delivery[0].text())

    def test_a_hundred_mib_of_empty_mime_parts_neither_eats_memory_nor_passes_unseen(self):
        parts = "--b\r\n\r\n" * ((95 << 20) // 7) + "--b--\r\n"
        text = mails.plain("carol@example.org", "f@example.net", "parts", body=parts).replace("text/plain", "multipart/mixed; boundary=b", 1).encode()
        story = self.box.send("carol@example.org", "friend@example.net", text)
        self.assertEqual(story[-1][1], 250, story)
        entry = self.held("parts", text)
        self.assert_said(entry, "MIME_BOUND(10.0) MIME structure: number of parts",
                         "PATTERNS_BOUND(0.0) the message as it was sent: over contentfilter.max_pattern_input")
        if not sanitized():
            self.assertLess(resident_kib(self.box.processes["contentfilter"].pid), 128 * 1024)


class Protocols(SandboxCase):
    def policy(self, data, half_close=True, timeout=60):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(str(self.box.path("queue/postsluice/policyd")))
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with connection:
            while True:
                try:
                    part = connection.recv(65536)
                except ConnectionResetError:  # closed with input unread
                    return answer
                if not part:
                    return answer
                answer += part

    def test_malformed_policy_requests_get_no_answer_and_the_daemon_lives(self):
        bad = {
            "no equals sign": b"request=smtpd_access_policy\nnonsense\n\n",
            "a line over 8 KiB": b"request=smtpd_access_policy\nsender=" + b"x" * 9000 + b"\n\n",
            "a request over 64 KiB": b"request=smtpd_access_policy\n" + b"".join(b"a%d=%s\n" % (n, b"x" * 4000) for n in range(20)) + b"\n",
            "129 attributes": b"request=smtpd_access_policy\n" + b"".join(b"a%d=x\n" % n for n in range(140)) + b"\n",
            "another request type": b"request=junk\n\n",
            "an empty request": b"\n",
            "binary": bytes(range(256)) * 10,
        }
        for name, data in bad.items():
            with self.subTest(name):
                self.assertEqual(self.policy(data), b"")
        good = b"request=smtpd_access_policy\nprotocol_state=RCPT\ninstance=1.2.3\nsasl_username=alice@example.org\nsender=alice@example.org\nrecipient=x@example.net\nclient_address=127.0.0.1\n\n"
        self.assertEqual(self.policy(good), b"action=DUNNO\n\n")
        self.assertEqual(self.policy(good.replace(b"RCPT", b"VRFY")), b"action=DUNNO\n\n")

    def test_garbage_smtp_is_refused_and_the_filter_lives(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10, bytes(range(256)) * 100, b"LHLO x\r\nDATA\r\nRCPT TO:<a@b>\r\n" + b"\xff" * 20000 + b"\r\n"):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(60)
            connection.connect(str(self.box.path("queue/postsluice/filter")))
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except BrokenPipeError:
                pass
            answer = b""
            try:
                while part := connection.recv(65536):
                    answer += part
            except ConnectionResetError:
                pass
            connection.close()
            for line in answer.split(b"\r\n"):
                self.assertRegex(line, rb"^$|^[245]\d\d[ -].+")
            self.assertNotIn(b"\r\n354", answer)
        self.send("alice@example.org", "friend@example.net", "after garbage")
        self.assertEqual(len(self.arrived("after garbage")), 1)

    def test_smuggled_ends_of_data_stay_one_message(self):
        for number, end in enumerate((b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n\x00.\r\n")):
            subject = f"smuggle {number}"
            body = (f"From: bob@example.org\r\nTo: f@example.net\r\nSubject: {subject}\r\n\r\nbefore".encode() + end +
                    b"MAIL FROM:<eve@bank.example>\r\nRCPT TO:<friend@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\nsecond")
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(60)
            connection.connect(str(self.box.path("queue/postsluice/filter")))
            reader = connection.makefile("rb")
            reader.readline()
            connection.sendall(b"LHLO test\r\n")
            while reader.readline()[3:4] == b"-":
                pass
            connection.sendall(b"MAIL FROM:<bob@example.org>\r\nRCPT TO:<friend@example.net>\r\nDATA\r\n")
            for _ in range(3):
                reader.readline()
            connection.sendall(body + b"\r\n.\r\n")
            self.assertTrue(reader.readline().startswith(b"250"))
            connection.sendall(b"QUIT\r\n")
            connection.close()
            delivery = self.arrived(subject)
            self.assertEqual(len(delivery), 1)
            self.assertIn("second", delivery[0].text())
        self.assertEqual(self.arrived("smuggled", timeout=1), [])


class Configuration(unittest.TestCase):
    def setUp(self):
        self.box = Sandbox(BUILD)

    def tearDown(self):
        self.box.stop()

    def run_daemon(self, name, *extra):
        return subprocess.run(["setpriv", f"--reuid={self.box.uid}", f"--regid={self.box.gid}", "--clear-groups", "--", str(self.box.build / f"postsluice-{name}"),
                               "--config", str(self.box.config_file), *extra], capture_output=True, text=True, timeout=60)

    def test_a_configuration_with_ten_errors_reports_all_ten_with_line_and_suggestion(self):
        self.box.path("etc/postsluice/conf.d/bad.toml").write_text("""hostnam = "x"
abuse_addres = "y"
[policyd]
max_connections = "many"
lease = "10 parsecs"
[profile.bad]
limits = ["300 recipiens per hour", "10 messages per fortnight"]
from = "own-domian"
inherits = "nobody"
[[assign]]
profile = "missing"
login = ["x@example.org"]
[[account]]
name = "net"
network = ["192.0.2.1/24"]
""")
        for name in ("policyd", "contentfilter"):
            run = self.run_daemon(name, "--check-config")
            self.assertEqual(run.returncode, 78, run)
            lines = [line for line in (run.stdout + run.stderr).splitlines() if "bad.toml:" in line]
            self.assertGreaterEqual(len(lines), 10, run.stdout + run.stderr)
            text = "\n".join(lines)
            for word in ('did you mean "recipients"', 'did you mean "hostname"', "bad.toml:7"):
                self.assertIn(word, text)

    def test_a_good_configuration_passes_the_check(self):
        for name in ("policyd", "contentfilter"):
            self.assertEqual(self.run_daemon(name, "--check-config").returncode, 0)

    def test_a_state_directory_of_a_newer_version_is_refused_and_left_alone(self):
        self.box.start_daemon("policyd")
        self.box.stop_daemon("policyd")
        data = self.box.path("state/state/data.mdb")
        # LMDB's own tools write the schema number of a later version.
        dump = subprocess.run(["mdb_dump", str(data.parent)], capture_output=True, text=True, check=True).stdout
        key = b"\0schema".hex()
        lines = dump.splitlines()
        at = lines.index(" " + key)
        lines[at + 1] = lines[at + 1][:3] + (999).to_bytes(4, "little").hex()
        newer = self.box.path("newer")
        newer.mkdir()
        subprocess.run(["mdb_load", str(newer)], input="\n".join(lines) + "\n", text=True, check=True, capture_output=True)
        data.write_bytes((newer / "data.mdb").read_bytes())
        before = data.read_bytes()
        for name in ("policyd", "contentfilter"):
            run = self.run_daemon(name)
            self.assertEqual(run.returncode, 1, run)
            self.assertIn("newer version", run.stderr + run.stdout)
        self.assertEqual(data.read_bytes(), before)

    def test_a_second_instance_is_refused(self):
        self.box.start_daemon("policyd")
        run = self.run_daemon("policyd")
        self.assertEqual(run.returncode, 1)
        self.assertIn(str(self.box.processes["policyd"].pid), run.stderr + run.stdout)

    def test_reload_takes_good_settings_and_keeps_the_old_on_error(self):
        self.box.start_daemon("policyd")
        self.box.start_daemon("contentfilter")
        extra = self.box.path("etc/postsluice/conf.d/later.toml")
        extra.write_text("[policyd]\nlease = \"many\"\n")
        run = self.box.postsluice("config", "reload")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("later.toml:2", run.stdout + run.stderr)
        extra.write_text("[policyd]\nlease = \"11 minutes\"\n")
        self.assertEqual(self.box.postsluice("config", "reload").returncode, 0)
        self.box.processes["policyd"].send_signal(signal.SIGHUP)
        self.box.wait_until(lambda: self.box.daemon_log("policyd").count("configuration reloaded") >= 2, "the second reload")


class Root(unittest.TestCase):
    """Both daemons are started as root, with groups that root has, and are to become USER, who may reach what they need here."""

    USER = "postfix"
    # A helper of policyd, and a worker of the filter that is there still when it is looked at.
    OVERRIDES = 'outbound_addresses = ["192.0.2.25"]\n[contentfilter]\nworker_idle = "1 hour"\n[profile.default]\nspf = "warn"\n'

    def setUp(self):
        with unittest.mock.patch("sandbox.RUN_AS", self.USER):
            self.box = Sandbox(BUILD, overrides=self.OVERRIDES)
        self.addCleanup(self.box.stop, keep=bool(os.environ.get("POSTSLUICE_KEEP")))
        self.box.uid = self.box.gid = 0

    @staticmethod
    def status(pid):
        """{field: words} of a process."""
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: words.split() for name, _, words in (line.partition(":") for line in lines)}

    def with_children(self, pid):
        children = [child for file in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
        return [pid, *(one for child in children for one in self.with_children(child))]

    def test_root_is_given_up_wholly_and_mail_is_served(self):
        user = pwd.getpwnam(self.USER)
        for name in ("policyd", "contentfilter"):
            self.box.start_daemon(name, extra=("--user", self.USER))
        self.box.start_postfix()
        self.box.start_dovecot()
        self.box.wait_until(lambda: self.box.postsluice("message", "test", "-", input=mails.with_attachment(
            "alice@example.org", "f@example.net", "a.bin", bytes(range(256)))).returncode == 0, "the filter and its workers")
        self.box._wait_for_submission()
        story = self.box.send("alice@example.org", "friend@example.net", mails.plain("alice@example.org", "f@example.net", "not root"))
        self.assertEqual(story[-1][1], 250, story)
        delivered = self.box.sink.wait(1, match=lambda d: "not root" in d.header("Subject"))
        self.assertEqual(len(delivered), 1, self.box.daemon_log("contentfilter"))
        self.assertTrue(self.box.verify_dkim(delivered[0].content)[1])
        for name in ("policyd", "contentfilter"):
            all_of_it = self.with_children(self.box.processes[name].pid)
            self.assertGreater(len(all_of_it), 1, name)
            for pid in all_of_it:
                with self.subTest(name, pid=pid):
                    now = self.status(pid)
                    self.assertEqual(now["Uid"], [str(user.pw_uid)] * 4)
                    self.assertEqual(now["Gid"], [str(user.pw_gid)] * 4)
                    self.assertEqual(sorted(map(int, now["Groups"])), sorted(os.getgrouplist(self.USER, user.pw_gid)))
                    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                        self.assertEqual(int(now[capabilities][0], 16), 0, capabilities)

    def test_who_is_to_stay_root_or_to_become_nobody_known_does_not_start(self):
        for name in ("policyd", "contentfilter"):
            for user, words in (("root", "refusing to run as root"), ("nobody-such", "there is no user")):
                with self.subTest(name, user=user):
                    run = subprocess.run([self.box.build / f"postsluice-{name}", "--config", self.box.config_file, "--user", user],
                                         capture_output=True, text=True, timeout=60)
                    self.assertEqual(run.returncode, 1, run)
                    self.assertRegex(run.stderr, f"error failed .*{words}.*{user}")


class Keys(unittest.TestCase):
    def test_an_unreadable_key_is_named_and_mail_of_its_domain_waits_instead_of_leaving_unsigned(self):
        box = Sandbox(BUILD, main_cf="minimal_backoff_time = 2s\nmaximal_backoff_time = 4s\nqueue_run_delay = 2s\n",
                      accounts={"kim@broken.example": "kim"})
        file = box.make_key("broken.example", "only", "rsa")
        os.chown(file, 0, 0)
        with box:
            self.assertIn("only.pem", box.daemon_log("contentfilter"))
            box.send("kim@broken.example", "friend@example.net", mails.plain("kim@broken.example", "f@example.net", "broken key"))
            box.wait_until(lambda: "451 4.3.0" in box.log(), "the deferral")
            self.assertEqual(box.sink.deliveries, [])
            os.chown(file, box.uid, box.gid)
            self.assertEqual(box.postsluice("config", "reload").returncode, 0)
            box.flush()
            self.assertEqual(len(box.sink.wait(1, match=lambda d: "broken key" in d.header("Subject"))), 1)


class PolicydDown(SandboxCase):
    MAIN_CF = ""

    def test_mail_stays_with_the_sender_while_policyd_is_down(self):
        self.box.stop_daemon("policyd")
        story = self.send("alice@example.org", "friend@example.net", "policyd down")
        self.assertEqual(story[1][1], 451, story)
        self.assertIn("Policy service unavailable", story[1][2])
        self.box.start_daemon("policyd")
        self.assertEqual(self.send("alice@example.org", "friend@example.net", "policyd up")[-1][1], 250)



class ReadOnlyState(SandboxCase):
    """What the filter knows cannot be changed any more, as after the kernel has made the file system read-only."""

    def test_clean_mail_passes_what_is_to_be_kept_waits_and_both_are_told(self):
        eicar = mails.with_attachment("bob@example.org", "v@example.net", "a.txt", mails.EICAR.encode(), "not kept")
        with unwritable(self.box, "contentfilter", self.box.path("state")):
            self.assertEqual(self.send("alice@example.org", "friend@example.net", "not noted")[-1][1], 250)
            self.assert_signed(self.arrived("not noted")[0])
            self.assertEqual(self.box.send("bob@example.org", "v@example.net", eicar)[-1][1], 250)
            self.box.wait_deferred()
            self.assertEqual(self.quarantine(), [])
            self.wait_until(lambda: "state sync failed" in self.box.daemon_log("contentfilter"), "the complaint")
        self.assertIn("said: 451 4.3.0", self.box.log())
        log = self.box.daemon_log("contentfilter")
        self.assertEqual(log.count("state sync failed"), 1, log)
        for words in ("passage not recorded", "Read-only file system", 'trouble="quarantine: '):
            self.assertIn(words, log)
        self.box.flush()
        self.wait_until(lambda: [e["subject"] for e in self.quarantine()] == ["not kept"], "the quarantine")
        self.wait_until(lambda: self.box.postsluice("account", "show", "bob@example.org", json_output=True)["locked"], "the lock")
        self.box.wait_queue_empty()
        self.assertEqual(len(self.arrived("not noted", 2, timeout=0)), 1)
        self.assertEqual([d for d in self.box.sink.deliveries if "v@example.net" in d.recipients], [])


class SpoolInMemory(SandboxCase):
    def test_it_is_told(self):
        told = "contentfilter.spool_directory is on a tmpfs"
        spool = self.box.path("state/spool")
        before = self.box.daemon_log("contentfilter").count(told)
        self.box.stop_daemon("contentfilter")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=1m,uid={self.box.uid},gid={self.box.gid},mode=0700", "tmpfs", spool], check=True)
        try:
            self.box.start_daemon("contentfilter")
            self.assertEqual(self.box.daemon_log("contentfilter").count(told), before + 1)
            self.box.stop_daemon("contentfilter")
        finally:
            subprocess.run(["umount", spool], check=True)
        self.box.start_daemon("contentfilter")


if __name__ == "__main__":
    unittest.main()
