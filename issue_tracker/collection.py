"""The state of collection on this host: what waits in the spool, what was given up, who drains. Right of the seam."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from issue_tracker import conf
from issue_tracker.drain import inode_of, lock_path
from issue_tracker.event import UnreadableRecordError, decode
from issue_tracker.spool import Spool, SpoolError, current

LOCKS = Path("/proc/locks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What this process can see: the spool of its own host."""

    host: str
    is_enabled: bool
    waiting_count: int = 0
    oldest_at: datetime | None = None
    """When the first of the waiting failures happened."""
    quarantined_count: int = 0
    discarded: dict[str, int] = field(default_factory=dict)
    """Records given up, by reason."""
    is_drained: bool | None = None
    """Whether a drainer holds the spool's lock; None where the system does not tell."""
    trouble: str = ""
    """Why the spool can't be read, or empty."""


def look() -> Collection:
    """Read the state. Never raises, opens nothing that is not there, holds nobody up."""
    host, is_enabled = socket.gethostname(), conf.current().enabled
    spool = current()
    try:
        return Collection(
            host=host,
            is_enabled=is_enabled,
            waiting_count=spool.depth(),
            oldest_at=_oldest(spool),
            quarantined_count=spool.quarantine_count(),
            discarded=spool.reserve.counts(),
            is_drained=_is_locked(lock_path(spool)),
        )
    except (SpoolError, OSError) as error:
        return Collection(host=host, is_enabled=is_enabled, trouble=f"{type(error).__name__}: {error}")


def _oldest(spool: Spool) -> datetime | None:
    record = spool.oldest()
    if record is None:
        return None
    with suppress(UnreadableRecordError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(decode(record.body).occurred_at, UTC)
    return None


def _is_locked(path: Path) -> bool | None:
    """Tell whether somebody holds the lock of a file, without asking for it: who asks keeps a drainer out meanwhile."""
    device, inode = inode_of(path)
    if not inode:
        return False
    try:
        lines = LOCKS.read_text().splitlines()
    except OSError:
        return None
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    return any(wanted in line.split() for line in lines)
