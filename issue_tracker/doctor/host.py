"""What can be told on this host alone: the settings, the spool, its drainer, the database. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.core.checks import ERROR, CheckMessage
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from issue_tracker import checks, collection, conf
from issue_tracker.drain import takes_rows
from issue_tracker.spool import current

from .findings import Finding, error, fine, said, warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery import Celery

WAITING_SECONDS: Final = 60
"""A record that waits for longer has no drainer: it polls ten times a second, and tries a database every 30 s."""


def settings(_app: Celery) -> Iterator[Finding]:
    """Look at `ISSUE_TRACKER`, with the system checks."""
    if not conf.current().enabled:
        yield warning("settings", "ENABLED is False: nothing is captured.", "Remove it, or set it to True.")
    messages = checks.check_settings()
    yield from _of_messages("settings", messages)
    if not messages:
        yield fine("settings", "ISSUE_TRACKER has no unknown key and no wrong value.")


def spool(_app: Celery) -> Iterator[Finding]:
    """Look at what waits in the spool, and what was given up."""
    problems = checks.check_spool()
    yield from _of_messages("spool", problems)
    if problems:
        return
    found = collection.look()
    if found.trouble:
        yield error("spool", f"It can't be read: {found.trouble}.", f"Look at {current().directory}.")
        return
    yield fine("spool", f"{current().directory} can be used; {found.waiting_count:,} records wait.")
    if found.quarantined_count:
        yield warning(
            "spool",
            f"{found.quarantined_count:,} records are in quarantine: the database refused them.",
            "The worker's log has the reason; a migration that is missing is the usual one.",
        )
    if found.discarded:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in found.discarded.items())
        yield warning(
            "spool",
            f"Failures were given up, but counted ({reasons}).",
            "Give the spool more room: SPOOL_MAX_BYTES, or a larger disk.",
        )


def drainer(_app: Celery) -> Iterator[Finding]:
    """Look for who empties this host's spool."""
    found = collection.look()
    waits = (timezone.now() - found.oldest_at).total_seconds() if found.oldest_at else 0
    start = "Start a worker on this host, or run `manage.py issues drain --follow` beside it."
    if waits > WAITING_SECONDS:
        who = "although a drainer runs" if found.is_drained else "and nobody drains"
        advice = "Its log says what the database said." if found.is_drained else start
        yield error("drainer", f"A failure has waited for {waits:,.0f} s in the spool, {who}.", advice)
    elif found.is_drained:
        yield fine("drainer", "One is at work on this host.")
    elif found.is_drained is None:
        yield fine("drainer", "This system doesn't tell whether one is at work; nothing waits for long.")
    else:
        yield warning("drainer", "None is at work on this host, which is right where no worker runs.", start)


def database(_app: Celery) -> Iterator[Finding]:
    """Look whether the database is there, migrated, and takes rows."""
    using = conf.current().database
    connection = connections[using]
    try:
        connection.ensure_connection()
        missing = _missing_migrations(using)
    except Exception as trouble:  # noqa: BLE001  whatever the driver raises is the finding
        yield error("database", f"{using!r} can't be asked: {said(trouble)}", "Failures wait in the spool meanwhile.")
        return
    if missing:
        yield error("database", f"Not migrated: {', '.join(missing)}.", f"Run `manage.py migrate --database {using}`.")
    elif not takes_rows(using):
        yield error(
            "database",
            f"{using!r} answers, but takes no rows.",
            "It may be read-only, full, or lack the right to write for this user.",
        )
    else:
        yield fine("database", f"{using!r} ({connection.vendor}) is migrated and takes rows.")


def _missing_migrations(using: str) -> list[str]:
    executor = MigrationExecutor(connections[using])
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "issue_tracker"]
    return [migration.name for migration, _is_backwards in executor.migration_plan(targets)]


def _of_messages(area: str, messages: Iterable[CheckMessage]) -> Iterator[Finding]:
    for message in messages:
        make = error if message.level >= ERROR else warning
        yield make(area, message.msg, message.hint or "")
