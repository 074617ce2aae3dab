# SPDX-License-Identifier: Apache-2.0
"""The sandbox with Exim in Postfix's place: mta-examples/exim as a user would install it, run from an unpacked package (unpack-exim).

What differs from a real installation: the address and the paths; Exim's user Debian-exim, which is compiled in and which no package made
here, is lent the uid of another by nss_wrapper(1); mail leaves for the sink instead of for the Internet; and Exim stays without root's
rights (deliver_drop_privilege), since the unpacked program is not set-uid.
"""

import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

from sandbox import ROOT, RUN_AS, Sandbox, SandboxError

EXAMPLE = ROOT / "mta-examples/exim"
# Whose uid Debian-exim gets: no other of the sandbox's.
EXIM_USER = "mail"
# What remains in the environment of the processes that Exim starts.
KEPT = ("LD_PRELOAD", "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP", "ASAN_OPTIONS")

SMARTHOST = """\
dnslookup:
  driver = manualroute
  domains = ! +local_domains
  transport = remote_smtp
  route_list = * {address}::2525
  self = send
  no_more
"""


def libnss_wrapper():
    listed = subprocess.run(["dpkg", "-L", "libnss-wrapper"], capture_output=True, text=True).stdout.split()
    found = [name for name in listed if name.endswith("/libnss_wrapper.so")]
    if not found:
        raise SandboxError("libnss-wrapper is not installed (tests/support/install-packages check)")
    return found[0]


def one_line(reply):
    """The text of a reply of several lines, each of which begins with the enhanced code."""
    return re.sub(r"\n\d\.\d+\.\d+ ", " ", reply)


class EximSandbox(Sandbox):
    """`edit(text)` changes exim4.conf beyond what the scratch directory needs."""

    SASL_OWNER = EXIM_USER

    def __init__(self, build, overrides="", edit=lambda text: text, **more):
        unpacked = subprocess.run([ROOT / "tests/support/unpack-exim", os.path.join(build, "exim")], capture_output=True, text=True)
        if unpacked.returncode != 0:
            raise SandboxError(unpacked.stderr)
        self.exim_program = unpacked.stdout.strip()
        self.edit = edit
        super().__init__(build, "../mta-examples/exim", overrides=overrides, **more)

    # ---- what is written ---------------------------------------------------------------------------------------

    def here(self, text):
        """A file of the example, or a line of the guide, with the paths and addresses of this sandbox."""
        for there, ours in (("/etc/exim4", self.path("etc/exim4")), ("/run/postsluice-exim", self.path("queue/postsluice")),
                            ("/run/dovecot/auth-client", self.path("queue/private/auth")), ("127.0.0.1", self.address)):
            text = text.replace(there, str(ours))
        return text

    def _prepare_postfix(self, example, extra):
        user = pwd.getpwnam(EXIM_USER)
        self.exim_gid = user.pw_gid
        # To where Exim's user can start it again, for a bounce: a build may lie in a private home.
        self.exim_program = shutil.copy(self.exim_program, self.path("exim4"))
        for directory in ("etc/exim4", "log", "queue/private", "queue/postsluice", "spool"):
            self.path(directory).mkdir(parents=True)
        for directory in ("log", "spool"):
            os.chown(self.path(directory), user.pw_uid, user.pw_gid)
        os.chown(self.path("queue/postsluice"), self.uid, user.pw_gid)
        os.chmod(self.path("queue/postsluice"), 0o2750)
        # The daemons are given these groups (start_daemon); here they need none.
        self.postdrop_gid = self.gid
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail.example.org",
                        "-keyout", self.path("etc/exim4/exim.key"), "-out", self.path("etc/exim4/exim.crt")], check=True, capture_output=True)
        os.chown(self.path("etc/exim4/exim.key"), user.pw_uid, user.pw_gid)
        for name, users in (("passwd", f"postsluice:x:{self.uid}:{self.gid}::/:/bin/false\n"
                                       f"Debian-exim:x:{user.pw_uid}:{user.pw_gid}::/:/bin/false\n"),
                            ("group", f"postsluice:x:{self.gid}:\nDebian-exim:x:{user.pw_gid}:\n")):
            self.path(name).write_text(users + pathlib.Path("/etc", name).read_text())
        self.path("etc/exim4/postsluice.pl").write_text(self.here((EXAMPLE / "postsluice.pl").read_text()))
        self.path("etc/exim4/exim4.conf").write_text(self.edit(self._configuration((EXAMPLE / "exim4.conf").read_text())) + extra)

    def _configuration(self, text):
        def replace(there, ours):
            nonlocal text
            if there not in text:
                raise SandboxError(f"the example has no {there!r}")
            text = text.replace(there, ours)
        replace("::0 ; 0.0.0.0 ;", "127.0.0.1 ;")
        replace("keep_environment =", f"""keep_environment = {' : '.join(KEPT)}
primary_hostname = mail.example.org
spool_directory = {self.path('spool')}
log_file_path = {self.path('log')}/exim_%s.log
exim_path = {self.exim_program}
pid_file_path = {self.path('spool/exim.pid')}
deliver_drop_privilege""")
        begins, ends = text.index("dnslookup:\n"), text.index("system_aliases:\n")
        text = text[:begins] + SMARTHOST.format(address=self.address) + "\n" + text[ends:]
        replace("remote_smtp:\n  driver = smtp\n", "remote_smtp:\n  driver = smtp\n  allow_localhost\n")
        return self.here(text)

    def _prepare_dovecot(self):
        super()._prepare_dovecot()
        file = self.path("dovecot/dovecot.conf")
        file.write_text(file.read_text().replace("user = postfix\n    group = postfix", f"user = {EXIM_USER}\n    group = {EXIM_USER}"))

    def _prepare_postsluice(self, example, overrides, keep_profile):
        super()._prepare_postsluice(example, overrides, keep_profile)
        file = self.path("etc/postsluice/postsluice.toml")
        file.write_text(self.here(file.read_text()).replace("Debian-exim", EXIM_USER))
        file = self.path("etc/postsluice/conf.d/sandbox.toml")  # where Postfix's re-entry would be
        kept = [line for line in file.read_text().splitlines() if not line.startswith(("notice_via", "hold_hop"))]
        file.write_text("\n".join(kept) + "\n")

    # ---- start and stop ----------------------------------------------------------------------------------------

    def environment(self):
        return dict(os.environ, LD_PRELOAD=libnss_wrapper(), NSS_WRAPPER_PASSWD=str(self.path("passwd")),
                    NSS_WRAPPER_GROUP=str(self.path("group")))

    def exim(self, *arguments, input="", timeout=120):
        """The program, as root, with the configuration of this sandbox."""
        command = [self.exim_program, "-C", str(self.path("etc/exim4/exim4.conf")), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment(), input=input, timeout=timeout)

    def start_postfix(self):
        with open(self.path("log/exim.err"), "ab") as err:
            command = [self.exim_program, "-C", str(self.path("etc/exim4/exim4.conf")), "-bdf"]
            self.processes["exim"] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=err, stderr=err, env=self.environment(),
                                                      start_new_session=True)
        self._wait(lambda: "daemon started" in self.log() or self.processes["exim"].poll() is not None, "Exim")
        if self.processes["exim"].poll() is not None:
            raise SandboxError("Exim did not start:\n" + self.log() + self.path("log/exim.err").read_text())

    def stop_postfix(self):
        """The daemon and the processes of its session, which finish what they have in hand when it is over."""
        daemon = self.processes.pop("exim", None)
        if daemon:
            try:
                os.killpg(daemon.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass  # it ended by itself
            daemon.wait(60)

    # ---- use ---------------------------------------------------------------------------------------------------

    def send(self, *arguments, **more):
        """As Sandbox.send(); Exim breaks a long reply into lines, which are put together again here."""
        return [(command, code, one_line(text)) for command, code, text in super().send(*arguments, **more)]

    def queue(self):
        """[(id, frozen)] of the messages in Exim's queue."""
        lines = [line.split() for line in self.exim("-bp").stdout.splitlines()]
        return [(words[2], "frozen" in words) for words in lines if len(words) > 3 and words[3].startswith("<")]

    def flush(self):
        self.exim("-qff")

    def log(self):
        files = [self.path("log", f"exim_{kind}.log") for kind in ("main", "reject", "panic")]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())


assert pwd.getpwnam(EXIM_USER).pw_uid != pwd.getpwnam(RUN_AS).pw_uid
