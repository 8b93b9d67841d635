"""The demo's made-up past: consistent with what is counted, and enough of it to fill the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db.models import Count, Min
from django.utils import timezone

from demo.cinema.history import DAYS, MUTED, make_up
from issue_tracker.models import Occurrence, OperationalIssue
from tests.issues import Story, tell

if TYPE_CHECKING:
    from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db


def test_counts_and_times_agree_with_the_rows(admin_user: User) -> None:
    """As if the drainer had folded them; what is newest stays what happened."""
    now = timezone.now()
    for n in range(8):
        tell(Story(name=f"Issue {n}", task="t", message="m", began_days=0.001, last_minutes=1))
    tell(Story(name=MUTED, task="t", message="m", began_days=0.001, last_minutes=1))

    made = make_up(now=now, by=admin_user)

    issues = OperationalIssue.objects.annotate(rows=Count("occurrences"), first=Min("occurrences__occurred_at"))
    assert made > 300
    assert Occurrence.objects.count() == made + 9
    assert [(i.occurrence_count, i.first_seen_at) for i in issues] == [(i.rows, i.first) for i in issues]
    assert all(now - timedelta(days=DAYS) < issue.first_seen_at < issue.last_seen_at for issue in issues)
    assert OperationalIssue.objects.get(name=MUTED).status == "muted"


def test_a_return_and_what_it_returned_from_stay_as_they_are(admin_user: User) -> None:
    """Their order in time is what they are there to show."""
    earlier = tell(Story(name="Earlier", task="t", message="m", status="resolved"))
    tell(Story(name="Return", task="t", message="m", flags={"previous": earlier, "is_returned": True}))

    assert make_up(now=timezone.now(), by=admin_user) == 0
