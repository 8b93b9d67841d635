"""Retention: what the `PRUNE_…` settings let go is deleted, in batches that nobody waits for. Right of the seam.

Guarantees: never a muted issue, never an open one unless `PRUNE_OPEN_AFTER` says so, and never the newest occurrence of
an issue that stays; the counts of an issue are of all that was ever seen, so they don't change. Each batch is a
transaction of its own of at most BATCH rows that waits for no lock: a prune may be killed anywhere, and several may run
at once. What is to go is decided by a time and a place in the order of occurrences, not by a number still to delete, so
two prunes together delete what one would.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import connections, transaction
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from . import conf
from .models import Occurrence, OperationalIssue
from .turns import until_it_wins, wait_for_turn

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet

BATCH: Final = 1_000
"""Rows that one transaction deletes at most. Ours; `docs/benchmarks.md` says how long it holds them."""
CHUNK: Final = 500
"""Keys in one statement; SQLite takes 999 parameters at the least."""
PAUSE_SECONDS: Final = 0.01
"""Between two batches: on SQLite, where one process writes at a time, the others get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may go."""

    resolved_before: dt.datetime | None
    """Resolved issues last seen, and resolved, before then."""
    open_before: dt.datetime | None
    """Open issues last seen before then."""
    occurrences_before: dt.datetime | None
    max_occurrences: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a prune has deleted, or, on a dry run, would delete."""

    issues: int = 0
    occurrences: int = 0


class _Place(NamedTuple):
    """A place in the order of occurrences, oldest first."""

    occurred_at: dt.datetime
    pk: int


@dataclass(slots=True, kw_only=True)
class _Run:
    """One prune on its way."""

    policy: Policy
    using: str
    is_dry: bool
    report: Callable[[Pruned], None]
    done: Pruned

    def book(self, *, issues: int = 0, occurrences: int = 0) -> None:
        """Count what a batch did, tell it, and let others write."""
        self.done = replace(
            self.done, issues=self.done.issues + issues, occurrences=self.done.occurrences + occurrences
        )
        self.report(self.done)
        if not self.is_dry:
            time.sleep(PAUSE_SECONDS)

    def expired(self) -> QuerySet[OperationalIssue]:
        """Return the issues that may go, occurrences and all, as they stand now."""
        return OperationalIssue._base_manager.using(self.using).filter(_expired(self.policy)).order_by("pk")

    def rows(self) -> QuerySet[Occurrence]:
        """Return all occurrences."""
        return Occurrence.objects.using(self.using).order_by()


def policy_in_force(now: dt.datetime) -> Policy:
    """Return what the settings let go at this time."""
    chosen = conf.current()
    return Policy(
        resolved_before=_before(now, chosen.prune_resolved_after),
        open_before=_before(now, chosen.prune_open_after),
        occurrences_before=_before(now, chosen.prune_occurrences_after),
        max_occurrences=chosen.prune_max_occurrences,
    )


def prune(
    *,
    now: dt.datetime | None = None,
    dry_run: bool = False,
    progress: Callable[[Pruned], None] = lambda _done: None,
) -> Pruned:
    """Delete what the settings let go; returns how much. `progress` is called after each batch with the sum so far.

    A dry run reads the same and deletes nothing. Raises what the database raises; what is deleted by then stays so.
    """
    run = _Run(
        policy=policy_in_force(now or timezone.now()),
        using=conf.current().database,
        is_dry=dry_run,
        report=progress,
        done=Pruned(),
    )
    _prune_issues(run)
    _prune_occurrences(run)
    return run.done


def _before(now: dt.datetime, age: dt.timedelta | None) -> dt.datetime | None:
    try:
        return None if age is None else now - age
    except OverflowError:  # longer ago than the calendar goes
        return None


def _expired(policy: Policy) -> Q:
    found = Q(pk__in=())
    if policy.resolved_before is not None:
        is_long_resolved = Q(resolved_at__lt=policy.resolved_before) | Q(resolved_at=None)
        found |= Q(status="resolved", last_seen_at__lt=policy.resolved_before) & is_long_resolved
    if policy.open_before is not None:
        found |= Q(status="open", last_seen_at__lt=policy.open_before)
    return found


# ---- whole issues


def _prune_issues(run: _Run) -> None:
    last = 0
    while page := list(run.expired().filter(pk__gt=last).values_list("pk", "occurrence_count")[:BATCH]):
        last = page[-1][0]
        for group in _groups(page):
            if run.is_dry:
                run.book(issues=len(group), occurrences=run.rows().filter(issue__in=group).count())
            else:
                _prune_group(run, group)


def _groups(page: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Part issues so that each group with its occurrences is one batch; one that is bigger stands alone."""
    group: list[int] = []
    size = 0
    for pk, occurrence_count in page:
        if group and size + occurrence_count + 1 > BATCH:
            yield group
            group, size = [], 0
        group.append(pk)
        size += occurrence_count + 1
    yield group


def _prune_group(run: _Run, group: list[int]) -> None:
    if len(group) == 1:
        while _in_turn(run, partial(_delete_oldest_of, run, group[0])):
            pass
    _in_turn(run, partial(_delete_issues, run, group))


def _delete_oldest_of(run: _Run, issue_id: int) -> Pruned:
    """Delete the oldest occurrences of one issue; should it be opened meanwhile, the newest are those that stay."""
    if not _held(run, run.expired().filter(pk=issue_id)):
        return Pruned()
    oldest = run.rows().filter(issue=issue_id).order_by("occurred_at", "pk")[:BATCH]
    return Pruned(occurrences=_delete_rows(run, list(oldest.values_list("pk", flat=True))))


def _delete_issues(run: _Run, group: list[int]) -> Pruned:
    found = Pruned()
    for ids in _chunks(group):
        held = _held(run, run.expired().filter(pk__in=ids))
        table = OperationalIssue._base_manager.using(run.using)
        # Only the key is read: a traceback of 32 KiB for each of 500 issues would be 16 MiB.
        _total, by_model = table.filter(pk__in=held).only("pk").delete()
        found = Pruned(
            issues=found.issues + by_model.get(OperationalIssue._meta.label, 0),
            occurrences=found.occurrences + by_model.get(Occurrence._meta.label, 0),
        )
    return found


# ---- old occurrences


def _prune_occurrences(run: _Run) -> None:
    """Walk the occurrences, oldest first, up to the place from which on they stay."""
    end = _end(run)
    after: _Place | None = None
    while end is not None and (page := _page(run, after, end)):
        after = _Place(page[-1][0], page[-1][1])
        newest = _newest_of(run, {issue_id for _at, _pk, issue_id in page})
        ids = [pk for _at, pk, _issue_id in page if pk not in newest]
        if run.is_dry:
            run.book(occurrences=len(ids) - _count_of_expired(run, ids))
        else:
            _in_turn(run, lambda ids=ids: Pruned(occurrences=_delete_rows(run, ids)))  # type: ignore[misc]  # mypy infers no type for a default of a lambda


def _end(run: _Run) -> _Place | None:
    """Return the place of the last occurrence that may go: by its age, or by the number of newer ones."""
    places = []
    if (before := run.policy.occurrences_before) is not None:
        places.append(_Place(before, 0))
    if (most := run.policy.max_occurrences) is not None:
        newest_first = run.rows().order_by("-occurred_at", "-pk").values_list("occurred_at", "pk")
        places += [_Place(*place) for place in newest_first[most : most + 1]]
    return max(places, default=None)


def _page(run: _Run, after: _Place | None, end: _Place) -> list[tuple[dt.datetime, int, int]]:
    rows = run.rows().filter(occurred_at__lte=end.occurred_at).exclude(occurred_at=end.occurred_at, pk__gt=end.pk)
    if after is not None:
        rows = rows.filter(occurred_at__gte=after.occurred_at).exclude(occurred_at=after.occurred_at, pk__lte=after.pk)
    return list(rows.order_by("occurred_at", "pk").values_list("occurred_at", "pk", "issue_id")[:BATCH])


def _newest_of(run: _Run, issue_ids: set[int]) -> set[int]:
    """Return the newest occurrence of each issue: one look into an index for each."""
    newest = run.rows().filter(issue=OuterRef("pk")).order_by("-occurred_at", "-pk").values("pk")[:1]
    issues = OperationalIssue._base_manager.using(run.using).order_by().annotate(newest=Subquery(newest))
    return {
        pk for ids in _chunks(sorted(issue_ids)) for pk in issues.filter(pk__in=ids).values_list("newest", flat=True)
    }


def _count_of_expired(run: _Run, ids: list[int]) -> int:
    """Count those of the occurrences that their issue has taken with it already, had this been no dry run."""
    issues = run.expired().values("pk")
    return sum(run.rows().filter(pk__in=some, issue__in=issues).count() for some in _chunks(ids))


# ---- one transaction


def _in_turn(run: _Run, delete: Callable[[], Pruned]) -> int:
    """Delete in one transaction that waits for its turn among the writers; returns how many occurrences went."""

    def transact() -> Pruned:
        with transaction.atomic(using=run.using):
            wait_for_turn(OperationalIssue, using=run.using)
            return delete()

    found = until_it_wins(transact, using=run.using)
    run.book(issues=found.issues, occurrences=found.occurrences)
    return found.occurrences


def _delete_rows(run: _Run, ids: list[int]) -> int:
    deleted = 0
    for some in _chunks(ids):
        held = _held(run, run.rows().filter(pk__in=some))
        deleted += run.rows().filter(pk__in=held).delete()[0]
    return deleted


def _held(run: _Run, those: QuerySet[Any]) -> list[int]:
    """Lock those that nobody else has locked, and that are still as the query wants them; returns their keys."""
    can_skip = connections[run.using].features.has_select_for_update_skip_locked
    return list(those.select_for_update(skip_locked=can_skip).values_list("pk", flat=True))


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
