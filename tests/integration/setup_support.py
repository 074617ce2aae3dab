# SPDX-License-Identifier: Apache-2.0
"""A test class around a Postfix that knows nothing of Postsluice, and `postsluice setup` on it."""

import fcntl
import os
import pathlib
import subprocess

from support import BUILD, Sandbox, SandboxCase  # it knows where bare_postfix is

import bare_postfix


def in_use(directory):
    """Whether a scratch directory belongs to a setup that runs now, somewhere else on this machine."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


class SetupCase(SandboxCase):
    CHROOT = "y"
    BARE_MAIN = ""

    @classmethod
    def wait_for_turn(cls):
        """What a killed setup leaves in /run is seen by all: one class of these at a time."""
        turn = os.open("/run/lock", os.O_RDONLY | os.O_DIRECTORY)
        cls.addClassCleanup(os.close, turn)
        fcntl.flock(turn, fcntl.LOCK_EX)

    @classmethod
    def setUpClass(cls):
        cls.wait_for_turn()
        cls.box = Sandbox(BUILD, cls.EXAMPLE, overrides=cls.OVERRIDES, main_cf=cls.MAIN_CF)
        try:
            bare_postfix.make_bare(cls.box, cls.CHROOT, cls.BARE_MAIN)
            cls.box.start()
        except BaseException:
            cls.box.stop(keep=bool(os.environ.get("POSTSLUICE_KEEP")))
            raise

    def setUp(self):
        self.before = self.postfix_state()
        self.files_before = self.files()

    def tearDown(self):
        if self.state_directory.exists():  # a test that failed half-way: the next begins with a bare Postfix all the same
            self.setup_command("--undo")

    @property
    def config(self):
        return self.box.path("etc/postfix")

    @property
    def state_directory(self):
        return self.config / "postsluice-setup"

    def files(self):
        return {name: (self.config / name).read_bytes() for name in ("main.cf", "master.cf")}

    def postfix_state(self, config=None):
        """What Postfix itself makes of its configuration."""
        return [subprocess.run(["postconf", "-c", str(config or self.config), option], check=True, capture_output=True, text=True).stdout
                for option in ("-n", "-M")]

    def setup_command(self, *words, before=()):
        command = [*before, str(self.box.build / "postsluice"), "--config", str(self.box.config_file), "setup",
                   "--config-directory", str(self.config), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)

    def apply(self, *words):
        run = self.setup_command("--apply", *words)
        self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout + run.stderr + self.box.log())
        return run.stdout

    def undo(self):
        run = self.setup_command("--undo")
        self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout + run.stderr)
        return run.stdout

    def mail_arrives(self, subject, signed):
        """A message through submission with a login; whether it carries signatures that verify."""
        story = self.send("alice@example.org", "friend@example.net", subject)
        self.assertEqual([code for _, code, _ in story], [250] * 3, story)
        arrived = self.arrived(subject)
        self.assertEqual(len(arrived), 1, self.box.log()[-3000:])
        lines, good = self.box.verify_dkim(arrived[0].content)
        self.assertEqual(good, signed, lines)

    def assert_as_before(self):
        self.assertEqual(self.postfix_state(), self.before)
        self.assertFalse(self.state_directory.exists())
        left = [p.name for p in self.config.iterdir() if "postsluice" in p.name]
        self.assertEqual(left, [])
        self.assertEqual([str(p) for p in self.box.path("queue").glob("p*/postsluice*")], [])
        self.assertEqual([str(p) for p in pathlib.Path("/run").glob("postsluice-setup-*") if not in_use(p)], [])
