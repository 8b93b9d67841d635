"""The periodic download of showtimes, as the application of the seed does it. Each of its integration points records.

`colombia_com_download_task` records scraping failures and missing date options, `save_showtimes_for_theater` a theater
without showtimes, `_get_or_create_movie` what TMDB refuses. One bad theater or movie never stops the others.
"""

from __future__ import annotations

import traceback
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from celery import shared_task
from django.conf import settings
from django.db import transaction

import issue_tracker
from demo.cinema import scraper, tmdb
from demo.cinema.models import Movie, Showtime, Theater
from issue_tracker.models import OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from celery import Task

BOGOTA = ZoneInfo("America/Bogota")


class NoTheaterReadError(Exception):
    """Not one of the theaters could be scraped: the trouble is not theirs."""


@shared_task(bind=True, max_retries=1)
def colombia_com_download_task(self: Task[Any, Any], slugs: Sequence[str] | None = None) -> int:
    """Scrape and save the showtimes of all theaters, or of those named; returns how many showtimes were saved.

    When not one theater could be read, it retries once, SCRAPE_RETRY_SECONDS later, and then fails.
    """
    theaters = Theater.objects.exclude(colombia_com_path="")
    if slugs is not None:
        theaters = theaters.filter(slug__in=slugs)
    results = [_download(theater) for theater in theaters]
    saved = [count for count in results if count is not None]
    if results and not saved:
        raise self.retry(
            exc=NoTheaterReadError(f"none of {len(results)} theaters could be read"),
            countdown=settings.SCRAPE_RETRY_SECONDS,
        )
    return sum(saved)


def _download(theater: Theater) -> int | None:
    """Save one theater's showtimes; None when it could not be read, which is recorded."""
    about = {"theater_id": theater.pk, "theater_name": theater.name, "url": theater.url}
    with (
        issue_tracker.bind(**about),
        issue_tracker.watch("Theater Processing Failed", task="colombia_com_download_task", reraise=False),
    ):
        try:
            return save_showtimes_for_theater(theater)
        except scraper.NoDateOptionsError as error:
            # The seed's own call, unchanged: a row each time. Here the transaction has been rolled back.
            OperationalIssue.objects.create(
                name=error.title,
                task="colombia_com_download_task",
                error_message=str(error),
                traceback=traceback.format_exc(),
                context=about,
                severity=OperationalIssue.Severity.WARNING,
            )
        except scraper.ScrapeError as error:
            issue_tracker.report(error.title, task="colombia_com_download_task", severity="error")
    return None


@transaction.atomic
def save_showtimes_for_theater(theater: Theater) -> int:
    """Replace a theater's showtimes on the days that its page offers; returns how many. Raises ScrapeError."""
    page = scraper.fetch_page(theater.url)
    days = scraper.date_options(page)
    today = datetime.now(BOGOTA).date()
    saved = sum(_save_day(theater, day, page if day == today else None) for day in days)
    with issue_tracker.expect(
        "No Showtimes Found",
        task="save_showtimes_for_theater",
        error_message=f"{theater} shows nothing on any of the {len(days)} days that its page offers",
        context={"theater_id": theater.pk},
    ) as condition:
        condition.ok = saved > 0
    return saved


def _save_day(theater: Theater, day: date, page: str | None) -> int:
    listings = scraper.listings(page or scraper.fetch_page(theater.url, day=day))
    movies = {name: _get_or_create_movie(name) for name in dict.fromkeys(listing.movie_name for listing in listings)}
    showtimes = [
        Showtime(theater=theater, movie=movie, start_date=day, start_time=start_time, format=listing.format)
        for listing in listings
        if (movie := movies[listing.movie_name])
        for start_time in listing.start_times
    ]
    theater.showtimes.filter(start_date=day).delete()
    return len(Showtime.objects.bulk_create(showtimes, ignore_conflicts=True))


def _get_or_create_movie(name: str) -> Movie | None:
    """Return the movie that colombia.com lists under a name, from TMDB when it is new; None when TMDB does not help."""
    movie = Movie.objects.filter(listing_name=name).first()
    if movie:
        return movie
    with issue_tracker.bind(movie_name=name):
        found = _look_up(name)
    return _store(found, listing_name=name) if found else None


@issue_tracker.watch("TMDB API Error", task="_get_or_create_movie", reraise=False)
def _look_up(name: str) -> tmdb.Details | None:
    return tmdb.find_movie(name)


def _store(found: tmdb.Details, *, listing_name: str) -> Movie:
    values = {
        "title": found.title,
        "original_title": found.original_title,
        "release_date": found.release_date,
        "runtime_minutes": found.runtime_minutes,
        "listing_name": listing_name,
    }
    return Movie.objects.update_or_create(tmdb_id=found.tmdb_id, defaults=values)[0]
