"""Who is measured: a name, a settings module, and where its failures can be counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to keep failures."""

    name: str
    """Also the name of its module in benchmarks.settings."""
    title: str
    count_query: str = ""
    """SQL that counts the failures it stored; empty when it stores none in the database."""
    distribution: str = ""
    """The distribution whose version the page names."""

    @property
    def settings_module(self) -> str:
        """Dotted name of its settings."""
        return f"benchmarks.settings.{self.name}"


BARE = Contender(name="bare", title="bare Celery", distribution="celery")
OURS = Contender(
    name="ours",
    title="issue_tracker",
    count_query="SELECT count(*) FROM issue_tracker_occurrence",
)
NAIVE = Contender(name="naive", title="naive inserting handler", count_query="SELECT count(*) FROM naive_failure")
RESULTS = Contender(
    name="results",
    title="django-celery-results",
    count_query="SELECT count(*) FROM django_celery_results_taskresult WHERE status = 'FAILURE'",
    distribution="django-celery-results",
)
LOGS = Contender(
    name="logs",
    title="django-celery-logs",
    count_query="SELECT count(*) FROM celery_log_tasklog WHERE status = 'FAILURE'",
    distribution="django-celery-logs",
)
SENTRY = Contender(name="sentry", title="sentry-sdk, local sink", distribution="sentry-sdk")

ALL = (BARE, OURS, NAIVE, RESULTS, LOGS, SENTRY)
BY_NAME = {contender.name: contender for contender in ALL}
