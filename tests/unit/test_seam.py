"""The seam: what captures a failure works while the database, and the ORM with it, is the thing that is down.

Proved twice: by running each module in a process that refuses to import `django.db`, and by reading every import.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import issue_tracker
from tests.processes import ROOT

PACKAGE = Path(issue_tracker.__file__).parent

LEFT = {
    "event", "conf", "serializer", "scrubber", "fingerprint", "tracebacks", "context", "guard", "private_files",
    "recording", "reserve", "spool", "inflight", "runs", "capture", "reporting",
}  # fmt: skip
"""The modules left of the seam. One that is in neither set fails a test: a new module has to take a side."""

RIGHT = {
    "models", "lifecycle", "drain", "drainer", "folding", "statements", "vanished", "inline", "admin", "charts",
    "checks", "apps", "requeue", "retention", "recurrence", "notify", "signals", "tasks", "management", "migrations",
    "templatetags",
}  # fmt: skip
"""The modules and packages right of it."""

REFUSING = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "django.db" or name.startswith("django.db."):
            raise ImportError(f"{name} is right of the seam")

sys.meta_path.insert(0, Refuse())
from django.conf import settings
settings.configure(ISSUE_TRACKER={"SPOOL_DIR": sys.argv[1]}, DATABASES={"default": {"ENGINE": "x", "NAME": "x"}})
"""


def modules() -> set[str]:
    """Return the names of the package's modules and packages."""
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def imports_of(name: str) -> set[str]:
    """Return the full names of all that a module or package imports, at whatever depth of its text, types apart."""
    single = PACKAGE / f"{name}.py"
    files = [single] if single.is_file() else (PACKAGE / name).rglob("*.py")
    return {full for file in files for node in _nodes(ast.parse(file.read_text())) for full in _names_in(node, file)}


def _names_in(node: ast.AST, file: Path) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    package = file.relative_to(PACKAGE.parent).parts[: -node.level] if node.level else ()
    base = ".".join([*package, *filter(None, [node.module])])
    return {base} | {f"{base}.{alias.name}" for alias in node.names}


def _nodes(tree: ast.AST) -> list[ast.AST]:
    """Return all nodes but those below `if TYPE_CHECKING:`, which never run."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        return [node for child in tree.orelse for node in _nodes(child)]
    return [tree, *(node for child in ast.iter_child_nodes(tree) for node in _nodes(child))]


def run_refusing(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process in which `django.db` can't be imported."""
    command = [sys.executable, "-c", REFUSING + code, str(directory)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_every_module_has_taken_a_side() -> None:
    """A module that no one placed could carry an import across unseen."""
    assert modules() - LEFT - RIGHT == set()


@pytest.mark.parametrize("name", sorted(LEFT & modules()))
def test_left_of_the_seam_runs_without_the_orm(name: str, tmp_path: Path) -> None:
    """Importing a module left of the seam imports no `django.db`, by whatever way."""
    code = f"import issue_tracker.{name}\nassert not [m for m in sys.modules if m.startswith('django.db')]"

    done = run_refusing(code, tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(LEFT & modules()))
def test_left_of_the_seam_names_nothing_right_of_it(name: str) -> None:
    """No import, at the top or inside a function, crosses the seam or reaches for the ORM."""
    found = imports_of(name)

    crossed = {f"issue_tracker.{right}" for right in RIGHT}
    assert not {full for full in found if full in crossed or full.startswith("django.db") or full == "django.apps"}


@pytest.mark.parametrize("name", sorted(RIGHT & modules() - {"drainer"}))
def test_right_of_the_seam_connects_no_signal_of_celery(name: str) -> None:
    """What reads from the spool takes nothing from Celery's signals; the drainer hears only that a worker starts."""
    found = imports_of(name)

    assert not {full for full in found if full.startswith("celery.signals")}


def test_a_report_reaches_the_spool_without_the_orm(tmp_path: Path) -> None:
    """The whole left side runs, from the public call to the file, while `django.db` can't be imported."""
    code = """
import issue_tracker
issue_tracker.report("No showtimes found", task="t", error_message="none", context={"theater_id": 5})
assert not [m for m in sys.modules if m.startswith("django.db")]
"""

    done = run_refusing(code, tmp_path / "spool")

    assert done.returncode == 0, done.stderr
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file() and b"theater_id" in path.read_bytes()]
