"""Rules of tracebacks that like failures share."""

from __future__ import annotations

import traceback

import pytest

from issue_tracker.tracebacks import retold


def a_traceback(message: str, *, cause: str = "") -> str:
    """Return the traceback of a ValueError, raised from another where a cause is given."""
    try:
        try:
            raise OSError(cause or message)
        except OSError as error:
            raise ValueError(message) from (error if cause else None)
    except ValueError:
        return traceback.format_exc()


@pytest.mark.parametrize(
    ("message", "other"),
    [("no theater 5", "no theater 6"), ("5", "6"), ("two\nlines 5", "two\nlines 6"), ("5\\n", "6\t")],
)
def test_a_traceback_is_told_with_another_message(message: str, other: str) -> None:
    """Exactly as the other failure's own would be."""
    assert retold(a_traceback(message), message=message, other=other) == a_traceback(other)


def test_a_message_that_came_from_the_cause_is_told_twice() -> None:
    """`raise ValueError(str(error)) from error` says the same at two places."""
    mine, its = (a_traceback(f"port {n}", cause=f"port {n}") for n in (1, 2))

    assert retold(mine, message="port 1", other="port 2") == its


def test_what_differs_otherwise_is_told_apart() -> None:
    """The caller compares, and keeps it whole."""
    mine, its = a_traceback("failed", cause="port 1"), a_traceback("failed", cause="port 2")

    assert retold(mine, message="failed", other="failed") == mine != its


def test_numbers_of_lines_are_no_messages() -> None:
    """A message "12" is not replaced in "line 12"."""
    text = 'Traceback (most recent call last):\n  File "a.py", line 12, in f\n    g(12)\nValueError: 12\n'

    assert retold(text, message="12", other="13") == text.replace("ValueError: 12", "ValueError: 13")
