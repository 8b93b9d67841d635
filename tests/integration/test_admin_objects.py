"""Open issues on the pages of the host's own objects, by a key of the context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User

from demo.cinema.models import Theater
from issue_tracker.admin.objects import open_issues_about
from issue_tracker.models import OperationalIssue
from tests.issues import Story, tell

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def theater() -> Theater:
    """A theater of the demo."""
    return Theater.objects.create(name="Cine Colonia", slug="cine-colonia", city="bogota")


def page_of(theater: Theater) -> str:
    """Return the theater's page in the admin."""
    return f"/admin/cinema/theater/{theater.pk}/change/"


def names(key: str, value: object) -> list[str]:
    """Return the names of the open issues about something."""
    return [issue.name for issue in open_issues_about(key, value)]


def test_a_theaters_page_lists_its_open_issues(admin_client: Client, theater: Theater) -> None:
    """Linked, with severity and count; issues of other theaters are not among them."""
    issue = tell(Story(name="No showtimes found", task="t", message="m", count=3, context={"theater_id": theater.pk}))
    tell(Story(name="Other theater", task="t", message="m", context={"theater_id": theater.pk + 1}))

    html = admin_client.get(page_of(theater)).content.decode()

    assert "No showtimes found" in html
    assert f"/admin/issue_tracker/operationalissue/{issue.pk}/change/" in html
    assert "Other theater" not in html
    assert "issue_tracker/admin.css" in html


def test_finds_context_keyword_arguments_and_issues_recorded_by_hand() -> None:
    """As number or as text; resolved ones are left out."""
    tell(Story(name="Bound", task="t", message="m", context={"theater_id": 5}))
    tell(Story(name="Bound as text", task="t", message="m", context={"theater_id": "5"}))
    tell(Story(name="Argument", task="t", message="m", kwargs={"theater_id": 5}))
    tell(Story(name="Resolved", task="t", message="m", context={"theater_id": 5}, status="resolved"))
    tell(Story(name="Nested", task="t", message="m", context={"other": {"theater_id": 5}}))
    OperationalIssue.objects.create(name="By hand", task="t", error_message="m", context={"theater_id": 5})

    assert set(names("theater_id", 5)) == {"Bound", "Bound as text", "Argument", "By hand"}
    assert names("theater_id", 6) == []
    assert names("nothing", 5) == []


def test_who_may_not_view_issues_sees_none(client: Client, theater: Theater) -> None:
    """The host's page stays as it was."""
    tell(Story(name="No showtimes found", task="t", message="m", context={"theater_id": theater.pk}))
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_theater"))
    client.force_login(user)

    page = client.get(page_of(theater))

    assert page.status_code == 200
    assert "No showtimes found" not in page.content.decode()


def test_the_add_page_has_no_list(admin_client: Client) -> None:
    """What does not exist yet has no issues."""
    page = admin_client.get("/admin/cinema/theater/add/")

    assert page.status_code == 200
    assert "Open issues" not in page.content.decode()


def test_saving_the_object_still_works(admin_client: Client, theater: Theater) -> None:
    """The list is read-only and does not get into the form's way."""
    form = admin_client.get(page_of(theater)).context["adminform"].form
    data = {name: form.initial.get(name) or "" for name in form.fields} | {"name": "Renamed"}

    answer = admin_client.post(page_of(theater), data)

    assert answer.status_code == 302
    theater.refresh_from_db()
    assert theater.name == "Renamed"
