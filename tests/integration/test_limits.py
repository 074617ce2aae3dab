# SPDX-License-Identifier: Apache-2.0
"""Each unit, scope and action of the limit language through a real Postfix with Dovecot's SASL."""

import datetime
import pwd
import threading
import unittest

from support import SandboxCase, mails

# Somebody else's rule behind ours, so that ours has passed what it refuses.
OTHERS_REFUSE = """
postsluice_policy = check_policy_service { unix:postsluice/policyd, timeout=10s,
    { default_action = 451 4.3.5 Policy service unavailable, try again later } },
    check_recipient_access regexp:{{/^gone/ REJECT no such user}}
"""
ACCOUNTS = {f"{name}@{domain}": "secret" for domain in ("example.org", "example.com")
            for name in ("distinct", "external", "invalid", "bytes", "null", "client", "second", "sender", "domains", "message", "size",
                         "hold", "reject", "warn", "except", "p1", "p2", "p3", "p4", "raised", "network", "server")}


def assigned(name, *limits):
    """A profile for NAME@example.org with these limits only, and from = any."""
    words = ", ".join(f'"{limit}"' for limit in limits)
    return f'[profile.{name}]\nfrom = "any"\nlimits = [{words}]\n[[assign]]\nprofile = "{name}"\nlogin = ["{name}@example.org"]\n'


class Units(SandboxCase):
    ACCOUNTS = ACCOUNTS
    OVERRIDES = 'local_domains = ["example.org"]\n' + "".join([
        assigned("distinct", "2 distinct recipients per hour"),
        assigned("external", "2 external recipients per hour"),
        assigned("bytes", "20 KB per hour"),
        assigned("null", "1 null-sender messages per hour"),
        assigned("client", "1 client addresses per hour"),
        assigned("second", "1 client addresses per hour"),
        assigned("sender", "2 sender addresses per hour"),
        assigned("domains", "1 sender domains per hour"),
        assigned("message", "3 recipients per message"),
        assigned("size", "10 KB per message"),
        assigned("hold", "1 messages per hour then hold"),
        assigned("reject", "1 messages per hour then reject"),
        assigned("warn", "1 messages per hour then warn"),
        assigned("except", "1 recipients per hour except to example.net"),
    ])

    def replies(self, login, recipients, sender=None, options=()):
        """The answers to these recipients in one transaction, which is then aborted."""
        with self.box.submit_session(login) as session:
            self.assertEqual(session.mail(login if sender is None else sender, list(options))[0], 250)
            return [session.rcpt(to) for to in recipients]

    def deliver(self, login, recipients, sender=None, body="x\r\n"):
        with self.box.submit_session(login) as session:
            session.mail(login if sender is None else sender)
            codes = [session.rcpt(to) for to in recipients]
            if any(code == 250 for code, _ in codes):
                codes.append(session.data(mails.plain(login, "x@example.net", f"limits {login}", body)))
        return codes

    def assert_refused(self, answer, text, code=450):
        self.assertEqual(answer[0], code, answer)
        self.assertIn(text, answer[1].decode())

    def test_distinct_recipients(self):
        for _ in range(3):
            self.assertEqual([c for c, _ in self.deliver("distinct@example.org", ["a@example.net", "b@example.net"])], [250] * 3)
        self.assert_refused(self.replies("distinct@example.org", ["c@example.net"])[0], "2 of 2 distinct recipients per hour used")

    def test_external_recipients(self):
        answers = self.replies("external@example.org", ["a@example.net", "a@example.org", "b@example.net", "b@example.org", "c@example.net"])
        self.assertEqual([c for c, _ in answers], [250, 250, 250, 250, 450])
        self.assertIn(b"external recipients per hour", answers[4][1])

    def test_bytes_without_an_announcement_are_a_debt(self):
        for expected in (250, 450):
            answers = self.deliver("bytes@example.org", ["a@example.net"], body="0123456789\r\n" * 2500)
            self.assertEqual(answers[0][0], expected, answers)
        self.assertIn(b"20 KB per hour used", answers[0][1])
        self.assertGreater(self.usage("bytes@example.org")["bytes per hour"], 30000)

    def test_bytes_that_are_announced_are_refused_at_rcpt(self):
        self.assert_refused(self.replies("size@example.org", ["a@example.net"], options=["SIZE=10241"])[0], "at most 10 KB per message", 550)
        self.assertEqual(self.replies("size@example.org", ["a@example.net"], options=["SIZE=10240"])[0][0], 250)

    def test_null_sender_messages(self):
        self.assertEqual(self.deliver("null@example.org", ["a@example.net"], sender="")[0][0], 250)
        self.assert_refused(self.replies("null@example.org", ["a@example.net"], sender="")[0], "null-sender messages per hour")
        self.assertEqual(self.replies("null@example.org", ["a@example.net"])[0][0], 250)

    def test_sender_addresses_and_domains(self):
        for sender, code in (("a@x.example", 250), ("b@x.example", 250), ("a@x.example", 250), ("c@x.example", 450)):
            self.assertEqual(self.deliver("sender@example.org", ["a@example.net"], sender=sender)[0][0], code, sender)
        for sender, code in (("a@x.example", 250), ("b@x.example", 250), ("a@y.example", 450)):
            self.assertEqual(self.deliver("domains@example.org", ["a@example.net"], sender=sender)[0][0], code, sender)

    def test_one_client_address_is_one_however_often_it_comes(self):
        for _ in range(3):
            self.assertEqual(self.deliver("client@example.org", ["a@example.net"])[0][0], 250)
        self.assertEqual(self.usage("client@example.org")["client addresses per hour"], 1)

    def test_a_second_client_address_is_refused_and_the_first_one_goes_on(self):
        def reply(address):
            with self.session_from(address, "second@example.org") as session:
                session.mail("second@example.org")
                answer = session.rcpt("a@example.net")
                if answer[0] == 250:
                    session.data(mails.plain("second@example.org", "a@example.net", "addresses"))
                return answer
        self.assertEqual(reply("127.0.0.11")[0], 250)
        self.assert_refused(reply("127.0.0.12"), "1 of 1 client addresses per hour used")
        self.assertEqual(reply("127.0.0.11")[0], 250)
        self.assertEqual(self.usage("second@example.org")["client addresses per hour"], 1)

    def test_recipients_per_message(self):
        answers = self.deliver("message@example.org", [f"r{n}@example.net" for n in range(5)])
        self.assertEqual([c for c, _ in answers], [250, 250, 250, 450, 450, 250])
        self.assertIn(b"3 of 3 recipients per message used; send to the others in another message", answers[3][1])
        self.assertEqual([c for c, _ in self.replies("message@example.org", ["r3@example.net", "r4@example.net"])], [250, 250])

    def test_domains_that_are_excepted_are_not_counted(self):
        answers = self.replies("except@example.org", ["a@example.net", "b@example.net", "a@example.com", "b@example.com", "c@example.net"])
        self.assertEqual([c for c, _ in answers], [250, 250, 250, 450, 250])

    def test_actions(self):
        for login in ("reject", "hold", "warn"):
            self.assertEqual(self.deliver(f"{login}@example.org", ["a@example.net"])[0][0], 250)
        self.assert_refused(self.replies("reject@example.org", ["a@example.net"])[0], "1 of 1 messages per hour used", 550)
        self.assertEqual(self.deliver("warn@example.org", ["a@example.net"])[0][0], 250)
        self.wait_until(lambda: "1 of 1 messages per hour used" in self.box.log(), "the warning in Postfix's log")
        self.assertEqual([c for c, _ in self.deliver("hold@example.org", ["held@example.net"])], [250, 250])
        self.wait_until(lambda: any(entry.get("queue_name") == "hold" for entry in self.box.queue()), "the message in the hold queue")


class Invalid(SandboxCase):
    ACCOUNTS = ACCOUNTS
    MAIN_CF = OTHERS_REFUSE
    OVERRIDES = assigned("invalid", "2 invalid recipients per hour")

    def test_recipients_that_others_refuse_are_counted_and_refuse_what_comes_after(self):
        with self.box.submit_session("invalid@example.org") as session:
            session.mail("invalid@example.org")
            codes = [session.rcpt(to)[0] for to in ("gone1@example.net", "gone2@example.net", "gone3@example.net", "a@example.net")]
            self.assertEqual(codes.count(250), 1, codes)
            session.data(mails.plain("invalid@example.org", "x@example.net", "invalid"))
        self.assertEqual(self.usage("invalid@example.org")["invalid recipients per hour"], 3)
        with self.box.submit_session("invalid@example.org") as session:
            session.mail("invalid@example.org")
            code, text = session.rcpt("a@example.net")
        self.assertEqual(code, 450)
        self.assertIn(b"3 of 2 invalid recipients per hour used", text)


class Scopes(SandboxCase):
    ACCOUNTS = ACCOUNTS
    OVERRIDES = """
[profile.parent]
limits = ["unlimited recipients per hour", "20 recipients per hour per domain", "6 distinct recipients per hour per domain then reject"]
[[assign]]
profile = "parent"
login   = ["p*@example.org"]
[profile.children]
limits = ["20 recipients per hour per domain", "10 messages per hour per domain"]
[[assign]]
profile = "children"
login   = ["p*@example.com"]
"""

    def burst(self, logins, recipients, workers=16):
        """The codes of 16 parallel connections, spread over the logins, each with these recipients."""
        codes, lock = [], threading.Lock()

        def work(worker):
            login = logins[worker % len(logins)]
            with self.box.submit_session(login) as session:
                session.mail(login)
                mine = [session.rcpt(to.format(worker))[0] for to in recipients]
                if 250 in mine:
                    session.data(mails.plain(login, "x@example.net", "scopes"))
            with lock:
                codes.extend(mine)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return codes

    def test_sixteen_connections_of_four_accounts_stop_at_their_domains_sum(self):
        logins = [f"p{n}@example.com" for n in range(1, 5)]
        codes = self.burst(logins, ["w{}a@example.net", "w{}b@example.net", "w{}c@example.net"])
        self.assertEqual(codes.count(250), 20, codes)
        for login in logins:
            self.assertEqual(self.usage(login)["recipients per hour per domain"], 20)

    def test_sixteen_connections_stop_at_the_domains_distinct_recipients(self):
        codes = self.burst([f"p{n}@example.org" for n in range(1, 5)], ["w{}@example.net"])
        self.assertEqual(codes.count(250), 6, codes)
        self.assertEqual(codes.count(550), 10, codes)
        self.assertEqual(self.usage("p1@example.org")["distinct recipients per hour per domain"], 6)


class OneRefusalEach(SandboxCase):
    """What several accounts, addresses or senders have in common has a sum: the third message is too much, and one of others is not."""

    ACCOUNTS = ACCOUNTS
    OVERRIDES = """
[[customer]]
name    = "Acme"
account = ["acme-*"]
[[account]]
name  = "acme-one"
login = ["p1@example.org"]
[[account]]
name  = "acme-two"
login = ["p2@example.com"]
[profile.customer]
limits = ["2 messages per hour per customer"]
[[assign]]
profile = "customer"
login   = ["p*@*"]
""" + "".join([assigned("client", "2 messages per hour per client address"), assigned("network", "2 messages per hour per client network"),
               assigned("sender", "2 messages per hour per sender address"), assigned("domains", "2 messages per hour per sender domain"),
               assigned("server", "2 messages per hour per server then reject"), '[[assign]]\nprofile = "server"\nlogin = ["server@example.com"]\n'])

    def reply(self, login, sender=None, client="127.0.0.1"):
        with self.session_from(client, login) as session:
            session.mail(sender or login)
            answer = session.rcpt("a@example.net")
            if answer[0] == 250:
                session.data(mails.plain(login, "a@example.net", "sums"))
            return answer

    def assert_third_refused(self, scope, asks, code=450):
        """Of four asks the third is refused for what it has in common with the first two."""
        answers = [self.reply(*ask) for ask in asks]
        self.assertEqual([code for code, _ in answers], [250, 250, code, 250], answers)
        self.assertIn(f"2 of 2 messages per hour per {scope} used".encode(), answers[2][1])

    def test_of_a_customer(self):
        self.assert_third_refused("customer", [("p1@example.org",), ("p2@example.com",), ("p1@example.org",), ("p3@example.org",)])
        self.assertEqual(self.usage("acme-two")["messages per hour per customer"], 2)

    def test_of_a_client_address(self):
        asks = [("client@example.org", None, f"127.0.3.{n}") for n in (1, 1, 1, 2)]
        self.assert_third_refused("client address", asks)

    def test_of_a_client_network(self):
        asks = [("network@example.org", None, f"127.0.{n}") for n in ("4.1", "4.2", "4.3", "5.1")]
        self.assert_third_refused("client network", asks)

    def test_of_a_sender_address(self):
        self.assert_third_refused("sender address", [("sender@example.org", f"{n}@x.example") for n in ("a", "A", "a", "b")])

    def test_of_a_sender_domain(self):
        asks = [("domains@example.org", sender) for sender in ("a@x.example", "b@X.example", "c@x.example", "a@y.example")]
        self.assert_third_refused("sender domain", asks)

    def test_of_the_server(self):
        asks = [(login,) for login in ("server@example.org", "server@example.com", "server@example.org", "p4@example.com")]
        self.assert_third_refused("server", asks, 550)  # the profile of the fourth does not look at this sum


class Overrides(SandboxCase):
    ACCOUNTS = ACCOUNTS
    OVERRIDES = assigned("raised", "1 recipients per hour")
    # An smtpd keeps its connection to policyd, and with it what was reserved for a client who sent nothing, until it asks again: with
    # others beside it that may be long after the next client came. So each has one client.
    MAIN_CF = "max_use = 1\n"

    def accepted(self, n):
        """How many of so many recipients; nothing is sent, and they are given back."""
        with self.box.submit_session("raised@example.org") as session:
            session.mail("raised@example.org")
            codes = [session.rcpt(f"r{i}@example.net")[0] for i in range(n)]
        self.wait_until(lambda: self.usage("raised@example.org")["recipients per hour"] == 0, "what was reserved to be given back")
        return codes.count(250)

    def assert_recorded(self, count):
        """Who set the limit, when, for how long and why, as other programs read it."""
        now = datetime.datetime.now(datetime.timezone.utc)
        for command in (("limit", "list"), ("account", "show")):
            shown = self.box.postsluice(*command, "raised@example.org", json_output=True)["overrides"]
            self.assertEqual([one["count"] for one in shown], [count], shown)
            self.assertEqual((shown[0]["actor"], shown[0]["why"]), (pwd.getpwuid(0).pw_name, "the newsletter"))
            since, until = (datetime.datetime.fromisoformat(shown[0][key]) for key in ("set", "until"))
            self.assertLess(abs((now - since).total_seconds()), 120, shown)
            self.assertEqual(until - since, datetime.timedelta(days=3))

    def test_an_operator_raises_a_limit_for_a_time_and_clears_it(self):
        self.assertEqual(self.accepted(3), 1)
        done = self.box.postsluice("limit", "set", "raised@example.org", "2 recipients per hour", "--for", "3d", "--why", "the newsletter")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.accepted(3), 2)
        for command in (("limit", "list"), ("account", "show")):
            shown = self.box.postsluice(*command, "raised@example.org").stdout
            for part in ("2 recipients per hour", "the newsletter", "in (3 d|2 d 23 h)"):
                self.assertRegex(shown, part)
        self.assert_recorded(2)
        self.box.stop_daemon("policyd")
        self.box.start_daemon("policyd")
        self.assert_recorded(2)
        self.assertEqual(self.accepted(3), 2)
        done = self.box.postsluice("limit", "clear", "raised@example.org", "recipients per hour")
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(self.accepted(3), 1)
        self.assertEqual(self.box.postsluice("limit", "clear", "raised@example.org").returncode, 3)

    def test_a_limit_that_means_nothing_is_refused_with_the_sentence_of_the_configuration(self):
        done = self.box.postsluice("limit", "set", "raised@example.org", "2 bananas per hour")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("is not a unit", done.stderr + done.stdout)


class Accounting:
    """A limit of six through each of the restriction lists that may settle it, and what a transaction of two recipients has cost that
    was broken off: by RSET before DATA, and by a lost connection in the middle of the message."""

    ACCOUNTS = ACCOUNTS
    LIMITS = assigned("p1", "6 recipients per hour", "6 messages per hour")
    MAIN_CF = Overrides.MAIN_CF
    LOGIN = "p1@example.org"
    AFTER_RSET = AFTER_LOSS = (0, 0)

    def used(self):
        """Recipients and messages, once policyd has heard of the end of all that was begun."""
        self.wait_until(lambda: self.box.postsluice("status", json_output=True)["policyd"]["connections"]["now"] == 0, "Postfix to close its connections")
        use = self.usage(self.LOGIN)
        return use["recipients per hour"], use["messages per hour"]

    def begin(self, session, count):
        session.mail(self.LOGIN)
        return [session.rcpt(f"r{n}@example.net") for n in range(count)]

    def test_what_is_broken_off_costs_what_it_should_and_the_limit_is_exact(self):
        with self.box.submit_session(self.LOGIN) as session:
            self.begin(session, 1)
            self.assertEqual(session.data(mails.plain(self.LOGIN, "r0@example.net", "whole"))[0], 250)
        self.assertEqual(self.used(), (1, 1))
        with self.box.submit_session(self.LOGIN) as session:
            self.begin(session, 2)
            session.rset()
        after_rset = self.used()
        self.assertEqual(after_rset, (1 + self.AFTER_RSET[0], 1 + self.AFTER_RSET[1]))
        session = self.box.submit_session(self.LOGIN)
        self.begin(session, 2)
        self.assertEqual(session.docmd("DATA")[0], 354)
        session.send(b"Subject: half\r\n\r\nhalf a message\r\n")
        session.close()
        after_loss = self.used()
        self.assertEqual(after_loss, (after_rset[0] + self.AFTER_LOSS[0], after_rset[1] + self.AFTER_LOSS[1]))
        left = 6 - after_loss[0]
        with self.box.submit_session(self.LOGIN) as session:
            answers = self.begin(session, left + 1)
            self.assertEqual([code for code, _ in answers], [250] * left + [450])
            self.assertRegex(answers[-1][1].decode(), r"6 of 6 recipients per hour used; next in \d+ s")
            self.assertEqual(session.data(mails.plain(self.LOGIN, "r0@example.net", "whole"))[0], 250)
        self.assertEqual(self.used(), (6, after_loss[1] + 1))
        self.assertEqual(len(self.arrived("whole", 2)), 2)


class SettledAtTheEnd(Accounting, SandboxCase):
    OVERRIDES = Accounting.LIMITS


class SettledAtData(Accounting, SandboxCase):
    OVERRIDES = '[policyd]\naccounting = "data"\n' + Accounting.LIMITS
    AFTER_LOSS = (2, 1)


class SettledAtRecipient(Accounting, SandboxCase):
    OVERRIDES = '[policyd]\naccounting = "recipient"\n' + Accounting.LIMITS
    AFTER_RSET = AFTER_LOSS = (2, 1)


class AskedTwice(SandboxCase):
    """The service stands in two lists that Postfix goes through for each recipient."""

    ACCOUNTS = ACCOUNTS
    OVERRIDES = assigned("p1", "3 recipients per hour", "3 messages per hour")

    @classmethod
    def prepare(cls):
        cls.edit_service(587, "smtpd_relay_restrictions=$postsluice_policy,permit_sasl_authenticated,reject")

    def test_each_recipient_and_message_counts_once(self):
        with self.box.submit_session("p1@example.org") as session:
            session.mail("p1@example.org")
            answers = [session.rcpt(f"r{n}@example.net") for n in range(4)]
            self.assertEqual([code for code, _ in answers], [250, 250, 250, 450])
            self.assertIn(b"3 of 3 recipients per hour used", answers[3][1])
            self.assertEqual(session.data(mails.plain("p1@example.org", "r0@example.net", "twice"))[0], 250)
        use = self.usage("p1@example.org")
        self.assertEqual((use["recipients per hour"], use["messages per hour"]), (3, 1))
        asked = self.box.postsluice("status", json_output=True)["policyd"]["requests"]
        self.assertEqual(asked["rcpt"], 2 * 3 + 1)  # the second list is not asked about what the first one refused


if __name__ == "__main__":
    unittest.main()
