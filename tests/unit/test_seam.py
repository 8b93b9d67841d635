"""The seam: what captures a failure works while the database, and the ORM with it, is the thing that is down.

Proved twice: by running each module in a process that refuses to import `django.db`, and by reading every import.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import issue_tracker
from tests.processes import ROOT

PACKAGE = Path(issue_tracker.__file__).parent

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

NOTHING_OF_THE_ORM = "\nassert not [name for name in sys.modules if f'{name}.'.startswith('django.db.')]"


DJANGOS_ROOMS = {"admin", "management", "migrations", "templatetags"}
"""Right of the seam by what they are."""


def side_of(path: Path) -> str:
    """Return "left" or "right", as the module's docstring says it; "" when it does not."""
    said = re.search(r"\b(left|right) of the seam", ast.get_docstring(ast.parse(path.read_text())) or "", re.IGNORECASE)
    return said[1].lower() if said else ""


def name_of(path: Path) -> str:
    """Return the dotted name of a file below the package: "spool.store", "spool" for its door, "conf"."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


SIDES = {
    name_of(path): side_of(path)
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py" and path.relative_to(PACKAGE).parts[0] not in DJANGOS_ROOMS
}
"""Each module, and the side that it has taken. One that says nothing stands where it is imported."""

WIRES_BOTH = {"apps"}
RIGHT = sorted({name for name, side in SIDES.items() if side == "right"} | DJANGOS_ROOMS)


def reached_from(names: set[str]) -> set[str]:
    """Return these modules and all of the package that they import, by whatever way."""
    found, waiting = set(names), list(names)
    while waiting:
        new = modules_in(imports_of(waiting.pop())) - found
        found |= new
        waiting.extend(new)
    return found


def modules_in(imported: set[str]) -> set[str]:
    """Return the modules of the package among these full names, with the doors that importing them goes through."""
    known = SIDES.keys() | DJANGOS_ROOMS
    parts = [full.split(".")[1:] for full in imported if full.startswith("issue_tracker.")]
    return {".".join(part[:depth]) for part in parts for depth in (1, 2)} & known


def imports_of(name: str) -> set[str]:
    """Return the full names of all that a module, or one of Django's rooms, imports, at whatever depth of its text."""
    path = PACKAGE.joinpath(*name.split("."))
    if name in DJANGOS_ROOMS:
        files = list(path.rglob("*.py"))
    else:
        files = [path / "__init__.py" if path.is_dir() else path.with_suffix(".py")]
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


LEFT = sorted(reached_from({name for name, side in SIDES.items() if side == "left"}))


def test_the_seam_has_two_sides() -> None:
    """The sides are read from the docstrings: were they worded otherwise, the tests below would test nothing."""
    assert {"capture.receivers", "event", "reporting", "serializer.walk", "spool.store", "inflight.slots"} <= set(LEFT)
    assert {"drain.batches", "drain.drainer", "models", "admin"} <= set(RIGHT)


def test_left_of_the_seam_runs_without_the_orm(tmp_path: Path) -> None:
    """Importing what is left of the seam imports no `django.db`, by whatever way."""
    code = "import importlib\n" + "".join(f"importlib.import_module('issue_tracker.{name}')\n" for name in LEFT)

    done = run_refusing(code + NOTHING_OF_THE_ORM, tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", LEFT)
def test_left_of_the_seam_names_nothing_right_of_it(name: str) -> None:
    """No import, at the top or inside a function, crosses the seam or reaches for the ORM."""
    found = imports_of(name)

    assert not modules_in(found) & {*RIGHT, *WIRES_BOTH}
    assert not {full for full in found if full.startswith(("django.db", "django.apps"))}


@pytest.mark.parametrize("name", [name for name in RIGHT if name != "drain.drainer"])
def test_right_of_the_seam_connects_no_signal_of_celery(name: str) -> None:
    """What reads from the spool takes nothing from Celery's signals; the drainer hears only that a worker starts."""
    found = imports_of(name)

    assert not {full for full in found if full.startswith("celery.signals")}


def test_a_report_reaches_the_spool_without_the_orm(tmp_path: Path) -> None:
    """The whole left side runs, from the public call to the file, while `django.db` can't be imported."""
    code = """
import issue_tracker
issue_tracker.report("No showtimes found", task="t", error_message="none", context={"theater_id": 5})
"""

    done = run_refusing(code + NOTHING_OF_THE_ORM, tmp_path / "spool")

    assert done.returncode == 0, done.stderr
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file() and b"theater_id" in path.read_bytes()]
