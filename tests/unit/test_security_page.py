"""What docs/security.md and docs/guarantees.md name as proof is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = ("security.md", "guarantees.md")


def _named(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"`((?:tests|benchmarks|chaos)/[\w/]+\.py)(?:::(\w+))?`", page.read_text())


@pytest.mark.parametrize("name", PAGES)
def test_every_test_that_a_page_names_exists(name: str) -> None:
    """A promise whose test was renamed or dropped would be held by nothing."""
    named = _named(ROOT / "docs" / name)

    assert len(named) > 15
    missing = [path for path, _test in named if not (ROOT / path).exists()]
    missing += [
        f"{path}::{test}"
        for path, test in named
        if test and (ROOT / path).exists() and f"def {test}(" not in (ROOT / path).read_text()
    ]
    assert missing == []


def test_every_threat_has_its_test() -> None:
    """Each row of the table ends with a test, or with an experiment of the chaos run."""
    table = (ROOT / "docs" / "security.md").read_text().split("## Threats")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| threat")]

    assert len(rows) > 15
    assert [row for row in rows if "`tests/" not in row and "`make chaos" not in row] == []
