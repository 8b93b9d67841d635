"""The text of an exception: Python's own where it is small, and small where Python's own would not be."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.tracebacks import sections_of_text
from issue_tracker.tracebacks.formatting import MAX_CHARACTERS, bounded_text, format_exception
from tests.unit.test_tracebacks import boom, raised_by

if TYPE_CHECKING:
    from collections.abc import Callable


def down(depth: int) -> None:
    """Fail `depth` calls below."""
    if depth == 0:
        boom()
    down(depth - 1)


def ping(depth: int) -> None:
    """Fail `depth` calls below, by turns with `pong`."""
    pong(depth - 1)


def pong(depth: int) -> None:
    """Fail `depth` calls below, by turns with `ping`."""
    if depth <= 0:
        boom()
    ping(depth - 1)


def caused() -> None:
    """Fail from a cause."""
    try:
        boom()
    except ValueError as error:
        raise RuntimeError("second") from error


def in_the_middle_of_another() -> None:
    """Fail while an error is being dealt with."""
    try:
        caused()
    except RuntimeError:
        down(2)


def hiding_another() -> None:
    """Fail in an error's place."""
    try:
        boom()
    except ValueError:
        raise TypeError("alone") from None


def grouped() -> None:
    """Fail with a group that has a cause, causes within, and a group within."""
    inner, outer = ([raised_by(function) for function in (boom, caused, in_the_middle_of_another)] for _ in range(2))
    raised = raised_by(lambda: raise_(ExceptionGroup("inner", [ValueError(1), *inner])))
    raise ExceptionGroup("outer", [raised, ExceptionGroup("bare", [KeyError(2)]), *outer]) from raised_by(caused)


def raise_(error: BaseException) -> None:
    """Raise an error."""
    raise error


def with_notes() -> None:
    """Fail with notes."""
    error = ValueError("x")
    error.add_note("first\nof two lines")
    error.add_note("second")
    raise error


def in_a_circle() -> None:
    """Fail with causes that lead back."""
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    raise one


@pytest.mark.parametrize(
    "function",
    [
        boom,
        caused,
        in_the_middle_of_another,
        hiding_another,
        grouped,
        with_notes,
        in_a_circle,
        lambda: down(3),
        lambda: down(40),
        lambda: ping(30),
        lambda: compile("a = (1,\nb b", "f.py", "exec"),
        lambda: exec("1/0"),  # noqa: S102  code without a file
        lambda: raise_(ValueError()),
        lambda: raise_(ValueError("two\nlines")),
        lambda: raise_(SystemExit(3)),
        lambda: raise_(ExceptionGroup("wide", [ValueError(n) for n in range(20)])),
    ],
)
def test_the_usual_exception_looks_as_python_writes_it(function: Callable[[], object]) -> None:
    """To the letter: whoever reads it has read thousands of them."""
    error = raised_by(function)

    assert format_exception(error) == "".join(traceback.format_exception(error))


@pytest.mark.parametrize("depth", [1, 9, 10, 11, 12])
def test_nested_groups_look_as_python_writes_them(depth: int) -> None:
    """To the depth at which Python stops as well."""
    error: Exception = ValueError("leaf")
    for number in range(depth):
        error = ExceptionGroup(f"group {number}", [error, ValueError(number)])

    assert format_exception(error) == "".join(traceback.format_exception(error))


def test_a_recursion_is_folded() -> None:
    """A frame that follows itself is written three times and counted."""
    text = format_exception(raised_by(lambda: down(900)))

    assert text.count("in down\n") == 3 + 1
    assert "[Previous line repeated 897 more times]\n" in text
    assert text.endswith("ValueError: boom\n")


def test_of_many_frames_the_first_and_the_last_are_shown() -> None:
    """25 and 25, and the number of those between."""
    text = format_exception(raised_by(lambda: ping(901)))

    (section,) = sections_of_text(text)

    assert [len(section.frames), section.omitted_count] == [50, 855]
    assert [frame.function for frame in section.frames[:2]] == ["raised_by", "<lambda>"]
    assert section.frames[-1].function == "boom"


def test_of_many_causes_the_nearest_and_the_oldest_are_shown() -> None:
    """Ten and five, and the number of those between."""
    error: Exception | None = None
    for number in range(100):
        error, cause = ValueError(number), error
        error.__cause__ = cause

    text = format_exception(error)

    shown = [f"ValueError: {number}" for number in (*range(5), *range(90, 100))]
    assert [line for line in text.splitlines() if line.startswith("ValueError")] == shown
    assert "[85 causes not shown]\n" in text


def test_a_chain_too_long_to_follow_says_so() -> None:
    """Of a hundred thousand causes the oldest is not looked for."""
    error: Exception | None = None
    for number in range(100_000):
        error, cause = ValueError(number), error
        error.__cause__ = cause

    text = format_exception(error)

    assert text.startswith("[more causes not shown]\n\nValueError: 98000\n")
    assert text.endswith("ValueError: 99999\n")


def test_groups_of_groups_end() -> None:
    """Fifteen wide and ten deep are a million million members."""
    group: Exception = ValueError("leaf")
    for _ in range(10):
        group = ExceptionGroup("more", [group] * 15)

    text = format_exception(group)

    assert len(text) <= MAX_CHARACTERS
    assert "| and 14 more exceptions\n" in text


@pytest.mark.parametrize("notes", [5, "text", ["x" * 10_000_000] * 1000, [None], (), {"a": 1}, object(), [[1]]])
def test_notes_that_are_no_notes_do_no_harm(notes: object) -> None:
    """`__notes__` may hold anything."""
    error = ValueError("x")
    error.__notes__ = notes  # type: ignore[assignment]

    assert format_exception(error).startswith("ValueError: x\n")


@pytest.mark.parametrize(
    "place",
    [
        ("f.py", 3, 2, "x" * 10_000_000, 3, 10**9),
        ("f.py", 3, 10**9, "x", 3, -1),
        ("f.py" * 10**6, 10**5000, None, None),
        (None, None, None, None),
        ([], "3", "2", b"x", {}, 1.5),
        ("f.py", -3, -2, "", 0, 0),
    ],
)
def test_syntax_errors_of_any_kind_are_written(place: tuple[object, ...]) -> None:
    """Their place may be huge, or no place at all."""
    text = format_exception(SyntaxError("bad", place))

    assert "SyntaxError: bad" in text.splitlines()[-1]
    assert len(text) < 5_000


def test_a_file_without_source_and_a_line_without_end_are_written() -> None:
    """Frames are shown with what there is."""
    code = compile("\n" * 4 + "1/0", "/nowhere/" + "x" * 5_000 + ".py", "exec")

    text = format_exception(raised_by(lambda: exec(code)))  # noqa: S102

    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert len(text) < 3_000


def test_a_loader_that_fails_costs_the_source_lines_only() -> None:
    """Python asks the module's loader for the source."""

    class Loader:
        def get_source(self, name: str) -> str:
            raise ValueError(name)

    names = {"__name__": "odd", "__loader__": Loader()}
    code = compile("1/0", "/nowhere/odd.py", "exec")

    text = format_exception(raised_by(lambda: exec(code, names)))  # noqa: S102

    assert '  File "/nowhere/odd.py", line 1, in <module>\n' in text
    assert text.endswith("ZeroDivisionError: division by zero\n")


def test_with_no_stack_left_the_exception_is_told() -> None:
    """A RecursionError is dealt with where the recursion is."""
    texts = []

    def deepest() -> None:
        try:
            deepest()
        except RecursionError as error:
            if not texts:
                texts.append(format_exception(error))
            raise

    raised_by(deepest)

    assert "RecursionError: maximum recursion depth exceeded" in texts[0]


@pytest.mark.parametrize("value", [None, "text", 5, object()])
def test_what_is_no_exception_has_no_traceback(value: object) -> None:
    """Receivers are given anything."""
    assert format_exception(value) == ""


def test_what_a_database_refuses_is_replaced() -> None:
    """NUL and lone surrogates go into no database."""
    assert format_exception(ValueError("a\0b\ud800")) == "ValueError: a\ufffdb\ufffd\n"


def test_a_long_text_keeps_its_head_and_its_end() -> None:
    """The end holds the exception itself; between them stands what it was before."""
    text = "".join(f"line {number}\n" for number in range(100_000)) + "ValueError: x\n"

    cut = bounded_text(text)

    assert MAX_CHARACTERS * 0.9 < len(cut) <= MAX_CHARACTERS
    assert cut.startswith("line 0\n")
    assert cut.endswith("line 99999\nValueError: x\n")
    assert f"[cut: {len(text):,} characters, " in cut
    head, _, tail = cut.partition("\n[cut: ")
    assert head.splitlines()[-1] in text.splitlines()
    assert tail.splitlines()[1] in text.splitlines()


@pytest.mark.parametrize("offset", range(0, 1_700, 13))
def test_no_half_of_a_secret_is_left_at_the_cut(offset: int) -> None:
    """A key that is cut in two would not be known for one by its half."""
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "TOPSECRETTOPSECRET\n" * 60 + "-----END RSA PRIVATE KEY-----\n"
    before = "x" * 78 + "\n"
    text = before * 700 + "y" * offset + "\n" + key + before * 249

    _, _, tail = bounded_text(text).partition("\n[cut: ")

    assert "TOPSECRET" not in tail or "-----BEGIN" in tail


@pytest.mark.parametrize("offset", range(40))
def test_no_half_of_a_header_is_left_at_the_cut(offset: int) -> None:
    """On one long line, the first words behind the cut may belong to what was cut."""
    line = "a " * 30_000 + "Authorization: Bearer TOPSECRET " + "b " * (9_775 - 32 + offset // 2) + "c" * (offset % 2)

    _, _, tail = bounded_text(line).partition("\n[cut: ")

    assert "TOPSECRET" not in tail or "Authorization: Bearer" in tail


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_bound_is_kept(text: str, max_chars: int) -> None:
    """Whatever the text and the bound."""
    cut = bounded_text(text, max_chars=max_chars)

    assert len(cut) <= max_chars
    assert cut == text or len(text) > max_chars
