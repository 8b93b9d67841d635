"""The Celery app of the demo: `celery -A celery_app worker`, `celery -A celery_app beat`.

Set up as the application of the seed runs in production: late acknowledgement, a lost worker's task handed back, a
thousand tasks a child, Bogotá time. A killed scraper sends no signal at all there: issue_tracker must not miss it.

Environment: REDIS_URL, or CELERY_BROKER_URL and CELERY_RESULT_BACKEND; CELERY_KEY_PREFIX keeps a shared Redis apart.
"""

from __future__ import annotations

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
KEYS = {"global_keyprefix": os.environ.get("CELERY_KEY_PREFIX", "")}

app = Celery("cinema")
app.conf.update(
    broker_url=os.environ.get("CELERY_BROKER_URL", REDIS_URL),
    broker_connection_retry_on_startup=True,
    broker_transport_options=KEYS,
    result_backend=os.environ.get("CELERY_RESULT_BACKEND", REDIS_URL),
    result_backend_transport_options=KEYS,
    result_expires=3600,  # seconds
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    timezone="America/Bogota",
    enable_utc=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue="celery",
    task_queues={"celery": {}, "scraping": {}},
    task_routes={"demo.cinema.tasks.*": {"queue": "scraping"}},
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=1000,
    beat_schedule={
        "colombia-com-download": {
            "task": "demo.cinema.tasks.colombia_com_download_task",
            "schedule": 600.0,  # seconds: every ten minutes
        },
        "issue-tracker-prune": {"task": "issue_tracker.prune", "schedule": crontab(hour=3, minute=30)},
    },
)
app.autodiscover_tasks(["demo.cinema", "issue_tracker"])
app.autodiscover_tasks(["demo.cinema"], related_name="failing")
