"""Celery's log says the same, to the letter, whether it formats a traceback itself or takes the one that is there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from celery.app.log import TaskFormatter

from issue_tracker.capture import log_tracebacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class UnpicklableError(Exception):
    """What Celery replaces before it logs."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__("unlike its arguments")
        self.lock = log_tracebacks.__loader__


class SaysNothingError(Exception):
    """str() fails."""

    def __str__(self) -> str:
        raise RuntimeError


def plain() -> None:
    raise KeyError("showtimes")


def with_a_cause() -> None:
    try:
        plain()
    except KeyError as error:
        raise ValueError("two\nlines") from error


def with_a_context() -> None:
    try:
        plain()
    finally:
        raise LookupError


def with_notes() -> None:
    error = ValueError("noted")
    error.add_note("a note\nof two lines")
    raise error


def of_syntax() -> None:
    compile("a b c", "<text>", "exec")


def in_a_group() -> None:
    raise ExceptionGroup("several", [KeyError(1), ExceptionGroup("more", [ValueError(2)])])


def after_a_group() -> None:
    try:
        in_a_group()
    except ExceptionGroup as error:
        raise ValueError("after") from error


def deep(level: int = 90) -> None:
    if level:
        deep(level - 1)
    plain()


def too_deep() -> None:
    deep(400)


def unpicklable() -> None:
    raise UnpicklableError(1, 2)


def says_nothing() -> None:
    raise SaysNothingError


def with_surrogates() -> None:
    raise ValueError("\ud800 \x00 é")


def is_its_own_cause() -> None:
    error = ValueError("round")
    error.__cause__ = error
    raise error


def of_the_system() -> None:
    raise OSError(2, "No such file", "/tmp/x")


WAYS = [
    plain, with_a_cause, with_a_context, with_notes, of_syntax, in_a_group, after_a_group, deep, too_deep, unpicklable,
    says_nothing, with_surrogates, is_its_own_cause, of_the_system,
]  # fmt: skip


class Kept(logging.Handler):
    """Keeps what is written, and the records."""

    def __init__(self, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
        self.records.append(record)


@pytest.fixture
def logged() -> Iterator[Callable[..., Kept]]:
    """Run a failing task and return what the log had."""
    logger = logging.getLogger(log_tracebacks.LOGGER)
    before = logger.handlers, logger.propagate
    app = Celery("test", set_as_current=False, broker="memory://")

    def run(way: Callable[[], None], *, is_shared: bool, formatter: logging.Formatter | None = None) -> Kept:
        kept = Kept(formatter)
        logger.handlers, logger.propagate = [kept], False
        log_tracebacks.uninstall()
        if is_shared:
            log_tracebacks.install()
        app.task(name=way.__name__)(way).apply(task_id="id")
        return kept

    yield run
    log_tracebacks.uninstall()
    logger.handlers, logger.propagate = before


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(
    "formatter", [None, TaskFormatter("[%(asctime)s] %(message)s", use_color=True)], ids=["plain", "Celery's"]
)
def test_the_log_says_the_same(logged: Callable[..., Kept], way: Callable[[], None], formatter: Any) -> None:
    """Whatever the exception."""
    mine = logged(way, is_shared=True, formatter=formatter).lines
    own = logged(way, is_shared=False, formatter=formatter).lines

    assert [line.partition("]")[2] or line for line in mine] == [line.partition("]")[2] or line for line in own]
    assert "Traceback" in mine[0]


USUAL = [plain, with_a_cause, with_a_context, with_notes, deep, of_the_system]


@pytest.mark.parametrize("way", USUAL, ids=lambda way: way.__name__)
def test_the_usual_exceptions_are_formatted_once(
    logged: Callable[..., Kept], way: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else there would be nothing to gain."""

    class Refusing(logging.Formatter):
        def formatException(self, ei: Any) -> str:  # noqa: N802  logging's name
            raise AssertionError("formatted again")

    monkeypatch.setattr(log_tracebacks, "_STOCK", log_tracebacks._STOCK | {Refusing})

    assert logged(way, is_shared=True, formatter=Refusing()).records[0].exc_text


def test_a_formatter_of_the_hosts_own_is_asked(logged: Callable[..., Kept]) -> None:
    """It may write tracebacks in its own way."""

    class Own(logging.Formatter):
        def formatException(self, ei: Any) -> str:  # noqa: N802  logging's name
            return "in one line"

    assert logged(plain, is_shared=True, formatter=Own()).lines[0].endswith("in one line")
