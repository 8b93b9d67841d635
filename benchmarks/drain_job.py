"""One drain, measured in a process of its own: `python -m benchmarks.drain_job <events> <fingerprints> <batch>`.

Fills the spool of the settings in force with events as the failing task of the benchmark makes them (each with the
numbers of its run in message, traceback and arguments, the fingerprint still to be made), empties it with the product's
own `drain`, and prints what that took as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import django

from .processes import peak_kib
from .tasks import fail

if TYPE_CHECKING:
    from issue_tracker.event import Event

URL = "https://www.colombia.com/cine/theater/{}"
MESSAGE = "No showtimes for theater {} on {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What draining took."""

    seconds: float
    cpu_seconds: float
    """Of the drainer alone, not of the database server."""
    stored_count: int
    peak_mib: float
    """Highest resident memory of the process while it drained."""


def main(event_count: int, fingerprint_count: int, batch: int) -> None:
    """Fill, drain, print."""
    django.setup()
    _fill(event_count, fingerprint_count)
    sys.stdout.write(json.dumps(asdict(_drain(batch))) + "\n")


def _fill(event_count: int, fingerprint_count: int) -> None:
    from issue_tracker.event import encode
    from issue_tracker.spool import Spool, current

    text = _traceback()
    spool = Spool(current().directory, max_bytes=2**40)
    for number in range(event_count):
        spool.append(encode(_event(number, fingerprint_count, text)), key="", stub=lambda: b"")


def _event(number: int, fingerprint_count: int, text: str) -> Event:
    from issue_tracker.event import Event, event_id_of

    url = URL.format(number)
    return Event(
        event_id=event_id_of("benchmark", number),
        kind="failure",
        severity="error",
        name="ScrapeError",
        task=f"benchmarks.fail_{number % fingerprint_count}",
        error_message=MESSAGE.format(number, url),
        traceback=text.replace(MESSAGE.format(1, URL.format(1)), MESSAGE.format(number, url)),
        exception_type="benchmarks.tasks.ScrapeError",
        culprit="benchmarks.tasks:_save",
        occurred_at=time.time(),
        task_id=str(uuid.uuid4()),
        worker="benchmark@localhost",
        queue="celery",
        args=[number],
        kwargs={"url": url},
        options={"routing_key": "celery"},
    )


def _traceback() -> str:
    try:
        fail(1, url=URL.format(1))
    except Exception:  # noqa: BLE001  raised on purpose, for its traceback
        return traceback.format_exc()
    raise AssertionError("the failing task did not fail")


def _drain(batch: int) -> Outcome:
    from issue_tracker.drain import batches as drain

    drain.MAX_BATCH_RECORDS = batch  # type: ignore[misc]  # the question is what other sizes would give
    started_at, cpu = time.perf_counter(), time.process_time()
    done = drain.drain()
    return Outcome(
        seconds=time.perf_counter() - started_at,
        cpu_seconds=time.process_time() - cpu,
        stored_count=done.stored,
        peak_mib=peak_kib() / 1024,
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
