"""sentry-sdk with its default integrations (Django and Celery among them), sending to a sink on the loopback."""

from __future__ import annotations

import os

import sentry_sdk

from .base import *  # noqa: F403  a settings module

if address := os.environ.get("BENCHMARK_SINK"):
    sentry_sdk.init(dsn=address.replace("http://", "http://key@") + "/1")
