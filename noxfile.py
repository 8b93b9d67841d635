"""`make versions`: the unit and integration tests on every Python of this machine, with each Django and Celery.

`make versions ARGS="--session versions-3.12 -- --django 6.1 --celery 5.7 --database postgresql"` plays a part of it,
`make versions ARGS="--session table"` puts what was played into docs/versions.md. A Python has one environment, into
which one Django and one Celery after the other are installed: making 21 environments would take longer than the tests.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["versions", "table"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
DJANGOS = ["5.2", "6.0", "6.1"]
CELERIES = ["5.5", "5.6", "5.7"]
DATABASES = ["sqlite", "postgresql", "mariadb"]
OLDEST_PYTHON = {"6.0": "3.12", "6.1": "3.12"}
"""Of a Django; any of ours where it is not named."""
PLAYED = Path(".nox") / "played"
"""Where each run leaves its outcome, for the table."""
SIDE_BY_SIDE = [f"--numprocesses={2 * (os.cpu_count() or 1)}", "--dist=loadfile"]
"""As `python -m tests` does: most tests wait."""
FAILED = 1
"""pytest's exit code when tests failed: an outcome, and no end of the session."""

VERSIONS = """
import celery, django, json, platform
print(json.dumps([platform.python_version(), django.__version__, celery.__version__]))
"""


@nox.session(python=PYTHONS)
def versions(session: nox.Session) -> None:
    """Play the tests with one Python and each Django and Celery that it takes."""
    chosen = _chosen(session.posargs)
    session.install("--editable", ".[test]")
    if "mariadb" in chosen.database:
        session.install("--editable", ".[test,mariadb]")
    failed = []
    for django in chosen.django:
        if _order(str(session.python)) < _order(OLDEST_PYTHON.get(django, "3.11")):
            continue
        for celery in chosen.celery:
            session.install(f"Django~={django}.0", f"celery[redis]~={celery}.0")
            failed += [name for name in chosen.database if not _play(session, django, celery, name)]
    if failed:
        session.error(f"tests failed on {', '.join(sorted(set(failed)))}; the lines above say which")


@nox.session
def oldest(session: nox.Session) -> None:
    """Play all legs with the oldest Celery, Django and Pygments that pyproject.toml allows."""
    session.install("--editable", ".[test]", "Django==5.2", "celery[redis]==5.5.0", "Pygments==2.18")
    session.run("python", "-m", "tests", *session.posargs)


@nox.session
def table(session: nox.Session) -> None:
    """Put what was played into docs/versions.md."""
    session.run("python", "-m", "tests.versions", external=True)


def _chosen(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox --session versions --")
    parser.add_argument("--django", nargs="+", choices=DJANGOS, default=DJANGOS)
    parser.add_argument("--celery", nargs="+", choices=CELERIES, default=CELERIES)
    parser.add_argument("--database", nargs="+", choices=DATABASES, default=["sqlite"])
    return parser.parse_args(arguments)


def _play(session: nox.Session, django: str, celery: str, database: str) -> bool:
    """Run the tests and note their outcome; returns whether all passed."""
    PLAYED.mkdir(parents=True, exist_ok=True)
    name = f"{session.python}-{django}-{celery}-{database}"
    directories = ["tests/unit", "tests/integration"] if database == "sqlite" else ["tests/integration"]
    session.run(
        "python", "-m", "pytest", "--quiet", f"--junitxml={PLAYED / name}.xml", *SIDE_BY_SIDE, *directories,
        env={"TEST_DATABASE": database}, success_codes=[0, FAILED],
    )  # fmt: skip
    found = session.run("python", "-c", VERSIONS, silent=True)
    (PLAYED / f"{name}.json").write_text(json.dumps({"versions": json.loads(str(found)), "database": database}))
    return 'failures="0"' in (text := (PLAYED / f"{name}.xml").read_text()) and 'errors="0"' in text


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
