"""The tasks of the benchmark, the same for every contender: one that fails three frames deep and one that succeeds."""

from __future__ import annotations

import time
from pathlib import Path

from celery import shared_task


class ScrapeError(Exception):
    """What the failing tasks raise."""


@shared_task(name="benchmarks.fail")
def fail(theater_id: int, *, url: str) -> None:
    """Fail as a scraper does: in a function of its own, with the numbers of this run in the message."""
    _save(_download(theater_id, url))


@shared_task(name="benchmarks.fail_differently")
def fail_differently(theater_id: int, *, url: str) -> None:
    """Fail with a word in the message that no other number gives: each failure an issue of its own."""
    raise ScrapeError(f"No showtimes in {_word(theater_id)} on {url}")


@shared_task(name="benchmarks.succeed")
def succeed(theater_id: int, *, url: str) -> int:
    """Return a number."""
    return theater_id + len(url)


@shared_task(name="benchmarks.need")
def need(upstream: str, done: str, number: str) -> None:
    """Fail as long as the file `upstream` is missing; then write the number down, in one write."""
    if not Path(upstream).exists():
        raise ScrapeError(f"upstream is down, theater {number} has to wait")
    with Path(done).open("ab", buffering=0) as file:
        file.write(f"{number}\n".encode())


@shared_task(name="benchmarks.fail_and_tell")
def fail_and_tell(path: str) -> None:
    """Write the time to a file, then fail: the start of the clock for "failure to visible row"."""
    Path(path).write_text(repr(time.time()))
    _save({"theater_id": 1, "url": path, "showtimes": []})


def _word(number: int) -> str:
    """Spell a number in letters, which no rule of grouping takes for a number."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:07}")


def _download(theater_id: int, url: str) -> dict[str, object]:
    return {"theater_id": theater_id, "url": url, "showtimes": []}


def _save(page: dict[str, object]) -> None:
    if not page["showtimes"]:
        raise ScrapeError(f"No showtimes for theater {page['theater_id']} on {page['url']}")
