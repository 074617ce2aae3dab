# SPDX-License-Identifier: Apache-2.0
"""The RFC 7208 test suite against postsluice-spf-helper, the program that policyd asks: its own protocol over a socket
pair (shared/auth/spf_helper/protocol.hpp), the suite's zones as the DNS. Needs neither root nor Postfix."""

import ipaddress
import os
import pathlib
import socket
import struct
import subprocess
import unittest

import yaml

PARALLEL = True

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("POSTSLUICE_BUILD", str(ROOT / "build")))
CORPUS = ROOT / "tests/corpus/spf"
RESULTS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")
TYPES = {1: "A", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}
FOUND, NO_NAME, NO_TYPE, TROUBLE = range(4)


class Helper:
    """The daemon's end."""

    def __init__(self):
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(20)
        program = str(BUILD / "postsluice-spf-helper")

        def channel():
            os.dup2(theirs.fileno(), 3)
            os.set_inheritable(3, True)

        self.process = subprocess.Popen([program], env={}, preexec_fn=channel, close_fds=False, stdin=subprocess.DEVNULL)
        theirs.close()
        assert self.receive() == b"postsluice-spf-helper 1"

    def close(self):
        self.socket.close()
        return self.process.wait(20)

    def receive(self):
        size = struct.unpack("=I", self._exactly(4))[0]
        return self._exactly(size)

    def _exactly(self, size):
        out = b""
        while len(out) < size:
            more = self.socket.recv(size - len(out))
            if not more:
                raise EOFError("the helper ended")
            out += more
        return out

    def send(self, octets):
        self.socket.sendall(struct.pack("=I", len(octets)) + octets)

    def check(self, ip, helo, sender, lookup, terms=10, voids=2):
        """(result, explanation, questions)"""
        text = b"".join(part.encode() + b"\0" for part in (ip, helo, sender))
        self.send(b"E" + bytes([terms, voids]) + text)
        questions = []
        while True:
            got = self.receive()
            if got[:1] == b"R":
                return RESULTS[got[1]], got[2:-1].decode(errors="replace"), questions
            kind, name = TYPES[struct.unpack("=H", got[1:3])[0]], got[3:-1].decode()
            questions.append((kind, name))
            status, records = lookup(name, kind)
            self.send(b"A" + bytes([status]) + struct.pack("=I", 60) +
                      b"".join(struct.pack("=H", len(one)) + one for one in records))


def on_wire(name):
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.rstrip(".").split(".") if label) + b"\0"


def octets(kind, value):
    if kind == "A":
        return ipaddress.IPv4Address(value).packed
    if kind == "AAAA":
        return ipaddress.IPv6Address(value).packed
    if kind == "PTR":
        return on_wire(value)
    if kind == "MX":
        return struct.pack(">H", value[0]) + on_wire(value[1])
    strings = [part.encode("utf-8") for part in (value if isinstance(value, list) else [value])]
    pieces = [s[i:i + 255] for s in strings for i in range(0, max(len(s), 1), 255)]
    return b"".join(bytes([len(p)]) + p for p in pieces)


class Zone:
    """The suite's data: records of type SPF stand for TXT where there is no TXT; TIMEOUT is for what stands after it."""

    def __init__(self, data):
        self.names = {}
        for name, records in data.items():
            pairs = [("TIMEOUT", None) if r == "TIMEOUT" else next(iter(r.items())) for r in records]
            if not any(kind == "TXT" for kind, _ in pairs):
                pairs = [pair for p in pairs for pair in ([p, ("TXT", p[1])] if p[0] == "SPF" else [p])]
            self.names[name.lower().rstrip(".")] = [p for p in pairs if p[1] != "NONE"]

    def __call__(self, name, kind, depth=0):
        name = name.lower().rstrip(".")
        if name not in self.names:
            below = any(other.endswith("." + name) for other in self.names)
            return (NO_TYPE if below else NO_NAME), []
        found = []
        for has, value in self.names[name]:
            if has == "TIMEOUT":
                if not found:
                    return TROUBLE, []
                break
            if has == "CNAME" and depth < 8:
                return self(value, kind, depth + 1)
            if has == kind:
                if value == "TIMEOUT":
                    return TROUBLE, []
                found.append(octets(kind, value))
        return (FOUND if found else NO_TYPE), found


def deviations():
    out = {}
    for line in (CORPUS / "deviations.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            case, result, why = line.split(None, 2)
            out[case] = (result, why)
    return out


class Suite(unittest.TestCase):
    def test_every_case_gets_its_result_or_the_listed_deviation(self):
        listed, seen, total = deviations(), {}, 0
        helper = Helper()
        self.addCleanup(helper.socket.close)
        for document in yaml.safe_load_all((CORPUS / "rfc7208-tests.yml").read_text()):
            zone = Zone(document["zonedata"])
            for name, case in document["tests"].items():
                total += 1
                right = case["result"] if isinstance(case["result"], list) else [case["result"]]
                got, why, _ = helper.check(str(case["host"]), str(case["helo"]), str(case["mailfrom"] or case["helo"]), zone)
                if got not in right:
                    seen[name] = got
                with self.subTest(name, spec=case["spec"], why=why):
                    self.assertIn(got, [listed[name][0]] if name in listed else right)
        self.assertEqual(total, 203)
        self.assertEqual(sorted(seen), sorted(listed), "deviations.txt and the cases that deviate differ")
        self.assertEqual(helper.close(), 0)


class Limits(unittest.TestCase):
    def setUp(self):
        self.helper = Helper()
        self.addCleanup(self.helper.close)

    def check(self, data, **limits):
        return self.helper.check("192.0.2.25", "x.test", "a@x.test", Zone(data), **limits)

    @staticmethod
    def chain(length):
        data = {f"l{n}.x.test": [{"TXT": f"v=spf1 include:l{n + 1}.x.test -all"}] for n in range(length)}
        data[f"l{length}.x.test"] = [{"TXT": "v=spf1 ip4:192.0.2.25 -all"}]
        data["x.test"] = [{"TXT": "v=spf1 include:l0.x.test -all"}]
        return data

    def test_terms_are_counted_over_all_records(self):
        self.assertEqual(self.check(self.chain(9))[0], "pass")
        result, why, questions = self.check(self.chain(10))
        self.assertEqual(result, "permerror")
        self.assertIn("4.6.4", why)
        self.assertEqual(len(questions), 11)  # the record itself and ten terms
        self.assertEqual(self.check(self.chain(10), terms=11)[0], "pass")

    def test_void_lookups_are_counted(self):
        record = "v=spf1 a:v1.x.test a:v2.x.test {} ip4:192.0.2.25 -all"
        self.assertEqual(self.check({"x.test": [{"TXT": record.format("")}]})[0], "pass")
        third = {"x.test": [{"TXT": record.format("a:v3.x.test")}]}
        self.assertEqual(self.check(third)[0], "permerror")
        self.assertEqual(self.check(third, voids=3)[0], "pass")

    def test_addresses_of_an_mx_are_not_terms(self):
        data = {"x.test": [{"TXT": "v=spf1 mx mx:y.test -all"}]}
        data["x.test"] += [{"MX": [n, f"m{n}.x.test"]} for n in range(9)]
        data["y.test"] = [{"MX": [0, "last.y.test"]}]
        data.update({f"m{n}.x.test": [{"A": f"192.0.2.{n + 100}"}] for n in range(9)})
        data["last.y.test"] = [{"A": "192.0.2.25"}]
        self.assertEqual(self.check(data)[0], "pass")

    def test_a_long_record_is_an_error_and_not_cut(self):
        data = {"x.test": [{"TXT": "v=spf1 " + " ".join(f"ip4:198.51.100.{n}" for n in range(1, 80)) + " ip4:192.0.2.25 -all"}]}
        result, why, _ = self.check(data)
        self.assertEqual(result, "permerror")
        self.assertIn("1000 octets", why)

    def test_garbage_ends_the_helper(self):
        self.helper.send(b"?")
        self.assertEqual(self.helper.process.wait(20), 1)

    def test_a_helper_is_confined(self):
        status = pathlib.Path(f"/proc/{self.helper.process.pid}/status").read_text()
        self.assertIn("\nSeccomp:\t2\n", status)
        self.assertIn("\nNoNewPrivs:\t1\n", status)
        files = os.listdir(f"/proc/{self.helper.process.pid}/fd")
        self.assertTrue({"0", "1", "2", "3"} >= set(files) - {f for f in files if int(f) > 3})


if __name__ == "__main__":
    unittest.main()
