"""The chaos run sees what is lost, doubled or torn, and a figure beyond its bound: else green would mean nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from chaos import report
from chaos.experiments import EXPERIMENTS
from chaos.finding import Finding, Tally, compared
from chaos.promises import PROMISES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("begun", "arrived", "lost", "doubled"),
    [
        (["a", "b"], ["b", "a"], 0, 0),
        (["a", "b"], ["a"], 1, 0),
        (["a"], ["a", "a"], 0, 1),
        (["a", "a"], ["a", "a"], 0, 0),  # delivered twice, died twice
        (["a", "a"], ["a"], 1, 0),
        (["a"], ["a", "other"], 0, 0),  # killed before it wrote its id down
        (["a"], ["a", "other", "other"], 0, 1),
        ([], [], 0, 0),
    ],
)
def test_what_was_begun_is_held_against_what_arrived(
    begun: list[str], arrived: list[str], lost: int, doubled: int
) -> None:
    """By id, and as often as each began."""
    tally = compared(begun, arrived)

    assert (tally.injected, tally.captured) == (len(begun), len(begun) - lost)
    assert (tally.lost, tally.doubled) == (lost, doubled)


@pytest.mark.parametrize("tally", [Tally(lost=1), Tally(doubled=1), Tally(torn=1)])
def test_one_of_them_breaks_the_promise(tally: Tally) -> None:
    """The verdict and the exit code follow it."""
    finding = Finding(promises=("P7",), title="kills", tally=Tally(injected=5) + tally)

    assert finding.verdict == "broken"
    assert len(finding.complaints) == 1


def test_a_figure_beyond_its_bound_breaks_it() -> None:
    """At the bound it holds."""
    finding = Finding(promises=("P6",), title="databases")
    finding.at_most("first row", 5.0, 5.0, "s")
    assert finding.verdict == "held"

    finding.at_most("first row", 5.1, 5.0, "s")
    assert finding.verdict == "broken"


def test_a_report_tells_it_all(tmp_path: Path) -> None:
    """As Markdown and as JSON; the page's table has a row for each promise."""
    finding = Finding(promises=("P9",), title="Disks", tally=Tally(injected=3, captured=2, lost=1))
    finding.faults["disk full"] += 1

    path = report.write([finding], tmp_path, seed=7, command="python -m chaos disks")

    assert "**broken**: 1 lost" in path.read_text()
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["total"]["lost"], told["findings"][0]["verdict"], told["run"]["seed"]) == (1, "broken", 7)
    assert report.guarantees([finding]).count("\n| P") == 19


def test_every_promise_is_played_or_named_with_its_test() -> None:
    """P1 to P19, in their order; each experiment has a name of its own."""
    assert [promise.number for promise in PROMISES] == [f"P{number}" for number in range(1, 20)]
    assert len({experiment.name for experiment in EXPERIMENTS}) == len(EXPERIMENTS)
    played = {number for experiment in EXPERIMENTS for number in experiment.promises}
    assert not [promise.number for promise in PROMISES if promise.number not in played and not promise.tests]
