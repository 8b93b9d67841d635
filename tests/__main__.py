"""`python -m tests`: every leg of the tests, one after the other, then a table of what ran, what was skipped, and why.

The legs are unit, integration (once on each database that this machine has) and acceptance. Names choose among them;
what follows `--` goes to pytest: `python -m tests integration -- -k drain`. Within a leg several files run
at once. Ends with 1 when any leg failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from tests import databases
from tests.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

NO_TESTS: Final = 5
"""pytest's exit code when nothing was chosen: no failure, when a filter was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One run of pytest."""

    directory: str
    database: str = ""
    needs: Callable[[], object] | None = None
    """Raises LookupError, with the reason, where this machine can't run it."""

    @property
    def title(self) -> str:
        """What the table calls it."""
        return f"{self.directory} ({self.database})" if self.database else self.directory


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a leg."""

    leg: Leg
    code: int = 0
    reason: str = ""
    """Why it was not run, when it was not."""
    seconds: float = 0.0
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)


def _needs_postgresql() -> None:
    """PostgreSQL is had from an address in DATABASE_URL, else from programs that this machine has."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        databases.postgresql()


LEGS: Final = (
    Leg(directory="unit"),
    Leg(directory="integration", database="sqlite"),
    Leg(directory="integration", database="postgresql", needs=_needs_postgresql),
    Leg(directory="integration", database="mariadb", needs=databases.mariadb),
    Leg(directory="acceptance"),
)


def main(arguments: list[str]) -> int:
    """Run the legs that the arguments choose and return the exit code."""
    options, further = _parsed(arguments)
    chosen = [leg for leg in LEGS if leg.directory in options.legs and options.database in {None, leg.database}]
    outcomes = [_run(leg, further) for leg in chosen]
    _print_table(outcomes)
    return int(any(outcome.code for outcome in outcomes))


def _parsed(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    names = list(dict.fromkeys(leg.directory for leg in LEGS))
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("legs", nargs="*", metavar="leg", help=", ".join(names))
    parser.add_argument("--database", choices=[leg.database for leg in LEGS if leg.database], help="this database only")
    options = parser.parse_args(arguments[:cut])
    if unknown := set(options.legs) - set(names):
        parser.error(f"no such leg: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    options.legs = options.legs or names
    return options, arguments[cut + 1 :]


def _run(leg: Leg, further: list[str]) -> Outcome:
    print(f"\n── {leg.title} ──", flush=True)
    try:
        if leg.needs is not None:
            leg.needs()
    except LookupError as error:
        print(f"not run: {error}")
        return Outcome(leg=leg, reason=str(error))
    with tempfile.TemporaryDirectory() as directory:
        return _run_pytest(leg, further, Path(directory) / "report.xml")


def _run_pytest(leg: Leg, further: list[str], report: Path) -> Outcome:
    command = [sys.executable, "-m", "pytest", f"tests/{leg.directory}", "--quiet", f"--junitxml={report}"]
    # Most of these tests wait for processes of their own; those of one file share what they have started.
    command += [f"--numprocesses={2 * (os.cpu_count() or 1)}", "--dist=loadfile", *further]
    started_at = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=_environment(leg), check=False).returncode
    outcome = Outcome(leg=leg, code=code, seconds=time.monotonic() - started_at)
    if code == NO_TESTS:
        outcome.code, outcome.reason = 0, "no test was chosen"
    elif report.exists():
        _count(outcome, report)
    return outcome


def _environment(leg: Leg) -> dict[str, str]:
    """Return the environment of a leg: an address that the caller gave is for the leg of its own database."""
    environment = dict(os.environ, TEST_DATABASE=leg.database or "sqlite")
    if not (leg.database == "postgresql" and os.environ.get("DATABASE_URL", "").startswith("postgres")):
        environment.pop("DATABASE_URL", None)
    return environment


def _count(outcome: Outcome, report: Path) -> None:
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  written by the pytest that we started
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        skipped = case.find("skipped")
        if skipped is not None:
            outcome.skips.append(f"{name}: {skipped.get('message')}")
        elif case.find("failure") is not None or case.find("error") is not None:
            outcome.failures.append(name)
        else:
            outcome.passed += 1


def _print_table(outcomes: list[Outcome]) -> None:
    print(f"\n{'leg':<26}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for outcome in outcomes:
        counts = f"{outcome.passed:>8}{len(outcome.failures):>8}{len(outcome.skips):>9}{outcome.seconds:>9.1f}"
        print(f"{outcome.leg.title:<26}" + (f"  not run: {outcome.reason}" if outcome.reason else counts))
    failures = [f"{outcome.leg.title}: {line}" for outcome in outcomes for line in _failures_of(outcome)]
    missing = [f"{outcome.leg.title}: not run: {outcome.reason}" for outcome in outcomes if outcome.reason]
    skips = [f"{outcome.leg.title}: {skip}" for outcome in outcomes for skip in outcome.skips]
    _print_lines("Failed:", failures)
    _print_lines("Skipped, and why:", missing + skips)


def _failures_of(outcome: Outcome) -> list[str]:
    """Return the tests that failed; where pytest itself did, say so."""
    unexplained = outcome.code and not outcome.failures
    return [f"pytest ended with {outcome.code}"] if unexplained else outcome.failures


def _print_lines(title: str, lines: list[str]) -> None:
    if lines:
        print("\n".join(["", title, *(f"  {line}" for line in lines)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
