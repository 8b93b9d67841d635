"""`python -m chaos`: play every experiment, print what was injected and what came of it, write a report.

    python -m chaos                                   the short run: a few minutes, and a soak of two
    python -m chaos --long                            as the promises state it: 300 kills, an hour of soak
    python -m chaos kills --kills 300                 one experiment
    python -m chaos soak --minutes 10 --seed 7
    python -m chaos P6 P9                             the experiments of two promises
    python -m chaos --write                           and put the figures into docs/guarantees.md

Ends with 1 when anything was lost, doubled or torn, or when a figure passed its bound.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .experiments import Experiment
    from .finding import Finding
    from .stage import Scale, Stage

ROOT: Final = Path(__file__).parents[1]
SEED: Final = 20_260_214


def main(arguments: list[str]) -> int:
    """Play what the arguments choose; returns the exit code."""
    options = _parsed(arguments)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True)))
        _set_up(directory)
        return _play(options, directory, stack, command=" ".join(["python -m chaos", *arguments]))


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="name", help="experiments or promises; all of them when none is given"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of everything that is drawn by lot")
    parser.add_argument("--long", action="store_true", help="as much as the promises state")
    parser.add_argument("--kills", type=int, help="kills of processes of a worker, at random")
    parser.add_argument("--minutes", type=float, help="of the soak")
    parser.add_argument("--hold", type=float, metavar="SECONDS", help="how long a database stays as it was made")
    parser.add_argument("--no-tests", action="store_true", help="leave out the promises that tests hold")
    parser.add_argument(
        "--report", type=Path, default=ROOT / ".chaos", metavar="DIRECTORY", help="where report.md goes"
    )
    parser.add_argument("--write", action="store_true", help="put the figures into docs/guarantees.md")
    return parser.parse_args(arguments)


def _set_up(directory: Path) -> None:
    """Make this process a host of its own, with a migrated database, before Django reads its settings."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["DATABASE_URL"] = f"sqlite:///{directory}/own.sqlite3"
    os.environ["SPOOL_DIR"] = str(directory / "own-spool")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _play(options: argparse.Namespace, directory: Path, stack: contextlib.ExitStack, *, command: str) -> int:
    from . import report  # needs Django's setup, as all below
    from .stage import Stage

    stage = Stage(directory=directory, seed=options.seed, scale=_scale(options), stack=stack)
    findings = []
    for play in _chosen(options):
        finding = play(stage)
        findings.append(finding)
        print(report.line_of(finding), flush=True)
    sums = report.total(findings)
    told = f"lost {sums.lost}, doubled {sums.doubled}, torn {sums.torn}"
    print(f"\ninjected {sums.injected:,}, captured {sums.captured:,}, {told}")
    print(f"report: {report.write(findings, options.report, seed=options.seed, command=command)}")
    if options.write:
        report.put_into(ROOT / "docs" / "guarantees.md", report.guarantees(findings))
    return int(any(finding.complaints for finding in findings))


def _scale(options: argparse.Namespace) -> Scale:
    from .stage import LONG, SHORT

    scale = LONG if options.long else SHORT
    if options.kills is not None:
        scale = replace(scale, kills=options.kills)
    if options.minutes is not None:
        scale = replace(scale, soak_seconds=60 * options.minutes)
    return scale if options.hold is None else replace(scale, hold_seconds=options.hold)


def _chosen(options: argparse.Namespace) -> Iterator[Callable[[Stage], Finding]]:
    from .experiments import EXPERIMENTS
    from .promises import PROMISES
    from .proofs import proved

    known = {name for e in EXPERIMENTS for name in (e.name, *e.promises)} | {p.number for p in PROMISES}
    if unknown := set(options.names) - known:
        raise SystemExit(f"no such experiment: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    for experiment in EXPERIMENTS:
        if not options.names or {experiment.name, *experiment.promises} & set(options.names):
            yield lambda stage, experiment=experiment: _played(experiment, stage)
    for promise in PROMISES if not options.no_tests else ():
        if promise.is_played_by_tests and (not options.names or promise.number in options.names):
            yield lambda _stage, promise=promise: proved(promise)


def _played(experiment: Experiment, stage: Stage) -> Finding:
    from .finding import Finding, NotHereError

    finding = Finding(promises=experiment.promises, title=experiment.title)
    began = time.monotonic()
    try:
        experiment.play(stage, finding)
    except NotHereError as error:
        finding.skipped = str(error)
    except Exception as error:  # noqa: BLE001  one experiment that fails must not hide what the others find
        traceback.print_exc()
        finding.broken.append(f"{type(error).__name__}: {error}".partition("\n")[0])
    finding.seconds = time.monotonic() - began
    return finding


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
