"""Who is graded: ours and the peers, each installed as its README says, and bare Celery as the measure of behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """One way to keep failures."""

    name: str
    """Also the key of its apps in `settings` and of its reader in `records`."""
    title: str
    distribution: str
    """Whose version the page names."""
    patience_seconds: float
    """How long a record that is still missing may take to come once the mode is over."""


BARE: Final = Collector(name="bare", title="bare Celery", distribution="celery", patience_seconds=0)
OURS: Final = Collector(name="ours", title="issue_tracker", distribution="django-issue-tracker", patience_seconds=12)
"""Patience: the drainer gives Celery 6 s to tell of a lost process itself, and looks every 2 s."""
NAIVE: Final = Collector(name="naive", title="naive handler", distribution="", patience_seconds=1)
RESULTS: Final = Collector(
    name="results", title="django-celery-results", distribution="django-celery-results", patience_seconds=1
)
LOGS: Final = Collector(name="logs", title="django-celery-logs", distribution="django-celery-logs", patience_seconds=1)
SENTRY: Final = Collector(name="sentry", title="sentry-sdk", distribution="sentry-sdk", patience_seconds=3)

ALL: Final = (BARE, OURS, NAIVE, RESULTS, LOGS, SENTRY)
BY_NAME: Final = {collector.name: collector for collector in ALL}
PEERS: Final = (NAIVE, RESULTS, LOGS, SENTRY)
