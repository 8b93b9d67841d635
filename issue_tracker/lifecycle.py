"""State changes of issues, written once: the verbs of the QuerySet, which a single issue shares. Right of the seam.

Each verb reads the status and changes it in one statement, so that two people, or a person and a drainer, can't both
win.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db import IntegrityError, models, router, transaction
from django.db.models import F
from django.utils import timezone

from .signals import announce, issue_resolved
from .turns import begin_with_a_write, until_it_wins

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Self

    from django.dispatch import Signal

    from .models import OperationalIssue


RECURRING_AFTER: Final = timedelta(days=1)
"""An issue seen again this long after it was first seen recurs. Ours: one outage is over within a day."""


def recurring_condition(over: timedelta = RECURRING_AFTER) -> models.Q:
    """Return what makes an issue recurring: it is the return of an earlier one, or was seen over that long."""
    return models.Q(is_returned=True) | models.Q(last_seen_at__gte=F("first_seen_at") + over)


before_reading: list[Callable[[], None]] = []
"""Called before issues are read through their manager: where this process drains by itself,
its own latest come in first.
"""


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

    def recurring(self, *, over: timedelta = RECURRING_AFTER, since: datetime | None = None) -> Self:
        """Keep the issues that keep coming back: returns, and those seen over a day (or `over`); seen since a time."""
        found = self.filter(recurring_condition(over))
        return found if since is None else found.filter(last_seen_at__gte=since)

    def resolve(self, *, by: Any = None, note: str = "", now: datetime | None = None) -> int:
        """Resolve those that are not resolved yet; the next like failure opens a new issue. Returns how many changed.

        `by` is the user who did it: with one, the change and the note are kept in Django's LogEntry.
        """
        changes = {"status": "resolved", "resolved_at": now or timezone.now(), "open_key": None} | _UNMUTED
        return self._change(
            self.exclude(status="resolved"), changes, by=by, note=note, what="resolved", signal=issue_resolved
        )

    def mute(self, *, until: datetime | None = None, more: int | None = None, by: Any = None, note: str = "") -> int:
        """Mute the open ones, for ever, until a time, or until so many `more` occurrences. Returns how many changed.

        Muted, they take all repeats and say nothing. Raises ValueError unless `more` is at least 1.
        """
        if more is not None and more < 1:
            raise ValueError(f"A mute ends after 1 more occurrence at the earliest, not after {more:,}.")
        count = None if more is None else F("occurrence_count") + more
        changes = {"status": "muted", "muted_until": until, "muted_until_count": count}
        ids = list(self.filter(status="open", open_key=None).values_list("pk", flat=True))
        changed = self._change(self.filter(status="open"), changes, by=by, note=note, what=_muted_text(until, more))
        self._let_take_repeats(ids)
        return changed

    def reopen(self, *, by: Any = None, note: str = "") -> int:
        """Open the resolved and muted ones again; each takes repeats unless a newer issue of its fingerprint does.

        Returns how many changed. The database's unique key decides between two of one fingerprint.
        """
        ids = list(self.exclude(status="open").values_list("pk", flat=True))
        changes = {"status": "open", "resolved_at": None} | _UNMUTED
        changed = self._change(self.exclude(status="open"), changes, by=by, note=note, what="reopened")
        self._let_take_repeats(ids)
        return changed

    def _let_take_repeats(self, ids: list[int]) -> None:
        """Give each of these its key, unless a newer issue of its fingerprint has it: the unique key decides."""
        table = self.model._base_manager.using(self.db).exclude(status="resolved").exclude(fingerprint="")
        for pk in ids:
            with contextlib.suppress(IntegrityError):
                until_it_wins(partial(self._take_key, table.filter(pk=pk, open_key=None)), using=self.db)

    def _take_key(self, issue: models.QuerySet[OperationalIssue]) -> None:
        with transaction.atomic(using=self.db):
            issue.update(open_key=F("fingerprint"))

    def _change(
        self, those: Self, changes: dict[str, Any], *, by: Any, note: str, what: str, signal: Signal | None = None
    ) -> int:
        """Change the status in the transaction that reads it, in chunks,
        so that two people or a drainer can't both win.
        """
        ids = list(those.order_by("pk").values_list("pk", flat=True))
        text = f"{what}: {note}" if note else what
        changed = 0
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            changed += until_it_wins(partial(self._change_some, some, changes, by, text, signal), using=self.db)
        return changed

    def _change_some(self, ids: list[int], changes: dict[str, Any], by: Any, text: str, signal: Signal | None) -> int:
        table = self.model._base_manager.using(self.db)
        with transaction.atomic(using=self.db):
            begin_with_a_write(self.model, using=self.db)
            still = table.filter(pk__in=ids).exclude(status=changes["status"])
            won = list(still.select_for_update().order_by("pk").values_list("pk", flat=True))
            table.filter(pk__in=won).update(**changes)
            remember(self.model, won, by=by, text=text, using=self.db)
            if signal is not None:
                for issue in table.filter(pk__in=won):
                    announce(signal, issue, using=self.db)
        return len(won)


_UNMUTED: dict[str, Any] = {"muted_until": None, "muted_until_count": None}
CHUNK = 500
"""Issues that one transaction changes at most."""


def _muted_text(until: datetime | None, more: int | None) -> str:
    if until is not None:
        return f"muted until {until:%Y-%m-%d %H:%M %Z}".rstrip()
    return "muted" if more is None else f"muted until {more:,} more occurrences"


def remember(model: type[models.Model], ids: list[int], *, by: Any, text: str, using: str) -> None:
    """Keep who changed what in Django's LogEntry; nothing without a user, or without django.contrib.admin.

    The entries stand where the host's router keeps LogEntry, which is where the users are: in the caller's transaction
    when the issues are there too, else once that has committed.
    """
    if by is None or not ids or not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.models import LogEntry  # only importable where the admin is installed

    names = {issue.pk: str(issue)[:200] for issue in model._base_manager.using(using).filter(pk__in=ids)}
    home = router.db_for_write(LogEntry)
    write = partial(_write_log, LogEntry, model, [(pk, names.get(pk, str(pk))) for pk in ids], by, text, home)
    if home == using:
        write()
    else:
        transaction.on_commit(write, using=using)


def _write_log(
    log: Any, model: type[models.Model], those: list[tuple[int, str]], by: Any, text: str, home: str
) -> None:
    from django.contrib.contenttypes.models import ContentType

    content_type = ContentType.objects.db_manager(home).get_for_model(model)
    log.objects.using(home).bulk_create(
        log(
            user_id=by.pk,
            content_type_id=content_type.pk,
            object_id=str(pk),
            object_repr=name,
            action_flag=2,  # LogEntry's CHANGE
            change_message=text,
        )
        for pk, name in those
    )


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

    def resolve(self, *, by: Any = None, note: str = "", now: datetime | None = None) -> bool:
        """Resolve this issue; returns whether anything changed."""
        return self._apply("resolve", by=by, note=note, now=now)

    def mute(self, *, until: datetime | None = None, more: int | None = None, by: Any = None, note: str = "") -> bool:
        """Mute this issue, for ever, until a time, or until so many more occurrences;
        returns whether anything changed.
        """
        return self._apply("mute", until=until, more=more, by=by, note=note)

    def reopen(self, *, by: Any = None, note: str = "") -> bool:
        """Open this issue again; returns whether anything changed. See the QuerySet's verb for what it takes then."""
        return self._apply("reopen", by=by, note=note)

    def _apply(self, verb: str, **options: Any) -> bool:
        changed = getattr(IssueQuerySet(type(self), using=self._state.db).filter(pk=self.pk), verb)(**options)
        self.refresh_from_db()
        return bool(changed)
