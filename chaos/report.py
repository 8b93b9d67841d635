"""What a run found: a table for the terminal, a report in Markdown and the same in JSON, and the page of guarantees."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Final

from .finding import Tally
from .promises import PROMISES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .finding import Finding

BEGIN: Final = "<!-- promises: begin -->"
END: Final = "<!-- promises: end -->"


def line_of(finding: Finding) -> str:
    """Return one line for the terminal."""
    tally, numbers = finding.tally, " ".join(finding.promises)
    counts = f"injected {tally.injected}, lost {tally.lost}, doubled {tally.doubled}, torn {tally.torn}"
    told = finding.skipped or ("; ".join(finding.complaints) if finding.complaints else counts)
    return f"{finding.verdict:<8}{numbers:<10}{finding.title} ({finding.seconds:.0f} s): {told}"


def total(findings: Iterable[Finding]) -> Tally:
    """Return the sums over all findings."""
    return sum((finding.tally for finding in findings), Tally())


def write(findings: list[Finding], directory: Path, *, seed: int, command: str) -> Path:
    """Write report.md and report.json into a directory; returns the former's path."""
    directory.mkdir(parents=True, exist_ok=True)
    head = {"seed": seed, "command": command, **_machine()}
    body = {"run": head, "total": asdict(total(findings)), "findings": [_plain(finding) for finding in findings]}
    (directory / "report.json").write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
    path = directory / "report.md"
    path.write_text(markdown(findings, head))
    return path


def markdown(findings: list[Finding], head: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    sums = total(findings)
    lines = [
        "# Chaos", "",
        f"`{head['command']}`, seed {head['seed']}, {head['cpus']} CPUs, Python {head['python']}.", "",
        f"Failures injected: {sums.injected:,}. Captured: {sums.captured:,}. "
        f"Lost: {sums.lost}. Doubled: {sums.doubled}. Torn: {sums.torn}.", "",
        "| promise | experiment | verdict | injected | lost | doubled | torn | seconds |",
        "|---|---|---|--:|--:|--:|--:|--:|",
        *(_row(finding) for finding in findings), "",
    ]  # fmt: skip
    for finding in findings:
        lines += [f"## {finding.title}", "", *_details(finding), ""]
    return "\n".join(lines)


def guarantees(findings: list[Finding]) -> str:
    """Return the table of promises: promise, target, test, figure reached."""
    lines = ["| | promise | target | tests | reached |", "|---|---|---|---|---|"]
    for promise in PROMISES:
        names = ", ".join(f"`{name}`" for name in promise.tests) or "none yet"
        reached = "; ".join(_reached(finding) for finding in findings if promise.number in finding.promises)
        if not reached and any(name.startswith("benchmarks/") for name in promise.tests):
            reached = "measured by its benchmark, not by this run"
        reached = reached or "not measured in this run"
        lines.append(f"| {promise.number} | {promise.words} | {promise.target} | {names} | {reached} |")
    return "\n".join(lines)


def put_into(page: Path, table: str) -> None:
    """Put the table between its markers on a page; raises LookupError when they are not there."""
    text = page.read_text()
    if BEGIN not in text or END not in text:
        raise LookupError(f"{page} has no {BEGIN} … {END}")
    before, rest = text.split(BEGIN, 1)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END, 1)[1]}")


def _row(finding: Finding) -> str:
    tally = finding.tally
    counts = f"{tally.injected:,} | {tally.lost} | {tally.doubled} | {tally.torn}"
    return f"| {' '.join(finding.promises)} | {finding.title} | {finding.verdict} | {counts} | {finding.seconds:.0f} |"


def _details(finding: Finding) -> list[str]:
    lines = [f"- {name}: {value}" for name, value in finding.figures.items()]
    lines += [f"- injected: {name}, {count:,} ×" for name, count in sorted(finding.faults.items())]
    lines += [f"- **broken**: {text}" for text in finding.complaints]
    return lines + ([f"- skipped: {finding.skipped}"] if finding.skipped else [])


def _reached(finding: Finding) -> str:
    if finding.skipped:
        return f"not played here: {finding.skipped}"
    tally = finding.tally
    counts = [f"{tally.injected:,} failures, {tally.lost} lost, {tally.doubled} doubled, {tally.torn} torn"]
    told = [*(counts if tally.injected else []), *(f"{name} {value}" for name, value in finding.figures.items())]
    broken = [f"**broken: {text}**" for text in finding.broken]
    return f"{finding.title}: {', '.join([*told, *broken])}".replace("|", "/")


def _plain(finding: Finding) -> dict[str, Any]:
    values = {field.name: getattr(finding, field.name) for field in fields(finding)}
    return {**values, "tally": asdict(finding.tally), "verdict": finding.verdict, "complaints": finding.complaints}


def _machine() -> dict[str, Any]:
    return {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()}
