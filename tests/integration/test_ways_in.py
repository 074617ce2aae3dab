# SPDX-License-Identifier: Apache-2.0
"""SMTP after the queue, over TCP: the same story as LMTP, and nobody but Postfix gets in."""

import socket
import subprocess
import unittest

from support import SandboxCase, mails, reference_of

PORT = 10587


class SmtpAfterTheQueue(SandboxCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        box = cls.box
        box.stop_postfix()
        box.stop_daemon("contentfilter")
        text = box.config_file.read_text()
        listen = next(line for line in text.splitlines() if line.startswith("listen   = "))
        box.config_file.write_text(text.replace(listen, f'listen = ["smtp:inet:{box.address}:{PORT}"]'))
        master = box.path("etc/postfix/master.cf")
        text = master.read_text().replace("content_filter=postsluice:unix:postsluice/filter", f"content_filter=postsluice:[{box.address}]:{PORT}")
        text = text.replace("postsluice unix -       -       n       -       20      lmtp", "postsluice unix -       -       n       -       20      smtp")
        master.write_text(text.replace("-o lmtp_", "-o smtp_"))
        box.start_daemon("contentfilter")
        box.start_postfix()
        box._wait_for_submission()

    def test_clean_mail_arrives_signed(self):
        self.assertEqual(self.send("alice@example.org", "friend@example.net", "smtp clean")[-1][1], 250)
        delivery = self.arrived("smtp clean")
        self.assertEqual(len(delivery), 1)
        self.assertTrue(self.box.verify_dkim(delivery[0].content)[1])

    def test_a_forged_header_from_is_refused_and_the_sender_told(self):
        self.box.send("bob@example.org", "friend@example.net", mails.plain("a@bank.example", "friend@example.net", "smtp forged"))
        bounce = self.box.sink.wait(1, 30, lambda d: "bob@example.org" in d.recipients and d.sender.startswith("<>"))
        self.assertEqual(len(bounce), 1)
        self.assertIsNotNone(reference_of(bounce[0].text()))

    def test_malware_is_quarantined(self):
        text = mails.with_attachment("carol@example.org", "v@example.net", "a.txt", mails.EICAR.encode(), "smtp eicar")
        self.box.send("carol@example.org", "v@example.net", text)
        self.wait_until(lambda: self.quarantine(account="carol@example.org", reason="virus"), "the quarantine")

    def test_a_local_user_is_refused_on_the_tcp_port(self):
        program = ("import socket,sys\ns=socket.create_connection((sys.argv[1],int(sys.argv[2])),10)\nd=b''\ntry:\n"
                   " s.sendall(b'EHLO x\\r\\nMAIL FROM:<a@example.org>\\r\\nRCPT TO:<friend@example.net>\\r\\nDATA\\r\\n')\n"
                   " s.shutdown(socket.SHUT_WR)\n while True:\n  p=s.recv(4096)\n  if not p: break\n  d+=p\n"
                   "except OSError: pass\nprint(d.decode())\n")  # refused with a reply or by hanging up, whenever that comes
        run = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", "/usr/bin/python3", "-c", program, self.box.address, str(PORT)],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run)
        self.assertNotIn("250", run.stdout)
        self.assertNotIn("354", run.stdout)
        with socket.create_connection((self.box.address, PORT), 10) as allowed:  # root, as Postfix's master is
            self.assertTrue(allowed.recv(100).startswith(b"220"))


if __name__ == "__main__":
    unittest.main()
