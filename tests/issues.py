"""Issues as a cinema's workers leave them behind, for the admin's tests and screenshots. Seeded: always the same."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from issue_tracker.fingerprint import fingerprint
from issue_tracker.models import Occurrence, OperationalIssue

TIMEOUT = """Traceback (most recent call last):
  File "/srv/cinema/.venv/lib/python3.12/site-packages/httpx/_transports/default.py", line 101, in map_exceptions
    yield
  File "/srv/cinema/.venv/lib/python3.12/site-packages/httpx/_transports/default.py", line 250, in handle_request
    resp = self._pool.handle_request(req)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/cinema/.venv/lib/python3.12/site-packages/httpcore/_sync/connection_pool.py", line 256, in handle_request
    raise exc from None
httpcore.ConnectTimeout: timed out

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/cinema/.venv/lib/python3.12/site-packages/celery/app/trace.py", line 479, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "/srv/cinema/.venv/lib/python3.12/site-packages/celery/app/trace.py", line 779, in __protected_call__
    return self.run(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/cinema/showtimes/tasks.py", line 58, in colombia_com_download_task
    for theater, rows in scraper.showtimes(date=date, city=city):
                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/cinema/showtimes/colombia_com.py", line 91, in showtimes
    page = self._get(f"/cine/{self.city}/{theater.slug}", params={"fecha": date.isoformat()})
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/cinema/showtimes/colombia_com.py", line 44, in _get
    response = self.client.get(path, params=params, timeout=self.timeout)
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/cinema/.venv/lib/python3.12/site-packages/httpx/_client.py", line 1053, in get
    return self.request(
           ^^^^^^^^^^^^^
  File "/srv/cinema/.venv/lib/python3.12/site-packages/httpx/_client.py", line 825, in request
    return self.send(request, auth=auth, follow_redirects=follow_redirects)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
httpx.ConnectTimeout: timed out
"""

SIMPLE = """Traceback (most recent call last):
  File "/srv/cinema/.venv/lib/python3.12/site-packages/celery/app/trace.py", line 479, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/srv/cinema/showtimes/tasks.py", line {line}, in {function}
    {source}
{error}
"""


@dataclass(frozen=True, kw_only=True)
class Story:
    """One issue and how its occurrences came: days back it began, and how many."""

    name: str
    task: str
    message: str
    traceback: str = ""
    severity: str = "error"
    status: str = "open"
    kind: str = "failure"
    culprit: str = ""
    count: int = 1
    began_days: float = 1.0
    last_minutes: float = 10.0
    kwargs: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, Any] = field(default_factory=dict)


def simple(function: str, line: int, source: str, error: str) -> str:
    """Return a traceback of one frame of the project's own."""
    return SIMPLE.format(function=function, line=line, source=source, error=error)


STORIES = [
    Story(
        name="ConnectTimeout",
        task="showtimes.tasks.colombia_com_download_task",
        message="timed out",
        traceback=TIMEOUT,
        culprit="showtimes.colombia_com:_get",
        count=340,
        began_days=12,
        last_minutes=2,
        kwargs={"date": "2026-11-23", "city": "bogota", "options": {"retries": 3, "formats": ["2D", "3D", "IMAX"]}},
        context={"url": "https://www.colombia.com/cine/bogota/cine-colonia", "theater_id": 5, "movie_name": "Avatar"},
        flags={"is_returned": True},
    ),
    Story(
        name="TMDB API Error",
        task="showtimes.tasks._get_or_create_movie",
        message="429 Too Many Requests for /3/search/movie?query=La+Vorágine",
        traceback=simple(
            "_get_or_create_movie", 131, "response.raise_for_status()", "httpx.HTTPStatusError: 429 Too Many Requests"
        ),
        severity="warning",
        kind="report",
        culprit="showtimes.tmdb:search",
        count=87,
        began_days=9,
        last_minutes=14,
        context={"movie_name": "La Vorágine", "status": 429},
    ),
    Story(
        name="SoftTimeLimitExceeded",
        task="posters.tasks.render_poster",
        message="SoftTimeLimitExceeded()",
        traceback=simple(
            "render_poster",
            77,
            "image = image.resize(size, Image.LANCZOS)",
            "billiard.exceptions.SoftTimeLimitExceeded: SoftTimeLimitExceeded()",
        ),
        kind="soft_time_limit",
        culprit="posters.tasks:render_poster",
        count=23,
        began_days=4,
        last_minutes=31,
        kwargs={"movie_id": 603, "size": [2000, 3000]},
    ),
    Story(
        name="WorkerLostError",
        task="posters.tasks.render_poster",
        message="Worker exited prematurely: signal 9 (SIGKILL).",
        kind="worker_lost",
        count=6,
        began_days=4,
        last_minutes=95,
        kwargs={"movie_id": 671, "size": [6000, 9000]},
    ),
    Story(
        name="No showtimes found",
        task="showtimes.tasks.save_showtimes_for_theater",
        message="Cine Colonia Cedritos has no showtimes for 2026-11-24",
        severity="warning",
        kind="report",
        culprit="showtimes.tasks:save_showtimes_for_theater",
        count=41,
        began_days=20,
        last_minutes=180,
        context={"theater_id": 5, "theater": "Cine Colonia Cedritos", "date": "2026-11-24"},
    ),
    Story(
        name="KeyError",
        task="billing.tasks.send_receipt",
        message="'tax_id'",
        traceback=simple("send_receipt", 212, 'receipt.tax_id = customer["tax_id"]', "KeyError: 'tax_id'"),
        culprit="billing.tasks:send_receipt",
        count=1204,
        began_days=1.4,
        last_minutes=1,
        kwargs={"order_id": 884213, "customer": {"name": "Ana Rojas", "card": "[scrubbed]"}},
    ),
    Story(
        name="OperationalError",
        task="billing.tasks.close_day",
        message='connection to server at "db-1" (10.4.0.12), port 5432 failed: Connection refused',
        traceback=simple(
            "close_day",
            48,
            "totals = Order.objects.for_day(day).totals()",
            "django.db.utils.OperationalError: connection refused",
        ),
        culprit="billing.tasks:close_day",
        count=12,
        began_days=6,
        last_minutes=320,
        flags={"recovered_count": 9, "is_returned": True},
    ),
    Story(
        name="Retry exhausted: TimeoutError",
        task="partners.tasks.push_inventory",
        message="partner did not answer within 30 s",
        traceback=simple(
            "push_inventory",
            66,
            "answer = partner.post(payload, timeout=30)",
            "TimeoutError: partner did not answer within 30 s",
        ),
        culprit="partners.tasks:push_inventory",
        count=58,
        began_days=14,
        last_minutes=65,
        kwargs={"partner": "cinemark", "rooms": [1, 2, 3]},
        flags={"recovered_count": 31},
    ),
    Story(
        name="NotRegistered",
        task="showtimes.tasks.import_listings",
        message="'showtimes.tasks.import_listings'",
        kind="unknown_task",
        count=3,
        began_days=0.2,
        last_minutes=200,
    ),
    Story(
        name="TaskRevokedError",
        task="newsletter.tasks.send_digest",
        message="expired",
        severity="warning",
        kind="expired",
        count=17,
        began_days=7,
        last_minutes=400,
    ),
    Story(
        name="UnicodeDecodeError",
        task="partners.tasks.read_feed",
        message="'utf-8' codec can't decode byte 0xe1 in position 1042: invalid continuation byte",
        traceback=simple(
            "read_feed", 31, 'text = body.decode("utf-8")', "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe1"
        ),
        culprit="partners.feeds:read",
        count=9,
        began_days=3,
        last_minutes=700,
    ),
    Story(
        name="Movie without poster",
        task="showtimes.tasks._get_or_create_movie",
        message="TMDB has no poster for “El otro hijo”",
        severity="info",
        kind="report",
        count=66,
        began_days=25,
        last_minutes=45,
        context={"movie_name": "El otro hijo", "tmdb_id": 1094844},
    ),
    Story(
        name="IntegrityError",
        task="showtimes.tasks.save_showtimes_for_theater",
        message='duplicate key value violates unique constraint "showtimes_showtime_room_start"',
        traceback=simple(
            "save_showtimes_for_theater",
            173,
            "Showtime.objects.bulk_create(rows)",
            "django.db.utils.IntegrityError: duplicate key value",
        ),
        culprit="showtimes.tasks:save_showtimes_for_theater",
        status="muted",
        count=15,
        began_days=10,
        last_minutes=900,
    ),
    Story(
        name="HardTimeLimit",
        task="reports.tasks.monthly_attendance",
        message="TimeLimitExceeded(1800,)",
        kind="time_limit",
        status="resolved",
        count=4,
        began_days=18,
        last_minutes=4000,
    ),
    Story(
        name="ZeroDivisionError",
        task="reports.tasks.occupancy",
        message="division by zero",
        traceback=simple("occupancy", 19, "return sold / seats", "ZeroDivisionError: division by zero"),
        status="resolved",
        flags={"recovered_count": 2},
        count=2,
        began_days=2,
        last_minutes=2600,
    ),
]


def tell(story: Story, *, now: datetime | None = None, rows: int | None = None, seed: int = 7) -> OperationalIssue:
    """Store an issue with its occurrences (`rows` of them at most), spread over the time since it began."""
    now, chance = now or timezone.now(), random.Random(f"{seed}{story.name}{story.task}{story.culprit}")
    first, last = now - timedelta(days=story.began_days), now - timedelta(minutes=story.last_minutes)
    key = fingerprint(task=story.task, exception_type=story.name, culprit=story.culprit, message=story.message)
    issue = OperationalIssue.objects.create(
        name=story.name,
        task=story.task,
        error_message=story.message,
        traceback=story.traceback,
        context={"args": [], "kwargs": story.kwargs, "kind": story.kind, **story.context},
        severity=story.severity,
        kind=story.kind,
        exception_type=story.name if story.kind == "failure" else "",
        culprit=story.culprit,
        fingerprint=key,
        open_key=None if story.status == "resolved" else key,
        status=story.status,
        resolved_at=now - timedelta(hours=20) if story.status == "resolved" else None,
        occurrence_count=story.count,
        first_seen_at=first,
        last_seen_at=last,
        **story.flags,
    )
    OperationalIssue.objects.filter(pk=issue.pk).update(created_at=first)
    count = min(story.count, rows if rows is not None else story.count)
    moments = sorted([last, first, *(_moment(chance, first, last) for _ in range(count - 2))][: max(count, 1)])
    Occurrence.objects.bulk_create(_occurrence(story, issue, moment, chance) for moment in moments)
    return issue


def tell_all(*, now: datetime | None = None, rows: int | None = None) -> list[OperationalIssue]:
    """Store all the stories."""
    return [tell(story, now=now, rows=rows) for story in STORIES]


def _moment(chance: random.Random, first: datetime, last: datetime) -> datetime:
    share = chance.betavariate(1.6, 1) if chance.random() < 0.7 else round(chance.random() * 6) / 6
    return first + (last - first) * min(share, 1.0) * (1 - chance.random() / 200)


def _occurrence(story: Story, issue: OperationalIssue, moment: datetime, chance: random.Random) -> Occurrence:
    identity = uuid.UUID(int=chance.getrandbits(128), version=4)
    return Occurrence(
        issue=issue,
        event_id=identity.hex,
        occurred_at=moment,
        kind=story.kind,
        severity=story.severity,
        task_id=str(identity),
        worker=f"celery@worker-{chance.randint(1, 3)}",
        queue="default",
        args=[],
        kwargs=story.kwargs,
        context=story.context,
        release="2026.11.3",
    )
