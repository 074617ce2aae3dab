# SPDX-License-Identifier: Apache-2.0
"""Tickets through a real Postfix: a sender holds his own, since a bounce returns his message with it. It proves nothing of any other
message, and a key that is replaced goes on proving what lies in the queue."""

import re
import unittest

from support import SandboxCase, mails

PARALLEL = True

HEADER = "X-Postsluice-Ticket"


class Tickets(SandboxCase):
    OVERRIDES = '[contentfilter]\nno_ticket = "hold"\n'
    MAIN_CF = "minimal_backoff_time = 300s\nmaximal_backoff_time = 300s\nqueue_run_delay = 300s\n"

    def ticket_of(self, login):
        """As the bounce of a message with a From that is not his returns it."""
        text = mails.plain("a@bank.example", "friend@example.net", f"forged by {login}")
        self.assertEqual(self.box.send(login, "friend@example.net", text)[-1][1], 250)
        bounce = self.box.sink.wait(1, 90, lambda d: login in d.recipients and HEADER in d.text())[0]
        ticket = re.search(rf"{HEADER}: (v1(?:\s+\S+){{2}})", bounce.text())
        self.assertIsNotNone(ticket, bounce.text())
        return re.sub(r"\s+", " ", ticket[1])

    def test_somebodys_real_ticket_makes_nobody_somebody_else(self):
        ticket = self.ticket_of("carol@example.org")
        for login in ("carol@example.org", "bob@example.org"):
            subject = f"with carol's old ticket, by {login}"
            before = self.usage(login).get("recipients per hour", 0)
            self.assertEqual(self.send(login, "friend@example.net", subject, extra=f"{HEADER}: {ticket}\r\n")[-1][1], 250)
            delivery = self.arrived(subject)[0]
            self.assert_signed(delivery)
            self.assertEqual(self.usage(login)["recipients per hour"], before + 1)
        self.assertEqual(len(self.filter_lines("account=bob@example.org", "proof=ticket", least=1)), 1)
        # Where policyd gives none, the old one is none either: the message comes from nobody.
        forged = mails.plain("web@example.org", "friend@example.net", "local with a ticket", extra=f"{HEADER}: {ticket}\r\n")
        self.box.sendmail(33, ["friend@example.net"], forged)
        self.arrived("local with a ticket")
        self.filter_lines("account=uid:33", "proof=uid", least=1)

    def test_mail_in_the_queue_is_its_senders_still_when_the_key_was_replaced(self):
        self.box.stop_daemon("contentfilter")
        self.assertEqual(self.send("alice@example.org", "friend@example.net", "sealed by the old key")[-1][1], 250)
        self.box.wait_deferred()
        self.box.stop_daemon("policyd")
        keys = self.box.path("state/ticket.keys")
        lines = keys.read_text().splitlines()
        current = next(index for index, line in enumerate(lines) if line and not line.startswith("#"))
        name, created, secret = lines[current].split()
        lines[current] = f"{name} {int(created) - 400 * 86400} {secret}" if created.isdigit() else lines[current]
        keys.write_text("\n".join(lines) + "\n")
        self.box.start_daemon("policyd")
        self.box.start_daemon("contentfilter")
        self.assertEqual(self.send("alice@example.org", "friend@example.net", "sealed by the new key")[-1][1], 250)
        self.arrived("sealed by the new key")
        names = [line.split()[0] for line in keys.read_text().splitlines() if line and not line.startswith("#")]
        self.assertEqual(names[1:], [name], "a new key before the old one")
        self.box.flush()
        self.assert_signed(self.arrived("sealed by the old key")[0])
        self.assertEqual(len(self.filter_lines("account=alice@example.org", "proof=ticket", least=2)), 2)
        self.assertEqual(self.quarantine(), [])


if __name__ == "__main__":
    unittest.main()
