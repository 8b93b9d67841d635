"""The processes of the demo stack: each in a session of its own, with its output in a file, ended by its own pid.

A session of its own keeps the terminal's Ctrl-C away from it: the stack ends its processes itself, in the right order.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
"""Directory of the project, in which every process is started."""

MAX_TAIL_LINES: Final = 15
"""Lines of a log that an error shows; ours: a traceback's end and its message."""


class StackError(Exception):
    """The stack can't be started or kept running; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process that this one has started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None
    """Where its output goes; None: to the terminal."""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def tail(self) -> str:
        """Return the last lines of its log."""
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-MAX_TAIL_LINES:])

    def stop(self, *, patience_seconds: float = 10.0) -> None:
        """End it: by SIGTERM, and when that takes too long by SIGKILL, with whatever is left of its process group."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience_seconds)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(
    name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path | None = None, text: str = ""
) -> Child:
    """Start a process in the project's directory, with `text` on its stdin. Raises StackError when it can't be run."""
    output = log.open("wb") if log else None
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        raise StackError(f"{name} can't be started: {command[0]}: {error}") from error
    finally:
        if output:
            output.close()
    _feed(process, text)
    return Child(name=name, process=process, log=log)


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    if process.stdin:
        with suppress(BrokenPipeError):  # it ended at once: its log says why
            process.stdin.write(text.encode())
            process.stdin.close()


def free_port(*, preferred: int = 0) -> int:
    """Return a loopback TCP port that is free at this moment: the preferred one if it is."""
    for port in (preferred, 0):
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StackError("no loopback port is free")
