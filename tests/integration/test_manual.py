# SPDX-License-Identifier: Apache-2.0
"""The manual against the programs: pages render without a warning, and speak of every option and command and of no other."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import BUILD, ROOT

PARALLEL = True
PAGES = sorted(pathlib.Path(BUILD, "man").glob("*.[58]"))


def output(*command, **more):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, **more)
    if run.returncode != 0:
        raise AssertionError(f"{command}: exit {run.returncode}: {run.stderr}")
    return run.stdout


def plain(page):
    """As a reader sees it: without overstriking, in one line."""
    text = output("mandoc", "-T", "utf8", "-O", "width=1000", page)
    return re.sub(r"\s+", " ", re.sub(r".\x08", "", text).replace("\u2010", "-").replace("\u2212", "-"))


def short(key):
    """An option as it stands below its section."""
    return re.sub(r"^(?:profile\.NAME|[a-z_]+)\.", "", key)


class Manual(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.options = {row["key"]: row for row in json.loads(output(f"{BUILD}/postsluice", "--json", "config", "defaults"))["options"]}
        cls.nouns = output(f"{BUILD}/manual", "--nouns").split()

    def test_pages_render_without_a_warning(self):
        self.assertGreater(len(PAGES), 10)
        for page in PAGES:
            with self.subTest(page=page.name):
                lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True)
                # The pages of Postfix and systemd are not here to be found.
                self.assertEqual([line for line in lint.stdout.splitlines() if "referenced manual not found" not in line], [])
                # Wide, for a fingerprint is one word.
                run = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", str(page)], capture_output=True, text=True,
                                     env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANPAGER": "cat", "MANWIDTH": "110"})
                self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_a_page_with_a_fault_is_found(self):
        with tempfile.NamedTemporaryFile("w", suffix=".8") as page:
            page.write(".Dd November 28, 2026\n.Dt X 8\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh DESCRIPTION\n.Nonsense\n")
            page.flush()
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page.name], capture_output=True, text=True)
            self.assertIn("Nonsense", lint.stdout)

    def test_every_option_is_in_the_manual_with_its_default(self):
        page = next(p for p in PAGES if p.name == "postsluice.toml.5").read_text()
        listed = page[page.index("\n.Sh OPTIONS"):page.index("\n.Sh EXAMPLES")]
        found, section = {}, ""
        for line in listed.splitlines():
            if line.startswith(".Ss "):
                section = {"At": "", "[profile.NAME]": "profile.NAME."}.get(line.split()[1].removeprefix("\\&"), line.split()[1].strip("[]") + ".")
            if line.startswith(".It Va "):
                key = section + line.split()[2]
                self.assertNotIn(key, found)
                found[key] = line
        self.assertEqual(set(found), set(self.options))
        text = plain(next(p for p in PAGES if p.name == "postsluice.toml.5"))
        for key, row in self.options.items():
            with self.subTest(key=key):
                self.assertIn(re.sub(r"\s+", " ", row["help"]), text)
                self.assertIn(f"{short(key)} = {row['default']}", text)

    def test_every_command_is_on_the_page_of_its_noun(self):
        self.assertEqual({f"postsluice-{noun}.8" for noun in self.nouns},
                         {p.name for p in PAGES} - {"postsluice.8", "postsluice-policyd.8", "postsluice-contentfilter.8",
                                                    "postsluice-pipe.8", "postsluice.toml.5"})
        overview = plain(next(p for p in PAGES if p.name == "postsluice.8"))
        for noun in self.nouns:
            page = plain(next(p for p in PAGES if p.name == f"postsluice-{noun}.8"))
            self.assertIn(f"postsluice-{noun}(8)", overview)
            helped = output(f"{BUILD}/postsluice", noun, "--help")
            verbs = re.findall(r"^  (\S+) ", helped.partition("Subcommands:\n")[2], re.MULTILINE)
            for verb in verbs or [""]:
                with self.subTest(command=f"{noun} {verb}"):
                    command = f"{noun} {verb}".strip()
                    self.assertIn(f"postsluice {command}", page)
                    self.assertTrue(not verb or verb in overview)
                    said = output(f"{BUILD}/postsluice", *command.split(), "--help")
                    for option in set(re.findall(r"^ +(--[\w-]+)", said, re.MULTILINE)) - {"--help", "--json", "--config", "--control", "--version"}:
                        self.assertIn(option, page)

    def test_no_text_speaks_of_an_option_that_there_is_not(self):
        """`section.key` in prose and .Va in the pages: each is an option."""
        sections = {key.split(".")[0] for key in self.options if "." in key} - {"profile", "account", "customer", "assign"}
        last = {short(key) for key in self.options} | {short(key).split(".")[0] for key in self.options}
        unknown = []
        prose = [p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("postfix-examples/**/*.md")]]
        for file in prose:
            for key in re.findall(r"`([a-z_]+\.[a-z_]+)(?: = [^`]*)?`", file.read_text()):
                if key.split(".")[0] in sections and key not in self.options and not key.endswith((".cpp", ".hpp", ".toml", ".sock")):
                    unknown.append(f"{file.relative_to(ROOT)}: {key}")
        for page in PAGES:
            for key in re.findall(r"^\.(?:It |Pq )?(?:the section )?Va (.+)$", page.read_text(), re.MULTILINE):
                for one in re.findall(r"[a-z_]+(?:\.[a-z_]+)*", key):
                    if not (one in self.options or one in last or f"[{one}]" in key):
                        unknown.append(f"{page.name}: {one}")
        self.assertEqual(unknown, [])

    def test_the_sample_is_a_configuration_without_errors_that_changes_nothing(self):
        output(f"{BUILD}/postsluice", "--config", f"{BUILD}/postsluice.toml", "config", "check")
        sample = pathlib.Path(BUILD, "postsluice.toml").read_text()
        for key in self.options:
            self.assertRegex(sample, rf"(?m)^#{re.escape(short(key))} = ")

    def complete(self, *words):
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postsluice; printf "%s\\n" "${COMPREPLY[@]}"')
        return set(output("bash", "-c", script, "bash", f"{BUILD}/completion/postsluice", "postsluice", *words, cwd=ROOT).split())

    def test_the_shell_completes_nouns_verbs_and_options(self):
        everywhere = {"--json", "--config", "--control", "--help"}
        self.assertEqual(self.complete("") - everywhere - {"lock", "unlock", "release", "reload"}, set(self.nouns))
        self.assertEqual(self.complete("acc"), {"account"})
        self.assertEqual(self.complete("account", "lo"), {"lock"})
        self.assertEqual(self.complete("account", "lock", "alice@example.org", "--"), {"--for", "--why"} | everywhere)
        self.assertEqual(self.complete("--config", "account", "limit", "s"), {"set"})
        self.assertEqual(self.complete("limit", "set", "alice", "x", "--for", ""), set())
        self.assertEqual(self.complete("--config", "README.m"), {"README.md"})
        self.assertEqual(self.complete("message", "test", "README.m"), {"README.md"})
        self.assertEqual(self.complete("unlock", "alice", "--w"), {"--why"})

    def test_make_install_brings_pages_completion_and_an_untouched_configuration(self):
        with tempfile.TemporaryDirectory(prefix="postsluice-") as folder:
            etc = pathlib.Path(folder, "etc/postsluice/postsluice.toml")
            install = ["make", "-s", "-C", ROOT, "-o", "all", "-o", "man", "-o", "completion", "-o", "sample", f"BUILD={BUILD}", f"DESTDIR={folder}"]
            output(*install, "install")
            found = {p.relative_to(folder): p for p in pathlib.Path(folder).rglob("*") if p.is_file()}
            self.assertEqual({p.name for p in found if p.parent.name in ("man5", "man8")}, {p.name for p in PAGES})
            self.assertEqual([p.name for p in found if p.parent.name == "completions"], ["postsluice"])
            # What the programs look for is where it was put.
            shipped = json.loads(self.options["contentfilter.rule_files"]["default"])[0]
            self.assertEqual({p.name for p in found if p.match(shipped.strip("/"))}, {p.name for p in (ROOT / "contentfilter/rules.d").glob("*.toml")})
            for key in ("contentfilter.worker", "spf.helper"):
                self.assertIn(pathlib.Path(json.loads(self.options[key]["default"]).strip("/")), found)
            self.assertEqual(etc.read_bytes(), pathlib.Path(BUILD, "postsluice.toml").read_bytes())
            etc.write_text("# mine\n")
            output(*install, "install")
            self.assertEqual(etc.read_text(), "# mine\n")
            output(*install, "uninstall")
            left = [p for p in pathlib.Path(folder).rglob("*") if p.is_file()]
            self.assertEqual(left, [etc])

    def test_programs_are_built_anew_for_another_prefix(self):
        with tempfile.TemporaryDirectory(prefix="postsluice-") as folder:
            for prefix in ("/opt/one", "/opt/two"):
                output("make", "-s", "-C", ROOT, f"BUILD={folder}", f"prefix={prefix}", f"{folder}/shared/config/installed.o")
                self.assertIn(f"{prefix}/lib".encode(), pathlib.Path(folder, "shared/config/installed.o").read_bytes())
            before = pathlib.Path(folder, "shared/config/installed.o").stat().st_mtime_ns
            output("make", "-s", "-C", ROOT, f"BUILD={folder}", "prefix=/opt/two", f"{folder}/shared/config/installed.o")
            self.assertEqual(pathlib.Path(folder, "shared/config/installed.o").stat().st_mtime_ns, before)


if not shutil.which("mandoc"):
    raise SystemExit("mandoc is not installed; tests/support/install-packages check")
