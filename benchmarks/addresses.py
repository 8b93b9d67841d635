"""Database addresses, `sqlite:///path` and PostgreSQL URLs, as Django's settings and as connections.

Workers import it through their settings, so it imports next to nothing.
"""

from __future__ import annotations

import sqlite3
from typing import Any

SQLITE = "sqlite:///"


def as_django_setting(address: str) -> dict[str, Any]:
    """Return the entry of DATABASES for an address."""
    if address.startswith(SQLITE):
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA synchronous=NORMAL"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": address.removeprefix(SQLITE), "OPTIONS": options}
    from psycopg.conninfo import conninfo_to_dict

    keys = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {keys[key]: value for key, value in conninfo_to_dict(address).items() if key in keys}
    return {"ENGINE": "django.db.backends.postgresql", **given}


def with_name(address: str, name: str) -> str:
    """Return the address of another database of the same PostgreSQL server."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(address, dbname=name)


def connect(address: str) -> Any:
    """Open a DB-API connection that commits every statement at once."""
    if address.startswith(SQLITE):
        return sqlite3.connect(address.removeprefix(SQLITE), isolation_level=None, timeout=20)
    import psycopg

    return psycopg.connect(address, autocommit=True)


def value(connection: Any, query: str) -> Any:
    """Return the first column of the first row."""
    return connection.execute(query).fetchone()[0]
