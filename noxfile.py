"""`make versions`: the tests on every Python of this machine and every Django it takes. What follows `--` goes on."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False

DJANGO_6_NEEDS = ("3.12", "3.13", "3.14")


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
@nox.parametrize("django", ["5.2", "6.0", "6.1"])
def tests(session: nox.Session, django: str) -> None:
    """Run all legs with one Python and one Django."""
    if django.startswith("6.") and session.python not in DJANGO_6_NEEDS:
        session.skip(f"Django {django} needs Python 3.12")
    session.install("--editable", ".[test]", f"Django~={django}.0")
    session.run("python", "-m", "tests", *session.posargs)


@nox.session
def oldest(session: nox.Session) -> None:
    """Run all legs with the oldest Celery and Django that pyproject.toml allows."""
    session.install("--editable", ".[test]", "Django==5.2", "celery[redis]==5.5.0", "Pygments==2.18")
    session.run("python", "-m", "tests", *session.posargs)
