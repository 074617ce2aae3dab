# SPDX-License-Identifier: Apache-2.0
"""A daemon whose allocations fail from a moment on that the test says."""

import mmap
import os
import pathlib
import struct
import subprocess
import unittest.mock

HERE = pathlib.Path(__file__).resolve().parent


class Scarcity:
    """What the preloaded library (no_memory.cpp) is told: from the nth on a daemon's allocations fail."""

    def __init__(self, box):
        self.box = box
        self.library, self.file = box.path("no_memory.so"), box.path("no_memory")
        subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O1", "-shared", "-fPIC", "-o", self.library,
                        HERE / "no_memory.cpp"], check=True)
        self.file.write_bytes(struct.pack("=qqq", -1, 0, 0))
        os.chmod(self.file, 0o666)
        with open(self.file, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 24)

    def begin(self, after, times):
        struct.pack_into("=qqq", self.shared, 0, -1, times, 0)
        struct.pack_into("=q", self.shared, 0, after)

    def end(self):
        """How many allocations were refused, and how many succeeded before."""
        left, _, refused = struct.unpack_from("=qqq", self.shared, 0)
        struct.pack_into("=qq", self.shared, 0, -1, 0)
        return refused, left

    def start(self, name):
        """The daemon, with the library before its own."""
        with unittest.mock.patch.dict(os.environ, LD_PRELOAD=str(self.library), NO_MEMORY=str(self.file)):
            return self.box.start_daemon(name)
