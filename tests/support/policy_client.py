# SPDX-License-Identifier: Apache-2.0
"""Postfix's side of the policy protocol (SMTPD_POLICY_README), where a test has to have it in its own hands."""

import os
import socket


def request(login, number, state="RCPT", instance=None):
    return (f"request=smtpd_access_policy\nprotocol_state={state}\nprotocol_name=ESMTP\nclient_address=127.0.0.1\nclient_name=unknown\n"
            f"server_port=587\nhelo_name=vm\nsender={login}\nrecipient={f'r{number}@example.net' if state == 'RCPT' else ''}\n"
            f"recipient_count={0 if state == 'RCPT' else 1}\nqueue_id=\ninstance={instance or f'{os.getpid():x}.{number:x}.0'}\nsize=0\n"
            f"sasl_method=PLAIN\nsasl_username={login}\n\n").encode()


class Client:
    """Postfix's side of one connection."""

    def __init__(self, box, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        try:  # waits like Postfix where others wait to be accepted; with a time-out it would fail at once (EAGAIN)
            self.socket.connect(str(box.path("queue/postsluice/policyd")))
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(timeout)

    def answer(self):
        got = b""
        while not got.endswith(b"\n\n"):
            part = self.socket.recv(4096)
            if not part:
                return got
            got += part
        return got

    def ask(self, *arguments, **more):
        self.socket.sendall(request(*arguments, **more))
        return self.answer()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
