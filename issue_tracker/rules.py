"""The setting `NOTIFY` as values: which reasons of which issues go to which channel. Left of the seam; pure.

Texts of errors never repeat what stands in a rule: its address is a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Final

from .event import Kind

MAIL: Final = "mail"
"""The address of `ADMINS`; with a colon and addresses behind it, of those."""

ISSUE_REASONS: Final = ("new", "returned", "unmuted", "volume")
REASONS: Final = (*ISSUE_REASONS, "daily")
SEVERITIES: Final = ("error", "warning", "info")
TRIAL_PREFIX: Final = "issue_tracker.doctor."
"""Tasks that `issues doctor` lets die on purpose: nobody need hear of them."""
KINDS: Final = frozenset(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What goes to one channel."""

    to: str = field(repr=False)
    """`mail`, `mail:` and addresses with commas between them, or a URL of apprise's. A secret, so never shown."""
    severities: tuple[str, ...] = ("error", "warning")
    tasks: tuple[str, ...] = ()
    """Patterns of task names, "billing.*"; none: every task."""
    kinds: tuple[str, ...] = ()
    """None: every kind but `retry`: an attempt that will be tried again is told when the last one fails."""
    reasons: tuple[str, ...] = ISSUE_REASONS

    def wants(self, *, reason: str, severity: str, task: str, kind: str) -> bool:
        """Tell whether this rule sends such a message."""
        return reason in self.reasons and self.covers(severity=severity, task=task, kind=kind)

    def covers(self, *, severity: str, task: str, kind: str) -> bool:
        """Tell whether this rule is about such an issue."""
        is_kind = kind in self.kinds if self.kinds else kind != Kind.RETRY
        is_task = not self.tasks or any(fnmatchcase(task, pattern) for pattern in self.tasks)
        return is_kind and is_task and severity in self.severities and not task.startswith(TRIAL_PREFIX)


NAMES: Final = tuple(f.name for f in fields(Rule))
_CHOICES: Final = {"severities": SEVERITIES, "kinds": tuple(sorted(KINDS)), "reasons": REASONS, "tasks": None}


def parse(value: object) -> tuple[Rule, ...]:
    """Return the rules of `NOTIFY`. Raises ValueError that says what a rule must be."""
    if not isinstance(value, list | tuple):
        raise ValueError('must be a list of rules such as {"to": "mail"}')
    return tuple(_rule(item) for item in value)


def _rule(item: object) -> Rule:
    if not isinstance(item, dict) or "to" not in item:
        raise ValueError('must hold dicts with at least "to": "mail", a list of addresses, or a URL')
    if unknown := [key for key in item if key not in NAMES]:
        raise ValueError(f"must not have the key {unknown[0]!r} in a rule: there are {', '.join(NAMES)}")
    chosen = {key: _texts(key, item[key], among) for key, among in _CHOICES.items() if key in item}
    return Rule(to=_address(item["to"]), **chosen)


def _address(to: object) -> str:
    if to == MAIL or (isinstance(to, str) and "://" in to):
        return str(to)
    if isinstance(to, list | tuple) and to and all(isinstance(one, str) and _is_mail(one) for one in to):
        return f"{MAIL}:{','.join(to)}"
    raise ValueError('must say in each rule\'s "to": "mail" (to ADMINS), a list of mail addresses, or a URL')


def _is_mail(text: str) -> bool:
    return "@" in text and text.isprintable() and not set(text) & set(" ,<>")


def _texts(key: str, value: object, among: tuple[str, ...] | None) -> tuple[str, ...]:
    if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"must give {key!r} of a rule as a list of texts")
    if among is not None and (wrong := [one for one in value if one not in among]):
        raise ValueError(f"must not have {wrong[0]!r} in {key!r} of a rule: there are {', '.join(among)}")
    return tuple(value)
