"""A RabbitMQ of the tests' own on a free loopback port, where this machine has one. Nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import kombu

from tests.processes import end, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_SECONDS = 90.0


def program() -> Path:
    """Return the server's own script; raise LookupError when there is none.

    Not the one on PATH, which Debian made to change to a user of its own, with that user's directories.
    """
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    on_path = shutil.which("rabbitmq-server")
    if not found and not on_path:
        raise LookupError("no RabbitMQ on this machine")
    return found[-1] if found else Path(on_path or "")


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start a server for the length of a block; yields its address."""
    path, port, epmd_port = program(), free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="rabbitmq-") as name:
        environment = _environment(Path(name), port, epmd_port)
        with (Path(name) / "output").open("wb") as output:
            process = subprocess.Popen([str(path)], env=environment, stdout=output, stderr=subprocess.STDOUT)
        url = f"amqp://guest:guest@127.0.0.1:{port}//"
        try:
            until(lambda: _answers(url, process), why="RabbitMQ answers", timeout_seconds=READY_SECONDS)
            yield url
        finally:
            end(process, timeout_seconds=30)
            subprocess.run(
                ["epmd", "-port", str(epmd_port), "-kill"], env=environment, check=False, capture_output=True
            )


def _environment(directory: Path, port: int, epmd_port: int) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(directory),  # of Erlang's cookie
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"tests{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(directory / "none"),
        "RABBITMQ_CONF_ENV_FILE": str(directory / "none.env"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
    }


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"RabbitMQ ended with {process.returncode}")
    with contextlib.suppress(OSError, kombu.exceptions.OperationalError), kombu.Connection(url) as connection:
        connection.ensure_connection(max_retries=1, timeout=2)
        return True
    return False
