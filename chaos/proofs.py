"""Promises that no fault of the machine can break are held by tests: they are run, and count as one finding each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from tests.processes import ROOT

from .finding import Finding

if TYPE_CHECKING:
    from .promises import Promise


def proved(promise: Promise) -> Finding:
    """Run the tests of a promise in a process of their own; those of real workers are left to `make test`."""
    chosen = [name for name in promise.tests if "acceptance" not in name]
    finding = Finding(promises=(promise.number,), title=promise.words)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
            *chosen,
        ]
        done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
        _read(finding, report)
    finding.require(done.returncode == 0, f"pytest ended with {done.returncode}: {_last_line(done.stdout)}")
    finding.seconds = time.monotonic() - began
    return finding


def _environment() -> dict[str, str]:
    """Return the environment without what makes this process a host of its own: tests choose their database."""
    return {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "SPOOL_DIR"}}


def _read(finding: Finding, report: Path) -> None:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():  # noqa: S314  of our own pytest
        is_bad = case.find("failure") is not None or case.find("error") is not None
        counts["failed" if is_bad else "skipped" if case.find("skipped") is not None else "passed"] += 1
        if is_bad:
            finding.broken.append(f"{case.get('classname')}::{case.get('name')}")
    finding.figures["tests"] = ", ".join(f"{number} {word}" for word, number in counts.items() if number)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
