"""A stored traceback as the page shows it: causes, own frames open where the error was raised, library frames folded.

Built from the text alone: no file is read, nothing named in it is imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext as _

from issue_tracker.admin import page
from issue_tracker.admin.highlighting import highlighted
from issue_tracker.tracebacks import sections_of_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.utils.safestring import SafeString

    from issue_tracker.models import Occurrence, OperationalIssue
    from issue_tracker.tracebacks import Frame, Section

MAX_FRAMES: Final = 120
"""Frames shown; a captured traceback has 50 per cause at most, one stored by hand may have any number."""

MAX_SOURCE: Final = 600
"""Characters of a frame's source that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFrame:
    """One frame, ready for the template."""

    path: str
    line: int
    function: str
    code: SafeString
    is_own: bool
    repeated_count: int = 0
    locals: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Frames in a row that are shown open (the project's own, and the one that raised), or a library's, folded."""

    is_open: bool
    frames: list[ShownFrame]
    packages: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSection:
    """One exception of the chain."""

    link: str
    """Python's sentence that ties it to the one before, translated by nobody: people search for it."""
    type: str
    message: str
    runs: list[Run]
    depth: int
    """0, or how deep it is in exception groups."""
    omitted_count: int
    """Frames that were not kept."""


def parts(issue: OperationalIssue, occurrence: Occurrence | None, *, with_locals: bool) -> dict[str, Any]:
    """Return `sections` and `frames_summary` for the page; locals only for who may see them."""
    text = page.own_texts(issue, occurrence)[1][: page.MAX_TRACEBACK]
    found = page.locals_of(occurrence) if with_locals else {}
    # From the end: where a frame stands there often, its locals are those of the last one, and shown once.
    sections = [_shown(section, found) for section in reversed(sections_of_text(text))][::-1]
    frames = [frame for section in sections for run in section.runs for frame in run.frames]
    own = sum(frame.is_own for frame in frames)
    summary = _("%(own)s of your own, %(other)s of libraries") % {"own": own, "other": len(frames) - own}
    return {"sections": sections, "frames_summary": summary if frames else ""}


def _shown(section: Section, found: dict[str, list[tuple[str, str]]]) -> ShownSection:
    frames = [_frame(frame, found=found) for frame in reversed(section.frames[:MAX_FRAMES])][::-1]
    runs = []
    for is_own, group in groupby(frames[:-1], key=lambda frame: frame.is_own):
        run = list(group)
        runs.append(Run(is_open=is_own, frames=run, packages=_packages(run)))
    if frames:
        runs.append(Run(is_open=True, frames=frames[-1:], packages=""))
    type_name, _colon, message = section.headline.partition(": ")
    return ShownSection(
        link=section.link,
        type=type_name,
        message=message,
        runs=runs,
        depth=min(section.depth, 5),
        omitted_count=section.omitted_count + max(0, len(section.frames) - MAX_FRAMES),
    )


def _frame(frame: Frame, *, found: dict[str, list[tuple[str, str]]]) -> ShownFrame:
    return ShownFrame(
        path=shortened(frame.filename),
        line=frame.lineno,
        function=frame.function,
        code=highlighted(frame.source_line[:MAX_SOURCE], "python"),
        is_own=frame.is_own,
        repeated_count=frame.repeated_count,
        locals=found.pop(f"{frame.filename}:{frame.lineno}", []),
    )


def shortened(path: str) -> str:
    """Return a path without what it shares with every other: everything up to site-packages."""
    for mark in ("/site-packages/", "/dist-packages/"):
        if mark in path:
            return path.rpartition(mark)[2]
    return path


def _packages(frames: Sequence[ShownFrame]) -> str:
    names = dict.fromkeys(frame.path.lstrip("/").partition("/")[0] for frame in frames if "/" in frame.path)
    return ", ".join(list(names)[:4])
