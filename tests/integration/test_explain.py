# SPDX-License-Identifier: Apache-2.0
"""What the operator is told: observe mode of single rules, account show, why, records and simulations of real traffic."""

import datetime
import json
import os
import subprocess
import unittest

from support import SandboxCase, mails, reference_of

PARALLEL = True


class Observed(SandboxCase):
    OVERRIDES = """
[profile.watching]
inherits = "default"
limits = ["3 recipients per hour"]
observe_rules = ["from_address"]
[profile.counting]
inherits = "default"
limits = ["2 recipients per hour"]
observe_rules = ["limits"]
[[assign]]
profile = "watching"
login = ["bob@example.org"]
[[assign]]
profile = "counting"
login = ["carol@example.org"]
"""

    def test_a_rule_that_only_watches_refuses_nothing_while_limits_do(self):
        login = "bob@example.org"
        with self.box.submit_session(login) as session:
            session.mail("ceo@bank.example")
            codes = [session.rcpt(f"r{n}@example.net") for n in range(4)]
        self.assertEqual([code for code, _ in codes], [250, 250, 250, 450])
        shown = self.box.postsluice("account", "show", login, json_output=True)
        self.assertEqual(shown["observe_rules"], ["from_address"])
        observed = [r for r in shown["refusals"] if r["observed"]]
        refused = [r for r in shown["refusals"] if not r["observed"]]
        self.assertEqual([r["rule"] for r in observed], ["from_address"])
        self.assertEqual([r["rule"] for r in refused], ["limits"])
        self.assertEqual(shown["totals"]["refused"], 1)
        self.assertEqual(shown["totals"]["recipients"], 3)
        why = self.box.postsluice("why", observed[0]["reference"]).stdout
        self.assertIn("from_address", why)
        self.assertIn("Observe mode", why)
        self.assertIn("limits", self.box.postsluice("why", reference_of(codes[3][1].decode())).stdout)

    def test_observed_limits_are_charged_and_told(self):
        login = "carol@example.org"
        for n in range(4):
            self.assertEqual(self.send(login, f"r{n}@example.net", f"observed {n}")[-1][1], 250)
        shown = self.box.postsluice("account", "show", login, json_output=True)
        use = {u["subject"]: u for u in shown["use"]}["recipients per hour"]
        self.assertEqual((use["used"], use["count"]), (4, 2))
        self.assertEqual(shown["totals"]["observed"], 2)
        self.assertEqual(shown["totals"]["messages"], 4)

    def test_account_show_fits_eighty_columns(self):
        login = "bob@example.org"
        self.send(login, [f"x{n}@example.net" for n in range(4)], "wide", sender="ceo@a-bank-with-a-rather-long-name.example")
        self.box.postsluice("account", "lock", login, "--why", "suspicious: " + "many words about it " * 6)
        text = self.box.postsluice("account", "show", login).stdout
        for line in text.splitlines():
            self.assertLessEqual(len(line), 80, line)
        for part in ("Profile", "watching", "recipients per hour", "Observed", "Locks and unlocks", "suspicious", "Strikes", "So far"):
            self.assertIn(part, text)
        self.box.postsluice("account", "unlock", login)

    def test_names_of_rules_and_checks_are_checked(self):
        extra = self.box.path("etc/postsluice/conf.d/zz.toml")
        try:
            for text, suggestion in (('[profile.x]\nobserve_rules = ["limit"]', "limits"), ('[policyd]\non_error_of = { lok = "dunno" }', "lock"),
                                     ('[profile.x]\ndisabled_checks = ["pattern"]', "patterns")):
                extra.write_text(text + "\n")
                commands = [[f"{self.box.build}/postsluice", "--config", str(self.box.config_file), "config", "check"]]
                commands += [[f"{self.box.build}/postsluice-{name}", "--config", str(self.box.config_file), "--check-config"] for name in ("policyd", "contentfilter")]
                for command in commands:
                    run = subprocess.run(command, capture_output=True, text=True)
                    self.assertEqual(run.returncode, 78, command)
                    self.assertIn(f'did you mean "{suggestion}"', run.stderr + run.stdout)
        finally:
            extra.unlink()


class ObservedProfile(SandboxCase):
    KEEP_PROFILE = False
    OVERRIDES = """
[profile.default]
limits = ["2 recipients per hour"]
[profile.watched]
inherits = "default"
mode = "observe"
[[assign]]
profile = "watched"
login = ["bob@example.org", "carol@example.org"]
"""

    def test_only_accounts_of_that_profile_are_refused_nothing(self):
        told = {}
        for login, codes in (("bob@example.org", [250] * 4), ("alice@example.org", [250, 250, 450, 450])):
            story = self.send(login, [f"r{n}@example.net" for n in range(4)], f"four of {login}")
            self.assertEqual([code for command, code, _ in story if command.startswith("RCPT")], codes)
            shown = self.box.postsluice("account", "show", login, json_output=True)
            self.assertEqual(shown["observe"], login == "bob@example.org")
            self.assertEqual(len(shown["refusals"]), 1, shown)
            told[login] = shown["refusals"][0]
        for login, used, observed in (("bob@example.org", 3, True), ("alice@example.org", 2, False)):  # what is only observed is charged
            event = told[login]
            self.assertEqual((event["observed"], event["rule"], event["reason"], event["subject"], event["recipient"], event["count"]),
                             (observed, "limits", "limit", "recipients per hour", "r3@example.net", 2), event)
            self.assertRegex(event["detail"], rf"^{used} of 2 recipients per hour used; next in \d+ s$")
            self.assertEqual("Observe mode" in self.box.postsluice("why", event["reference"]).stdout, observed)
        self.assertEqual(sorted(self.arrived("four of bob@example.org")[0].recipients), [f"r{n}@example.net" for n in range(4)])

    def test_the_filter_holds_back_nothing_of_theirs(self):
        for login in ("carol@example.org", "mallory@example.org"):
            text = mails.with_attachment(login, "friend@example.net", "a.txt", mails.EICAR.encode(), f"eicar of {login}")
            self.assertEqual(self.box.send(login, "friend@example.net", text)[-1][1], 250)
        self.wait_until(lambda: self.quarantine(account="mallory@example.org", reason="virus"), "the quarantine")
        self.assertEqual(len(self.arrived("eicar of carol@example.org")), 1)
        self.assertEqual(len(self.quarantine()), 1)


class Recorded(SandboxCase):
    """Real traffic in observe mode, recorded; then asked what enforcing would have done."""

    OVERRIDES = """
mode = "observe"
[profile.default]
limits = ["5 recipients per hour"]
from = "own-domain"
"""
    KEEP_PROFILE = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.record = cls.box.path("state/requests.log")
        cls.box.path("etc/postsluice/conf.d/record.toml").write_text(f'[policyd]\nrecord = "{cls.record}"\n')
        run = cls.box.postsluice("reload")
        assert run.returncode == 0, run

    def simulate(self, *words):
        return self.box.postsluice("simulate", *words, json_output=True)

    def test_what_passed_in_observe_mode_is_told_as_refused(self):
        with self.box.submit_session("alice@example.org") as session:
            session.mail("alice@example.org")
            for n in range(8):
                self.assertEqual(session.rcpt(f"r{n}@example.net")[0], 250)
            session.data(mails.plain("alice@example.org", "r@example.net", "eight"))
        self.send("bob@example.org", "friend@example.net", "forged", sender="ceo@bank.example")
        self.wait_until(lambda: self.record.exists() and "sender=ceo@bank.example" in self.record.read_text(), "the record")
        self.assertEqual(os.stat(self.record).st_mode & 0o777, 0o600)
        told = {a["account"]: a for a in self.simulate(str(self.record))["accounts"]}
        self.assertEqual(told["alice@example.org"]["refused"], 3)
        self.assertEqual(told["alice@example.org"]["by"][0]["what"], "recipients per hour")
        self.assertEqual(told["bob@example.org"]["by"][0]["rule"], "from_address")
        # Another configuration, another answer; the daemons are not asked.
        other = self.box.path("etc/other.toml")
        other.write_text('hostname = "mail.example.org"\n[profile.default]\nlimits = ["2 recipients per hour"]\nfrom = "any"\n')
        run = subprocess.run([f"{self.box.build}/postsluice", "--config", str(other), "simulate", "--json", str(self.record)], capture_output=True, text=True)
        told = {a["account"]: a["refused"] for a in json.loads(run.stdout)["accounts"]}
        self.assertEqual((told["alice@example.org"], told["bob@example.org"]), (6, 0))
        text = self.box.postsluice("simulate", "--propose", str(self.record)).stdout
        self.assertIn("alice@example.org (default): 3 of 8 recipients refused", text)
        self.assertIn("8 recipients per hour", text)

    def test_the_mail_log_of_a_real_postfix_says_the_same_in_both_formats(self):
        login = "dave@example.org"
        with self.box.submit_session(login) as session:
            session.mail(login)
            for n in range(7):
                session.rcpt(f"d{n}@example.net")
            session.data(mails.plain(login, "d@example.net", "seven"))
        self.box.wait_queue_empty()
        log = self.box.path("log/copy.log")  # what postlogd writes yet would be in one of the two, and not in the other

        def simulated():
            log.write_text(self.box.log())
            return {a["account"]: a for a in self.simulate("--maillog", str(log))["accounts"]}
        self.wait_until(lambda: simulated().get(login, {}).get("recipients") == 7, "the last line of the mail log")
        told = simulated()
        self.assertEqual((told[login]["recipients"], told[login]["refused"]), (7, 2))
        lines = []
        for line in log.read_text().splitlines():
            at = datetime.datetime.strptime(f"{datetime.date.today().year} {line[:15]}", "%Y %b %d %H:%M:%S").astimezone()
            lines.append(at.isoformat() + line[15:])
        modern = self.box.path("log/modern.log")
        modern.write_text("\n".join(lines) + "\n")
        again = {a["account"]: a for a in self.simulate("--maillog", str(modern))["accounts"]}
        self.assertEqual(again, told)

    def test_usage_errors_and_missing_files(self):
        self.assertEqual(self.box.postsluice("simulate").returncode, 2)
        self.assertEqual(self.box.postsluice("simulate", "/nonexistent").returncode, 1)


if __name__ == "__main__":
    unittest.main()
