"""Outages: the database is away, locked, read-only or not migrated. Nothing is lost, nothing is set aside."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from django.db import connection, connections, transaction

from issue_tracker.drain import OutageError, drain
from issue_tracker.event import Event, encode
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.spool import Spool
from tests.events import an_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "one spool")


def fill(spool: Spool, *events: Event) -> None:
    """Append events."""
    for event in events:
        assert spool.append(encode(event), key=event.fingerprint, stub=lambda event=event: encode(event))


class LockedByAnother:
    """Another connection holds the table; the drain's own wait is made short where it is the host's to say."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._is_held, self._may_end = threading.Event(), threading.Event()

    def __enter__(self) -> None:
        if connection.vendor == "sqlite":
            connection.close()
            self._patch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.2)
        elif connection.vendor == "mysql":
            with connection.cursor() as cursor:
                cursor.execute("SET innodb_lock_wait_timeout = 1, lock_wait_timeout = 1")
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        assert self._is_held.wait(10)

    def __exit__(self, *_error: object) -> None:
        self._may_end.set()
        self._thread.join()

    def _hold(self) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                if connection.vendor == "sqlite":
                    OperationalIssue._base_manager.filter(pk=0).update(status="")
                elif connection.vendor == "postgresql":
                    cursor.execute("LOCK TABLE issue_tracker_occurrence IN ACCESS EXCLUSIVE MODE")
                else:
                    cursor.execute("LOCK TABLES issue_tracker_occurrence WRITE")
                self._is_held.set()
                self._may_end.wait(30)
                if connection.vendor == "mysql":
                    cursor.execute("UNLOCK TABLES")
        finally:
            connections.close_all()


def _without(column: str) -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.execute(f"ALTER TABLE issue_tracker_occurrence RENAME COLUMN {column} TO gone")
    yield
    with connection.schema_editor() as editor:
        editor.execute(f"ALTER TABLE issue_tracker_occurrence RENAME COLUMN gone TO {column}")


def _without_table() -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.alter_db_table(Occurrence, "issue_tracker_occurrence", "gone")
    yield
    with connection.schema_editor() as editor:
        editor.alter_db_table(Occurrence, "gone", "issue_tracker_occurrence")


def _with_a_column_that_must_be_filled() -> Iterator[None]:
    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE issue_tracker_operationalissue ADD COLUMN later varchar(9) NOT NULL DEFAULT 'x'")
        editor.execute("ALTER TABLE issue_tracker_operationalissue ALTER COLUMN later DROP DEFAULT")
    yield
    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE issue_tracker_operationalissue DROP COLUMN later")


@pytest.fixture(params=["a table", "a column"])
def not_migrated(request: pytest.FixtureRequest) -> Iterator[None]:
    """A database that lacks something."""
    yield from _without_table() if request.param == "a table" else _without("payload_note")


def test_a_database_that_is_not_migrated_is_an_outage(spool: Spool, not_migrated: None) -> None:
    """Nothing is set aside, nothing is lost; after the migration all is stored."""
    fill(spool, *(an_event() for _number in range(7)))

    with pytest.raises(OutageError):
        drain(spool)

    assert (spool.depth(), spool.quarantine_count()) == (7, 0)
    assert not OperationalIssue.objects.exists()


def test_it_is_drained_after_the_migration(spool: Spool) -> None:
    """The outage left everything where it was."""
    fill(spool, *(an_event() for _number in range(7)))
    gap = _without("payload_note")
    next(gap)
    with pytest.raises(OutageError):
        drain(spool)
    next(gap, None)

    assert drain(spool).stored == 7


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite adds no column that must be filled to a table")
def test_a_schema_of_another_version_is_an_outage(spool: Spool) -> None:
    """A column that must be filled refuses every record: that is nobody's fault, and no reason for quarantine."""
    fill(spool, *(an_event() for _number in range(5)))
    gap = _with_a_column_that_must_be_filled()
    next(gap)
    try:
        with pytest.raises(OutageError):
            drain(spool)
    finally:
        next(gap, None)

    assert (spool.depth(), spool.quarantine_count()) == (5, 0)
    assert drain(spool).stored == 5


def test_a_locked_table_is_an_outage_in_bounded_time(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's ALTER TABLE takes hours: the drain gives up for now and keeps all."""
    fill(spool, an_event())
    with LockedByAnother(monkeypatch), pytest.raises(OutageError):
        drain(spool)

    assert (spool.depth(), spool.quarantine_count()) == (1, 0)
    assert drain(spool).stored == 1


def test_a_read_only_database_is_an_outage(spool: Spool) -> None:
    """A replica that was promoted the wrong way round."""
    fill(spool, an_event())
    statements = {
        "sqlite": ("PRAGMA query_only = 1", "PRAGMA query_only = 0"),
        "postgresql": ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off"),
        "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
    }
    set_, reset = statements[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(set_)
    try:
        with pytest.raises(OutageError):
            drain(spool)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(reset)

    assert spool.depth() == 1
    assert drain(spool).stored == 1


def test_a_database_that_is_away_is_an_outage(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are refused; nothing is set aside."""
    fill(spool, an_event())
    connection.close()
    wrong = "/nowhere/at/all.sqlite3" if connection.vendor == "sqlite" else connection.settings_dict["NAME"]
    monkeypatch.setitem(connection.settings_dict, "NAME", wrong)
    monkeypatch.setitem(connection.settings_dict, "PORT", 1)

    with pytest.raises(OutageError):
        drain(spool)
    connection.close()

    assert (spool.depth(), spool.quarantine_count()) == (1, 0)


@contextmanager
def _failing_first(times: int, statement: str) -> Iterator[None]:
    """Let the first inserts of an occurrence into PostgreSQL end in a statement of PL/pgSQL, the later ones pass."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE tries")
        cursor.execute(f"""
            CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF NEW.event_id <> 'probe' AND nextval('tries') <= {times} THEN {statement}; END IF;
                RETURN NEW;
            END $$
        """)
        cursor.execute(
            "CREATE TRIGGER fail_first BEFORE INSERT ON issue_tracker_occurrence "
            "FOR EACH ROW EXECUTE FUNCTION fail_first()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION fail_first CASCADE")
            cursor.execute("DROP SEQUENCE tries")


REFUSE = "RAISE EXCEPTION 'not now'"
DROP_CONNECTION = "PERFORM pg_terminate_backend(pg_backend_pid())"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL's triggers can tell a first try")
@pytest.mark.parametrize(("times", "statement"), [(1, REFUSE), (1, DROP_CONNECTION), (3, DROP_CONNECTION)])
def test_a_record_is_not_set_aside_for_an_outage_that_ends_meanwhile(spool: Spool, times: int, statement: str) -> None:
    """The database fails, and a moment later it takes rows: the record alone was not at fault."""
    fill(spool, an_event())

    with _failing_first(times, statement):
        done = drain(spool)

    assert (done.stored, done.quarantined, spool.quarantine_count()) == (1, 0, 0)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL's triggers can drop a connection")
def test_a_record_that_costs_the_connection_each_time_is_set_aside(spool: Spool) -> None:
    """It holds nobody up for ever."""
    fill(spool, an_event(), an_event())

    with _failing_first(100, DROP_CONNECTION):
        done = drain(spool)

    assert (done.stored, done.quarantined, spool.quarantine_count()) == (0, 2, 2)
