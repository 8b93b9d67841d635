"""The prune: whole issues first, then old occurrences, batch by batch. Right of the seam."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from issue_tracker import conf
from issue_tracker.models import Occurrence, OperationalIssue

from .deleting import chunks, delete_issues, delete_occurrences
from .policy import Policy, expired, policy_in_force

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet

BATCH: Final = 1_000
"""Rows read at once and deleted in two transactions; docs/benchmarks.md says how long those hold them."""
ISSUES_AT_ONCE: Final = 100
"""Issues that one transaction deletes: the database looks for what points at each of them in three tables."""
PAUSE_SECONDS: Final = 0.01
"""Between two batches: on SQLite, where one process writes at a time, the others get their turn."""


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
        return OperationalIssue._base_manager.using(self.using).filter(expired(self.policy)).order_by("pk")

    def rows(self) -> QuerySet[Occurrence]:
        """Return all occurrences."""
        return Occurrence.objects.using(self.using).order_by()


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


# ---- whole issues


def _prune_issues(run: _Run) -> None:
    last = 0
    while page := list(run.expired().filter(pk__gt=last).values_list("pk", "occurrence_count")[:ISSUES_AT_ONCE]):
        last = page[-1][0]
        for group in _groups(page):
            if run.is_dry:
                run.book(issues=len(group), occurrences=run.rows().filter(issue__in=group).count())
            else:
                _prune_group(run, group)


def _groups(page: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Part issues so that the occurrences of each group are one batch; one that has more stands alone."""
    group: list[int] = []
    size = 0
    for pk, occurrence_count in page:
        if group and size + occurrence_count > BATCH:
            yield group
            group, size = [], 0
        group.append(pk)
        size += occurrence_count
    yield group


def _prune_group(run: _Run, group: list[int]) -> None:
    """Delete the occurrences first: should an issue be opened meanwhile, its newest are those that stay."""
    while ids := _oldest_of(run, group):
        deleted = delete_occurrences(ids, using=run.using)
        run.book(occurrences=deleted)
        if not deleted:
            break  # somebody holds those that are left
    issues, occurrences = delete_issues(run.expired().filter(pk__in=group), using=run.using)
    run.book(issues=issues, occurrences=occurrences)


def _oldest_of(run: _Run, group: list[int]) -> list[int]:
    still = list(run.expired().filter(pk__in=group).values_list("pk", flat=True))
    oldest = run.rows().filter(issue__in=still).order_by("occurred_at", "pk")
    return list(oldest.values_list("pk", flat=True)[:BATCH])


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
            run.book(occurrences=delete_occurrences(ids, using=run.using))


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
        pk for ids in chunks(sorted(issue_ids)) for pk in issues.filter(pk__in=ids).values_list("newest", flat=True)
    }


def _count_of_expired(run: _Run, ids: list[int]) -> int:
    """Count those of the occurrences that their issue has taken with it already, had this been no dry run."""
    issues = run.expired().values("pk")
    return sum(run.rows().filter(pk__in=some, issue__in=issues).count() for some in chunks(ids))
