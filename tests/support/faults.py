# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: numbered messages through a real Postfix and the filter, while something is broken; then the ledger.

`python3 faults.py --build DIR [--messages N] [--only PATTERN]` runs all of it and prints the table (ledger.py says what its columns
mean); tests/integration/test_faults.py runs the faults that are marked for it.
"""

import argparse
import re
import signal
import sys

from faults_machine import (clock_steps, damaged, deleted_under_way, full, injected, killed, killed_unheard, no_descriptors, no_memory,
                            reentry_killed, reloaded, start_together, stopped, unusable)
from faults_net import at_command, at_the_dots_reply, clients_leave, hop, octets, sink, slow
from faults_pipe import client_killed, delivery_killed, filter_killed_under_clients
from faults_steps import clients_do_not_wait, filter_killed_at, lock_held, policyd_killed_at, reentry_killed_at
from rig import WAYS, Rig

MANY = 5000  # recipients
LONG = b"250 " + b"x" * 100000 + b"\r\n"
KEPT = ("after-queue", "after-queue-smtp")  # where Postfix keeps a connection, and begins with RSET on it
QUEUED = (*KEPT, "pipe")  # where the filter has its mail from Postfix's queue
LOCAL = {"local": True, "ways": KEPT}  # by sendmail(1); before the queue such mail comes by a listener that has no proxy
NO_MAIL = {"at": "mail", "do": b"451 4.3.0 later\r\n"}  # after which the filter says RSET
# name, fault, in `make check`, options. "told": some are refused for good, and their senders hear it (None: that depends on which is
# first, the reply or the dot). "forgets": the counts are gone with the state, or with the time. "unsure": policyd may have said yes to
# a DATA that nobody heard. "locked": what is kept is so for its account's lock, and not struck. "ways": the only ones by which there is
# such a fault. "local": mail of a local user.
MATRIX = [
    ("no fault", lambda rig, load: 1, True, {}),
    ("no fault, viruses", lambda rig, load: 1, False, {"virus": True}),
    ("no fault, refusals", lambda rig, load: 1, True, {"refused": True, "told": True}),
    ("hop: 421 at the banner", hop("banner", b"421 4.3.2 down\r\n"), True, {}),
    ("hop: 554 at the banner", hop("banner", b"554 5.3.2 no\r\n"), False, {}),
    ("hop: hangs up at the banner", hop("banner", ("hang up",)), False, {}),
    ("hop: garbage at the banner", hop("banner", b"\x00\xff garbage\r\n"), False, {}),
    ("hop: 451 to EHLO", hop("ehlo", b"451 4.3.0 later\r\n"), False, {}),
    ("hop: 550 to EHLO", hop("ehlo", b"550 5.5.1 no\r\n"), False, {}),
    ("hop: 451 to XFORWARD", hop("xforward", b"451 4.3.0 later\r\n"), False, {}),
    ("hop: 550 to XFORWARD", hop("xforward", b"550 5.7.1 no\r\n"), False, {}),
    ("hop: 354 to XFORWARD", hop("xforward", b"354 what\r\n"), True, {}),
    ("hop: 421 to XFORWARD", hop("xforward", b"421 4.3.2 closing\r\n"), False, {}),
    ("hop: garbage to XFORWARD", hop("xforward", b"\xffhello\r\n"), False, {}),
    ("hop: hangs up at XFORWARD", hop("xforward", ("hang up",)), False, {}),
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
    ("hop: reset at the dot", hop("unread dot", ("reset",)), False, {}),
    ("hop: reply to the dot twice", hop("dot", ("twice",)), True, {}),
    ("hop: replies in one piece", hop("replies", ("coalesce",)), False, {}),
    ("hop: 451 to RSET", hop("rset", b"451 4.3.0 later\r\n", NO_MAIL), False, {}),
    ("hop: 421 to RSET", hop("rset", b"421 4.3.2 closing\r\n", NO_MAIL), False, {}),
    ("hop: garbage to RSET", hop("rset", b"\xffhello\r\n", NO_MAIL), False, {}),
    ("hop: hangs up at RSET", hop("rset", ("hang up",), NO_MAIL), True, {}),
    ("to the filter: octet by octet", octets("wire", "up", "split", budget=6), True, {}),
    ("from the filter: octet by octet, slowly", octets("wire", "down", "split", budget=6, pause=0.0005), True, {}),
    ("to the filter: cut", octets("wire", "up", "close"), True, {}),
    ("to the filter: reset", octets("wire", "up", "reset"), False, {}),
    ("from the filter: cut", octets("wire", "down", "close", within=2048), True, {}),
    ("from the filter: reply to the dot lost", at_the_dots_reply("close"), False, {}),
    ("from the filter: that lost, local mail", at_the_dots_reply("close"), True, LOCAL),
    ("to the filter: cut at XFORWARD", at_command(b"XFORWARD", "close"), True, {}),
    ("filter: 451 to XFORWARD", at_command(b"XFORWARD", "answer", b"451 4.3.0 later\r\n"), False, {}),
    ("filter: 421 to XFORWARD", at_command(b"XFORWARD", "answer", b"421 4.3.2 closing\r\n"), False, {}),
    ("to the filter: cut at RSET", at_command(b"RSET", "close"), False, {"ways": KEPT}),
    ("filter: 451 to RSET", at_command(b"RSET", "answer", b"451 4.3.0 later\r\n"), False, {"ways": KEPT}),
    ("to the filter: frozen", octets("wire", "up", "freeze", budget=2), False, {}),
    ("from the filter: frozen", octets("wire", "down", "freeze", budget=2, within=1024), False, {}),
    ("to the next hop: octet by octet", octets("back", "up", "split", budget=4), False, {}),
    ("from the next hop: octet by octet, slowly", octets("back", "down", "split", budget=6, pause=0.0005), False, {}),
    ("to the next hop: cut", octets("back", "up", "close"), True, {}),
    ("to the next hop: reset", octets("back", "up", "reset"), False, {}),
    ("from the next hop: cut", octets("back", "down", "close", within=2048), False, {}),
    ("to the next hop: frozen", octets("back", "up", "freeze", budget=2), False, {}),
    ("to the filter: an octet a second", slow("wire", "up"), False, {}),
    ("from the filter: an octet a second", slow("wire", "down"), False, {}),
    ("from the next hop: an octet a second", slow("back", "down"), False, {}),
    ("hop: reply to the dot lost, local mail", hop("dot", ("lose",)), False, LOCAL),
    ("sink: 451 to RCPT", sink("rcpt", "451 4.3.0 later"), True, {}),
    ("sink: hangs up at the dot", sink("dot", None), False, {}),
    ("sink: reply to the dot lost", sink("dot", "lose"), False, {}),
    ("filter killed", killed("contentfilter"), True, {}),
    ("filter killed, viruses", killed("contentfilter"), True, {"virus": True}),
    ("filter killed, refusals", killed("contentfilter"), False, {"refused": True, "told": True}),
    ("filter killed, local mail", killed("contentfilter"), False, LOCAL),
    ("filter killed, its reply unheard", killed_unheard, False, {"messages": 1}),
    ("filter killed, that unheard, local mail", killed_unheard, True, {"messages": 1, **LOCAL}),
    ("pipe: client killed", client_killed(signal.SIGKILL), True, {"ways": ("pipe",)}),
    ("pipe: client ended by a signal", client_killed(signal.SIGSEGV), False, {"ways": ("pipe",)}),
    ("pipe: pipe(8) killed", delivery_killed, True, {"ways": ("pipe",)}),
    ("pipe: filter killed under its clients", filter_killed_under_clients, True, {"ways": ("pipe",)}),
    ("filter killed at XFORWARD", filter_killed_at("xforward"), False, {}),
    ("filter killed at MAIL", filter_killed_at("mail"), False, {}),
    ("filter killed at RCPT", filter_killed_at("rcpt"), False, {}),
    ("filter killed at DATA", filter_killed_at("data"), False, {}),
    ("filter killed inside the content", filter_killed_at("content"), False, {}),
    ("filter killed at the dot", filter_killed_at("dot"), False, {}),
    ("filter killed before it hears 250", filter_killed_at("dot", "call after"), True, {}),
    ("policyd killed", killed("policyd"), True, {"unsure": True}),
    *[(f"policyd killed, {when} at {state}", policyd_killed_at(state, when), (state, when) == ("DATA", "answered"), {"unsure": True})
      for state in ("RCPT", "DATA", "END-OF-MESSAGE") for when in ("asked", "answered")],
    ("re-entry smtpd killed", reentry_killed, True, {}),
    ("re-entry smtpd killed at XFORWARD", reentry_killed_at("xforward"), False, {}),
    ("re-entry smtpd killed at MAIL", reentry_killed_at("mail"), False, {}),
    ("re-entry smtpd killed at RCPT", reentry_killed_at("rcpt"), False, {}),
    ("re-entry smtpd killed at DATA", reentry_killed_at("data"), False, {}),
    ("re-entry smtpd killed inside the content", reentry_killed_at("content"), False, {}),
    ("re-entry smtpd killed at the dot", reentry_killed_at("dot"), False, {}),
    ("re-entry smtpd killed after its 250", reentry_killed_at("dot", "call after"), False, {}),
    ("filter stopped", stopped("contentfilter"), True, {}),
    ("policyd stopped", stopped("policyd"), True, {"unsure": True}),
    ("filter stopped past all time-outs", stopped("contentfilter", 20, 1), False, {}),
    ("policyd stopped with the lock, viruses", lock_held(), False, {"virus": True, "ways": QUEUED}),
    ("policyd stopped with the lock, locked", lock_held(locked=True), True, {"virus": True, "locked": True, "ways": QUEUED}),
    # Before those that leave much room in the state's files.
    ("state full", full("state"), True, {"unsure": True, "recipients": 50}),
    ("filter killed, many recipients", killed("contentfilter", 2), True, {"messages": 1, "recipients": MANY}),
    ("hop: reply lost, many recipients", hop("dot", ("lose",)), False, {"messages": 4, "recipients": MANY}),
    ("configuration and keys read anew", reloaded, True, {}),
    ("the clock steps", clock_steps, True, {"forgets": True, "shifted": True}),
    ("clients leave inside the content", clients_leave, True, {}),
    ("clients leave at the dot", clients_do_not_wait, False, {}),
    ("spool full", full("state/spool"), True, {}),
    ("quarantine full", full("state/quarantine"), True, {"virus": True}),
    ("Postfix's queue full", full("queue"), True, {}),
    ("filter: no descriptors", no_descriptors("contentfilter"), True, {}),
    ("policyd: no descriptors", no_descriptors("policyd"), False, {"unsure": True}),
    ("filter: no memory", no_memory("contentfilter"), True, {"shifted": True}),  # preloaded, as the clock is
    ("counters deleted", damaged("counters", "deleted"), False, {"forgets": True}),
    ("counters truncated", damaged("counters", "truncated"), True, {"forgets": True}),
    ("counters overwritten", damaged("counters", "overwritten"), False, {"forgets": True}),
    ("the filter's state overwritten", damaged("filter", "overwritten"), True, {}),
    ("the filter's state empty", damaged("filter", "empty"), False, {}),
    ("the common state truncated", damaged("state", "truncated"), False, {"forgets": True}),
    ("the common state overwritten", damaged("state", "overwritten"), False, {"forgets": True}),
    ("counters of another owner", unusable("counters", owner=0), False, {}),
    ("the common state of another owner", unusable("state", owner=0), True, {}),
    ("counters read-only", unusable("counters", mode=0o440), False, {}),
    ("the common state read-only", unusable("state", mode=0o440), False, {}),
    ("the filter's state read-only", unusable("filter", mode=0o440), False, {}),
    ("the filter's state deleted under way", deleted_under_way("filter"), False, {}),
    ("counters deleted under way", deleted_under_way("counters"), False, {"forgets": True}),
    ("filter: fdatasync says ENOSPC", injected("contentfilter", "fdatasync,fsync", "ENOSPC"), True, {}),
    ("filter: fdatasync says EIO", injected("contentfilter", "fdatasync,fsync", "EIO"), False, {}),
    ("filter: write says ENOSPC", injected("contentfilter", "write,pwrite64,pwritev", "ENOSPC"), True, {}),
    ("policyd: fdatasync says EIO", injected("policyd", "fdatasync,fsync", "EIO"), True, {"unsure": True}),
    ("policyd: write says ENOSPC", injected("policyd", "write,pwrite64,pwritev", "ENOSPC"), False, {"unsure": True}),
    ("quarantine: fsync says EIO", injected("contentfilter", "fdatasync,fsync", "EIO"), False, {"virus": True}),
]
SMALL = {"state": 16, "state/spool": 16, "state/quarantine": 16, "queue": 64}  # MiB
# By another way in, all faults but those of LMTP's reply per recipient are tried, and these in `make check`, beside those that there are
# by one way alone. A reply that is lost before the queue is lost to the client himself, who sends again.
BY_OTHER_WAYS = ("hop: 421 to MAIL", "hop: 451 to the dot", "hop: hangs up inside the content", "to the filter: octet by octet",
                 "to the filter: cut", "from the filter: cut", "filter killed", "spool full")
# The same example with a line more in main.cf: what smtpd does otherwise then.
BY_LINE = ("hop: 451 to the dot", "to the filter: cut", "filter killed")
COLUMNS = ("struck", "sent", "accepted", "arrived", "told", "kept", "duplicated", "by reply", "by death", "by client", "unexplained",
           "broken", "lost", "seconds")


def rows(way, bounded=False):
    """The lines of the matrix for one way in."""
    for name, fault, in_check, more in MATRIX:
        here = in_check if way == more.get("ways", ("after-queue",))[0] else name in (BY_LINE if way == "before-queue-by-line" else BY_OTHER_WAYS)
        if way in more.get("ways", (way,)) and (here or not bounded):
            yield name, fault, more


def expected(more, way):
    """What faults_of() is to know of a fault of the matrix by one way in."""
    out = {key: more[key] for key in ("told", "virus") if key in more}
    return out if way == "after-queue" else {**out, "told": None}


def run(rig, way, name, fault, messages, more):
    """One fault of the matrix; returns its row, and what is wrong with it."""
    kind = {key: more[key] for key in ("virus", "refused", "recipients", "local") if key in more}
    state = {key: more[key] for key in ("forgets", "unsure", "locked") if key in more}
    state["exact"] = way.startswith("before-queue") and name.startswith("hop: ")
    row = rig.run(name, fault, more.get("messages", messages), state=state, **kind)
    return row, faults_of(row, **expected(more, way))


def faults_of(row, told=False, virus=False):
    """What is wrong with a row."""
    out = list(row.get("wrong", []))
    if row["struck"] == 0:
        out.append("the fault never struck")
    if row["lost"] or row["broken"]:
        out.append(f"lost {row['lost']}, broken {row['broken']}")
    if row["accepted"] != row["sent"]:
        out.append(f"clients gave up: {row['refused'][:3]}")
    if row["unexplained"]:
        out.append("duplicates that no lost reply explains")
    if told is not None and told != (row["told"] > 0):
        out.append("nobody was told" if told else "senders were told of nothing")
    if row["both"]:
        out.append("told and delivered")
    if virus and (row["arrived"] or row["kept"] != row["accepted"]):
        out.append("a virus is not in quarantine")
    return out


def table(lines):
    head = f"{'fault':<42}" + "".join(f"{c:>12}" for c in COLUMNS)
    return "\n".join([head] + [f"{row['fault']:<42}" + "".join(f"{row[c]:>12}" for c in COLUMNS) for row in lines])


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
        for name, fault, more in rows(options.way):
            if re.search(options.only, name):
                row, problems = run(rig, options.way, name, fault, options.messages, more)
                print(table([row]) if len(rig.rows) == 1 else table([row]).split("\n")[1], flush=True)
                for problem in problems:
                    wrong += 1
                    print(f"  WRONG: {problem}", flush=True)
        for problem in rig.books.settle():
            wrong += 1
            print(f"WRONG in the end: {problem}", flush=True)
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
