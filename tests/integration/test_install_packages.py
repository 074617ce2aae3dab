# SPDX-License-Identifier: Apache-2.0
"""tests/support/install-packages, on a made-up Debian: what it installs and says, and that it starts no service and replaces no mail
server. A copy of it runs with programs of our own first in PATH and another path for policy-rc.d; nothing of this machine is changed."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from support import ROOT

PARALLEL = True

# What was called stands in `calls`; everything is installed but what `lacking` names, one package a line.
FAKES = {
    "dpkg-query": """
case "$3" in
  *Provides*) cat "$MACHINE/providers" ;;
  *) shift 3; printf '%s\\n' "$@" | grep -vxFf "$MACHINE/lacking" | sed 's/^/ii /' ;;
esac""",
    # As a maintainer's script does: invoke-rc.d(8) starts what policy-rc.d does not forbid.
    "apt-get": """
echo "apt-get $*" >> "$MACHINE/calls"
case "$*" in
  *" install "*)
    [ ! -e "$MACHINE/broken" ] || exit 100
    answer=0; "$MACHINE/policy-rc.d" postfix start >/dev/null || answer=$?
    [ "$answer" = 101 ] || touch "$MACHINE/started"
    printf '%s\\n' "$@" > "$MACHINE/installed"
    grep -vxFf "$MACHINE/installed" "$MACHINE/lacking" > "$MACHINE/left" || true
    mv "$MACHINE/left" "$MACHINE/lacking" ;;
esac""",
    "dpkg": """
case "$1" in
  --print-architecture) echo amd64 ;;
  -L) shift; for name; do printf '/lib/systemd/system/%s.service\\n/etc/init.d/%s\\n/usr/share/doc/%s\\n' "$name" "$name" "$name"; done ;;
esac""",
    "debconf-set-selections": 'echo "debconf $(cat)" >> "$MACHINE/calls"',
    "systemctl": 'echo "systemctl $*" >> "$MACHINE/calls"',
    "update-rc.d": 'echo "update-rc.d $*" >> "$MACHINE/calls"',
    "sudo": 'echo "sudo $*" >> "$MACHINE/calls"; exit 1',
    "id": 'cat "$MACHINE/uid"',
}
POLICY = "policy=/usr/sbin/policy-rc.d\n"


class Machine(unittest.TestCase):
    def setUp(self):
        self.machine = pathlib.Path(tempfile.mkdtemp(prefix="postsluice-machine-"))
        self.addCleanup(shutil.rmtree, self.machine)
        (self.machine / "bin").mkdir()
        for name, body in FAKES.items():
            self.program(f"bin/{name}", body)
        text = (ROOT / "tests/support/install-packages").read_text()
        self.assertEqual(text.count(POLICY), 1)
        self.policy = self.machine / "policy-rc.d"
        self.copy = self.machine / "install-packages"
        self.copy.write_text(text.replace(POLICY, f"policy={self.policy}\n"))
        for name, content in (("uid", "0\n"), ("providers", "ii \tlibc6\t\n"), ("lacking", ""), ("calls", "")):
            (self.machine / name).write_text(content)

    def program(self, name, body):
        (self.machine / name).write_text("#!/bin/sh\n" + body + "\n")
        os.chmod(self.machine / name, 0o755)

    def run_it(self, mode="demo"):
        environment = dict(os.environ, PATH=f"{self.machine}/bin:/usr/bin:/bin", MACHINE=str(self.machine))
        return subprocess.run(["bash", self.copy, mode], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def lines(self, name):
        return (self.machine / name).read_text().splitlines()

    def lacks(self, *names):
        (self.machine / "lacking").write_text("".join(f"{name}\n" for name in names))

    def installs(self):
        return [line for line in self.lines("calls") if line.startswith("apt-get") and " install " in line]

    def assert_nothing_changed(self):
        self.assertEqual(self.lines("calls"), [])
        self.assertFalse((self.machine / "started").exists())

    def test_another_mail_server_is_named_and_nothing_is_changed(self):
        self.lacks("postfix")
        (self.machine / "providers").write_text("ii \texim4-daemon-light\tdefault-mta, mail-transport-agent\nrc \tsendmail-bin\tmail-transport-agent\n")
        run = self.run_it()
        self.assertEqual(run.returncode, 1, run)
        self.assertIn("another mail server is installed: exim4-daemon-light. Installing postfix would replace it. Nothing was changed", run.stderr)
        self.assertNotIn("sendmail", run.stderr)
        self.assert_nothing_changed()
        self.assertEqual(self.lines("lacking"), ["postfix"])
        self.assertFalse(self.policy.exists())

    def test_another_mail_server_does_not_matter_where_postfix_is_not_to_be_installed(self):
        (self.machine / "providers").write_text("ii \texim4-daemon-light\tmail-transport-agent\n")
        self.lacks("g++", "postfix")
        self.assertEqual(self.run_it("build").returncode, 0)
        self.assertRegex(self.installs()[0], " install g\\+\\+$")

    def test_what_is_missing_is_installed_and_nothing_starts_now_or_at_the_next_boot(self):
        self.lacks("postfix", "dovecot-core")
        run = self.run_it()
        self.assertEqual(run.returncode, 0, run)
        self.assertRegex(run.stderr, r"will be installed \(apt-get, no recommended ones, no service started\):\n  dovecot-core postfix\n")
        self.assertEqual(len(self.installs()), 1)
        self.assertRegex(self.installs()[0], r"--no-install-recommends .*install dovecot-core postfix$")
        self.assertFalse((self.machine / "started").exists(), "a service was started")
        self.assertFalse(self.policy.exists(), "policy-rc.d was left behind")
        calls = self.lines("calls")
        for line in ("debconf postfix postfix/main_mailer_type select No configuration", "systemctl --quiet disable dovecot-core.service",
                     "systemctl --quiet disable postfix.service", "update-rc.d postfix disable", "update-rc.d dovecot-core disable"):
            self.assertIn(line, calls)

    def test_with_nothing_missing_nothing_is_done(self):
        (self.machine / "providers").write_text("ii \texim4-daemon-light\tmail-transport-agent\n")
        run = self.run_it()
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assert_nothing_changed()

    def test_a_policy_of_the_machine_that_lets_services_start_is_left_alone_and_nothing_is_installed(self):
        self.lacks("postfix")
        self.program("policy-rc.d", "exit 0")
        before = self.policy.read_text()
        run = self.run_it()
        self.assertEqual(run.returncode, 1, run)
        self.assertIn("lets services start, and it is not ours to change. Install these yourself: postfix", run.stderr)
        self.assert_nothing_changed()
        self.assertEqual(self.policy.read_text(), before)

    def test_a_policy_of_the_machine_that_forbids_it_is_used_and_stays(self):
        self.lacks("postfix")
        self.program("policy-rc.d", "exit 101")
        self.assertEqual(self.run_it().returncode, 0)
        self.assertFalse((self.machine / "started").exists())
        self.assertTrue(self.policy.exists())

    def test_an_installation_that_fails_is_told_and_leaves_no_policy(self):
        self.lacks("postfix")
        (self.machine / "broken").touch()
        run = self.run_it()
        self.assertEqual(run.returncode, 1, run)
        self.assertIn("apt-get could not install them", run.stderr)
        self.assertEqual(len(self.installs()), 1)
        self.assertFalse(self.policy.exists())

    def test_who_is_not_root_is_asked_and_without_an_answer_nothing_is_done(self):
        self.lacks("postfix")
        (self.machine / "uid").write_text("1000\n")
        run = self.run_it()
        self.assertEqual(run.returncode, 1, run)
        self.assertIn("not root, and nobody is there to ask. As root: apt-get install --no-install-recommends postfix", run.stderr)
        self.assert_nothing_changed()


if __name__ == "__main__":
    unittest.main()
