"""From failures to problems: what is one issue and what is two, as a person who runs the tasks finds it."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import pytest

import issue_tracker
from issue_tracker.models import OperationalIssue
from tests.project.celery import app

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


class SeatsError(Exception):
    """An error of the host's own."""


def a_task(function: Callable[..., Any]) -> Any:
    """Make a task of a function, under a name of its own."""
    return app.task(name=f"cinema.{function.__name__}_{uuid.uuid4().hex}", shared=False)(function)


def price_of(seat: str) -> int:
    """A bug of its own: reads what is no number."""
    return int(seat)


def row_of(seat: str) -> str:
    """Another bug, with an exception of the same type."""
    return seat.split("-", 1)[1] if "-" in seat else str(int("row"))


def test_two_bugs_in_one_task_are_two_issues() -> None:
    """Told apart by where they are, though task and exception are the same."""

    @a_task
    def save(seat: str) -> None:
        price_of(seat) if seat.startswith("price") else row_of(seat)

    for number in range(5):
        save.apply(args=[f"price {number}"])
        save.apply(args=[f"row {number}"])

    found = set(OperationalIssue.objects.values_list("name", "culprit", "occurrence_count"))
    assert found == {("ValueError", f"{__name__}:price_of", 5), ("ValueError", f"{__name__}:row_of", 5)}


def test_two_bugs_in_one_place_are_two_issues() -> None:
    """Told apart by what they say: a 404 is not a 503, a missing movie no missing theater."""

    @a_task
    def save(status: int, what: str, number: int) -> None:
        raise SeatsError(f"HTTP {status} for {what} {number}")

    for number in range(3):
        for status, what in ((404, "movie"), (503, "movie"), (404, "theater")):
            save.apply(args=[status, what, number])

    assert sorted(OperationalIssue.objects.values_list("occurrence_count", flat=True)) == [3, 3, 3]


def test_one_bug_with_a_thousand_ids_is_one_issue() -> None:
    """Numbers, ids, addresses, quoted names and times in its message are no other bug."""
    r = random.Random(4)

    @a_task
    def save(number: int) -> None:
        seat, at = uuid.UUID(int=r.getrandbits(128)), f"2026-05-{number % 28 + 1:02}T10:{number % 60:02}:00Z"
        raise SeatsError(
            f"Seat {seat} of theater {number} ('Row {number}') not saved at {at}: "
            f"https://example.com/{number}?s={seat} took {number / 7:.3f}s"
        )

    for number in range(1_000):
        save.apply(args=[number])

    issue = OperationalIssue.objects.get()
    assert (issue.occurrence_count, issue.occurrences.count()) == (1_000, 1_000)
    assert issue.occurrences.values("error_message").distinct().count() == 1_000


def test_a_key_of_the_hosts_own_joins_and_parts() -> None:
    """`report(fingerprint=…)` overrides: names and messages don't count then."""
    for theater in (5, 6):
        issue_tracker.report("No seats", task="save", error_message="none", fingerprint=f"theater {theater}")
        issue_tracker.report("No rows", task="load", error_message="nothing", fingerprint=f"theater {theater}")

    assert list(OperationalIssue.objects.values_list("occurrence_count", flat=True)) == [2, 2]
