"""The admin pages. Public: `OperationalIssueAdmin`, to be subclassed. Loaded by Django's own admin only."""

from __future__ import annotations

from django.contrib import admin

from issue_tracker.admin.issues import OperationalIssueAdmin
from issue_tracker.models import OperationalIssue

__all__ = ["OperationalIssueAdmin"]

admin.site.register(OperationalIssue, OperationalIssueAdmin)
