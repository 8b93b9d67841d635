"""The documentation as tests read it: its pages, their blocks of code, their tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(?P<language>\w+)?[ ]*(?P<options>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code of a page."""

    page: str
    language: str
    title: str
    """The file that the block is, when the page says so."""
    text: str
    line: int

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return every page that a reader may see: the documentation and what stands beside the README."""
    return sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def blocks(page: Path, *, language: str = "") -> Iterator[Block]:
    """Yield the blocks of code of a page, in order."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        if language in {"", found["language"]}:
            title = _TITLE.search(found["options"])
            yield Block(
                page=str(page.relative_to(ROOT)),
                language=found["language"] or "",
                title=title[1] if title else "",
                text=found["text"],
                line=text.count("\n", 0, found.start()) + 1,
            )


def rows(page: Path, *, below: str = "") -> list[list[str]]:
    """Return the rows of the first table below a heading (else of the page), without its head."""
    text = page.read_text()
    if below:
        assert below in text, f"{page.name} has no heading {below!r}"
        text = text[text.index(below) :]
    table = re.search(r"^\|[^\n]*\|\n\|[-| :]+\|\n((?:\|[^\n]*\|\n?)*)", text, re.MULTILINE)
    assert table, f"{page.name} has no table below {below!r}"
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in table[1].strip().splitlines()
    ]


def codes(text: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", text)
