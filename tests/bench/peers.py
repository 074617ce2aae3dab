# SPDX-License-Identifier: Apache-2.0
"""The policy servers that policyd is measured against, from Debian's packages: each with a configuration of its own in a scratch
directory, as nobody, on a loopback port, started and stopped by pid. Five rate limits on each sasl_username that are never
reached, and a FROM rule where the server has such a thing (policyd-rate-limit has none)."""

import grp
import os
import pathlib
import pwd
import select
import signal
import socket
import subprocess
import time

from measure import children

PERIODS = (60, 60, 3600, 86400, 86400)  # seconds, as policyd's five
NEVER = 100000000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(where):
    """To a port of 127.0.0.1, or to a unix socket by its path."""
    if isinstance(where, int):
        return socket.create_connection(("127.0.0.1", where), 1)
    made = socket.socket(socket.AF_UNIX)
    try:
        made.connect(str(where))
    except OSError:
        made.close()
        raise
    return made


class Peer:
    """A server on a port of 127.0.0.1 or a unix socket; `pidfile` is of one that goes to the background. What it forked ends with
    it, by pid."""

    def __init__(self, name, command, where, log, pidfile=None, patience=30):
        self.name, self.where, self.pidfile = name, where, pidfile
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + patience
        while True:
            try:
                connect(where).close()
                if not pidfile or pidfile.read_text().strip():
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or (not pidfile and self.process.poll() is not None):
                self.stop()
                raise RuntimeError(f"{name} does not listen:\n{pathlib.Path(log).read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    @property
    def target(self):
        return f"inet:127.0.0.1:{self.where}"

    def master(self):
        return int(self.pidfile.read_text()) if self.pidfile and self.pidfile.exists() else self.process.pid

    def roots(self):
        return [self.master()]

    def stop(self):
        # By descriptor, so that a number that was given to another process meanwhile is not meant.
        handles = []
        for pid in children(self.master()):
            try:
                handles.append(os.pidfd_open(pid))
            except OSError:
                pass
        for how in (signal.SIGTERM, signal.SIGKILL):
            for handle in handles:
                try:
                    signal.pidfd_send_signal(handle, how)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + 5
            waiting = list(handles)
            while waiting and time.monotonic() < deadline:
                done, _, _ = select.select(waiting, [], [], 0.5)
                waiting = [handle for handle in waiting if handle not in done]
                self.process.poll()
        for handle in handles:
            os.close(handle)
        self.process.wait()


def as_user(user, *command):
    return ["setpriv", f"--reuid={user}", f"--regid={grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name}", "--clear-groups", "--", *map(str, command)]


def as_nobody(*command):
    return as_user("nobody", *command)


def own(directory, user="nobody"):
    directory.mkdir()
    os.chown(directory, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    return directory


def postfwd(program, scratch):
    """postfwd2 is Debian's default (/etc/init.d/postfwd), with its cache process on a unix socket; postfwd1 is one process."""
    base, port = own(scratch / program), free_port()
    rules = ["id=FROM; sasl_username=~/./; sender!=$$sasl_username; action=REJECT not your address"]
    rules += [f"id=R{n}; protocol_state==RCPT; action=rate(sasl_username/{NEVER + n}/{period}/450 4.7.1 too many)" for n, period in enumerate(PERIODS)]
    (base / "rules").write_text("\n".join(rules) + "\n")
    command = [f"/usr/sbin/{program}", f"--file={base}/rules", "--interface=127.0.0.1", f"--port={port}", "--user=nobody", "--group=nogroup",
               f"--pidfile={base}/pid", "--nodns", "--perfmon", "--summary=600", "--cache=600", "--cache-rdomain-only", "--cache-no-size"]
    # In the foreground postfwd2 has no cache process, and so no rate limits; postfwd1 does not listen at all.
    command += ["--daemon"]
    if program == "postfwd2":
        command += ["--cache_proto=unix", f"--cache_port={base}/cache"]
    return Peer(program, as_nobody(*command), port, base / "log", base / "pid")


def policyd_rate_limit(scratch):
    base, port = own(scratch / "rate-limit"), free_port()
    limits = "".join(f"    - [{NEVER + n}, {period}]\n" for n, period in enumerate(PERIODS))
    text = pathlib.Path("/usr/lib/python3/dist-packages/policyd_rate_limit/policyd-rate-limit.yaml").read_text()
    lines, skipping = [], False
    for line in text.splitlines():
        if line.startswith("    - [") and skipping:
            continue
        skipping = line.startswith("limits:")
        for key, value in (("debug", "False"), ("user", "nobody"), ("group", "nogroup"), ("pidfile", f"{base}/pid"),
                           ("SOCKET", f'["127.0.0.1", {port}]')):
            if line.startswith(key + ":"):
                line = f"{key}: {value}"
        if line.startswith("    database: \"/var/lib"):
            line = f"    database: {base}/db.sqlite3"
        lines.append(line + ("\n" + limits if skipping else ""))
        skipping = skipping or line.startswith("    - [")
    (base / "conf.yaml").write_text("\n".join(lines) + "\n")
    return Peer("policyd-rate-limit", as_nobody("/usr/bin/policyd-rate-limit", "--file", base / "conf.yaml"), port, base / "log")
