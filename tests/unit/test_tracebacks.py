"""Who is to blame: the deepest frame of the project's own code, wherever Celery hid it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback, RemoteTraceback
from celery.exceptions import MaxRetriesExceededError, Reject, Retry
from celery.utils.serialization import UnpickleableExceptionWrapper

from issue_tracker.tracebacks import blame as tracebacks
from issue_tracker.tracebacks import culprit_of, culprit_of_text, describe, format_exception

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = __name__


def raised_by(function: Callable[[], object]) -> BaseException:
    """Call a function and return what it raises."""
    try:
        function()
    except BaseException as error:  # noqa: BLE001  whatever it is
        return error
    raise AssertionError("nothing was raised")


def boom() -> None:
    """Fail in own code."""
    raise ValueError("boom")


def through_a_library() -> None:
    """Fail in a library that own code calls."""
    json.loads("{")


class Client:
    """Own code with a method."""

    def get(self) -> None:
        """Fail in a method."""
        raise LookupError("no such film")


def nested() -> None:
    """Fail in a function within a function."""

    def inner() -> None:
        raise ValueError

    inner()


def retried_without_saying_why() -> None:
    """Do what a bare `self.retry()` does in an `except` clause, once retries are exhausted."""
    try:
        boom()
    except ValueError:
        json.dumps("own frame of the task")
        raise MaxRetriesExceededError("Can't retry t[1] args:() kwargs:{}")  # noqa: B904  as Celery does


def retried() -> None:
    """Do what a bare `self.retry()` does in an `except` clause."""
    try:
        boom()
    except ValueError:
        raise Retry(when=3)  # noqa: B904  as Celery does


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (boom, "boom"),
        (through_a_library, "through_a_library"),
        (lambda: Client().get(), "Client.get"),
        (nested, "nested.<locals>.inner"),
        (retried_without_saying_why, "boom"),
        (retried, "boom"),
    ],
)
def test_the_culprit_is_the_deepest_own_frame(function: Callable[[], None], expected: str) -> None:
    """Libraries that own code calls are not to blame, nor is the retry that hides the error."""
    assert culprit_of(raised_by(function)) == f"{HERE}:{expected}"


def test_a_traceback_tells_as_much_as_its_exception() -> None:
    """Celery's receivers are given both, and in the main process a text."""
    error = raised_by(lambda: Client().get())

    assert culprit_of(error.__traceback__) == f"{HERE}:Client.get"
    assert culprit_of(format_exception(error)) == f"{HERE}:get"
    assert culprit_of_text(format_exception(error)) == f"{HERE}:get"


def test_copies_of_billiard_are_read_too() -> None:
    """What crosses from a child to the main process is a copy of the traceback."""
    try:
        boom()
    except ValueError:
        info = ExceptionInfo()

    assert culprit_of(info) == f"{HERE}:boom"
    assert culprit_of(info.tb) == f"{HERE}:boom"
    assert culprit_of(ExceptionWithTraceback(info.exception.exc, "")) == f"{HERE}:boom"


def test_without_own_frames_the_causes_are_asked() -> None:
    """An error of a library that came of an own one is the own one's."""
    error = json.JSONDecodeError("Expecting value", "", 0)
    error.__cause__ = raised_by(boom)

    assert culprit_of(error) == f"{HERE}:boom"


def test_the_text_of_a_child_is_asked() -> None:
    """What a child raised outside of Celery's reach comes with a text as its cause."""
    error = KeyboardInterrupt()
    error.__cause__ = RemoteTraceback(format_exception(raised_by(boom)))

    assert culprit_of(error) == f"{HERE}:boom"


def test_members_of_a_group_are_asked_last() -> None:
    """A group that a library raised is the fault of what is in it."""
    assert culprit_of(ExceptionGroup("two", [ValueError(), raised_by(boom)])) == f"{HERE}:boom"


@pytest.mark.parametrize("value", [None, "", "no traceback", 5, object(), ValueError(), sys, [], b"x"])
def test_where_there_is_no_culprit_it_is_empty(value: Any) -> None:
    """Anything may come in a traceback's place."""
    assert culprit_of(value) == ""


def test_causes_in_a_circle_end() -> None:
    """Causes can be led in circles by hand."""
    one, two = ValueError("one"), MaxRetriesExceededError("two")
    one.__cause__, two.__cause__ = two, one

    assert culprit_of(one) == culprit_of(two) == ""
    assert list(tracebacks.causes_of(one)) == [one, two]
    assert describe(two).cause == describe(one)
    assert format_exception(one).count("ValueError: one") == 1


def test_groups_of_groups_are_not_all_asked() -> None:
    """Fifteen wide and ten deep are a million million members."""
    group: Exception = ValueError()
    for _ in range(10):
        group = ExceptionGroup("more", [group] * 15)

    assert culprit_of(group) == ""


def test_a_deep_recursion_has_its_culprit() -> None:
    """The deepest frame counts, however many there are."""

    def down(depth: int) -> None:
        if depth == 0:
            boom()
        down(depth - 1)

    assert culprit_of(raised_by(lambda: down(500))) == f"{HERE}:boom"


def test_one_module_offers_everything() -> None:
    """Other modules need not know where what they use of tracebacks lives."""
    assert all(hasattr(tracebacks, name) for name in tracebacks.__all__)


@pytest.mark.parametrize(
    "error",
    [
        Retry(exc=ValueError("boom")),
        UnpickleableExceptionWrapper("builtins", "ValueError", ("boom",), "ValueError('boom')"),
        ExceptionWithTraceback(ValueError("boom"), "text"),
        RemoteTraceback("Traceback (most recent call last):\n\nValueError: boom"),
        Reject(ValueError("boom")),
    ],
)
def test_wrappers_are_seen_through(error: Any) -> None:
    """What a person reads is the error, not what carried it."""
    described = describe(error)

    told = described.cause or described
    assert (told.type_name, told.short_name, told.message) == ("ValueError", "ValueError", "boom")
