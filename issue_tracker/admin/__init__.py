"""The admin pages. Public: `OperationalIssueAdmin` and `OpenIssuesMixin`. Loaded by Django's own admin only."""

from __future__ import annotations

from django.contrib import admin

from issue_tracker.admin.issues import OperationalIssueAdmin
from issue_tracker.admin.objects import OpenIssuesMixin
from issue_tracker.models import OperationalIssue

__all__ = ["OpenIssuesMixin", "OperationalIssueAdmin"]

admin.site.register(OperationalIssue, OperationalIssueAdmin)
