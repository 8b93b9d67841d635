"""The overview: the matrix and its links, the short lists, the state of collection."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from issue_tracker.collection import look
from issue_tracker.drain import drain
from issue_tracker.drain.batches import drain_lock
from issue_tracker.event import Event, encode
from issue_tracker.spool import current
from tests.issues import Story, tell, tell_all

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST = "/admin/issue_tracker/operationalissue/"
OVERVIEW = f"{LIST}overview/"


def test_each_number_of_the_matrix_leads_to_as_many_issues(admin_client: Client) -> None:
    """Rows, and the sum of all tasks."""
    tell_all(rows=3)

    context = admin_client.get(OVERVIEW).context_data

    assert len(context["matrix"]) == 12
    cells = [cell for row in context["matrix"] for cell in row.cells if cell.count] + context["totals"]
    for cell in cells:
        assert admin_client.get(LIST + cell.query).context_data["cl"].result_count == cell.count


def test_short_lists_tell_new_returned_and_recovered_apart(admin_client: Client) -> None:
    """Each links to the issue."""
    tell_all(rows=3)

    lists = {
        str(title): [i.name for i in issues] for title, issues in admin_client.get(OVERVIEW).context_data["short_lists"]
    }

    assert "NotRegistered" in lists["Newly opened"]
    assert lists["Returned"] == ["OperationalError"]
    assert lists["Recovered"] == ["ZeroDivisionError"]


def test_the_trend_counts_occurrences_by_severity(admin_client: Client) -> None:
    """Of the last week."""
    tell(Story(name="A", task="t", message="m", count=7, began_days=2))
    tell(Story(name="B", task="t", message="m", count=3, began_days=2, severity="warning"))

    assert admin_client.get(OVERVIEW).context_data["trend"].totals == {"error": 7, "warning": 3}


def test_the_tasks_that_fail_most_come_with_their_occurrences(admin_client: Client) -> None:
    """The busiest first, each with a link to its issues."""
    tell(Story(name="A", task="rare", message="m", count=2))
    tell(Story(name="B", task="busy", message="m", count=7))
    tell(Story(name="C", task="busy", message="n", count=4))

    content = admin_client.get(OVERVIEW).content.decode().partition('id="top"')[2].partition("</section>")[0]

    assert re.findall(r"task__exact=(\w+).*?it-n\">(\d+)<", content) == [("busy", "11"), ("rare", "2")]


def test_quarantine_is_counted_on_the_page(admin_client: Client) -> None:
    """What the database refused waits for somebody to look."""
    tell(Story(name="A", task="t", message="m"))
    spool = current()
    spool.append(b"no record", key="k", stub=lambda: b"")
    drain(spool)

    content = admin_client.get(OVERVIEW).content.decode()

    assert re.search(r"Quarantine</(?:dt|th)>\s*<(?:dd|td)[^>]*>\s*1\b", content)


def test_without_anything_it_says_how_to_check_the_setup(admin_client: Client) -> None:
    """The first page that a new installation shows."""
    assert "issues doctor" in admin_client.get(OVERVIEW).content.decode()


def test_the_number_of_queries_is_constant(admin_client: Client) -> None:
    """At most 12."""
    counts = []
    for rows in (2, 60):
        for n in range(rows):
            tell(Story(name=f"Issue {rows} {n}", task=f"task {n}", message="m", count=3))
        admin_client.get(OVERVIEW)
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(OVERVIEW)
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 12


def test_collection_tells_backlog_age_discards_and_drainer() -> None:
    """What waits, since when, what was given up, and whether somebody drains."""
    spool = current()
    assert look().waiting_count == 0
    assert look().is_drained is False

    event = Event(event_id="1" * 32, kind="failure", severity="error", name="n", task="t", occurred_at=1_700_000_000)
    spool.append(encode(event), key="k", stub=lambda: b"")
    spool.reserve.count("spool full", 3)
    with drain_lock(spool) as is_ours:
        assert is_ours
        state = look()

    assert (state.waiting_count, state.discarded, state.is_drained) == (1, {"spool full": 3}, True)
    assert state.oldest_at is not None
    assert state.oldest_at.timestamp() == 1_700_000_000
    assert look().is_drained is False
