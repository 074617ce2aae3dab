# SPDX-License-Identifier: Apache-2.0
"""Numbered messages, and what became of each.

The ledger follows each accepted recipient of each message to its end: it *arrived* at the sink with the digest it was sent with, or
its sender was *told* (a bounce at the sink that names the recipient, or 5xx in the sender's own session), or it was *kept*
(quarantine). One without any is *lost*; one that arrived other than it was sent is *broken*; one that arrived more than once is
*duplicated*, and each time too much has to be explained by a reply that was lost after the next hop had taken the message:

    by reply   something between the filter and the next hop, or behind it, lost or held up the reply (proxy.py, sink.py say which)
    by death   the filter was gone, or stopped past everybody's patience, about the moment when the next hop took it
    by client  before the queue, where no queue ID says that it is the same: the client heard no 250, and sent it again
"""

import collections
import dataclasses
import hashlib
import re

import mails


MARGIN = 2  # seconds: how far from a death the next hop may have taken what the dead filter did not write down


@dataclasses.dataclass
class Message:
    number: int
    sender: str
    recipients: list
    text: bytes
    digest: str
    virus: bool = False
    refused: bool = False  # by the filter, as GTUBE is in the rig


def body_of(content):
    return content.split(b"\r\n\r\n", 1)[1]


def make(number, sender, chance, recipients=2, virus=False, refused=False):
    """Message `number`: text that differs from all others, with lines that begin with dots, of 100 octets to about 60 KB."""
    to = [f"n{number}-{k}@example.net" for k in range(recipients)]
    if virus:
        text = mails.with_attachment(sender, to[0], "a.txt", mails.EICAR.encode(), f"number {number}").encode()
    elif refused:
        text = mails.plain(sender, to[0], f"number {number}", body=mails.GTUBE + "\r\n").encode()
    else:
        lines = [f"begin {number}"]
        for _ in range(int(2 ** chance.uniform(0, 10))):
            lines.append("." * chance.randrange(3) + "%x" % chance.getrandbits(4 * chance.randrange(1, 60)))
        text = mails.plain(sender, to[0], f"number {number}", body="\r\n".join(lines + [f"end {number}"]) + "\r\n").encode()
    return Message(number, sender, to, text, hashlib.sha256(body_of(text)).hexdigest(), virus, refused)


def number_of(content):
    """Which message this is, as it says itself; None for a bounce."""
    found = re.search(rb"^Subject: number (\d+)\r$", content.split(b"\r\n\r\n", 1)[0] + b"\r", re.MULTILINE)
    return int(found.group(1)) if found else None


class Ledger:
    """What became of every recipient. `arrived` counts per address; fed from the sink as often as one likes."""

    def __init__(self, sink):
        self.sink, self.seen = sink, 0
        self.messages, self.accepted = {}, set()  # by number; addresses
        self.arrived, self.told, self.kept, self.broken = {}, set(), set(), []
        # How often, by address: a message was taken, or may have been, and the filter or Postfix was not told so; a client had sent
        # the whole message and heard no 250.
        self.lost_replies, self.sent_again = collections.Counter(), collections.Counter()
        self.taken = []  # (when, number) of what the next hop took, by the monotonic clock
        self.absent = []  # (from, until) of times without a filter
        self.references = {}  # by number, of refusals that its sender was told

    def read_sink(self):
        deliveries = self.sink.deliveries
        for delivery in deliveries[self.seen:]:
            if delivery.sender.startswith("<>"):
                self._read_bounce(delivery)
                continue
            number = int(re.match(r"number (\d+)$", delivery.header("Subject")[0]).group(1))
            message = self.messages[number]
            if hashlib.sha256(body_of(delivery.content)).hexdigest() != message.digest:
                self.broken.append(f"number {number}: {len(delivery.content)} octets of {len(message.text)}")
            for recipient in delivery.recipients:
                if recipient not in message.recipients:
                    self.broken.append(f"number {number} came to {recipient}")
                self.arrived[recipient] = self.arrived.get(recipient, 0) + 1
        self.seen = len(deliveries)

    def _read_bounce(self, delivery):
        for number, rest in re.findall(r"Final-Recipient: rfc822; *n(\d+)(-\d+@example\.net)", delivery.text()):
            if self.messages[int(number)].sender not in delivery.recipients:
                self.broken.append(f"the bounce of {number} went to {delivery.recipients}")
            self.told.add(f"n{number}{rest}")
            self._read_reference(int(number), delivery.text())

    def refuse(self, number, recipients, reply):
        """The sender was told so in his own session."""
        self.told.update(recipients)
        self._read_reference(number, reply)

    def _read_reference(self, number, text):
        if reference := re.search(r"\bref\s+([0-9A-Z]{8})\b", text):
            self.references[number] = reference.group(1)

    def reasons(self, recipient):
        """Why it arrived more than once: how often by reply, by death, by client, and for no reason."""
        left = self.arrived.get(recipient, 0) - 1
        number = int(re.match(r"n(\d+)-", recipient).group(1))
        deaths = sum(n == number and any(begin - MARGIN < at < end + MARGIN for begin, end in self.absent) for at, n in self.taken)
        out = []
        for most in (self.lost_replies[recipient], deaths, self.sent_again[recipient]):
            out.append(max(min(left, most), 0))
            left -= out[-1]
        return (*out, max(left, 0))

    def wanted(self, numbers):
        return {r for n in numbers for r in self.messages[n].recipients if r in self.accepted}

    def open(self, numbers):
        return {r for r in self.wanted(numbers) if r not in self.arrived and r not in self.told and r not in self.kept}

    def row(self, numbers):
        mine = {r for n in numbers for r in self.messages[n].recipients}
        twice = {r for r in mine if self.arrived.get(r, 0) > 1}
        by_reply, by_death, by_client, unexplained = map(sum, zip(*map(self.reasons, twice))) if twice else (0, 0, 0, 0)
        return {"sent": len(mine), "accepted": len(self.wanted(numbers)), "arrived": sum(r in self.arrived for r in mine),
                "told": len(mine & self.told), "kept": len(mine & self.kept), "duplicated": len(twice),
                "by reply": by_reply, "by death": by_death, "by client": by_client, "unexplained": unexplained,
                "both": len(mine & self.told & set(self.arrived)),
                "broken": len(self.broken), "lost": len(self.open(numbers))}
