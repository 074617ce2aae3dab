# SPDX-License-Identifier: Apache-2.0
"""ClamAV, SpamAssassin and Rspamd for a test: each in the foreground on loopback, with a configuration, rules and a database of
its own in a scratch directory. None asks the network: no updates, no DNS, no rules but those of the test. stop() ends what
start() began, by pid."""

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MARKER = "POSTSLUICE-" + "TEST-MARKER"  # what each of the three is told to find
RUN_AS = "nobody"


def free_place():
    """A loopback address and a port: of an address that nobody else uses, for a port of 127.0.0.1 may be taken by any connection before
    the program listens there."""
    for _ in range(50):
        address = f"127.{random.randint(128, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                continue
            return address, probe.getsockname()[1]
    raise RuntimeError("no loopback address is to be had")


class Scanner:
    """One program in the foreground. `ready` says whether it answers."""

    name = ""
    patience = 180  # seconds; a busy machine takes its time

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"postsluice-{self.name}-"))
        os.chmod(self.dir, 0o755)
        self.address, self.port = free_place()
        self.process = None
        self.prepare()

    def prepare(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def start(self):
        log = open(self.dir / "output", "ab")
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        cwd=self.dir, start_new_session=True)
        log.close()
        end = time.monotonic() + self.patience
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                said = (self.dir / "output").read_text(errors="replace")[-3000:]
                self.stop()
                raise RuntimeError(f"{self.name} did not start:\n{said}")
            time.sleep(0.1)
        return self

    def answers(self):
        try:
            with socket.create_connection((self.address, self.port), timeout=10):
                return True
        except OSError:
            return False

    def halt(self):
        """As after a crash: the directory stays, start() begins anew."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process = None

    def stop(self):
        self.halt()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def inet(self):
        return f"inet:{self.address}:{self.port}"


class Clamd(Scanner):
    name = "clamd"

    def prepare(self):
        (self.dir / "db").mkdir()
        self.socket = self.dir / "clamd.sock"
        self.add_signature("Postsluice.Test.Marker", MARKER)
        self.add_signature("Postsluice.Test.Vba", "vb_name")  # clamd's own reader of macros makes small letters of them
        (self.dir / "clamd.conf").write_text(f"""
Foreground yes
LocalSocket {self.socket}
LocalSocketMode 666
TCPSocket {self.port}
TCPAddr {self.address}
DatabaseDirectory {self.dir}/db
TemporaryDirectory {self.dir}
StreamMaxLength 1M
MaxThreads 4
""")

    def add_signature(self, name, text):
        with open(self.dir / "db/test.ndb", "a") as out:
            out.write(f"{name}:0:*:{text.encode().hex()}\n")

    def command(self):
        return ["clamd", "-c", str(self.dir / "clamd.conf")]

    @property
    def unix(self):
        return f"unix:{self.socket}"


class Spamd(Scanner):
    name = "spamd"

    def prepare(self):
        rules, home = self.dir / "rules", self.dir / "home"
        rules.mkdir()
        home.mkdir()
        shutil.chown(home, RUN_AS)
        for plugins in pathlib.Path("/etc/spamassassin").glob("*.pre"):
            shutil.copy(plugins, rules)
        (rules / "local.cf").write_text(f"""
use_bayes 0
skip_rbl_checks 1
dns_available no
body POSTSLUICE_TEST /{MARKER}/
describe POSTSLUICE_TEST The marker of a test
score POSTSLUICE_TEST 4.2
""")

    def command(self):
        return ["spamd", "--local", "--nouser-config", f"--siteconfigpath={self.dir}/rules", "--configpath=/usr/share/spamassassin",
                f"--helper-home-dir={self.dir}/home", f"--listen={self.address}:{self.port}", "--min-children=1", "--max-children=2",
                "--min-spare=1", "--max-spare=1", f"--username={RUN_AS}", "--syslog=stderr"]


class Rspamd(Scanner):
    name = "rspamd"

    def prepare(self):
        (self.dir / "domains").write_text("com\nnet\norg\nexample\n")  # the whole list takes seconds to compile
        (self.dir / "rules.lua").write_text(f"""
rspamd_config:register_symbol({{name = 'POSTSLUICE_TEST', score = 4.2, callback = function(task)
  if tostring(task:get_content()):find('{MARKER}', 1, true) then return true, 1.0, task:get_user() or 'nobody' end
end}})
""")
        (self.dir / "rspamd.conf").write_text(f"""
options {{
    pidfile = "{self.dir}/pid";
    tempdir = "{self.dir}";
    filters = "";
    dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
    control_socket = "{self.dir}/control mode=0600";
    url_tld = "{self.dir}/domains";
    cache_file = "{self.dir}/symbols.cache";
    hs_cache_dir = "{self.dir}/";
}}
logging {{ type = "console"; level = "info"; }}
actions {{ reject = 15; add_header = 6; }}
worker "normal" {{ bind_socket = "{self.address}:{self.port}"; count = 1; }}
lua = "{self.dir}/rules.lua";
""")
        for path in (self.dir, *self.dir.iterdir()):
            shutil.chown(path, RUN_AS)

    def command(self):
        return ["rspamd", "-f", "-i", "-u", RUN_AS, "-g", "nogroup", "-c", str(self.dir / "rspamd.conf")]
