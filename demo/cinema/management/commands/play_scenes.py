"""`manage.py play_scenes`: send the demo's tasks to the worker, wait until their issues are there, print them."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from demo.cinema.scenes import ROUNDS, missing
from demo.cinema.table import table, totals, worst_first
from issue_tracker.models import OperationalIssue

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from demo.cinema.scenes import Expected

POLL_SECONDS = 0.2


class Command(BaseCommand):
    """Needs a broker, a worker and the stand-in upstream, as `python -m demo.stack` starts them."""

    help = "Sends tasks that fail, waits for their issues, and prints them. Fails when one does not come."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the time to wait."""
        parser.add_argument("--timeout", type=float, default=90.0, metavar="SECONDS", help="for all rounds together")

    def handle(self, *_args: Any, timeout: float, **_options: Any) -> None:
        """Play the rounds in order. Raises CommandError when an expected issue is missing at the end."""
        begun = time.monotonic()
        expected = [one for scenes in ROUNDS for scene in scenes for one in scene.expected]
        absent: list[Expected] = []
        for scenes in ROUNDS:
            for scene in scenes:
                scene.play()
            awaited = [one for scene in scenes for one in scene.expected]
            absent += self._wait(awaited, until=begun + timeout)
        issues = worst_first(OperationalIssue.objects.order_by("id"))
        self.stdout.write(table(issues, width=shutil.get_terminal_size((160, 24)).columns))
        self.stdout.write(f"\n{totals(issues)}, after {time.monotonic() - begun:.0f} s")
        if absent:
            raise CommandError("\n".join(["Not there in time:", *(f"  {one}" for one in absent)]))
        self.stdout.write(self.style.SUCCESS(f"All {len(expected)} expectations are met."))

    def _wait(self, awaited: list[Expected], *, until: float) -> list[Expected]:
        """Return what is still missing when everything is there or the time is over."""
        while absent := missing(awaited, OperationalIssue.objects.all()):
            if time.monotonic() > until:
                break
            time.sleep(POLL_SECONDS)
        return absent
