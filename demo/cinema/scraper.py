"""Reads theater pages of colombia.com: the days they offer, and the showtimes of a day.

A page shows today; another day is asked for by POST of its `<select name="fecha">`, whose values read 1/20/2026.
Parsing is pure; `fetch_page` alone speaks to the network. What goes wrong is a ScrapeError that says what and where.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

import httpx
from bs4 import BeautifulSoup, Tag
from django.conf import settings

DATE_OPTIONS: Final = 'select[name="fecha"] option[value]'
CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})\s*([ap])\.?\s*m", re.IGNORECASE)


class ScrapeError(Exception):
    """A page could not be had, or was not what a theater's page looks like."""

    title = "Scrape Failed"
    """Name of the issue it is recorded as."""


class ScrapeTimeoutError(ScrapeError):
    """The site did not answer in time."""

    title = "Scrape Timeout"


class NoDateOptionsError(ScrapeError):
    """The page offers no day to choose."""

    title = "No Date Options Found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A movie in one format on one day."""

    movie_name: str
    format: str
    """As the page puts it: "2D - Subtitulado"."""
    start_times: tuple[time, ...]
    """Bogotá time, in the page's order."""


def fetch_page(url: str, *, day: date | None = None) -> str:
    """Fetch a theater's page, for today or for one of the days it offers. Raises ScrapeError."""
    form = None if day is None else {"fecha": f"{day.month}/{day.day}/{day.year}"}
    timeout = settings.UPSTREAM_TIMEOUT_SECONDS
    try:
        answer = httpx.request(
            "GET" if form is None else "POST", url, data=form, timeout=timeout, follow_redirects=True
        )
    except httpx.TimeoutException as error:
        raise ScrapeTimeoutError(f"no answer within {timeout:g} s from {url}") from error
    except httpx.HTTPError as error:
        raise ScrapeError(f"could not be reached: {error}: {url}") from error
    if not answer.is_success:
        raise ScrapeError(f"{answer.status_code} {answer.reason_phrase} from {url}")
    return answer.text


def date_options(page: str) -> list[date]:
    """Return the days that the page offers, in its order. Raises NoDateOptionsError when none can be read."""
    values = [str(option["value"]) for option in BeautifulSoup(page, "html.parser").select(DATE_OPTIONS)]
    days = [day for value in values if (day := day_of(value))]
    if not days:
        raise NoDateOptionsError(f"the page offers no day to choose: {DATE_OPTIONS} gives {values}")
    return days


def day_of(text: str) -> date | None:
    """Read "1/20/2026" (month first); None when it is no day."""
    try:
        return datetime.strptime(text.strip(), "%m/%d/%Y").date()
    except ValueError:
        return None


def listings(page: str) -> list[Listing]:
    """Return what the page shows, movie by movie and format by format; entries without a readable time are left out."""
    found = []
    for box in BeautifulSoup(page, "html.parser").select(".caja-cinema"):
        link = box.select_one(".nombre-pelicula a")
        name = _text(link)
        found += [listing for part in box.select(".info-pelicula") if name and (listing := _listing(name, part))]
    return found


def _listing(name: str, part: Tag) -> Listing | None:
    times = [clock for item in part.select(".horarios-funcion li") if (clock := time_of(item.get_text()))]
    if not times:
        return None
    return Listing(movie_name=name, format=_text(part.select_one(".formato-pelicula")), start_times=tuple(times))


def time_of(text: str) -> time | None:
    """Read "12:50 pm" or "4:05 P.M."; None when it is no time of day."""
    found = CLOCK.search(text)
    if not found:
        return None
    hour, minute = int(found[1]), int(found[2])
    if not (1 <= hour <= 12 and minute < 60):
        return None
    return time(hour % 12 + (12 if found[3].lower() == "p" else 0), minute)


def _text(tag: Tag | None) -> str:
    return " ".join(tag.get_text().split()) if tag else ""
