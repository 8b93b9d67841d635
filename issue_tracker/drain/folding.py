"""Events into rows: each death one Occurrence, like occurrences folded into one issue. Right of the seam.

Guarantees, inside the caller's one transaction: idempotent by `event_id`; counts are exact, for the issues are locked
while they change; one issue per fingerprint takes repeats, for the database holds `open_key` unique. A batch costs a
constant number of statements, whatever it holds.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from django.db import connections
from django.db.models import Max

from issue_tracker import conf
from issue_tracker.event import Event, Kind, Severity
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.notify import note
from issue_tracker.signals import announce, issue_opened, issue_returned, issue_unmuted

from .keys import former_keys, keys_by_other_rules, with_open_keys
from .layout import flat_context, moment_of, new_issue, row_of
from .merging import as_event, better
from .statements import COLUMNS, add_to_issues, insert_occurrences, stored_of
from .stories import CONTROL_KINDS, fail_again, tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

logger = logging.getLogger("issue_tracker")

MAX_NEW_ISSUES_AN_HOUR: Final = 1_000
"""Beyond it new fingerprints share one overflow issue:
a failure with a random text in its message must not fill the list.
"""
OVERFLOW: Final = "overflow"

WORSENED: Final = ("context", "name", "exception_type")
_WORST_FIRST: Final = {Severity.ERROR.value: 0, Severity.WARNING.value: 1, Severity.INFO.value: 2}


ROUNDING_SECONDS: Final = 0.001
"""Databases keep microseconds, and floats a little less."""
COMPLETED: Final = tuple(
    name for name in COLUMNS if name not in {"issue_id", "event_id", "release", "outcome", "requeued_as"}
)
"""What a further report of a death may change in its row."""
_NOT_STORED: Final[dict[str, Any]] = {"given_key": "", "grouping_type": "", "grouping_message": None, "release": ""}
"""What a further report does not change: it is kept with the issue that the first opened, or in the first one's row."""


@dataclass(slots=True, kw_only=True)
class Folded:
    """What a batch came to."""

    stored: int = 0
    merged: int = 0
    """Reports of deaths that were known already."""
    opened: list[OperationalIssue] = field(default_factory=list)
    worsened: list[OperationalIssue] = field(default_factory=list)
    unmuted: list[OperationalIssue] = field(default_factory=list)
    deferred: list[Event] = field(default_factory=list)
    """Recoveries that came before the attempts they tell of; to be tried again."""

    def forget(self, pk: int) -> None:
        """Tell nothing of an issue that is no more."""
        for issues in (self.opened, self.worsened, self.unmuted):
            issues[:] = [issue for issue in issues if issue.pk != pk]


@dataclass(slots=True)
class _Taker:
    """An issue that takes events of this batch."""

    issue: OperationalIssue
    is_new: bool
    events: list[Event] = field(default_factory=list)
    moments: list[dt.datetime] = field(default_factory=list)
    """When each of them happened."""
    has_worsened: bool = False
    """Its context is that of a worse failure now."""
    is_late: bool = False
    """It was resolved after these events happened, and stays so."""


def fold(events: Sequence[Event], *, using: str, now: dt.datetime, is_history: bool = False) -> Folded:
    """Store the events of a batch, and tell what became of earlier ones.

    The caller holds a transaction open on `using`. History that is taken over opens issues without a bound on their
    number, and no signal tells of them.
    """
    folded = Folded()
    for deaths, controls in _parts(events):
        _fold_deaths(deaths, folded, using=using, now=now, is_history=is_history)
        folded.deferred += [event for event in controls if not tell(event, using=using, now=now)]
    for issue in () if is_history else folded.opened:
        announce(issue_returned if issue.is_returned else issue_opened, issue, using=using)
    note(opened=[*folded.opened, *folded.worsened], unmuted=folded.unmuted, using=using, now=now)
    return folded


def _parts(events: Sequence[Event]) -> Iterator[tuple[list[Event], list[Event]]]:
    """Part a batch behind each `cleared`, which tells of what came before it only;
    a recovery's place doesn't matter.
    """
    deaths: list[Event] = []
    controls: list[Event] = []
    for event in events:
        (controls if event.kind in CONTROL_KINDS else deaths).append(event)
        if event.kind == Kind.CLEARED:
            yield deaths, controls
            deaths, controls = [], []
    if deaths or controls:
        yield deaths, controls


def _fold_deaths(events: list[Event], folded: Folded, *, using: str, now: dt.datetime, is_history: bool) -> None:
    if not events:
        return
    unique = _merged(with_open_keys(events, using=using))
    known = _known(unique, using=using)
    fresh = [event for event in unique.values() if event.event_id not in known]
    _store(_takers(fresh, using=using, now=now, is_bounded=not is_history), folded, using=using, now=now)
    for event_id, occurrence in known.items():
        folded.merged += complete(occurrence, unique[event_id], using=using, now=now, folded=folded)
    fail_again(fresh, using=using)
    folded.stored += len(fresh)


def complete(occurrence: Occurrence, event: Event, *, using: str, now: dt.datetime, folded: Folded) -> bool:
    """Let a further report of a stored death complete its row, or rename it; returns whether anything changed.

    A higher rank with another fingerprint moves the occurrence to the issue that it belongs to.
    """
    old = as_event(occurrence)
    event = replace(event, occurred_at=_known_moment(event, old, now))
    if old.fingerprint in keys_by_other_rules(event):
        event = replace(event, fingerprint=old.fingerprint, fingerprint_version=old.fingerprint_version)
    joined = better(event, old) if event.rank != old.rank else better(old, event)
    if replace(joined, **_NOT_STORED) == old:
        return False
    if joined.fingerprint != old.fingerprint:
        _move(occurrence, joined, using=using, now=now, folded=folded)
        return True
    issue = occurrence.issue
    row = row_of(joined, issue, moment_of(joined, now))
    changes = dict(zip(COLUMNS, row, strict=True))
    for name in COMPLETED:
        setattr(occurrence, name, changes[name])
    occurrence.save(using=using, update_fields=COMPLETED)
    # Read again, locked: other events of this batch, or another drainer, may have changed it.
    issue = OperationalIssue._base_manager.using(using).select_for_update().get(pk=issue.pk)
    if _WORST_FIRST[joined.severity] < _WORST_FIRST[issue.severity]:
        _worsen(issue, joined)
        issue.save(using=using, update_fields=[*WORSENED, "severity", "kind"])
        folded.worsened.append(issue)
    return True


def _known_moment(event: Event, old: Event, now: dt.datetime) -> float:
    """Return when a further report says that a death was; what differs by the database's rounding only is the same."""
    at = moment_of(event, now).timestamp()
    return old.occurred_at if abs(at - old.occurred_at) < ROUNDING_SECONDS else at


def _merged(events: Iterable[Event]) -> dict[str, Event]:
    unique: dict[str, Event] = {}
    for event in events:
        there = unique.get(event.event_id)
        unique[event.event_id] = event if there is None else better(there, event)
    return unique


def _known(unique: dict[str, Event], *, using: str) -> dict[str, Occurrence]:
    stored = stored_of(list(unique), using=using)
    if not stored:
        return {}
    found = Occurrence.objects.using(using).filter(event_id__in=stored).select_related("issue")
    return {occurrence.event_id: occurrence for occurrence in found}


def _takers(events: list[Event], *, using: str, now: dt.datetime, is_bounded: bool = True) -> list[_Taker]:
    """Find or make the issue of each event; issues that exist are locked, in the order of their keys,
    against deadlocks.
    """
    window = conf.current().dedup_window
    if not window:
        return [_alone(event, now) for event in events]
    by_key: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.occurred_at):
        by_key[event.fingerprint].append(event)
    table = OperationalIssue._base_manager.using(using)
    locked = table.select_for_update().filter(open_key__in=sorted(by_key)).order_by("open_key")
    current = {issue.fingerprint: issue for issue in locked}
    earlier = _earlier({key: by_key[key][0] for key in by_key if key not in current}, using=using, now=now)
    if is_bounded:
        _spill(by_key, current, using=using, now=now)
    takers: list[_Taker] = []
    for key in sorted(by_key):
        takers += _divide(by_key[key], current.get(key), earlier.get(key), window=window, now=now, using=using)
    return takers


def _alone(event: Event, now: dt.datetime) -> _Taker:
    issue = new_issue(event, None, now, takes_repeats=False)
    return _Taker(issue, is_new=True, events=[event], moments=[moment_of(event, now)])


def _spill(
    by_key: dict[str, list[Event]], current: dict[str, OperationalIssue], *, using: str, now: dt.datetime
) -> None:
    """Put the failures of fingerprints beyond the hour's bound into the one overflow issue,
    each with its own name kept beside it.
    """
    fresh = [key for key in sorted(by_key) if key not in current]
    if not fresh:
        return
    table = OperationalIssue._base_manager.using(using)
    made = table.filter(created_at__gte=now - dt.timedelta(hours=1)).count()
    over = fresh[max(0, MAX_NEW_ISSUES_AN_HOUR - made) :]
    if not over or over == [OVERFLOW]:
        return
    spilled = [_spilled(event) for key in over for event in by_key.pop(key)]
    by_key[OVERFLOW] = sorted([*by_key.get(OVERFLOW, []), *spilled], key=lambda event: event.occurred_at)
    taker = table.select_for_update().filter(open_key=OVERFLOW).first()
    if taker is not None:
        current[OVERFLOW] = taker


def _spilled(event: Event) -> Event:
    told = {"name": event.name, "task": event.task, "exception_type": event.exception_type}
    return replace(
        event,
        name="Too many different failures",
        task="",
        exception_type="",
        culprit="",
        fingerprint=OVERFLOW,
        fingerprint_version=0,
        given_key=f"more than {MAX_NEW_ISSUES_AN_HOUR:,} new fingerprints within an hour",
        context={**event.context, **{key: value for key, value in told.items() if value}},
    )


def _divide(
    events: list[Event],
    issue: OperationalIssue | None,
    earlier: OperationalIssue | None,
    *,
    window: dt.timedelta,
    now: dt.datetime,
    using: str,
) -> list[_Taker]:
    """Deal the events of one fingerprint, oldest first, to the issue that takes repeats,
    and to new ones after each quiet window.
    """
    takers = [_Taker(issue, is_new=False)] if issue else []
    late = _Taker(earlier, is_new=False, is_late=True) if earlier and not takers else None
    for event in events:
        at = moment_of(event, now)
        if late is not None and not takers and _was_resolved_after(late.issue, at):
            _take(late, event, at)
            continue
        taker = takers[-1] if takers else None
        if (
            taker is not None
            and taker.issue.status != OperationalIssue.Status.MUTED
            and at - taker.issue.last_seen_at > window
        ):
            _release(taker, using=using)
            earlier, taker = taker.issue, None
        if taker is None:
            taker = _Taker(new_issue(event, _returns_from(earlier, at, window), now), is_new=True)
            takers.append(taker)
        _take(taker, event, at)
    return [late, *takers] if late is not None and late.events else takers


def _take(taker: _Taker, event: Event, at: dt.datetime) -> None:
    taker.events.append(event)
    taker.moments.append(at)
    if at > taker.issue.last_seen_at:
        taker.issue.last_seen_at = at


def _was_resolved_after(issue: OperationalIssue, at: dt.datetime) -> bool:
    """Tell whether a failure is no return, but was told late: its node could not drain, or drains once in a second."""
    return (
        issue.status == OperationalIssue.Status.RESOLVED and issue.resolved_at is not None and at <= issue.resolved_at
    )


def _release(taker: _Taker, *, using: str) -> None:
    """Let an issue that was quiet for the window take no more repeats."""
    taker.issue.open_key = None
    if not taker.is_new:
        OperationalIssue._base_manager.using(using).filter(pk=taker.issue.pk).update(open_key=None)


def _returns_from(earlier: OperationalIssue | None, at: dt.datetime, window: dt.timedelta) -> OperationalIssue | None:
    if earlier is None or (earlier.status != OperationalIssue.Status.RESOLVED and at - earlier.last_seen_at <= window):
        return None
    return earlier


def _earlier(first: dict[str, Event], *, using: str, now: dt.datetime) -> dict[str, OperationalIssue]:
    """Find the latest issue of each fingerprint, by former rules as well, for the link to what it returned from.

    Given is the first event of each. An issue that was resolved after it is locked, for it takes that event.
    """
    if not first:
        return {}
    former = former_keys(list(first.values()))
    keys = [*former, *first]
    table = OperationalIssue._base_manager.using(using)
    latest = table.filter(fingerprint__in=keys).order_by().values("fingerprint").annotate(latest=Max("id"))
    ids = [row["latest"] for row in latest]
    issues = table.filter(id__in=ids).order_by("id") if ids else []
    found = {former.get(issue.fingerprint, issue.fingerprint): issue for issue in issues}
    late = {issue.pk: key for key, issue in found.items() if _was_resolved_after(issue, moment_of(first[key], now))}
    if late:
        found |= {late[issue.pk]: issue for issue in table.select_for_update().filter(pk__in=late).order_by("pk")}
    return found


def _store(takers: list[_Taker], folded: Folded, *, using: str, now: dt.datetime) -> None:
    for taker in takers:
        _sum_up(taker)
        folded.unmuted += _wake(taker, using=using)
    made = [taker.issue for taker in takers if taker.is_new]
    _insert_issues(made, using=using)
    folded.opened += made
    rows = (
        row_of(event, taker.issue, at)
        for taker in takers
        for event, at in zip(taker.events, taker.moments, strict=True)
    )
    if takers:
        insert_occurrences(rows, using=using)
    add_to_issues(
        [(taker.issue, len(taker.events)) for taker in takers if not taker.is_new and taker.events], using=using
    )
    worse = [taker.issue for taker in takers if taker.has_worsened and not taker.is_new]
    OperationalIssue._base_manager.using(using).bulk_update(worse, WORSENED)
    folded.worsened += worse


def _insert_issues(issues: list[OperationalIssue], *, using: str) -> None:
    """Insert new issues, one that returns from another of this batch after it.

    Where two drainers open the same one at once, the unique key refuses ours and the batch is tried again.
    """
    while issues:
        ready = [issue for issue in issues if issue.previous is None or not issue.previous._state.adding]
        for issue in ready:
            issue.previous_id = issue.previous.pk if issue.previous else None
        if connections[using].features.can_return_rows_from_bulk_insert:
            OperationalIssue._base_manager.using(using).bulk_create(ready, batch_size=500)
        else:  # MySQL tells the key of a single insert only
            for issue in ready:
                issue.save(using=using, force_insert=True)
        issues = [issue for issue in issues if issue._state.adding]


def _sum_up(taker: _Taker) -> None:
    """Bring the issue up to its events; a new one holds its count from the start."""
    issue = taker.issue
    issue.first_seen_at = min([issue.first_seen_at, *taker.moments])
    for event in taker.events:
        if _WORST_FIRST[event.severity] < _WORST_FIRST[issue.severity]:
            _worsen(issue, event)
            taker.has_worsened = True
    if taker.is_new:
        issue.occurrence_count = len(taker.events)


def _wake(taker: _Taker, *, using: str) -> list[OperationalIssue]:
    """Open an issue again that had closed itself by recovery, or whose mute ends with these events.

    Returns it where it was a mute that ended.
    """
    issue = taker.issue
    unmuted: list[OperationalIssue] = []
    if taker.is_new or taker.is_late or not taker.events or issue.status == OperationalIssue.Status.OPEN:
        return unmuted
    if issue.status == OperationalIssue.Status.MUTED:
        count = issue.occurrence_count + len(taker.events)
        is_over = issue.muted_until is not None and issue.muted_until <= issue.last_seen_at
        if not is_over and not (issue.muted_until_count is not None and count >= issue.muted_until_count):
            return unmuted
        announce(issue_unmuted, issue, using=using)
        unmuted.append(issue)
    issue.status, issue.resolved_at = OperationalIssue.Status.OPEN, None
    issue.muted_until = issue.muted_until_count = None
    return unmuted


def _move(occurrence: Occurrence, event: Event, *, using: str, now: dt.datetime, folded: Folded) -> None:
    """Take the occurrence out of the issue of the poorer report, which goes when it is left empty, and fold it anew."""
    old = OperationalIssue._base_manager.using(using).select_for_update().get(pk=occurrence.issue_id)
    kept = {"outcome": occurrence.outcome, "requeued_as": occurrence.requeued_as, "release": occurrence.release}
    occurrence.delete(using=using)
    if old.occurrence_count <= 1:
        old.delete(using=using)
        folded.forget(occurrence.issue_id)
    else:
        add_to_issues([(old, -1)], using=using)
    takers = _takers([event], using=using, now=now)
    _store(takers, folded, using=using, now=now)
    Occurrence.objects.using(using).filter(event_id=event.event_id).update(**kept)


def _worsen(issue: OperationalIssue, event: Event) -> None:
    """Let the worse failure speak for the issue; message and traceback stay, for the occurrences that share them."""
    issue.severity, issue.kind, issue.context = event.severity, event.kind, flat_context(event)
    issue.name, issue.exception_type = event.name, event.exception_type
