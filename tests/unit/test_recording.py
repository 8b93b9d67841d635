"""From raw values to a record: what is kept, what is derived, and what happens when the details fight back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from django.test import override_settings

from issue_tracker import context, recording
from issue_tracker.event import Event, Kind, decode
from issue_tracker.fingerprint import VERSION
from issue_tracker.recording import Failure, record
from issue_tracker.scrubber import MASK
from issue_tracker.spool import current

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_listens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Records stay in the spool: nobody drains in these tests."""
    monkeypatch.setattr(recording, "listeners", [])
    context.forget()
    yield
    context.forget()


def a_failure(**values: Any) -> Failure:
    """A failure of a task, as a receiver describes it."""
    usual = {
        "kind": Kind.FAILURE, "name": "KeyError", "task": "cinema.tasks.scrape", "message": "'showtimes'",
        "exception_type": "KeyError", "culprit": "cinema.scraper:parse", "task_id": "id", "run": "token",
        "args": [5], "kwargs": {"city": "Bogotá"},
    }  # fmt: skip
    return Failure(**(usual | values))


def recorded() -> list[Event]:
    """What waits in the spool."""
    return [decode(found.body, is_keyed=True) for found in current().claim(max_records=100, max_bytes=10**8)]


def event_of(**values: Any) -> Event:
    """Record a failure and return what the spool holds of it."""
    record(a_failure(**values))
    [event] = recorded()
    return event


def test_a_failure_becomes_an_event() -> None:
    """Everything that was known of it, and when it was."""
    before = time.time()

    event = event_of(attempt=2, worker="w@host", queue="slow", traceback="Traceback …", options={"priority": 3})

    assert (event.kind, event.severity, event.name, event.task) == (
        "failure",
        "error",
        "KeyError",
        "cinema.tasks.scrape",
    )
    assert (event.error_message, event.traceback, event.culprit) == (
        "'showtimes'",
        "Traceback …",
        "cinema.scraper:parse",
    )
    assert (event.task_id, event.attempt, event.worker, event.queue) == ("id", 2, "w@host", "slow")
    assert (event.args, event.kwargs, event.options) == ([5], {"city": "Bogotá"}, {"priority": 3})
    assert (event.payload, event.payload_note, event.is_stub) == (None, "", False)
    assert before <= event.occurred_at <= time.time()
    assert (len(event.fingerprint), event.fingerprint_version) == (64, VERSION)


def test_reports_of_one_death_have_one_id() -> None:
    """Task id, attempt and run make it; a later run of the same attempt is another death."""
    assert record(a_failure()) == record(a_failure(kind=Kind.WORKER_LOST, name="WorkerLostError"))
    assert (
        len(
            {
                record(a_failure()),
                record(a_failure(attempt=1)),
                record(a_failure(run="other")),
                record(a_failure(task_id="x")),
            }
        )
        == 4
    )


def test_what_is_said_during_a_run_is_an_occurrence_each_time() -> None:
    """A report in a task is none of its death's reports, and neither is one outside of tasks."""
    assert record(a_failure(is_death=False)) != record(a_failure(is_death=False))
    assert record(a_failure(task_id="")) != record(a_failure(task_id=""))


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        (Kind.FAILURE, "error"), (Kind.TIME_LIMIT, "error"), (Kind.SOFT_TIME_LIMIT, "error"),
        (Kind.WORKER_LOST, "error"),
        (Kind.UNKNOWN_TASK, "error"), (Kind.RETRY, "warning"), (Kind.EXPIRED, "warning"), (Kind.REJECTED, "warning"),
        (Kind.REVOKED, "info"), (Kind.REPORT, "warning"),
    ],
)  # fmt: skip
def test_each_kind_has_a_severity(kind: Kind, severity: str) -> None:
    """As the design has it."""
    assert event_of(kind=kind).severity == severity


def test_a_severity_that_was_given_wins() -> None:
    """An expected exception is information."""
    assert event_of(severity="info").severity == "info"


def test_the_settings_have_the_last_word_on_severities() -> None:
    """By kind; None leaves that kind unrecorded."""
    with override_settings(
        ISSUE_TRACKER={"SPOOL_DIR": str(current().directory.parent), "SEVERITIES": {"retry": "error", "expired": None}}
    ):
        assert record(a_failure(kind=Kind.EXPIRED)) == ""
        assert record(a_failure(kind=Kind.RETRY, severity="info"))
        assert [event.severity for event in recorded()] == ["error"]


def test_bound_context_goes_with_it_and_what_is_given_wins() -> None:
    """Both are flat."""
    context.bind(theater_id=5, city="Bogotá")

    assert event_of(context={"theater_id": 6, "movie": "Avatar"}).context == {
        "theater_id": 6,
        "city": "Bogotá",
        "movie": "Avatar",
    }


def test_secrets_do_not_reach_the_disk() -> None:
    """Neither in texts, nor in arguments, nor in what was bound."""
    context.bind(api_key="canary-1")
    record(
        a_failure(
            message="login failed: password=canary-2",
            traceback="requests.get('https://user:canary-3@example.com')",
            args=["Authorization: Bearer canary-4-abcdefghijklmnop"],
            kwargs={"password": "canary-5"},
            context={"token": "canary-6"},
        )
    )

    written = b"".join(path.read_bytes() for path in current().directory.iterdir())

    assert b"canary" not in written
    assert written.count(MASK.encode()) >= 6


def test_a_long_message_is_cut_and_says_so() -> None:
    """The mark names the original size."""
    message = event_of(message="x" * 20_000).error_message

    assert len(message) <= recording.MAX_MESSAGE_CHARACTERS
    assert "20,000 characters" in message


def test_a_secret_at_the_cut_does_not_survive() -> None:
    """Masked first, cut then."""
    filler = "x" * (recording.MAX_MESSAGE_CHARACTERS - 40)

    assert (
        "canary" not in event_of(message=f"{filler} https://user:canary-canary-canary@example.com/ more").error_message
    )


def test_like_failures_have_one_fingerprint() -> None:
    """Ids in the message don't count; another culprit does."""
    record(a_failure(message="no theater 5"))
    record(a_failure(message="no theater 6", task_id="other"))
    record(a_failure(message="no theater 5", culprit="cinema.scraper:fetch"))

    first, second, third = [event.fingerprint for event in recorded()]
    assert first == second != third


def test_the_grouping_may_be_told() -> None:
    """A given fingerprint is taken as it is; type and message may be replaced for the grouping alone."""
    record(a_failure(fingerprint="f" * 32))
    record(a_failure(message="one", grouping_message=""))
    record(a_failure(message="two", grouping_message=""))
    record(a_failure(exception_type="A", grouping_type="G"))
    record(a_failure(exception_type="B", grouping_type="G"))

    given, one, two, a, b = recorded()
    assert (given.fingerprint, given.fingerprint_version) == ("f" * 32, 0)
    assert one.fingerprint == two.fingerprint
    assert (a.fingerprint, a.exception_type) == (b.fingerprint, "A")


@pytest.mark.parametrize(
    ("values", "payload", "note"),
    [
        ({}, None, ""),
        ({"args": [[n] for n in range(200)]}, {"args": [[n] for n in range(200)], "kwargs": {"city": "Bogotá"}}, ""),
        ({"kwargs": {"password": "x"}}, None, "scrubbed"),
        ({"args": ["x" * 200_000]}, None, "cut"),
        ({"args": [object]}, None, "not plain JSON"),
        ({"args": "(5,)", "kwargs": "{}"}, None, "arguments unknown"),
        ({"kwargs": "{'a': <object>}"}, None, "arguments unknown"),
        ({"args": [f"{MASK} was here"]}, None, "scrubbed"),
        ({"args": None}, None, "arguments unknown"),
        ({"task_id": ""}, None, "not a task"),
        ({"is_death": False}, None, "not a task"),
    ],
    ids=[
        "exact",
        "too many to show",
        "scrubbed",
        "cut",
        "an object",
        "Celery's text",
        "Celery's text of the keywords",
        "masked before",
        "unknown",
        "no task",
        "no death",
    ],
)
def test_the_exact_arguments_are_kept_where_they_are_not_shown(values: dict[str, Any], payload: Any, note: str) -> None:
    """For a requeue: beside what is shown only where that differs, and never when a secret was masked."""
    event = event_of(**values)

    assert (event.payload, event.payload_note) == (payload, note)


class HostileError(BaseException):
    """What foreign code may raise."""


class Hostile:
    """An object whose every method fights back."""

    def _fight(self, *_args: object) -> Any:
        raise HostileError

    __str__ = __repr__ = __iter__ = __len__ = __bool__ = __eq__ = __getattr__ = _fight  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "values",
    [
        {"args": [Hostile()]},
        {"kwargs": {"a": Hostile()}},
        {"context": {"a": Hostile()}},
        {"args": [float("nan"), float("inf"), 10**5_000, "\ud800", "\0"]},
        {"message": "\0 \ud800"},
        {"traceback": "\0 \ud800"},
        {"name": "n" * 1_000, "task": "t" * 1_000, "task_id": "i" * 1_000, "worker": "w" * 1_000, "queue": "q\0" * 500},
        {"attempt": 10**30},
        {"attempt": -1},
        {"options": {"routing_key": "q\0" * 5_000}},
    ],
)
def test_bad_input_is_a_clean_record(values: dict[str, Any]) -> None:
    """No exception, no stub, nothing that a column would refuse."""
    event = event_of(**values)

    assert not event.is_stub
    texts = [event.name, event.task, event.task_id, event.worker, event.queue, event.exception_type, event.culprit]
    assert all(len(text) <= 255 for text in texts)
    assert "\0" not in str([*texts, event.error_message, event.traceback, event.args, event.kwargs, event.options])
    assert 0 <= event.attempt < 2**31


def test_a_fault_of_ours_costs_the_details_and_not_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """What identifies the failure is kept, and what went wrong is named by its type."""

    def broken(*_args: object, **_kwargs: object) -> Any:
        raise MemoryError

    monkeypatch.setattr(recording, "serialize", broken)

    event = event_of(attempt=1)

    assert event.is_stub
    assert (event.task, event.task_id, event.attempt, event.name) == ("cinema.tasks.scrape", "id", 1, "KeyError")
    assert event.context == {"collecting_failed_with": "MemoryError"}
    assert event.event_id == record(a_failure(attempt=1))


def test_listeners_are_told_and_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each record, whatever the one before them does."""
    told: list[str] = []
    monkeypatch.setattr(recording, "listeners", [lambda: 1 / 0, lambda: told.append("told")])

    record(a_failure())
    record(a_failure())

    assert told == ["told", "told"]
    assert len(recorded()) == 2
