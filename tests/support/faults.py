# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: numbered messages through a real Postfix and the filter, while something is broken; then the ledger.

`python3 faults.py --build DIR [--messages N] [--only PATTERN]` runs all of it and prints the table (ledger.py says what its columns
mean); tests/integration/test_faults.py runs the faults that are marked for it.
"""

import argparse
import re
import signal
import sys

from faults_machine import (clock_steps, damaged, deleted_under_way, full, injected, killed, no_descriptors, no_memory, not_ours,
                            reentry_killed, reloaded, start_together, stopped)
from faults_net import clients_leave, hop, octets, sink, slow
from rig import WAYS, Rig

MANY = 5000  # recipients
LONG = b"250 " + b"x" * 100000 + b"\r\n"
# name, fault, in `make check`, options. "told": some are refused for good, and their senders hear it
# (None: that depends on which is first, the reply or the dot).
MATRIX = [
    ("no fault", lambda rig, load: 1, True, {}),
    ("hop: 421 at the banner", hop("banner", b"421 4.3.2 down\r\n"), True, {}),
    ("hop: 554 at the banner", hop("banner", b"554 5.3.2 no\r\n"), False, {}),
    ("hop: hangs up at the banner", hop("banner", ("hang up",)), False, {}),
    ("hop: garbage at the banner", hop("banner", b"\x00\xff garbage\r\n"), False, {}),
    ("hop: 451 to EHLO", hop("ehlo", b"451 4.3.0 later\r\n"), False, {}),
    ("hop: 451 to MAIL", hop("mail", b"451 4.3.0 later\r\n"), False, {}),
    ("hop: 550 to MAIL", hop("mail", b"550 5.7.1 no\r\n"), True, {"told": True}),
    ("hop: 421 to MAIL", hop("mail", b"421 4.3.2 closing\r\n"), True, {}),
    ("hop: hangs up at MAIL", hop("mail", ("hang up",)), False, {}),
    ("hop: 354 to MAIL", hop("mail", b"354 what\r\n"), False, {}),
    ("hop: 451 to the 2nd RCPT", hop("rcpt2", b"451 4.3.0 later\r\n"), True, {}),
    ("hop: 550 to the 2nd RCPT", hop("rcpt2", b"550 5.1.1 nobody\r\n"), True, {"told": True}),
    ("hop: 354 to the 2nd RCPT", hop("rcpt2", b"354 what\r\n"), False, {}),
    ("hop: 421 to the 2nd RCPT", hop("rcpt2", b"421 4.3.2 closing\r\n"), False, {}),
    ("hop: 1000 lines to RCPT", hop("rcpt", ("more", 1000)), True, {}),
    ("hop: over-long line to RCPT", hop("rcpt", LONG), False, {}),
    ("hop: garbage to RCPT", hop("rcpt", b"hello\r\n\r\n"), False, {}),
    ("hop: 451 to DATA", hop("data", b"451 4.3.0 later\r\n"), True, {}),
    ("hop: 554 to DATA", hop("data", b"554 5.5.1 no\r\n"), False, {"told": True}),
    ("hop: 250 to DATA", hop("data", b"250 what\r\n"), True, {}),
    ("hop: 421 inside the content", hop("content", b"421 4.3.2 closing\r\n"), False, {}),
    ("hop: 550 before the dot", hop("content", b"550 5.7.1 early\r\n"), False, {"told": None}),
    ("hop: hangs up inside the content", hop("content", ("hang up",)), True, {}),
    ("hop: 451 to the dot", hop("dot", b"451 4.3.0 later\r\n"), True, {}),
    ("hop: 550 to the dot", hop("dot", b"550 5.7.1 no\r\n"), True, {"told": True}),
    ("hop: 354 to the dot", hop("dot", b"354 what\r\n"), False, {}),
    ("hop: garbage to the dot", hop("dot", b"\xffhello\r\n"), True, {}),
    ("hop: over-long line to the dot", hop("dot", LONG), False, {}),
    ("hop: 421 to the dot", hop("dot", b"421 4.3.2 closing\r\n"), False, {}),
    ("hop: hangs up at the dot", hop("dot", ("hang up",)), False, {}),
    ("hop: reply to the dot lost", hop("dot", ("lose",)), True, {}),
    ("hop: reply to the dot 7 s late", hop("dot", ("delay", 7)), False, {}),
    ("hop: 1000 lines to the dot", hop("dot", ("more", 1000)), False, {}),
    ("to the filter: octet by octet", octets("wire", "up", "split", budget=6), True, {}),
    ("from the filter: octet by octet, slowly", octets("wire", "down", "split", budget=6, pause=0.0005), True, {}),
    ("to the filter: cut", octets("wire", "up", "close"), True, {}),
    ("to the filter: reset", octets("wire", "up", "reset"), False, {}),
    ("from the filter: cut", octets("wire", "down", "close", within=2048), True, {}),
    ("to the filter: frozen", octets("wire", "up", "freeze", budget=2), False, {}),
    ("from the filter: frozen", octets("wire", "down", "freeze", budget=2, within=1024), False, {}),
    ("to the next hop: octet by octet", octets("back", "up", "split", budget=4), False, {}),
    ("from the next hop: octet by octet, slowly", octets("back", "down", "split", budget=6, pause=0.0005), False, {}),
    ("to the next hop: cut", octets("back", "up", "close"), True, {"late": True}),
    ("to the next hop: reset", octets("back", "up", "reset"), False, {"late": True}),
    ("from the next hop: cut", octets("back", "down", "close", within=2048), False, {"late": True}),
    ("to the next hop: frozen", octets("back", "up", "freeze", budget=2), False, {"late": True}),
    ("to the filter: an octet a second", slow("wire", "up"), False, {"late": True}),
    ("from the filter: an octet a second", slow("wire", "down"), False, {"late": True}),
    ("from the next hop: an octet a second", slow("back", "down"), False, {"late": True}),
    ("sink: 451 to RCPT", sink("rcpt", "451 4.3.0 later"), True, {}),
    ("sink: hangs up at the dot", sink("dot", None), False, {}),
    ("sink: reply to the dot lost", sink("dot", "lose"), False, {}),
    ("filter killed", killed("contentfilter"), True, {"late": True}),
    ("policyd killed", killed("policyd"), True, {}),
    ("re-entry smtpd killed", reentry_killed, True, {"late": True}),
    ("filter stopped", stopped("contentfilter"), True, {}),
    ("policyd stopped", stopped("policyd"), True, {}),
    ("filter stopped past all time-outs", stopped("contentfilter", 20, 1), False, {"late": True}),
    # Before those that leave much room in the state's files.
    ("state full", full("state"), True, {"recipients": 50}),
    ("filter killed, many recipients", killed("contentfilter", 2), True, {"late": True, "messages": 1, "recipients": MANY}),
    ("hop: reply lost, many recipients", hop("dot", ("lose",)), False, {"messages": 4, "recipients": MANY}),
    ("configuration and keys read anew", reloaded, True, {}),
    ("the clock steps", clock_steps, True, {"shifted": True}),
    ("clients leave inside the content", clients_leave, True, {}),
    ("spool full", full("state/spool"), True, {}),
    ("quarantine full", full("state/quarantine"), True, {"virus": True}),
    ("Postfix's queue full", full("queue"), True, {}),
    ("filter: no descriptors", no_descriptors("contentfilter"), True, {}),
    ("policyd: no descriptors", no_descriptors("policyd"), False, {}),
    ("filter: no memory", no_memory("contentfilter"), True, {"late": True, "shifted": True}),  # preloaded, as the clock is
    ("counters deleted", damaged("counters", "deleted"), False, {"late": True}),
    ("counters truncated", damaged("counters", "truncated"), True, {"late": True}),
    ("counters overwritten", damaged("counters", "overwritten"), False, {"late": True}),
    ("the filter's state overwritten", damaged("filter", "overwritten"), True, {"late": True}),
    ("the filter's state empty", damaged("filter", "empty"), False, {"late": True}),
    ("the common state truncated", damaged("state", "truncated"), False, {"late": True}),
    ("the common state overwritten", damaged("state", "overwritten"), False, {"late": True}),
    ("counters of another owner", not_ours("counters"), False, {"late": True}),
    ("the common state of another owner", not_ours("state"), True, {"late": True}),
    ("the filter's state deleted under way", deleted_under_way("filter"), False, {"late": True}),
    ("counters deleted under way", deleted_under_way("counters"), False, {"late": True}),
    ("filter: fdatasync says ENOSPC", injected("contentfilter", "fdatasync,fsync", "ENOSPC"), True, {}),
    ("filter: fdatasync says EIO", injected("contentfilter", "fdatasync,fsync", "EIO"), False, {}),
    ("filter: write says ENOSPC", injected("contentfilter", "write,pwrite64,pwritev", "ENOSPC"), True, {}),
    ("policyd: fdatasync says EIO", injected("policyd", "fdatasync,fsync", "EIO"), True, {}),
    ("policyd: write says ENOSPC", injected("policyd", "write,pwrite64,pwritev", "ENOSPC"), False, {}),
    ("quarantine: fsync says EIO", injected("contentfilter", "fdatasync,fsync", "EIO"), False, {"virus": True}),
]
SMALL = {"state": 16, "state/spool": 16, "state/quarantine": 16, "queue": 64}  # MiB
# By another way in, all faults but those of LMTP's reply per recipient are tried, and these in `make check`. A reply that is lost
# before the queue is lost to the client himself, who sends again.
BY_OTHER_WAYS = ("hop: 421 to MAIL", "hop: 451 to the dot", "hop: hangs up inside the content", "to the filter: octet by octet",
                 "to the filter: cut", "from the filter: cut", "filter killed", "spool full")
COLUMNS = ("struck", "sent", "accepted", "arrived", "told", "kept", "duplicated", "unexplained", "broken", "lost")


def expected(more, way):
    """What faults_of() is to know of a fault of the matrix by one way in."""
    out = {key: more[key] for key in ("told", "late", "virus") if key in more}
    return out if way == "after-queue" else {**out, "told": None, "late": True}


def run(rig, way, name, fault, messages, more):
    """One fault of the matrix; returns its row, and what is wrong with it."""
    kind = {key: more[key] for key in ("virus", "recipients") if key in more}
    row = rig.run(name, fault, more.get("messages", messages), **kind)
    return row, faults_of(row, **expected(more, way))


def faults_of(row, told=False, late=False, virus=False):
    """What is wrong with a row. "late": replies may be lost where nobody can count them (a process died, a time-out passed)."""
    out = []
    if row["struck"] == 0:
        out.append("the fault never struck")
    if row["lost"] or row["broken"]:
        out.append(f"lost {row['lost']}, broken {row['broken']}")
    if row["accepted"] != row["sent"]:
        out.append(f"clients gave up: {row['refused'][:3]}")
    if row["unexplained"] and not late:
        out.append("duplicates that no lost reply explains")
    if told is not None and told != (row["told"] > 0):
        out.append("nobody was told" if told else "senders were told of nothing")
    if row["both"]:
        out.append("told and delivered")
    if virus and (row["arrived"] or row["kept"] != row["accepted"]):
        out.append("a virus is not in quarantine")
    return out


def table(rows):
    head = f"{'fault':<42}" + "".join(f"{c:>12}" for c in COLUMNS)
    return "\n".join([head] + [f"{row['fault']:<42}" + "".join(f"{row[c]:>12}" for c in COLUMNS) for row in rows])


def main():
    parser = argparse.ArgumentParser(description="Every fault of the matrix, and the ledger's table.")
    parser.add_argument("--build", default="build")
    parser.add_argument("--messages", type=int, default=100, help="messages of each fault, of two recipients each")
    parser.add_argument("--only", default="", help="faults whose names match this")
    parser.add_argument("--way", default="after-queue", choices=WAYS, help="how the mail comes to the filter")
    parser.add_argument("--starts", type=int, default=0, help="start both daemons at once, so often, and do nothing else")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of the clean-up
    rig, wrong = Rig(options.build, SMALL, options.way, shifted=True), 0
    try:
        if options.starts:
            return starts(rig, options.starts)
        for name, fault, _, more in MATRIX:
            if re.search(options.only, name):
                row, problems = run(rig, options.way, name, fault, options.messages, more)
                print(table([row]) if len(rig.rows) == 1 else table([row]).split("\n")[1], flush=True)
                for problem in problems:
                    wrong += 1
                    print(f"  WRONG: {problem}", flush=True)
    finally:
        rig.stop()
    if rig.ledger.broken:
        print("\n".join(rig.ledger.broken[:20]))
    print(f"{len(rig.rows)} faults by {options.way}, {rig.next_number - 1} messages, {wrong} wrong")
    return 1 if wrong else 0


def starts(rig, times):
    for name in ("policyd", "contentfilter"):
        rig.box.stop_daemon(name)
    wrong = start_together(rig.box, times)
    print("\n".join(wrong[:20] + [f"{times} starts of both daemons at once, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
