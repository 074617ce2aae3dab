# SPDX-License-Identifier: Apache-2.0
"""A real Exim as the client of policyd and of the filter, from mta-examples/exim as it is; and its guide, line by line.

Exim is Debian's, unpacked beside Postfix (tests/support/unpack-exim); that it cannot be had is a failure.
"""

import base64
import concurrent.futures
import os
import pathlib
import re
import smtplib
import socket
import subprocess
import tempfile
import unittest

from support import BUILD, ROOT, SandboxCase, mails, reference_of

from exim_box import EXAMPLE, EximSandbox, one_line

PARALLEL = True

GUIDE = ROOT / "docs/guides/exim.md"
NOBODY = 65534
OVERRIDES = """
[profile.default]
symbols = { GTUBE = { action = "reject" } }
[profile.three]
inherits = "default"
limits   = ["3 recipients per hour", "unlimited messages per minute"]
[profile.held]
inherits = "default"
limits   = ["1 messages per hour then hold", "unlimited messages per minute"]
[profile.queue]
inherits = "default"
symbols  = { GTUBE = { action = "hold" } }
hold     = "queue"
[[assign]]
profile = "three"
login   = ["bob@example.org", "carol@example.org", "dave@example.org"]
[[assign]]
profile = "held"
login   = ["news@example.org"]
[[assign]]
profile = "queue"
login   = ["eve@example.org"]
"""

# Run by an outsider: connects and prints the first line that it is told.
KNOCK = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 60).recv(200).decode())"


def trust_any_login(text):
    """Exim with an authenticator that lets every login in, whatever it holds: what a careless one would hand to policyd."""
    return text[:text.index("dovecot_login:")] + """careless:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = true
  server_set_id = $auth1
"""


class EximCase(SandboxCase):
    EDIT = staticmethod(lambda text: text)

    @classmethod
    def setUpClass(cls):
        cls.box = EximSandbox(BUILD, overrides=OVERRIDES, edit=cls.EDIT)
        try:
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    def refusals(self, story):
        return [line for line in story if line[1] >= 400]

    def flush_until_arrived(self, subject):
        """A run of the queue passes over what another process has in its hands still, though it has logged what came of it."""
        def arrived():
            self.box.flush()
            return self.arrived(subject, timeout=1)
        self.wait_until(arrived, f"{subject} to arrive")


class MainJob(EximCase):
    def test_clean_mail_arrives_signed_and_its_sender_is_known_by_the_ticket(self):
        story = self.send("alice@example.org", ["friend@example.net", "other@example.net"], "clean")
        self.assertEqual(self.refusals(story), [])
        self.assertEqual(self.usage("alice@example.org")["messages per minute"], 1)  # as long as the minute lasts
        arrived = self.arrived("clean")
        self.assertEqual([sorted(d.recipients) for d in arrived], [["friend@example.net", "other@example.net"]], self.box.log())
        self.assert_signed(arrived[0])
        self.filter_lines("account=alice@example.org", "proof=ticket", least=1)
        self.assertEqual(self.usage("alice@example.org")["recipients per hour"], 2)

    def test_the_limit_is_exact_and_what_is_aborted_is_given_back(self):
        with self.box.submit_session("dave@example.org") as session:
            for _ in range(3):  # more than the limit, if it were not given back
                session.mail("dave@example.org")
                for n in range(3):
                    self.assertEqual(session.rcpt(f"{n}@example.net")[0], 250)
                self.assertEqual(session.rcpt("3@example.net")[0], 450)
                self.assertEqual(session.rset()[0], 250)
            session.mail("dave@example.org")
            self.assertEqual([session.rcpt(f"{n}@example.net")[0] for n in (1, 1, 2, 3)], [250] * 4)  # one of them twice
            self.assertEqual(session.data(mails.plain("dave@example.org", "1@example.net", "limit one"))[0], 250)
            session.mail("dave@example.org")
            code, text = session.rcpt("4@example.net")
        self.assertEqual(code, 450)
        text = one_line(text.decode())
        self.assertRegex(text, r"^4\.7\.1 3 of 3 recipients per hour used; next in \d+ s; see https://example\.org/mail-policy ref ")
        self.assertEqual(self.box.postsluice("why", reference_of(text)).returncode, 0)
        self.assert_signed(self.arrived("limit one")[0])
        self.assertEqual(self.usage("dave@example.org")["recipients per hour"], 3)

    def test_parallel_sessions_never_pass_more_than_the_limit(self):
        def one(n):
            return self.refusals(self.send("carol@example.org", f"p{n}@example.net", "parallel"))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(one, range(8)))
        self.assertEqual(len([a for a in answers if not a]), 3, answers)
        self.assertEqual(len(self.arrived("parallel", 3)), 3)
        self.box.wait_queue_empty()
        self.assertEqual(len(self.arrived("parallel", 3)), 3)

    def test_bdat_is_counted_and_bears_its_ticket(self):
        text = mails.plain("bob@example.org", "friend@example.net", "bdat").encode()
        with self.box.submit_session("bob@example.org") as session:
            session.ehlo()
            session.mail("bob@example.org")
            session.rcpt("friend@example.net")
            session.send(b"BDAT %d LAST\r\n" % len(text) + text)
            self.assertEqual(session.getreply()[0], 250)
        self.assert_signed(self.arrived("bdat")[0])
        self.filter_lines("account=bob@example.org", "proof=ticket", least=1)
        self.assertEqual(self.usage("bob@example.org")["recipients per hour"], 1)

    def test_a_forged_reverse_path_is_refused(self):
        story = self.send("alice@example.org", "friend@example.net", "forged", sender="boss@bank.example")
        self.assertEqual(story[-1][1], 550, story)
        self.assertIsNotNone(reference_of(story[-1][2]), story)

    def test_malware_is_quarantined_and_spam_bounces(self):
        text = mails.with_attachment("mallory@example.org", "v@example.net", "a.txt", mails.EICAR.encode(), "eicar")
        spam = mails.plain("alice@example.org", "v@example.net", "gtube", body=mails.GTUBE + "\r\n")
        self.assertEqual(self.refusals(self.box.send("alice@example.org", "v@example.net", spam)), [])
        bounce = self.box.sink.wait(1, 90, lambda d: "alice@example.org" in d.recipients and d.sender.startswith("<>"))
        self.assertEqual(len(bounce), 1, self.box.log())
        self.assertIsNotNone(reference_of(bounce[0].text()), bounce[0].text())
        self.assertEqual(self.refusals(self.box.send("mallory@example.org", "v@example.net", text)), [])
        self.wait_until(lambda: self.quarantine(account="mallory@example.org", reason="virus"), "the quarantine")
        notice = self.box.sink.wait(1, 90, lambda d: "abuse@example.org" in d.recipients)  # of the lock: policyd comes in as the filter does
        self.assertEqual(len(notice), 1, self.box.daemon_log("policyd"))
        self.box.wait_queue_empty()
        self.assertEqual([d for d in self.box.sink.deliveries if "v@example.net" in d.recipients], [])

    def test_what_policyd_holds_stays_until_it_is_thawed(self):
        self.assertEqual(self.refusals(self.send("news@example.org", "friend@example.net", "held not")), [])
        self.assertEqual(self.refusals(self.send("news@example.org", "friend@example.net", "held one")), [])
        self.thaw("held one")

    def test_what_the_filter_holds_for_the_queue_stays_there_signed(self):
        text = mails.plain("eve@example.org", "friend@example.net", "held two", body=mails.GTUBE + "\r\n")
        self.assertEqual(self.refusals(self.box.send("eve@example.org", "friend@example.net", text)), [])
        self.thaw("held two")

    def thaw(self, subject):
        mine = lambda: [i for i, frozen in self.box.queue() if frozen and f"Subject: {subject}\n" in self.box.exim("-Mvh", i).stdout]
        self.wait_until(mine, "the frozen message")
        self.box.exim("-qf")
        self.assertEqual(self.arrived(subject, timeout=1), [])
        found = mine()
        self.assertEqual(len(found), 1)
        self.box.exim("-Mt", found[0])
        self.flush_until_arrived(subject)
        self.assert_signed(self.arrived(subject)[0])


class BadDays(EximCase):
    def test_without_policyd_mail_is_deferred(self):
        with self.box.submit_session("alice@example.org") as session:
            session.mail("alice@example.org")
            self.assertEqual(session.rcpt("friend@example.net")[0], 250)
            self.box.stop_daemon("policyd")
            try:
                answer = (451, b"4.3.5 Policy service unavailable, try again later")
                self.assertEqual(session.rcpt("other@example.net"), answer)
                self.assertEqual(session.data(mails.plain("alice@example.org", "f@example.net", "without policyd")), answer)
                self.assertEqual(self.send("bob@example.org", "friend@example.net", "without policyd")[1][1:], (451, answer[1].decode()))
            finally:
                self.box.start_daemon("policyd")
        self.box.wait_queue_empty()  # of what was sent before
        self.assertEqual(self.arrived("without policyd", timeout=1), [])

    def test_a_policyd_that_was_started_again_is_asked_again(self):
        with self.box.submit_session("dave@example.org") as session:
            for n in range(2):
                session.mail("dave@example.org")
                self.assertEqual(session.rcpt(f"{n}@example.net")[0], 250)
                self.box.stop_daemon("policyd")
                self.box.start_daemon("policyd")
                self.assertEqual(session.data(mails.plain("dave@example.org", "f@example.net", f"again {n}"))[0], 250)
        for n in range(2):
            self.assert_signed(self.arrived(f"again {n}")[0])
        self.assertEqual(self.usage("dave@example.org")["recipients per hour"], 2)

    def test_without_the_filter_mail_waits_and_arrives_once(self):
        self.box.stop_daemon("contentfilter")
        try:
            self.assertEqual(self.refusals(self.send("eve@example.org", "friend@example.net", "waits")), [])
            self.wait_until(lambda: re.search(r"== friend@example\.net .*Connection refused", self.box.log()), "the deferral")
            self.assertEqual([frozen for _, frozen in self.box.queue()], [False])
        finally:
            self.box.start_daemon("contentfilter")
        self.flush_until_arrived("waits")
        self.assert_signed(self.arrived("waits")[0])
        self.box.wait_queue_empty()
        self.assertEqual(len(self.arrived("waits")), 1)
        self.assertEqual(self.usage("eve@example.org")["recipients per hour"], 1)

    def test_without_its_functions_exim_defers(self):
        """postsluice.pl is missing: neither policyd can be asked, nor does the filter get in; nothing is lost by that."""
        functions = self.box.path("etc/exim4/postsluice.pl")
        with self.box.submit_session("carol@example.org") as session:
            functions.rename(functions.with_name("away"))
            try:
                self.box.stop_daemon("contentfilter")  # with the connection that it kept
                self.box.start_daemon("contentfilter")
                session.mail("carol@example.org")
                self.assertEqual(session.rcpt("friend@example.net")[0], 451)
            finally:
                functions.with_name("away").rename(functions)
        self.assertEqual(self.refusals(self.send("carol@example.org", "friend@example.net", "after")), [])
        self.box.wait_queue_empty()
        self.assert_signed(self.arrived("after")[0])


class Doors(EximCase):
    EDIT = staticmethod(trust_any_login)

    def knock(self, port, uid):
        run = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", "/usr/bin/python3", "-c", KNOCK, self.box.address, str(port)],
                             capture_output=True, text=True, timeout=120)
        return run.stdout

    def test_nobody_gets_in_by_the_back_door(self):
        for port, answer in ((10025, "554 5.7.1 "), (10026, "421 4.7.0 "), (10027, "421 4.7.0 ")):
            with self.subTest(port):
                self.assertTrue(self.knock(port, NOBODY).startswith(answer), self.knock(port, NOBODY))
        self.assertTrue(self.knock(10026, self.box.uid).startswith("220 "))
        with self.assertRaises(PermissionError):
            self.as_nobody_on(self.box.path("queue/postsluice/policyd"))

    def as_nobody_on(self, path):
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
        finally:
            os.seteuid(0)
            os.setegid(0)

    def careless_session(self, login):
        session = smtplib.SMTP(self.box.address, 587, local_hostname="client.example.org", timeout=60)
        session.starttls()
        session.ehlo()
        session.docmd("AUTH", "LOGIN")
        session.docmd(base64.b64encode(login).decode())
        self.assertEqual(session.docmd(base64.b64encode(b"any").decode())[0], 235)
        return session

    def test_a_login_cannot_add_to_the_request(self):
        # What comes behind is a part of the login, as Exim spells it out; in the last two it is one of the domain, at which mallory is not.
        for more, spelt, code in ((b"\nsasl_username=alice@example.org", r"\nsasl_username=alice@example.org", 250),
                                  (b"\n\nrequest=smtpd_access_policy", r"\n\nrequest=smtpd_access_policy", 550), (b"\rx", r"\rx", 550)):
            with self.subTest(more), self.careless_session(b"mallory@example.org" + more) as session:
                session.mail("mallory@example.org")
                got, text = session.rcpt("friend@example.net")
                self.assertEqual(got, code, text)
                # While the session lasts: at its end the recipient is given back, and an account without any use is not listed.
                known = [account["account"] for account in self.box.postsluice("account", "list", json_output=True)["accounts"]]
                if code == 250:
                    self.assertIn(f"mallory@example.org{spelt}", known)
                else:
                    self.assertIn(f"mallory@example.org{spelt} may send as", one_line(text.decode()))
                self.assertNotIn("mallory@example.org", known)
        self.assertNotIn("refused: closing without a reply", self.box.daemon_log("policyd"))

    def test_what_holds_a_line_end_is_not_sent(self):
        """Exim lets none through today; the function that asks does not rely on it. Exim's own variables are stood in for."""
        for variable in ("local_part", "domain", "sender_address", "authenticated_id", "sender_host_address"):
            for octet in (r"\n", r"\r", r"\0"):
                with self.subTest(variable=variable, octet=octet):
                    script = f"""sub Exim::expand_string {{ return $_[0] eq '${variable}' ? "a{octet}b" : 'x' }}
                        require $ARGV[0]; $main::policyd = '/nowhere'; print postsluice('RCPT');"""
                    run = subprocess.run(["perl", "-e", script, EXAMPLE / "postsluice.pl"], capture_output=True, text=True)
                    self.assertEqual((run.stdout, run.stderr), ("550 5.7.1 Address or login with control characters", ""))

    def test_addresses_are_what_they_are_and_nothing_more(self):
        """What Exim lets through in a quoted local part reaches policyd as the address that it is."""
        with self.careless_session(b"alice@example.org") as session:
            session.ehlo("${run{/bin/false}} x=y")
            for sender, code in ((b'"alice"@example.org', 250), (b'"sender=alice@example.org"@bank.example', 550),
                                 (b'"a\\\rsender=alice"@bank.example', None), (b'"${primary_hostname}"@bank.example', 550)):
                session.send(b"MAIL FROM:<" + sender + b">\r\n")
                if session.getreply()[0] == 250:
                    got = session.rcpt("friend@example.net")
                    self.assertEqual(got[0], code or 550, (sender, got))
                    session.rset()
            session.mail("alice@example.org")
            for recipient in (b'"a b=c"@example.net', b'"a\\"b"@example.net', b'"${primary_hostname}"@example.net', b'"a,b"@example.net'):
                session.send(b"RCPT TO:<" + recipient + b">\r\n")
                self.assertEqual(session.getreply()[0], 250, recipient)
            self.assertEqual(session.data(mails.plain("alice@example.org", "f@example.net", "odd"))[0], 250)
        self.wait_until(lambda: len([r for d in self.arrived("odd") for r in d.recipients]) == 4, "four recipients")
        self.assertEqual(self.usage("alice@example.org")["recipients per hour"], 4)
        self.assertNotIn("refused: closing without a reply", self.box.daemon_log("policyd"))


class LocalMail(EximCase):
    """By the command line, as root: the unpacked program is not set-uid, and lends nobody else a configuration."""

    def hand_in(self, subject):
        text = mails.plain("root@mail.example.org", "friend@example.net", subject).replace("\r\n", "\n")
        run = self.box.exim("-i", "-f", "root@mail.example.org", "friend@example.net", "other@example.net", input=text)
        self.assertEqual(run.returncode, 0, run)

    def test_a_local_user_is_an_account_with_limits(self):
        self.hand_in("local one")
        self.assertEqual(len(self.arrived("local one")), 1, self.box.log())
        self.filter_lines("account=root@mail.example.org", "proof=ticket", least=1)
        self.assertEqual(self.usage("root@mail.example.org")["recipients per hour"], 2)
        self.assertEqual(self.box.postsluice("limit", "set", "root@mail.example.org", "2 recipients per hour", "--why", "test").returncode, 0)
        run = self.box.exim("-i", "-f", "root@mail.example.org", "friend@example.net", input="Subject: local two\n\nx\n")
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("rejected by non-SMTP ACL: 450 4.7.1 2 of 2 recipients per hour used", self.box.log())
        self.assertEqual(self.box.postsluice("limit", "clear", "root@mail.example.org").returncode, 0)

    def test_smtp_on_standard_input_is_the_same_user(self):
        before = len(self.filter_lines("account=root@mail.example.org", "proof=ticket"))
        text = mails.plain("root@mail.example.org", "friend@example.net", "local smtp")
        run = self.box.exim("-bs", input=f"EHLO x\r\nMAIL FROM:<root@mail.example.org>\r\nRCPT TO:<friend@example.net>\r\nDATA\r\n{text}.\r\nQUIT\r\n")
        self.assertEqual(len(self.arrived("local smtp")), 1, f"{run} {self.box.log()}")
        self.assertEqual(len(self.filter_lines("account=root@mail.example.org", "proof=ticket", least=before + 1)), before + 1)

    def test_without_policyd_it_goes_on_through_the_filter(self):
        self.box.stop_daemon("policyd")
        try:
            self.hand_in("local three")
            self.assertEqual(len(self.arrived("local three")), 1, self.box.log())
        finally:
            self.box.start_daemon("policyd")
        self.assertEqual(len(self.filter_lines("proof=none", least=1)), 1)


class Guide(unittest.TestCase):
    """docs/guides/exim.md: what it shows stands in the files, what it tells to run runs on the installation that it makes."""

    def blocks(self, kind):
        return re.findall(rf"^```{re.escape(kind)}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)

    def test_what_it_shows_of_the_configuration_stands_there(self):
        for kind, name in (("exim4.conf", "exim4.conf"), ("toml", "postsluice.toml")):
            known, shown = (EXAMPLE / name).read_text().splitlines(), "".join(self.blocks(kind)).splitlines()
            self.assertTrue(shown)
            self.assertEqual([line for line in shown if line not in known], [])

    def test_its_units_are_valid(self):
        with tempfile.TemporaryDirectory(prefix="postsluice-units.") as folder:
            folder = pathlib.Path(folder)
            for unit in ROOT.glob("debian/*.service"), ROOT.glob("debian/*.socket"):
                for file in unit:
                    (folder / file.name).write_text(re.sub(r"/usr/sbin/postsluice-\w+", "/bin/true", file.read_text()))
            for block in self.blocks("ini"):
                first, text = block.split("\n", 1)
                for unit in first.removeprefix("# systemctl edit ").split():
                    (folder / f"{unit}.d").mkdir()
                    (folder / f"{unit}.d/override.conf").write_text(text)
            units = [folder / unit for unit in ("postsluice-policyd.socket", "postsluice-policyd.service", "postsluice-contentfilter.service")]
            run = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
            said = [line for line in (run.stdout + run.stderr).splitlines() if "postsluice" in line]
            self.assertEqual(said, [])
            # What is left of Postfix in them is the order at boot.
            for unit in units:
                shown = unit.read_text() + (folder / f"{unit.name}.d/override.conf").read_text()
                for key in ("ListenStream", "SocketGroup", "SupplementaryGroups", "ReadWritePaths"):
                    last = re.findall(rf"^{key}=(.*)$", shown, re.MULTILINE)[-1:]
                    self.assertNotIn("post" + "fix", "".join(last))
                    self.assertNotIn("postdrop", "".join(last))

    def test_its_directories_are_made_at_boot(self):
        with tempfile.TemporaryDirectory(prefix="postsluice-root.") as root:
            (pathlib.Path(root) / "etc").mkdir()
            (pathlib.Path(root) / "etc/passwd").write_text("root:x:0:0::/:\npostsluice:x:901:901::/:\n")
            (pathlib.Path(root) / "etc/group").write_text("root:x:0:\npostsluice:x:901:\nDebian-exim:x:902:\n")
            run = subprocess.run(["systemd-tmpfiles", "--create", f"--root={root}", EXAMPLE / "tmpfiles.conf"], capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            made = os.stat(f"{root}/run/postsluice-exim")
            self.assertEqual((made.st_uid, made.st_gid, oct(made.st_mode & 0o7777)), (901, 902, "0o2750"))

    def test_its_commands_run(self):
        box = EximSandbox(BUILD)
        try:
            wanted = {name: box.path("etc/exim4", name).read_text() for name in ("exim4.conf", "postsluice.pl")}
            box.path("queue/postsluice").rmdir()
            self.run_lines(box, "sh install")
            for name, text in wanted.items():
                self.assertEqual(box.path("etc/exim4", name).read_text(), (EXAMPLE / name).read_text())
                box.path("etc/exim4", name).write_text(text)  # with the addresses and paths of the sandbox
            folder = box.path("queue/postsluice").stat()
            self.assertEqual((folder.st_uid, folder.st_gid, oct(folder.st_mode & 0o7777)), (box.uid, box.exim_gid, "0o2750"))
            box.start()
            story = box.send("alice@example.org", "friend@example.net", mails.plain("alice@example.org", "f@example.net", "guided"))
            self.assertEqual(story[-1][1], 250, story)
            self.assertEqual(len(box.sink.wait(1, 90, lambda d: d.header("Subject") == ["guided"])), 1)
            self.run_lines(box, "sh look")
        finally:
            box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))

    def run_lines(self, box, kind):
        tools = box.path("tools")
        tools.mkdir(exist_ok=True)
        for name, command in (("exim4", f"{box.exim_program} -C {box.path('etc/exim4/exim4.conf')}"),
                              # Exim's names of users are not for it, and a build with sanitizers takes no library before its own.
                              ("postsluice", f"env -u LD_PRELOAD {box.build}/postsluice --config {box.config_file}")):
            (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            os.chmod(tools / name, 0o755)
        lines = "".join(self.blocks(kind)).splitlines()
        self.assertTrue(lines)
        for line in lines:
            here = box.here(line).replace("/etc/postsluice/", f"{box.path('guided')}/").replace("/etc/tmpfiles.d", str(box.path("guided")))
            run = subprocess.run(["sh", "-ec", here], cwd=ROOT, capture_output=True, text=True, timeout=60,
                                 env=dict(box.environment(), PATH=f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"))
            self.assertEqual(run.returncode, 0, f"{line}: {run.stdout}{run.stderr}")
            if line == "exim4 -bV":
                self.assertRegex(run.stdout, r"Support for:.* Perl ")


if __name__ == "__main__":
    unittest.main()
