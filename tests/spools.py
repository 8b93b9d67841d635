"""Spools for tests: filled, read back, damaged, and used by processes of their own that can be stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

from issue_tracker.spool import Spool
from issue_tracker.spool.store import FILE_NAME
from tests.processes import ROOT, until

if TYPE_CHECKING:
    from pathlib import Path

PRELUDE = """
import os, signal, sys, threading, time
from pathlib import Path
from issue_tracker.spool import Spool

spool = Spool(Path(sys.argv[1]))

def put(text):
    return spool.append(text.encode(), key=text, stub=lambda: b"stub of " + text.encode())

def say(text):
    os.write(1, f"{text}\\n".encode())
"""


def put(spool: Spool, *texts: str) -> bool:
    """Append texts; returns whether the spool took each of them as it is."""
    taken = [spool.append(text.encode(), key=text, stub=f"stub of {text}".encode) for text in texts]
    return all(taken)


def waiting(spool: Spool) -> list[str]:
    """Return all records that wait, oldest first."""
    return [record.body.decode() for record in spool.claim(max_records=1_000_000, max_bytes=2**40)]


def start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Run code in a process of its own, with `spool`, `put` and `say` at hand; the first argument is the directory."""
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes], *, timeout_seconds: float = 30) -> str:
    """Wait for a process and return what it said; fail unless it ended with 0."""
    output, _ = process.communicate(timeout=timeout_seconds)
    assert process.returncode == 0, output
    return output.decode()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as the OOM killer would, stopped or not."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def filled(directory: Path, texts: list[str]) -> Path:
    """Leave a spool as a killed process does; returns its file."""
    code = """
    for line in sys.stdin:
        assert put(line.rstrip())
    os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(code), str(directory)]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(texts).encode(), check=False)
    assert done.returncode == -signal.SIGKILL
    return directory / FILE_NAME


def stopped_with_the_lock(directory: Path, kind: str) -> subprocess.Popen[bytes]:
    """Return a process that was stopped with the lock of the file: LOCK_SH as who writes, LOCK_EX as who drains."""
    process = start(
        f"""
        import fcntl
        put("before")
        fcntl.flock(spool._fd, fcntl.{kind})
        say("holding")
        os.kill(os.getpid(), signal.SIGSTOP)
        """,
        directory,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"holding\n"
    until(lambda: os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)[0], why="the process has stopped")
    return process
