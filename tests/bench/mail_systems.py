# SPDX-License-Identifier: Apache-2.0
"""The mail systems that are measured: a private Postfix each, from postfix-examples, whose port 25 takes the load and whose next
hop is the load generator; what it passes the mail through differs. A system has a target, the processes that are its filter, and
the signatures that each message must have when it arrives."""

import re

from sandbox import Sandbox
import mail_peers

MAIN = """
relayhost = [{address}]:2526
mydestination =
in_flow_delay = 0
smtpd_relay_restrictions = permit_mynetworks, reject
"""
LIMITS = """
[profile.bench]
inherits = "default"
limits = ["100000000 messages per minute", "100000000 recipients per minute", "100000000 recipients per hour",
          "100000000 recipients per day", "100000000 messages per day"]
[[assign]]
profile = "bench"
login = ["*"]
"""
# Signing beside those who sign: without the checks that they do not make either (bodies' words, links, files' insides).
FEW_CHECKS = """
[profile.default]
valid_recipients = "ignore"
disabled_checks = ["structure", "credentials", "archives", "macros", "hashes", "bayes", "shape", "fingerprint", "links",
                   "account_reputation"]
"""
LOGIN = "alice@example.org"
# Postfix asks policyd as submission does; the client's login is said by XCLIENT, so that neither TLS nor passwords are measured.
WITH_POLICYD = ["smtpd_sasl_auth_enable=yes", "smtpd_tls_auth_only=no", "smtpd_authorized_xclient_hosts=127.0.0.0/8",
                "{ smtpd_recipient_restrictions = $postsluice_policy, permit_mynetworks, reject }",
                "{ smtpd_data_restrictions = $postsluice_policy }", "{ smtpd_end_of_data_restrictions = $postsluice_policy }"]


class System:
    """`options` are of the smtpd that takes the load; `filters(box)` starts what mail passes through and returns it."""

    def __init__(self, build, name, options=(), example="after-queue", services="", signatures=0, filters=None, ours=False, policyd=False, overrides=LIMITS):
        self.name, self.signatures, self.peers, self.ours = name, signatures, [], ours
        self.login = LOGIN if policyd else None
        self.box = Sandbox(build, example=example, overrides=overrides)
        try:
            self.configure([*options, *(WITH_POLICYD if policyd else ())], services)
            if filters:
                self.peers = filters(self.box)
            if policyd:
                self.box.start_daemon("policyd")
            if ours:
                self.box.start_daemon("contentfilter")
            self.box.start_postfix()
            if policyd:
                self.box.start_dovecot()
        except BaseException:
            self.stop()
            raise

    def configure(self, options, services):
        box = self.box
        main, master = box.path("etc/postfix/main.cf"), box.path("etc/postfix/master.cf")
        replaced = "|".join(line.split(" = ")[0].split(" =")[0] for line in MAIN.split("\n") if line)
        text = re.sub(rf"(?m)^({replaced}) =", r"# \1 =", main.read_text())
        main.write_text(text + MAIN.format(address=box.address))
        text = master.read_text()
        more = "".join(f"\n  -o {option.format(address=box.address) if '{address}' in option else option}" for option in options)
        text = re.sub(rf"(?m)^({re.escape(box.address)}:25\s.*)$", lambda found: found[1] + more, text)
        reentry = re.search(r"(?m)^postsluice-reentry unix n(.*\n(?:  .*\n)+)", text)
        text += services.format(address=box.address, reentry=reentry[1])
        master.write_text(text)

    @property
    def target(self):
        return f"inet:{self.box.address}:25"

    @property
    def sink(self):
        return f"inet:{self.box.address}:2526"

    def filter_roots(self):
        roots = [root for peer in self.peers for root in peer.roots()]
        return roots + ([self.box.processes["contentfilter"].pid] if self.ours else [])

    def postfix_roots(self):
        return [int(self.box.path("queue/pid/master.pid").read_text())]

    def log(self):
        tail = lambda text: "\n".join(text.splitlines()[-15:])
        return tail(self.box.log()) + "\n" + tail(self.box.daemon_log("contentfilter"))

    def stop(self):
        self.box.stop()
        for peer in self.peers:
            peer.stop()


# The re-entry listener of the example, on TCP: neither Postfix's smtp client nor amavisd can reach the unix socket.
LOOP = """
loop unix - - n - 20 smtp
  -o smtp_send_xforward_command=yes
  -o smtp_tls_security_level=none
{address}:10026 inet n{reentry}"""
AMAVIS = """
amavis unix - - n - 4 smtp
  -o smtp_send_xforward_command=yes
  -o smtp_tls_security_level=none
  -o max_use=20
{address}:10025 inet n{reentry}"""


def milter(start):
    """A milter whose socket lies below the queue directory, for a chrooted smtpd."""
    return ["smtpd_milters=unix:milter/milter", "milter_default_action=tempfail"], lambda box: start(box.dir, box.path("queue/milter"))


def systems(scratch):
    """Name -> how to start it, in the order of the table; `scratch` is for what several of them share."""
    cache = scratch / "hyperscan"

    def amavis(build, name):
        def start(box):
            peer = mail_peers.amavisd(box.dir, box.address)
            master = box.path("etc/postfix/master.cf")
            master.write_text(master.read_text().replace("content_filter=amavis:", f"content_filter=amavis:[127.0.0.1]:{peer.where}"))
            return [peer]
        return System(build, name, ["content_filter=amavis:"], services=AMAVIS, signatures=1, filters=start)

    def through_milter(start):
        options, filters = milter(start)
        return lambda build, name: System(build, name, options, signatures=1, filters=filters)

    def plain(**how):
        return lambda build, name: System(build, name, **how)

    lmtp, loop = ["content_filter=postsluice:unix:postsluice/filter"], ["content_filter=loop:[{address}]:10026"]
    return {
        "postfix": plain(),
        "loop": plain(options=loop, services=LOOP),
        "opendkim": through_milter(lambda *where: [mail_peers.opendkim(*where)]),
        "rspamd": through_milter(lambda *where: mail_peers.rspamd_default(*where, cache)),
        "rspamd-signing": through_milter(lambda *where: mail_peers.rspamd_signing(*where, cache)),
        "amavisd": amavis,
        "ours, LMTP": plain(options=lmtp, signatures=2, ours=True),
        "ours, before-queue": plain(options=["smtpd_proxy_filter=unix:postsluice/before-queue"], example="before-queue", signatures=2, ours=True),
        "ours, LMTP, few checks": plain(options=lmtp, signatures=2, ours=True, overrides=FEW_CHECKS),
        "ours, before-queue, few checks": plain(options=["smtpd_proxy_filter=unix:postsluice/before-queue"], example="before-queue", signatures=2, ours=True,
                                                overrides=FEW_CHECKS),
        "ours, pipe": plain(options=["content_filter=postsluice-pipe:filter"], example="pipe", signatures=2, ours=True),
        "loop, policyd": plain(options=loop, services=LOOP, policyd=True),
        "ours, LMTP, policyd": plain(options=lmtp, signatures=2, ours=True, policyd=True, overrides=FEW_CHECKS + LIMITS),
    }
