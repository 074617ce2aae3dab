# SPDX-License-Identifier: Apache-2.0
"""Numbered messages, and what became of each.

The ledger follows each accepted recipient of each message to its end: it *arrived* at the sink with the digest it was sent with, or
its sender was *told* (a bounce at the sink that names the recipient), or it was *kept* (quarantine). One without any is *lost*; one
that arrived twice is *duplicated*, which has to be explained by a reply that was lost after its message was taken; one that arrived
other than it was sent is *broken*.
"""

import dataclasses
import hashlib
import re

import mails


@dataclasses.dataclass
class Message:
    number: int
    sender: str
    recipients: list
    text: bytes
    digest: str
    virus: bool = False


def body_of(content):
    return content.split(b"\r\n\r\n", 1)[1]


def make(number, sender, chance, recipients=2, virus=False):
    """Message `number`: text that differs from all others, with lines that begin with dots, of 100 octets to about 60 KB."""
    to = [f"n{number}-{k}@example.net" for k in range(recipients)]
    if virus:
        text = mails.with_attachment(sender, to[0], "a.txt", mails.EICAR.encode(), f"number {number}").encode()
    else:
        lines = [f"begin {number}"]
        for _ in range(int(2 ** chance.uniform(0, 10))):
            lines.append("." * chance.randrange(3) + "%x" % chance.getrandbits(4 * chance.randrange(1, 60)))
        text = mails.plain(sender, to[0], f"number {number}", body="\r\n".join(lines + [f"end {number}"]) + "\r\n").encode()
    return Message(number, sender, to, text, hashlib.sha256(body_of(text)).hexdigest(), virus)


class Ledger:
    """What became of every recipient. `arrived` counts per address; fed from the sink as often as one likes."""

    def __init__(self, sink):
        self.sink, self.seen = sink, 0
        self.messages, self.accepted = {}, set()  # by number; addresses
        self.arrived, self.told, self.kept, self.broken = {}, set(), set(), []
        self.lost_replies = set()  # addresses of messages that were taken, whose sender was not told so

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

    def wanted(self, numbers):
        return {r for n in numbers for r in self.messages[n].recipients if r in self.accepted}

    def open(self, numbers):
        return {r for r in self.wanted(numbers) if r not in self.arrived and r not in self.told and r not in self.kept}

    def row(self, numbers):
        mine = {r for n in numbers for r in self.messages[n].recipients}
        twice = {r for r in mine if self.arrived.get(r, 0) > 1}
        return {"sent": len(mine), "accepted": len(self.wanted(numbers)), "arrived": sum(r in self.arrived for r in mine),
                "told": len(mine & self.told), "kept": len(mine & self.kept), "duplicated": len(twice),
                "unexplained": len(twice - self.lost_replies), "both": len(mine & self.told & set(self.arrived)),
                "broken": len(self.broken), "lost": len(self.open(numbers))}
