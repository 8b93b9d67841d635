"""What a host has before it has the app: a table of the seed's shape, filled by hand."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class OldIssue(models.Model):
    """One row a problem, with the seed's fields to the letter, but for a time that tests can set."""

    name = models.CharField(max_length=255)
    task = models.CharField(max_length=255, db_index=True)
    error_message = models.TextField()
    traceback = models.TextField(blank=True, default="")
    context = models.JSONField(blank=True, default=dict, null=True)
    severity = models.CharField(max_length=20, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return self.name


class NoIssue(models.Model):
    """Another shape."""

    name = models.CharField(max_length=255)

    def __str__(self) -> str:
        return self.name
