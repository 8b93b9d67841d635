"""One drain, measured in a process of its own: `python -m benchmarks.drain_job <work as JSON>`.

Fills the spool of the settings in force with events as the failing task of the benchmark makes them (each with the
numbers of its run in message, traceback and arguments, the fingerprint still to be made), empties it with the product's
own `drain`, and prints what that took as one line of JSON.

Where the work says so it prints "full" when its spool is, and waits for a line before it drains, so that several begin
together.
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
class Work:
    """What one drainer is given to do."""

    events: int
    fingerprints: int
    batch: int
    first_fingerprint: int = 0
    """Others that begin elsewhere, by the number of fingerprints or more, have none in common with it."""
    is_started_by_a_line: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What draining took."""

    began_at: float
    """By the monotonic clock, which all processes share."""
    seconds: float
    cpu_seconds: float
    """Of the drainer alone, not of the database server."""
    stored_count: int
    outages: int
    """How often the database would not take a batch in time, so that the drainer waited as it does in production."""
    peak_mib: float
    """Highest resident memory of the process while it drained."""


def main(work: Work) -> None:
    """Fill, drain, print."""
    django.setup()
    _fill(work)
    if work.is_started_by_a_line:
        print("full", flush=True)
        sys.stdin.readline()
    print(json.dumps(asdict(_drain(work.batch))), flush=True)


def _fill(work: Work) -> None:
    from issue_tracker.event import encode
    from issue_tracker.spool import Spool, current

    text = _traceback()
    spool = Spool(current().directory, max_bytes=2**40)
    for number in range(work.events):
        kind = work.first_fingerprint + number % work.fingerprints
        spool.append(encode(_event(number, kind, text)), key="", stub=lambda: b"")


def _event(number: int, kind: int, text: str) -> Event:
    from issue_tracker.event import Event, event_id_of

    url, task_id = URL.format(number), str(uuid.uuid4())
    return Event(
        event_id=event_id_of(task_id, 0, "run"),
        kind="failure",
        severity="error",
        name="ScrapeError",
        task=f"benchmarks.fail_{kind}",
        error_message=MESSAGE.format(number, url),
        traceback=text.replace(MESSAGE.format(1, URL.format(1)), MESSAGE.format(number, url)),
        exception_type="benchmarks.tasks.ScrapeError",
        culprit="benchmarks.tasks:_save",
        occurred_at=time.time(),
        task_id=task_id,
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
    from issue_tracker.drain import OutageError, batches
    from issue_tracker.drain.drainer import FIRST_PAUSE_SECONDS

    batches.MAX_BATCH_RECORDS = batch  # type: ignore[misc]  # the question is what other sizes would give
    began_at, cpu, outages, stored = time.monotonic(), time.process_time(), 0, 0
    while True:
        try:
            stored += batches.drain().stored
            break
        except OutageError:
            outages += 1
            time.sleep(FIRST_PAUSE_SECONDS)
    return Outcome(
        began_at=began_at,
        seconds=time.monotonic() - began_at,
        cpu_seconds=time.process_time() - cpu,
        stored_count=stored,
        outages=outages,
        peak_mib=peak_kib() / 1024,
    )


if __name__ == "__main__":
    main(Work(**json.loads(sys.argv[1])))
