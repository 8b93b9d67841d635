"""What every measurement needs: the servers, fresh databases, workers, and where its tables go."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests import brokers

from . import machine, page
from .databases import Databases
from .load import Load
from .servers import Postgres, postgres
from .sink import sink
from .worker import Setup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .contenders import Contender
    from .options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The running servers of one call of the harness."""

    options: Options
    directory: Path
    broker: str
    sink: str
    load: Load
    server: Postgres | None
    """PostgreSQL, when it takes part."""
    databases: dict[str, Databases]
    """By kind: "sqlite", "postgresql"."""

    @contextlib.contextmanager
    def setup(self, contender: Contender, *, pool: str, database: str, **environment: str) -> Iterator[Setup]:
        """Yield what a worker is started with: empty queue, fresh database, empty directory; all gone afterwards."""
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        self.load.forget()
        with self.databases[database].fresh(contender) as address:
            yield Setup(
                contender=contender,
                pool=pool,
                broker=self.broker,
                database=address,
                directory=directory,
                environment={"BENCHMARK_SINK": self.sink, **environment},
            )
        shutil.rmtree(directory, ignore_errors=True)

    def publish(self, section: str, title: str, text: str, *, database: str, plot: str = "") -> None:
        """Print a table and put it, with machine, command and plot (SVG), into its section of the page."""
        address = self.server.address if self.server and database == "postgresql" else "sqlite:///"
        described = machine.describe(
            broker=machine.broker_version(self.broker), database=machine.database_version(address)
        )
        foot = f"`{self.options.command}`  \n{described}. Peers: {machine.peers()}."
        say(f"\n{title}\n\n{text}\n")
        if self.options.is_written:
            shown = page.with_plot(section, title, plot) if plot else ""
            page.write(section, f"**{title}**\n\n{shown}{text}\n\n{foot}")


@contextlib.contextmanager
def bench(options: Options) -> Iterator[Bench]:
    """Start the servers that the options ask for and end them afterwards."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="issue-tracker-bench-")))
        server = stack.enter_context(postgres()) if "postgresql" in options.databases else None
        address = stack.enter_context(brokers.running()).url
        databases = {"sqlite": Databases(directory, None), "postgresql": Databases(directory, server)}
        yield Bench(
            options=options,
            directory=directory,
            broker=address,
            sink=stack.enter_context(sink()),
            load=Load(address),
            server=server,
            databases=databases,
        )


def say(text: str) -> None:
    """Print a line at once: a run takes minutes and is watched."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
