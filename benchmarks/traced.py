"""Runs tasks through Celery's own tracer in this process: no broker, no pool, nothing but what a child does for a task.

A program, `python -m benchmarks.traced <task> <count>`, to be run under a profiler or a counter of instructions.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import uuid
from typing import TYPE_CHECKING, Any

import django
from celery import signals
from celery.app.trace import build_tracer, setup_worker_optimizations
from django.conf import settings

from .celery_app import app

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTNAME = "benchmark@localhost"
WARM_UP_TASKS = 50


def main(task: str, count: int) -> None:
    """Run the task so many times, after a few that fill the caches."""
    run = tracer(task)
    for number in range(WARM_UP_TASKS + count):
        run(number)


def tracer(name: str) -> Callable[[int], Any]:
    """Prepare this process as a child of a worker; return a function that runs the task once, for a number."""
    app.loader.init_worker()
    django.setup()
    # As a worker does when it starts: Celery's Django integration closes connections before and after each task.
    signals.worker_init.send(sender=_Worker)
    setup_worker_optimizations(app, HOSTNAME)
    logging.getLogger().addHandler(logging.StreamHandler(open("/dev/null", "w")))  # noqa: SIM115  for the process's life
    _leave_to_drainer()
    task = app.tasks[name]
    trace = build_tracer(name, task, app=app, hostname=HOSTNAME, propagate=False)
    return lambda number: _run(trace, name, number)


class _Worker:
    """What Celery's Django integration asks of a worker."""

    app = app
    pool_cls = "prefork"


def _leave_to_drainer() -> None:
    """Do as the children of a worker do, which has a drainer for what they record."""
    if "issue_tracker" in settings.INSTALLED_APPS:
        from issue_tracker.drain import inline

        inline.leave_to_drainer()


def _run(trace: Callable[..., Any], name: str, number: int) -> Any:
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).digest()
    task_id, args, kwargs = (
        str(uuid.UUID(bytes=digest)),
        (number,),
        {"url": f"https://www.colombia.com/cine/theater/{number}"},
    )
    request = {
        "id": task_id,
        "root_id": task_id,
        "task": name,
        "args": args,
        "kwargs": kwargs,
        "argsrepr": repr(args),
        "kwargsrepr": repr(kwargs),
        "retries": 0,
        "hostname": HOSTNAME,
        "delivery_info": {"exchange": "", "routing_key": "celery", "priority": 0, "redelivered": False},
        "is_eager": False,
        "called_directly": False,
        "timelimit": [None, None],
    }
    return trace(task_id, args, kwargs, request)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
