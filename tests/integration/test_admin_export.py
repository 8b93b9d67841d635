"""Exports: whole, streamed, harmless to spreadsheets, and without what the reader may not see."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User

from issue_tracker.admin.export import SLICE, harmless
from issue_tracker.models import OperationalIssue
from tests.issues import Story, tell

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST = "/admin/issue_tracker/operationalissue/"


def export(client: Client, form: str, query: str = "?status=all") -> Any:
    """Export everything that a list shows."""
    data = {"action": f"export_{form}", "select_across": "1", "_selected_action": ["0"], "index": 0}
    answer = client.post(LIST + query, data)
    assert answer.status_code == 200
    assert answer.streaming
    assert "attachment" in answer["Content-Disposition"]
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return json.loads(text) if form == "json" else list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("form", ["csv", "json"])
def test_exports_every_issue_of_the_list_once(admin_client: Client, form: str) -> None:
    """More than one slice of them."""
    OperationalIssue.objects.bulk_create(
        OperationalIssue(name=f"Issue {n}", task="t", error_message='a\nb,"c"', fingerprint=str(n))
        for n in range(SLICE + 3)
    )

    rows = export(admin_client, form)

    assert [row["name"] for row in rows] == [f"Issue {n}" for n in reversed(range(SLICE + 3))]
    assert rows[0]["error_message"] == 'a\nb,"c"'


@pytest.mark.parametrize("form", ["csv", "json"])
def test_exports_what_the_filters_leave(admin_client: Client, form: str) -> None:
    """Not the rest."""
    tell(Story(name="Kept", task="t", message="m", severity="info"))
    tell(Story(name="Left out", task="t", message="m"))

    assert [row["name"] for row in export(admin_client, form, "?severity__exact=info")] == ["Kept"]
    assert export(admin_client, form, "?severity__exact=warning") == []


STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula; the last four are full-width, which spreadsheets of East Asian locales take for the same."""


@pytest.mark.parametrize("start", STARTS)
def test_no_cell_is_a_formula(admin_client: Client, start: str) -> None:
    """In any column that holds captured text."""
    evil = f"{start}HYPERLINK(1)"
    OperationalIssue.objects.create(name=evil, task=evil, error_message=evil, traceback=evil, context=[evil])

    (row,) = export(admin_client, "csv")

    assert not [cell for cell in row.values() if cell.startswith(STARTS)]
    assert row["name"] == f"'{evil}"
    assert harmless({"a": evil}).startswith("{")


@pytest.mark.parametrize(("codename", "is_shown"), [("view_payload", True), ("requeue", False)])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_context_is_for_holders_of_view_payload(client: Client, form: str, codename: str, *, is_shown: bool) -> None:
    """Others get the same rows without it."""
    tell(Story(name="Secretive", task="t", message="m", context={"card": "4111-1111"}))
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_operationalissue", codename]))
    client.force_login(user)

    (row,) = export(client, form)

    assert ("4111-1111" in str(row)) is is_shown
