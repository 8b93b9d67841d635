"""`manage.py make_history`: make up four weeks of past for the issues that the scenes left."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils import timezone

from demo.cinema.history import DAYS, make_up


class Command(BaseCommand):
    """For `make up`, whose admin would otherwise show that everything happened a minute ago."""

    help = "Makes up a past for the issues that are stored, so that charts and counts have something to show."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Make it up and say how much."""
        by = get_user_model().objects.filter(is_superuser=True).earliest("pk")
        made = make_up(now=timezone.now(), by=by)
        self.stdout.write(f"{made:,} occurrences of the last {DAYS} days were made up, for the look of the admin.")
