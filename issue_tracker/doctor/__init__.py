"""The doctor: does collection work here, from the settings to the row? Right of the seam.

A further check is one more function in `CHECKS`: it takes the Celery app and yields findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import celery_side, channels, host
from .findings import Finding, Level, error, fine, said, warning
from .trial import clean_up, is_of_trial, trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from celery import Celery

    Check = Callable[[Celery], Iterable[Finding]]

__all__ = ["CHECKS", "Finding", "Level", "clean_up", "error", "examine", "fine", "is_of_trial", "trial", "warning"]

CHECKS: Final[tuple[Check, ...]] = (
    host.settings,
    host.spool,
    host.drainer,
    host.database,
    celery_side.broker,
    celery_side.workers,
    celery_side.schedule,
    channels.channels,
)


def examine(app: Celery, *, checks: Iterable[Check] = CHECKS) -> Iterator[Finding]:
    """Run each check; one that breaks is a finding itself. Sends nothing but questions to the workers."""
    for check in checks:
        try:
            yield from check(app)
        except Exception as trouble:  # noqa: BLE001  a doctor that dies of what it finds tells nothing of the rest
            yield error(check.__name__, f"The check broke: {said(trouble)}", "Please report it.")
