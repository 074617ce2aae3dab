# SPDX-License-Identifier: Apache-2.0
"""Files that a running daemon can read but not change any more, as after the kernel has made their file system read-only."""

import contextlib
import pathlib
import re
import subprocess

CALLS = ("openat,pwrite64,pwritev,write,writev,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,link,linkat,"
         "mkdir,mkdirat")


class Unwritable:
    def __init__(self, log):
        self.log = log

    def struck(self, call=""):
        """How often such a call has failed so far."""
        return sum(1 for line in self.log.read_text(errors="replace").splitlines() if "(INJECTED)" in line and f" {call}" in line)


@contextlib.contextmanager
def unwritable(box, name, directory, more=()):
    """Of daemon `name`: all files below `directory` that are there now, and `more`. By strace, since a file system with open files cannot
    be remounted read-only; what is mapped (LMDB's lock file) can still be changed."""
    log = box.path(f"log/unwritable-{name}")
    log.unlink(missing_ok=True)
    paths = [*(path for path in directory.rglob("*") if path.is_file()), *more]
    pid = box.processes[name].pid
    command = ["strace", "-f", "-qq", "-o", log, "-p", str(pid), *(word for path in paths for word in ("-P", path)),
               "-e", f"trace={CALLS}", "-e", f"inject={CALLS}:error=EROFS"]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        status = pathlib.Path(f"/proc/{pid}/status")
        box.wait_until(lambda: not re.search(r"^TracerPid:\s+0$", status.read_text(), re.MULTILINE), "strace")
        yield Unwritable(log)
    finally:
        tracer.terminate()
        tracer.wait(20)
