# SPDX-License-Identifier: Apache-2.0
"""Who may send as what: FROM rules and maps, block lists and the null sender, through a real Postfix."""

import os
import smtplib
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import unittest

from support import BUILD, Sandbox, SandboxCase, mails, reference_of

PARALLEL = True


class SocketmapServer:
    """socketmap_table(5) in a few lines. `mode`: ok, temp, garbage, or slow, which says nothing until `speak` is set; stop() makes it
    dead, start() alive again."""

    def __init__(self, path, entries):
        self.path, self.entries, self.mode, self.questions, self.connections = str(path), entries, "ok", [], []
        self.speak = threading.Event()
        self.server = None

    def start(self):
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                outer.connections.append(self.connection)
                while True:
                    length = b""
                    while not length.endswith(b":"):
                        octet = self.rfile.read(1)
                        if not octet:
                            return
                        length += octet
                    question = self.rfile.read(int(length[:-1]) + 1)[:-1].decode()
                    outer.questions.append(question)
                    reply = outer.reply(question.split(" ", 1)[1])
                    if reply is None:
                        return
                    try:
                        self.wfile.write(reply)
                    except OSError:
                        return  # the client did not wait

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = Server(self.path, Handler)
        os.chmod(self.path, 0o666)
        threading.Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        return self

    def reply(self, key):
        if self.mode == "slow":
            self.speak.wait()
        text = {"temp": "TEMP the database is away", "garbage": "what?"}.get(self.mode)
        if text is None:
            text = f"OK {self.entries[key]}" if key in self.entries else "NOTFOUND "
        return f"{len(text)}:{text},".encode()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # gone already
            self.connections.clear()
            os.unlink(self.path)


class MapCase(SandboxCase):
    """A sandbox whose configuration needs its own directory: {dir} in CONFIG; prepare() writes the maps before the start."""

    CONFIG = ""

    @classmethod
    def prepare(cls):
        pass

    @classmethod
    def put(cls, name, text):
        (cls.maps / name).write_text(text)
        return cls.maps / name

    @classmethod
    def postmap(cls, name, text):
        cls.put(name, text)
        subprocess.run(["postmap", "-c", cls.box.path("etc/postfix"), f"lmdb:{cls.maps / name}"], check=True, capture_output=True)

    @classmethod
    def setUpClass(cls):
        cls.box = Sandbox(BUILD, keep_profile=False)
        try:
            cls.maps = cls.box.path("maps")
            cls.maps.mkdir()
            os.chmod(cls.maps, 0o755)
            cls.prepare()
            cls.box.path("etc/postsluice/conf.d/test.toml").write_text(cls.CONFIG.replace("{dir}", str(cls.maps)))
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    def rcpt(self, login, sender, recipient="friend@example.net"):
        """Code and text of the RCPT that follows MAIL FROM:<sender>."""
        with self.box.submit_session(login) as session:
            code, text = session.docmd("MAIL", f"FROM:<{sender}>")
            if code == 250:
                code, text = session.docmd("RCPT", f"TO:<{recipient}>")
            return code, text.decode()

    def check_config(self):
        return subprocess.run([self.box.build / "postsluice-policyd", "--config", self.box.config_file, "--check-config"],
                              capture_output=True, text=True)


OWNERS = """
alice@example.org       alice@example.org
office@example.org      ALICE@Example.ORG, bob@example.org
team@example.org        carol@example.org dave@example.org
@shop.example           bob@example.org
sales@shop.example      carol@example.org
"q r"@example.org       alice@example.org
"x\\"y"@example.org      bob@example.org
info+news@example.org   carol@example.org
info@example.org        dave@example.org
desk                    alice@example.org
Upper@Example.ORG       bob@example.org
nobody@example.org      nobody@example.org
.example.net            alice@example.org
"""
MORE_OWNERS = "texthash@example.org bob@example.org\nalice@example.org bob@example.org\n@lists.example alice@example.org\n"
PATTERNS = """
/^(.+)\\+self@example\\.org$/    $1@example.org
if /@re\\.example$/
/^alice/                        alice@example.org
!/^alice/                       bob@example.org carol@example.org
endif
/^Case@example\\.com$/i          alice@example.org
"""


class BesidePostfix(MapCase):
    """The same maps in smtpd_sender_login_maps, asked by Postfix itself on a port of its own."""

    CONFIG = """
recipient_delimiter = "+"
[profile.default]
from = ["lmdb:{dir}/owners", "texthash:{dir}/more", "regexp:{dir}/patterns"]
limits = []
"""
    PORT = 2526

    @classmethod
    def prepare(cls):
        cls.postmap("owners", OWNERS)
        cls.put("more", MORE_OWNERS)
        cls.put("patterns", PATTERNS)
        config = cls.box.path("etc/postfix")
        with open(config / "main.cf", "a") as main:
            main.write(f"\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1001\nsmtpd_hard_error_limit = 1000\nrecipient_delimiter = +\nlogin_maps = lmdb:{cls.maps}/owners texthash:{cls.maps}/more regexp:{cls.maps}/patterns\n")
        with open(config / "master.cf", "a") as master:
            master.write(f"""
{cls.box.address}:{cls.PORT} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sender_login_maps=$login_maps
  -o smtpd_delay_reject=yes
  -o {{ smtpd_sender_restrictions = reject_sender_login_mismatch }}
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
""")

    LOGINS = ("alice@example.org", "bob@example.org", "carol@example.org", "dave@example.org")
    SENDERS = ("alice@example.org", "ALICE@Example.Org", "alice+tag@example.org", "office@example.org", "team@example.org",
               "anybody@shop.example", "sales@shop.example", "sales+x@shop.example", "x@sub.shop.example", '"q r"@example.org',
               '"q r+x"@example.org', '"x\\"y"@example.org', '"alice"@example.org', "info+news@example.org", "info+other@example.org", "info@example.org",
               "desk@mail.example.org", "desk+x@mail.example.org", "desk@example.org", "upper@example.org", "nobody@example.org",
               "someone@example.net", "x@sub.example.net", "texthash@example.org", "news@lists.example", "bob+self@example.org",
               "alice+self@example.org", "alice@re.example", "x@re.example", "Case@example.com", "case@example.com",
               "unlisted@example.org", "bob@example.org", "postmaster+x@example.org", "+tag@example.org", "a@b@example.org",
               '"a@b"@example.org', "desk", "")

    def test_both_decide_alike_for_every_login_and_sender(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        differences, admitted = [], 0
        for login in self.LOGINS:
            sessions = {}
            for port in (587, self.PORT):
                session = smtplib.SMTP(self.box.address, port, local_hostname="client.example.org", timeout=60)
                session.starttls(context=context)
                session.login(login, self.box.accounts[login])
                sessions[port] = session
            for sender in self.SENDERS:
                said = {}
                for port, session in sessions.items():
                    code, text = session.docmd("MAIL", f"FROM:<{sender}>")
                    if code == 250:
                        code, text = session.docmd("RCPT", "TO:<friend@example.net>")
                    said[port] = code, text.decode()
                    session.rset()
                ours, theirs = said[587][0], said[self.PORT][0]
                admitted += ours == 250
                if (ours == 250) != (theirs == 250) or ours // 100 == 4:
                    differences.append((login, sender, said))
            for session in sessions.values():
                session.quit()
        self.assertEqual(differences, [])
        self.assertGreater(admitted, 20)
        self.assertLess(admitted, len(self.LOGINS) * len(self.SENDERS) - 40)


class Maps(MapCase):
    CONFIG = """
[profile.default]
limits = []
[profile.lmdb]
from = "lmdb:{dir}/owners"
[profile.texthash]
from = ["@example.com", "texthash:{dir}/owners-text"]
[profile.list]
from = ["dave@example.org", "@lists.example", "@*.below.example"]
[profile.address]
from = "own-address"
[[assign]]
profile = "lmdb"
login = ["alice@example.org", "eve@example.org"]
[[assign]]
profile = "texthash"
login = ["bob@example.org"]
[[assign]]
profile = "list"
login = ["dave@example.org"]
[[assign]]
profile = "address"
login = ["carol@example.org"]
"""

    @classmethod
    def prepare(cls):
        cls.postmap("owners", "office@example.org alice@example.org\n")
        cls.put("owners-text", "office@example.org bob@example.org\n")

    def test_each_form_admits_what_it_says(self):
        table = [
            ("mallory@example.org", "other@example.org", 250), ("mallory@example.org", "x@sub.example.org", 550),  # own-domain
            ("carol@example.org", "carol@example.org", 250), ("carol@example.org", "other@example.org", 550),  # own-address
            ("dave@example.org", "dave@example.org", 250), ("dave@example.org", "any@lists.example", 250),  # a list
            ("dave@example.org", "x@a.below.example", 250), ("dave@example.org", "x@below.example", 550),
            ("alice@example.org", "office@example.org", 250), ("alice@example.org", "alice@example.org", 550),  # lmdb
            ("bob@example.org", "office@example.org", 250), ("bob@example.org", "x@example.com", 250),  # texthash and a domain
            ("bob@example.org", "bob@example.org", 550), ("alice@example.org", "", 250),
        ]
        for login, sender, expected in table:
            with self.subTest(login=login, sender=sender):
                code, text = self.rcpt(login, sender)
                self.assertEqual(code, expected, text)
                if code != 250:
                    self.assertIn("5.7.1", text)
                    self.assertIn("may send as", text)
                    self.assertNotIn(str(self.maps), text)
                    self.assertIn("from-forbidden", self.box.postsluice("why", reference_of(text)).stdout)

    def test_a_map_that_postmap_writes_anew_holds_at_once(self):
        self.assertEqual(self.rcpt("eve@example.org", "new@example.org")[0], 550)
        self.postmap("owners", "office@example.org alice@example.org\nnew@example.org eve@example.org\n")
        self.assertEqual(self.rcpt("eve@example.org", "new@example.org")[0], 250)

    def test_the_header_from_is_asked_of_the_same_map(self):
        self.box.send("alice@example.org", "friend@example.net", mails.plain("Office <office@example.org>", "x@example.net", "header of hers"),
                      sender="office@example.org")
        self.assertEqual(len(self.arrived("header of hers")), 1)
        story = self.box.send("alice@example.org", "friend@example.net", mails.plain("boss@example.org", "x@example.net", "header not hers"),
                              sender="office@example.org")
        self.assertEqual(story[-1][1], 250, story)
        # Refused, and told to the sender: the map says that the reverse-path is hers.
        bounce = self.box.sink.wait(1, 90, lambda d: "office@example.org" in d.recipients and d.sender.startswith("<>"))
        self.assertEqual(len(bounce), 1)
        self.assertIn("header-from-forbidden", self.box.postsluice("why", reference_of(bounce[0].text())).stdout)

    def test_a_missing_map_is_trouble_and_check_config_names_it(self):
        self.assertEqual(self.check_config().returncode, 0, self.check_config().stderr)
        away = self.maps / "away"
        os.rename(self.maps / "owners-text", away)
        try:
            code, text = self.rcpt("bob@example.org", "office@example.org")
            self.assertEqual(code, 451, text)
            self.assertIn("map cannot be read", self.box.daemon_log("policyd"))
            run = self.check_config()
            self.assertEqual(run.returncode, 78)
            self.assertIn("owners-text", run.stderr)
            run = self.box.postsluice("config", "check")
            self.assertEqual(run.returncode, 78)
            self.assertIn("owners-text", run.stderr)
        finally:
            os.rename(away, self.maps / "owners-text")
        self.assertEqual(self.rcpt("bob@example.org", "office@example.org")[0], 250)


class Socketmap(MapCase):
    CONFIG = """
[policyd]
map_timeout = "3 seconds"
map_cache_time = "0 seconds"
[profile.default]
limits = []
from = ["@plain.example", "socketmap:unix:{dir}/server:logins"]
"""

    @classmethod
    def prepare(cls):
        cls.server = SocketmapServer(cls.maps / "server", {"office@example.org": "alice@example.org, bob@example.org"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        super().tearDownClass()

    def setUp(self):
        self.server.mode = "ok"
        self.server.speak.clear()
        self.addCleanup(self.server.speak.set)

    def test_a_server_that_answers_decides(self):
        self.assertEqual(self.rcpt("alice@example.org", "office@example.org")[0], 250)
        self.assertEqual(self.rcpt("carol@example.org", "office@example.org")[0], 550)
        self.assertEqual(self.rcpt("alice@example.org", "other@example.org")[0], 550)
        self.assertIn("logins office@example.org", self.server.questions)
        asked = len(self.server.questions)
        self.assertEqual(self.rcpt("alice@example.org", "x@plain.example")[0], 250)
        self.assertEqual(len(self.server.questions), asked)

    def test_trouble_of_the_server_follows_on_error(self):
        for mode in ("temp", "garbage", "slow"):
            with self.subTest(mode):
                self.server.mode = mode
                with self.box.submit_session("alice@example.org") as session:
                    session.mail("office@example.org")
                    begin = time.monotonic()
                    code, text = session.rcpt("friend@example.net")
                    took = time.monotonic() - begin
                self.assertEqual(code, 451, text)
                self.assertNotIn(b"Policy service unavailable", text)  # what Postfix says for a policyd that is silent itself
                self.assertLess(took, 8)
        self.server.mode = "ok"
        self.assertEqual(self.rcpt("alice@example.org", "office@example.org")[0], 250)
        self.server.stop()
        try:
            self.assertEqual(self.rcpt("alice@example.org", "office@example.org")[0], 451)
            self.assertIn("map does not answer", self.box.daemon_log("policyd"))
            # What needs no server goes on.
            self.assertEqual(self.rcpt("alice@example.org", "x@plain.example")[0], 250)
            self.reload('on_error = "defer"', 'on_error = "dunno"')
            self.assertEqual(self.rcpt("alice@example.org", "office@example.org")[0], 250)
        finally:
            self.reload('on_error = "dunno"', 'on_error = "defer"')
            self.server.start()
        self.assertEqual(self.rcpt("alice@example.org", "office@example.org")[0], 250)

    def reload(self, old, new):
        file = self.box.path("etc/postsluice/conf.d/test.toml")
        text = file.read_text().replace(old, new) if old in file.read_text() else file.read_text().replace("[policyd]", "[policyd]\n" + new)
        file.write_text(text)
        run = self.box.postsluice("reload")
        if run.returncode != 0:
            run = self.box.postsluice("config", "reload")
        self.assertEqual(run.returncode, 0, run)

    def test_one_slow_question_holds_up_nobody_else(self):
        file = self.box.path("etc/postsluice/conf.d/test.toml")
        usual = file.read_text()
        file.write_text(usual.replace('map_timeout = "3 seconds"', 'map_timeout = "9 seconds"'))  # Postfix would wait for ten
        self.assertEqual(self.box.postsluice("config", "reload").returncode, 0)
        try:
            with self.box.submit_session("bob@example.org") as other:
                other.mail("x@plain.example")
                self.server.mode, asked, done = "slow", len(self.server.questions), []
                waiting = threading.Thread(target=lambda: done.append(self.rcpt("alice@example.org", "office@example.org")[0]))
                waiting.start()
                self.wait_until(lambda: len(self.server.questions) > asked, "the slow question")
                self.assertEqual(other.rcpt("friend@example.net")[0], 250)
                self.assertEqual(done, [])
                self.server.speak.set()
                waiting.join()
                self.assertEqual(done, [250])
        finally:
            file.write_text(usual)
            self.assertEqual(self.box.postsluice("config", "reload").returncode, 0)

    def test_the_filter_asks_the_server_about_the_header_from(self):
        self.box.send("alice@example.org", "friend@example.net", mails.plain("office@example.org", "x@example.net", "socket hers"),
                      sender="office@example.org")
        self.assertEqual(len(self.arrived("socket hers")), 1)
        self.box.send("bob@example.org", "friend@example.net", mails.plain("carol@example.org", "x@example.net", "socket not his"),
                      sender="office@example.org")
        bounce = self.box.sink.wait(1, 90, lambda d: "office@example.org" in d.recipients and d.sender.startswith("<>"))
        self.assertEqual(len(bounce), 1)


class BlockListsAndNullSender(MapCase):
    CONFIG = """
[profile.default]
limits = []
from = "any"
blocked_senders = ["ceo@example.org", "texthash:{dir}/senders"]
blocked_recipients = ["@rival.example", "lmdb:{dir}/recipients"]
[profile.known]
inherits = "default"
sender_maps = ["texthash:{dir}/virtual"]
null_sender = "reject"
[profile.few]
inherits = "default"
null_sender = "limit"
[[assign]]
profile = "known"
login = ["bob@example.org"]
[[assign]]
profile = "few"
login = ["carol@example.org"]
"""

    @classmethod
    def prepare(cls):
        cls.put("senders", "spoofed.example REJECT\nhelp@spoofed.example OK\n")
        cls.postmap("recipients", "nobody@example.net 550 5.1.1 gone\n")
        cls.put("virtual", "bob@example.org bob\n@bob.example bob\n")

    def test_blocked_senders_and_recipients_are_refused_and_why_tells_so(self):
        table = [
            ("ceo@example.org", "friend@example.net", "sender-blocked"), ("x@spoofed.example", "friend@example.net", "sender-blocked"),
            ("x@sub.spoofed.example", "friend@example.net", "sender-blocked"), ("help@spoofed.example", "friend@example.net", None),
            ("alice@example.org", "sales@rival.example", "recipient-blocked"), ("alice@example.org", "nobody@example.net", "recipient-blocked"),
            ("alice@example.org", "friend@example.net", None),
        ]
        for sender, recipient, reason in table:
            with self.subTest(sender=sender, recipient=recipient):
                code, text = self.rcpt("alice@example.org", sender, recipient)
                self.assertEqual(code, 550 if reason else 250, text)
                if reason:
                    self.assertIn(reason, self.box.postsluice("why", reference_of(text)).stdout)

    def test_a_sender_must_be_known_where_maps_are_given(self):
        self.assertEqual(self.rcpt("bob@example.org", "bob@example.org")[0], 250)
        self.assertEqual(self.rcpt("bob@example.org", "any@bob.example")[0], 250)
        code, text = self.rcpt("bob@example.org", "bbo@example.org")
        self.assertEqual(code, 550, text)
        self.assertIn("sender-unknown", self.box.postsluice("why", reference_of(text)).stdout)

    def test_the_null_sender_is_allowed_limited_or_refused(self):
        self.assertEqual(self.rcpt("alice@example.org", "")[0], 250)
        for login in ("bob@example.org", "carol@example.org"):
            code, text = self.rcpt(login, "")
            self.assertEqual(code, 550, text)
            self.assertIn("null-sender-forbidden", self.box.postsluice("why", reference_of(text)).stdout)
        self.assertEqual(self.rcpt("carol@example.org", "carol@example.org")[0], 250)


if __name__ == "__main__":
    unittest.main()
