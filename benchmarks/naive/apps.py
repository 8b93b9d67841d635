"""Connects the receivers."""

from __future__ import annotations

from django.apps import AppConfig


class NaiveConfig(AppConfig):
    """The naive handler as an app."""

    name = "benchmarks.naive"
    label = "naive"

    def ready(self) -> None:
        """Connect the receivers of task_failure and task_retry."""
        from . import receivers  # noqa: F401  importing connects
