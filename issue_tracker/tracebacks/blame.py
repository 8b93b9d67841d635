"""Who is to blame for an exception; and the one door to `exceptions`, `formatting` and `frames`. Left of the seam.

Guarantee: nothing offered here raises, and nothing takes longer than 50 ms, be it a message of 10 MB, 100,000 causes or
a recursion of 100,000 frames.
"""

from __future__ import annotations

from typing import Any, Final

from .exceptions import (
    Described,
    causes_of,
    describe,
    is_exception,
    is_ordinary,
    members_of,
    standing_for,
    text_of_remote,
    traceback_of,
)
from .formatting import MAX_EXCEPTIONS, bounded_text, format_exception
from .frames import Frame, Section, culprit_of_text, frames_of_text, sections_of_text
from .own_code import is_own_code, module_of
from .stacks import nodes_of

__all__ = [
    "Described",
    "Frame",
    "Section",
    "bounded_text",
    "causes_of",
    "culprit_of",
    "culprit_of_text",
    "describe",
    "format_exception",
    "frames_of_text",
    "is_own_code",
    "sections_of_text",
]


MAX_LOOKED_AT: Final = 100
"""Exceptions of a group, and their causes, in which own code is looked for."""


def culprit_of(value: Any) -> str:
    """Return "module:qualname" of the deepest frame in the project's own code, else "".

    Takes an exception, a traceback, or the text of one. Of an exception, its own traceback counts first, then those of
    what led to it, then those of a group's members; a retry is seen through to the error that it is for.
    """
    try:
        if issubclass(type(value), str):
            return culprit_of_text(value)
        if is_ordinary(value) and (found := _culprit_in(traceback_of(value))):
            return found
        real = standing_for(value)
        return _culprit_of_exception(real) if is_exception(real) else _culprit_in(real)
    except Exception:  # noqa: BLE001  what is given for a traceback may be anything
        return ""


def _culprit_of_exception(error: BaseException) -> str:
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MAX_LOOKED_AT:
        group = waiting.pop()
        for one in causes_of(group):
            found = _culprit_in(traceback_of(one)) or culprit_of_text(text_of_remote(one))
            if found:
                return found
            seen.add(id(one))
        if issubclass(type(group), BaseExceptionGroup):
            members = members_of(group)[:MAX_EXCEPTIONS]
            waiting += [member for member in reversed(members) if id(member) not in seen]
    return ""


def _culprit_in(tb: Any) -> str:
    code = None
    for node in reversed(nodes_of(tb)):
        frame = node.tb_frame
        if frame.f_code is not code:
            code = frame.f_code
            if is_own_code(code.co_filename):
                # billiard's copies of frames have no co_qualname.
                name = frame.f_globals.get("__name__") or module_of(code.co_filename)
                return f"{name}:{getattr(code, 'co_qualname', code.co_name)}"
    return ""
