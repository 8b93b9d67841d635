"""The Celery app of every contender; what differs is the settings module."""

from __future__ import annotations

import os

from celery import Celery

from . import stopwatch

app = Celery("benchmarks")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ("benchmarks.tasks",)

if path := os.environ.get("BENCHMARK_STOPWATCH"):
    stopwatch.start(path)
