"""What a project writes in an afternoon: receivers that insert a row from inside the task process."""

from __future__ import annotations

from .base import *  # noqa: F403  a settings module
from .base import INSTALLED_APPS as SHARED

INSTALLED_APPS = [*SHARED, "benchmarks.naive"]
