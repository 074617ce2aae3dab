# SPDX-License-Identifier: Apache-2.0
"""Faults of peers and of the ways between them. Each is a function of (rig, load) that returns how often it struck."""

import time

from rig import LOGINS


def until_struck(rig, load, proxy, before, most):
    """Waits until the budget is spent, or there is no mail left to spend it on."""
    while proxy.struck < before + most and (load.pause(0.1) or rig.box.queue()):
        rig.box.flush()
        time.sleep(0.2)
    return proxy.struck - before


def hop(at, do, before_it=None):
    def fault(rig, load):
        before, most = rig.hop.struck, max(3, len(load.numbers) // 8)
        rig.hop.plan = {"at": at, "do": do, "budget": most, "before": before_it}
        return until_struck(rig, load, rig.hop, before, most)
    fault.fresh = "hop"
    return fault


def octets(where, way, how, budget=None, **more):
    def fault(rig, load):
        proxy = getattr(rig, where)
        before, most = proxy.struck, budget or max(3, len(load.numbers) // 8)
        proxy.harm = {"way": way, "how": how, "budget": most, **more}
        return until_struck(rig, load, proxy, before, most)
    fault.fresh = where
    return fault


def at_command(command, how, answer=None):
    """Between Postfix and the filter, where Postfix says this."""
    def fault(rig, load):
        before, most = rig.wire.struck, max(3, len(load.numbers) // 8)
        rig.wire.harm = {"way": "up", "how": how, "command": command, "answer": answer, "budget": most}
        return until_struck(rig, load, rig.wire, before, most)
    fault.fresh = "wire"
    return fault


def at_the_dots_reply(how, budget=None):
    """Between the filter and Postfix, where the filter says that it took a message over: it knows that, and Postfix does not hear it."""
    def fault(rig, load):
        before, most = rig.wire.struck, budget or max(3, len(load.numbers) // 8)
        rig.wire.harm = {"way": "down", "how": how, "reply": b"250 2.0.0 Ok: ", "budget": most}
        return until_struck(rig, load, rig.wire, before, most)
    fault.fresh = "wire"
    return fault


def slow(where, way, seconds=12):
    """An octet a second, for so long."""
    def fault(rig, load):
        proxy = getattr(rig, where)
        before = proxy.struck
        proxy.harm = {"way": way, "how": "split", "budget": 2, "pause": 1}
        rig.keep_busy(seconds)
        return proxy.struck - before
    fault.fresh = where
    return fault


def sink(key, reply):
    def fault(rig, load):
        before = rig.box.sink.refusals
        rig.box.sink.replies[key] = reply
        end = time.monotonic() + 3
        while time.monotonic() < end or (rig.box.sink.refusals == before and (load.pause(0) or rig.box.queue())):
            rig.box.flush()
            time.sleep(0.2)
        return rig.box.sink.refusals - before
    return fault


def clients_leave(rig, load):
    """Clients that leave inside the content, after RCPT, after DATA, before the dot: nothing of theirs may arrive."""
    left = []
    for text in (b"", b"Subject: number 0\r\n\r\nprefix\r\n", b"Subject: number 0\r\n\r\nprefix\r\n.", b"Subject: number 0\r\n\r\nQUIT\r\n") * 3:
        session = rig.box.submit_session(LOGINS[0])
        session.mail(LOGINS[0])
        session.rcpt("n0-0@example.net")
        if text:
            session.docmd("DATA")
            session.send(text)
        session.close()
        left.append("late" if text else "early")
    load.join()
    for reached in left:
        load.charges[LOGINS[0]].add(reached, 1)
    return len(left)
