"""docs/benchmarks.md: each measurement owns the text between its two markers, and replaces only that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns but the first are aligned right."""
    ruler = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (heads, ruler, *rows))


def with_plot(section: str, title: str, svg: str) -> str:
    """Keep the plot of a section beside the page; returns the Markdown that shows it."""
    name = f"benchmark-{section.replace(' ', '-')}.svg"
    (PAGE.parent / "images" / name).write_text(svg)
    return f"![{title}](images/{name})\n\n"


def write(section: str, text: str, *, page: Path = PAGE) -> None:
    """Replace what stands between the markers of a section. Raises ValueError for a section that the page lacks."""
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    old = page.read_text()
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(old):
        raise ValueError(f"{page.name} has no section {section!r}: add the lines {begin!r} and {end!r}.")
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", old, count=1))
