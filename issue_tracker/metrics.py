"""Metrics for Prometheus, read when they are asked for: from the database, and from the spool of this host.

Right of the seam. Needs the extra `metrics`. A host with a registry of its own registers `IssueCollector()` there;
others include `issue_tracker.urls`.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from django.db.models import Count
from django.utils import timezone

from . import collection, conf
from .models import Occurrence, OperationalIssue

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError("Metrics need prometheus-client: pip install 'django-issue-tracker[metrics]'.") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

RECENT: Final = dt.timedelta(hours=1)
"""How far back occurrences are counted: an index range, whatever the size of the table."""


class IssueCollector(Collector):
    """Yields the metrics anew each time. Three queries on indexes; the spool is read even when the database is away."""

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: registering must not touch the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read database and spool."""
        yield from _of_spool()
        try:
            found = [*_of_issues(), *_of_occurrences()]
        except Exception:  # noqa: BLE001  whatever the driver raises: that it is down is the metric
            found = []
        yield _gauge("database_up", "Whether the database of the issues answered.", float(bool(found)))
        yield from found


def exposition(accept: str) -> tuple[bytes, str]:
    """Return our metrics in the format that an Accept header asks for, and its content type."""
    registry = CollectorRegistry()
    registry.register(IssueCollector())
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"issue_tracker_{name}", text, value=value)


def _of_issues() -> Iterator[Metric]:
    issues = OperationalIssue._base_manager.using(conf.current().database).order_by()
    rows = issues.values_list("status", "severity").annotate(n=Count("pk"))
    counts = {(status, severity): n for status, severity, n in rows}
    family = GaugeMetricFamily("issue_tracker_issues", "Issues stored.", labels=["status", "severity"])
    for status in OperationalIssue.Status.values:
        for severity in OperationalIssue.Severity.values:
            family.add_metric([status, severity], counts.get((status, severity), 0))
    yield family
    returned = issues.filter(status="open", is_returned=True).count()
    yield _gauge("open_issues_returned", "Open issues that are the return of an earlier one.", returned)


def _of_occurrences() -> Iterator[Metric]:
    rows = Occurrence.objects.using(conf.current().database).order_by().filter(occurred_at__gte=timezone.now() - RECENT)
    counts = dict(rows.values_list("severity").annotate(n=Count("pk")))
    family = GaugeMetricFamily(
        "issue_tracker_occurrences_last_hour", "Failures that happened in the last hour.", labels=["severity"]
    )
    for severity in OperationalIssue.Severity.values:
        family.add_metric([severity], counts.get(severity, 0))
    yield family


def _of_spool() -> Iterator[Metric]:
    found = collection.look()
    yield _gauge("spool_up", "Whether this host's spool could be read.", float(not found.trouble))
    if found.trouble:
        return
    yield _gauge("spool_records", "Records that wait in this host's spool.", found.waiting_count)
    waits = (timezone.now() - found.oldest_at).total_seconds() if found.oldest_at else 0.0
    yield _gauge("spool_oldest_seconds", "Age of the first failure that waits.", max(waits, 0.0))
    yield _gauge("spool_quarantined_records", "Records that the database refused.", found.quarantined_count)
    if found.is_drained is not None:
        yield _gauge("drainer_up", "Whether a drainer is at work on this host.", float(found.is_drained))
    family = CounterMetricFamily("issue_tracker_discarded_records", "Records given up, but counted.", labels=["reason"])
    for reason, count in found.discarded.items():
        family.add_metric([reason], count)
    yield family
