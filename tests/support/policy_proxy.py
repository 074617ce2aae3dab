# SPDX-License-Identifier: Apache-2.0
"""A man in the middle that knows the policy protocol (SMTPD_POLICY_README): between Postfix and policyd."""

import re

from proxy import _Proxy


class PolicyProxy(_Proxy):
    """`plan`: None, or {"at": protocol state, "when": "asked" or "answered", "do": function, "budget": N}. When policyd is to be asked
    in that state, or has answered and Postfix was not told yet, do() is called; then policyd is asked, or Postfix is not told and has
    to ask again."""

    plan = None

    def _chance(self, state, when):
        with self._lock:
            plan = self.plan
            if not plan or plan["budget"] <= 0 or (plan["at"], plan["when"]) != (state, when):
                return None
            plan["budget"] -= 1
            self.struck += 1
            return plan["do"]

    @staticmethod
    def _one(file):
        """A request, or a reply, as it came."""
        out = b""
        while not out.endswith(b"\n\n"):
            line = file.readline()
            if not line:
                raise EOFError
            out += line
        return out

    def _serve(self, client, server):
        up, down = client.makefile("rb"), server.makefile("rb")
        while True:
            request = self._one(up)
            state = re.search(rb"^protocol_state=(.*)$", request, re.MULTILINE).group(1).decode()
            if do := self._chance(state, "asked"):
                do()
            server.sendall(request)
            reply = self._one(down)
            if do := self._chance(state, "answered"):
                do()
                return
            client.sendall(reply)
