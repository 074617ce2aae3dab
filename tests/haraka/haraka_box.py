# SPDX-License-Identifier: Apache-2.0
"""The sandbox with Haraka in Postfix's place: mta-examples/haraka as a user would install it, run from node_modules of the build
directory (make check-haraka), as an unprivileged user. Mail leaves for the sink by a plugin of this file.
"""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess

from exim_box import RUN_AS, Sandbox, SandboxError
from sandbox import ROOT

EXAMPLE = ROOT / "mta-examples/haraka"
HARAKA_USER = "mail"

TO_THE_SINK = """\
exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: '%s', port: 2525 })
"""


class HarakaSandbox(Sandbox):
    def __init__(self, build, overrides=""):
        self.haraka = pathlib.Path(build).resolve() / "haraka/node_modules/Haraka/bin/haraka"
        if not self.haraka.exists():
            raise SandboxError("make check-haraka installs Haraka first")
        super().__init__(build, "../mta-examples/haraka", overrides=overrides)

    def here(self, text):
        for there, ours in (("/run/postsluice-haraka", self.path("queue/postsluice")), ("[::0]", "127.0.0.1"), ("127.0.0.1", self.address),
                            ("filter_user = postsluice", f"filter_user = {RUN_AS}")):
            text = text.replace(there, str(ours))
        return text

    def _prepare_postfix(self, example, extra):
        user = pwd.getpwnam(HARAKA_USER)
        for directory in ("haraka", "log", "queue/private", "queue/postsluice"):
            self.path(directory).mkdir(parents=True)
        os.chown(self.path("queue/postsluice"), self.uid, user.pw_gid)
        os.chmod(self.path("queue/postsluice"), 0o2750)
        self.postdrop_gid = self.gid
        config = self.path("haraka/config")
        shutil.copytree(EXAMPLE / "config", config)
        shutil.copytree(EXAMPLE / "plugins", self.path("haraka/plugins"))
        for file in config.iterdir():
            file.write_text(self.here(file.read_text()).replace("= haraka\n", f"= {HARAKA_USER}\n"))
        (config / "me").write_text("mail.example.org\n")
        with open(config / "plugins", "a") as plugins:
            plugins.write("to_the_sink\n")
        self.path("haraka/plugins/to_the_sink.js").write_text(TO_THE_SINK % self.address)
        users = "".join(f"{login} = {password}\n" for login, password in self.accounts.items())
        (config / "auth_flat_file.ini").write_text(f"[core]\nmethods = PLAIN,LOGIN\nconstrain_sender = false\n[users]\n{users}")
        (config / "log.ini").write_text("[main]\nlevel = info\n")
        self.path("haraka/queue").mkdir()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail.example.org",
                        "-keyout", config / "tls_key.pem", "-out", config / "tls_cert.pem"], check=True, capture_output=True)
        for path in (self.path("haraka"), *self.path("haraka").rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)

    def _prepare_dovecot(self):
        pass  # logins are Haraka's own (auth/flat_file)

    def start_dovecot(self):
        pass

    def _prepare_postsluice(self, example, overrides, keep_profile):
        super()._prepare_postsluice(example, overrides, keep_profile)
        file = self.path("etc/postsluice/postsluice.toml")
        file.write_text(self.here(file.read_text()).replace('"haraka"', f'"{HARAKA_USER}"'))
        file = self.path("etc/postsluice/conf.d/sandbox.toml")  # where Postfix's re-entry would be
        kept = [line for line in file.read_text().splitlines() if not line.startswith(("notice_via", "hold_hop"))]
        file.write_text("\n".join(kept) + "\n")

    def start_postfix(self):
        with open(self.path("log/haraka.log"), "ab") as log:
            self.processes["haraka"] = subprocess.Popen(["node", str(self.haraka), "-c", str(self.path("haraka"))], stdin=subprocess.DEVNULL,
                                                        stdout=log, stderr=log, cwd=self.path("haraka"))

    def stop_postfix(self):
        if "haraka" in self.processes:
            self.stop_daemon("haraka", signal.SIGKILL)  # asked, it waits for the filter's connections

    def queue(self):
        return [file.name for file in self.path("haraka/queue").iterdir() if not file.name.startswith(".")]

    def log(self):
        return self.daemon_log("haraka")
