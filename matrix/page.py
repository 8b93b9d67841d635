"""The coverage as text: what is printed, and what stands in docs/coverage.md between its markers."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from . import collectors, elsewhere
from .again import compared, differing
from .grading import Mark
from .mode import POOLS
from .modes import TABLE
from .runs import CALLER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .collectors import Collector
    from .mode import Mode

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "coverage.md"
README: Final = PAGE.parent.parent / "README.md"
COLUMNS: Final = (*POOLS, CALLER)
COUNTED: Final = (Mark.FULL, Mark.PART, Mark.NONE)
VERSIONS: Final = (
    "celery",
    "kombu",
    "billiard",
    "Django",
    "gevent",
    "eventlet",
    "django-celery-results",
    "django-celery-logs",
    "sentry-sdk",
)


def report(findings: dict[str, Any]) -> str:
    """Return everything that was found."""
    return "\n\n".join(f"{title}\n\n{text}" for title, text in _sections(findings).items() if text)


def write(findings: dict[str, Any], *, page: Path = PAGE, readme: Path = README) -> None:
    """Replace what stands between the markers of each section, and the totals of the README.

    Raises ValueError for a section that a page lacks.
    """
    sections = _sections(findings)
    _write_into(page, sections)
    _write_into(readme, {"totals": sections["totals"]})


def _write_into(page: Path, sections: dict[str, str]) -> None:
    text = page.read_text()
    for title, body in sections.items():
        begin, end = f"<!-- {title}: begin -->", f"<!-- {title}: end -->"
        text, count = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, b=begin, t=body, e=end: f"{b}\n{t}\n{e}",
            text,
            flags=re.DOTALL,
        )
        if not count:
            raise ValueError(f"{page.name} has no section {title!r}: add the lines {begin!r} and {end!r}.")
    page.write_text(text)


def unforgivable(findings: dict[str, Any]) -> list[str]:
    """Return what no release may have: a death with two occurrences, a row though nothing failed, interference."""
    return [*_faults(findings), *_otherwise(findings)]


def _sections(findings: dict[str, Any]) -> dict[str, str]:
    return {
        "totals": _totals(findings, [mode for mode in TABLE.values() if mode.is_listed]),
        "totals of all": _totals(findings, TABLE.values()),
        "promises": _promises(findings),
        "measured modes": _table(findings, [mode for mode in TABLE.values() if mode.is_listed]),
        "further modes": _table(findings, [mode for mode in TABLE.values() if not mode.is_listed]),
        "in part": _reasons(findings),
        "elsewhere": _elsewhere(),
        "versions": _versions(),
    }


def _shown(findings: dict[str, Any]) -> list[Collector]:
    return [c for c in (collectors.OURS, *collectors.PEERS) if c.name in findings]


def _totals(findings: dict[str, Any], modes: Iterable[Mode]) -> str:
    """Return a table of how many modes were kept in full, in part, not at all: by collector and pool."""
    ids = {mode.id for mode in modes}
    columns = [pool for pool in COLUMNS if any(pool in found for found in findings.values())]
    rows = []
    for collector in _shown(findings):
        cells = [_total(findings[collector.name].get(pool, {}), ids) for pool in columns]
        rows.append([collector.title, *cells])
    return _markdown(["", *columns], rows)


def _total(found: dict[str, Any], ids: set[str]) -> str:
    counts = Counter(entry["mark"] for mode_id, entry in found.items() if mode_id in ids)
    whole = sum(counts[mark] for mark in COUNTED)
    if not whole:
        return ""
    share = f"{100 * counts[Mark.FULL] / whole:.0f} %"
    return f"{counts[Mark.FULL]} of {whole} ({share}), ~ {counts[Mark.PART]}, - {counts[Mark.NONE]}"


def _table(findings: dict[str, Any], modes: Iterable[Mode]) -> str:
    shown = _shown(findings)
    rows = [
        [f"{mode.id} {mode.title}", *(_cell(findings[collector.name], mode) for collector in shown)]
        for mode in modes
        if any(mode.id in found for by_pool in findings.values() for found in by_pool.values())
    ]
    return _markdown(["mode", *(collector.title for collector in shown)], rows) if rows else ""


def _cell(by_pool: dict[str, Any], mode: Mode) -> str:
    """Return the marks of all pools, or the one mark that they share."""
    if mode.is_process_level:
        return str(by_pool.get(CALLER, {}).get(mode.id, {}).get("mark", ""))
    marks = [by_pool[pool].get(mode.id, {}).get("mark", Mark.NOT_PLAYED) for pool in POOLS if pool in by_pool]
    known = [mark for mark in marks if mark != Mark.NOT_PLAYED]
    return known[0] if len(set(known)) == 1 else " / ".join(marks) if known else Mark.NOT_PLAYED


def _promises(findings: dict[str, Any]) -> str:
    """Return the two figures that have to be nought, with what is not."""
    if collectors.OURS.name not in findings:
        return ""
    faults, otherwise = _faults(findings), _otherwise(findings)
    lines = [
        f"- Deaths with more than one occurrence, or rows though nothing failed: {len(faults)}",
        *(f"    - {line}" for line in faults),
        f"- Modes in which the worker behaves otherwise than without the app: {len(otherwise)}"
        f" (of {sum(1 for _ in compared(findings))} compared; {_looked_at_twice(findings)})",
        *(f"    - {line}" for line in otherwise),
    ]
    return "\n".join(lines)


def _faults(findings: dict[str, Any]) -> list[str]:
    ours = findings.get(collectors.OURS.name, {})
    return [
        f"{mode_id} on {pool}: {fault}"
        for pool, found in ours.items()
        for mode_id, entry in found.items()
        for fault in entry["faults"]
    ]


def _otherwise(findings: dict[str, Any]) -> list[str]:
    return [f"{mode.id} on {pool}: {' | '.join(found)}" for mode, pool, found in differing(findings)]


def _looked_at_twice(findings: dict[str, Any]) -> str:
    """Say how many modes were played again, since the two sides differed, and in how many bare Celery itself varies."""
    again = [(mode, without) for mode, _, entry, without in compared(findings) if entry.get("again")]
    vary = [mode for mode, bare in again if len({str(one) for one in (bare["behaviour"], *bare["again"])}) > 1]
    return f"{len(again)} played again alone, several times on both sides; bare Celery itself varied in {len(vary)}"


def _reasons(findings: dict[str, Any]) -> str:
    """Return why modes of ours are not full: one row for each reason, with the pools it holds on."""
    ours = findings.get(collectors.OURS.name, {})
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for pool, found in ours.items():
        for mode_id, entry in found.items():
            if entry["mark"] in {Mark.PART, Mark.NONE, Mark.NOT_PLAYED}:
                why = entry["reason"] or "nothing was recorded"
                reasons.setdefault((mode_id, entry["mark"], why), []).append(pool)
    order = list(TABLE)
    rows = [
        [f"{mode_id} {TABLE[mode_id].title}", ", ".join(pools), mark, why.replace("|", "\\|").replace("\n", " ")[:300]]
        for (mode_id, mark, why), pools in sorted(reasons.items(), key=lambda item: order.index(item[0][0]))
        if mode_id in TABLE
    ]
    return _markdown(["mode", "on", "", "why"], rows) if rows else "Nothing: every mode was kept in full."


def _elsewhere() -> str:
    """Return what was played with other versions and brokers: a line for each pool of each."""
    rows = [
        [where, pool, one["full"], one["part"] or "0", one["none"] or "0", one["faults"], one["otherwise"] or "0"]
        for where, pools in sorted(elsewhere.load().items())
        for pool, one in pools.items()
    ]
    heads = ["with", "on", "Y", "~", "-", "faults", "behaves otherwise"]
    return _markdown(heads, rows) if rows else "Nothing yet."


def _versions() -> str:
    found = [f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in VERSIONS)]
    return ", ".join(found) + "."


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    ruler = ["---"] * len(heads)
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (heads, ruler, *rows))
