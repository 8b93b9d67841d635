"""The tutorial, followed to the letter: its files written, its commands run, its output compared.

Left out are only the lines that install (the package under test is here already), and those that wait for a person.
What differs from run to run (times) is compared as "#".
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.documents import DOCS, Block, blocks
from tests.processes import end, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.brokers import Broker

BROKER = "redis://localhost:6379/0"
LEFT_OUT = (
    "pip install",
    "python3 -m venv",
    "mkdir shop",
    "python manage.py createsuperuser",
    "python manage.py runserver",
)


class Reader:
    """Somebody who follows the page: one directory, one worker at a time."""

    def __init__(self, directory: Path, broker_url: str) -> None:
        """Begin in an empty directory."""
        self.directory = directory
        self.broker_url = broker_url
        self.worker: subprocess.Popen[bytes] | None = None
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("DJANGO", "PYTHON", "ISSUE"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        self.environment = {**kept, "PATH": path, "COLUMNS": "200"}

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        if block.language == "python":
            self.write(block)
        elif block.language == "console":
            for command, output in commands(block.text):
                if not command.startswith(LEFT_OUT):
                    self.type(command, output, block)

    def write(self, block: Block) -> None:
        """Write a file, or add to its end."""
        name, _, place = block.title.partition(", ")
        path = self.directory / name
        before = f"{path.read_text()}\n\n" if place == "at the end" else ""
        path.write_text(before + block.text.replace(BROKER, self.broker_url))

    def type(self, command: str, output: list[str], block: Block) -> None:
        """Run a command and wait for the page's output, which may take its time; a worker stays."""
        if command.startswith("celery"):
            self.restart(command)
        elif not output:
            self.run(command)
        else:
            self.run_until(command, output, block)

    def run_until(self, command: str, output: list[str], block: Block) -> None:
        """Run a command again until it prints what the page shows; fail with what it printed instead."""
        printed: list[str] = []

        def probe() -> bool:
            printed[:] = shape(self.run(command).splitlines())
            return printed[: len(output)] == shape(output)

        try:
            until(probe, why=f"{block} shows the output of: {command}", timeout_seconds=30, every_seconds=0.5)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *printed])) from None

    def run(self, command: str) -> str:
        """Run a command as typed; it must not fail."""
        shell = ["/bin/sh", "-c", command]
        done = subprocess.run(
            shell, cwd=self.directory, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    def restart(self, command: str) -> None:
        """Stop the worker, as Ctrl-C does, and start it anew."""
        self.stop()
        with (self.directory / "worker.log").open("wb") as log:
            words = [*command.split(), "--concurrency", "1"]
            self.worker = subprocess.Popen(words, cwd=self.directory, env=self.environment, stdout=log, stderr=log)
        path = self.directory / "worker.log"
        until(lambda: "ready." in path.read_text(), why=f"the worker is ready: {path.read_text()}")

    def stop(self) -> None:
        """Stop the worker."""
        if self.worker is not None:
            assert end(self.worker) == 0
            self.worker = None


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block with the output below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *output = part.splitlines()
        yield command, [line for line in output if line.strip()]


def shape(lines: list[str]) -> list[str]:
    """Return the lines without what differs from run to run: times, and how far columns stand apart."""
    shaped = [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "#", " ".join(line.split())) for line in lines]
    return [line for line in shaped if line]


@pytest.fixture
def reader(tmp_path: Path, broker: Broker) -> Iterator[Reader]:
    """A reader with a broker; whatever is left running or in the default spool is taken away."""
    found = Reader(tmp_path, broker.url)
    yield found
    try:
        found.stop()
    finally:
        spool = json.loads(found.run("python manage.py issues stats --format json"))["spool"]["directory"]
        shutil.rmtree(spool)


def test_the_tutorial_works_as_written(reader: Reader) -> None:
    """Each block in turn, from an empty directory to a resolved issue."""
    for block in blocks(DOCS / "tutorial.md"):
        reader.follow(block)
