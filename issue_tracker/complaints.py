"""What collecting says on stderr when it can't do its work: rarely, and no captured value. Left of the seam."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Final

QUIET_SECONDS: Final = 10.0
"""Between two lines on stderr; those in between are counted."""

_last = {"at": 0.0, "held": 0}


def complain(text: str) -> None:
    """Say on stderr, at most once in ten seconds, what is wrong with collecting; names no captured value."""
    now = time.monotonic()
    if _last["at"] and now - _last["at"] < QUIET_SECONDS:
        _last["held"] += 1
        return
    more = f" ({_last['held']} more like it)" if _last["held"] else ""
    _last.update(at=now, held=0)
    with suppress(Exception):
        sys.stderr.write(f"issue_tracker: {text}{more}\n")
