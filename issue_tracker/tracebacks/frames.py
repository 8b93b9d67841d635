"""Formatted tracebacks read back into exceptions and frames. Left of the seam.

Guarantee: nothing here raises, whatever the text, and it takes time linear in the text's length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from .own_code import is_own_code, module_of

HEADERS: Final = ("Traceback (most recent call last):", "Exception Group Traceback (most recent call last):")
LINKS: Final = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)

_FRAME: Final = re.compile(r'  File "(.*)", line (\d{1,9})(?:, in (.*))?')
_MARKERS: Final = re.compile(r"[ \t]*[~^][~^ \t]*")
_REPEATED: Final = re.compile(r"  \[Previous line repeated (\d{1,9}) more times?\]")
_OMITTED: Final = re.compile(r"  \[([\d,]{1,12}) frames? not shown\]")
_GROUP: Final = re.compile(r' {2,}(?:\+ Exception Group Traceback|\+-|\|   File ")')
_MARGIN: Final = re.compile(r"( *)[|+] ?")
_RULE: Final = re.compile(r" *\+(?:-\+)?-{9,}+(?: (?:\d+|\.\.\.) -++)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a traceback, as the text shows it."""

    filename: str
    lineno: int
    function: str
    """Empty for the place of a syntax error."""
    source_line: str
    """Without indentation; empty where the text has none."""
    is_own: bool
    repeated_count: int = 0
    """How many more times the frame followed itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One exception of a traceback: its frames, deepest last, and what it says."""

    frames: tuple[Frame, ...]
    headline: str
    """The exception itself, "ValueError: x", with all lines of its message and its notes."""
    link: str
    """The sentence that joins it to the section before, empty for the first of a chain."""
    depth: int = 0
    """0, or how deep it is in exception groups."""
    omitted_count: int = 0
    """Frames that the text says it leaves out."""


def culprit_of_text(traceback_text: str) -> str:
    """Return "module:function" of the deepest own frame of a formatted traceback, else "".

    The last exception counts first, then those that led to it, then those within a group.
    """
    latest_first = sections_of_text(traceback_text)[::-1]
    for section in sorted(latest_first, key=lambda section: section.depth):
        for frame in reversed(section.frames):
            if frame.is_own and frame.function:
                return f"{module_of(frame.filename)}:{frame.function}"
    return ""


def frames_of_text(text: str) -> tuple[Frame, ...]:
    """Return all frames of a formatted traceback, in the text's order."""
    return tuple(frame for section in sections_of_text(text) for frame in section.frames)


def sections_of_text(text: str) -> tuple[Section, ...]:
    """Return the exceptions of a formatted traceback, in the text's order: the one that was raised last comes last."""
    reader = _Reader()
    for line in text.split("\n"):
        reader.read(line.removesuffix("\r"))
    reader.close()
    return tuple(reader.sections)


class _Reader:
    """Takes the lines of a formatted traceback one by one."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.is_in_group = False
        self.link = ""
        self.depth = 0
        self._begin()

    def _begin(self) -> None:
        self.frames: list[Frame] = []
        self.headline: list[str] = []
        self.omitted = 0

    def read(self, line: str) -> None:
        content = self._without_margin(line)
        if content is None or content in HEADERS:
            self.close()
        elif content in LINKS:
            self.close()
            self.link = content
        elif not (content.startswith("  ") and self._read_frame(content)) and (content.strip() or self.headline):
            self.headline.append(content)

    def close(self) -> None:
        """End the section, if there is one."""
        headline = "\n".join(self.headline).rstrip().removesuffix('"""').rstrip()
        if self.frames or headline:
            section = Section(
                frames=tuple(self.frames),
                headline=headline,
                link=self.link,
                depth=self.depth,
                omitted_count=self.omitted,
            )
            self.sections.append(section)
            self.link = ""
        self._begin()

    def _without_margin(self, line: str) -> str | None:
        """Return the line without the margin of an exception group; None for a rule between the members of one."""
        begins = _GROUP.match(line) or (line.startswith("  | ") and not self.frames and not self.headline)
        self.is_in_group = bool(begins) or self.is_in_group
        margin = _MARGIN.match(line) if self.is_in_group else None
        if margin is None:
            self._leave_group()
            return line
        if _RULE.fullmatch(line):
            return None
        self.depth = max(0, len(margin[1]) // 2 - 1)
        return line[margin.end() :]

    def _leave_group(self) -> None:
        if self.is_in_group:
            self.close()
            self.is_in_group, self.depth = False, 0

    def _read_frame(self, content: str) -> bool:
        """Take a line of a frame; returns whether it was one."""
        frame = _FRAME.fullmatch(content)
        if frame is not None:
            if self.headline:
                self.close()
            self.frames.append(_frame(frame))
            return True
        return bool(self.frames) and not self.headline and self._read_detail(content)

    def _read_detail(self, content: str) -> bool:
        if content.startswith("    "):
            if not self.frames[-1].source_line and not _MARKERS.fullmatch(content):
                self.frames[-1] = replace(self.frames[-1], source_line=content.strip())
            return True
        if repeated := _REPEATED.fullmatch(content):
            self.frames[-1] = replace(self.frames[-1], repeated_count=int(repeated[1]))
        elif omitted := _OMITTED.fullmatch(content):
            self.omitted += int(omitted[1].replace(",", "") or 0)
        return bool(repeated or omitted)


def _frame(match: re.Match[str]) -> Frame:
    filename, lineno, function = match.groups()
    return Frame(
        filename=filename, lineno=int(lineno), function=function or "", source_line="", is_own=is_own_code(filename)
    )
