# SPDX-License-Identifier: Apache-2.0
"""Every way in, from the directories of postfix-examples as they are: one story, told through each of them."""

import dataclasses
import os
import smtplib
import socket
import subprocess
import unittest

from support import BUILD, SandboxCase, mails, reference_of

import foreign_signer

PARALLEL = True

NOBODY = 65534

# What some server somewhere took, or takes, for the end of the data (SMTP smuggling, CVE-2023-51764 and its kin).
ENDS_OF_DATA = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r.\n", b"\r\n.\n", b"\r\n.\r", b"\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
                b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\r\0\n.\r\n", b"\n\n.\n\n", b"\n..\n", b"\r\n..\r\n", b"\r\n. \r\n"]


@dataclasses.dataclass(frozen=True)
class Way:
    """What is different. Whatever is not named here is the same by every way."""

    example: str
    main_cf: str = ""
    refused: str = "bounce"        # "session": the client itself reads 550, and there is no bounce
    queued_first: bool = True      # Postfix has the message before the filter does
    dsn: bool = True               # False: pipe(8) knows no RET, ENVID, NOTIFY and ORCPT
    listeners: tuple = ("filter",)  # sockets below postsluice/ in the queue directory
    ports: tuple = ()


WAYS = {
    "Lmtp": Way("after-queue"),
    "Smtp": Way("after-queue-smtp", listeners=(), ports=(10587,)),
    "BeforeQueue": Way("before-queue", main_cf="smtpd_proxy_options =\n", refused="session", queued_first=False,
                       listeners=("filter", "before-queue")),
    "BeforeQueueSpeedAdjust": Way("before-queue", refused="session", queued_first=False, listeners=("filter", "before-queue")),
    "Pipe": Way("pipe", dsn=False, listeners=("pipe",)),
}
WAYS = {name: way for name, way in WAYS.items() if os.path.isdir(os.path.join(os.path.dirname(__file__), "../../postfix-examples", way.example))}


class Story:
    WAY = None
    OVERRIDES = """
[profile.counted]
inherits = "default"
limits = ["10 messages per hour"]
[[assign]]
profile = "counted"
login = ["eve@example.org"]
"""
    MAIN_CF = "minimal_backoff_time = 300s\nmaximal_backoff_time = 300s\nqueue_run_delay = 300s\n"

    def wait_for_deferral(self):
        def deferred():
            queue = self.box.queue()
            return queue and all(entry["queue_name"] == "deferred" for entry in queue)
        self.wait_until(deferred, "the deferral")

    def without_next_hop(self, during):
        """Runs `during` while the filter cannot reach Postfix's re-entry listener: its answer is 451."""
        socket = self.box.path("queue/public/postsluice-reentry")
        aside = socket.with_name("aside")
        socket.rename(aside)
        try:
            self.box.stop_daemon("contentfilter")  # with the connection to the next hop that it kept
            self.box.start_daemon("contentfilter")
            during()
        finally:
            aside.rename(socket)

    def test_clean_mail_arrives_signed_and_its_sender_is_known_by_the_ticket(self):
        story = self.send("alice@example.org", "friend@example.net", "clean")
        self.assertEqual(story[-1][1], 250, story)
        delivery = self.arrived("clean")
        self.assertEqual(len(delivery), 1)
        self.assert_signed(delivery[0])
        self.filter_lines("account=alice@example.org", "proof=ticket", least=1)

    def test_a_forged_header_from_is_refused_and_the_sender_told(self):
        story = self.box.send("bob@example.org", "friend@example.net", mails.plain("a@bank.example", "friend@example.net", "forged"))
        if self.WAY.refused == "session":
            self.assertEqual(story[-1][:2], ("DATA", 550), story)
            self.assertIsNotNone(reference_of(story[-1][2]))
            self.box.wait_queue_empty()
            self.assertEqual([d for d in self.box.sink.deliveries if "bob@example.org" in d.recipients], [])
        else:
            self.assertEqual(story[-1][1], 250, story)
            bounce = self.box.sink.wait(1, 90, lambda d: "bob@example.org" in d.recipients and d.sender.startswith("<>"))
            self.assertEqual(len(bounce), 1, self.box.log())
            self.assertIsNotNone(reference_of(bounce[0].text()))
            self.assertIn("5.7.1", bounce[0].text())
        self.assertEqual([d for d in self.box.sink.deliveries if "friend@example.net" in d.recipients and "forged" in d.header("Subject")], [])

    def test_malware_is_quarantined(self):
        text = mails.with_attachment("carol@example.org", "v@example.net", "a.txt", mails.EICAR.encode(), "eicar")
        story = self.box.send("carol@example.org", "v@example.net", text)
        self.assertEqual(story[-1][1], 250, story)
        self.wait_until(lambda: self.quarantine(account="carol@example.org", reason="virus"), "the quarantine")
        self.assertEqual([d for d in self.box.sink.deliveries if "eicar" in d.header("Subject")], [])

    def test_trouble_is_temporary_and_the_message_arrives_once_when_it_is_over(self):
        def during():
            story = self.send("dave@example.org", "friend@example.net", "tempfailed")
            if self.WAY.queued_first:
                self.assertEqual(story[-1][1], 250, story)
                self.wait_for_deferral()
            else:
                self.assertEqual(story[-1][1], 451, story)
                self.box.wait_queue_empty()
        self.without_next_hop(during)
        if self.WAY.queued_first:
            self.box.flush()
        else:
            self.assertEqual(self.send("dave@example.org", "friend@example.net", "tempfailed")[-1][1], 250)
        self.assert_signed(self.arrived("tempfailed")[0])
        self.box.wait_queue_empty()
        self.assertEqual(len(self.arrived("tempfailed")), 1)

    def test_120_recipients_get_it_once_each_and_it_counts_as_one_message(self):
        recipients = [f"r{n}@example.net" for n in range(120)]
        story = self.box.send("eve@example.org", recipients, mails.plain("eve@example.org", "list@example.net", "many"))
        self.assertEqual(story[-1][1], 250, story)
        mine = lambda: [r for d in self.box.sink.deliveries if "many" in d.header("Subject") for r in d.recipients]
        self.wait_until(lambda: len(mine()) >= 120, "120 recipients")
        self.box.wait_queue_empty()
        self.assertEqual(sorted(mine()), sorted(recipients))
        self.assertEqual(self.usage("eve@example.org")["messages per hour"], 1)  # a minute may be over by now

    def test_dsn_parameters_pass_where_postfix_knows_them(self):
        with self.box.submit_session("alice@example.org") as session:
            self.assertEqual(session.mail("alice@example.org", ["RET=HDRS", "ENVID=abc"])[0], 250)
            self.assertEqual(session.rcpt("friend@example.net", ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;o@example.net"])[0], 250)
            self.assertEqual(session.data(mails.plain("alice@example.org", "friend@example.net", "dsn"))[0], 250)
        delivery = self.arrived("dsn")[0]
        for word, where in (("RET=HDRS", delivery.sender), ("ENVID=abc", delivery.sender),
                            ("NOTIFY=FAILURE,DELAY", delivery.rcpt_lines[0]), ("ORCPT=rfc822;o@example.net", delivery.rcpt_lines[0])):
            self.assertEqual(word in where, self.WAY.dsn, where)

    def test_smtputf8_passes(self):
        with self.box.submit_session("alice@example.org") as session:
            session.ehlo()
            session.command_encoding = "utf-8"
            self.assertEqual(session.docmd("MAIL FROM:<alice@example.org> BODY=8BITMIME SMTPUTF8")[0], 250)
            self.assertEqual(session.docmd("RCPT TO:<grüße@example.net>")[0], 250)
            text = mails.plain("alice@example.org", "grüße@example.net", "utf8").encode()
            self.assertEqual(session.data(text)[0], 250)
        delivery = self.arrived("utf8")[0]
        self.assertIn("SMTPUTF8", delivery.sender)
        self.assertEqual(delivery.recipients, ["grüße@example.net"])
        self.assert_signed(delivery)

    def test_the_null_sender_stays_the_null_sender(self):
        story = self.send("alice@example.org", "friend@example.net", "null sender", sender="")
        self.assertEqual(story[-1][1], 250, story)
        delivery = self.arrived("null sender")[0]
        self.assertTrue(delivery.sender.startswith("<>"), delivery.sender)
        self.assert_signed(delivery)

    def test_bdat_from_the_client(self):
        text = mails.plain("alice@example.org", "friend@example.net", "bdat", body="one\r\n.\r\n..two\r\n").encode()
        with self.box.submit_session("alice@example.org") as session:
            session.ehlo()
            self.assertTrue(session.has_extn("chunking"))
            session.mail("alice@example.org")
            session.rcpt("friend@example.net")
            session.send(f"BDAT {len(text) - 20}\r\n".encode() + text[:-20])
            self.assertEqual(session.getreply()[0], 250)
            session.send(b"BDAT 20 LAST\r\n" + text[-20:])
            self.assertEqual(session.getreply()[0], 250)
        delivery = self.arrived("bdat")[0]
        self.assertTrue(delivery.content.endswith(b"\r\none\r\n.\r\n..two\r\n"), delivery.content)
        self.assert_signed(delivery)

    def test_local_mail_passes_the_filter_and_is_known_by_its_uid(self):
        run = self.box.sendmail(33, ["friend@example.net"], mails.plain("www-data@mail.example.org", "friend@example.net", "local mail"),
                                sender="www-data@mail.example.org")
        self.assertEqual(run.returncode, 0, run)
        self.assertEqual(len(self.arrived("local mail")), 1, self.box.daemon_log("contentfilter"))
        self.assertEqual(len(self.filter_lines("proof=uid", "account=uid:33", least=1)), 1, self.box.daemon_log("contentfilter"))

    def requeue(self):
        subprocess.run(["postsuper", "-c", str(self.box.path("etc/postfix")), "-r", "ALL"], check=True, capture_output=True)
        self.box.flush()

    def test_requeued_before_the_filter_it_is_its_senders_still(self):
        if not self.WAY.queued_first:
            self.skipTest("no queue lies before the filter")

        def during():
            self.send("mallory@example.org", "friend@example.net", "requeued before")
            self.wait_for_deferral()
        self.without_next_hop(during)
        self.requeue()
        delivered = self.arrived("requeued before")
        self.box.wait_queue_empty()
        self.assertEqual(len(self.arrived("requeued before")), 1)
        self.assert_signed(delivered[0])
        self.assertEqual(len(self.filter_lines("proof=ticket", "account=mallory@example.org", "delivered=1", least=1)), 1,
                         self.box.daemon_log("contentfilter"))

    def test_requeued_behind_the_filter_it_passes_once_more_and_is_signed_once(self):
        self.box.sink.replies["dot"] = "450 4.2.0 later"
        try:
            self.send("news@example.org", "friend@example.net", "requeued behind")
            self.wait_for_deferral()
        finally:
            self.box.sink.replies.clear()
        self.requeue()
        delivered = self.arrived("requeued behind")
        self.box.wait_queue_empty()
        self.assertEqual(len(self.arrived("requeued behind")), 1)
        self.assert_signed(delivered[0])
        again = self.filter_lines("proof=passed", "account=news@example.org", least=1)
        self.assertEqual(len(again), 1, self.box.daemon_log("contentfilter"))
        self.assertIn("sign=already-signed", again[0])

    def test_long_lines_and_odd_bodies_arrive_and_verify(self):
        bodies = {"long": "x" * 5000 + "\r\n" + "y" * 2048 + "\r\n" + "z" * 998 + "\r\n", "odd dots": ".\r\n..\r\n.leading\r\n", "odd empty": ""}
        for subject, body in bodies.items():
            with self.subTest(subject):
                story = self.send("alice@example.org", "friend@example.net", subject, body=body, extra="Bcc: h@example.net\r\nSubject2 : x\r\n")
                self.assertEqual(story[-1][1], 250, story)
                delivery = self.arrived(subject)
                self.assertEqual(len(delivery), 1, self.box.log())
                self.assert_signed(delivery[0])
                self.assertEqual(delivery[0].header("Bcc"), [])

    def test_a_strangers_signature_leaves_as_it_came_and_verifies_beside_ours(self):
        file = self.box.make_key("partner.example", "theirs", "rsa")
        for method in ("relaxed", "simple"):
            with self.subTest(method):
                text = mails.plain("alice@example.org", "friend@example.net", f"a stranger's, {method}", extra="Content-Transfer-Encoding: 8bit\r\n",
                                   body="Gr\u00fc\u00dfe,\r\n\r\n.a dot\r\n\ttabs  and   blanks \r\n" + "x" * 900 + "\r\n").encode()
                field = foreign_signer.signature(file, "partner.example", "theirs", text, method)
                story = self.box.send("alice@example.org", "friend@example.net", field + text, mail_options=["BODY=8BITMIME"])
                self.assertEqual(story[-1][1], 250, story)
                content = self.arrived(f"a stranger's, {method}")[0].content
                self.assertEqual(content.count(field), 1, content)
                lines, good = self.box.verify_dkim(content)
                self.assertTrue(good, lines)
                self.assertEqual(sorted(line.split()[3] for line in lines), ["s=ed1", "s=rsa1", "s=theirs"])

    @staticmethod
    def smuggling(number, end):
        """A message, and what would be a second one if `end` ended the first."""
        first = (f"From: news@example.org\r\nTo: friend@example.net\r\nSubject: smuggling {number} \r\nMessage-ID: <s{number}@example.org>\r\n"
                 "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\nfirst")
        second = ("MAIL FROM:<ceo@example.org>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nFrom: ceo@example.org\r\n"
                  "Subject: smuggled\r\n\r\nsecond\r\n.\r\n")
        return first.encode() + end + second.encode()

    def assert_nothing_smuggled(self):
        self.box.wait_queue_empty()
        self.assertEqual([d for d in self.box.sink.deliveries if "victim@example.net" in d.recipients or "smuggled" in d.header("Subject")], [])

    def test_no_second_message_is_smuggled_past_smtpd(self):
        for number, end in enumerate(ENDS_OF_DATA):
            with self.subTest(end), self.box.submit_session("news@example.org") as session:
                session.mail("news@example.org")
                session.rcpt("friend@example.net")
                self.assertEqual(session.docmd("DATA")[0], 354)
                session.send(self.smuggling(number, end))
                self.assertEqual(session.getreply()[0], 250)
                self.assertEqual(session.docmd("RSET")[1], b"2.0.0 Ok")  # nothing else was answered before
                session.send(b"NOOP\r\n")
                self.assertEqual(session.getreply(), (250, b"2.0.0 Ok"))
        for number, end in enumerate(ENDS_OF_DATA):
            with self.subTest(end):
                delivery = self.box.sink.wait(1, 90, lambda d, n=number: f"smuggling {n}" in d.header("Subject"))
                self.assertEqual(len(delivery), 1)
                self.assertIn(b"second", delivery[0].content)
                self.assert_signed(delivery[0])
        self.assert_nothing_smuggled()

    def doors(self):
        """(how to connect, the greeting to say) of each of the filter's listeners."""
        def unix(name):
            connected = socket.socket(socket.AF_UNIX)
            connected.connect(str(self.box.path("queue/postsluice", name)))
            return connected
        for name in self.WAY.listeners:
            yield (lambda n=name: unix(n)), "EHLO" if name == "before-queue" else "LHLO"
        for port in self.WAY.ports:
            yield (lambda p=port: socket.create_connection((self.box.address, p), 30)), "EHLO"

    def test_no_second_message_is_smuggled_into_the_filter_itself(self):
        number = 100
        for connect, hello in self.doors():
            for end in ENDS_OF_DATA:
                number += 1
                with self.subTest(end, hello=hello), connect() as connected, connected.makefile("rwb") as stream:
                    connected.settimeout(60)
                    for line in (f"{hello} x", "MAIL FROM:<news@example.org>", "RCPT TO:<friend@example.net>", "DATA"):
                        stream.write(line.encode() + b"\r\n")
                    stream.write(self.smuggling(number, end) + b"NOOP\r\nQUIT\r\n")
                    stream.flush()
                    codes = [line[:3] for line in stream.read().split(b"\r\n") if line[3:4] == b" "]
                    self.assertEqual(codes, [b"220", b"250", b"250", b"250", b"354", b"250", b"250", b"221"])
        self.assert_nothing_smuggled()

    def test_no_second_message_is_smuggled_through_the_pipe(self):
        if "pipe" not in self.WAY.listeners:
            self.skipTest("another way")
        for number, end in enumerate(ENDS_OF_DATA, 200):
            text = self.smuggling(number, end)
            for kind, content in (("as it is", text), ("in LF lines", text.replace(b"\r\n", b"\n"))):
                with self.subTest(end, kind=kind):
                    run = subprocess.run([f"{BUILD}/postsluice-pipe", "--socket", str(self.box.path("queue/postsluice/pipe")), "--sender",
                                          "news@example.org", "--", "friend@example.net"], input=content, capture_output=True, timeout=60)
                    self.assertEqual((run.returncode, run.stdout), (0, b""), run)
        self.assert_nothing_smuggled()

    def as_nobody(self, address):
        """What another local user hears who sends a whole message to a listener."""
        # Refused with a reply or by hanging up, whenever that comes.
        program = ("import socket,sys\nwhere=sys.argv[1]\nd=b''\ntry:\n"
                   " if where[0]=='/':\n  s=socket.socket(socket.AF_UNIX)\n  s.settimeout(10)\n  s.connect(where)\n"
                   " else:\n  h,p=where.rsplit(':',1)\n  s=socket.create_connection((h,int(p)),10)\n"
                   " try:\n  s.sendall((b'EHLO' if sys.argv[2]=='smtp' else b'LHLO')+b' x\\r\\nMAIL FROM:<a@example.org>\\r\\n')\n"
                   "  s.sendall(b'RCPT TO:<friend@example.net>\\r\\nDATA\\r\\nSubject: back door\\r\\n\\r\\nx\\r\\n.\\r\\n')\n"
                   "  s.shutdown(socket.SHUT_WR)\n except OSError: pass\n while True:\n  p=s.recv(4096)\n  if not p: break\n  d+=p\n"
                   "except OSError as e: d+=repr(e).encode()\nprint(d.decode())\n")
        return lambda speaks: subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--", "/usr/bin/python3", "-c", program, address, speaks],
            capture_output=True, text=True, timeout=60)

    def test_nobody_relays_past_us_through_the_port_for_inbound_mail(self):
        with smtplib.SMTP(self.box.address, 25, "client.example.org", timeout=60) as session:
            self.assertEqual(session.ehlo()[0], 250)
            self.assertFalse(session.has_extn("auth"))
            self.assertEqual(session.mail("alice@example.org")[0], 250)
            for foreign in ("friend@example.net", "@mail.example.org:friend@example.net", "friend%example.net@mail.example.org",
                            '"friend@example.net"@mail.example.org', f"friend@[{self.box.address}]", "example.net!friend"):
                with self.subTest(foreign):
                    code, text = session.docmd(f"RCPT TO:<{foreign}>")
                    self.assertIn(code, (504, 550, 554), text)
            self.assertEqual(session.rcpt("root@mail.example.org")[0], 250)  # what it is there for

    def test_nobody_gets_in_by_a_back_door(self):
        queue = self.box.path("queue")
        doors = [str(queue / "postsluice" / name) for name in self.WAY.listeners] + [f"{self.box.address}:{port}" for port in self.WAY.ports]
        for door in doors + [str(queue / "public" / name) for name in ("postsluice-reentry", "postsluice-hold")]:
            for speaks in ("smtp", "lmtp"):
                with self.subTest(door, speaks=speaks):
                    heard = self.as_nobody(door)(speaks).stdout
                    self.assertNotIn("250", heard)
                    self.assertNotIn("354", heard)
        # The same where the directory keeps nobody away: the filter looks at who it is.
        os.chmod(queue / "postsluice", 0o755)
        try:
            for name in self.WAY.listeners:
                heard = self.as_nobody(str(queue / "postsluice" / name))("smtp").stdout
                self.assertIn("554 5.7.1 Access denied", heard)
                self.assertNotIn("250", heard)
        finally:
            os.chmod(queue / "postsluice", 0o2750)
        self.assertEqual([d for d in self.box.sink.deliveries if "back door" in d.header("Subject")], [])


class PolicydByTcp(SandboxCase):
    """Postfix asks policyd by TCP, for there is no other way."""

    KEEP_PROFILE = False
    OVERRIDES = '[profile.default]\nlimits = ["2 recipients per hour"]\n'

    @classmethod
    def prepare(cls):
        there = f"inet:{cls.box.address}:10040"
        text = cls.box.config_file.read_text()
        cls.box.config_file.write_text(text.replace(f"unix:{cls.box.path('queue/postsluice/policyd')}", there))
        cls.edit_main(f"postsluice_policy=check_policy_service {{ {there}, timeout=10s, {{ default_action = 451 4.3.5 Policy service unavailable }} }}")

    def test_limits_hold_tickets_are_known_and_doctor_has_nothing_to_say(self):
        self.assertFalse(self.box.path("queue/postsluice/policyd").exists())
        story = self.send("alice@example.org", [f"r{n}@example.net" for n in range(3)], "by tcp")
        self.assertEqual([code for _, code, _ in story], [250, 250, 250, 450, 250], story)
        self.assertIn("2 of 2 recipients per hour used", story[3][2])
        self.assertEqual(self.usage("alice@example.org")["recipients per hour"], 2)
        self.assert_signed(self.arrived("by tcp")[0])
        self.filter_lines("account=alice@example.org", "proof=ticket", least=1)
        self.assertEqual(self.box.postsluice("doctor", "--postfix-config", str(self.box.path("etc/postfix")), json_output=True)["findings"], [])


for _name, _way in WAYS.items():
    globals()[_name] = type(_name, (Story, SandboxCase), {
        "WAY": _way, "EXAMPLE": _way.example, "MAIN_CF": Story.MAIN_CF + _way.main_cf, "__module__": __name__})

if __name__ == "__main__":
    unittest.main()
