# SPDX-License-Identifier: Apache-2.0
"""A private mail server in a scratch directory: Postfix, Dovecot's SASL, the two daemons and a sink as the next hop.

Postfix runs from postfix-examples as a user would install it; what is added here are the paths of the scratch
directory and a loopback address of its own (127.x.y.z), so that the ports of master.cf can stay as they are and several
sandboxes run side by side. Needs root (Postfix and Dovecot do); the daemons run as an unprivileged user. Nothing is
started that stop() does not stop, by pid, and nothing outside the scratch directory is written.
"""

import grp
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

from main_cf import without_overridden
from sink import Sink

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCOUNTS = {"alice@example.org": "wonderland", "bob@example.org": "builder", "carol@example.org": "carols",
            "dave@example.org": "jones", "mallory@example.org": "stolen", "news@example.org": "letters",
            "eve@example.org": "apple"}
# Any account without rights; not `nobody`, whom the tests use as the local user who may not get in.
RUN_AS = "daemon"


class SandboxError(RuntimeError):
    pass


def free_address():
    """A loopback address on which nobody listens on the ports we need."""
    for _ in range(50):
        address = f"127.{random.randint(64, 127)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        probes = []
        try:
            for port in (25, 465, 587, 2525):
                probe = socket.socket()
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probes.append(probe)
                probe.bind((address, port))
            return address
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise SandboxError("ports 25, 465, 587 and 2525 are taken on every loopback address: does a mail server listen on "
                       "all addresses of this machine? Stop it, or run this elsewhere.")


class Sandbox:
    SASL_OWNER = "postfix"  # who asks Dovecot

    def __init__(self, build, example="after-queue", overrides="", accounts=None, main_cf="", keep_profile=True):
        if os.geteuid() != 0:
            raise SandboxError("a private Postfix needs root: run this as root or with sudo")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postsluice-"))
        self.accounts = accounts or ACCOUNTS
        self.processes = {}
        self._postfix_started = False
        self.sink = None
        self.records = {}
        try:
            self._prepare(pathlib.Path(build).resolve(), ROOT / "postfix-examples" / example, main_cf, overrides, keep_profile)
        except BaseException:  # nobody has the sandbox yet, to stop it
            self.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    # ---- what is written ---------------------------------------------------------------------------------------

    def _prepare(self, build, example, main_cf, overrides, keep_profile):
        os.chmod(self.dir, 0o755)
        self.build, self.rules = self._programs(build)
        self.address = free_address()
        self.uid = pwd.getpwnam(RUN_AS).pw_uid
        self.gid = pwd.getpwnam(RUN_AS).pw_gid
        self.sink = Sink(self.address)
        self._prepare_postfix(example, main_cf)
        self._prepare_dovecot()
        self._prepare_postsluice(example, overrides, keep_profile)

    def _programs(self, build):
        """Where the unprivileged daemons find programs and rules: in place, or copied where a private home is in the way."""
        rules = ROOT / "contentfilter" / "rules.d"
        if all(parent.stat().st_mode & 0o005 == 0o005 for parent in (*(build / "x").parents, *(rules / "x").parents)):
            return build, rules
        copies = self.path("bin")
        copies.mkdir()
        for name in ("postsluice-policyd", "postsluice-contentfilter", "postsluice-scan-worker", "postsluice-spf-helper", "postsluice-pipe", "postsluice"):
            shutil.copy(build / name, copies / name)
            os.chmod(copies / name, 0o755)
        shutil.copytree(rules, self.path("rules.d"))
        for file in (self.path("rules.d"), *self.path("rules.d").iterdir()):
            os.chmod(file, 0o755)
        return copies, self.path("rules.d")

    def path(self, *parts):
        return self.dir.joinpath(*parts)

    def _prepare_postfix(self, example, extra):
        config, queue = self.path("etc/postfix"), self.path("queue")
        for directory in (config, queue, self.path("data"), self.path("sbin"), self.path("log"), self.path("tls")):
            directory.mkdir(parents=True)
        postfix, postdrop = pwd.getpwnam("postfix"), grp.getgrnam("postdrop")
        os.chown(self.path("data"), postfix.pw_uid, postfix.pw_gid)
        # postdrop without its set-gid bit: a program that is set-gid would refuse a private configuration. Whoever calls
        # it here is given the group instead (sendmail()).
        for program in ("postdrop", "postqueue"):
            shutil.copy(f"/usr/sbin/{program}", self.path("sbin", program))
            os.chmod(self.path("sbin", program), 0o755)
        for program in ("postsuper", "sendmail", "postalias", "postkick", "postlock", "postlog", "postmap", "postconf",
                        "postfix", "postmulti", "postcat"):
            self.path("sbin", program).symlink_to(f"/usr/sbin/{program}")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail.example.org",
                        "-keyout", self.path("tls/key.pem"), "-out", self.path("tls/cert.pem")], check=True, capture_output=True)
        main = (example / "main.cf").read_text() + f"""
# ---- the scratch directory ----
queue_directory = {queue}
data_directory = {self.path('data')}
command_directory = {self.path('sbin')}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mail.example.org
maillog_file = {self.path('log/mail.log')}
maillog_file_prefixes = {self.dir}
relayhost = [{self.address}]:2525
smtpd_tls_chain_files = {self.path('tls/key.pem')} {self.path('tls/cert.pem')}
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
{extra}
"""
        (config / "main.cf").write_text(without_overridden(main))
        # As it is, but for the address: a service that names only its port listens on inet_interfaces, and Postfix takes
        # no loopback address there that is not configured on an interface.
        master = (example / "master.cf").read_text()
        for service, port in (("smtp", 25), ("submission", 587), ("submissions", 465)):
            master = re.sub(rf"(?m)^{service}(\s+inet)", rf"{self.address}:{port}\1", master)
        # What the example says of the filter's own port, its program and its user.
        for there, here in (("[127.0.0.1]:10587", f"[{self.address}]:10587"), ("/usr/libexec/postsluice", str(self.build)),
                            ("/var/spool/postfix", str(queue)), ("user=postsluice", f"user={RUN_AS}")):
            master = master.replace(there, here)
        (config / "master.cf").write_text(master)
        for table in example.glob("*.regexp"):
            shutil.copy(table, config / table.name)
        service = queue / "postsluice"
        service.mkdir()
        os.chown(service, self.uid, postfix.pw_gid)
        os.chmod(service, 0o2750)
        self.postdrop_gid = postdrop.gr_gid

    def _prepare_dovecot(self):
        base = self.path("dovecot")
        base.mkdir()
        users = "".join(f"{login}:{{PLAIN}}{password}::::::\n" for login, password in self.accounts.items())
        (base / "users").write_text(users)
        os.chmod(base / "users", 0o644)
        (base / "dovecot.conf").write_text(f"""
base_dir = {base}/run
state_dir = {base}/state
log_path = {self.path('log/dovecot.log')}
protocols =
listen = {self.address}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
default_internal_user = dovecot
default_login_user = dovenull
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {base}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={base}
}}
service auth {{
  unix_listener {self.path('queue/private/auth')} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0600
  }}
}}
""")

    def make_key(self, domain, selector, kind):
        """A DKIM key as `postsluice` expects it, and its DNS record in self.records."""
        directory = self.path("etc/postsluice/dkim", domain)
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"{selector}.pem"
        command = (["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "rsa"
                   else ["openssl", "genpkey", "-algorithm", "ED25519"])
        subprocess.run(command + ["-out", file], check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", file, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        import base64
        public = der if kind == "rsa" else der[-32:]
        self.records[f"{selector}._domainkey.{domain}"] = f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"
        os.chown(file, self.uid, self.gid)
        os.chmod(file, 0o600)
        self.path("records.txt").write_text("".join(f"{name}\t{value}\n" for name, value in self.records.items()))
        return file

    def _prepare_postsluice(self, example, overrides, keep_profile):
        etc = self.path("etc/postsluice")
        (etc / "conf.d").mkdir(parents=True)
        (etc / "rules.d").mkdir()
        text = (example / "postsluice.toml").read_text()
        if not keep_profile:  # a test that brings its own profiles keeps only the top of the example
            text = text.split("[profile.default]")[0].rsplit("\n#", 1)[0] + "\n"
        # The only edit to the example: where it listens.
        text = text.replace("/var/spool/postfix", str(self.path("queue")))
        text = text.replace("inet:127.0.0.1:10587", f"inet:{self.address}:10587")
        (etc / "postsluice.toml").write_text(text)
        for directory in ("state", "run"):
            self.path(directory).mkdir()
            os.chown(self.path(directory), self.uid, self.gid)
        os.chmod(self.path("state"), 0o770)
        (etc / "conf.d/sandbox.toml").write_text(f"""
hostname = "mail.example.org"
[state]
directory = "{self.path('state')}"
[control]
directory = "{self.path('run')}"
[policyd]
notice_via = "unix:{self.path('queue/public/postsluice-reentry')}"
[contentfilter]
hold_hop = "unix:{self.path('queue/public/postsluice-hold')}"
spool_directory = "{self.path('state/spool')}"
worker = "{self.build}/postsluice-scan-worker"
rule_files = ["{self.rules}/*.toml", "{etc}/rules.d/*.toml"]
identity_key_file = "{self.path('state/identity.keys')}"
[quarantine]
directory = "{self.path('state/quarantine')}"
[dkim]
directory = "{etc}/dkim"
""")
        # The DNS is an nsd that a test starts there, or nobody: nothing is ever asked of the network. Recipients are made up,
        # so that only a test that says so has them looked up.
        made_up = "" if "valid_recipients" in overrides else '[profile.default]\nvalid_recipients = "ignore"\n'
        (etc / "conf.d/dns.toml").write_text(f"""
[dns]
servers = ["{self.address}@5353"]
timeout = "1 second"
[spf]
helper = "{self.build}/postsluice-spf-helper"
{made_up}""")
        if overrides:
            (etc / "conf.d/test.toml").write_text(overrides)
        self.make_key("example.org", "rsa1", "rsa")
        self.make_key("example.org", "ed1", "ed25519")

    def patient_with_dns(self, timeout):
        """For a test that has a name server: what a busy machine answers late is an answer all the same."""
        file = self.path("etc/postsluice/conf.d/dns.toml")
        text = file.read_text()
        assert 'timeout = "1 second"' in text
        file.write_text(text.replace('timeout = "1 second"', f'timeout = "{timeout}"'))

    @property
    def config_file(self):
        return self.path("etc/postsluice/postsluice.toml")

    # ---- start and stop ----------------------------------------------------------------------------------------

    def start(self):
        self.start_daemon("policyd")
        self.start_daemon("contentfilter")
        self.start_postfix()
        self.start_dovecot()
        self._wait_for_submission()
        return self

    def start_postfix(self):
        # Its programs wait for a main.cf that was written within the last two seconds, lest it be half written (dict_load_file).
        age = time.time() - 10
        os.utime(self.path("etc/postfix/main.cf"), (age, age))
        self._postfix_started = True  # it may be, also where we are stopped meanwhile
        run = subprocess.run(["postfix", "-c", self.path("etc/postfix"), "start"], capture_output=True, text=True,
                             stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            raise SandboxError("Postfix did not start:\n" + run.stdout + run.stderr + self.log())

    def stop_postfix(self):
        if self._postfix_started:
            subprocess.run(["postfix", "-c", self.path("etc/postfix"), "stop"], capture_output=True, stdin=subprocess.DEVNULL)
            self._postfix_started = False

    def start_dovecot(self):
        with open(self.path("log/dovecot.err"), "ab") as err:
            self.processes["dovecot"] = subprocess.Popen(["dovecot", "-F", "-c", self.path("dovecot/dovecot.conf")],
                                                         stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        self._wait(self._dovecot_answers, "Dovecot's SASL")

    def _dovecot_answers(self):
        """Whether its socket belongs to whom it shall, and a process behind it offers mechanisms. An smtpd that comes earlier ends, and
        Postfix starts no other for a minute."""
        file = self.path("queue/private/auth")
        try:
            about = file.stat()
            if (about.st_uid, about.st_gid) != (pwd.getpwnam(self.SASL_OWNER).pw_uid, grp.getgrnam(self.SASL_OWNER).gr_gid):
                return False
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(30)
                probe.connect(str(file))
                probe.sendall(f"VERSION\t1\t0\nCPID\t{os.getpid()}\n".encode())
                said = b""
                while b"\nDONE\n" not in said:
                    more = probe.recv(4096)
                    if not more:
                        return False
                    said += more
                return b"MECH\t" in said
        except OSError:
            return False

    def start_daemon(self, name, extra=(), wait=True, listening=None):
        """Starts a daemon as the unprivileged user and waits for READY=1 (sd_notify). `listening`: a socket that it is passed
        as systemd does (sd_listen_fds)."""
        notify_path = str(self.path(f"run/notify-{name}"))
        if os.path.exists(notify_path):
            os.unlink(notify_path)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(notify_path)
        os.chmod(notify_path, 0o666)
        log = open(self.path(f"log/{name}.log"), "ab")
        program = self.build / f"postsluice-{name}"
        command = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", f"--groups={self.gid},{self.postdrop_gid},"
                   f"{grp.getgrnam('postfix').gr_gid}", "--", str(program), "--config", str(self.config_file), *extra]
        environment = dict(os.environ, NOTIFY_SOCKET=notify_path)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        passed = ()
        if listening is not None:
            passed = (listening.fileno(),)
            environment["LISTENING"] = str(passed[0])
            command = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&"$LISTENING"', "sh", *command]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, pass_fds=passed)
        log.close()
        self.processes[name] = process
        if wait:
            notify.settimeout(0.2)
            deadline = time.monotonic() + 120
            while True:
                try:
                    if b"READY=1" in notify.recv(4096):
                        break
                except TimeoutError:
                    pass
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SandboxError(f"postsluice-{name} did not become ready:\n" + self.daemon_log(name))
        notify.close()
        return process

    def stop_daemon(self, name, how=signal.SIGTERM, timeout=60):
        process = self.processes.pop(name, None)
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(how)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise SandboxError(f"{name} did not stop within {timeout} s")

    def stop(self, keep=False):
        self.stop_postfix()
        for name in list(self.processes):
            try:
                self.stop_daemon(name, timeout=20)
            except SandboxError:
                pass
        if self.sink:
            self.sink.close()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    def __exit__(self, *_):
        self.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))

    @staticmethod
    def _wait(condition, what, timeout=90):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise SandboxError(f"waited {timeout} s in vain for {what}")
            time.sleep(0.02)

    wait_until = _wait

    def _wait_for_submission(self):
        def answers():
            try:
                with socket.create_connection((self.address, 587), 10) as probe:
                    return probe.recv(100).startswith(b"220")
            except OSError:
                return False
        self._wait(answers, "the submission port")

    # ---- use ---------------------------------------------------------------------------------------------------

    def submit_session(self, login="alice@example.org", password=None):
        """An authenticated smtplib session on the submission port, with STARTTLS."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        session = smtplib.SMTP(self.address, 587, local_hostname="client.example.org", timeout=120)
        session.starttls(context=context)
        session.login(login, password or self.accounts[login])
        return session

    def send(self, login, recipients, text, sender=None, mail_options=()):
        """Submits a message; returns [(command, code, text)] of the SMTP replies from MAIL on."""
        if isinstance(recipients, str):
            recipients = [recipients]
        if isinstance(text, str):
            text = text.encode()
        story = []
        with self.submit_session(login) as session:
            code, answer = session.mail(sender if sender is not None else login, list(mail_options))
            story.append(("MAIL", code, answer.decode()))
            accepted = 0
            for recipient in recipients:
                code, answer = session.rcpt(recipient)
                story.append((f"RCPT {recipient}", code, answer.decode()))
                accepted += code == 250
            if accepted:
                code, answer = session.data(text)
                story.append(("DATA", code, answer.decode()))
        return story

    def sendmail(self, uid, recipients, text, sender="web@example.org"):
        """Local mail by sendmail(1) under `uid`. The copy of postdrop is not set-gid (see above), so the caller has its group."""
        command = ["setpriv", f"--reuid={uid}", f"--regid={self.postdrop_gid}", "--clear-groups", "--",
                   "/usr/sbin/sendmail", "-i", "-f", sender, *recipients]
        return subprocess.run(command, input=text.encode(), capture_output=True, timeout=60,
                              env={"MAIL_CONFIG": str(self.path("etc/postfix")), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def postsluice(self, *arguments, json_output=False, input=None, timeout=60):
        """The operator's command; returns CompletedProcess, or the parsed JSON with json_output."""
        command = [str(self.build / "postsluice"), "--config", str(self.config_file), *arguments]
        if json_output:
            command.append("--json")
        run = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=input)
        if json_output:
            if not run.stdout.strip():
                raise SandboxError(f"{arguments}: exit {run.returncode}: {run.stderr}")
            return json.loads(run.stdout)
        return run

    def queue(self):
        run = subprocess.run(["postqueue", "-c", self.path("etc/postfix"), "-j"], capture_output=True, text=True)
        return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]

    def flush(self):
        subprocess.run(["postqueue", "-c", self.path("etc/postfix"), "-f"], capture_output=True)

    def wait_queue_empty(self, timeout=90):
        # Twice in a row: a message that moves from one queue to the next while they are listed is in none of them.
        self._wait(lambda: not self.queue() and not self.queue(), "an empty queue", timeout)

    def wait_deferred(self, count=1, timeout=90):
        """Until so many messages are in the deferred queue. The log says it earlier: a flush that comes between misses them."""
        self._wait(lambda: [m["queue_name"] for m in self.queue()].count("deferred") >= count, "a deferred message", timeout)

    def log(self):
        file = self.path("log/mail.log")
        return file.read_text(errors="replace") if file.exists() else ""

    def daemon_log(self, name):
        file = self.path(f"log/{name}.log")
        return file.read_text(errors="replace") if file.exists() else ""

    def verify_dkim(self, content):
        """Both signatures, checked by a program that is not ours; returns its lines and whether all passed."""
        run = subprocess.run([ROOT / "tests/support/dkim-verify", self.path("records.txt")], input=content, capture_output=True)
        return run.stdout.decode().strip().splitlines(), run.returncode == 0
