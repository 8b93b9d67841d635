"""A broker of the tests' own on a free loopback port: the program that the demo finds. Nothing is kept on disk."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

from demo.broker import program
from tests.processes import end, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True, kw_only=True)
class Broker:
    """A Redis or Valkey server that this process started."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """The address of its first database."""
        return self.database(0)

    def database(self, number: int) -> str:
        """Return the address of one of its sixteen databases, so that tests can share a server and not their queues."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def flush(self) -> None:
        """Empty all databases."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def freeze(self) -> None:
        """Let it accept connections and answer nothing, until `thaw`."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it. What was queued is lost."""
        end(self.process)


def start(*, port: int | None = None, attempts: int = 3) -> Broker:
    """Start a server and return once it answers. With a port, on that one (to bring back a broker that was stopped)."""
    for attempt in range(1, attempts + 1):
        broker = _launch(port or free_port())
        try:
            until(lambda broker=broker: _is_ready(broker), why="the broker answers a ping", timeout_seconds=10)
        except (AssertionError, ChildProcessError):
            broker.stop()
            if attempt == attempts:
                raise
            continue
        return broker
    raise ValueError("attempts must be at least 1")


@contextlib.contextmanager
def running() -> Iterator[Broker]:
    """Start a broker for the length of a block."""
    broker = start()
    try:
        yield broker
    finally:
        broker.stop()


def _launch(port: int) -> Broker:
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]
    process = subprocess.Popen([program(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Broker(process=process, port=port)


def _is_ready(broker: Broker) -> bool:
    if broker.process.poll() is not None:
        raise ChildProcessError(f"the broker ended with {broker.process.returncode}: was port {broker.port} taken?")
    with contextlib.suppress(redis.exceptions.ConnectionError), redis.Redis.from_url(broker.url) as client:
        return bool(client.ping())
    return False
