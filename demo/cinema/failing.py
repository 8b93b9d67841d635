"""Tasks that fail on purpose, one for each way to die that the demo shows. Time limits are seconds."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from celery import shared_task
from django.conf import settings
from django.db import transaction

import issue_tracker
from demo.cinema import scraper, tmdb
from demo.cinema.models import Theater

if TYPE_CHECKING:
    from celery import Task

LONG_SECONDS = 60
"""Longer than any time limit here."""


class TicketPriceError(Exception):
    """A price list could not be used."""


@shared_task
def plain_exception(theater_id: int, seats_sold: int, seats: int) -> float:
    """Divide by a theater's number of seats."""
    return seats_sold / seats


@shared_task
def chained_exception(price: str) -> int:
    """Fail to read a price, and say so with an exception of its own."""
    try:
        return int(price)
    except ValueError as error:
        raise TicketPriceError(f"the price list has a price of {price!r}") from error


@shared_task(bind=True, max_retries=3)
def retry_then_success(self: Task[Any, Any], movie_name: str) -> str:
    """Fail at the first run, succeed at the second."""
    if self.request.retries == 0:
        raise self.retry(exc=TimeoutError(f"no poster of {movie_name} within 5 seconds"), countdown=0.2)
    return f"poster of {movie_name}, attempt {self.request.retries + 1}"


@shared_task(bind=True, max_retries=2)
def retries_exhausted(self: Task[Any, Any], theater_id: int) -> None:
    """Fail at every run."""
    raise self.retry(exc=ConnectionError(f"box office of theater {theater_id} refused the connection"), countdown=0.2)


@shared_task(soft_time_limit=1, time_limit=30)
def soft_time_limit(movie_name: str) -> None:
    """Take longer than the soft limit, which raises SoftTimeLimitExceeded inside the task."""
    time.sleep(LONG_SECONDS)


@shared_task(time_limit=1)
def hard_time_limit(movie_name: str) -> None:
    """Take longer than the hard limit, at which the worker kills the child."""
    time.sleep(LONG_SECONDS)


@shared_task(acks_late=False)
def killed_child(theater_id: int) -> None:
    """Kill its own process, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(bind=True)
def killed_and_handed_back(self: Task[Any, Any], theater_id: int) -> str:
    """Kill its own process at the first run; acknowledged late, it is handed back, without any signal of Celery's."""
    if not (self.request.delivery_info or {}).get("redelivered"):
        os.kill(os.getpid(), signal.SIGKILL)
    return "ran to its end when it was handed back"


@shared_task
def unknown_tmdb_movie(tmdb_id: int) -> str:
    """Ask TMDB for a movie that it does not have."""
    return tmdb.movie_details(tmdb_id).title


@shared_task
def outage(path: str, screen: int) -> int:
    """Read a page of a site that is down for now; sent again afterwards, it succeeds."""
    return len(scraper.listings(scraper.fetch_page(f"{settings.COLOMBIA_COM_URL}{path}")))


@shared_task
def rollback_with_warning(theater_id: int, price: str) -> None:
    """Report a warning inside a transaction that is then rolled back: the warning stays."""
    with transaction.atomic():
        Theater.objects.filter(pk=theater_id).update(name="half way through an update")
        issue_tracker.report(
            "Missing Ticket Price",
            task="rollback_with_warning",
            error_message=f"theater {theater_id} has no price for its 3D showings",
            context={"theater_id": theater_id},
        )
        raise TicketPriceError(f"the price list has a price of {price!r}")
