# SPDX-License-Identifier: Apache-2.0
"""Faults of the way in by pipe(8): its processes die while they hand a message over. Each is a function of (rig, load) that returns how
often it struck."""

import contextlib
import os
import pathlib
import signal
import time


def processes(rig):
    """(pid, its parent, its words) of pipe(8)'s and postsluice-pipe's processes of this rig."""
    master = rig.box.path("queue/pid/master.pid").read_text().strip()
    deliveries, clients = {}, {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if parent == master and words[0] == b"pipe":
                deliveries[int(entry.name)] = parent
            elif words[0].endswith(b"/postsluice-pipe"):
                clients[int(entry.name)] = int(parent)
    return deliveries, {pid: parent for pid, parent in clients.items() if parent in deliveries}


@contextlib.contextmanager
def slowly(rig):
    """An octet at a time to the filter, so that a client is met in the middle of its message."""
    rig.wire.harm = {"way": "up", "how": "split", "budget": 1 << 30, "pause": 0.002}
    try:
        yield
    finally:
        rig.wire.harm = None


def in_the_middle(rig, load, strike, times=6):
    """strike(deliveries, clients) whenever there are clients at work; it says how often it struck."""
    struck = 0
    for _ in range(times):
        with slowly(rig):
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                deliveries, clients = processes(rig)
                if clients:
                    time.sleep(0.1)  # well into the envelope or the content
                    struck += strike(deliveries, clients)
                    break
                if not load.pause(0.05) and not rig.box.queue():
                    return struck
                rig.box.flush()
        load.pause(0.3)
    return struck


def kill(pids, number):
    struck = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            struck += 1
    return struck


def client_killed(number):
    """postsluice-pipe gets a signal: SIGKILL, of which it knows nothing, or one that it turns into an exit code."""
    return lambda rig, load: in_the_middle(rig, load, lambda deliveries, clients: kill(clients, number))


def delivery_killed(rig, load):
    """pipe(8) dies: its client sees a clean end of its input, somewhere in the message."""
    return in_the_middle(rig, load, lambda deliveries, clients: kill(set(clients.values()), signal.SIGKILL))


def filter_killed_under_clients(rig, load):
    def strike(deliveries, clients):
        with rig.absent():
            rig.box.stop_daemon("contentfilter", signal.SIGKILL)
            rig.box.start_daemon("contentfilter")
        return 1
    return in_the_middle(rig, load, strike, 4)
