"""A past for the demo's issues: four weeks of occurrences made up from those that the scenes left, and a little triage.

Only `make up` asks for it. What the scenes show is real; a list on which everything happened a minute ago shows little.
"""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import F

from issue_tracker.models import Occurrence, OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import AbstractBaseUser

DAYS: Final = 28
"""How far back it goes."""

RELEASES: Final = ((timedelta(days=9), "2026.11.3"), (timedelta(days=DAYS + 1), "2026.11.2"))
"""The releases of the past, each until so long ago; the later ones brought some of the issues."""

MUTED: Final = "No Date Options Found"
"""The issue that somebody muted."""


@transaction.atomic
def make_up(*, now: datetime, by: AbstractBaseUser, seed: int = 7) -> int:
    """Give each issue that is no return, and has none, a past of its own; returns the number of occurrences made up.

    Most of what happened just now is moved back by hours or days, too.
    """
    chance, made = random.Random(seed), 0  # noqa: S311  no secret
    issues = OperationalIssue.objects.filter(previous=None, returns=None).order_by("pk")
    for issue, times in zip(issues, _pasts(chance, now), strict=False):
        pattern = issue.occurrences.first()
        if pattern and times:
            back = timedelta(days=chance.choice((0, 0, chance.uniform(0, 0.5), chance.uniform(0, 5))))
            Occurrence.objects.filter(issue=issue).update(occurred_at=F("occurred_at") - back)
            times = [at for at in times if at < pattern.occurred_at - back]
            Occurrence.objects.bulk_create(_like(pattern, at, now) for at in times)
            _count(issue, times, back)
            made += len(times)
    for issue in OperationalIssue.objects.open().filter(name=MUTED):
        issue.mute(by=by, until=now + timedelta(days=6), note="the page is being rebuilt, they say until next week")
    return made


def _pasts(chance: random.Random, now: datetime) -> Iterator[list[datetime]]:
    """Yield pasts of several shapes, again and again; each is a list of times, in any order."""
    shapes: list[Callable[[random.Random], list[float]]] = [_steady, _grown, _new, _nightly, _rare, _wave]
    while True:
        for shape in shapes:
            days = [day for day in shape(chance) if 0.02 < day < DAYS]
            yield [now - timedelta(days=day) for day in days]


def _steady(chance: random.Random) -> list[float]:
    return [chance.uniform(0, DAYS) for _ in range(chance.randint(60, 180))]


def _grown(chance: random.Random) -> list[float]:
    return [DAYS * chance.betavariate(0.7, 2.2) for _ in range(chance.randint(150, 450))]


def _new(chance: random.Random) -> list[float]:
    began = chance.uniform(1, 4)
    return [chance.uniform(0, began) for _ in range(chance.randint(8, 60))]


def _nightly(chance: random.Random) -> list[float]:
    return [day + chance.uniform(0.3, 0.32) for day in range(DAYS) if chance.random() < 0.9]


def _rare(chance: random.Random) -> list[float]:
    return [chance.uniform(0, 14) for _ in range(chance.randint(1, 3))]


def _wave(chance: random.Random) -> list[float]:
    return [chance.gauss(chance.choice((3, 11, 17)), 0.6) for _ in range(chance.randint(80, 160))]


def _like(pattern: Occurrence, at: datetime, now: datetime) -> Occurrence:
    """Return an occurrence that differs in what each one has of its own."""
    return Occurrence(
        issue_id=pattern.issue_id,
        event_id=uuid.uuid4().hex,
        occurred_at=at,
        kind=pattern.kind,
        severity=pattern.severity,
        task_id=str(uuid.uuid4()) if pattern.task_id else "",
        worker=pattern.worker,
        queue=pattern.queue,
        attempt=pattern.attempt,
        args=pattern.args,
        kwargs=pattern.kwargs,
        context=pattern.context,
        release=next((name for until, name in RELEASES if now - at < until), ""),
    )


def _count(issue: OperationalIssue, times: list[datetime], back: timedelta) -> None:
    first = min([*times, issue.first_seen_at - back])
    OperationalIssue.objects.filter(pk=issue.pk).update(
        occurrence_count=F("occurrence_count") + len(times),
        first_seen_at=first,
        created_at=first,
        last_seen_at=issue.last_seen_at - back,
    )
