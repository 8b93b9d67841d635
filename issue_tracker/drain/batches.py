"""The drain: a spool emptied into the database, batch by batch. Right of the seam.

Guarantees: a record is acknowledged only after the commit that stored it, so a kill between the two means a replay,
which `folding` recognises by its event_id; a record that the database refuses is set aside (quarantine) and stops
nobody; a database that is away, locked, read-only or not migrated costs nothing but time.
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connections, transaction
from django.db.models import F
from django.utils import timezone

from issue_tracker import conf
from issue_tracker.event import Event, UnreadableRecordError, decode, encode
from issue_tracker.models import OperationalIssue
from issue_tracker.spool import (
    Record,
    Spool,
    corrupt_files,
    create_private_file,
    current,
    prepare_directory,
    put_away,
    readable_bodies,
    unlock,
)
from issue_tracker.turns import is_deadlock, is_locked, wait_for_turn

from .folding import Folded, fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from issue_tracker.spool import Entry

logger = logging.getLogger("issue_tracker")

MAX_BATCH_RECORDS: Final = 500
"""As Bugsink's digest; with MAX_BATCH_BYTES it bounds the transaction and the memory of a drainer."""
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
ATTEMPTS: Final = 4
"""Tries of a batch that met another drainer (deadlock, a key taken in between) before it counts as an outage."""


class OutageError(Exception):
    """The database can't take records now; the text says what it said. Everything stays in the spool."""


@dataclass(slots=True, kw_only=True)
class Drained:
    """What a drain did."""

    records: int = 0
    stored: int = 0
    merged: int = 0
    quarantined: int = 0
    deferred: int = 0
    """Put back behind the others, because what they belong to is not stored yet."""
    is_full: bool = False
    """Of one batch: more may have waited than it takes."""

    @property
    def is_worth_another(self) -> bool:
        """Whether a batch is to be followed by another one at once.

        What came while a batch was stored waits for the next look: under a steady flow each small batch would bring the
        next one, at the fixed cost of a transaction.
        """
        return self.records > self.deferred and (self.is_full or self.deferred > 0)


def drain(spool: Spool | None = None, *, max_batches: int | None = None) -> Drained:
    """Empty the spool (of this project's database, unless given) as far as it is filled now; returns what was done.

    Does nothing when another process drains this spool. Raises OutageError when the database can't take records,
    SpoolError when the spool can't be read.
    """
    spool = spool or current()
    done = Drained()
    if spool.is_empty():
        return done
    with drain_lock(spool) as is_ours:
        if is_ours:
            _drain_locked(spool, done, max_batches)
    return done


def drain_batch(spool: Spool) -> Drained:
    """Store one batch and acknowledge it. The caller holds the spool's lock."""
    done = Drained()
    _drain_corrupt(spool, done)
    batch = spool.claim(max_records=MAX_BATCH_RECORDS, max_bytes=MAX_BATCH_BYTES)
    if batch:
        _store(spool, batch, done)
        spool.ack(batch)
        done.records = len(batch)
        # Where the next record would have passed the bytes, these are more than half of them: none is that large.
        done.is_full = len(batch) == MAX_BATCH_RECORDS or sum(len(r.body) for r in batch) > MAX_BATCH_BYTES / 2
    return done


@contextmanager
def drain_lock(spool: Spool) -> Iterator[bool]:
    """Hold the right to drain this spool; gives False when another process, or thread, has it. Never waits."""
    prepare_directory(spool.directory)
    path = lock_path(spool)
    create_private_file(path)
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        _held.add(fd)
        yield True
    finally:
        _held.discard(fd)
        unlock(fd)


_held: set[int] = set()


def _let_go_in_child() -> None:
    """Close the lock in a child that was forked meanwhile: one that outlives its parent would keep every other drainer
    out.
    """
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go_in_child)


def lock_path(spool: Spool) -> Path:
    """Return the file whose lock is the right to drain a spool."""
    return spool.directory / "drain.lock"


def inode_of(path: Path) -> tuple[int, int]:
    """Tell one file from another that took its place; zeros where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino


def _drain_locked(spool: Spool, done: Drained, max_batches: int | None) -> None:
    batches = 0
    while max_batches is None or batches < max_batches:
        batch = drain_batch(spool)
        done.records += batch.records
        done.stored += batch.stored
        done.merged += batch.merged
        done.quarantined += batch.quarantined
        done.deferred += batch.deferred
        batches += 1
        if not batch.is_worth_another:
            break
    drain_reserve(spool)


def drain_reserve(spool: Spool) -> None:
    """Store the stubs of the reserve and add its counts to their issues. The caller holds the spool's lock.

    A kill between the commit and the acknowledgement repeats the counts of discards; the stubs are never doubled.
    """
    try:
        entries = spool.reserve.entries()
    except OSError as error:
        logger.warning("issue_tracker: the reserve %s can't be read: %s", spool.reserve.path, error)
        return
    if not entries:
        return
    _store(spool, [Record(body=entry.stub) for entry in entries if not entry.drained], Drained())
    for entry in entries:
        more = entry.seen - max(entry.drained, 1)
        if more and (event := _stub_of(entry)) is not None:
            _add_discarded(event.event_id, more)
    spool.reserve.ack(entries)


def _add_discarded(event_id: str, more: int) -> None:
    issues = OperationalIssue._base_manager.using(conf.current().database)
    ids = list(issues.filter(occurrences__event_id=event_id).values_list("pk", flat=True))
    issues.filter(pk__in=ids).update(discarded_count=F("discarded_count") + more)


def _drain_corrupt(spool: Spool, done: Drained) -> None:
    """Store what can still be read of corrupt spools; a kill meanwhile begins anew, which changes nothing."""
    for path in corrupt_files(spool.directory):
        try:
            bodies = readable_bodies(path)
            while records := [Record(body=body) for body in islice(bodies, MAX_BATCH_RECORDS)]:
                _store(spool, records, done)
        except OSError as error:
            logger.warning("issue_tracker: the corrupt spool %s can't be read now: %s", path, error)
        else:
            put_away(path)


def _stub_of(entry: Entry) -> Event | None:
    try:
        return decode(entry.stub)
    except UnreadableRecordError:
        return None


def _store(spool: Spool, records: Sequence[Record], done: Drained) -> None:
    readable: list[tuple[Record, Event]] = []
    for record in records:
        try:
            if record.flaw:
                raise UnreadableRecordError(f"its bytes are {record.flaw}")
            readable.append((record, decode(record.body, is_keyed=True)))
        except UnreadableRecordError as error:
            _set_aside(spool, record, f"unreadable: {error}", done)
    _store_readable(spool, readable, done)


def _store_readable(spool: Spool, pairs: list[tuple[Record, Event]], done: Drained) -> None:
    """Store in one transaction; where the database refuses the whole, store the halves,
    down to the one record at fault.
    """
    if not pairs:
        return
    try:
        folded = _in_one_transaction([event for _record, event in pairs])
    except OutageError:
        raise
    except Exception as error:  # whatever a record makes the database or its driver raise is that record's fault
        if len(pairs) == 1:
            if not takes_rows(conf.current().database):
                raise OutageError(f"{type(error).__name__}: {error}") from error
            _set_aside(spool, pairs[0][0], f"{type(error).__name__}: {error}"[:500], done)
            return
        middle = len(pairs) // 2
        _store_readable(spool, pairs[:middle], done)
        _store_readable(spool, pairs[middle:], done)
        return
    done.stored += folded.stored
    done.merged += folded.merged
    done.deferred += len(folded.deferred)
    for event in folded.deferred:
        spool.append(encode(event), key=event.event_id, stub=lambda: b"")


def _in_one_transaction(events: list[Event]) -> Folded:
    using = conf.current().database
    for attempt in range(ATTEMPTS):
        used = None  # the driver's connection; Django makes another one as soon as it is lost
        try:
            with transaction.atomic(using=using):
                wait_for_turn(OperationalIssue, using=using)
                used = connections[using].connection
                return fold(events, using=using, now=timezone.now())
        except IntegrityError:
            # Another drainer stored one of these in between: the next try sees what it did.
            if attempt == ATTEMPTS - 1:
                raise
        except DataError:
            raise
        except (DatabaseError, InterfaceError) as error:
            if is_deadlock(error) and attempt < ATTEMPTS - 1:
                continue
            is_connection_lost = used is None or connections[using].connection is not used
            if is_deadlock(error) or is_locked(error) or not takes_rows(using):
                raise OutageError(f"{type(error).__name__}: {error}") from error
            # Once more, for an outage that ended between the error and the question; and where the connection was lost,
            # by a restart or by these records, until it can't be chance.
            if attempt >= (ATTEMPTS - 1 if is_connection_lost else 1):
                raise
    raise AssertionError("the last attempt returns or raises")


def takes_rows(using: str) -> bool:
    """Tell whether the database would take an ordinary record now, by storing one and rolling it back."""
    probe = Event(
        event_id="probe", kind="report", severity="info", name="probe", task="", fingerprint="probe", occurred_at=1.0
    )

    class Undo(Exception):  # noqa: N818  no error: the way out of the transaction
        pass

    try:
        with transaction.atomic(using=using):
            wait_for_turn(OperationalIssue, using=using)
            fold([probe], using=using, now=timezone.now())
            raise Undo
    except Undo:
        return True
    except Exception:  # noqa: BLE001  the answer is all that counts
        return False


def _set_aside(spool: Spool, record: Record, reason: str, done: Drained) -> None:
    logger.error("issue_tracker: a record can't be stored and was put into quarantine: %s", reason.partition("\n")[0])
    spool.quarantine(record, reason=reason)
    done.quarantined += 1
