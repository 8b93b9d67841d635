"""What a strict content security policy forbids is in no page, and the list stays light."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.staticfiles import finders

from issue_tracker.models import OperationalIssue, RequeueJob
from tests.issues import STORIES, tell_all

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST = "/admin/issue_tracker/operationalissue/"

MAX_WEIGHT = 60 * 1024
"""Bytes of the list without Django's own files: a full page of it, our style and our script, uncompressed."""


class Inline(HTMLParser):
    """Finds what `default-src 'self'` would block."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that would be blocked; JSON in a script is data and runs nowhere."""
        given = dict(attrs)
        is_code = tag == "script" and "src" not in given and given.get("type") != "application/json"
        if tag == "style" or is_code or any(name == "style" or name.startswith("on") for name in given):
            self.found.append(f"<{tag} {given}>")
        if any(
            re.match(r"\s*(https?:)?//", given.get(name) or "")
            for name in ("src", "href")
            if tag in {"script", "link", "img"}
        ):
            self.found.append(f"<{tag} {given}>")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "?status=all&q=a&last_seen_at__since=nonsense&x=1",
        "overview/",
        "{}/change/",
        "{}/requeue/",
        "requeue-jobs/{}/",
        "requeue-jobs/",
    ],
)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(admin_client: Client, path: str) -> None:
    """On any page."""
    tell_all(rows=5)
    made = RequeueJob.objects.create() if "jobs/{}" in path else OperationalIssue.objects.get(name="ConnectTimeout")

    page = admin_client.get(LIST + path.format(made.pk))

    assert page.status_code == 200
    assert Inline(page.content.decode()).found == []


def test_a_full_page_of_the_list_is_light(admin_client: Client) -> None:
    """25 rows, 12 tasks in the sidebar, 14 days of sparkline each, and names as long as those of a large project."""
    tell_all()
    tell_all_again()
    for number, issue in enumerate(OperationalIssue.objects.all()):
        issue.task = f"myproject.billing.tasks.invoices.send_monthly_statement_{number % 14}"
        issue.culprit = f"myproject.billing.clients.gateway:post_{number}"
        issue.status = "open"
        issue.error_message = "Connection to the payment gateway was reset by peer while sending an invoice " * 3
        issue.save()

    page = admin_client.get(LIST)
    files = [Path(str(finders.find(f"issue_tracker/admin.{suffix}"))).stat().st_size for suffix in ("css", "js")]

    assert page.context_data["cl"].result_count == 2 * len(STORIES)
    assert len(page.context_data["cl"].result_list) == 25
    assert len(page.content) + sum(files) <= MAX_WEIGHT


def tell_all_again() -> None:
    """Store all the stories a second time, as issues of their own without occurrences."""
    for issue in OperationalIssue.objects.all():
        issue.pk, issue.open_key = None, None
        issue.save()
