"""Roles × addresses × actions, by GET and by POST: everything is denied unless a permission grants it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.urls import NoReverseMatch, reverse

from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob
from tests.issues import Story, tell

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

pytestmark = pytest.mark.django_db

PREFIX = "admin:issue_tracker_operationalissue_"

ROLES: dict[str, set[str] | None] = {
    "anonymous": None,
    "no staff": {
        "view_operationalissue",
        "change_operationalissue",
        "delete_operationalissue",
        "requeue",
        "view_payload",
    },
    "staff": set(),
    "view": {"view_operationalissue"},
    "view and payload": {"view_operationalissue", "view_payload"},
    "view and requeue": {"view_operationalissue", "requeue"},
    "change": {"change_operationalissue"},
    "delete": {"delete_operationalissue"},
    "requeue": {"requeue"},
    "payload": {"view_payload"},
    "add": {"add_operationalissue", "view_operationalissue"},
    "all": {
        "view_operationalissue",
        "change_operationalissue",
        "delete_operationalissue",
        "requeue",
        "view_payload",
    },
}
"""The permissions of each role; None is nobody at all, "no staff" may not enter the admin."""

SEE = [{"view_operationalissue"}, {"change_operationalissue"}]
SEND = [{"view_operationalissue", "requeue"}, {"change_operationalissue", "requeue"}]
NOBODY: list[set[str]] = []


@dataclass(frozen=True, kw_only=True)
class Door:
    """An address, and which sets of permissions open it by GET and by POST."""

    name: str
    get: list[set[str]]
    post: list[set[str]]
    form: tuple[tuple[str, str], ...] = ()


DOORS = [
    Door(name="changelist", get=SEE, post=SEE),
    Door(name="overview", get=SEE, post=SEE),
    Door(name="change", get=SEE, post=NOBODY, form=(("name", "changed"), ("_save", "1"))),
    Door(name="occurrence", get=SEE, post=SEE),
    Door(name="text", get=SEE, post=SEE),
    Door(name="markdown", get=SEE, post=SEE),
    Door(name="json", get=SEE, post=SEE),
    Door(name="history", get=SEE, post=SEE),
    Door(name="state", get=NOBODY, post=[{"change_operationalissue"}], form=(("verb", "resolve"),)),
    Door(name="delete", get=[{"delete_operationalissue"}], post=[{"delete_operationalissue"}], form=(("post", "yes"),)),
    Door(name="add", get=NOBODY, post=NOBODY, form=(("name", "added"),)),
    Door(name="requeue", get=SEND, post=SEND, form=(("confirmed", "1"),)),
    Door(name="requeue_one", get=SEND, post=SEND, form=(("confirmed", "1"),)),
    Door(name="requeue_jobs", get=SEND, post=SEND),
    Door(name="requeue_job", get=SEND, post=SEND, form=(("verb", "stop"),)),
]

ACTIONS = {
    "resolve_selected": {"change_operationalissue"},
    "reopen_selected": {"change_operationalissue"},
    "mute_selected": {"change_operationalissue"},
    "mute_selected_for_a_week": {"change_operationalissue"},
    "delete_selected": {"delete_operationalissue"},
    "requeue_selected": {"requeue"},
    "export_csv": {"view_operationalissue"},
    "export_json": {"view_operationalissue"},
}


@pytest.fixture
def issue() -> OperationalIssue:
    """An open issue with occurrences, and a running job."""
    made = tell(
        Story(name="Timeout", task="t", message="m", count=3, kwargs={"card": "4111-1111"}, context={"pin": "0815"})
    )
    RequeueJob.objects.create().issues.add(made)
    return made


def enter(client: Client, role: str) -> set[str]:
    """Sign in as a role; returns its permissions where it may enter the admin at all."""
    permissions = ROLES[role]
    if permissions is None:
        return set()
    user = User.objects.create_user("eve", is_staff=role != "no staff")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return permissions if user.is_staff else set()


def address(name: str, issue: OperationalIssue) -> str:
    """Return the address of a door."""
    occurrence = Occurrence.objects.filter(issue=issue)[0]
    for arguments in ([], [issue.pk], [issue.pk, occurrence.pk]):
        try:
            return reverse(PREFIX + name, args=[RequeueJob.objects.get().pk] if name == "requeue_job" else arguments)
        except NoReverseMatch:
            continue
    raise LookupError(name)


def is_denied(answer: HttpResponse) -> bool:
    """Tell whether an answer let nobody in."""
    return answer.status_code in {403, 404, 405} or (answer.status_code == 302 and "/login/" in answer["Location"])


def state() -> tuple[object, ...]:
    """Everything that a request might change."""
    return (
        sorted(OperationalIssue.objects.values_list("pk", "name", "status", "muted_until")),
        sorted(Occurrence.objects.values_list("pk", "requeued_as")),
        sorted(RequeueJob.objects.values_list("pk", "status")),
        LogEntry.objects.count(),
    )


def test_every_address_of_the_admin_is_in_the_table() -> None:
    """A new view without a row here fails."""
    urls = admin.site.get_model_admin(OperationalIssue).get_urls()
    names = {
        str(url.name).removeprefix("issue_tracker_operationalissue_") for url in urls if getattr(url, "name", None)
    }

    assert names == {door.name for door in DOORS}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_doors(client: Client, issue: OperationalIssue, role: str, door: Door) -> None:
    """GET changes nothing for anybody; POST changes nothing unless it is granted."""
    permissions = enter(client, role)
    before = state()

    shown = client.get(address(door.name, issue))
    assert state() == before
    assert is_denied(shown) is not any(needed <= permissions for needed in door.get)

    done = client.post(address(door.name, issue), dict(door.form))
    may = any(needed <= permissions for needed in door.post)
    assert is_denied(done) is not may
    if not may:
        assert state() == before


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", ACTIONS)
def test_actions(client: Client, issue: OperationalIssue, role: str, action: str) -> None:
    """An action needs what its name says, and the list."""
    permissions = enter(client, role)
    before = state()
    form = {"action": action, "_selected_action": [issue.pk], "index": 0}

    answer = client.post(f"{reverse(f'{PREFIX}changelist')}?status=all", form)

    sees = any(needed <= permissions for needed in SEE)
    views = "view_operationalissue" in permissions or "change_operationalissue" in permissions
    granted = views if action.startswith("export") else ACTIONS[action] <= permissions
    if not (sees and granted):
        assert state() == before
        assert "attachment" not in answer.get("Content-Disposition", "")
        assert b"4111-1111" not in getattr(answer, "content", b"")
    elif action.startswith("export"):
        assert "attachment" in answer["Content-Disposition"]


@pytest.mark.parametrize("role", ROLES)
def test_payload_is_nowhere_without_its_permission(client: Client, issue: OperationalIssue, role: str) -> None:
    """Neither on a page nor in a text, whatever else one may do."""
    permissions = enter(client, role)

    for door in DOORS:
        content = client.get(address(door.name, issue)).content.decode()
        if "view_payload" not in permissions:
            assert "4111-1111" not in content, door.name
            assert "0815" not in content, door.name


def test_no_door_leads_to_another_sites_form(issue: OperationalIssue, admin_user: User) -> None:
    """Each POST needs Django's CSRF token."""
    from django.test import Client as TestClient

    client = TestClient(enforce_csrf_checks=True)
    client.force_login(admin_user)
    before = state()

    for door in DOORS:
        assert client.post(address(door.name, issue), dict(door.form)).status_code == 403
    assert state() == before
