"""What may go: the `PRUNE_…` settings as times, and as a condition on issues. Right of the seam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q

from issue_tracker import conf

if TYPE_CHECKING:
    import datetime as dt


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may go."""

    resolved_before: dt.datetime | None
    """Resolved issues last seen, and resolved, before then."""
    open_before: dt.datetime | None
    """Open issues last seen before then."""
    occurrences_before: dt.datetime | None
    max_occurrences: int | None


def policy_in_force(now: dt.datetime) -> Policy:
    """Return what the settings let go at this time."""
    chosen = conf.current()
    return Policy(
        resolved_before=_before(now, chosen.prune_resolved_after),
        open_before=_before(now, chosen.prune_open_after),
        occurrences_before=_before(now, chosen.prune_occurrences_after),
        max_occurrences=chosen.prune_max_occurrences,
    )


def _before(now: dt.datetime, age: dt.timedelta | None) -> dt.datetime | None:
    try:
        return None if age is None else now - age
    except OverflowError:  # longer ago than the calendar goes
        return None


def expired(policy: Policy) -> Q:
    """Return the condition of issues that may go, occurrences and all."""
    found = Q(pk__in=())
    if policy.resolved_before is not None:
        is_long_resolved = Q(resolved_at__lt=policy.resolved_before) | Q(resolved_at=None)
        found |= Q(status="resolved", last_seen_at__lt=policy.resolved_before) & is_long_resolved
    if policy.open_before is not None:
        found |= Q(status="open", last_seen_at__lt=policy.open_before)
    return found
