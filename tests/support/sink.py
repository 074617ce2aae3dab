# SPDX-License-Identifier: Apache-2.0
"""The next hop of a test: an SMTP server that keeps every message, octet for octet, with its envelope.

Replies can be scripted per command, so that a test sees what Postfix and the filter do when a next hop refuses. It runs
in threads of the test process; nothing is shared with it but a lock and a list.
"""

import socket
import socketserver
import threading
import time


class Delivery:
    """One accepted message. `content` is the raw octets, CRLF, unstuffed."""

    def __init__(self, sender, recipients, content, rcpt_lines=()):
        self.sender = sender
        self.recipients = recipients
        self.rcpt_lines = list(rcpt_lines)  # what followed RCPT TO:, parameters and all
        self.content = content
        self.at = time.time()

    def text(self):
        return self.content.decode("utf-8", "replace")

    def header(self, name):
        """The unfolded values of a header field, top to bottom."""
        values, ours = [], False
        for line in self.text().split("\r\n\r\n", 1)[0].split("\r\n"):
            if line[:1] in (" ", "\t"):
                if ours:
                    values[-1] += " " + line.strip()
                continue
            key, _, value = line.partition(":")
            ours = key.strip().lower() == name.lower()
            if ours:
                values.append(value.strip())
        return values


class _Handler(socketserver.StreamRequestHandler):
    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, text):
        self.wfile.write((text + "\r\n").encode())
        self.wfile.flush()

    def handle(self):
        sink = self.server.sink
        try:
            self._serve(sink)
        except (ConnectionError, BrokenPipeError):
            pass

    def _serve(self, sink):
        reply = lambda what, default: sink.replies.get(what, default)
        greeting = reply("connect", "220 sink ESMTP")
        if greeting is None:
            return
        self.say(greeting)
        sender, recipients, lines = None, [], []
        while True:
            line = self.rfile.readline(65536)
            if not line:
                return
            command = line.decode("utf-8", "replace").rstrip("\r\n")
            verb = command.split(" ")[0].upper()
            if verb in ("EHLO", "HELO"):
                self.say("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 0")
            elif verb == "MAIL":
                answer = reply("mail", "250 2.1.0 Ok")
                self.say(answer)
                sender, recipients, lines = command[10:], [], []
            elif verb == "RCPT":
                answer = reply("rcpt:" + command[8:].split(">")[0].strip("< "), reply("rcpt", "250 2.1.5 Ok"))
                self.say(answer)
                sink.refusals += not answer.startswith("2")
                if answer.startswith("2"):
                    lines.append(command[8:])
                    recipients.append(command[8:].split(">")[0].strip("< "))
            elif verb == "DATA":
                if not recipients:
                    self.say("554 5.5.1 No valid recipients")
                    continue
                answer = reply("data", "354 go")
                self.say(answer)
                if not answer.startswith("3"):
                    continue
                content = bytearray()
                while True:
                    part = self.rfile.readline()
                    if not part:
                        return  # an unfinished message is never counted
                    if part == b".\r\n":
                        break
                    content += part[1:] if part.startswith(b".") else part
                answer = reply("dot", "250 2.0.0 Ok: kept")
                sink.refusals += not (answer or "").startswith("2")
                if answer is None:
                    return
                if answer == "lose":
                    sink._keep(Delivery(sender, recipients, bytes(content)))
                    sink.lost(Delivery(sender, recipients, bytes(content)))
                    return
                if answer.startswith("2"):
                    sink._keep(Delivery(sender, recipients, bytes(content), lines))
                self.say(answer)
            elif verb == "RSET":
                sender, recipients, lines = None, [], []
                self.say("250 Ok")
            elif verb == "QUIT":
                self.say("221 Bye")
                return
            else:
                self.say("250 Ok")


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256


class Sink:
    """`replies`: {"rcpt:user@host": "550 ...", "dot": None (hang up) or "lose" (keep, and hang up without a reply), ...}; change
    it at any time. `refusals` counts what was not answered with 2xx at RCPT and at the dot; `lost` is called with each
    delivery whose reply was lost."""

    def __init__(self, address, port=2525):
        self.replies = {}
        self.refusals = 0
        self.lost = lambda delivery: None
        self._deliveries = []
        self._changed = threading.Condition()
        self._server = _Server((address, port), _Handler)
        self._server.sink = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def _keep(self, delivery):
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify_all()

    @property
    def deliveries(self):
        with self._changed:
            return list(self._deliveries)

    def clear(self):
        with self._changed:
            self._deliveries.clear()

    def wait(self, count=1, timeout=90, match=lambda d: True):
        """The first `count` deliveries that match; fewer where the time is over."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                found = [d for d in self._deliveries if match(d)]
                left = deadline - time.monotonic()
                if len(found) >= count or left <= 0:
                    return found
                self._changed.wait(min(left, 0.5))

    def close(self):
        self._server.shutdown()
        self._server.server_close()
