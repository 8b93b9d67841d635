"""A change of the rules of keys: open issues go on, returns are linked, replays are known. And what made a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import issue_tracker
from issue_tracker import fingerprint as rules
from issue_tracker.drain import drain
from issue_tracker.drain.keys import grouping_of
from issue_tracker.event import Event, decode, encode_stub
from issue_tracker.fingerprint import fingerprint, normalise
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.recording import Failure, record
from tests.events import an_event, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

MESSAGE = "No seats in theater 5, row 7"


def finer(message: str) -> str:
    """Rules to come, which tell even rows apart from odd ones."""
    return normalise(message) + str(sum(map(ord, message)) % 2)


def coarser(_message: str) -> str:
    """Rules to come, which don't read the message at all."""
    return ""


@pytest.fixture(params=[finer, coarser])
def later_rules(request: pytest.FixtureRequest) -> Iterator[None]:
    """A release that brings version 2 of the rules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(rules.RULES, 2, request.param)
        yield


def by(version: int, message: str = MESSAGE, **values: Any) -> Event:
    """A failure as a node with these rules records it."""
    pieces: Any = {"task": "save", "exception_type": "SeatsError", "culprit": "cinema:save", "message": message}
    key = fingerprint(**pieces, version=version) if version in rules.RULES else "0" * 64
    usual = {**pieces, "error_message": message, "name": "SeatsError"}
    del usual["message"]
    return an_event(**{**usual, "fingerprint": key, "fingerprint_version": version, **values})


@pytest.mark.usefixtures("later_rules")
def test_an_open_issue_takes_what_later_rules_would_put_elsewhere() -> None:
    """Even where they part what was one: as long as it is open, it is one."""
    before = by(1)
    stored(before)
    stored(by(2), by(2, "No seats in theater 5, row 8"), by(1))
    stored(by(2, "No seats in theater 6, row 9"))

    issue = OperationalIssue.objects.get()
    assert (issue.occurrence_count, issue.fingerprint, issue.fingerprint_version) == (5, before.fingerprint, 1)


@pytest.mark.usefixtures("later_rules")
def test_a_node_with_the_earlier_rules_finds_what_the_later_ones_opened() -> None:
    """While a deployment rolls, both write."""
    stored(by(2))
    stored(by(1))
    stored(by(2))

    assert OperationalIssue.objects.get().occurrence_count == 3


@pytest.mark.usefixtures("later_rules")
def test_a_return_is_linked_over_a_change_of_rules() -> None:
    """It has the later key, and knows where it came from."""
    stored(by(1))
    old = OperationalIssue.objects.get()
    old.resolve()

    stored(by(2))

    new = OperationalIssue.objects.open().get()
    assert (new.is_returned, new.previous_id, new.fingerprint_version) == (True, old.pk, 2)


@pytest.mark.usefixtures("later_rules")
@pytest.mark.parametrize("is_resolved", [False, True])
def test_a_replay_is_known_whatever_rules_it_was_told_by(is_resolved: object) -> None:
    """The same death, told again: nothing moves, nothing is counted."""
    stored(by(1, task_id="t"))
    if is_resolved:
        OperationalIssue.objects.resolve()

    again = stored(by(2, task_id="t"))

    assert (again.stored, again.merged) == (0, 0)
    issue = OperationalIssue.objects.get()
    assert (issue.occurrence_count, issue.fingerprint_version, issue.occurrences.count()) == (1, 1, 1)


@pytest.mark.usefixtures("later_rules")
def test_a_key_given_by_the_host_has_no_other() -> None:
    """Nor has one of a version that this release no longer knows."""
    stored(by(1), by(0, given_key="mine"), by(77, fingerprint="7" * 64))

    assert OperationalIssue.objects.count() == 3


def test_one_version_costs_no_query_and_no_key() -> None:
    """Which is how it is between two changes."""
    assert list(rules.RULES) == [rules.VERSION]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"exception_type": "", "name": "Task revoked", "grouping_message": ""},
        {"grouping_type": "celery.exceptions.MaxRetriesExceededError", "grouping_message": ""},
        {"exception_type": "x" * 900, "culprit": "y" * 900, "message": "é" * 9_000},
        {"message": "password=canary-0123456789 refused", "exception_type": "a\0b"},
    ],
    ids=["usual", "no exception", "gave up", "long", "masked"],
)
def test_the_parts_kept_are_those_that_made_the_key(values: dict[str, Any]) -> None:
    """Whatever was recorded: hashed again, they give the key."""
    usual = {
        "kind": "failure", "name": "SeatsError", "task": "save", "message": MESSAGE, "exception_type": "SeatsError",
        "culprit": "cinema:save",
    }  # fmt: skip
    record(Failure(**(usual | values)))

    issue = OperationalIssue.objects.get()
    parts = dict(issue.grouping)
    assert parts.pop("version") == "1"
    assert fingerprint(**parts) == issue.fingerprint


def test_the_parts_of_a_stub_do_not_pretend() -> None:
    """Its message was cut: what made the key is gone."""
    event = by(1, f"No seat named '{'x' * 500}' in row 7")

    grouping = grouping_of(decode(encode_stub(event, reason="did not fit")))

    assert grouping["message"] == "(was not kept whole)"
    assert grouping_of(event)["message"] == "No seat named * in row #"


def test_a_given_key_is_kept_to_be_read() -> None:
    """Its secrets masked."""
    issue_tracker.report("No seats", task="save", fingerprint="seats of theater 5, password=canary-0123456789")
    drain()

    [issue] = OperationalIssue.objects.all()
    assert issue.fingerprint_version == 0
    assert issue.grouping["given"].startswith("seats of theater 5")
    assert "canary" not in str(issue.grouping)


def test_an_issue_made_by_hand_tells_its_parts() -> None:
    """Its name stands for the exception's type."""
    issue = OperationalIssue.objects.create(name="No seats", task="save", error_message="theater 5")

    assert issue.grouping == {
        "version": "1", "task": "save", "exception_type": "No seats", "culprit": "", "message": "theater #",
    }  # fmt: skip


def test_the_parts_stay_when_a_worse_failure_names_the_issue() -> None:
    """They are what the key was made of, not what the issue shows now."""
    stored(by(1, kind="retry", severity="warning", name="Retry", exception_type="Retry", grouping_message=""))
    before = OperationalIssue.objects.get().grouping

    stored(by(1, kind="failure", severity="error", name="SeatsError"))

    issue = OperationalIssue.objects.get()
    assert (issue.name, issue.grouping) == ("SeatsError", before)
    assert Occurrence.objects.count() == 2
