# SPDX-License-Identifier: Apache-2.0
"""Faults of the daemons and of the machine under them. Each is a function of (rig, load) that returns how often it struck."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from faults_net import at_the_dots_reply
from sandbox import SandboxError
from scarcity import Scarcity


def comes_first(fault):
    """The clients wait until the fault says load.begin()."""
    fault.comes_first = True
    return fault


def busy_until_struck(rig, load, seconds, struck):
    """Busy for so long; on a slow machine until struck(), or until there is no mail left to strike. Returns what struck() says."""
    rig.keep_busy(seconds)
    end = time.monotonic() + 60
    while not struck() and time.monotonic() < end and (load.pause(0.2) or rig.box.queue()):
        rig.box.flush()
    return struck()


def killed(name, times=4):
    def fault(rig, load):
        for _ in range(times):
            load.pause(0.7)
            with rig.absent() if name == "contentfilter" else contextlib.nullcontext():
                rig.box.stop_daemon(name, signal.SIGKILL)
                rig.box.start_daemon(name)
        return times
    return fault


def reentry_processes(rig):
    """The smtpd behind the filter: pids."""
    master = rig.box.path("queue/pid/master.pid").read_text().strip()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if parent == master and words[0].endswith(b"smtpd") and b"postsluice-reentry" in words:
                yield int(entry.name)


def killed_unheard(rig, load):
    """The filter dies after it said that it took a message over, and before Postfix heard it. It had written down to whom the message
    went, so its death explains no duplicate. For loads of one message: of others it might not know yet."""
    struck = at_the_dots_reply("freeze", budget=1)(rig, load)
    rig.box.stop_daemon("contentfilter", signal.SIGKILL)
    rig.box.start_daemon("contentfilter")
    return struck


def reentry_killed(rig, load):
    """The smtpd behind the filter dies, whatever it is doing."""
    struck = turns = 0
    while turns < 5 or (not struck and (load.pause(0) or rig.box.queue())):  # on a slow machine the first message comes there later
        load.pause(0.4)
        turns += 1
        for pid in reentry_processes(rig):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                struck += 1
    return struck


def stopped(name, seconds=2, times=2):
    def fault(rig, load):
        for _ in range(times):
            load.pause(0.3)
            with rig.absent() if name == "contentfilter" else contextlib.nullcontext():
                rig.box.processes[name].send_signal(signal.SIGSTOP)
                load.pause(seconds)
                time.sleep(0.5)
                rig.box.processes[name].send_signal(signal.SIGCONT)
        return times
    return fault


def full(directory, seconds=3):
    """The small file system is full for a while."""
    @comes_first
    def fault(rig, load):
        filler, before = rig.box.path(directory, "filler"), rig.complaints()
        with open(filler, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 65536)
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 512)
        load.begin()
        struck = busy_until_struck(rig, load, seconds, lambda: rig.complaints() - before)
        filler.unlink()
        return struck
    return fault


def injected(name, call, error, when="1+2", seconds=3):
    """A system call of a daemon fails, by strace."""
    @comes_first
    def fault(rig, load):
        log = rig.box.path(f"log/strace-{name}-{call.replace(',', '-')}-{error}")
        command = ["strace", "-f", "-qq", "-o", log, "-p", str(rig.box.processes[name].pid), "-e", f"trace={call}",
                   "-e", f"inject={call}:error={error}:when={when}"]
        tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = pathlib.Path(f"/proc/{rig.box.processes[name].pid}/status")
        rig.box.wait_until(lambda: not re.search(r"^TracerPid:\s+0$", status.read_text(), re.MULTILINE), "strace", 30)
        load.begin()
        busy_until_struck(rig, load, seconds, lambda: "(INJECTED)" in log.read_text(errors="replace"))
        tracer.terminate()
        tracer.wait(20)
        return log.read_text(errors="replace").count("(INJECTED)")
    return fault


def set_limit(rig, pid, what, value):
    """A soft limit of a daemon, set as its own user: root may lack CAP_SYS_RESOURCE (in a container). Returns what it was."""
    row = re.search(rf"^{ {'nofile': 'Max open files'}[what] } +(\S+)", pathlib.Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    subprocess.run(["setpriv", f"--reuid={rig.box.uid}", f"--regid={rig.box.gid}", "--clear-groups", "prlimit", "--pid", str(pid),
                    f"--{what}={value}:"], check=True)
    return row.group(1)


def no_descriptors(name, seconds=3):
    """The daemon can open nothing any more."""
    @comes_first
    def fault(rig, load):
        pid, before = rig.box.processes[name].pid, rig.told_of("Too many open files")
        used = {int(number) for number in os.listdir(f"/proc/{pid}/fd")}
        soft = set_limit(rig, pid, "nofile", min(set(range(len(used) + 1)) - used))  # the next one would have this number
        try:
            load.begin()
            return busy_until_struck(rig, load, seconds, lambda: rig.told_of("Too many open files") - before)
        finally:
            set_limit(rig, pid, "nofile", soft)
    return fault


def no_memory(name, after=10_000, seconds=3):
    """The daemon gets no more memory after so many allocations, which some messages need; it ends at once and is started again."""
    @comes_first
    def fault(rig, load):
        rig.box.stop_daemon(name)
        memory = Scarcity(rig.box)
        process = memory.start(name)
        memory.begin(after, 1000)
        with rig.absent():
            load.begin()
            busy_until_struck(rig, load, seconds, lambda: process.poll() is not None)
        memory.end()
        died = process.poll() is not None
        if died:
            rig.box.processes.pop(name)
        else:
            rig.box.stop_daemon(name)
        rig.box.start_daemon(name)
        return int(died)
    return fault


def clock_steps(rig, load):
    """The wall clock jumps a year ahead, a year back, and to the right time; policyd and the filter are both under it."""
    steps = (365 * 86400, -365 * 86400, 0) * 2
    for wall in steps:
        rig.box.shift(wall=wall)
        load.pause(0.7)
    return len(steps)


def damaged(environment, how):
    """Both daemons are killed, a file of the state is damaged, and they are started again."""
    def harm(file):
        if how == "deleted":
            file.unlink()
        elif how == "truncated":
            os.truncate(file, file.stat().st_size // 2 + 100)
        elif how == "empty":
            os.truncate(file, 0)
        else:
            file.write_bytes(os.urandom(file.stat().st_size))

    def fault(rig, load):
        load.pause(0.7)
        with rig.absent():
            for name in ("policyd", "contentfilter"):
                rig.box.stop_daemon(name, signal.SIGKILL)
            harm(rig.box.path("state", environment, "data.mdb"))
            for name in ("policyd", "contentfilter"):
                rig.box.start_daemon(name)
        load.pause(0.7)
        return 1
    return fault


def unusable(environment, owner=None, mode=0o600):
    """A file of the state cannot be written: it belongs to somebody else, or is read-only. The daemons say so and do not start, until
    that is put right."""
    def fault(rig, load):
        load.pause(0.5)
        file = rig.box.path("state", environment, "data.mdb")
        struck = 0
        for name in ("policyd", "contentfilter"):
            rig.box.stop_daemon(name)
        if owner is not None:
            os.chown(file, owner, owner)
        os.chmod(file, mode)
        for name in ("policyd", "contentfilter"):
            with contextlib.suppress(SandboxError):
                rig.box.start_daemon(name)
            if rig.box.processes[name].poll() is not None:
                rig.box.processes.pop(name)
                struck += str(file.parent) in rig.box.daemon_log(name)
        load.pause(0.5)
        os.chown(file, rig.box.uid, rig.box.gid)
        os.chmod(file, 0o660)
        for name in ("policyd", "contentfilter"):
            if name not in rig.box.processes:
                rig.box.start_daemon(name)
        return struck
    return fault


def deleted_under_way(environment):
    """A file of the state is deleted while the daemons have it open."""
    def fault(rig, load):
        load.pause(0.5)
        rig.box.path("state", environment, "data.mdb").unlink()
        load.pause(1)
        for name in ("policyd", "contentfilter"):
            rig.box.stop_daemon(name)
            rig.box.start_daemon(name)
        return 1
    return fault


def reloaded(rig, load):
    """Configuration and keys are read anew, by both daemons and by Postfix."""
    times = 8
    for n in range(times):
        for name in ("policyd", "contentfilter"):
            rig.box.processes[name].send_signal(signal.SIGHUP)
        if n % 4 == 0:
            # What `postfix reload` comes to. The program itself logs through postlogd, which may be reading its configuration just
            # then, and each waits for the other: Postfix's own trouble, and no fault of this table.
            os.kill(int(rig.box.path("queue/pid/master.pid").read_text()), signal.SIGHUP)
        load.pause(0.3)
    return times


def start_together(box, times):
    """Both daemons at the same moment, on a state that is not there yet and on one that is; says what went wrong."""
    wrong = []
    for n in range(times):
        if n % 2 == 0:
            for entry in box.path("state").iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        errors = []

        def start(name):
            try:
                box.start_daemon(name)
            except SandboxError as error:
                errors.append(str(error))

        threads = [threading.Thread(target=start, args=(name,)) for name in ("policyd", "contentfilter")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status = box.postsluice("status")
        if status.returncode != 0:
            errors.append(status.stdout + status.stderr)
        for name in ("contentfilter", "policyd"):
            code = box.stop_daemon(name)
            if code != 0:
                errors.append(f"{name} ended with {code}")
        wrong += [f"start {n}: {error}" for error in errors]
    return wrong
