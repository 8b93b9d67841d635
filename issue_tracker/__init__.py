"""Every way a Celery task can die becomes an OperationalIssue row; explicit calls record data-quality problems.

The names below are the public ones; beside them `issue_tracker.models.OperationalIssue`, its QuerySet's verbs and the
signals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import bind
    from .reporting import clear, expect, report, watch

__all__ = ["bind", "clear", "expect", "report", "watch"]

_HOMES = {"bind": "context", "clear": "reporting", "expect": "reporting", "report": "reporting", "watch": "reporting"}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used: Django imports this package before the settings can be read."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found
