"""What is the project's own: told by path, and by name for a project that is installed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import celery
import django
import pytest

import issue_tracker
from issue_tracker.tracebacks.own_code import is_own_code, module_of, own_packages

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

PACKAGES = "/opt/venv/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    "filename",
    [
        __file__,
        "/srv/app/cinema/tasks.py",
        "/srv/django/celery/tasks.py",
        "/opt/venv/src/cinema/cinema/tasks.py",
        "C:\\srv\\cinema\\tasks.py",
        "cinema/tasks.py",
    ],
)
def test_the_projects_files_are_own(filename: str) -> None:
    """A checkout is own wherever it lies: beside an environment, or in one by an editable install."""
    assert is_own_code(filename)


@pytest.mark.parametrize(
    "filename",
    [
        f"{PACKAGES}/requests/api.py",
        "/usr/lib/python3/dist-packages/yaml/loader.py",
        "C:\\venv\\Lib\\site-packages\\requests\\api.py",
        "/srv/app/__pypackages__/3.12/lib/requests/api.py",
        "/srv/eggs/requests-2.0-py3.12.egg/requests/api.py",
        json.__file__,
        os.path.realpath(json.__file__),
        celery.__file__,
        django.__file__,
        issue_tracker.__file__,
        "<frozen importlib._bootstrap>",
        "<string>",
        "...",
        "src/lxml/etree.pyx",
        "",
    ],
)
def test_libraries_are_not_own(filename: str) -> None:
    """Python's library, what is installed, this app itself, and code without a file."""
    assert not is_own_code(filename)


def test_a_library_that_is_checked_out_is_not_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery from a clone is Celery still."""
    monkeypatch.setattr(celery, "__file__", str(tmp_path / "celery/celery/__init__.py"))
    is_own_code.cache_clear()

    assert not is_own_code(str(tmp_path / "celery/celery/app/trace.py"))
    assert is_own_code(str(tmp_path / "cinema/tasks.py"))


def test_packages_named_by_the_settings_are_own_where_they_are_installed(settings: SettingsWrapper) -> None:
    """OWN_PACKAGES is for what a company installs of its own."""
    assert not is_own_code(f"{PACKAGES}/inhouse/http.py")

    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "OWN_PACKAGES": ["inhouse.http", "single"]}

    assert is_own_code(f"{PACKAGES}/inhouse/http.py")
    assert is_own_code(f"{PACKAGES}/single.py")
    assert not is_own_code(f"{PACKAGES}/inhouse_other/http.py")


@pytest.fixture
def installed_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: SettingsWrapper) -> Path:
    """A project and its settings, installed like `pip install .` does it, beside a library."""
    root = tmp_path / "site-packages"
    for name in ("installed_cinema", "installed_accounts", "library"):
        (root / name).mkdir(parents=True)
        (root / name / "__init__.py").touch()
    for dist, packages in (("cinema-1", ("installed_cinema", "installed_accounts")), ("library-1", ("library",))):
        (root / f"{dist}.dist-info").mkdir()
        lines = [f"{package}/__init__.py,sha256=x,0" for package in packages] + [f"{dist}.dist-info/RECORD,,"]
        (root / f"{dist}.dist-info" / "RECORD").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(root)
    __import__("installed_cinema")
    settings.ROOT_URLCONF = "installed_cinema.urls"
    yield root
    del sys.modules["installed_cinema"]


def test_an_installed_project_is_own_with_what_came_along(installed_project: Path) -> None:
    """In an image the project itself is in site-packages: its settings tell it from the libraries there."""
    assert own_packages() >= {"installed_cinema", "installed_accounts"}

    assert is_own_code(str(installed_project / "installed_cinema" / "tasks.py"))
    assert is_own_code(str(installed_project / "installed_accounts" / "models.py"))
    assert not is_own_code(str(installed_project / "library" / "api.py"))


def test_django_is_never_own(settings: SettingsWrapper) -> None:
    """Settings may name what is Django's."""
    settings.ROOT_URLCONF = "django.conf.urls"

    assert "django" not in own_packages()


def test_a_path_becomes_the_module_that_was_loaded_from_it() -> None:
    """The same name as a live frame gives, where the process knows it."""
    assert module_of(__file__) == __name__
    assert module_of(json.__file__) == "json"


def test_a_path_that_nobody_loaded_becomes_its_last_parts() -> None:
    """Another host's paths are read, too."""
    assert module_of("/srv/app/cinema/tasks.py") == "app.cinema.tasks"
    assert module_of("/srv/app/cinema/__init__.py") == "srv.app.cinema"
    assert module_of("tasks.py") == "tasks"


def test_names_are_found_without_a_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may outlive the release it was started in."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setattr(sys, "path", ["", 5, b"x", *sys.path])
    gone.rmdir()
    module_of.cache_clear()

    assert module_of(__file__) == __name__
