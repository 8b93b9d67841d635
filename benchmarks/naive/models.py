"""One row a failure, with the columns of the seed's OperationalIssue."""

from __future__ import annotations

from django.db import models


class Failure(models.Model):
    """A failed run of a task."""

    name = models.CharField(max_length=255)
    task = models.CharField(max_length=255, db_index=True)
    error_message = models.TextField()
    traceback = models.TextField(blank=True)
    context = models.JSONField(default=dict)
    severity = models.CharField(max_length=20, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        """Return its name."""
        return self.name
