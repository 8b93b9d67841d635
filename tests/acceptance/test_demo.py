"""The commands behind `make demo` and `make up`, as a stranger runs them: what they print, and that nothing is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.processes import ROOT, end, processes_with, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Launch = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the stack keeps its files."""
    return tmp_path / "demo"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """What the command prints."""
    return tmp_path / "output"


@pytest.fixture
def launch(folder: Path, output: Path) -> Iterator[Launch]:
    """Start a command of the stack; whatever it is, it is ended after the test."""
    started = []

    def start(command: str, **env: str) -> subprocess.Popen[bytes]:
        inherited = {key: value for key, value in os.environ.items() if key not in ("REDIS_URL", "DATABASE_URL")}
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "demo.stack", command],
                cwd=ROOT,
                env={**inherited, "DEMO_FOLDER": str(folder), **env},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        end(process, timeout_seconds=60)


def running(folder: Path) -> list[int]:
    """Return the processes of a stack that still run."""
    return processes_with(f"DEMO_FOLDER={folder}")


def test_demo_prints_every_issue_and_leaves_nothing_running(launch: Launch, folder: Path, output: Path) -> None:
    """Exit code 0, a table with every way to die and what became of it, the totals, and what opens the admin."""
    process = launch("demo")

    assert process.wait(120) == 0, output.read_text()
    text = output.read_text()
    assert "expectations are met" in text
    for kind in ("failure", "retry", "soft_time_limit", "time_limit", "worker_lost", "report"):
        assert f"  {kind}  " in text
    ends = {"retry_then_success": "recovered", "plain_exception": "open, returned", "outage": "requeued"}
    for task, became in {**ends, "save_showtimes_for_theater": "cleared"}.items():
        assert re.search(rf"  {task} .*  {became}  ", text), f"{task} is not shown as {became}"
    assert re.search(r"\d+ issues \(\d+ error, \d+ warning, \d+ info\), \d+ occurrences", text)
    assert "make up" in text
    assert running(folder) == []


def test_up_opens_the_admin_until_it_is_ended(launch: Launch, folder: Path, output: Path) -> None:
    """The printed user and password open the list of issues, under the strict policy; SIGTERM ends everything."""
    process = launch("up")
    login = re.compile(r"(http://\S+)\s+user (\S+)\s+password (\S+)")
    until(
        lambda: login.search(output.read_text()) or process.poll() is not None,
        why="address, user and password are printed",
        timeout_seconds=90,
    )
    found = login.search(output.read_text())
    assert found, output.read_text()
    address, user, password = found.groups()

    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        client.get(f"{address}login/")
        form = {"username": user, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        client.post(f"{address}login/", data=form)
        page = client.get(f"{address}issue_tracker/operationalissue/")
    process.send_signal(signal.SIGTERM)

    assert page.status_code == 200
    assert "Log out" in page.text
    assert page.headers["Content-Security-Policy"] == "default-src 'self'"
    assert process.wait(60) == 0
    assert running(folder) == []


@pytest.mark.parametrize("awaited", ["Starting: broker", "database", "worker"])
def test_an_end_while_it_starts_leaves_nothing_running(
    launch: Launch, folder: Path, output: Path, awaited: str
) -> None:
    """Ctrl-C at any moment of the start."""
    process = launch("demo")
    until(lambda: awaited in output.read_text(), why=f"{awaited} is printed", timeout_seconds=60)

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    assert running(folder) == []


def test_a_second_run_in_the_same_folder_is_refused(launch: Launch, output: Path) -> None:
    """It would empty the folder of the first."""
    first = launch("demo")
    until(lambda: "database" in output.read_text(), why="the first one runs", timeout_seconds=60)

    second = launch("demo")

    assert second.wait(60) == 1
    assert "runs already" in output.read_text()
    assert first.poll() is None


def test_a_broker_that_does_not_answer_is_named(launch: Launch, folder: Path, output: Path) -> None:
    """Exit code 1 and a reason that holds the address and not the password."""
    process = launch("demo", REDIS_URL="redis://:hush-hush@127.0.0.1:1/0")

    assert process.wait(60) == 1
    assert "REDIS_URL names no Redis that answers at 127.0.0.1:1" in output.read_text()
    assert "hush-hush" not in output.read_text()
    assert running(folder) == []
