"""`python -m tests.versions`: the table of docs/versions.md, out of what nox played (see noxfile.py)."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from xml.etree import ElementTree

from tests.documents import DOCS
from tests.processes import ROOT
from tests.reference import table, written

PLAYED = ROOT / ".nox" / "played"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Run:
    """One run of the tests."""

    python: str
    django: str
    celery: str
    database: str
    passed: int
    failed: int
    skipped: int

    def row(self) -> tuple[str, ...]:
        """Return its line of the table."""
        outcome = f"**{self.failed} failed**" if self.failed else "all passed"
        return self.python, self.django, self.celery, self.database, f"{self.passed:,}", str(self.skipped), outcome


def runs() -> list[Run]:
    """Return what was played, by version."""
    found = []
    for path in PLAYED.glob("*.json"):
        noted = json.loads(path.read_text())
        suites = ElementTree.parse(path.with_suffix(".xml")).iter("testsuite")  # noqa: S314  written by our own pytest
        totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
        for suite in suites:
            for key in totals:
                totals[key] += int(suite.get(key) or 0)
        failed = totals["failures"] + totals["errors"]
        python, django, celery = noted["versions"]
        found.append(
            Run(
                python=python,
                django=django,
                celery=celery,
                database=noted["database"],
                passed=totals["tests"] - failed - totals["skipped"],
                failed=failed,
                skipped=totals["skipped"],
            )
        )
    return sorted(found, key=_order)


def _order(run: Run) -> list[object]:
    versions = (run.python, run.django, run.celery)
    return [*([int(part) for part in version.split(".")] for version in versions), run.database]


def main() -> int:
    """Write the table; without a run there is nothing to write."""
    if not (found := runs()):
        print(f"nothing was played: there is no run in {PLAYED.relative_to(ROOT)}", file=sys.stderr)
        return 1
    page = DOCS / "versions.md"
    head = ("Python", "Django", "Celery", "database", "passed", "skipped", "")
    page.write_text(written(page, "versions", table(head, [run.row() for run in found])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
