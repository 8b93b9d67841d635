"""System checks: what can be known of a wrong set-up before anything fails. Right of the seam.

E is an error that loses something, W a warning. Each says what is wrong and, as its hint, what to do.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from . import conf
from .rules import MAIL
from .spool import current, problem_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@register("issue_tracker")
def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """Check the keys and types of `ISSUE_TRACKER`."""
    chosen = getattr(settings, "ISSUE_TRACKER", {})
    if not isinstance(chosen, dict):
        return [
            Error(
                "ISSUE_TRACKER is not a dict.",
                hint="Write ISSUE_TRACKER = {…} in the settings.",
                id="issue_tracker.E001",
            )
        ]
    return [*_unknown_keys(chosen), *_wrong_types(chosen), *_patterns(), *_database(), *_channels()]


@register("issue_tracker")
def check_spool(**_kwargs: Any) -> list[CheckMessage]:
    """Check that the spool's directory can be used by this user."""
    if not conf.current().enabled:
        return []
    problem = problem_of(current().directory)
    if not problem:
        return []
    what, _dot, hint = problem.partition(". ")
    return [Error(f"The spool can't be used: {what}.", hint=hint, id="issue_tracker.E004")]


def _unknown_keys(chosen: dict[Any, Any]) -> Iterator[CheckMessage]:
    for key in chosen:
        if key not in conf.KEYS:
            near = difflib.get_close_matches(str(key).upper(), conf.KEYS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"The keys are {', '.join(sorted(conf.KEYS))}."
            yield Error(f"ISSUE_TRACKER has an unknown key {key!r}.", hint=hint, id="issue_tracker.E002")


def _wrong_types(chosen: dict[Any, Any]) -> Iterator[CheckMessage]:
    for key, value in chosen.items():
        if key in conf.KEYS:
            try:
                conf.KEYS[key].metadata["parse"](value)
            except conf.WrongTypeError as error:
                hint = f"The default, {conf.default_of(key)!r}, is in force until then."
                yield Error(f"ISSUE_TRACKER[{key!r}] {error}.", hint=hint, id="issue_tracker.E003")


def _patterns() -> Iterator[CheckMessage]:
    for pattern in conf.current().secret_patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            yield Error(
                f"ISSUE_TRACKER['SECRET_PATTERNS'] has {pattern!r}, which is no regular expression: {error}.",
                hint="Mend or remove it; until then it masks nothing.",
                id="issue_tracker.E005",
            )


def _database() -> Iterator[CheckMessage]:
    alias = conf.current().database
    if alias not in settings.DATABASES:
        yield Error(
            f"ISSUE_TRACKER['DATABASE'] names {alias!r}, which DATABASES doesn't have.",
            hint=f"Choose one of {', '.join(sorted(settings.DATABASES))}, or add it.",
            id="issue_tracker.E006",
        )
    if conf.current().enabled and alias in settings.DATABASES and not settings.DATABASES[alias].get("NAME"):
        yield CheckWarning(
            f"The database {alias!r} has no name, so its spool can't be told from another's.",
            hint="Set NAME in DATABASES.",
            id="issue_tracker.W007",
        )


def _has_apprise() -> bool:
    try:
        return importlib.util.find_spec("apprise") is not None
    except ValueError:  # somebody keeps it out of this process
        return False


def _channels() -> Iterator[CheckMessage]:
    rules = conf.current().notify
    if any("://" in rule.to for rule in rules) and not _has_apprise():
        yield Error(
            "ISSUE_TRACKER['NOTIFY'] has a URL, but apprise is not installed.",
            hint="pip install 'django-issue-tracker[notify]'; until then these messages wait.",
            id="issue_tracker.E021",
        )
    if any(rule.to == MAIL for rule in rules) and not settings.ADMINS:
        yield CheckWarning(
            "ISSUE_TRACKER['NOTIFY'] sends mail to ADMINS, which is empty.",
            hint="Name somebody in ADMINS, or give a list of addresses as the rule's 'to'.",
            id="issue_tracker.W022",
        )
    if rules and not conf.current().base_url:
        yield CheckWarning(
            "ISSUE_TRACKER has NOTIFY but no BASE_URL, so messages can't link to their issue.",
            hint='Set BASE_URL to the address of the site, such as "https://example.com".',
            id="issue_tracker.W023",
        )
