"""Two drainers at once: the same fingerprints, the same deaths, and each count exact."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from issue_tracker.drain import OutageError, drain
from issue_tracker.event import Event, encode
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.spool import Spool
from tests.events import an_event
from tests.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)

DRAINERS = 3


def fill(spool: Spool, events: list[Event]) -> None:
    """Append events."""
    for event in events:
        assert spool.append(encode(event), key=event.fingerprint, stub=lambda: b"")


def in_threads(*functions: Callable[[], Any]) -> None:
    """Run functions at once, each on connections of its own; raise what one raises."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            function()
        except BaseException as error:  # noqa: BLE001  raised again below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def until_drained(spool: Spool) -> Callable[[], object]:
    """Drain a spool to its end, trying again as a drainer does."""

    def is_drained() -> bool:
        with suppress(OutageError):
            drain(spool)
        return spool.is_empty()

    return lambda: until(is_drained, why="the spool is drained", timeout_seconds=60)


def assert_exact(expected: dict[str, int]) -> None:
    """Each fingerprint has one issue that takes repeats, with the count of its occurrences."""
    assert dict(OperationalIssue.objects.values_list("open_key", "occurrence_count")) == expected
    assert all(issue.occurrences.count() == issue.occurrence_count for issue in OperationalIssue.objects.all())


def test_spools_of_several_nodes_fold_into_the_same_issues(tmp_path: Path) -> None:
    """Nothing is counted twice, nothing is lost, and no fingerprint has two takers."""
    spools = [Spool(tmp_path / str(number)) for number in range(DRAINERS)]
    for spool in spools:
        fill(spool, [an_event(fingerprint=f"{number % 20:064}") for number in range(400)])

    in_threads(*map(until_drained, spools))

    assert_exact({f"{number:064}": 20 * DRAINERS for number in range(20)})
    assert all(spool.quarantine_count() == 0 for spool in spools)


def test_a_burst_of_equal_failures_is_one_issue(tmp_path: Path) -> None:
    """10,000 of them from three nodes at once: all drainers want the same row, and none dies of that."""
    spools = [Spool(tmp_path / str(number)) for number in range(DRAINERS)]
    for number, spool in enumerate(spools):
        fill(spool, [an_event() for _number in range(len(range(number, 10_000, DRAINERS)))])

    in_threads(*map(until_drained, spools))

    assert_exact({"f" * 64: 10_000})
    assert all(spool.quarantine_count() == 0 for spool in spools)


def test_the_same_deaths_drained_twice_are_stored_once(tmp_path: Path) -> None:
    """As two nodes that share a database would tell of one task, or a copied spool would."""
    events = [an_event(fingerprint=f"{number % 7:064}") for number in range(200)]
    spools = [Spool(tmp_path / str(number)) for number in range(DRAINERS)]
    for spool in spools:
        fill(spool, events)

    in_threads(*map(until_drained, spools))

    assert Occurrence.objects.count() == 200
    assert_exact({f"{number:064}": len(range(number, 200, 7)) for number in range(7)})
    assert all(spool.quarantine_count() == 0 for spool in spools)


def test_two_drains_of_one_spool_drain_it_once(tmp_path: Path) -> None:
    """The lock gives it to one of them; both end."""
    spool = Spool(tmp_path / "spool")
    fill(spool, [an_event() for _number in range(300)])

    in_threads(until_drained(spool), until_drained(Spool(spool.directory)))

    assert_exact({"f" * 64: 300})


def test_people_and_drainers_do_not_lose_each_others_changes(tmp_path: Path) -> None:
    """An issue that is resolved while it takes repeats ends, and what comes after it is a return: the sum is exact."""
    spool = Spool(tmp_path / "spool")
    fill(spool, [an_event() for _number in range(600)])

    def triage() -> None:
        for _round in range(15):
            OperationalIssue.objects.all().resolve()
            OperationalIssue.objects.all().mute()
            OperationalIssue.objects.all().reopen()

    in_threads(until_drained(spool), triage)

    counted = [(issue.occurrence_count, issue.occurrences.count()) for issue in OperationalIssue.objects.all()]
    assert sum(count for count, _rows in counted) == 600
    assert all(count == rows for count, rows in counted)
