"""How long the admin pages take on a big PostgreSQL: `python -m benchmarks.admin_pages`.

Server time of whole requests through Django's test client (session, permissions, queries, rendering), one at a time,
and the CPU time that client and database spend on each: on a busy machine only the latter means much.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import django

from . import machine
from .admin_rows import fill
from .figures import median, percentile
from .page import table, write
from .processes import cpu_by_process
from .servers import Postgres, postgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

LIST = "/admin/issue_tracker/operationalissue/"

HEADS = ("page", "median", "p95", "CPU", "of it PostgreSQL", "queries", "bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one page cost."""

    seconds: list[float]
    cpu_seconds: float
    """A request, of client and database together."""
    database_cpu_seconds: float
    query_count: int
    size: int

    def figures(self) -> dict[str, float]:
        """Return median and CPU in milliseconds, for a program to read."""
        return {"median_ms": median(self.seconds) * 1000, "cpu_ms": self.cpu_seconds * 1000}

    def row(self, name: str) -> tuple[str, ...]:
        """Return its line of the table."""
        times = (median(self.seconds), percentile(self.seconds, 95), self.cpu_seconds, self.database_cpu_seconds)
        return (name, *(f"{t * 1000:.0f} ms" for t in times), str(self.query_count), f"{self.size:,}")


def main() -> None:
    """Fill a fresh database and measure each page."""
    given = _parser().parse_args()
    with postgres() as server:
        os.environ.update(DATABASE_URL=server.address, DJANGO_SETTINGS_MODULE="tests.settings")
        django.setup()
        _prepare(given)
        found = _measured(given, server)
        described = machine.describe(broker="", database=machine.database_version(server.address))
    head = f"{given.issues:,} issues, {given.occurrences:,} occurrences in {given.days} days, one request at a time."
    foot = f"`{' '.join(['python -m benchmarks.admin_pages', *sys.argv[1:]])}`  \n{described}."
    text = f"{head}\n\n{table(HEADS, [measured.row(name) for name, measured in found])}\n\n{foot}"
    print(f"\n{text}")
    if given.write:
        write("admin pages", text)
    if given.json:
        print(json.dumps({name: measured.figures() for name, measured in found}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin_pages", description=__doc__)
    parser.add_argument("--issues", type=int, default=100_000)
    parser.add_argument("--occurrences", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90, help="how far back they go; retention keeps 90 (default)")
    parser.add_argument("--requests", type=int, default=60, help="requests a page (default 60)")
    parser.add_argument("--only", nargs="+", default=[""], help="pages whose name contains one of these")
    parser.add_argument("--json", action="store_true", help="end with the figures of each page as a line of JSON")
    parser.add_argument("--explain", action="store_true", help="show each page's queries with their plans")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md, too")
    return parser


def _prepare(given: argparse.Namespace) -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill(issues=given.issues, occurrences=given.occurrences, days=given.days)


def _pages(chance: random.Random, issues: int) -> dict[str, Callable[[], str]]:
    return {
        "list, as it opens": lambda: LIST,
        "list, all": lambda: f"{LIST}?status=all",
        "list, recurring": lambda: f"{LIST}?status=recurring",
        "list, a task": lambda: f"{LIST}?task__exact=project.tasks.task_{chance.randrange(200)}",
        "list, last 24 hours": lambda: f"{LIST}?last_seen_at__within=24h",
        "list, a page further on": lambda: f"{LIST}?p={chance.randrange(2, 400)}",
        "list, by count": lambda: f"{LIST}?o=-3",
        "list, a search": lambda: f"{LIST}?q=number+{chance.randrange(issues)}",
        "list, a common word": lambda: f"{LIST}?q={chance.choice(('number', 'work', 'LENGTH'))}",
        "list, a word not there": lambda: f"{LIST}?status=all&q=nowhere{chance.randrange(issues)}",
        "list, a search with an accent": lambda: f"{LIST}?status=all&q=numéro{chance.randrange(issues)}",
        "issue page": lambda: f"{LIST}{1 + int(issues * chance.random() ** 4)}/change/",
        "issue page, the busiest": lambda: f"{LIST}1/change/",
        "overview": lambda: f"{LIST}overview/",
    }


def _measured(given: argparse.Namespace, server: Postgres) -> list[tuple[str, Measured]]:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    found = []
    for name, address in _pages(random.Random(1), given.issues).items():
        if any(part in name for part in given.only):
            found.append((name, _measure(client, address, given.requests, server)))
            print("  ".join(found[-1][1].row(name)), flush=True)
            if given.explain:
                _explain(client, address())
    return found


def _measure(client: Client, address: Callable[[], str], count: int, server: Postgres) -> Measured:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for _ in range(3):
        _get(client, address())
    seconds, began, cpu = [], time.process_time(), _database_cpu(server)
    for _ in range(count):
        seconds.append(_get(client, address())[0])
    own, database = (time.process_time() - began) / count, (_database_cpu(server) - cpu) / count
    with CaptureQueriesContext(connection) as queries:
        size = _get(client, address())[1]
    return Measured(
        seconds=seconds,
        cpu_seconds=own + database,
        database_cpu_seconds=database,
        query_count=len(queries),
        size=size,
    )


def _get(client: Client, path: str) -> tuple[float, int]:
    began = time.perf_counter()
    answer = client.get(path)
    took = time.perf_counter() - began
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}")
    return took, len(answer.content)


def _database_cpu(server: Postgres) -> float:
    return sum(cpu_by_process(server.process.process.pid).values()) if server.process else 0.0


def _explain(client: Client, path: str) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    with connection.cursor() as cursor:
        for query in queries:
            cursor.execute("EXPLAIN (ANALYZE, TIMING OFF) " + query["sql"])
            plan = [row[0] for row in cursor.fetchall()]
            print(f"\n    {query['sql'][:200]}\n      " + "\n      ".join(plan[:14] + plan[-1:]))


if __name__ == "__main__":
    main()
