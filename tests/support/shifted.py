# SPDX-License-Identifier: Apache-2.0
"""A sandbox whose daemons see other clocks than we do (clock_shift.cpp, preloaded)."""

import os
import struct
import subprocess
import unittest.mock

from sandbox import ROOT, Sandbox


class ShiftedSandbox(Sandbox):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.library, self.shift_file = self.path("clock_shift.so"), self.path("clock_shift")
        self.shift()
        subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O1", "-shared", "-fPIC", "-o", self.library,
                        ROOT / "tests/support/clock_shift.cpp", "-ldl"], check=True)

    def shift(self, wall=0, boot=0):
        """Both in seconds, from the true time."""
        with open(self.shift_file, "r+b" if self.shift_file.exists() else "w+b") as file:  # in place: it is mapped
            file.write(struct.pack("=qq", wall, boot))
        os.chmod(self.shift_file, 0o644)

    def start_daemon(self, *arguments, **more):
        others = os.environ.get("LD_PRELOAD", "")
        with unittest.mock.patch.dict(os.environ, LD_PRELOAD=f"{self.library} {others}".strip(), CLOCK_SHIFT=str(self.shift_file)):
            return super().start_daemon(*arguments, **more)
