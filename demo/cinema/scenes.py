"""What the demo plays: the tasks that it sends, and the issues that must be there afterwards.

A round's scenes are sent together, and the next round begins when all that this one expects is there. A scene that
needs what an earlier one left behind (a return, a cleared condition, a requeue) belongs in a later round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from demo.cinema import failing, tasks
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.requeue import requeue_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An issue that must be there; a field left empty is not compared."""

    name: str
    task: str
    kind: str = "report"
    severity: str = "error"
    count: int = 1
    """Occurrences, at least."""
    says: str = ""
    """A part of the message."""
    status: str = ""
    is_returned: bool = False
    """True: it must be the return of an earlier issue."""

    def fits(self, issue: OperationalIssue) -> bool:
        """Return whether an issue is the one expected."""
        return (
            (issue.name, issue.task, issue.kind, issue.severity) == (self.name, self.task, self.kind, self.severity)
            and issue.occurrence_count >= self.count
            and self.says in issue.error_message
            and self.status in ("", issue.status)
            and self.is_returned <= issue.is_returned
        )

    def __str__(self) -> str:
        """Say it in words, for the message that it is missing."""
        said = f', saying "{self.says}"' if self.says else ""
        state = (f", {self.status}" if self.status else "") + (", returned" if self.is_returned else "")
        return f"{self.name} of {self.task} ({self.kind}, {self.severity}, {self.count} or more{said}{state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Something that goes wrong, and the issues that must come of it."""

    play: Callable[[], Any]
    """Sends the tasks, or does what a person would do."""
    expected: tuple[Expected, ...]


def missing(expected: Iterable[Expected], issues: Iterable[OperationalIssue]) -> list[Expected]:
    """Return what is expected and not there; two that expect the like need two issues."""
    left = list(issues)
    absent = []
    for one in expected:
        found = next((issue for issue in left if one.fits(issue)), None)
        if found is None:
            absent.append(one)
        else:
            left.remove(found)
    return absent


def _failed(task: str, name: str, *, kind: str = "failure", **more: Any) -> Expected:
    return Expected(name=name, task=f"demo.cinema.failing.{task}", kind=kind, **more)


def _scraped(name: str, says: str, *, severity: str = "error") -> Expected:
    return Expected(name=name, task="colombia_com_download_task", says=says, severity=severity)


def _refused(says: str) -> Expected:
    return Expected(name="TMDB API Error", task="_get_or_create_movie", says=says, count=2)


def _empty(says: str, *, status: str) -> Expected:
    return Expected(
        name="No Showtimes Found", task="save_showtimes_for_theater", severity="warning", says=says, status=status
    )


def _fix_and_break_again() -> None:
    """Resolve an issue, as a person does who believes it mended; the next like failure is a return."""
    OperationalIssue.objects.filter(task="demo.cinema.failing.plain_exception").resolve()
    failing.plain_exception.delay(theater_id=3, seats_sold=90, seats=0)


def _fail_in_an_outage() -> None:
    for screen in range(1, 4):
        failing.outage.delay(path="/cine/apagon-tunja-s37", screen=screen)


def _send_again() -> None:
    """Requeue a whole group, as a person does once the outage is over: its success closes the issue."""
    requeue_all(Occurrence.objects.filter(issue__task="demo.cinema.failing.outage"), confirmed=True)


CINEMA: Final = Scene(
    play=tasks.colombia_com_download_task.delay,
    expected=(
        _scraped("Scrape Timeout", "no answer within"),
        _scraped("Scrape Failed", "429 Too Many Requests"),
        _scraped("Scrape Failed", "500 Internal Server Error"),
        _scraped("No Date Options Found", "offers no day", severity="warning"),
        _empty("Sin Funciones", status="open"),
        _empty("Reabre", status="open"),
        _refused("answered 429"),
        _refused("answered 500"),
        _refused("is not JSON"),
        _refused("knows no movie"),
    ),
)
"""The periodic download over all theaters."""

ROUNDS: Final[tuple[tuple[Scene, ...], ...]] = (
    (
        Scene(
            play=lambda: failing.hard_time_limit.delay(movie_name="La Empleada"),
            expected=(_failed("hard_time_limit", "TimeLimitExceeded", kind="time_limit"),),
        ),
        Scene(
            play=lambda: failing.killed_child.delay(theater_id=1),
            expected=(_failed("killed_child", "WorkerLostError", kind="worker_lost"),),
        ),
        Scene(
            play=lambda: failing.killed_and_handed_back.delay(theater_id=2),
            expected=(_failed("killed_and_handed_back", "WorkerLostError", kind="worker_lost"),),
        ),
        Scene(
            play=lambda: failing.soft_time_limit.delay(movie_name="La Empleada"),
            expected=(_failed("soft_time_limit", "SoftTimeLimitExceeded", kind="soft_time_limit"),),
        ),
        Scene(
            play=lambda: failing.plain_exception.delay(theater_id=2, seats_sold=180, seats=0),
            expected=(_failed("plain_exception", "ZeroDivisionError"),),
        ),
        Scene(
            play=lambda: failing.chained_exception.delay("12.000 COP"),
            expected=(_failed("chained_exception", "TicketPriceError"),),
        ),
        Scene(
            play=lambda: failing.retry_then_success.delay("La Empleada"),
            expected=(
                _failed("retry_then_success", "TimeoutError", kind="retry", severity="warning", status="resolved"),
            ),
        ),
        Scene(
            play=lambda: failing.retries_exhausted.delay(theater_id=2),
            expected=(_failed("retries_exhausted", "ConnectionError", count=3),),
        ),
        Scene(
            play=lambda: failing.unknown_tmdb_movie.delay(tmdb_id=404),
            expected=(_failed("unknown_tmdb_movie", "MovieUnknownError"),),
        ),
        Scene(
            play=lambda: failing.rollback_with_warning.delay(theater_id=1, price="gratis"),
            expected=(
                _failed("rollback_with_warning", "TicketPriceError"),
                Expected(name="Missing Ticket Price", task="rollback_with_warning", severity="warning"),
            ),
        ),
        Scene(
            play=lambda: tasks.colombia_com_download_task.delay(slugs=["caido-cartagena"]),
            expected=(
                Expected(
                    name="NoTheaterReadError",
                    task="demo.cinema.tasks.colombia_com_download_task",
                    kind="failure",
                    count=2,
                ),
            ),
        ),
        Scene(play=_fail_in_an_outage, expected=(_failed("outage", "ScrapeError", count=3, status="open"),)),
        CINEMA,
    ),
    (
        Scene(
            play=lambda: tasks.colombia_com_download_task.delay(slugs=["reabre-manizales"]),
            expected=(_empty("Reabre", status="resolved"),),
        ),
        Scene(play=_send_again, expected=(_failed("outage", "ScrapeError", count=3, status="resolved"),)),
        Scene(
            play=_fix_and_break_again,
            expected=(_failed("plain_exception", "ZeroDivisionError", is_returned=True),),
        ),
    ),
)
"""The rounds of the demo, in order."""
