# SPDX-License-Identifier: Apache-2.0
"""Two men in the middle: one that knows octets only, and one that knows SMTP. An end is a path, or a host and a port.

`ByteProxy` splits, delays, cuts, freezes and resets. `HopProxy` stands before a real SMTP server and answers in its place:
any reply to any command, a hang-up, a reply that is lost after the server said it. Both hurt as often as their budget says
and are transparent then. They run in threads of the test process.
"""

import os
import random
import select
import socket
import threading
import time


def _socket(end):
    """A socket for an end, and its address."""
    if isinstance(end, tuple):
        out = socket.socket(socket.AF_INET)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return out, end
    return socket.socket(socket.AF_UNIX), str(end)


class _Proxy:
    def __init__(self, listen, target):
        self.target = target
        self.struck = 0
        self._lock = threading.Lock()
        self._open = set()
        self._closed = False
        self._listener, address = _socket(listen)
        self._listener.bind(address)
        if isinstance(address, str):
            os.chmod(address, 0o666)
        self._listener.listen(200)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(client,), daemon=True).start()

    def _run(self, client):
        server, address = _socket(self.target)
        ends = {client, server}
        with self._lock:
            self._open |= ends
        try:
            server.settimeout(60)
            server.connect(address)
            server.settimeout(None)
            self._serve(client, server)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            with self._lock:
                self._open -= ends
            for end in ends:
                end.close()

    def close(self):
        self._listener.close()
        self.drop()

    def drop(self):
        """Ends every connection that is open now."""
        with self._lock:
            for end in self._open:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class ByteProxy(_Proxy):
    """`harm`: None, or {"way": "up" | "down", "how": "close" | "reset" | "freeze" | "split", "budget": N, "within": octets,
    "piece": octets, "pause": seconds}. A connection that is to be cut is cut after a random number of octets up to `within`.
    With "command" (one that Postfix begins to speak with after it was answered: XFORWARD, RSET) the harm comes there: the connection
    is cut before the command, or "answer" is said in the filter's place, which never sees it. With "reply" it comes before a reply of
    the filter's that begins so."""

    harm = None
    turn = 0

    def _take(self):
        with self._lock:
            harm = self.harm
            if not harm or harm["budget"] <= 0 or "command" in harm or "reply" in harm:
                return None
            harm["budget"] -= 1
            out = dict(harm)
        # Small numbers as often as large ones: what is said before the content takes a few octets. Every second one is so small that
        # any connection comes to it.
        within = 256 if harm["budget"] % 2 == 0 else harm.get("within", 1 << 14)
        out["at"] = int(2 ** random.uniform(0, within.bit_length() - 1))
        return out

    def _at_command(self, data):
        """The harm, where this is the command that it waits for. Every second one, so that others pass between."""
        with self._lock:
            harm = self.harm
            if not harm or "command" not in harm or not data.startswith(harm["command"]) or harm["budget"] <= 0:
                return None
            self.turn += 1
            if self.turn % 2:
                return None
            harm["budget"] -= 1
            self.struck += 1
            return harm

    def _at_reply(self, data):
        """The same for a reply; each one, until the budget is spent."""
        with self._lock:
            harm = self.harm
            if not harm or "reply" not in harm or not data.startswith(harm["reply"]) or harm["budget"] <= 0:
                return None
            harm["budget"] -= 1
            self.struck += 1
            return harm

    def _serve(self, client, server):
        harm = self._take()
        moved = {"up": 0, "down": 0}
        ways = {client: ("up", server), server: ("down", client)}
        if harm and harm["how"] == "split":
            self.struck += 1
        while True:
            for source in select.select(list(ways), [], [])[0]:
                way, target = ways[source]
                ours = harm if harm and harm["way"] == way else None
                data = source.recv(65536)
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    del ways[source]
                    if not ways:
                        return
                    continue
                if way == "up" and (at := self._at_command(data)):
                    if at["how"] != "answer":
                        return self._end(at["how"], client, server)
                    client.sendall(at["answer"])
                    data = data.split(b"\n", 1)[1]  # what was pipelined with it goes on
                if way == "down" and (at := self._at_reply(data)):
                    return self._end(at["how"], client, server)
                if ours and ours["how"] == "split":
                    self._split(data, target, ours)
                    continue
                if ours and moved[way] + len(data) >= ours["at"]:
                    target.sendall(data[:ours["at"] - moved[way]])
                    self.struck += 1
                    return self._end(ours["how"], client, server)
                moved[way] += len(data)
                target.sendall(data)

    def _split(self, data, target, ours):
        size = ours.get("piece", 1)
        while data and self.harm is not None:
            target.sendall(data[:size])
            data = data[size:]
            time.sleep(ours.get("pause", 0))
        target.sendall(data)

    def _end(self, how, client, server):
        if how == "freeze":  # nothing moves any more, and nobody is told, until either of them gives up
            poll = select.poll()
            for end in (client, server):
                poll.register(end, 0)
            while self.harm is not None and not poll.poll(200):
                pass
        # Closing while input lies unread is a reset, on a unix socket too: "close" reads first.
        if how == "close":
            for end in (client, server):
                end.setblocking(False)
                try:
                    while end.recv(65536):
                        pass
                except OSError:
                    pass


class _Teller:
    """The end of one who is told replies. While together(how many) says so they wait until he has said nothing more that waits to be
    read, and come in one piece."""

    def __init__(self, end, file, together):
        self.end, self.file, self.together, self.held = end, file, together, []

    def __getattr__(self, name):
        return getattr(self.end, name)

    def sendall(self, data):
        self.held.append(data)
        if self.together(0) and self._has_said_more():
            return
        if len(self.held) > 1:
            self.together(len(self.held))
        data, self.held = b"".join(self.held), []
        self.end.sendall(data)

    def _has_said_more(self):
        self.end.setblocking(False)
        try:
            return bool(self.file.peek(1))
        finally:
            self.end.setblocking(True)


class HopProxy(_Proxy):
    """`plan`: None, or {"at": stage, "do": what, "budget": N}. Stages: banner ehlo xforward mail rcpt rcpt2 (the second of a
    transaction) data content dot rset. What: octets to say instead of asking the server; ("lose",) asks it and hangs up without
    telling; ("hang up",) before asking; ("delay", s) asks and tells late; ("more", lines) tells it in that many lines; ("twice",)
    tells it twice; ("call", f) calls f before asking, ("call after", f) between asking and telling. At the stage "unread dot":
    ("reset",) resets the connection while the dot waits to be read. At "replies": ("coalesce",) tells replies in one piece where the
    client has said more already; each such piece is a strike.
    Octets that begin with 421 are followed by a hang-up. Every second chance is taken, so that others pass between. "before": a
    plan of the same kind that leads there (RSET is said after a refusal); it does not count as a strike."""

    plan = None
    TOLD = ("twice", "call", "call after")  # what leaves the reply as it is, and is told in time

    def __init__(self, listen, target):
        self.turns = {}
        super().__init__(listen, target)

    def _chance(self, *stages):
        with self._lock:
            plan = self.plan
            if not plan or plan["budget"] <= 0:
                return None
            before = plan.get("before")
            if before and before["at"] in stages:
                self.turns["before"] = self.turns.get("before", 0) + 1
                return before["do"] if self.turns["before"] % 2 == 0 else None
            if plan["at"] not in stages:
                return None
            self.turns["at"] = self.turns.get("at", 0) + 1
            if self.turns["at"] % 2 and plan["at"] not in ("banner", "ehlo", "rset"):  # they are few
                return None
            plan["budget"] -= 1
            self.struck += 1
            return plan["do"]

    def _together(self, replies):
        """Asked with so many replies that could be one piece."""
        with self._lock:
            plan = self.plan
            if not plan or plan["do"] != ("coalesce",) or plan["budget"] <= 0:
                return False
            if replies > 1:
                plan["budget"] -= 1
                self.struck += 1
            return True

    @staticmethod
    def _reply(file):
        out = b""
        while True:
            line = file.readline()
            if not line.endswith(b"\n"):
                raise EOFError
            out += line
            if line[3:4] != b"-":
                return out

    def _hello(self):
        server, address = _socket(self.target)
        server.settimeout(60)
        server.connect(address)
        file = server.makefile("rb")
        self._reply(file)
        server.sendall(b"EHLO proxy.example\r\n")
        self._reply(file)
        return server, file

    def _serve(self, client, server):
        up = client.makefile("rb")
        down = server.makefile("rb")
        client = _Teller(client, up, self._together)
        recipients, command = 0, b"banner"
        extra = []
        try:
            while True:
                if command == b"banner":
                    stages = ("banner",)
                else:
                    command = up.readline()
                    if not command:
                        return
                    verb = command[:4].upper().decode("latin-1")
                    recipients = 0 if verb == "MAIL" else recipients + (verb == "RCPT")
                    stages = {"EHLO": ("ehlo",), "XFOR": ("xforward",), "MAIL": ("mail",), "DATA": ("data",), "RSET": ("rset",),
                              "RCPT": ("rcpt2",) if recipients == 2 else ("rcpt",)}.get(verb, ())
                do = self._chance(*stages)
                if isinstance(do, bytes) and command == b"banner":
                    client.sendall(do)
                    return
                reply = self._step(client, server, down, None if command == b"banner" else command, do)
                if reply is None:
                    return
                if command[:4].upper() == b"DATA" and not isinstance(do, bytes) and reply[:1] == b"3":
                    again = self._content(client, up, server, down)
                    if again is None:
                        return
                    if again[0] is not server:
                        extra.append(again[0])
                    server, down = again
                command = b""
        finally:
            for end in extra:
                end.close()

    def _step(self, client, server, down, command, do):
        """One command and its reply; None where the connection is over."""
        if isinstance(do, bytes):
            client.sendall(do)
            return None if do.startswith(b"421") else do
        if do == ("hang up",):
            return None
        if do and do[0] == "call":
            do[1]()
        if command is not None:
            server.sendall(command)
        reply = self._reply(down)
        if do == ("lose",):
            return None
        client.sendall(self._altered(reply, do))
        return None if command and command[:4].upper() == b"QUIT" else reply

    @staticmethod
    def _altered(reply, do):
        if do and do[0] == "delay":
            time.sleep(do[1])
        if do and do[0] == "call after":
            do[1]()
        if do == ("twice",):
            return reply + reply
        if do and do[0] == "more":
            first = reply.rstrip().split(b"\r\n")[-1]
            return (first[:3] + b"-" + first[4:] + b"\r\n") * (do[1] - 1) + first + b"\r\n"
        return reply

    def _content(self, client, up, server, down):
        """Relays a message; returns the server for what follows, or None where the connection is over."""
        early = self._chance("content")
        content = []
        if early and early[0] == "call":
            content.append(up.readline())  # so that it is inside
            early[1]()
        elif early:
            client.sendall(early if isinstance(early, bytes) else b"")
            return None if early == ("hang up",) or early.startswith(b"421") else self._swallow(up)
        if self._chance("unread dot"):
            return self._wait_for_the_dot(client)
        while True:
            line = up.readline()
            if not line.endswith(b"\n"):
                return None  # no dot came, so none goes out
            content.append(line)
            if line == b".\r\n":
                break
        do = self._chance("dot")
        if isinstance(do, bytes) or do == ("hang up",):
            if isinstance(do, bytes):
                client.sendall(do)
            if not isinstance(do, bytes) or do.startswith(b"421"):
                return None
            server.close()  # without a dot: the server forgets the message
            return self._hello()
        content = b"".join(content)
        if do and do[0] == "call":
            do[1]()
        server.sendall(content)
        try:
            reply = self._reply(down)
        except (OSError, EOFError):
            self.lost(content)  # it may have been taken
            raise
        if reply.startswith(b"2"):
            self.taken(content)
        lost = bool(do) and do[0] not in self.TOLD
        if lost:
            self.lost(content)
        if do == ("lose",):
            return None
        try:
            answer = self._altered(reply, do)
            if not lost and self._gone(client):
                lost = True
                self.lost(content)
            client.sendall(answer)
        except OSError:
            if not lost:
                self.lost(content)
            raise
        return server, down

    @staticmethod
    def _wait_for_the_dot(client):
        """Reads all but the last octets of the content: who closes now resets the connection. None, as it is over."""
        while data := client.recv(65536, socket.MSG_PEEK):
            if data.endswith(b"\r\n.\r\n"):
                return None
            if len(data) > 4:
                client.recv(len(data) - 4)
            else:
                time.sleep(0.001)
        return None

    @staticmethod
    def _gone(end):
        """Whether nobody is there any more to hear what we would say."""
        poll = select.poll()
        poll.register(end, select.POLLHUP)
        return bool(poll.poll(0))

    @staticmethod
    def _swallow(up):
        while up.readline():
            pass
        return None

    def lost(self, content):
        """Called with each message that was taken, or may have been, whose reply is lost, or may come too late or too long."""

    def taken(self, content):
        """Called with each message that the server took."""
