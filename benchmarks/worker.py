"""A real Celery worker in a tree of processes that can be measured from outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import reaper
from .processes import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .contenders import Contender

CONCURRENCY = 2
STOP_SECONDS = 60.0
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a worker is started with."""

    contender: Contender
    pool: str
    """"prefork" or "threads", with a concurrency of 2."""
    broker: str
    database: str
    directory: Path
    """For its log and its spool."""
    environment: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def worker(setup: Setup) -> Iterator[int]:
    """Start a worker; yield the process id whose descendants it is (see `reaper`). Stops it warm afterwards.

    It runs as `celery worker` does by default, log level included, but without the traffic between workers (gossip,
    mingle, heartbeat), which would only add noise.
    """
    with (setup.directory / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            _command(setup), env=os.environ | environment(setup), cwd=ROOT, stdout=log, stderr=log
        )
    try:
        yield process.pid
        process.terminate()
        process.wait(STOP_SECONDS)
    except Exception:
        sys.stderr.write(_log_tail(setup))
        raise
    finally:
        if process.poll() is None:
            _kill(process)


def environment(setup: Setup) -> dict[str, str]:
    """Return what the settings modules read."""
    return {
        "DJANGO_SETTINGS_MODULE": setup.contender.settings_module,
        "BENCHMARK_BROKER": setup.broker,
        "BENCHMARK_DATABASE": setup.database,
        "BENCHMARK_SPOOL": str(setup.directory / "spool"),
        **setup.environment,
    }


def _log_tail(setup: Setup, *, line_count: int = 25) -> str:
    text = (setup.directory / "worker.log").read_text(errors="replace")
    return "\n".join(text.splitlines()[-line_count:]) + "\n"


def _command(setup: Setup) -> list[str]:
    celery = [sys.executable, "-m", "celery", "--app", "benchmarks.celery_app", "worker"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    pool = ["--pool", setup.pool, "--concurrency", str(CONCURRENCY), "--hostname", "benchmark@localhost"]
    return [sys.executable, reaper.__file__, *celery, *pool, *quiet]


def _kill(process: subprocess.Popen[bytes]) -> None:
    for member in reversed(tree(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member.pid, 9)
    process.wait()
