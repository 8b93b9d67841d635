"""Drainers as processes of their own, each below a process that stands for its worker."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.processes import ROOT, send

if TYPE_CHECKING:
    from tests.workers import Host

WORKER = """
import os, signal, sys, time
import django
django.setup()
from issue_tracker.drain.drainer import fork_drainer, stop_drainer
pid = fork_drainer()
os.write(1, f"{pid}\\n".encode())
signal.signal(signal.SIGTERM, lambda *_: (stop_drainer(pid, os.getpid()), os._exit(0)))
while True:
    time.sleep(60)
"""
"""What a worker does with its drainer, and nothing else."""


class Worker:
    """A process that forked a drainer."""

    def __init__(self, host: Host) -> None:
        self.host = host
        command = [sys.executable, "-c", WORKER]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=host.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.drainer = int(self.process.stdout.readline())

    def end(self) -> None:
        """Kill whatever is left of both."""
        for pid in (self.drainer, self.process.pid):
            send(pid, signal.SIGCONT)
            send(pid, signal.SIGKILL)
        self.process.communicate()
