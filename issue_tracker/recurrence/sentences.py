"""How a problem comes back, in words: figures in, sentences out, in the reader's language. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .patterns import DAYS, Recurrence, Rhythm

if TYPE_CHECKING:
    import datetime as dt


def words(found: Recurrence) -> list[str]:
    """Say it in sentences, the most useful first."""
    if not found.total:
        return [_("Not seen in the last %(days)d days.") % {"days": DAYS}, *_origin(found)]
    said = [
        ngettext(
            "Seen %(total)s time, on %(days)d of the last %(all)d days.",
            "Seen %(total)s times, on %(days)d of the last %(all)d days.",
            found.total,
        )
        % {"total": f"{found.total:,}", "days": found.days_seen, "all": DAYS}
    ]
    if found.rhythm is not None:
        said.append(_rhythm_words(found.rhythm))
    elif found.every is not None:
        said.append(_("About every %(gap)s.") % {"gap": gap_words(found.every)})
    if found.hour is not None:
        said.append(
            _("Mostly between %(from)02d:00 and %(to)02d:00.") % {"from": found.hour, "to": (found.hour + 1) % 24}
        )
    if found.weekday is not None:
        said.append(_("Mostly on %(day)s.") % {"day": _WEEKDAYS()[found.weekday]})
    return [*said, *_origin(found)]


def _rhythm_words(rhythm: Rhythm) -> str:
    values = {"gap": gap_words(rhythm.every), "percent": max(1, round(rhythm.share * 100))}
    if rhythm.is_scheduled:
        return (
            _("On every run (scheduled every %(gap)s).")
            if rhythm.is_every_run
            else _("On %(percent)d %% of the runs (scheduled every %(gap)s).")
        ) % values
    return (
        _("About every %(gap)s, each time.")
        if rhythm.is_every_run
        else _("About every %(gap)s, %(percent)d %% of the times.")
    ) % values


def _origin(found: Recurrence) -> list[str]:
    """Say since which release, and with which others it began."""
    said = []
    if found.since_release:
        said.append(_("Since release %(release)s.") % {"release": found.since_release})
    if found.together_with:
        many = len(found.together_with)
        said.append(
            ngettext("Began together with %(n)d other issue.", "Began together with %(n)d other issues.", many)
            % {"n": many}
        )
    return said


def gap_words(gap: dt.timedelta) -> str:
    """Say a length of time in its largest fitting unit: "10 minutes", "1 day"."""
    seconds = gap.total_seconds()
    for size, one, many in (
        (86_400, "%(n)s day", "%(n)s days"),
        (3_600, "%(n)s hour", "%(n)s hours"),
        (60, "%(n)s minute", "%(n)s minutes"),
        (1, "%(n)s second", "%(n)s seconds"),
    ):
        if seconds >= size * 0.95:
            number = round(seconds / size, 1)
            return ngettext(one, many, round(number)) % {"n": f"{number:g}"}
    return _("less than a second")


def _WEEKDAYS() -> list[str]:  # noqa: N802  a constant, but for its language
    return [_("Mondays"), _("Tuesdays"), _("Wednesdays"), _("Thursdays"), _("Fridays"), _("Saturdays"), _("Sundays")]
