# SPDX-License-Identifier: Apache-2.0
"""A control socket before a daemon's own, for commands that are told its directory (--control)."""

import contextlib
import pathlib
import socket
import socketserver
import threading


class Between:
    """Hands requests on, and answers back as `edit(octets)` has them. With `most` only so many; the next ones wait until let_go(), which
    ends them without an answer. A command that has more to ask than that is under way until then, however fast it is."""

    def __init__(self, directory, real, most=None, edit=lambda answer: answer):
        self.held = threading.Event()
        outer, asked, lock = self, [0], threading.Lock()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                request = self.rfile.readline()
                with lock:
                    asked[0] += 1
                    too_many = most is not None and asked[0] > most
                if too_many:
                    outer.held.wait()
                    return
                with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as there:
                    there.connect(str(real))
                    there.sendall(request)
                    with there.makefile("rb") as answer:
                        self.wfile.write(edit(answer.readline()))

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        directory.mkdir(exist_ok=True)
        self.server = Server(str(directory / pathlib.Path(real).name), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True, args=(0.05,)).start()

    def let_go(self):
        self.held.set()

    def close(self):
        self.held.set()
        self.server.shutdown()
        self.server.server_close()
