# SPDX-License-Identifier: Apache-2.0
"""What the daemons' state says after a fault, held against the ledger: use, strikes, quarantine, events, the filter's counters.

Use is exact but for what a client tried in vain. Its reservation may stand until its lease is over, and where Postfix or a daemon died
after DATA, nobody but Postfix knows whether the message was taken: then it stays charged. It is never too little. Before the queue
a message that the filter put off (4xx) costs nothing (`exact`), where filter and policyd were there to settle that.
"""

import collections
import dataclasses
import hashlib
import json
import socket
import time

from ledger import body_of

UNITS = ("messages per day", "recipients per day")
LEASE = 30 + 10  # seconds: the lease of the rig's configuration, and the sweep


@dataclasses.dataclass
class Charges:
    """What a client's transactions of one fault may cost, as (messages, recipients): those that were taken, or refused for their
    content; those that got another 5xx at their end; those that broke off, or were put off, in the content or after it; those that
    did before. What was refused at RCPT, where policyd may have said yes and was not heard."""

    done: tuple = (0, 0)
    told: tuple = (0, 0)
    late: tuple = (0, 0)
    early: tuple = (0, 0)
    unheard: tuple = (0, 0)

    def add(self, reached, recipients):
        setattr(self, reached, plus(getattr(self, reached), (1, recipients)))


def plus(*all_of_them):
    return tuple(map(sum, zip(*all_of_them)))


class Books:
    def __init__(self, rig):
        self.rig = rig
        self.least = collections.defaultdict(lambda: (0, 0))  # that an account must have used
        self.stays = collections.defaultdict(lambda: (0, 0))  # that may be charged for good on top of it
        self.settled_at = 0  # by the monotonic clock: when all reservations of what was tried in vain are over

    # ---- what is read ------------------------------------------------------------------------------------------

    def ask(self, daemon, verb, **arguments):
        """By its control socket, as `postsluice` does."""
        with socket.socket(socket.AF_UNIX) as there, there.makefile("rwb") as stream:
            there.settimeout(60)
            there.connect(str(self.rig.box.path("run", f"{daemon}.sock")))
            stream.write(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            stream.flush()
            return json.loads(stream.readline())

    def use(self, account):
        used = {one["subject"]: one["used"] for one in self.ask("policyd", "account show", account=account).get("use", [])}
        return tuple(used.get(unit, 0) for unit in UNITS)

    def strikes(self, account):
        """References."""
        return [one["reference"] for one in self.ask("policyd", "account history", account=account, most=1000)["strikes"]]

    def quarantined(self):
        out, after = [], ""
        while True:
            page = self.ask("contentfilter", "quarantine list", most=1000, **({"after": after} if after else {}))
            out += page["entries"]
            after = page["next"]
            if not after:
                return out

    def read_quarantine(self):
        """For the ledger."""
        for entry in self.quarantined():
            self.rig.ledger.kept.update(recipients_of(entry))

    def read(self, accounts):
        now = {"use": {a: self.use(a) for a in accounts}, "strikes": {a: self.strikes(a) for a in accounts},
               "ids": {entry["id"] for entry in self.quarantined()}, "status": self.ask("contentfilter", "status")}
        if time.monotonic() > self.settled_at:
            self.least.update(now["use"])
            self.stays.clear()
        return now

    # ---- what it is held against -------------------------------------------------------------------------------

    def compare(self, before, load, forgets=False, exact=False, unsure=False, locked=False):
        """What is wrong after one fault. `forgets`: the counts begin anew. `exact`: what was put off costs nothing. `unsure`: policyd
        itself was struck, and may have said yes to a DATA whose answer nobody heard. `locked`: what was stopped was so for its
        account's lock, which strikes nobody."""
        out = self._compare_use(before["use"], load.charges, forgets, exact, unsure)
        accepted = [m for m in map(self.rig.ledger.messages.get, load.numbers) if self.rig.ledger.accepted & set(m.recipients)]
        entries = [entry for entry in self.quarantined() if entry["id"] not in before["ids"]]
        out += self._compare_quarantine(entries, [m for m in accepted if m.virus])
        for account in load.charges:
            new = collections.Counter(self.strikes(account)) - collections.Counter(before["strikes"][account])
            mine = [m for m in accepted if m.sender == account and (m.virus or m.refused) and not locked]
            out += self._compare_strikes(account, new, mine, [e for e in entries if e["account"] == account])
        references = [entry["id"] for entry in entries] + [self.rig.ledger.references.get(m.number, "none") for m in accepted if m.refused]
        out += [f"no event {reference}" for reference in references if not self.ask("contentfilter", "why", ref=reference).get("event")]
        return out + self._compare_counters(before["status"], accepted)

    def _compare_use(self, before, charges, forgets, exact, unsure):
        out = []
        late = plus((0, 0), *(one.late for one in charges.values()))
        early = plus((0, 0), *(plus(one.early, one.unheard if unsure else (0, 0)) for one in charges.values()))
        if any(late + early):
            self.settled_at = time.monotonic() + LEASE
        for account, its in charges.items():
            if forgets:
                self.least[account] = tuple(max(u - t - l - e, 0) for u, t, l, e in zip(self.use(account), its.told, its.late, its.early))
                self.stays[account] = plus(its.told, its.late, its.early)
                continue
            self.least[account] = plus(self.least[account], its.done)
            stays = its.told if exact else plus(its.told, its.late, its.early if unsure else (0, 0))
            self.stays[account] = plus(self.stays[account], stays)
            most = plus(before[account], its.done, its.early, its.unheard if unsure else (0, 0), stays)
            deadline = time.monotonic() + 20
            while exceeds(self.use(account), most) and time.monotonic() < deadline:  # refunds, and releases, come a moment later
                time.sleep(0.3)
            used = self.use(account)
            if exceeds(used, most) or exceeds(self.least[account], used):
                out.append(f"{account} used {used} of {UNITS}, not {self.least[account]} to {most}: {its}")
        return out

    def settle(self):
        """At the end: when the leases are over only what may have been taken is charged."""
        while True:
            out = []
            for account, least in self.least.items():
                used, most = self.use(account), plus(least, self.stays[account])
                if exceeds(used, most) or exceeds(least, used):
                    out.append(f"{account} used {used} of {UNITS} in the end, not {least} to {most}")
            if not out or time.monotonic() > self.settled_at:
                return out
            time.sleep(0.5)

    def _compare_quarantine(self, entries, viruses):
        """Each in quarantine once, whole, with its recipients; and nothing else there."""
        out, left = [], collections.defaultdict(list)
        for entry in entries:
            left[entry["subject"]].append(entry)
        directory = self.rig.box.path("state/quarantine")
        for message in viruses:
            mine = left.pop(f"number {message.number}", [])
            most = 1 + (self.rig.ledger.sent_again[message.recipients[0]] if self.rig.way.startswith("before-queue") else 0)
            if not 1 <= len(mine) <= most:
                out.append(f"number {message.number} is {len(mine)} times in quarantine")
            for entry in mine:
                if sorted(recipients_of(entry)) != sorted(message.recipients):
                    out.append(f"number {message.number} is in quarantine for {entry['recipients']}")
                if hashlib.sha256(body_of((directory / f"{entry['id']}.eml").read_bytes())).hexdigest() != message.digest:
                    out.append(f"number {message.number} is in quarantine otherwise than it was sent")
        out += [f"{subject!r} is in quarantine" for subject in left]
        there = sorted(file.name for file in directory.iterdir() if file.suffix in (".eml", ".env", ".new"))
        wanted = sorted(e["id"] + suffix for e in self.quarantined() for suffix in (".eml", ".env"))
        if there != wanted:
            out.append(f"files in quarantine: {sorted(set(there) ^ set(wanted))}")
        return out

    def _compare_strikes(self, account, new, stopped, entries):
        """One for each message that was stopped: by an entry's reference, or by the one that its sender was told."""
        out, refused = [], sum(m.refused for m in stopped)
        numbers = {entry["id"]: entry["subject"] for entry in entries}
        per_message = collections.Counter(numbers[r] for r in new.elements() if r in numbers)
        for message in stopped:
            if message.virus and per_message[f"number {message.number}"] != 1:
                out.append(f"{account} has {per_message[f'number {message.number}']} strikes for number {message.number}")
        others = sum(new.values()) - per_message.total()
        if others != refused:
            out.append(f"{account} has {others} strikes for {refused} messages that were refused: {new}")
        return out

    def _compare_counters(self, before, accepted):
        now = self.ask("contentfilter", "status")
        if (now["pid"], now["started"]) != (before["pid"], before["started"]):
            return []
        arrived = sum(any(r in self.rig.ledger.arrived for r in m.recipients) for m in accepted)
        verdict = lambda name: now["verdicts"].get(name, 0) - before["verdicts"].get(name, 0)
        rows = [("messages", now["messages"]["total"] - before["messages"]["total"], len(accepted)),
                ("signed", now["signed"] - before["signed"], arrived),
                ("passed", verdict("pass") + verdict("tag"), sum(not m.virus and not m.refused for m in accepted)),
                ("quarantined", verdict("quarantine"), sum(m.virus for m in accepted)),
                ("refused", verdict("reject"), sum(m.refused for m in accepted))]
        return [f"the filter counts {said} {name}, and there were {least}" for name, said, least in rows if said < least]


def exceeds(one, other):
    return any(a > b for a, b in zip(one, other))


def recipients_of(entry):
    return [str(r).strip("<>") for r in entry["recipients"]]
