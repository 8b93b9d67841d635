"""The Django application: wires both sides of the seam together, once the models are loaded."""

from __future__ import annotations

from importlib import import_module

from celery import signals
from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IssueTrackerConfig(AppConfig):
    """`issue_tracker` in INSTALLED_APPS."""

    name = "issue_tracker"
    verbose_name = _("Issue tracker")
    default_auto_field = "django.db.models.AutoField"

    def ready(self) -> None:
        """Connect the receivers, the drain of this process and the drainer of a worker."""
        from . import checks, conf, transactions  # noqa: F401  checks registers itself
        from .capture import crashes, endings, log_tracebacks, logs, publishing, receivers
        from .drain import drainer, inline
        from .tracebacks import own_code

        if conf.current().enabled:
            own_code.own_packages()  # reads installed distributions: now, not in the first failure of each pool process
            receivers.connect()
            endings.end_checks.append(transactions.left_open)
            logs.install()
            log_tracebacks.install()
            publishing.install()
            crashes.install()
            inline.install()
            drainer.install()
            signals.celeryd_init.connect(_load_tasks, weak=False, dispatch_uid="issue_tracker.tasks")


def _load_tasks(**_kwargs: object) -> None:
    """Let a worker know our own tasks, also where the host's Celery app names its modules and discovers none."""
    import_module("issue_tracker.tasks")
