"""State changes of issues, written once: the verbs of the QuerySet, which a single issue shares. Right of the seam.

Each verb reads the status and changes it in one statement, so that two people, or a person and a drainer, can't both win.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Self

    from .models import OperationalIssue  # noqa: F401


RECURRING_AFTER: Final = timedelta(days=1)
"""An issue seen again this long after it was first seen recurs. Ours: one outage is over within a day."""


def recurring_condition() -> models.Q:
    """Return what makes an issue recurring: it is the return of an earlier one, or was seen over more than a day."""
    return models.Q(is_returned=True) | models.Q(last_seen_at__gte=F("first_seen_at") + RECURRING_AFTER)


before_reading: list[Callable[[], None]] = []
"""Called before issues are read through their manager: where this process drains by itself, its own latest come in first."""


class IssueQuerySet(models.QuerySet["OperationalIssue"]):
    """Issues, with the questions and the state changes of the vocabulary."""

    def open(self) -> Self:
        """Keep the issues that somebody should look at."""
        return self.filter(status="open")

    def resolved(self) -> Self:
        """Keep the resolved issues."""
        return self.filter(status="resolved")

    def muted(self) -> Self:
        """Keep the muted issues."""
        return self.filter(status="muted")

    def recurring(self) -> Self:
        """Keep the issues that keep coming back."""
        return self.filter(recurring_condition())

    def resolve(self, *, now: datetime | None = None) -> int:
        """Resolve those that are not resolved yet; the next like failure opens a new issue. Returns how many changed."""
        return self.exclude(status="resolved").update(
            status="resolved", resolved_at=now or timezone.now(), open_key=None, muted_until=None, muted_until_count=None
        )

    def mute(self, *, until: datetime | None = None) -> int:
        """Mute the open ones, for ever or until a time: they take all repeats and say nothing. Returns how many changed."""
        return self.filter(status="open").update(status="muted", muted_until=until, muted_until_count=None)

    def reopen(self) -> int:
        """Open the resolved and muted ones again; each takes repeats unless a newer issue of its fingerprint does.

        Returns how many changed.
        """
        changed = 0
        for issue in self.exclude(status="open").order_by("fingerprint", "-last_seen_at", "-id"):
            changed += issue.reopen()
        return changed


class IssueManager(models.Manager["OperationalIssue"].from_queryset(IssueQuerySet)):  # type: ignore[misc]  # django-stubs can't type a generated base
    """Reads what this process has recorded: records of its own that are still in the spool are drained first."""

    def get_queryset(self) -> IssueQuerySet:
        """Return all issues, this process's own latest included when the connection may be used."""
        for hook in before_reading:
            hook()
        return super().get_queryset()  # type: ignore[no-any-return]


class Verbs(models.Model):
    """The verbs of the QuerySet, for one issue; the instance shows the new state afterwards."""

    class Meta:
        """No table of its own."""

        abstract = True

    def resolve(self, *, now: datetime | None = None) -> bool:
        """Resolve this issue; returns whether anything changed."""
        return self._apply("resolve", now=now)

    def mute(self, *, until: datetime | None = None) -> bool:
        """Mute this issue, for ever or until a time; returns whether anything changed."""
        return self._apply("mute", until=until)

    def reopen(self) -> bool:
        """Open this issue again; returns whether anything changed.

        It takes repeats again, unless a newer issue of its fingerprint does already: the database's unique key decides.
        """
        mine = IssueQuerySet(type(self), using=self._state.db).filter(pk=self.pk)
        changed = mine.exclude(status="open").update(
            status="open", resolved_at=None, muted_until=None, muted_until_count=None
        )
        with contextlib.suppress(IntegrityError), transaction.atomic(using=self._state.db):
            mine.filter(open_key=None, status="open").exclude(fingerprint="").update(open_key=F("fingerprint"))
        self.refresh_from_db()
        return bool(changed)

    def _apply(self, verb: str, **options: Any) -> bool:
        changed = getattr(IssueQuerySet(type(self), using=self._state.db).filter(pk=self.pk), verb)(**options)
        self.refresh_from_db()
        return bool(changed)
