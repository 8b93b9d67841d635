"""What the host says by itself: report, watch, expect, clear; whatever is given, a record, and never an exception."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from celery.exceptions import Ignore, Reject, Retry

import issue_tracker
from issue_tracker import context, recording
from issue_tracker.event import Event, decode
from issue_tracker.spool import current
from tests.project.tasks import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_listens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Records stay in the spool: nobody drains in these tests."""
    monkeypatch.setattr(recording, "listeners", [])
    context.forget()
    yield
    context.forget()


def said() -> list[Event]:
    """What waits in the spool."""
    return [decode(found.body, is_keyed=True) for found in current().claim(max_records=100, max_bytes=10**8)]


def only() -> Event:
    """The one that waits."""
    [event] = said()
    return event


def fail() -> None:
    """Raise as the host's code does."""
    raise UpstreamError("TMDB said 503")


def test_a_report_has_the_keywords_of_a_model_call() -> None:
    """A call site of `OperationalIssue.objects.create` changes by one name."""
    issue_tracker.report(
        name="No showtimes found",
        task="save_showtimes_for_theater",
        error_message="The page had no dates.",
        traceback="Traceback …",
        context={"theater_id": 5},
        severity="info",
    )

    event = only()
    assert (event.kind, event.name, event.task) == ("report", "No showtimes found", "save_showtimes_for_theater")
    assert (event.error_message, event.traceback, event.severity) == ("The page had no dates.", "Traceback …", "info")
    assert (event.context, event.task_id, event.payload_note) == ({"theater_id": 5}, "", "not a task")
    assert not event.is_stub


def test_a_name_is_enough() -> None:
    """Its severity is a warning."""
    issue_tracker.report("No showtimes found")

    event = only()
    assert (event.severity, event.task, event.error_message, event.traceback, event.context) == (
        "warning",
        "",
        "",
        "",
        {},
    )


def test_inside_an_except_block_it_tells_the_exception() -> None:
    """Message, traceback, type and culprit, as far as they are not given."""
    for given in ({}, {"error_message": "mine", "traceback": "mine"}):
        try:
            fail()
        except UpstreamError:
            issue_tracker.report("TMDB API Error", **given)

    derived, given_ = said()
    assert (derived.error_message, derived.exception_type) == ("TMDB said 503", "tests.project.tasks.UpstreamError")
    assert "in fail\n" in derived.traceback
    assert derived.culprit == f"{__name__}:fail"
    assert (given_.error_message, given_.traceback) == ("mine", "mine")


def test_inside_a_task_it_names_the_run() -> None:
    """Its name, id and arguments; the report is none of the run's deaths."""
    from tests.project.celery import app

    @app.task(name="cinema.save", shared=False)
    def save(theater_id: int, *, city: str) -> None:
        issue_tracker.report("No showtimes found")
        issue_tracker.report("No showtimes found", task="save_showtimes")

    result = save.apply(args=[5], kwargs={"city": "Cali"})

    defaulted, given = said()
    assert (defaulted.task, given.task) == ("cinema.save", "save_showtimes")
    assert (defaulted.task_id, defaulted.args, defaulted.kwargs) == (result.id, [5], {"city": "Cali"})
    assert defaulted.event_id != given.event_id


def test_bound_context_goes_with_it() -> None:
    """What is given wins."""
    issue_tracker.bind(theater_id=5, city="Cali")

    issue_tracker.report("No showtimes found", context={"theater_id": 6})

    assert only().context == {"theater_id": 6, "city": "Cali"}


def test_like_reports_group_by_name_task_and_message() -> None:
    """Or by the host's own key."""
    for values in (
        {"error_message": "theater 5"}, {"error_message": "theater 6"}, {"error_message": "theater 5", "task": "other"},
        {"fingerprint": "mine"}, {"fingerprint": "mine", "task": "other"}, {"fingerprint": ("mine", 5)},
    ):  # fmt: skip
        issue_tracker.report("No showtimes found", **values)

    one, two, other, mine, mine_too, tuple_ = [event.fingerprint for event in said()]
    assert one == two != other
    assert mine == mine_too != tuple_
    assert len({one, other, mine, tuple_}) == 4


@pytest.mark.parametrize("severity", ["fatal", "", None, 5, object(), ["error"]])
def test_a_wrong_severity_is_noted(severity: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The record is a warning, says what was wrong, and so does the log."""
    issue_tracker.report("No showtimes found", severity=severity)

    event = only()
    assert event.severity == "warning"
    assert "severity must be" in event.context["report_notes"][0]
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "issue_tracker")


@pytest.mark.parametrize("severity", ["error", "ERROR", "Warning", "info"])
def test_a_severity_may_be_written_in_capitals(severity: str) -> None:
    """That is no mistake worth a note."""
    issue_tracker.report("No showtimes found", severity=severity)

    event = only()
    assert (event.severity, event.context) == (severity.lower(), {})


def repr_of(value: object) -> str:
    """A short id for a parameter that may fight back."""
    return type(value).__name__


class Hostile:
    """An object that fights back, also when it is asked for its truth, as an array does."""

    def _fight(self, *_args: object) -> Any:
        raise SystemExit("from a foreign method")

    __str__ = __repr__ = __bool__ = __eq__ = __ne__ = __len__ = __iter__ = _fight  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "name", ["", "  ", None, 5, b"bytes", Hostile(), ["list"], "x" * 10_000, "a\0\ud800"], ids=repr_of
)
def test_a_wrong_name_is_a_record_all_the_same(name: Any, caplog: pytest.LogCaptureFixture) -> None:
    """With what can be said of it."""
    issue_tracker.report(name, task="save")

    event = only()
    assert event.name.strip()
    assert len(event.name) <= 255
    assert event.task == "save"
    is_wrong = not (isinstance(name, str) and name.strip())
    assert bool(event.context.get("report_notes")) is is_wrong
    assert len(caplog.records) == is_wrong


@pytest.mark.parametrize(
    "value",
    [Hostile(), float("nan"), object(), b"\xff", 10**5_000, {"a": {1, 2}}, "\0\ud800", "x" * 10**6],
    ids=["hostile", "nan", "object", "bytes", "huge", "set", "refused", "long"],
)
@pytest.mark.parametrize("keyword", ["task", "error_message", "traceback", "context", "fingerprint"])
def test_anything_may_be_given_anywhere(keyword: str, value: Any) -> None:
    """A clean record, no stub, no exception."""
    issue_tracker.report("No showtimes found", **{keyword: value})

    event = only()
    assert not event.is_stub
    assert event.name == "No showtimes found"
    assert current().reserve.counts() == {}


@pytest.mark.parametrize("given", [["a", "list"], "text", 5, Hostile()])
def test_a_context_that_is_no_dict_goes_under_a_key(given: Any) -> None:
    """And is noted."""
    issue_tracker.report("No showtimes found", context=given)

    found = only().context
    assert set(found) == {"context", "report_notes"}
    assert "context must be a dict" in found["report_notes"][0]


def test_secrets_are_masked_in_all_that_is_said() -> None:
    """In the name too."""
    secret = "canary-0123456789abcdef"
    issue_tracker.report(
        f"Login failed for token={secret}",
        task=f"password={secret}",
        error_message=f"Bearer {secret}",
        context={"api_key": secret},
    )

    written = b"".join(path.read_bytes() for path in current().directory.iterdir())
    assert b"canary" not in written


def test_where_nothing_can_be_kept_nothing_is_raised(tmp_path: Any, settings: Any) -> None:
    """The task goes on."""
    (tmp_path / "file").write_text("")
    settings.ISSUE_TRACKER = {"SPOOL_DIR": str(tmp_path / "file")}

    issue_tracker.report("No showtimes found")
    issue_tracker.clear("No showtimes found")
    with issue_tracker.watch("TMDB API Error", reraise=False):
        fail()


def test_watch_records_what_leaves_a_block_and_lets_it_go() -> None:
    """As an error, with its traceback."""
    with (
        pytest.raises(UpstreamError),
        issue_tracker.watch("TMDB API Error", task="get_movie", context={"movie": "Avatar"}),
    ):
        fail()

    event = only()
    assert (event.name, event.task, event.severity, event.context) == (
        "TMDB API Error",
        "get_movie",
        "error",
        {"movie": "Avatar"},
    )
    assert (event.error_message, event.exception_type) == ("TMDB said 503", "tests.project.tasks.UpstreamError")
    assert "in fail\n" in event.traceback


def test_watch_may_swallow() -> None:
    """The block ends there, the program goes on; a function returns None."""
    with issue_tracker.watch("TMDB API Error", reraise=False, severity="warning"):
        fail()
        raise AssertionError("not reached")
    watched = issue_tracker.watch("TMDB API Error", reraise=False)(fail)

    assert watched() is None
    assert [event.severity for event in said()] == ["warning", "error"]


def test_watch_says_nothing_where_nothing_fails() -> None:
    """And gives results back."""
    with issue_tracker.watch("TMDB API Error"):
        pass

    @issue_tracker.watch("TMDB API Error")
    def add(one: int, two: int = 2) -> int:
        """Add."""
        return one + two

    assert (add(1), add(1, two=5), add.__name__, add.__doc__) == (3, 6, "add", "Add.")
    assert said() == []


def test_watch_decorates_coroutines() -> None:
    """Watched while they are awaited, not while they are made."""

    @issue_tracker.watch("TMDB API Error")
    async def get(movie: str) -> str:
        await asyncio.sleep(0)
        if movie == "unknown":
            fail()
        return movie

    async def both() -> list[Any]:
        return await asyncio.gather(get("Avatar"), get("unknown"), return_exceptions=True)

    found, error = asyncio.run(both())
    assert found == "Avatar"
    assert isinstance(error, UpstreamError)
    assert only().culprit == f"{__name__}:fail"


def test_watch_is_an_async_block_too() -> None:
    """`async with` reads better in async code."""

    async def run() -> None:
        async with issue_tracker.watch("TMDB API Error", reraise=False):
            fail()

    asyncio.run(run())

    assert only().name == "TMDB API Error"


def test_a_watch_may_be_used_again_and_within_itself() -> None:
    """It keeps nothing of a call."""

    @issue_tracker.watch("TMDB API Error", reraise=False)
    def recurse(depth: int) -> None:
        if depth:
            recurse(depth - 1)
        fail()

    recurse(2)
    recurse(0)

    assert len(said()) == 4


@pytest.mark.parametrize("decision", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), Retry(), Ignore(), Reject()])
def test_watch_lets_decisions_pass(decision: BaseException) -> None:
    """They are no errors, and they are never swallowed."""

    def decide() -> None:
        raise decision

    with pytest.raises(type(decision)), issue_tracker.watch("TMDB API Error", reraise=False):
        decide()

    assert said() == []


def test_clear_tells_what_it_is_about() -> None:
    """Name, task and values as a report would have them, so that they can be compared."""
    issue_tracker.clear("No showtimes found", task="save", context={"theater_id": 5, "token": "x"})
    issue_tracker.clear("No showtimes found")

    first, second = said()
    assert (first.kind, first.name, first.task, first.context["theater_id"]) == (
        "cleared",
        "No showtimes found",
        "save",
        5,
    )
    assert (second.task, second.context) == ("", {})


@pytest.mark.parametrize(
    "name",
    ["token=canary-0123456789abcdef", "x" * 1_000, "", None, "a\0"],
    ids=["secret", "long", "empty", "none", "nul"],
)
def test_clear_names_what_report_named(name: Any) -> None:
    """Whatever was cut or masked in it."""
    issue_tracker.report(name, task=name, context={"a": 5})
    issue_tracker.clear(name, task=name, context={"a": 5})

    reported, cleared = said()
    assert (cleared.name, cleared.task) == (reported.name, reported.task)


def test_expect_reports_unless_the_condition_holds() -> None:
    """And clears when it does."""
    with issue_tracker.expect("No showtimes found", task="save", context={"theater_id": 5}, severity="info") as it:
        it.ok = bool([])
    with issue_tracker.expect("No showtimes found", task="save", context={"theater_id": 5}):
        pass

    reported, cleared = said()
    assert (reported.kind, reported.severity, cleared.kind) == ("report", "info", "cleared")
    assert (reported.name, reported.task, reported.context) == (cleared.name, cleared.task, cleared.context)


def test_expect_says_nothing_when_the_block_fails() -> None:
    """Whether the condition holds was not found out."""
    with pytest.raises(UpstreamError), issue_tracker.expect("No showtimes found"):
        fail()

    assert said() == []
