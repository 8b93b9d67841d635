"""The Celery app of the matrix's host. Its defaults are Celery's own; a mode's `config` comes on top.

Environment: MATRIX_BROKER_URL, MATRIX_COLLECTOR, MATRIX_WITNESS, MATRIX_CONF (the config as JSON).
"""

from __future__ import annotations

import json
import os
from typing import Any

from celery import Celery

from . import witness

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "matrix.settings")

BROKER = os.environ.get("MATRIX_BROKER_URL", "memory://")
IS_RESULTS = os.environ.get("MATRIX_COLLECTOR") == "results"
"""django-celery-results is the result backend; all others have Redis."""


def _with_objects(values: dict[str, Any]) -> Any:
    """Turn what stands for an object that JSON can't take into one."""
    return object() if values == {"is_object": True} else values


if path := os.environ.get("MATRIX_WITNESS"):
    witness.install(path)

app = Celery("matrix", include=["matrix.modes"])
app.conf.update(
    broker_url=BROKER,
    result_backend="django-db" if IS_RESULTS else BROKER if BROKER.startswith("redis") else None,
    result_extended=IS_RESULTS,
    broker_connection_retry_on_startup=True,
)
app.conf.update(json.loads(os.environ.get("MATRIX_CONF", "{}"), object_hook=_with_objects))
