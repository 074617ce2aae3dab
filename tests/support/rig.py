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

from ledger import Ledger, make
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
[policyd]
lease = "30 seconds"
[profile.bulk]
inherits = "default"
limits   = ["unlimited messages per minute", "1000000 recipients per hour", "1000000 recipients per day"]
lock     = { after = ["1000 virus"], for = "30 minutes" }
[[assign]]
profile = "bulk"
login   = ["*@example.org"]
"""
# Time-outs short enough for a test, with the order of the example: ours before Postfix's.
MAIN_CF = """
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
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
    """Four clients that send numbered messages, each over a session that it opens again where it broke; 4xx is tried again. What a fault does to the
    rig it does in the meantime: `pause` waits a while, and says whether the clients still send."""

    def __init__(self, rig, numbers, waits=False, **kind):
        self.rig, self.numbers, self.failed = rig, list(numbers), []
        self.begun = threading.Event()
        if not waits:
            self.begin()
        self.over = False
        chance = random.Random(self.numbers[0])
        for i, number in enumerate(self.numbers):
            rig.ledger.messages[number] = make(number, LOGINS[i % 4], chance, **kind)
        self.threads = [threading.Thread(target=self._send, args=(login, self.numbers[k::4])) for k, login in enumerate(LOGINS)]
        for thread in self.threads:
            thread.start()

    def _send(self, login, numbers):
        session = None
        self.begun.wait()
        for number in numbers:
            message = self.rig.ledger.messages[number]
            deadline, left = time.monotonic() + 120, list(message.recipients)
            while left and not self.over:
                try:
                    session = session or self.rig.box.submit_session(login)
                    refused = session.sendmail(login, left, message.text)  # raises only where all of them are
                    self.rig.ledger.accepted.update(r for r in left if r not in refused)
                    left = list(refused)
                    if left and time.monotonic() > deadline:
                        self.failed.append(f"{number}: {refused}")
                        break
                    time.sleep(0.2 if left else 0)
                except (smtplib.SMTPException, OSError) as error:
                    if time.monotonic() > deadline:
                        self.failed.append(f"{number}: {error}")
                        break
                    if not isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused) and session:
                        session.close()
                        session = None
                    time.sleep(0.2)  # a client's pause before it tries again
        if session:
            session.close()

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


# How Postfix reaches the filter: the example, and where the filter listens there (in `text` and as a proxy's end).
def _lmtp(box):
    return box.path("queue/postsluice/filter"), box.path("queue/postsluice/filter-itself")


def _before_queue(box):
    return box.path("queue/postsluice/before-queue"), box.path("queue/postsluice/before-queue-itself")


def _pipe(box):
    return box.path("queue/postsluice/pipe"), box.path("queue/postsluice/pipe-itself")


def _smtp(box):
    return (box.address, 10587), (box.address, 10588)


WAYS = {"after-queue": _lmtp, "after-queue-smtp": _smtp, "before-queue": _before_queue, "pipe": _pipe}


def _endpoint(end):
    return f"inet:{end[0]}:{end[1]}" if isinstance(end, tuple) else f"unix:{end}"


class Rig:
    """A sandbox with a proxy before the filter (`wire`) and behind it (`hop`, then `back`), and small file systems (MiB by name)
    where asked for. `shifted`: with clocks of its own."""

    def __init__(self, build, small=None, way="after-queue", shifted=False):
        self.box = box = (ShiftedSandbox if shifted else Sandbox)(build, way, overrides=OVERRIDES, main_cf=MAIN_CF)
        self.proxies, self.mounts, self.next_number, self.rows = [], [], 1, []
        self.ledger = Ledger(box.sink)
        try:
            for name, size in (small or {}).items():
                self._mount(box.path(name), size)
            front, inner = WAYS[way](box)
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
        number = re.search(rb"^Subject: number (\d+)\r$", content, re.MULTILINE)
        self.ledger.lost_replies.update(self.ledger.messages[int(number.group(1))].recipients)

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

    def run(self, name, fault, messages, patience=120, **kind):
        """One fault, and messages of one kind (ledger.make); returns its row of the table."""
        numbers = range(self.next_number, self.next_number + messages)
        self.next_number += messages
        if fresh := getattr(fault, "fresh", None):  # connections that were opened before it would be spared
            getattr(self, fresh).drop()
        load = Load(self, numbers, waits=getattr(fault, "comes_first", False), **kind)
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
                self._read_quarantine()
            if not self.ledger.open(numbers):
                break
            self.box.flush()
            time.sleep(0.5)
        self._let_the_queue_drain()
        row = {"fault": name, "struck": struck, **self.ledger.row(numbers), "refused": load.failed}
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

    def _read_quarantine(self):
        for entry in self.box.postsluice("quarantine", "list", json_output=True)["entries"]:
            self.ledger.kept.update(str(r).strip("<>") for r in entry["recipients"])
