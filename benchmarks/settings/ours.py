"""issue_tracker as its README says: in INSTALLED_APPS, and no other line."""

from __future__ import annotations

import os

from .base import *  # noqa: F403  a settings module
from .base import INSTALLED_APPS as SHARED

INSTALLED_APPS = [*SHARED, "issue_tracker"]
ISSUE_TRACKER = {"SPOOL_DIR": os.environ["BENCHMARK_SPOOL"]}
