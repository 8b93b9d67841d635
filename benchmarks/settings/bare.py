"""Celery and Django, and nothing that keeps failures: the measure of all the others."""

from __future__ import annotations

from .base import *  # noqa: F403  a settings module
