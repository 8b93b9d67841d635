"""What an exception is and says, be it wrapped, hostile or huge."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from billiard.einfo import ExceptionInfo, RemoteTraceback
from celery.exceptions import MaxRetriesExceededError, Reject, Retry
from celery.utils.serialization import UnpickleableExceptionWrapper
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.scrubber import scrub
from issue_tracker.serializer import clean
from issue_tracker.tracebacks.exceptions import MAX_MESSAGE_CHARACTERS, causes_of, describe, message_of, type_name_of
from issue_tracker.tracebacks.formatting import format_exception
from issue_tracker.tracebacks.trimming import MAX_TEXT, written

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = __name__


class NeedsTwoError(Exception):
    """Can't be pickled: its arguments are not those of its making."""

    def __init__(self, film: str, theater: int) -> None:
        super().__init__(f"{film} in {theater}")


class HoldsALockError(Exception):
    """Can't be pickled either."""

    def __init__(self) -> None:
        super().__init__("busy", 5)
        self.lock = threading.Lock()


class Outer:
    """Holds a class."""

    class InnerError(Exception):
        """Named with its outer class."""


def failing(with_what: type[BaseException]) -> type[Exception]:
    """Make a class of exceptions whose every text raises."""

    def fail(*_args: object) -> str:
        raise with_what

    names = ("__str__", "__repr__", "__getattr__", "__eq__", "__hash__", "__bool__")
    return type("Hostile", (Exception,), dict.fromkeys(names, fail))


class LyingError(Exception):
    """Overrides what is read of every exception."""

    __class__ = property(lambda _self: 1 / 0)  # type: ignore[assignment]
    __traceback__ = property(lambda _self: 1 / 0)  # type: ignore[assignment]
    __cause__ = property(lambda _self: 1 / 0)  # type: ignore[assignment]
    __context__ = property(lambda _self: 1 / 0)  # type: ignore[assignment]
    args = property(lambda _self: 1 / 0)  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "type_name", "short_name", "message"),
    [
        (ValueError("x"), "ValueError", "ValueError", "x"),
        (ValueError(), "ValueError", "ValueError", ""),
        (ValueError("x", 5), "ValueError", "ValueError", "('x', 5)"),
        (ValueError({"code": 34}), "ValueError", "ValueError", "{'code': 34}"),
        (KeyError("title"), "KeyError", "KeyError", "'title'"),
        (
            OSError(2, "No such file", "x.csv"),
            "FileNotFoundError",
            "FileNotFoundError",
            "[Errno 2] No such file: 'x.csv'",
        ),
        (Outer.InnerError("x"), f"{HERE}.Outer.InnerError", "InnerError", "x"),
        (NeedsTwoError("Avatar", 5), f"{HERE}.NeedsTwoError", "NeedsTwoError", "Avatar in 5"),
        (
            UnpickleableExceptionWrapper.from_exception(NeedsTwoError("Avatar", 5)),
            f"{HERE}.NeedsTwoError",
            "NeedsTwoError",
            "Avatar in 5",
        ),
        (
            UnpickleableExceptionWrapper.from_exception(HoldsALockError()),
            f"{HERE}.HoldsALockError",
            "HoldsALockError",
            "('busy', 5)",
        ),
        (UnpickleableExceptionWrapper("m", "C", (), "C()"), "m.C", "C", ""),
        (UnpickleableExceptionWrapper("m", "C", (), "C(film=5)"), "m.C", "C", "C(film=5)"),
        (Retry(exc=KeyError("title")), "KeyError", "KeyError", "'title'"),
        (Retry(exc="a text"), "celery.exceptions.Retry", "Retry", "a text"),
        (Retry("said", when=5), "celery.exceptions.Retry", "Retry", "said"),
        (Retry(when=5), "celery.exceptions.Retry", "Retry", "Retry in 5s"),
        (Reject("no good", requeue=False), "celery.exceptions.Reject", "Reject", "no good"),
        (RemoteTraceback("Traceback (most recent call last):\na.b.C: d: e\nf"), "a.b.C", "C", "d: e\nf"),
        (RemoteTraceback("no traceback"), "billiard.einfo.RemoteTraceback", "RemoteTraceback", "no traceback"),
        (
            ExceptionGroup("many", [ValueError(), KeyError()]),
            "ExceptionGroup",
            "ExceptionGroup",
            "many (2 sub-exceptions)",
        ),
        ("a text", "", "", "a text"),
        (None, "", "", ""),
        (ValueError, "type", "type", "<class 'ValueError'>"),
    ],
)
def test_an_exception_is_described(value: Any, type_name: str, short_name: str, message: str) -> None:
    """Its type qualified but for builtins, and what str() says of it."""
    described = describe(value)

    assert (described.type_name, described.short_name, described.message) == (type_name, short_name, message)


def test_information_of_billiard_is_opened() -> None:
    """Celery hands it round with the exception two layers deep."""
    error = ValueError("x")
    try:
        raise error
    except ValueError:
        described = describe(ExceptionInfo())

    assert described.exception is error


def test_a_bare_retry_stands_for_what_was_being_handled() -> None:
    """`self.retry()` in an `except` clause has no exception of its own."""
    retry = Retry(when=5)
    retry.__context__ = KeyError("title")

    assert describe(retry).type_name == "KeyError"


def test_exhausted_retries_keep_their_type_and_tell_their_cause() -> None:
    """Both are worth knowing: that Celery gave up, and why."""
    error = MaxRetriesExceededError("Can't retry t[1] args:() kwargs:{}")
    error.__context__ = KeyError("title")

    described = describe(error)

    assert described.short_name == "MaxRetriesExceededError"
    assert described.cause == describe(KeyError("title"))
    assert describe(MaxRetriesExceededError()).cause is None


def test_a_rejection_tells_its_reason() -> None:
    """Celery rejects a message when its retry can't be published."""
    described = describe(Reject(ConnectionRefusedError(111, "refused")))

    assert described.message == "[Errno 111] refused"
    assert described.cause == describe(ConnectionRefusedError(111, "refused"))


@pytest.mark.parametrize(
    "what", [ValueError, MemoryError, RecursionError, SystemExit, KeyboardInterrupt, GeneratorExit]
)
def test_hostile_exceptions_are_described(what: type[BaseException]) -> None:
    """Whatever its methods raise, an exception has a type and some message."""
    error = failing(what)("x")

    described = describe(error)

    assert described.type_name == f"{HERE}.Hostile"
    assert what.__name__ in described.message
    assert describe(ValueError(error)).short_name == "ValueError"
    assert describe(ValueError([error])).short_name == "ValueError"
    assert describe(ValueError({"key": error}, 5)).short_name == "ValueError"


def test_an_exception_that_lies_is_told_as_what_it_is() -> None:
    """The slots of BaseException are read, not what a class puts in their place."""
    assert describe(LyingError("x")).type_name == f"{HERE}.LyingError"
    assert len(list(causes_of(LyingError("x")))) == 1


@pytest.mark.parametrize(
    ("error", "kept", "mark"),
    [
        (ValueError("x" * 10_000_000), "xxx", "10,000,000 characters"),
        (ValueError("x" * 10_000_000, 5), "('xxx", "10,000,000 characters"),
        (ValueError(b"x" * 10_000_000, 5), "(b'xxx", "10,000,000 bytes"),
        (ValueError(["x" * 10_000] * 1000), "['xxx", "10,000 characters"),
        (ValueError(list(range(10**6))), "[0, 1, 2,", "1,000,000 items"),
        (ValueError(dict.fromkeys(range(10**6))), "{0: None", "1,000,000 items"),
        (ValueError({1: [[[5] * 10**6]]}), "{1: [[[5, 5,", "1,000,000 items"),
        (KeyError("x" * 10_000_000), "'xxx", "10,000,000 characters"),
        (ValueError(10**5000), "int", "16,610 bits"),
        (ValueError(10**5000, 5), "(int", "16,610 bits"),
    ],
)
def test_what_is_huge_is_cut_with_its_size(error: Exception, kept: str, mark: str) -> None:
    """The beginning stays, and what it was before."""
    message = message_of(error)

    assert message.startswith(kept)
    assert mark in message or len(message) == MAX_MESSAGE_CHARACTERS
    assert len(message) <= MAX_MESSAGE_CHARACTERS


def test_arguments_without_an_end_are_cut() -> None:
    """A list can hold itself."""
    endless: list[Any] = [1]
    endless *= 3
    endless.append(endless)

    assert message_of(ValueError(endless)).startswith("[1, 1, 1, [1, 1, 1, ")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3) | st.tuples(inner)
    ),
    max_leaves=8,
)


@given(st.lists(values, max_size=3))
def test_a_message_of_the_usual_size_is_what_str_says(args: list[Any]) -> None:
    """Only what is huge or can't be stored is told otherwise."""
    error = ValueError(*args)

    expected = str(error)

    is_bytes = len(args) == 1 and isinstance(args[0], bytes)
    if not is_bytes:
        assert scrub(message_of(error)) == scrub(clean(expected))  # a name that announces a secret may come up


def test_types_are_named_with_their_module() -> None:
    """Builtins go without."""
    assert type_name_of(KeyError) == "KeyError"
    assert type_name_of(Outer.InnerError) == f"{HERE}.Outer.InnerError"
    assert type_name_of(type("Odd", (Exception,), {"__module__": 5})) == "<unknown>.Odd"


CANARY = "https://user:canary-canary-canary@example.com/"


class SaysMuchError(Exception):
    """Has a `__str__` of its own."""

    def __str__(self) -> str:
        return str(self.args[0])


@pytest.mark.parametrize("before", [10, 25, 40])
@pytest.mark.parametrize(
    ("limit", "make"),
    [
        (MAX_MESSAGE_CHARACTERS, ValueError),
        (MAX_MESSAGE_CHARACTERS, SaysMuchError),
        (MAX_TEXT, lambda text: ValueError([text])),
        (MAX_TEXT, lambda text: ValueError(text.encode(), 5)),
        (MAX_TEXT, KeyError),
    ],
)
def test_a_secret_at_the_cut_does_not_survive(limit: int, before: int, make: Callable[[str], Exception]) -> None:
    """Masked first, cut then: the half of it that is left would not be known for a secret."""
    error = make("x" * (limit - before) + " " + CANARY + "y" * 2_000)

    assert "canary" not in message_of(error)
    assert "canary" not in describe(error).message
    assert "canary" not in format_exception(error)


def test_many_long_texts_are_told_by_their_size() -> None:
    """Masking them would take long, and nobody would see them."""
    text = message_of(ValueError(["x" * 2_000] * 900, 1))

    assert len(written(["x" * 2_000] * 900)) < 64_000
    assert "<str of 2,000 characters>" in written(["x" * 2_000] * 30)
    assert len(text) == MAX_MESSAGE_CHARACTERS
