"""A sample of the coverage matrix on every pool. `make matrix` plays all of it, and beside the peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from matrix import runs
from matrix.again import differences
from matrix.behaviour import Behaviour
from matrix.collectors import BARE, OURS
from matrix.expectations import NOTHING, failed, told, vanished
from matrix.grading import Evidence, Mark, grade
from matrix.mode import POOLS, Mode
from matrix.modes import TABLE
from matrix.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE: Final = {
    "prefork": (
        "01",
        "05a",
        "06a",
        "07b",
        "09",
        "10",
        "11a",
        "12d",
        "13",
        "14a",
        "17a",
        "18a",
        "20a",
        "21",
        "30a3",
        "35",
    ),
    "threads": ("01", "05a", "06a", "11a", "12d", "13", "14a", "17a", "20a", "21", "30a3", "35"),
    "solo": ("01", "05a", "11a", "12d", "13", "14a", "17a", "20a", "21", "30a3"),
    "gevent": ("01", "05a", "06a", "09", "11a", "12d", "13", "14a", "17a", "20a", "21"),
    "eventlet": ("01", "05a", "06a", "11a", "12d", "13", "14a", "20a", "21"),
    runs.CALLER: ("19a", "19b", "19f", "19i", "26a2", "26b"),
}
"""Modes that share few workers, so that the sample of a pool takes seconds."""


@pytest.fixture(scope="module")
def theatre() -> Iterator[runs.Theatre]:
    """A broker, a sink and a migrated database for the modes."""
    with runs.theatre(jobs=3) as theatre:
        yield theatre


# kombu leaves sockets of its channels to the garbage collector, in threads of this process.
@pytest.mark.filterwarnings(
    "ignore:unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.timeout(600)
@pytest.mark.parametrize("pool", SAMPLE)
def test_a_sample_of_modes_is_recorded_in_full_and_changes_nothing(pool: str, theatre: runs.Theatre) -> None:
    """Every mode of the sample is recorded in full and once, and the worker does what it does without the app."""
    if pool in {"gevent", "eventlet"}:
        pytest.importorskip(pool)
    modes = [TABLE[mode_id] for mode_id in SAMPLE[pool]]

    without = runs.run(theatre, BARE, pool, modes)
    outcomes = runs.run(theatre, OURS, pool, modes)

    assert {o.mode.id: o.grade.reason or o.grade.mark for o in outcomes if o.grade.mark in {Mark.PART, Mark.NONE}} == {}
    assert {o.mode.id: o.grade.faults for o in outcomes if o.grade.faults} == {}
    changes = {
        o.mode.id: o.behaviour.differences(b.behaviour, but=o.mode.varies)
        for o, b in zip(outcomes, without, strict=True)
    }
    assert {mode_id: change for mode_id, change in changes.items() if change} == {}


def test_every_mode_of_the_measured_list_is_in_the_table() -> None:
    """The list that the totals are compared with is whole."""
    assert sum(mode.is_listed for mode in TABLE.values()) == 106
    assert all(set(mode.pools) <= set(POOLS) for mode in TABLE.values())


MODE = Mode(id="x", title="x", deaths=(failed("ValueError", shows="in x"),), task="host.x")


def _evidence(mode: Mode) -> Evidence:
    return Evidence(
        mode=mode, pool="prefork", token="token", ids=frozenset({"id"}), is_alone=False, notes=(), is_ours=True
    )


def _record(**values: object) -> Record:
    return Record(
        **{
            "task": "host.x",
            "task_id": "id",
            "exception": "builtins.ValueError",
            "traceback": 'File "x", in x',
            **values,
        }
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ({}, Mark.FULL),
        ({"exception": "KeyError"}, Mark.PART),
        ({"traceback": ""}, Mark.PART),
        ({"task": "host.y"}, Mark.PART),
        ({"outcome": "retry"}, Mark.PART),
        ({"task_id": "another"}, Mark.NONE),
    ],
)
def test_the_rule_wants_type_traceback_and_task(values: dict[str, object], mark: Mark) -> None:
    """A record that lacks any of the three is a part; one of another task is nothing."""
    assert grade(_evidence(MODE), [_record(**values)]).mark is mark


def test_a_vanished_process_is_told_by_task_and_arguments() -> None:
    """No type is asked for where nothing was raised, but the arguments are."""
    evidence = _evidence(Mode(id="x", title="x", deaths=(vanished(),), task="host.x"))

    assert grade(evidence, [_record(arguments="['token']")]).mark is Mark.FULL
    assert grade(evidence, [_record()]).mark is Mark.PART


def test_an_outcome_is_told_by_its_word() -> None:
    """A revoked task is told as revoked, not as failed."""
    evidence = _evidence(Mode(id="x", title="x", deaths=(told("revoked"),), task="host.x"))

    assert grade(evidence, [_record(outcome="revoked")]).mark is Mark.FULL
    assert grade(evidence, [_record(outcome="failure")]).mark is Mark.PART


def test_a_row_though_nothing_failed_is_a_fault() -> None:
    """And so is a second occurrence of one death."""
    nothing = grade(_evidence(Mode(id="x", title="x", deaths=NOTHING, task="host.x")), [_record()])
    twice = grade(_evidence(MODE), [_record(outcome="failure"), _record(outcome="worker_lost")])

    assert nothing.mark is Mark.NOT_APPLICABLE
    assert len(nothing.faults) == 1
    assert twice.faults == ("2 occurrences of one death (failure, worker_lost)",)


def test_a_difference_in_behaviour_names_both_values() -> None:
    """So that the page says what the worker did instead."""
    calm = Behaviour(exit_code="runs", states="FAILURE", left=0, signals="")

    assert calm.differences(calm) == []
    assert Behaviour(exit_code="1", states="FAILURE", left=0, signals="").differences(calm) == [
        "exit_code: 1 instead of runs"
    ]


def _entry(state: str, *again: str) -> dict[str, Any]:
    first, *others = ({"exit_code": "runs", "states": s, "left": 0, "signals": ""} for s in (state, *again))
    return {"behaviour": first} | ({"again": others} if others else {})


@pytest.mark.parametrize(
    ("ours", "bare", "count"),
    [
        (("FAILURE",), ("FAILURE",), 0),
        (("FAILURE",), ("",), 1),
        (("FAILURE", "", "FAILURE"), ("", "", "FAILURE"), 0),
        (("FAILURE", "", ""), ("", "", ""), 0),
        (("FAILURE", "FAILURE", "RETRY"), ("", "", "RETRY"), 1),
        (("", "FAILURE", "RETRY"), ("", "", ""), 2),
    ],
)
def test_only_what_bare_celery_never_does_is_interference(
    ours: tuple[str, ...], bare: tuple[str, ...], count: int
) -> None:
    """Celery's own races are told by playing both sides again; what ours alone does again and again stays."""
    assert len(differences(MODE, _entry(*ours), _entry(*bare))) == count
