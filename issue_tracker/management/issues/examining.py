"""`issues doctor`: does collection work here, from the settings to the row?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.app.utils import find_app

from issue_tracker.doctor import Finding, Level, examine, trial
from issue_tracker.plain import printable

from .verb import Console, Verb

if TYPE_CHECKING:
    from celery import Celery
    from django.core.management.base import CommandParser


def doctor(options: dict[str, Any], console: Console) -> int:
    """Tell each finding as it comes; 1 when one of them is an error."""
    app = _app(options["app"])
    found: list[Finding] = []
    for finding in examine(app):
        _tell(finding, found, console)
    if options["send"]:
        for finding in trial(app, queue=options["queue"], timeout_seconds=options["timeout"]):
            _tell(finding, found, console)
    console.show([asdict(one) for one in found], lambda: _summary(found))
    return int(any(one.level is Level.ERROR for one in found))


def _app(name: str) -> Celery:
    """Return the app of that name, else the current one. Raises ValueError when it can't be imported."""
    if not name:
        proxy: Any = current_app
        app: Celery = proxy._get_current_object()
        return app
    try:
        return find_app(name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--app {name}: {error}. Name it as for the worker, such as project.celery.") from error


def _tell(finding: Finding, found: list[Finding], console: Console) -> None:
    found.append(finding)
    if not console.is_json:
        console.say(printable(f"{finding.level:<8} {finding.area:<9} {finding.text}"))
        if finding.advice:
            console.say(printable(f"{'':18} → {finding.advice}"))


def _summary(found: list[Finding]) -> str:
    counts = [sum(one.level is level for one in found) for level in (Level.ERROR, Level.WARNING)]
    return f"errors {counts[0]}, warnings {counts[1]}"


def _declare(parser: CommandParser) -> None:
    parser.add_argument("--app", default="", metavar="MODULE", help="the Celery app, as for the worker's -A")
    parser.add_argument(
        "--send",
        action="store_true",
        help="let a worker run tasks that die, one of each kind, and remove what that leaves behind",
    )
    parser.add_argument("--queue", default="", help="send them to this queue instead of the default one")
    parser.add_argument(
        "--timeout", type=float, default=30, metavar="SECONDS", help="how long to wait for what was sent (default 30)"
    )


VERBS = (
    Verb(name="doctor", help="does collection work here, from the settings to the row?", run=doctor, declare=_declare),
)
