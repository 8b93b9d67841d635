"""What the stack is made of: processes that end when they are told to, and a broker that leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import redis

from demo import broker
from demo.processes import StackError, free_port, start
from demo.stack import InterruptedByUserError, Stack
from tests.processes import is_running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("child", os.fork(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack in which nothing runs yet."""
    with ExitStack() as ends:
        yield Stack(folder=tmp_path, ends=ends, is_ended=threading.Event(), env=dict(os.environ))


def test_a_process_that_does_not_want_to_end_is_killed_with_its_children(tmp_path: Path) -> None:
    """SIGTERM first; whoever ignores it goes by SIGKILL, the whole group."""
    child = start("stubborn", [sys.executable, "-c", STUBBORN], env=os.environ, log=tmp_path / "log")
    until(lambda: len(child.tail().split()) == 4, why="both processes have said their ids")
    grandchild = max(int(line.split()[1]) for line in child.tail().splitlines())

    child.stop(patience_seconds=0.1)

    assert child.process.returncode == -signal.SIGKILL
    until(lambda: not is_running(grandchild), why="the child of the child is gone")


def test_a_program_that_is_not_there_is_named() -> None:
    """The error says what could not be started."""
    with pytest.raises(StackError, match="ghost can't be started: /nowhere/ghost"):
        start("ghost", ["/nowhere/ghost"], env=os.environ)


def test_a_process_that_ends_too_early_ends_the_stack_with_its_last_words(stack: Stack) -> None:
    """The reason is in its log, so the end of the log is in the error."""
    child = stack.launch("worker", sys.executable, "-c", "raise SystemExit('no settings')")
    child.process.wait(10)

    with pytest.raises(StackError, match=r"the worker ended with 1.*(?s:.*)no settings"):
        stack.watch()


def test_a_command_that_fails_shows_what_it_said(stack: Stack) -> None:
    """Such as a migration that can't be applied."""
    with pytest.raises(StackError, match=r"manage.py no_such_command failed:(?s:.*)Unknown command"):
        stack.manage("no_such_command")


def test_whoever_wants_the_end_gets_it_while_a_command_runs(stack: Stack) -> None:
    """The command is ended too."""
    stack.is_ended.set()

    with pytest.raises(InterruptedByUserError):
        stack.run("long", sys.executable, "-c", "import time; time.sleep(60)")


def test_the_broker_wants_its_password_and_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else on the machine may queue tasks."""
    monkeypatch.delenv("REDIS_URL", raising=False)

    with broker.running(tmp_path) as own:
        port = int(own.url.rpartition(":")[2].removesuffix("/0"))
        with redis.Redis.from_url(own.url) as client:
            assert client.ping()
        with socket.create_connection(("127.0.0.1", port), 1) as stranger:
            stranger.sendall(b"PING\r\n")
            assert stranger.recv(64).startswith(b"-NOAUTH")

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_shared_redis_keeps_what_others_keep_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack's keys carry a prefix of their own, and go at the end."""
    monkeypatch.delenv("REDIS_URL", raising=False)

    with broker.running(tmp_path) as other, redis.Redis.from_url(other.url) as client:
        client.set("theirs", "1")
        monkeypatch.setenv("REDIS_URL", other.url)
        with broker.running(tmp_path) as shared:
            client.set(f"{shared.key_prefix}queue", "1")

        assert client.keys("*") == [b"theirs"]


def test_the_preferred_port_is_taken_when_it_is_free() -> None:
    """Else another one."""
    preferred = free_port()

    assert free_port(preferred=preferred) == preferred
