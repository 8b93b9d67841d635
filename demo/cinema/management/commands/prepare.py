"""`manage.py prepare`: what a new database needs, in one process, because each start of Django takes a second."""

from __future__ import annotations

import os
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """May be run again: it migrates, and loads what is there already once more."""

    help = "Migrates, loads the theaters, and creates the superuser that DJANGO_SUPERUSER_USERNAME and _PASSWORD name."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Migrate, load, create."""
        call_command("migrate", interactive=False, stdout=self.stdout)
        call_command("loaddata", "theaters", stdout=self.stdout)
        if user := os.environ.get("DJANGO_SUPERUSER_USERNAME"):
            call_command(
                "createsuperuser", interactive=False, username=user, email=f"{user}@example.com", stdout=self.stdout
            )
