"""The text of an exception as Python writes it, cut before it is made. Left of the seam.

Guarantee: nothing here raises, and nothing takes longer than 50 ms: not a message of 10 MB, not 100,000 causes, not a
recursion of 100,000 frames, not groups of groups. The usual exception costs what `traceback.format_exception` costs.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from itertools import chain, islice
from textwrap import indent
from typing import TYPE_CHECKING, Final

from issue_tracker.serializer import clean, scrubbed_text_of

from .exceptions import (
    attribute,
    cause_of,
    context_of,
    hides_context,
    is_exception,
    members_of,
    message_of,
    traceback_of,
    type_name_of,
    unwrapped,
)
from .frames import HEADERS, LINKS
from .stacks import stack_text

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS: Final = 32_768
"""Of a traceback's text; ours, as the limits of the project say."""
MAX_EXCEPTIONS: Final = 15
"""Of one chain, and of one group. As CPython shows of a group."""
MAX_CHAIN_WALKED: Final = 2_000
"""Exceptions that are followed to find the beginning of a chain."""
MAX_GROUP_DEPTH: Final = 10
"""CPython's own."""
MAX_NOTES: Final = 20
MAX_TEXT: Final = 1_024
"""Characters of a note, and of a line of source with a syntax error."""
_MARK_CHARACTERS: Final = 100
"""Room for the mark of a cut."""
_CAUSE, _CONTEXT = LINKS
_HEADER, _GROUP_HEADER = HEADERS


def format_exception(error: object, *, max_chars: int = MAX_CHARACTERS) -> str:
    """Return what `traceback.format_exception` would, of at most `max_chars` characters.

    Messages and notes are masked, lines of source are not.

    Cuts: 50 frames of a traceback (25 first, 25 last), 15 exceptions of a chain (the 10 nearest, the 5 oldest), 15
    members of a group at 10 depths, long messages, notes and lines. Each leaves a mark with the number not shown.
    """
    real = error if is_exception(error) else unwrapped(error)
    if not is_exception(real):
        return ""
    try:
        text = "".join(_Printer().chain(_Reader(max_chars).chain(real)))
    except Exception:  # noqa: BLE001  what is left of the stack may be too little, even for this
        text = f"{type_name_of(type(real))}: {message_of(real)}\n"
    return bounded_text(clean(text), max_chars=max_chars)


def bounded_text(text: str, *, max_chars: int = MAX_CHARACTERS) -> str:
    """Cut the middle out of a formatted traceback: 40 % at its head and 60 % at its end stay, the size between.

    Cut at the ends of lines, and not within a private key: the scrubber would not know the half of a secret for one.
    """
    if len(text) <= max_chars:
        return text
    room = max(0, max_chars - _MARK_CHARACTERS)
    head, tail = _head(text, room * 2 // 5), _tail(text, room * 3 // 5)
    mark = f"[cut: {len(text):,} characters, {len(text) - len(head) - len(tail):,} of them not shown]"
    return f"{head}\n{mark}\n{tail}" if max_chars > _MARK_CHARACTERS else mark[:max_chars]


def _head(text: str, size: int) -> str:
    begin = size * 7 // 8
    end = text.rfind("\n", begin, size)
    if end < 0:  # one long line: half a word may be half a secret
        end = max(text.rfind(" ", begin, size), text.rfind(",", begin, size))
    return text[: end if end >= 0 else size]


def _tail(text: str, size: int) -> str:
    begin = len(text) - size
    window = text[begin : begin + size // 8]
    line = window.find("\n") + 1
    # One long line: its first words may be the rest of a secret, "Authorization: Bearer …".
    words = window.split(None, 3)
    skipped = line or (window.rindex(words[3]) if len(words) > 3 else 0)
    tail = text[begin + skipped :]
    key_end = tail.find("-----END ")
    if key_end >= 0 and "-----BEGIN " not in tail[:key_end]:
        return tail[key_end:]
    return tail


@dataclass(slots=True)
class _Node:
    """One exception, read and cut, without the margin of groups."""

    stack: str
    headline: str
    link: str = ""
    """What is written before it, where it isn't the first of its chain."""
    members: list[list[_Node]] = field(default_factory=list)
    is_group: bool = False
    more: int = 0
    """Members of a group that are not shown."""


class _Reader:
    """Reads exceptions, nearest first, until there is text enough: what is nearest is what is shown."""

    def __init__(self, max_chars: int) -> None:
        self.left = max_chars
        self.seen: set[int] = set()

    def chain(self, error: BaseException, depth: int = 0) -> list[_Node]:
        """Return an exception and what led to it, as they are written: oldest first."""
        pairs = list(islice(self._walk(error), MAX_CHAIN_WALKED))
        if pairs[-1][1]:
            pairs[-1] = pairs[-1][0], "[more causes not shown]\n\n"
        hidden = max(0, len(pairs) - MAX_EXCEPTIONS)
        oldest = MAX_EXCEPTIONS // 3
        if hidden:
            pairs[MAX_EXCEPTIONS - oldest : -oldest] = []
            before, link = pairs[-oldest - 1]
            pairs[-oldest - 1] = before, f"\n[{hidden:,} causes not shown]\n{link}"
        nodes: list[_Node] = []
        for one, link in pairs:
            if nodes and self.left <= 0:
                before_gap = hidden if len(nodes) <= MAX_EXCEPTIONS - oldest else 0
                nodes[-1].link = f"[{len(pairs) - len(nodes) + before_gap:,} causes not shown]\n\n"
                break
            nodes.append(self._node(one, link, depth))
        return nodes[::-1]

    def _walk(self, error: BaseException | None) -> Iterator[tuple[BaseException, str]]:
        """Yield each exception with the sentence that joins it to the one that it came from, which follows."""
        while error is not None:
            self.seen.add(id(error))
            cause, context = cause_of(error), context_of(error)
            if cause is not None and id(cause) not in self.seen:
                link, older = f"\n{_CAUSE}\n\n", cause
            elif context is not None and not hides_context(error) and id(context) not in self.seen:
                link, older = f"\n{_CONTEXT}\n\n", context
            else:
                link, older = "", None
            yield error, link
            error = older

    def _node(self, error: BaseException, link: str, depth: int) -> _Node:
        is_group = issubclass(type(error), BaseExceptionGroup)
        if is_group and depth >= MAX_GROUP_DEPTH:
            return _Node(stack="", headline=f"... (max_group_depth is {MAX_GROUP_DEPTH})\n", link=link)
        node = _Node(stack=stack_text(traceback_of(error)), headline=_headline(error), link=link, is_group=is_group)
        self.left -= len(node.stack) + len(node.headline) + _MARK_CHARACTERS
        if is_group:
            members = members_of(error)
            for member in members[:MAX_EXCEPTIONS]:
                if self.left <= 0:
                    break
                node.members.append(self.chain(member, depth + 1))
            node.more = len(members) - len(node.members)
        return node


class _Printer:
    """Writes nodes with the margins that CPython draws round groups."""

    def __init__(self) -> None:
        self.depth = 0
        self.needs_end = False

    def chain(self, nodes: list[_Node]) -> Iterator[str]:
        for node in nodes:
            yield from self._emit(node.link)
            if node.is_group:
                yield from self._group(node)
            else:
                yield from self._emit(f"{_HEADER}\n{node.stack}" if node.stack else "")
                yield from self._emit(node.headline)

    def _emit(self, text: str, sign: str = "|") -> Iterator[str]:
        if text:
            yield indent(text, f"{'  ' * self.depth}{sign} ", lambda _line: True) if self.depth else text

    def _group(self, node: _Node) -> Iterator[str]:
        is_outermost = self.depth == 0
        self.depth += is_outermost
        if node.stack:
            yield from self._emit(f"{_GROUP_HEADER}\n", "+" if is_outermost else "|")
            yield from self._emit(node.stack)
        yield from self._emit(node.headline)
        yield from self._members(node)
        self.depth -= is_outermost

    def _members(self, node: _Node) -> Iterator[str]:
        parts: list[tuple[str, list[_Node]]] = [(f"{n}", member) for n, member in enumerate(node.members, 1)]
        if node.more:
            parts.append(("...", [_Node(stack="", headline=f"and {node.more} more exception{'s'[: node.more > 1]}\n")]))
        self.needs_end = False
        for n, (title, member) in enumerate(parts, 1):
            is_last = n == len(parts)
            self.needs_end = self.needs_end or is_last
            yield f"{'  ' * self.depth}{'+-' if n == 1 else '  '}+---------------- {title} ----------------\n"
            self.depth += 1
            yield from self.chain(member)
            if is_last and self.needs_end:
                yield f"{'  ' * self.depth}+------------------------------------\n"
                self.needs_end = False
            self.depth -= 1


def _headline(error: BaseException) -> str:
    name = type_name_of(type(error)).removeprefix("__main__.")
    if issubclass(type(error), SyntaxError):
        place, message = _syntax_error(error)
    else:
        place, message = "", message_of(error)
    notes = attribute(error, "__notes__")
    return "".join(chain([place, f"{name}: {message}\n" if message else f"{name}\n"], _notes(notes) if notes else ()))


def _notes(notes: object) -> Iterator[str]:
    if type(notes) is not list and type(notes) is not tuple:
        yield f"{scrubbed_text_of(notes, max_chars=MAX_TEXT)}\n"
        return
    for note in notes[:MAX_NOTES]:
        yield f"{scrubbed_text_of(note, max_chars=MAX_TEXT)}\n"
    if len(notes) > MAX_NOTES:
        yield f"[{len(notes) - MAX_NOTES:,} more notes]\n"


def _syntax_error(error: BaseException) -> tuple[str, str]:
    """Return the lines that show the place, and the message: written by Python, from a copy with everything short."""
    filename, lineno, offset, text, end_lineno, end_offset = (
        SyntaxError.__dict__[name].__get__(error)
        for name in ("filename", "lineno", "offset", "text", "end_lineno", "end_offset")
    )
    place = (
        filename[:MAX_TEXT] if type(filename) is str else None,
        _number(lineno, limit=10**9),
        _number(offset, limit=MAX_TEXT),
        text[:MAX_TEXT] if type(text) is str else None,
        _number(end_lineno, limit=10**9),
        _number(end_offset, limit=MAX_TEXT),
    )
    message = scrubbed_text_of(SyntaxError.__dict__["msg"].__get__(error) or "", max_chars=MAX_TEXT)
    *lines, last = traceback.format_exception_only(SyntaxError(message, place))
    return "".join(lines), last.removeprefix("SyntaxError: ").rstrip("\n")


def _number(value: object, *, limit: int) -> int | None:
    return value if type(value) is int and 0 <= value <= limit else None
