# SPDX-License-Identifier: Apache-2.0
"""What make and configure say and do in a fresh clone, and how the programs of the build under test are hardened."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import BUILD, ROOT, sanitized

PARALLEL = True
# What stands in a folder that configure runs in: enough for it to succeed, and for the Makefile to call it.
CLONE = ("Makefile", "configure.ac", "config.mk.in", "config.h.in", "shared/core/result.hpp")

# What configure looks for by pkg-config, and by a header that is of no use; each with the package that brings it.
BY_PKG_CONFIG = {"lmdb": "liblmdb-dev", "opendkim": "libopendkim-dev", "libpsl": "libpsl-dev", "openssl": "libssl-dev",
                 "gmime-3.0": "libgmime-3.0-dev", "gumbo": "libgumbo-dev", "libidn2": "libidn2-dev",
                 "libhs": "libhyperscan-dev, or libvectorscan-dev where that is not available", "libmagic": "libmagic-dev",
                 "libarchive": "libarchive-dev", "spdlog": "libspdlog-dev", "libseccomp": "libseccomp-dev", "libsystemd": "libsystemd-dev"}
BY_HEADER = {"Boost": "libboost1.81-dev", "Boost.Test": "libboost-test1.81-dev", "toml++": "libtomlplusplus-dev", "CLI11": "libcli11-dev",
             "nlohmann json": "nlohmann-json3-dev", "libspf2": "libspf2-dev", "libunbound": "libunbound-dev"}
HEADERS = {"boost/version.hpp": "#define BOOST_VERSION 108000", "boost/test/unit_test.hpp": "#error", "toml++/toml.h": "#error", "CLI/CLI.hpp": "#error",
           "nlohmann/json.hpp": "#error", "spf2/spf.h": "#error", "unbound.h": "#error"}

PROGRAMS = {"postsluice", "postsluice-contentfilter", "postsluice-pipe", "postsluice-policyd", "postsluice-scan-worker", "postsluice-spf-helper"}


class FreshClone(unittest.TestCase):
    def setUp(self):
        self.clone = pathlib.Path(tempfile.mkdtemp(prefix="postsluice-clone-"))
        self.addCleanup(shutil.rmtree, self.clone)
        for name in CLONE:
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.clone / name)

    def run_it(self, *command, **environment):
        """Without what the make that runs the tests, or a person, has put into the environment."""
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return subprocess.run(command, cwd=self.clone, env=dict(clean, **environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=600)

    def files(self):
        return {str(file.relative_to(self.clone)) for file in self.clone.rglob("*") if file.is_file()}

    def test_make_help_describes_the_targets_and_neither_configures_nor_builds(self):
        run = self.run_it("make", "help")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        lines = run.stdout.splitlines()
        targets = [re.fullmatch(r"([a-z-]+) +(\S.*)", line) for line in lines]
        self.assertNotIn(None, targets, run.stdout)
        self.assertLessEqual({"all", "check", "demo", "install", "uninstall", "lint", "format", "sanitize", "bench", "clean"},
                             {found.group(1) for found in targets})
        self.assertEqual(self.files(), set(CLONE))

    def test_make_demo_stays_where_it_is_told_to(self):
        for more, command in (((), "tests/support/demo --build build"), (("KEEP=1",), "tests/support/demo --build build --keep")):
            with self.subTest(more):
                # Even with -n a line that calls make is run; this one then does nothing.
                run = self.run_it("make", "-n", "demo", "MAKE=:", *more)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                self.assertEqual(run.stdout.splitlines()[-1].split(), command.split())
        self.assertEqual(self.files(), set(CLONE))

    def test_configure_names_the_package_of_each_library_that_is_missing_in_one_run(self):
        self.assertEqual(self.run_it("autoconf").returncode, 0)
        for name, text in HEADERS.items():
            (self.clone / "useless" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / "useless" / name).write_text(text + "\n")
        run = self.run_it("./configure", "--quiet", PKG_CONFIG_LIBDIR=str(self.clone / "nothing"), CPPFLAGS=f"-I{self.clone}/useless")
        self.assertEqual(run.returncode, 1, run)
        named = re.findall(r"^  (.+?)(?: >= [\d.]+)? \(Debian package (.+)\)$", run.stderr, re.MULTILINE)
        self.assertEqual(sorted(named), sorted((BY_PKG_CONFIG | BY_HEADER).items()), run.stderr)
        self.assertIn("Install them (on Debian 12: tests/support/install-packages build) and run make again.", run.stderr)
        self.assertNotIn("config.mk", self.files())


class BuiltTree(unittest.TestCase):
    """A second `make demo`: nothing is compiled, nothing installed, and the demo begins. What it would call are programs of ours that
    note it and fail, in a copy of the tree and of the build under test, whose files are the same ones."""

    CALLED = ("g++", "c++", "gcc", "cc", "clang++", "ccache", "ar", "ld", "autoconf", "apt-get", "sudo", "python3")

    def setUp(self):
        if sanitized():
            self.skipTest("this build was made with options that `make demo` is not given")
        build = pathlib.Path(BUILD).resolve()
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="postsluice-built-", dir=build.parent))  # where files can have two names
        self.addCleanup(shutil.rmtree, self.scratch)
        self.tree, self.calls = self.scratch / "tree", self.scratch / "calls"
        self.tree.mkdir()
        others = {".git", self.scratch.name, build.name}
        subprocess.run(["cp", "-al", *(entry for entry in ROOT.iterdir() if entry.name not in others and not (entry / "compiled-with").exists()),
                        self.tree], check=True)
        subprocess.run(["cp", "-al", build, self.tree / "build"], check=True)
        for name in ("compiled-with", "installed-in"):  # which make writes over where they are different
            self.own(f"build/{name}")
        self.calls.touch()
        (self.scratch / "bin").mkdir()
        for name in self.CALLED:
            program = self.scratch / "bin" / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n' + ("" if name == "python3" else "exit 1\n"))
            program.chmod(0o755)

    def own(self, name):
        """A file of its own in the copy, of the same age."""
        file = self.tree / name
        shutil.copy2(file, file.with_name(file.name + ".own"))
        os.replace(file.with_name(file.name + ".own"), file)

    def demo(self):
        clean = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR", "MAKEFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS") if name in os.environ}
        clean["MAKEFLAGS"] = re.sub(r" ?(-j\d*|--jobserver-\S+|BUILD=\S+)", "", clean.get("MAKEFLAGS", ""))
        run = subprocess.run(["make", "demo"], cwd=self.tree, env=dict(clean, PATH=f"{self.scratch}/bin:{os.environ['PATH']}"),
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        return run, self.calls.read_text().splitlines()

    def test_make_demo_compiles_nothing_and_installs_nothing(self):
        run, calls = self.demo()
        self.assertEqual(calls, ["python3 tests/support/demo --build build"], run)
        self.assertEqual(run.returncode, 0, run)
        self.assertNotRegex(run.stdout, r"(?m)^(CXX|LD|configure|autoconf)\b")

    def test_what_changed_would_be_compiled(self):
        self.own("policyd/main.cpp")
        (self.tree / "policyd/main.cpp").touch()
        run, calls = self.demo()
        self.assertEqual(run.returncode, 2)
        self.assertEqual(len(calls), 1, calls)
        self.assertRegex(calls[0], r"^(ccache|g\+\+|c\+\+) .* policyd/main\.cpp$")


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], check=True, capture_output=True, text=True, timeout=60).stdout


class Hardening(unittest.TestCase):
    """Debian's own defaults are less: they bind lazily, and guard neither the stack nor the C library's functions."""

    def test_every_program_is_position_independent_bound_at_its_start_and_guarded(self):
        programs = {file.name: file for file in pathlib.Path(BUILD).glob("postsluice*") if file.is_file() and os.access(file, os.X_OK)}
        self.assertEqual(set(programs), PROGRAMS)
        for name, file in sorted(programs.items()):
            with self.subTest(name):
                dynamic, segments = readelf("-d", file), readelf("-l", file)
                self.assertRegex(dynamic, r"\(FLAGS_1\) +Flags: NOW PIE\n")
                self.assertRegex(segments, r"\n +GNU_RELRO ")
                self.assertRegex(segments, r"\n +GNU_STACK( +0x[0-9a-f]+){5} RW +0x")
                # What is linked with a static C library has that one's guards in any case.
                code = [file] if name != "postsluice-pipe" else list(pathlib.Path(BUILD, "contentfilter/pipe").glob("*.o"))
                symbols = set(re.findall(r" UND (__\w+_chk|__stack_chk_fail)(?:@|$|\n| )", readelf("-s", *code)))
                self.assertIn("__stack_chk_fail", symbols)
                if name != "postsluice-pipe" and not sanitized():  # it calls nothing that has a checked form
                    self.assertTrue(symbols - {"__stack_chk_fail"}, "nothing is fortified")


if __name__ == "__main__":
    unittest.main()
