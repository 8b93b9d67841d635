"""PostgreSQL under a working host, made useless in every way: nothing is lost, and rows come soon after it is back."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg

from benchmarks.processes import cpu_by_process
from chaos.play import playing
from issue_tracker.event import encode
from issue_tracker.spool import Spool
from tests.events import an_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.finding import Finding
    from chaos.play import Play
    from chaos.stage import Stage
    from tests.databases import Server

FIRST_ROW_SECONDS: Final = 5.0
ALL_ROWS_SECONDS: Final = 60.0
MAX_CPU_PERCENT: Final = 1.0
MOST_HOLDS: Final = 4
"""A fault lasts at most so many times as long as it would, so that the CPU of its beginning is set against a while."""
TASKS: Final = 40
BACKLOG: Final = 10_000
"""Records that wait when the database comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A way of making a database useless for the length of a block."""

    name: str
    made: Callable[[Stage, Server, str], contextlib.AbstractContextManager[None]]


def play(stage: Stage, finding: Finding) -> None:
    """Let one worker live through all of it, then drain a long backlog."""
    server = stage.server()
    url = stage.postgresql()
    host = stage.host("databases", url)
    with playing(host) as play:
        play.start()
        play.send(4)
        play.await_begun()
        play.await_rows()
        for fault in FAULTS:
            _live_through(stage, finding, play, server, fault)
        finding.tally += play.tally()
        _refuse_one(finding, play, url)
        _drain_backlog(finding, play, url)


def _live_through(stage: Stage, finding: Finding, play: Play, server: Server, fault: Fault) -> None:
    drainer = play.host.drainer() or 0
    before = play.arrived()
    with fault.made(stage, server, play.host.database_url):
        play.send(TASKS)
        play.await_begun()
        _measure_cpu(finding, play, drainer, fault.name, stage.scale.hold_seconds)
    finding.faults[f"database {fault.name}"] += 1
    finding.at_most(f"first row after {fault.name}", play.await_rows(before + 1), FIRST_ROW_SECONDS, "s")
    play.await_rows()


def _measure_cpu(finding: Finding, play: Play, drainer: int, name: str, seconds: float) -> None:
    """Measure what waiting costs. An outage begins with a few quick attempts: where they show, it lasts longer."""
    main = play.workers[0].pid
    before, began = cpu_by_process(main).get(drainer, 0.0), time.monotonic()
    percent = MAX_CPU_PERCENT + 1
    while percent > MAX_CPU_PERCENT and time.monotonic() - began < MOST_HOLDS * seconds:
        time.sleep(seconds)  # the fault lasts; nothing is waited for
        used = cpu_by_process(main).get(drainer, 0.0) - before
        percent = 100 * used / (time.monotonic() - began)
    finding.at_most(f"drainer's CPU while {name}", percent, MAX_CPU_PERCENT, "% of a core")


# ---- the faults


@contextlib.contextmanager
def _frozen(_stage: Stage, server: Server, _url: str) -> Iterator[None]:
    server.freeze()
    yield
    server.thaw()


@contextlib.contextmanager
def _refused(_stage: Stage, server: Server, _url: str) -> Iterator[None]:
    server.crash()
    yield
    server.start_again()


@contextlib.contextmanager
def _restarted(stage: Stage, server: Server, _url: str) -> Iterator[None]:
    for _ in range(3):
        server.crash()
        server.start_again()
        time.sleep(stage.chance("restarts").uniform(0, 0.5))  # nothing is waited for: it spreads the restarts
    yield


@contextlib.contextmanager
def _read_only(_stage: Stage, server: Server, url: str) -> Iterator[None]:
    name = url.rpartition("/")[2]
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'live%'"
    server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    server.execute(others)
    yield
    server.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    server.execute(others)


@contextlib.contextmanager
def _locked(_stage: Stage, _server: Server, url: str) -> Iterator[None]:
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE issue_tracker_occurrence IN ACCESS EXCLUSIVE MODE")
        yield


@contextlib.contextmanager
def _not_migrated(_stage: Stage, _server: Server, url: str) -> Iterator[None]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE issue_tracker_occurrence RENAME COLUMN payload_note TO gone")
        yield
        connection.execute("ALTER TABLE issue_tracker_occurrence RENAME COLUMN gone TO payload_note")


FAULTS: Final = (
    Fault(name="frozen", made=_frozen),
    Fault(name="refused", made=_refused),
    Fault(name="restarted in a loop", made=_restarted),
    Fault(name="read-only", made=_read_only),
    Fault(name="locked", made=_locked),
    Fault(name="not migrated", made=_not_migrated),
)

REFUSE: Final = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.error_message LIKE '%poison%' THEN RAISE EXCEPTION 'refused'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON issue_tracker_operationalissue FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def _refuse_one(finding: Finding, play: Play, url: str) -> None:
    """A record that the database refuses is set aside, and the others come."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(REFUSE)
    refused = len(play.noted())
    play.send(1, "chaos.tasks.fail_noted_as", "poison")
    play.await_begun()
    noted = play.noted()
    play.send(TASKS, "chaos.tasks.fail_noted_as", "harmless")
    play.await_begun()
    play.await_rows(len(noted) - 1 + TASKS)
    finding.faults["one record refused"] += 1
    stored = {row.task_id for row in play.rows()}
    [poisoned] = noted[refused:]
    finding.require(set(play.noted()) - stored == {poisoned}, "a refused record took others with it, or was stored")
    reasons = [reason for _body, reason, _at in _spool_of(play).quarantined()]
    finding.require(len(reasons) == 1, f"{len(reasons)} records in quarantine where one was refused: {reasons}")


def _drain_backlog(finding: Finding, play: Play, url: str) -> None:
    """Ten thousand records that waited behind a lock are drained in a minute."""
    spool = _spool_of(play)
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE issue_tracker_occurrence IN ACCESS EXCLUSIVE MODE")
        for number in range(BACKLOG):
            event = an_event(fingerprint=f"{number % 20:064}")
            spool.append(encode(event), key=event.fingerprint, stub=lambda event=event: encode(event))
    began = time.monotonic()
    while spool.depth() and time.monotonic() - began < 2 * ALL_ROWS_SECONDS:
        time.sleep(0.1)
    finding.at_most(f"{BACKLOG:,} records drained", time.monotonic() - began, ALL_ROWS_SECONDS, "s")
    finding.require(not spool.depth(), f"{spool.depth()} records still wait")


def _spool_of(play: Play) -> Spool:
    [found] = play.host.spool_dir.glob("*/records")
    return Spool(found.parent)
