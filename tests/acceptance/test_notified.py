"""A failing task of a real worker, told to a chat service: whatever the pool, and with the worker killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import workers
from tests.channels import Channels
from tests.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.brokers import Broker

PATIENCE_SECONDS = 60.0
"""How long a message may take on a machine that is busy with something else."""


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Channels]:
    """A chat service."""
    found = Channels(tmp_path)
    with found.served():
        yield found


def host_telling(chat: Channels, broker: Broker, database_url: str, directory: Path) -> workers.Host:
    """A node whose issues are told to the chat service."""
    told = {"NOTIFY": [{"to": chat.url("ok")}], "BASE_URL": "https://example.com"}
    return workers.Host(directory=directory, broker_url=broker.url, database_url=database_url, issue_tracker=told)


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads", "gevent", "eventlet"])
def test_a_failure_is_told(chat: Channels, broker: Broker, live_sqlite: str, tmp_path: Path, pool: str) -> None:
    """Once, however often it fails, with the way to the issue."""
    host = host_telling(chat, broker, live_sqlite, tmp_path)
    with workers.running(host, pool=pool):
        for page in range(5):
            host.send("fail", f"page {page}")
        until(chat.told, why="the message arrived", timeout_seconds=PATIENCE_SECONDS)

    [told] = chat.told()
    assert told["title"] == "New: UpstreamError in tests.project.tasks.fail"
    assert told["message"].startswith("Message: page ")
    assert told["message"].endswith("https://example.com/admin/issue_tracker/operationalissue/1/change/")


def test_the_end_of_a_worker_is_told(chat: Channels, broker: Broker, live_sqlite: str, tmp_path: Path) -> None:
    """Killed in the middle of a task: what it leaves behind says so, and then is gone."""
    host = host_telling(chat, broker, live_sqlite, tmp_path)
    begun = tmp_path / "begun"
    with workers.running(host) as worker:
        host.send("wait", 60, str(begun))
        until(begun.exists, why="the task runs", timeout_seconds=PATIENCE_SECONDS)

        worker.process.kill()

        until(chat.told, why="the message arrived", timeout_seconds=PATIENCE_SECONDS)
    assert chat.told()[0]["title"].endswith(" in tests.project.tasks.wait")
