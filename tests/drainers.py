"""Drainers as processes of their own, each below a process that stands for its worker."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.processes import ROOT, children_of, send, until

if TYPE_CHECKING:
    from tests.workers import Host

WORKER = """
import os, signal, sys, time
import django
django.setup()
from issue_tracker.drain.drainer import fork_drainer, stop_drainer
pid = fork_drainer()
THEN
os.write(1, f"{pid}\\n".encode())
signal.signal(signal.SIGTERM, lambda *_: (stop_drainer(pid, os.getpid()), os._exit(0)))
while True:
    time.sleep(60)
"""
"""What a worker does with its drainer, and nothing else."""


class Worker:
    """A process that forked a drainer."""

    def __init__(self, host: Host, before: str = "", then: str = "") -> None:
        self.host = host
        command = [sys.executable, "-c", before + WORKER.replace("THEN", then)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=host.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.keeper = int(self.process.stdout.readline())
        self.drainer = self.drainers()[0] if not before else self.keeper

    def drainers(self, *, but: int = 0) -> list[int]:
        """Return the keeper's drainer once it is there; `but` one that was killed."""
        return until(lambda: [pid for pid in children_of(self.keeper) if pid != but], why="there is a drainer")

    def end(self) -> None:
        """Kill whatever is left of it."""
        for pid in (self.process.pid, *self.family()):
            send(pid, signal.SIGCONT)
            send(pid, signal.SIGKILL)
        self.process.communicate()

    def family(self) -> list[int]:
        """Return its keeper and drainer, also those that came later."""
        return [pid for pid in self.host.processes() if pid != self.process.pid]
