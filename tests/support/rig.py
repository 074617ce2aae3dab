# SPDX-License-Identifier: Apache-2.0
"""A mail server to be broken: the sandbox, with a proxy of ours on each side of the filter, clients that send numbered messages, and
the ledger that says what became of them.
"""

import contextlib
import os
import random
import re
import smtplib
import subprocess
import threading
import time

from books import Books, Charges, plus
from ledger import Ledger, make, number_of
from proxy import ByteProxy, HopProxy
from sandbox import Sandbox
from shifted import ShiftedSandbox

LOGINS = ("alice@example.org", "bob@example.org", "carol@example.org", "dave@example.org")
OVERRIDES = """
[contentfilter]
command_timeout = "8 seconds"
deadline = "10 seconds"
deadline_before_queue = "10 seconds"
check_timeout = "5 seconds"
next_hop_reply_timeout = "5 seconds"
spool_memory = "8 KiB"
max_tries = 100
bounces_per_hour = 1000000
[policyd]
lease = "30 seconds"
[profile.bulk]
inherits = "default"
limits   = ["unlimited messages per minute", "1000000 messages per day", "1000000 recipients per hour", "1000000 recipients per day"]
lock     = { after = ["1000 virus"], for = "30 minutes" }
symbols  = { GTUBE = { action = "reject" } }
[[assign]]
profile = "bulk"
login   = ["*@example.org"]
"""
# Time-outs short enough for a test, with the order of the example: ours before Postfix's.
MAIN_CF = """
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
service_throttle_time = 1s
lmtp_connect_timeout = 8s
lmtp_lhlo_timeout = 8s
lmtp_xforward_timeout = 8s
lmtp_mail_timeout = 8s
lmtp_rcpt_timeout = 8s
lmtp_data_init_timeout = 8s
lmtp_data_xfer_timeout = 8s
lmtp_data_done_timeout = 16s
smtp_helo_timeout = 8s
smtp_xforward_timeout = 8s
smtp_mail_timeout = 8s
smtp_rcpt_timeout = 8s
smtp_data_init_timeout = 8s
smtp_data_xfer_timeout = 8s
smtp_data_done_timeout = 16s
smtpd_proxy_timeout = 14s
postsluice-pipe_time_limit = 16s
smtpd_recipient_limit = 10000
message_size_limit = 1000000
smtp_destination_concurrency_failed_cohort_limit = 1000
"""


class Load:
    """Four clients that send numbered messages, each over a session that it opens again where it broke; 4xx is tried again. What a
    fault does to the rig it does in the meantime: `pause` waits a while, and says whether the clients still send."""

    def __init__(self, rig, numbers, waits=False, **kind):
        self.rig, self.numbers, self.failed = rig, list(numbers), []
        self.charges = {login: Charges() for login in LOGINS}
        self.begun = threading.Event()
        if not waits:
            self.begin()
        self.over = False
        chance = random.Random(self.numbers[0])
        for i, number in enumerate(self.numbers):
            rig.ledger.messages[number] = make(number, self.sender(i), chance, **kind)
        self.threads = [threading.Thread(target=self._send, args=(login, self.numbers[k::4])) for k, login in enumerate(LOGINS)]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def sender(i):
        return LOGINS[i % 4]

    def _send(self, login, numbers):
        session = None
        self.begun.wait()
        for number in numbers:
            message = self.rig.ledger.messages[number]
            deadline, left = time.monotonic() + 120, list(message.recipients)
            while left and not self.over:
                try:
                    session = session or self.rig.box.submit_session(login)
                    left, trouble = self._transaction(session, login, message, left)
                except (smtplib.SMTPException, OSError) as error:
                    trouble = error
                    if session:
                        session.close()
                        session = None
                if left and time.monotonic() > deadline:
                    self.failed.append(f"{number}: {trouble}")
                    break
                time.sleep(0.2 if left else 0)  # a client's pause before it tries again
        if session:
            session.close()

    def _transaction(self, session, login, message, to):
        """Tries once. Returns to whom it is still to go, and why. What it may cost its account is noted as it goes on."""
        charges, taken, refused = self.charges[login], [], {}
        reached = "early"
        try:
            if (reply := session.mail(login, [f"size={len(message.text)}"]))[0] != 250:
                return self._put_off(session, to, reply)
            for recipient in to:
                if (reply := session.rcpt(recipient))[0] == 250:
                    taken.append(recipient)
                else:
                    refused[recipient] = reply
            if not taken or (reply := session.docmd("DATA"))[0] != 354:
                return self._put_off(session, to, reply)
            reached = "late"
            session.send(re.sub(rb"(?m)^\.", b"..", message.text) + b".\r\n")
            reply = session.getreply()
            reached = "done" if reply[0] == 250 or (reply[0] == 550 and message.refused) else "told" if reply[0] >= 500 else reached
            if reached != "done":
                return self._put_off(session, to, reply)
        finally:
            if taken:
                charges.add(reached, len(taken))
            if refused:
                charges.unheard = plus(charges.unheard, (0 if taken else 1, len(refused)))
            if reached in ("told", "late"):
                self.rig.ledger.sent_again.update(taken)
        self.rig.ledger.accepted.update(taken)
        if reply[0] == 550:
            self.rig.ledger.refuse(message.number, taken, reply[1].decode())
            session.rset()
        return list(refused), refused

    @staticmethod
    def _put_off(session, to, reply):
        if reply[0] == 421:
            raise smtplib.SMTPServerDisconnected(str(reply))
        session.rset()
        return to, reply

    def begin(self):
        self.begun.set()

    def pause(self, seconds):
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(end - time.monotonic(), 0))
        return any(thread.is_alive() for thread in self.threads)

    def join(self):
        for thread in self.threads:
            thread.join()


class LocalLoad(Load):
    """The same messages from a program of a local user's, by sendmail(1): policyd is not asked, and nobody is charged."""

    UID = 33

    @staticmethod
    def sender(_):
        return "web@example.org"

    def _send(self, _, numbers):
        self.begun.wait()
        for number in numbers:
            message = self.rig.ledger.messages[number]
            deadline, text = time.monotonic() + 120, message.text.decode().replace("\r\n", "\n")
            while not self.over:
                run = self.rig.box.sendmail(self.UID, message.recipients, text, sender=message.sender)
                if run.returncode == 0:
                    self.rig.ledger.accepted.update(message.recipients)
                    break
                if time.monotonic() > deadline:
                    self.failed.append(f"{number}: {run}")
                    break
                time.sleep(0.2)


# How Postfix reaches the filter: the example, what its main.cf has besides, and where the filter listens there (in its file and
# behind a proxy).
def _unix(name):
    return lambda box: (box.path("queue/postsluice", name), box.path("queue/postsluice", name + "-itself"))


WAYS = {"after-queue": ("after-queue", "", _unix("filter")),
        "after-queue-smtp": ("after-queue-smtp", "", lambda box: ((box.address, 10587), (box.address, 10588))),
        "before-queue": ("before-queue", "", _unix("before-queue")),
        "before-queue-by-line": ("before-queue", "smtpd_proxy_options =\n", _unix("before-queue")),
        "pipe": ("pipe", "", _unix("pipe"))}


def _endpoint(end):
    return f"inet:{end[0]}:{end[1]}" if isinstance(end, tuple) else f"unix:{end}"


class Rig:
    """A sandbox with a proxy before the filter (`wire`) and behind it (`hop`, then `back`), and small file systems (MiB by name)
    where asked for. `shifted`: with clocks of its own."""

    def __init__(self, build, small=None, way="after-queue", shifted=False):
        example, more, ends = WAYS[way]
        self.way = way
        self.box = box = (ShiftedSandbox if shifted else Sandbox)(build, example, overrides=OVERRIDES, main_cf=MAIN_CF + more)
        self.proxies, self.mounts, self.next_number, self.rows = [], [], 1, []
        self.ledger = Ledger(box.sink)
        self.books = Books(self)
        try:
            for name, size in (small or {}).items():
                self._mount(box.path(name), size)
            front, inner = ends(box)
            hop, back = box.path("run/hop"), box.path("run/back")
            reentry = box.path("queue/public/postsluice-reentry")
            text = box.config_file.read_text()
            for there, here in ((f'{_endpoint(front)}"', f'{_endpoint(inner)}"'), (f'next_hop = "unix:{reentry}"', f'next_hop = "unix:{hop}"')):
                assert there in text, there
                text = text.replace(there, here)
            box.config_file.write_text(text)
            self.wire, self.hop, self.back = ByteProxy(front, inner), HopProxy(hop, back), ByteProxy(back, reentry)
            self.proxies = [self.wire, self.hop, self.back]
            self.hop.lost = self._reply_lost
            self.hop.taken = lambda content: self.ledger.taken.append((time.monotonic(), number_of(content)))
            box.sink.lost = lambda delivery: self.ledger.lost_replies.update(delivery.recipients)
            box.start()
        except BaseException:
            self.stop()
            raise

    def _mount(self, path, size):
        """What lies there already is taken along."""
        mode, owner, aside = "mode=770", (self.box.uid, self.box.gid), None
        if path.exists() and any(path.iterdir()):
            there, aside = path.stat(), path.with_name(path.name + "-aside")
            mode, owner = f"mode={there.st_mode & 0o7777:o}", (there.st_uid, there.st_gid)
            path.rename(aside)
        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m,{mode},uid={owner[0]},gid={owner[1]}", "none", path], check=True)
        self.mounts.append(path)
        if aside:
            subprocess.run(["cp", "-a", f"{aside}/.", path], check=True)

    def _reply_lost(self, content):
        self.ledger.lost_replies.update(self.ledger.messages[number_of(content)].recipients)

    @contextlib.contextmanager
    def absent(self):
        """The filter is gone, or stopped, in the meantime: what the next hop takes about then it may never hear of."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.ledger.absent.append((begin, time.monotonic()))

    def stop(self):
        for proxy in self.proxies:
            proxy.close()
        self.box.stop_postfix()
        for name in list(self.box.processes):
            with contextlib.suppress(Exception):
                self.box.stop_daemon(name, timeout=20)
        for path in reversed(self.mounts):
            subprocess.run(["umount", "-l", path], check=False)
        self.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))

    def heal(self):
        self.wire.harm = self.back.harm = self.hop.plan = None
        self.box.sink.replies.clear()

    def works(self):
        """Both daemons are there. After a fault that could not be undone every message would wait for its time-out."""
        return all(name in self.box.processes and self.box.processes[name].poll() is None for name in ("policyd", "contentfilter"))

    def keep_busy(self, seconds):
        """For so long, with what waits in the queue tried again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.box.flush()
            time.sleep(0.5)

    def run(self, name, fault, messages, patience=120, state=None, local=False, **kind):
        """One fault, and messages of one kind (ledger.make), over sessions or `local` ones; returns its row of the table. "wrong": what
        the state says otherwise than the ledger (`state`: what Books.compare is to know)."""
        numbers, begun = range(self.next_number, self.next_number + messages), time.monotonic()
        self.next_number += messages
        if fresh := getattr(fault, "fresh", None):  # connections that were opened before it would be spared
            getattr(self, fresh).drop()
        before = self.books.read(LOGINS)
        load = (LocalLoad if local else Load)(self, numbers, waits=getattr(fault, "comes_first", False), **kind)
        try:
            struck = fault(self, load)
        except BaseException:
            load.over = True
            raise
        finally:
            load.begin()
            self.heal()
            load.join()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self.ledger.read_sink()
            if kind.get("virus"):
                self.books.read_quarantine()
            if not self.ledger.open(numbers):
                break
            self.box.flush()
            time.sleep(0.5)
        self._let_the_queue_drain()
        row = {"fault": name, "struck": struck, **self.ledger.row(numbers), "refused": load.failed}
        row["wrong"] = self.books.compare(before, load, **(state or {}))
        row["seconds"] = round(time.monotonic() - begun, 1)
        self.rows.append(row)
        return row

    def _let_the_queue_drain(self):
        """What still lies there would arrive as a duplicate."""
        deadline = time.monotonic() + 60
        while self.box.queue() and time.monotonic() < deadline:
            self.box.flush()
            time.sleep(0.3)
        self.ledger.read_sink()

    def last_words(self, lines=12):
        """What the logs end with: where a row went wrong, often why."""
        logs = {"filter": self.box.daemon_log("contentfilter"), "policyd": self.box.daemon_log("policyd"), "Postfix": self.box.log()}
        return "\n".join(f"{name}: {line}" for name, text in logs.items() for line in text.splitlines()[-lines:])

    def told_of(self, pattern):
        """How often the logs speak of it."""
        texts = (self.box.log(), self.box.daemon_log("contentfilter"), self.box.daemon_log("policyd"))
        return sum(len(re.findall(pattern, text)) for text in texts)

    def complaints(self):
        """How often the logs speak of a full disk."""
        return self.told_of("no room|No space left|nsufficient system storage")
