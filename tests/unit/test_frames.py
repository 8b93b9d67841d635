"""Formatted tracebacks read back: what Python writes is understood, and nothing else does harm."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.tracebacks import Section, sections_of_text
from issue_tracker.tracebacks.frames import LINKS, culprit_of_text, frames_of_text

CHAINED = """Traceback (most recent call last):
  File "/srv/app/cinema/client.py", line 12, in get
    return self.films[title] + \\
           ~~~~~~~~~~^^^^^^^
KeyError: 'Avatar'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/opt/venv/lib/python3.12/site-packages/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "/srv/app/cinema/tasks.py", line 30, in sync
    recurse()
  [Previous line repeated 12 more times]
  [1,234 frames not shown]
  File "/srv/app/cinema/without_source.py", line 7, in <lambda>
cinema.errors.SyncError: could not sync
because: of this
  and that
"""

GROUP = """Traceback (most recent call last):
  File "/srv/app/a.py", line 1, in first
ZeroDivisionError: division by zero

During handling of the above exception, another exception occurred:

  + Exception Group Traceback (most recent call last):
  |   File "/srv/app/b.py", line 2, in gather
  |     raise ExceptionGroup("two", errors)
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/srv/app/c.py", line 3, in one
    |     1/0
    | ZeroDivisionError: division by zero
    |
    | During handling of the above exception, another exception occurred:
    |
    | Traceback (most recent call last):
    |   File "/srv/app/d.py", line 4, in two
    | ValueError: one
    +---------------- 2 ----------------
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | TypeError: x
      +------------------------------------
"""


def outline(section: Section) -> tuple[list[str], str, int]:
    """Return the functions, the headline and the depth of a section."""
    return [frame.function for frame in section.frames], section.headline, section.depth


def test_a_chain_is_read_section_by_section() -> None:
    """Each exception has its frames, what it says, and the sentence that joins it to the one before."""
    first, second = sections_of_text(CHAINED)

    assert outline(first) == (["get"], "KeyError: 'Avatar'", 0)
    assert outline(second)[:2] == (
        ["trace_task", "sync", "<lambda>"],
        "cinema.errors.SyncError: could not sync\nbecause: of this\n  and that",
    )
    assert (first.link, second.link) == ("", LINKS[0])


def test_a_frame_is_read_with_its_details() -> None:
    """File, line, function, source, whether it is own, and how often it follows itself."""
    _get, trace, sync, without_source = frames_of_text(CHAINED)

    assert (trace.lineno, trace.is_own, trace.source_line) == (453, False, "R = retval = fun(*args, **kwargs)")
    assert (sync.filename, sync.is_own, sync.repeated_count) == ("/srv/app/cinema/tasks.py", True, 12)
    assert (without_source.lineno, without_source.source_line) == (7, "")
    assert sections_of_text(CHAINED)[1].omitted_count == 1234


def test_a_group_is_read_with_its_members() -> None:
    """Margins are taken off; members know how deep they are."""
    assert [outline(section) for section in sections_of_text(GROUP)] == [
        (["first"], "ZeroDivisionError: division by zero", 0),
        (["gather"], "ExceptionGroup: two (2 sub-exceptions)", 0),
        (["one"], "ZeroDivisionError: division by zero", 1),
        (["two"], "ValueError: one", 1),
        ([], "ExceptionGroup: inner (1 sub-exception)", 1),
        ([], "TypeError: x", 2),
    ]


def test_the_last_exception_outside_of_groups_names_the_culprit() -> None:
    """What was raised last is what failed; what led to it, and what is in a group, comes after."""
    assert culprit_of_text(CHAINED).endswith("cinema.without_source:<lambda>")
    assert culprit_of_text(GROUP).endswith("b:gather")


def test_the_place_of_a_syntax_error_is_a_frame_without_a_function() -> None:
    """It is shown, and blamed on nobody."""
    error = SyntaxError("bad", ("/srv/app/x.py", 3, 2, "a b", 3, 3))
    text = "".join(traceback.format_exception(error))

    (frame,) = frames_of_text(text)

    assert (frame.filename, frame.lineno, frame.function) == ("/srv/app/x.py", 3, "")
    assert culprit_of_text(text) == ""


def test_the_text_of_another_process_is_read_too() -> None:
    """billiard writes a child's traceback between quotes."""
    text = f'billiard.einfo.RemoteTraceback: \n"""\n{CHAINED}"""\n\n{LINKS[0]}\n\nKeyError: 5\n'

    sections = sections_of_text(text)

    assert [section.headline.splitlines()[0] for section in sections] == [
        "billiard.einfo.RemoteTraceback:",
        "KeyError: 'Avatar'",
        "cinema.errors.SyncError: could not sync",
        "KeyError: 5",
    ]
    assert not any('"""' in section.headline for section in sections[1:])


@pytest.mark.parametrize("text", ["", "\n\n", "   "])
def test_nothing_has_no_sections(text: str) -> None:
    """No exception, no section."""
    assert sections_of_text(text) == ()


def test_any_other_text_is_one_headline() -> None:
    """A message in a traceback's place is shown as it is."""
    (section,) = sections_of_text("No showtimes\n\nfor theater 5\n")

    assert outline(section) == ([], "No showtimes\n\nfor theater 5", 0)


PIECES = [
    *CHAINED.splitlines(keepends=True), *GROUP.splitlines(keepends=True), "  | ", "    | ", "  + ", "  +-",
    "+-+-------", '  File "', '", line ', ", in ", "\n", "\r\n", '"""', "  [Previous line repeated ", "  [",
    " frames not shown]", "9" * 20, "٣", "\0", "\ud800", "^^^^", "~~~~", "<frozen x>", "\u2028",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=60).map("".join) | st.text()


@given(texts)
def test_no_text_does_harm(text: str) -> None:
    """Whatever is stored in a traceback's place, reading it gives sections and frames."""
    sections = sections_of_text(text)

    assert sum(len(section.frames) for section in sections) == len(frames_of_text(text)) <= text.count('  File "')
    assert all(section.frames or section.headline for section in sections)
    assert isinstance(culprit_of_text(text), str)
