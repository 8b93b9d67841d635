"""The stack of docker-compose.yml, as a stranger starts it: healthy, without root, and a failing task becomes a row."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.processes import ROOT, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

APP_USER = "10001"
LONG_RUNNING = {"postgres", "redis", "upstream", "web", "worker", "beat"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One project of compose."""

    name: str
    environment: dict[str, str]

    def compose(self, *arguments: str, timeout_seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """Run compose, the plugin or the older program, whichever this machine has."""
        command = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        return subprocess.run(
            [*command, "--project-name", self.name, *arguments],
            cwd=ROOT,
            env={**os.environ, "DOCKER_BUILDKIT": "0", "COMPOSE_DOCKER_CLI_BUILD": "0", **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )

    def python(self, code: str) -> str:
        """Run code in the web container, with Django set up, and return what it printed."""
        done = self.compose("exec", "-T", "web", "python", "manage.py", "shell", "--verbosity", "0", "--command", code)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def health(self) -> dict[str, str]:
        """Return the health of each service that has started and not ended."""
        listed = docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={self.name}").split()
        states = json.loads(docker("inspect", *listed)) if listed else []
        return {
            state["Config"]["Labels"]["com.docker.compose.service"]: state["State"].get("Health", {}).get("Status", "")
            for state in states
        }


def docker(*arguments: str) -> str:
    """Run docker and return what it printed."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack, healthy; gone with its volumes afterwards."""
    chosen = {"SECRET_KEY": secrets.token_hex(), "POSTGRES_PASSWORD": secrets.token_hex(), "WEB_PORT": str(free_port())}
    stack = Stack(name=f"issuetracker{os.getpid()}", environment=chosen)
    try:
        started = stack.compose("up", "--build", "--detach")
        assert started.returncode == 0, started.stdout + started.stderr
        wanted = dict.fromkeys(LONG_RUNNING, "healthy")
        until(lambda: stack.health() == wanted, why="every service is healthy", timeout_seconds=180, every_seconds=1)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans")


def test_nothing_of_ours_runs_as_root(stack: Stack) -> None:
    """Every service of our image has the unprivileged user of the Dockerfile, and the spool is its own."""
    users = {name: stack.compose("exec", "-T", name, "id", "-u").stdout.strip() for name in ("web", "worker", "beat")}

    spool = stack.compose(
        "exec", "-T", "worker", "stat", "--format", "%u %a", "/var/spool/issue-tracker"
    ).stdout.strip()
    assert set(users.values()) == {APP_USER}
    assert spool == f"{APP_USER} 700"


def test_a_failing_task_becomes_a_row(stack: Stack) -> None:
    """Sent by the web container, it fails in the worker's, and the web container reads it out of PostgreSQL."""
    sending = "from demo.cinema.failing import plain_exception; print(plain_exception.delay(1, 2, 0).id)"

    task_id = stack.python(sending).splitlines()[-1]

    count = (
        f"from issue_tracker.models import Occurrence; print(Occurrence.objects.filter(task_id='{task_id}').count())"
    )
    until(lambda: stack.python(count).endswith("1"), why="the failure is a row", timeout_seconds=60, every_seconds=1)


def test_the_secrets_come_from_outside() -> None:
    """Without them nothing starts, and the message says how to make them."""
    without = Stack(name="issuetracker", environment={"SECRET_KEY": "", "POSTGRES_PASSWORD": ""})

    refused = without.compose("config", "--quiet")

    assert refused.returncode != 0
    assert "docker-compose.yml" in refused.stderr
