"""The reference pages' tables, made from the code: `python -m tests.reference` writes them into docs/.

What a table says of a thing is the thing's own docstring, help text or name; a test holds the pages equal to this.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from django.core.management import load_command_class

from tests.documents import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import Field, Model

COMMON = {
    "help",
    "version",
    "verbosity",
    "settings",
    "pythonpath",
    "traceback",
    "no_color",
    "force_color",
    "skip_checks",
}
"""Options that every command of Django has."""

FORMAT = "format"
MEANINGS = {
    "id": "the issue's id, as `list` prints it",
    "ids": "ids of issues; without any, the filters choose",
    "limit": "how many at most",
    "note": "a few words; kept with a requeue job, and in the history where a user is known",
    "severity": "only these",
}
"""Of arguments that explain themselves to whoever reads `--help`, and not to whoever reads a page."""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Write a table; what would end a cell is escaped."""
    lines = [head, tuple("---" for _cell in head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def first_sentence(docstring: str | None) -> str:
    """Return the first sentence of a docstring, on one line."""
    text = " ".join(inspect.cleandoc(docstring or "").partition("\n\n")[0].split())
    return re.split(r"(?<=[.:;])\s(?=[A-Z`])", text)[0].rstrip(".:;")


def verbs() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the subcommands, in the order of the command's help."""
    command = load_command_class("issue_tracker", "issues")
    parser = command.create_parser("manage.py", "issues")
    [subs] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    helps = {choice.dest: choice.help or "" for choice in subs._choices_actions}
    for name, sub in subs.choices.items():
        sub.description = helps.get(name, "")
    return dict(subs.choices)


def command() -> str:
    """Write each subcommand with the arguments of its own."""
    parts = []
    for name, parser in verbs().items():
        actions = [action for action in parser._actions if action.dest not in COMMON | {FORMAT}]
        own = [action for action in actions if action.dest not in filters()]
        more = " Takes the filters." if len(own) < len(actions) else ""
        what = (parser.description or "").rstrip(".")
        end = "" if what.endswith("?") else "."
        parts.append(f"### {name}\n\n{what[:1].upper()}{what[1:]}{end}{more}\n\n{_arguments(own)}".rstrip())
    return "\n\n".join(parts)


def filters() -> dict[str, argparse.Action]:
    """Return the arguments that choose issues, by name."""
    from issue_tracker import selection

    parser = argparse.ArgumentParser(add_help=False)
    selection.add_filters(parser)
    return {action.dest: action for action in parser._actions}


def filter_table() -> str:
    """Write the filters, once for all verbs."""
    return _arguments(filters().values())


def _arguments(actions: Iterable[argparse.Action]) -> str:
    rows = [(_option(action), _default(action), action.help or MEANINGS.get(action.dest, "")) for action in actions]
    return table(("argument", "default", "meaning"), rows) if rows else ""


def _option(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = f" {{{','.join(map(str, action.choices))}}}" if action.choices else ""
    if not value and action.nargs != 0:
        value = f" {action.metavar or action.dest.upper()}"
    return f"`{action.option_strings[-1]}{value}`"


def _default(action: argparse.Action) -> str:
    return "" if action.default in (None, False, "", [], argparse.SUPPRESS) else f"`{action.default}`"


def model(which: type[Model]) -> Callable[[], str]:
    """Return what writes the table of a model's columns."""

    def write() -> str:
        rows = [
            (f"`{field.name}`", _type_of(field), _meaning_of(which, field)) for field in which._meta.concrete_fields
        ]
        return table(("field", "type", "meaning"), rows)

    return write


def _type_of(field: Field[Any, Any]) -> str:
    length = f", {field.max_length}" if field.max_length else ""
    target = f" to {field.related_model._meta.object_name}" if field.is_relation else ""  # type: ignore[union-attr]
    empty = ", may be NULL" if field.null else ""
    return f"{type(field).__name__}{target}{length}{empty}"


def _meaning_of(which: type[Model], field: Field[Any, Any]) -> str:
    said = docstrings_in(which).get(field.name, "")
    choices = f" ({', '.join(f'`{value}`' for value, _label in field.choices if value)})" if field.choices else ""
    return (first_sentence(said) or str(field.verbose_name)) + (choices if len(choices) < 200 else " (see Settings)")


def docstrings_in(thing: Any) -> dict[str, str]:
    """Return the text that stands below each assignment of a class or module, by name."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(thing))).body
    body = tree[0].body if isinstance(tree[0], ast.ClassDef) else tree
    found = {}
    for node, below in pairwise(body):
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
                if isinstance(target, ast.Name):
                    found[target.id] = below.value.value
    return found


def signals() -> str:
    """Write the table of signals."""
    from django.dispatch import Signal

    from issue_tracker import signals as module

    names = [name for name, value in vars(module).items() if isinstance(value, Signal)]
    said = docstrings_in(module)
    return table(("signal", "sent when"), [(f"`{name}`", " ".join(said[name].split())) for name in names])


def functions(*owners: Any, names: Iterable[str] = ()) -> Callable[[], str]:
    """Return what writes a table of public functions or methods with their signatures and first sentences."""

    def write() -> str:
        rows = []
        for owner in owners:
            for name in names or [name for name in vars(owner) if not name.startswith("_")]:
                thing = inspect.getattr_static(owner, name, None) or getattr(owner, name)
                if callable(thing) and name != "Meta":
                    rows.append((f"`{name}{_signature(thing)}`", first_sentence(thing.__doc__)))
        return table(("call", "what it does"), rows)

    return write


def _signature(thing: Any) -> str:
    signature = inspect.signature(thing)
    kept = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return str(signature.replace(parameters=kept, return_annotation=inspect.Signature.empty))


def tables() -> dict[tuple[str, str], Callable[[], str]]:
    """Return what writes each generated part: by page, and by the name of its markers."""
    import issue_tracker
    from issue_tracker.lifecycle import IssueQuerySet, Verbs
    from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob

    return {
        ("command.md", "filters"): filter_table,
        ("command.md", "verbs"): command,
        ("model.md", "OperationalIssue"): model(OperationalIssue),
        ("model.md", "Occurrence"): model(Occurrence),
        ("model.md", "RequeueJob"): model(RequeueJob),
        ("model.md", "QuerySet"): functions(IssueQuerySet),
        ("model.md", "verbs"): functions(Verbs),
        ("signals.md", "signals"): signals,
        ("api.md", "names"): functions(issue_tracker, names=issue_tracker.__all__),
    }


def written(page: Path, name: str, text: str) -> str:
    """Return a page with a generated part in its place."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before = page.read_text()
    assert begin in before, f"{page.name} has no {begin}"
    return re.sub(
        rf"{re.escape(begin)}.*?{re.escape(end)}", lambda _m: f"{begin}\n{text}\n{end}", before, flags=re.DOTALL
    )


def main() -> None:
    """Write all of them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    for (page, name), make in tables().items():
        path = DOCS / page
        path.write_text(written(path, name, make()))


if __name__ == "__main__":
    main()
