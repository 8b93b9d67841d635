"""What Celery can be asked: the app, the broker, the workers that answer, the schedule. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.apps import apps

from issue_tracker.requeue import connect

from .findings import Finding, error, fine, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

ANSWER_SECONDS: Final = 3.0
"""How long workers have to answer. Ours: a busy prefork worker answers at once, a busy solo one only between tasks."""
PRUNE: Final = "issue_tracker.prune"


def broker(app: Celery) -> Iterator[Finding]:
    """Look whether the broker can be reached, by the app that this process knows."""
    if not is_configured(app):
        yield error(
            "broker",
            "This process knows no Celery app of the project.",
            "Import it in the __init__.py of the package that holds the settings, or name it: --app project.celery",
        )
        return
    with connect(app) as connection:
        try:
            connection.connect()
        except Exception as trouble:  # noqa: BLE001  whatever the broker's client raises is the finding
            yield error("broker", f"{connection.as_uri()} can't be reached ({type(trouble).__name__}).", "Start it.")
        else:
            yield fine("broker", f"{connection.as_uri()} answers.")


def workers(app: Celery) -> Iterator[Finding]:
    """Look which workers answer, and whether they know this app's tasks."""
    found = pools(app)
    if not found:
        yield error(
            "workers",
            f"None answered within {ANSWER_SECONDS:g} s.",
            "Start one: a task that nobody runs can't fail, and a message that waits is no failure.",
        )
    known = _ask(app, "registered")
    for name, pool in sorted(found.items()):
        if PRUNE in known.get(name, ()):
            yield fine("workers", f"{name} ({pool}) answers and knows this app.")
        else:
            yield error(
                "workers",
                f"{name} ({pool}) doesn't know the tasks of this app.",
                'Is "issue_tracker" in its INSTALLED_APPS? Call app.autodiscover_tasks(), then restart the worker.',
            )


def schedule(app: Celery) -> Iterator[Finding]:
    """Look whether something prunes."""
    names = {entry.get("task") for entry in (app.conf.beat_schedule or {}).values()} | _scheduled_in_database()
    if PRUNE in names:
        yield fine("schedule", f"{PRUNE} is in it.")
    else:
        yield warning(
            "schedule",
            f"{PRUNE} is not in beat's schedule: unless cron runs `manage.py issues prune`, the tables only grow.",
            "docs/operating.md has the lines for it.",
        )


def is_configured(app: Celery) -> bool:
    """Tell the project's app from the one that Celery makes up where there is none."""
    return app.main != "default"


def pools(app: Celery) -> dict[str, str]:
    """Ask the workers for their pools: "prefork", "threads", "gevent", … by the worker's name."""
    answers = _ask(app, "stats")
    return {name: _pool_of(answer) for name, answer in answers.items()}


def _pool_of(answer: Any) -> str:
    implementation = answer.get("pool", {}).get("implementation", "") if isinstance(answer, dict) else ""
    return implementation.partition(":")[0].rpartition(".")[2] or "unknown pool"


def _ask(app: Celery, question: str) -> dict[str, Any]:
    """Ask all workers; none where the broker is away."""
    try:
        with connect(app) as connection:
            inspect = app.control.inspect(timeout=ANSWER_SECONDS, connection=connection)
            return getattr(inspect, question)() or {}
    except Exception:  # noqa: BLE001  the broker's own check says what is wrong with it
        return {}


def _scheduled_in_database() -> set[str]:
    """Return what django-celery-beat has enabled, where it is installed."""
    if not apps.is_installed("django_celery_beat"):
        return set()
    entries: Any = apps.get_model("django_celery_beat", "PeriodicTask")  # type: ignore[misc]  # installed or not
    return set(entries._base_manager.filter(enabled=True).values_list("task", flat=True))
