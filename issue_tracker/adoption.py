"""Adoption: the rows of a host's own table of the seed's shape, copied into ours. Right of the seam.

Each row becomes an occurrence, bounded, masked and fingerprinted as `report()` would have it now, so that what is
reported from now on goes on where the old table stopped. Idempotent by the row's key: a run that was broken off, or
that comes again because the table has grown, copies what is missing. The source is only read. No signal is sent:
nobody need hear of what is long past.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils import timezone

from . import conf
from .drain import Folded, fold
from .event import Event, Kind, Severity, event_id_of
from .fingerprint import VERSION
from .models import Occurrence, OperationalIssue
from .recording import MAX_MESSAGE_CHARACTERS, Failure, event_of
from .serializer import scrubbed_text_of
from .tracebacks import culprit_of_text
from .turns import until_it_wins, wait_for_turn

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

BATCH: Final = 500
"""Rows in one transaction, as in a drain."""
ATTEMPTS: Final = 3
"""Tries of a batch that met a drainer which opened the same issue."""
CHUNK: Final = 500
"""Keys in one statement; SQLite takes 999 parameters at the least."""
FIELDS: Final = ("name", "task", "error_message", "traceback", "context", "severity", "created_at")
"""The seed's fields, beside the primary key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What an adoption has done, or, on a dry run, would do."""

    rows: int = 0
    """Rows read."""
    stored: int = 0
    """Of these, rows that were not here yet."""
    issues: int = 0
    """Issues opened. On a dry run the number of different fingerprints: a long silence makes one issue more."""
    resolved: int = 0
    """Of these, issues that had been quiet for the window."""


def source_of(label: str) -> type[models.Model]:
    """Return the model named "app.Model". Raises ValueError when there is none, or when its shape is another."""
    try:
        source = apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise ValueError(f"There is no model {label!r}. Write it as app_label.ModelName.") from error
    if source is OperationalIssue:
        raise ValueError("These are our own issues already.")
    has = {field.name for field in source._meta.concrete_fields}
    if missing := [name for name in FIELDS if name not in has]:
        raise ValueError(f"{label} is not of the shape that can be adopted: it lacks {', '.join(missing)}.")
    return source


def adopt(
    source: type[models.Model],
    *,
    dry_run: bool = False,
    keep_open: bool = False,
    now: dt.datetime | None = None,
    progress: Callable[[Adopted], None] = lambda _done: None,
) -> Adopted:
    """Copy all rows, oldest first; returns how many. `progress` is called after each batch with the sum so far.

    Issues that were quiet for `DEDUP_WINDOW` come in as resolved, unless `keep_open`. Raises what a database raises;
    what is copied by then stays.
    """
    now, using = now or timezone.now(), conf.current().database
    done, touched, fingerprints = Adopted(), set[int](), set[str]()
    for events in _batches(source):
        known = _known(events, using)
        fresh = [event for event in events if event.event_id not in known]
        if dry_run:
            fingerprints |= {event.fingerprint[:16] for event in fresh}
            opened = len(fingerprints) - done.issues
        else:
            opened = len(_store(fresh, using, now).opened) if fresh else 0
            touched |= set(_known(events, using).values())
        done = replace(done, rows=done.rows + len(events), stored=done.stored + len(fresh), issues=done.issues + opened)
        progress(done)
    return done if keep_open else replace(done, resolved=_resolve_quiet(touched, using, now))


def _batches(source: type[models.Model]) -> Iterator[list[Event]]:
    """Read the rows in the order of their times: that of the keys may differ, and the window asks for it."""
    rows = source._base_manager.order_by("created_at", "pk").only("pk", *FIELDS)
    page = list(rows[:BATCH])
    while page:
        yield [_event(source, row) for row in page]
        at, pk = page[-1].created_at, page[-1].pk  # type: ignore[attr-defined]  # `source_of` has looked
        later = rows.filter(created_at__gte=at).exclude(created_at=at, pk__lte=pk)
        page = list(later[:BATCH])


def _event(source: type[models.Model], row: Any) -> Event:
    traceback = str(row.traceback or "")
    name = str(row.name).strip() or "Unnamed report"
    context = row.context if isinstance(row.context, dict) else {"context": row.context} if row.context else {}
    event = event_of(
        Failure(
            kind=Kind.REPORT,
            name=name,
            task=scrubbed_text_of(str(row.task), max_chars=255),
            message=scrubbed_text_of(str(row.error_message), max_chars=MAX_MESSAGE_CHARACTERS),
            traceback=traceback,
            culprit=culprit_of_text(traceback),
            context=context,
            occurred_at=row.created_at.timestamp(),
            grouping_type=name,
            is_death=False,
        ),
        _severity(row.severity),
    )
    key = event_id_of("adopted", source._meta.label_lower, row.pk)
    return replace(event, event_id=key, fingerprint=event.keyed(), fingerprint_version=VERSION, release="")


def _severity(value: object) -> str:
    try:
        return Severity(str(value).lower()).value
    except ValueError:
        return Severity.ERROR.value


def _known(events: list[Event], using: str) -> dict[str, int]:
    """Return the events that are stored already, each with its issue."""
    rows = Occurrence.objects.using(using).order_by()
    return dict(rows.filter(event_id__in=[event.event_id for event in events]).values_list("event_id", "issue_id"))


def _store(events: list[Event], using: str, now: dt.datetime) -> Folded:
    for _attempt in range(ATTEMPTS - 1):
        try:
            return until_it_wins(partial(_fold, events, using, now), using=using)
        except IntegrityError:
            continue
    return until_it_wins(partial(_fold, events, using, now), using=using)


def _fold(events: list[Event], using: str, now: dt.datetime) -> Folded:
    with transaction.atomic(using=using):
        wait_for_turn(OperationalIssue, using=using)
        folded = fold(events, using=using, now=now, is_history=True)
        issues = OperationalIssue._base_manager.using(using)
        # Recorded when the row was: the list of the newest, and the bound on new issues an hour, go by that.
        issues.filter(pk__in=[issue.pk for issue in folded.opened]).update(created_at=F("first_seen_at"))
    return folded


def _resolve_quiet(touched: set[int], using: str, now: dt.datetime) -> int:
    """Resolve those issues of the adoption that were quiet for the window; returns how many.

    Told from issues of our own, which old rows joined, by the time of their recording. Not by the verb `resolve`, which
    sends signals.
    """
    issues = OperationalIssue._base_manager.using(using).filter(
        status="open", created_at=F("first_seen_at"), last_seen_at__lt=now - conf.current().dedup_window
    )
    ids = sorted(touched)
    return sum(
        issues.filter(pk__in=ids[start : start + CHUNK]).update(status="resolved", resolved_at=now, open_key=None)
        for start in range(0, len(ids), CHUNK)
    )
