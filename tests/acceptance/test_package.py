"""What users install: the wheel holds the package and nothing else, and works where nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.processes import ROOT

TRACKED_SUFFIXES = {".py", ".html", ".txt", ".css", ".js", ".svg", ".mo", ".po", ".typed", ".md", ".json"}

FIRST_STEPS = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "issue_tracker"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ISSUE_TRACKER={"SPOOL_DIR": "spool"},
)
django.setup()
from django.core.management import call_command
call_command("check", fail_level="WARNING")
call_command("migrate", verbosity=0)
from issue_tracker.models import OperationalIssue
OperationalIssue.objects.create(
    name="TMDB API Timeout",
    task="colombia_com_download_task",
    error_message="Connection timed out after 30 seconds",
    traceback="Traceback (most recent call last):\\n  ...",
    context={"movie_name": "Avatar", "theater_id": 5},
    severity="error",
)
assert OperationalIssue.objects.count() == 1
print(__import__("issue_tracker").__file__)
"""
"""The install of the README and the example of the seed, without the admin and without any other setting."""

THE_ADMIN = """
import django
from django.conf import settings
apps = ["admin", "auth", "contenttypes", "messages", "sessions", "staticfiles"]
processors = ["template.context_processors.request", "contrib.auth.context_processors.auth",
              "contrib.messages.context_processors.messages"]
settings.configure(
    SECRET_KEY="only-for-tests", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, STATIC_URL="static/", LANGUAGE_CODE="es",
    INSTALLED_APPS=[*(f"django.contrib.{app}" for app in apps), "issue_tracker"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                "OPTIONS": {"context_processors": [f"django.{name}" for name in processors]}}],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    ISSUE_TRACKER={"SPOOL_DIR": "spool"},
)
django.setup()
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from django.urls import path
urlpatterns = [path("admin/", admin.site.urls)]
call_command("migrate", verbosity=0)
import issue_tracker
issue_tracker.report("No showtimes found", task="save_showtimes", context={"theater_id": 5})
client = Client()
client.force_login(User.objects.create_superuser("ana"))
for page in ("", "1/change/", "overview/", "1/requeue/"):
    answer = client.get(f"/admin/issue_tracker/operationalissue/{page}")
    assert answer.status_code == 200, (page, answer.status_code)
    assert "No showtimes found" in answer.content.decode() or page == "1/requeue/", page
assert "Abiertas" in client.get("/admin/issue_tracker/operationalissue/").content.decode(), "no Spanish"
assert finders.find("issue_tracker/admin.css") and finders.find("issue_tracker/admin.js")
call_command("issues", "list")
"""
"""What reaches the user only when it is in the package: templates, static files, translations, the command."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds the sdist and the wheel made from it, as a release would."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(directory), cwd=ROOT)
    return directory


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    return next(built.glob("django_issue_tracker-*.whl"))


def run(*command: str, cwd: Path) -> str:
    """Run a command in a clean environment of variables and return what it printed; fail with its errors."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DJANGO"))}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """No tests, no demo, no benchmarks reach the users."""
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.partition("/")[0] for name in names} == {
        "issue_tracker",
        wheel.name.partition("-py3")[0] + ".dist-info",
    }


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    """Templates, static files, migrations, translations and the typing marker are in it."""
    package = ROOT / "issue_tracker"
    kept = {path for path in package.rglob("*") if path.suffix in TRACKED_SUFFIXES or path.name == "py.typed"}

    names = set(zipfile.ZipFile(wheel).namelist())

    assert {str(path.relative_to(ROOT)) for path in kept} <= names
    assert {"issue_tracker/py.typed", "issue_tracker/migrations/0001_initial.py"} <= names
    for folder in ("templates", "static", "locale"):
        assert any(name.startswith(f"issue_tracker/{folder}/") for name in names), f"no {folder}"


def test_the_sdist_holds_the_whole_repository(built: Path) -> None:
    """Whoever repackages it can run the tests."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = sdist.getnames()

    tops = {Path(name).parts[1] for name in names if len(Path(name).parts) > 1}
    assert {"issue_tracker", "tests", "demo", "Makefile", "README.md", "LICENSE", "pyproject.toml"} <= tops
    assert ".venv" not in tops


def test_the_metadata_say_what_is_needed(wheel: Path) -> None:
    """Three run-time dependencies without upper caps, the Python, the licence, the pytest plugin."""
    with zipfile.ZipFile(wheel) as archive:
        info = next(name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
        points = archive.read(f"{info}/entry_points.txt").decode()
        assert f"{info}/licenses/LICENSE" in archive.namelist()

    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(needed) == ["celery[redis]>=5.5", "django>=5.2", "pygments>=2.18"]
    assert (metadata["Requires-Python"], metadata["License-Expression"]) == (">=3.11", "MIT")
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "issue_tracker = issue_tracker.pytest_plugin" in points


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"], ids=["wheel", "sdist"])
def test_it_works_in_a_clean_environment(built: Path, tmp_path: Path, kind: str) -> None:
    """With its run-time dependencies alone it passes the checks, migrates, takes the seed's example, shows a report."""
    run(sys.executable, "-m", "venv", "clean", cwd=tmp_path)
    python = str(tmp_path / "clean" / "bin" / "python")
    archive = str(next(built.glob(kind)))
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", archive, cwd=tmp_path)

    run(python, "-m", "pip", "check", "--disable-pip-version-check", cwd=tmp_path)
    printed = run(python, "-W", "error", "-c", FIRST_STEPS, cwd=tmp_path)
    listed = run(python, "-W", "error", "-c", THE_ADMIN, cwd=tmp_path)

    assert str(tmp_path / "clean") in printed
    assert "save_showtimes" in listed
