"""Where the spool of this project's database is. Left of the seam."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from django.conf import settings

from issue_tracker import conf

from .store import Spool

_spools: dict[tuple[Any, ...], Spool] = {}
_latest: list[tuple[conf.Settings, dict[str, dict[str, Any]], tuple[object, ...], Spool]] = []
"""The last answer of `current`, and what it was made of. Asked for in every task."""


def current() -> Spool:
    """Return the spool of this project's database, as `ISSUE_TRACKER["DATABASE"]` names it. Touches no disk.

    Its directory is derived from the project and the database's own name, which Django's test runner changes: so a test
    run can't feed a production table. A database in memory belongs to one process, and so does its spool.
    """
    chosen = conf.current()
    for asked, databases, names, found in _latest:
        # Where all of `DATABASES` is another, the settings are read anew; tests change what stands in it.
        if asked is chosen and _names_of(databases, chosen) == names:
            return found
    found = _spool_of(chosen, settings.DATABASES.get(chosen.database, {}))
    _latest[:] = [(chosen, settings.DATABASES, _names_of(settings.DATABASES, chosen), found)]
    return found


os.register_at_fork(after_in_child=_latest.clear)


def _names_of(databases: dict[str, dict[str, Any]], chosen: conf.Settings) -> tuple[object, ...]:
    database = databases.get(chosen.database, {})
    return database.get("ENGINE"), database.get("NAME"), database.get("HOST"), database.get("PORT")


def _spool_of(chosen: conf.Settings, database: dict[str, Any]) -> Spool:
    name, host, port = (str(database.get(part) or "") for part in ("NAME", "HOST", "PORT"))
    is_in_memory = "sqlite" in str(database.get("ENGINE", "")) and (name == ":memory:" or "mode=memory" in name)
    key = (chosen.spool_dir, name, host, port, os.getpid() if is_in_memory else 0)
    bounds = (chosen.spool_sync, chosen.spool_max_bytes)
    found = _spools.get((*key, *bounds))
    if found is None:
        found = _spools[*key, *bounds] = Spool(
            conf.spool_root() / _directory_name(key, database),
            sync=chosen.spool_sync,
            max_bytes=chosen.spool_max_bytes,
        )
    return found


def _directory_name(key: tuple[Any, ...], database: dict[str, Any]) -> str:
    engine = str(database.get("ENGINE", ""))
    name = os.path.abspath(key[1]) if "sqlite" in engine and not key[4] else key[1]
    project = str(getattr(settings, "ROOT_URLCONF", ""))
    digest = hashlib.sha256("\x1f".join(map(str, (project, engine, name, *key[2:]))).encode()).hexdigest()[:12]
    readable = "".join(c if c.isalnum() else "-" for c in os.path.basename(name))[-40:].strip("-")
    return f"{readable or 'spool'}-{digest}"
