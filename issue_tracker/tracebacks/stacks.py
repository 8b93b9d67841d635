"""The frames of a live traceback as Python writes them, chosen before they are written. Left of the seam.

Source lines come from `linecache`, as Python's do. May raise what a foreign object in a traceback's place raises.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

MAX_FRAMES: Final = 50
"""Of one exception, half of them the outermost. As Sentry's Relay keeps."""
MAX_FRAMES_WALKED: Final = 250_000
"""Frames that are followed to find the last ones: 25 ms."""
MAX_STATEMENT_LINES: Final = 50
"""Of one statement; CPython 3.13 reads all of them."""

MAX_TEXT: Final = 1_024
"""Characters of a line of source, and of the names of a file and a function."""
_REPEATS_SHOWN: Final = 3
"""Of a frame that follows itself, as CPython shows."""


@dataclass(slots=True)
class _Link:
    """A traceback of chosen frames: what `traceback.extract_tb` reads of one."""

    tb_frame: FrameType
    tb_lasti: int
    tb_lineno: int
    tb_next: _Link | None = None


def stack_text(tb: Any) -> str:
    """Write the frames of a traceback, at most 50 and at most 3 of those that follow themselves."""
    nodes = nodes_of(tb)
    if len(nodes) <= MAX_FRAMES:
        return _frames(tb)
    first = list(_runs(nodes))
    end = sum(length for _, length in first)
    last = list(_runs(nodes[end:][::-1]))[::-1]
    hidden = len(nodes) - end - sum(length for _, length in last)
    mark = f"  [{hidden:,} frame{'s'[: hidden > 1]} not shown]\n" if hidden else ""
    return "".join([*(_run(*run) for run in first), mark, *(_run(*run) for run in last)])


def nodes_of(tb: Any) -> list[Any]:
    """Return the nodes of a traceback, outermost first."""
    nodes = []
    for _ in range(MAX_FRAMES_WALKED):
        if tb is None:
            break
        nodes.append(tb)
        tb = tb.tb_next
    return nodes


def _runs(nodes: Sequence[Any]) -> Iterator[tuple[Any, int]]:
    """Yield half of the nodes that are shown, from the first on, each with how often it follows itself."""
    begin = count = 0
    while begin < len(nodes) and count < MAX_FRAMES // 2:
        first, end = nodes[begin], begin + 1
        code, place = first.tb_frame.f_code, first.tb_lasti
        while end < len(nodes) and nodes[end].tb_frame.f_code is code and nodes[end].tb_lasti == place:
            end += 1
        yield first, end - begin
        begin, count = end, count + 1


def _run(tb: Any, length: int) -> str:
    link = None
    for _ in range(min(length, _REPEATS_SHOWN)):
        link = _Link(tb.tb_frame, tb.tb_lasti, tb.tb_lineno, link)
    more = length - _REPEATS_SHOWN
    return _frames(link) + (f"  [Previous line repeated {more} more time{'s'[: more > 1]}]\n" if more > 0 else "")


def _frames(tb: Any) -> str:
    try:
        summary = traceback.extract_tb(tb)
        for place, frame in enumerate(summary):
            if _is_oversized(frame):
                name, file, line = frame.name[:MAX_TEXT], frame.filename[:MAX_TEXT], (frame.line or "")[:MAX_TEXT]
                summary[place] = traceback.FrameSummary(file, frame.lineno, name, lookup_line=False, line=line)
        return "".join(summary.format())
    except Exception:  # noqa: BLE001  a loader of the host's may fail to give the source
        return "".join(_frames_without_source(tb))


def _is_oversized(frame: traceback.FrameSummary) -> bool:
    # `lineno` and `end_lineno` are None where the compiler left them out.
    height = (getattr(frame, "end_lineno", None) or 0) - (frame.lineno or 0)
    return (
        len(frame.line or "") > MAX_TEXT
        or len(frame.filename) > MAX_TEXT
        or len(frame.name) > MAX_TEXT
        or height > MAX_STATEMENT_LINES
    )


def _frames_without_source(tb: Any) -> Iterator[str]:
    while tb is not None:
        code = tb.tb_frame.f_code
        yield f'  File "{code.co_filename[:MAX_TEXT]}", line {tb.tb_lineno}, in {code.co_name[:MAX_TEXT]}\n'
        tb = tb.tb_next
