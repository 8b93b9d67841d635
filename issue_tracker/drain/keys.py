"""Keys of events under other versions of the rules: a change of rules splits no open issue. Right of the seam.

As long as there is one version, which is always but for the time after a change, nothing here costs a query.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from issue_tracker.fingerprint import RULES, fingerprint, parts
from issue_tracker.models import OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from issue_tracker.event import Event


def grouping_of(event: Event) -> dict[str, Any]:
    """Return the parts that an event's key was made of, for a person to read."""
    if event.fingerprint_version not in RULES:
        return {"given": event.given_key}
    pieces = event.pieces()
    found: dict[str, Any] = parts(**pieces, version=event.fingerprint_version)
    if fingerprint(**pieces, version=event.fingerprint_version) != event.fingerprint:
        found["message"] = "(was not kept whole)"  # of a stub
    return found


def with_open_keys(events: list[Event], *, using: str) -> list[Event]:
    """Give each event whose key nobody takes the key, by other rules, of an open issue that was made by those."""
    if len(RULES) == 1:
        return events
    by_event = {event.event_id: keys_by_other_rules(event) for event in events}
    wanted = {event.fingerprint for event in events} | {key for keys in by_event.values() for key in keys}
    issues = OperationalIssue._base_manager.using(using).filter(open_key__in=wanted)
    taken = {key: version for key, version in issues.values_list("open_key", "fingerprint_version") if key}
    return [_with_key(event, by_event[event.event_id], taken) for event in events]


def keys_by_other_rules(event: Event) -> list[str]:
    """Return the keys that the event has under other versions, newest first; none for a key that the host gave."""
    if event.fingerprint_version not in RULES:
        return []
    others = sorted(RULES.keys() - {event.fingerprint_version}, reverse=True)
    return [fingerprint(**event.pieces(), version=version) for version in others]


def former_keys(events: Iterable[Event]) -> dict[str, str]:
    """Map the keys that events have by other rules to the keys that they have."""
    if len(RULES) == 1:
        return {}
    return {key: event.fingerprint for event in events for key in keys_by_other_rules(event)}


def _with_key(event: Event, others: list[str], taken: dict[str, int]) -> Event:
    key = next((key for key in (event.fingerprint, *others) if key in taken), event.fingerprint)
    return event if key == event.fingerprint else replace(event, fingerprint=key, fingerprint_version=taken[key])
