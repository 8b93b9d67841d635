"""Nothing that is named in stored or captured data is imported, called or unpickled: told by the package's source."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

import issue_tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = Path(issue_tracker.__path__[0])
LETHAL_MODULES: Final = {
    "pickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "code",
    "codeop",
    "runpy",
    "subprocess",
    "pty",
}
LETHAL_CALLS: Final = {"eval", "exec", "compile", "__import__", "import_module", "import_string", "system", "popen"}
ALLOWED: Final = {
    "__init__.py: import_module": "the public names, out of a table of ours",
    "apps.py: import_module": "our own tasks",
    "notify/chat.py: import_module": "apprise and what it sends with, where they are installed",
    "scrubber/masking.py: import_string": "DEFAULT_EXCEPTION_REPORTER_FILTER, a setting of the host's",
}
"""Where such a call is made nevertheless, and of what."""


def _calls() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        place = str(path.relative_to(PACKAGE))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (name := _name_of(node.func)) in LETHAL_CALLS:
                yield f"{place}: {name}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                yield from (f"{place}: {name}" for name in names if name.partition(".")[0] in LETHAL_MODULES)


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        # re.compile makes a pattern.
        return "" if isinstance(function.value, ast.Name) and function.value.id == "re" else function.attr
    return function.id if isinstance(function, ast.Name) else ""


def test_the_package_runs_nothing_that_data_names() -> None:
    """No pickle, no eval, no import by a stored name; what looks like it is listed with its reason."""
    assert set(_calls()) - ALLOWED.keys() == set()
