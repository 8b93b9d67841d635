"""The documentation says what the code does: each reference table equals the code's set, each link leads somewhere."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import issue_tracker
from issue_tracker import conf, recording
from issue_tracker.event import Kind, Severity
from issue_tracker.models import OperationalIssue
from tests import reference
from tests.documents import DOCS, Block, blocks, codes, pages, rows
from tests.processes import ROOT

PACKAGE = Path(issue_tracker.__file__).parent
TOLD_ONLY = {Kind.RECOVERED, Kind.CLEARED}
"""Kinds that change what became of a failure and are none themselves."""
PYTHON = [block for page in pages() for block in blocks(page, language="python")]
FOREIGN = {"cinema", "orders", "rest_framework", "sentry_sdk", "shop", "unfold"}
"""Packages of the examples that this environment need not have."""


def sources() -> list[Path]:
    """The package's modules, but for what Django generates."""
    return [path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts]


def shown(default: Any) -> str:
    """How the settings table writes a default."""
    if isinstance(default, timedelta):
        return f"{default.days} days" if default.seconds == 0 else str(default)
    if default is None or isinstance(default, bool | str | dict | tuple):
        return f"`{default!r}`".replace("'", '"')
    return f"{default:,}"


def test_the_settings_table_is_the_codes() -> None:
    """All keys, each with the default that is in force."""
    table = {codes(key)[0]: default for key, default, _meaning in rows(DOCS / "settings.md")}

    assert table == {key: shown(conf.default_of(key)) for key in conf.KEYS}


def test_the_table_of_kinds_is_the_codes() -> None:
    """All kinds, each with its severity."""
    table = {kind: row[2] for row in rows(DOCS / "settings.md", below="## Kinds") for kind in codes(row[0])}

    assert table.keys() == {kind.value for kind in Kind} - TOLD_ONLY
    for kind, said in table.items():
        severity = recording.SEVERITIES.get(Kind(kind), Severity.ERROR).value
        assert severity in said, f"{kind} is {severity} unless told, the page says {said}"


def test_the_table_of_checks_is_the_codes() -> None:
    """All ids that any module of the package gives to a check."""
    ids = {found for path in sources() for found in re.findall(r'id="(issue_tracker\.[EW]\d{3})"', path.read_text())}

    assert [codes(row[0])[0] for row in rows(DOCS / "checks.md")] == sorted(ids, key=lambda one: one[-3:])


def test_the_table_of_permissions_is_the_codes() -> None:
    """Those beyond Django's own."""
    table = {codes(row[0])[0] for row in rows(DOCS / "model.md", below="## Permissions")}

    assert table == {f"issue_tracker.{name}" for name, _text in OperationalIssue._meta.permissions}


def test_the_table_of_template_blocks_is_the_templates() -> None:
    """All blocks that are named for extending, by template and in order."""
    directory = PACKAGE / "templates" / "admin" / "issue_tracker" / "operationalissue"
    there = {
        path.name: found
        for path in directory.glob("*.html")
        if (found := re.findall(r"{% block ((?:issue|overview|requeue)_\w+) %}", path.read_text()))
    }

    table = {codes(row[0])[0]: codes(row[1]) for row in rows(DOCS / "admin.md", below="## Template blocks")}

    assert table == there


@pytest.mark.parametrize(("page", "name"), reference.tables(), ids=lambda one: one.removesuffix(".md"))
def test_a_generated_table_is_up_to_date(page: str, name: str) -> None:
    """`python -m tests.reference` writes them."""
    path = DOCS / page

    assert reference.written(path, name, reference.tables()[page, name]()) == path.read_text(), (
        "out of date: run python -m tests.reference"
    )


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Relative ones to a file that is there; mkdocs checks the anchors of its own pages."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    assert [link for link in links if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_a_page_is_in_the_navigation(page: Path) -> None:
    """A page that nobody finds is not there."""
    assert f": {page.name}\n" in (ROOT / "mkdocs.yml").read_text()


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_on_a_page_is_python(block: Block) -> None:
    """It can be compiled, and what it imports of ours, Django's and Celery's is there."""
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and node.module
            and node.module.split(".")[0] not in FOREIGN
        ):
            found = __import__(node.module, fromlist=[alias.name for alias in node.names])
            assert [alias.name for alias in node.names if not hasattr(found, alias.name)] == []


def test_pages_name_only_settings_that_exist() -> None:
    """In every example of the dict."""
    for block in PYTHON:
        for node in ast.walk(ast.parse(block.text)):
            is_ours = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ISSUE_TRACKER"
            if is_ours and isinstance(node.value, ast.Dict):
                keys = {ast.literal_eval(key) for key in node.value.keys if key is not None}
                assert keys <= conf.KEYS.keys(), block


def test_whatever_is_public_has_a_docstring() -> None:
    """Modules, classes, functions and methods whose names say that they are for others."""
    assert [name for path in sources() for name in undocumented(path)] == []


def undocumented(path: Path) -> list[str]:
    """Return what has no docstring in a module; one that holds nothing needs none."""
    tree = ast.parse(path.read_text())
    name = str(path.relative_to(ROOT))
    missing = [name] if tree.body and not ast.get_docstring(tree) else []
    return missing + [f"{name}: {found}" for found in _without(tree, "")]


def _without(owner: ast.Module | ast.ClassDef, prefix: str) -> list[str]:
    found = []
    for node in owner.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node) and not _is_overload(node):
                found.append(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                found += _without(node, f"{prefix}{node.name}.")
    return found


def _is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(one).endswith("overload") for one in node.decorator_list)


def test_the_readmes_coverage_is_what_was_played() -> None:
    """Its table is the one that `make matrix` wrote."""
    between = re.compile(r"<!-- totals: begin -->\n(.+?)<!-- totals: end -->", re.DOTALL)
    tables = [between.search(page.read_text()) for page in (ROOT / "README.md", DOCS / "coverage.md")]

    assert tables[0] is not None
    assert tables[1] is not None
    assert tables[0][1] == tables[1][1]
