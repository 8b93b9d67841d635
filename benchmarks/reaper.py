"""Runs one command and waits for every process that it leaves behind, detached ones included. A program, not a module.

As the subreaper of its descendants it becomes the parent of those whose own parent ended, so that their CPU time stays
in one tree, whatever they fork. SIGTERM goes on to the command (a warm stop of a worker).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run the command; return its exit code once no descendant is left."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: _forward(child.pid))
    code = 0
    with suppress(ChildProcessError):
        while True:
            pid, status = os.wait()
            if pid == child.pid:
                code = os.waitstatus_to_exitcode(status)
    return code


def _forward(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
