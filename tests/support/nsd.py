# SPDX-License-Identifier: Apache-2.0
"""nsd on a loopback address, port 5353, as the whole of the DNS: one root zone, which a test writes.

Names are not to end in .test: libunbound answers for that one by itself, that it does not exist (RFC 6761 section 6.2).
"""

import signal
import socket
import subprocess
import time

PORT = 5353
HEAD = """$ORIGIN .
$TTL {ttl}
@ IN SOA ns.example. hostmaster.example. 1 3600 600 86400 {ttl}
@ IN NS ns.example.
ns.example. IN A 127.0.0.1
"""


def txt(name, value):
    """A TXT record: a line of a zone file."""
    return f"{name}. IN TXT " + " ".join(f'"{value[i:i + 200]}"' for i in range(0, len(value), 200)) + "\n"


class Nsd:
    def __init__(self, directory, address, zone="", ttl=1):
        self.directory, self.address, self.ttl, self.process = directory, address, ttl, None
        directory.mkdir()
        self.write(zone)
        (directory / "nsd.conf").write_text(f"""
server:
  ip-address: {address}@{PORT}
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  database: ""
  pidfile: "{directory}/nsd.pid"
  xfrdfile: "{directory}/xfrd.state"
  zonelistfile: "{directory}/zone.list"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
""")

    def write(self, zone):
        (self.directory / "root.zone").write_text(HEAD.format(ttl=self.ttl) + zone)

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", self.directory / "nsd.conf"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("nsd does not answer: " + (self.directory / "log").read_text())
            time.sleep(0.02)

    def answers(self):
        """A question for ns.example A, by hand."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            try:
                probe.sendto(b"\0\1\0\0\0\1\0\0\0\0\0\0\2ns\7example\0\0\1\0\1", (self.address, PORT))
                return len(probe.recv(512)) > 30
            except OSError:
                return False

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def publish(self, zone):
        """Another zone, from the moment of the return."""
        self.stop()
        self.write(zone)
        self.start()
