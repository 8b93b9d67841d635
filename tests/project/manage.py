"""The management commands of the tests' host, with its Celery app loaded, as a host's own package does it."""

from __future__ import annotations

import sys

from django.core.management import execute_from_command_line

from tests.project.celery import app

if __name__ == "__main__":
    app.set_default()
    execute_from_command_line(sys.argv)
