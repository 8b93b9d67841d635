"""Search in the list: words, ids of tasks, common words among thousands, and what it costs in queries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from issue_tracker.admin.facets import MAX_FACETED_BY_TEXT
from issue_tracker.models import OperationalIssue
from tests.issues import tell_all

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST = "/admin/issue_tracker/operationalissue/"

MANY = MAX_FACETED_BY_TEXT + 200
"""Issues that all say "number": more than a search counts by text."""


@pytest.fixture
def staff(client: Client) -> Client:
    """Somebody who may do everything here and is no superuser, whose permissions cost two queries more."""
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="issue_tracker"))
    client.force_login(user)
    return client


@pytest.fixture
def many() -> None:
    """Thousands of issues, the latest of them all resolved: a search of open ones has to go further back."""
    now = timezone.now()
    OperationalIssue.objects.bulk_create(
        OperationalIssue(
            name="Error",
            task=f"task_{n % 5}",
            error_message=f"Number {n}",
            fingerprint=f"{n:064}",
            status="resolved" if n < MAX_FACETED_BY_TEXT + 100 else "open",
            last_seen_at=now - timedelta(minutes=n),
        )
        for n in range(MANY)
    )


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("timeouterror", {"Retry exhausted: TimeoutError"}),
        ("VORáGINE", {"TMDB API Error"}),
        ("too  many\trequests ", {"TMDB API Error"}),
        ("partner 30", {"Retry exhausted: TimeoutError"}),
        ("100%", set()),
        ("_", {"KeyError", "NotRegistered"}),
    ],
)
def test_finds_words_in_any_case(admin_client: Client, search: str, names: set[str]) -> None:
    """All words must be there; nothing in them is a pattern. Beyond ASCII the case depends on the database's locale."""
    tell_all(rows=1)

    page = admin_client.get(LIST, {"q": search})

    assert {issue.name for issue in page.context_data["cl"].result_list} == names


def test_a_common_word_among_thousands(staff: Client, many: None) -> None:
    """Right rows in the right order, a true count, and no more queries than any list."""
    expected = {
        "status=all&q=number": (MANY, "Number 0"),
        "q=NUMBER": (100, f"Number {MANY - 100}"),
        "status=all&q=number&o=5": (MANY, f"Number {MANY - 1}"),
        "status=all&q=number&p=3": (MANY, "Number 50"),
        "status=all&q=number&task__exact=task_3": (MANY // 5, "Number 3"),
        "status=all&q=number+519": (15, "Number 519"),
    }
    found, costs = {}, {}
    staff.get(LIST)

    for query in expected:
        with CaptureQueriesContext(connection) as queries:
            page = staff.get(f"{LIST}?{query}").context_data["cl"]
        found[query] = page.result_count, page.result_list[0].error_message
        costs[query] = len(queries)

    assert found == expected
    assert f"(latest {MAX_FACETED_BY_TEXT:,})" in staff.get(f"{LIST}?status=all&q=number").content.decode()
    assert max(costs.values()) <= 12, costs


@pytest.mark.parametrize(
    "path", ["", "?q=timed", "?q=timed+out&status=all", "?q=nowhere", "overview/", "{}/change/", "{}/requeue/"]
)
def test_staff_costs_no_more_than_twelve_queries(staff: Client, path: str) -> None:
    """Permissions that are looked up are part of a page."""
    tell_all(rows=60)
    address = LIST + path.format(OperationalIssue.objects.get(name="ConnectTimeout").pk)
    staff.get(address)

    with CaptureQueriesContext(connection) as queries:
        assert staff.get(address).status_code == 200

    assert len(queries) <= 12
