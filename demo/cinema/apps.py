"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig


class CinemaConfig(AppConfig):
    """`demo.cinema` in INSTALLED_APPS."""

    name = "demo.cinema"
    verbose_name = "Cinema"
    default_auto_field = "django.db.models.BigAutoField"
