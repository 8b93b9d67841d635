"""Every regular expression of the package, found by looking: twice the text takes twice the time, not four times."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import issue_tracker
from issue_tracker.fingerprint import fingerprint
from tests.unit.test_scrubber import SCREWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE: Final = 8_192
"""Characters of the shorter text: on the longer one a quadratic pattern needs 0.1 s and more, a linear one 2 ms."""
MAX_GROWTH: Final = 2.5
GRAIN_SECONDS: Final = 0.02
"""A shorter search can't be told from the clock's own noise on a busy machine."""
TRIES: Final = 5

BOUNDED: Final = {"issue_tracker.fingerprint._VARIABLE"}
"""Asked for the beginning of a text only, which its own test measures."""

PIECES: Final = [
    *SCREWS, "a.", "a_", "x" * 40 + " ", "A" * 16, "0" * 32, "\\n", "%20", "&lt;", "::", "/", "//", "../", "-", "_",
    "~", "é", "'''", '"""', "(a, b)=(", "duplicate entry '", "File \"a\", line 1, in f\n", "| ", "+-", "\t", "1.",
    "1e9", "Traceback (most recent call last):\n", "deadbeef", "0x1f", "a=b;", "<a>", "{a:", "[1,", "a@b.c ", "(", ")",
    "2024-05-01T00:00:00Z ", "None, ",
]  # fmt: skip


def modules() -> Iterator[Any]:
    """Yield every module of the package but its migrations."""
    for found in pkgutil.walk_packages(issue_tracker.__path__, f"{issue_tracker.__name__}."):
        if ".migrations" not in found.name and "pytest_plugin" not in found.name:
            try:
                yield importlib.import_module(found.name)
            except ImportError:  # an extra that is not installed
                continue


def patterns() -> dict[str, re.Pattern[Any]]:
    """Return every compiled pattern of the package by its place: module attributes, and those in containers there."""
    found = {}
    for module in modules():
        for name, value in vars(module).items():
            for number, pattern in enumerate(_patterns_in(value)):
                found[f"{module.__name__}.{name}" + (f"[{number}]" if number else "")] = pattern
    return {name: p for name, p in found.items() if not name.startswith("issue_tracker.locale")}


def _patterns_in(value: object) -> list[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()
    return [item for item in inside if isinstance(item, re.Pattern)]


def _ways(name: str) -> set[str]:
    """Return how the package asks a pattern, told by its source: one that is only matched never searches."""
    sources = "\n".join(path.read_text() for path in Path(issue_tracker.__path__[0]).rglob("*.py"))
    own = name.rpartition(".")[2].partition("[")[0]
    found = set(re.findall(rf"\b{own}\.(match|fullmatch|search|finditer|findall|sub|split)\(", sources))
    return found & {"match", "fullmatch"} if found and found <= {"match", "fullmatch"} else {"finditer"}


def _seconds(ask: Callable[[Any], Any], text: Any) -> float:
    best = float("inf")
    for _ in range(TRIES):
        began = time.thread_time()
        found = ask(text)
        if hasattr(found, "__next__"):
            deque(found, maxlen=0)
        best = min(best, time.thread_time() - began)
        if best < GRAIN_SECONDS:
            break
    return best


PATTERNS: Final = patterns()


def test_all_patterns_are_found() -> None:
    """None is compiled inside a function, where this test would not see it, but the host's own."""
    assert len(PATTERNS) > 30
    assert "issue_tracker.scrubber.pairs._PAIR" in PATTERNS


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - BOUNDED))
def test_time_grows_no_faster_than_the_text(name: str) -> None:
    """On every awkward piece, repeated; CPU time, and only where it can be measured at all."""
    pattern = PATTERNS[name]
    for way in _ways(name):
        for piece in PIECES:
            text: Any = (piece * (2 * SIZE // len(piece) + 1))[: 2 * SIZE]
            _hold(getattr(pattern, way), text.encode() if isinstance(pattern.pattern, bytes) else text, piece)


def test_a_fingerprint_takes_no_longer_for_what_makes_patterns_slow() -> None:
    """Its search ends with the normalised text, so its pattern is measured here, on the longest message."""
    for piece in PIECES:
        text = (piece * (2 * SIZE // len(piece) + 1))[: 2 * SIZE]
        _hold(lambda text: fingerprint(task="t", exception_type="E", culprit="", message=text), text, piece)


def _hold(ask: Callable[[Any], Any], text: Any, piece: str) -> None:
    large = _seconds(ask, text)
    if large > GRAIN_SECONDS:
        assert large / _seconds(ask, text[: len(text) // 2]) < MAX_GROWTH, piece
