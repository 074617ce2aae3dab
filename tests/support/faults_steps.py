# SPDX-License-Identifier: Apache-2.0
"""Deaths at one step of the protocol, and sleeps over a lock: when the proxies see it. Each fault is a function of (rig, load) that
returns how often it struck."""

import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time

from faults_machine import comes_first, reentry_processes
from ledger import make
from policy_proxy import PolicyProxy
from rig import LOGINS

TIMES = 3  # deaths a fault


class Deaths:
    """A daemon that is killed when strike() is called, by any thread, and started again by struck_out()."""

    def __init__(self, rig, name):
        self.rig, self.name = rig, name
        self.lock, self.died = threading.Lock(), threading.Event()
        self.at = 0

    def strike(self):
        with self.lock:
            if not self.died.is_set():
                process = self.rig.box.processes[self.name]
                process.kill()
                process.wait()
                self.at = time.monotonic()
                self.died.set()

    def start_again(self):
        self.rig.box.stop_daemon(self.name)
        self.rig.box.start_daemon(self.name)
        if self.name == "contentfilter":
            self.rig.ledger.absent.append((self.at, time.monotonic()))
        self.died.clear()

    def repeat(self, load, arm, times=TIMES):
        """arm() and wait for the death that comes of it, until there is no mail left that could bring it."""
        struck = 0
        while struck < times:
            arm()
            while not self.died.wait(0.1) and (load.pause(0.1) or self.rig.box.queue()):
                self.rig.box.flush()
            if not self.died.is_set():
                break
            self.start_again()
            struck += 1
        return struck


def filter_killed_at(stage, when="call"):
    """kill -9 of the filter as the next hop reads a command of it, or has answered and was not heard yet."""
    def fault(rig, load):
        deaths = Deaths(rig, "contentfilter")

        def arm():
            rig.hop.plan = {"at": stage, "do": (when, deaths.strike), "budget": 1}
        try:
            return deaths.repeat(load, arm)
        finally:
            rig.hop.plan = None
    fault.fresh = "hop"
    return fault


def is_alive(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def reentry_killed_at(stage, when="call"):
    """kill -9 of every smtpd behind the filter, as the next hop is to get a command, or has answered it."""
    def fault(rig, load):
        before = rig.hop.struck

        def strike():
            killed = list(reentry_processes(rig))
            for pid in killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            end = time.monotonic() + 10
            while any(map(is_alive, killed)) and time.monotonic() < end:
                time.sleep(0.01)
        rig.hop.plan = {"at": stage, "do": (when, strike), "budget": TIMES}
        while rig.hop.struck < before + TIMES and (load.pause(0.1) or rig.box.queue()):
            rig.box.flush()
        return rig.hop.struck - before
    fault.fresh = "hop"
    return fault


@contextlib.contextmanager
def before_policyd(rig):
    """A proxy before policyd's socket, while nobody uses it."""
    socket = rig.box.path("queue/postsluice/policyd")
    inner = socket.with_name("policyd-itself")
    text = rig.box.config_file.read_text()
    assert f'"unix:{socket}"' in text, text
    rig.box.stop_daemon("policyd")
    rig.box.config_file.write_text(text.replace(f'"unix:{socket}"', f'"unix:{inner}"'))
    socket.unlink(missing_ok=True)
    proxy = PolicyProxy(socket, inner)
    try:
        rig.box.start_daemon("policyd")
        yield proxy
    finally:
        proxy.plan = None
        rig.box.stop_daemon("policyd")
        proxy.close()
        socket.unlink(missing_ok=True)
        inner.unlink(missing_ok=True)
        rig.box.config_file.write_text(text)
        rig.box.start_daemon("policyd")


def policyd_killed_at(state, when):
    """kill -9 of policyd as it is asked at RCPT, DATA or END-OF-MESSAGE, or between its answer and Postfix."""
    @comes_first
    def fault(rig, load):
        with before_policyd(rig) as proxy:
            deaths = Deaths(rig, "policyd")

            def arm():
                proxy.plan = {"at": state, "when": when, "do": deaths.strike, "budget": 1}
            load.begin()
            struck = deaths.repeat(load, arm)
            proxy.plan = None
            load.join()
        return struck
    return fault


@contextlib.contextmanager
def asleep_on_the_lock(rig):
    """policyd is stopped inside a commit to the common state, with the lock that all writers need: by strace, as it syncs."""
    pid, log = rig.box.processes["policyd"].pid, rig.box.path("log/strace-lock")
    status = pathlib.Path(f"/proc/{pid}/status")
    field = lambda name: re.search(rf"^{name}:\s+(\S+)", status.read_text(), re.MULTILINE).group(1)
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", log, "-p", str(pid), "-P", rig.box.path("state/state/data.mdb"),
                               "-e", "trace=fdatasync", "-e", "inject=fdatasync:signal=SIGSTOP:when=1"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rig.box.wait_until(lambda: field("TracerPid") != "0", "strace", 30)
    asker = threading.Thread(target=rig.books.ask, args=("policyd", "account lock"),
                             kwargs={"account": "nobody@example.com", "for": "1 minute"})
    asker.start()
    try:
        rig.box.wait_until(lambda: "SIGSTOP" in log.read_text(errors="replace"), "policyd asleep on the lock", 30)
        yield
    finally:
        tracer.terminate()
        tracer.wait(20)
        rig.box.processes["policyd"].send_signal(signal.SIGCONT)
        asker.join()


def lock_held(locked=False, seconds=9):
    """The filter's entries in quarantine are written late: all mail comes to it, and again and again, while policyd sleeps on the lock
    of the state that both write. `locked`: what is kept is the mail of accounts that were locked with mail in the queue; each try of it
    has a reference of its own."""
    @comes_first
    def fault(rig, load):
        trouble = 'trouble="quarantine: [^"]*writer is late'
        before = rig.told_of(trouble)
        rig.box.processes["contentfilter"].send_signal(signal.SIGSTOP)
        load.begin()
        load.join()  # in Postfix's queue, all of it
        for login in LOGINS if locked else ():
            rig.books.ask("policyd", "account lock", account=login)
        with asleep_on_the_lock(rig):
            rig.box.processes["contentfilter"].send_signal(signal.SIGCONT)
            rig.keep_busy(seconds)
        if locked:
            rig.box.wait_until(lambda: rig.box.flush() or not (rig.box.queue() or rig.box.queue()), "an empty queue", 120)
        for login in LOGINS if locked else ():
            rig.books.ask("policyd", "account unlock", account=login)
        return rig.told_of(trouble) - before
    return fault


def clients_do_not_wait(rig, load, times=6):
    """Clients that leave after the final dot, before its reply: their mail arrives once, or not at all."""
    login, numbers = LOGINS[1], range(rig.next_number, rig.next_number + times)
    rig.next_number += times
    chance = random.Random(numbers[0])
    for number in numbers:
        message = rig.ledger.messages[number] = make(number, login, chance)
        session = rig.box.submit_session(login)
        session.mail(login)
        for recipient in message.recipients:
            session.rcpt(recipient)
        session.docmd("DATA")
        session.send(re.sub(rb"(?m)^\.", b"..", message.text) + b".\r\n")
        session.close()
    load.join()
    for number in numbers:
        load.charges[login].add("late", len(rig.ledger.messages[number].recipients))
    rig.box.wait_until(lambda: rig.box.flush() or not (rig.box.queue() or rig.box.queue()), "an empty queue", 120)
    rig.ledger.read_sink()
    for recipient in (r for n in numbers for r in rig.ledger.messages[n].recipients):
        if rig.ledger.arrived.get(recipient, 0) > 1:
            rig.ledger.broken.append(f"{recipient}, whose client left at the dot, got {rig.ledger.arrived[recipient]}")
    return times
