"""The machine and the versions, for the reader who compares; never its name."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import redis

from . import contenders
from .addresses import SQLITE, connect, value

LIBRARIES = ("celery", "django", "redis", "psycopg")


def describe(*, broker: str, database: str) -> str:
    """Return one line: cores, processor, system, versions. What took no part is left out by an empty text."""
    hardware = f"{os.cpu_count()} cores ({_processor()}), {_memory_gib()} GiB"
    python = f"Python {platform.python_version()}"
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return ", ".join(filter(None, (hardware, _system(), python, libraries, broker, database)))


def broker_version(address: str) -> str:
    """Return name and version of the broker, such as "valkey 8.1.8"."""
    with redis.Redis.from_url(address) as connection:
        facts = connection.info("server")
    return f"{facts.get('server_name', 'redis')} {facts.get('valkey_version', facts['redis_version'])}"


def peers() -> str:
    """Return the versions of the products compared with."""
    return ", ".join(f"{c.distribution} {_version(c.distribution)}" for c in contenders.ALL if c.distribution)


def database_version(address: str) -> str:
    """Return name and version of the database at an address."""
    if address.startswith(SQLITE):
        return f"SQLite {sqlite3.sqlite_version}"
    with connect(address) as connection:
        return f"PostgreSQL {value(connection, 'SHOW server_version').split()[0]}"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(not installed)"


def _system() -> str:
    with open("/etc/os-release") as lines:
        facts = dict(line.rstrip().split("=", 1) for line in lines if "=" in line)
    return f"{facts['PRETTY_NAME'].strip(chr(34))}, Linux {platform.release().split('-')[0]}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
