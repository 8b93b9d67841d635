"""What should be left of a mode: its deaths, and one rule for every collector to grade them by (see `grading`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FRAME: Final = 'File "'
"""Stands in every traceback that has a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One failure that has to be recorded."""

    exceptions: tuple[str, ...] = ()
    """Short names, any of which is the right type; empty: nothing was raised, or nothing that Python could see."""
    shows: str = ""
    """Text that stands in the traceback; empty: Python had none."""
    task: str | None = ""
    """Full name of the task to be named; "": the mode's own; None: there is no task to name."""
    needs_arguments: bool = False
    """The process vanished: what is left to tell is the task and what it was given."""
    outcomes: tuple[str, ...] = ()
    """Words, in lower case, any of which tells what became of the task; empty: the exception says it."""
    attempts: int = 1
    """How many runs the story has; the last one is the death, the others are retries of it."""


def failed(
    *exceptions: str, shows: str = FRAME, task: str | None = "", attempts: int = 1, outcomes: tuple[str, ...] = ()
) -> Death:
    """Expect an exception with its traceback."""
    return Death(exceptions=exceptions, shows=shows, task=task, attempts=attempts, outcomes=outcomes)


def stopped(*exceptions: str, task: str | None = "") -> Death:
    """Expect an exception of which Python had no traceback: it was made outside the task's process."""
    return Death(exceptions=exceptions, task=task)


def vanished(*, task: str = "", attempts: int = 1) -> Death:
    """Expect a task whose process vanished: its name and its arguments."""
    return Death(task=task, needs_arguments=True, attempts=attempts)


def told(*outcomes: str, task: str | None = "", needs_arguments: bool = False) -> Death:
    """Expect the task with that outcome: nothing was raised in it."""
    return Death(outcomes=outcomes, task=task, needs_arguments=needs_arguments)


NOTHING: Final[tuple[Death, ...]] = ()
"""Nothing failed: no row."""
