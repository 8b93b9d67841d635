"""OperationalIssueAdmin is made to be subclassed: other columns, other filters, template blocks, another admin site."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.urls import path

from issue_tracker.admin import OperationalIssueAdmin
from issue_tracker.models import OperationalIssue
from tests.issues import Story, tell

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class TeamIssueAdmin(OperationalIssueAdmin):
    """One more column, one more filter, a smaller page, a runbook's link."""

    list_display = (*OperationalIssueAdmin.list_display, "culprit")
    list_filter = (*OperationalIssueAdmin.list_filter, "exception_type")
    list_per_page = 5
    change_form_template = "team/issue.html"

    def get_issue_context(self, request: Any, issue: Any, occurrence: Any) -> dict[str, Any]:
        """Add the runbook."""
        return {**super().get_issue_context(request, issue, occurrence), "runbook": f"/runbooks/{issue.task}"}

    def get_queryset(self, request: Any) -> Any:
        """Leave out what is not the team's."""
        return super().get_queryset(request).filter(task__startswith="billing.")


site = admin.AdminSite(name="team")
site.register(OperationalIssue, TeamIssueAdmin)
urlpatterns = [path("admin/", admin.site.urls), path("team/", site.urls)]

LIST = "/team/issue_tracker/operationalissue/"

TEMPLATE = """{% extends "admin/issue_tracker/operationalissue/change_form.html" %}
{% block issue_recurrence %}{% endblock %}
{% block issue_extra %}<a href="{{ runbook }}">Runbook</a>{% endblock %}"""


@pytest.fixture
def team(settings: SettingsWrapper, admin_client: Client) -> Client:
    """An administrator, and a template of the host's own."""
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0].pop("APP_DIRS")
    loaders = ["django.template.loaders.app_directories.Loader"]
    templates[0]["OPTIONS"]["loaders"] = [
        ("django.template.loaders.locmem.Loader", {"team/issue.html": TEMPLATE}),
        *loaders,
    ]
    settings.TEMPLATES = templates
    tell(Story(name="KeyError", task="billing.send", message="m", culprit="billing.tasks:send"))
    tell(Story(name="Foreign", task="posters.render", message="m"))
    return admin_client


def test_columns_filters_and_queryset_are_the_subclass_s(team: Client) -> None:
    """Nothing of a foreign team is listed, counted or shown."""
    page = team.get(f"{LIST}?exception_type=KeyError")

    changelist = page.context_data["cl"]
    assert [issue.name for issue in changelist.result_list] == ["KeyError"]
    assert [view["count"] for view in changelist.views() if view["name"] == "all"] == ["1"]
    assert "billing.tasks:send" in page.content.decode()
    foreign = OperationalIssue.objects.get(name="Foreign")
    assert team.get(f"{LIST}{foreign.pk}/change/").status_code == 302
    assert team.get(f"{LIST}{foreign.pk}/issue.json").status_code == 404
    assert team.post(f"{LIST}{foreign.pk}/state/", {"verb": "resolve"}).status_code == 404


def test_foreign_issues_are_nowhere_on_the_site(team: Client) -> None:
    """Not in the overview, not among the related ones of the same minute."""
    own = OperationalIssue.objects.get(name="KeyError")

    for address in ("", "?status=all", "overview/", f"{own.pk}/change/"):
        html = team.get(LIST + address).content.decode()
        assert "KeyError" in html
        assert "Foreign" not in html
        assert "posters.render" not in html


def test_template_blocks_are_replaced_by_name(team: Client) -> None:
    """One left out, one added, the context's own value in it."""
    issue = OperationalIssue.objects.get(name="KeyError")

    html = team.get(f"{LIST}{issue.pk}/change/").content.decode()

    assert '<a href="/runbooks/billing.send">Runbook</a>' in html
    assert 'id="recurrence"' not in html
    assert 'id="message"' in html


def test_links_stay_on_the_site(team: Client) -> None:
    """No page of the team's site leads into the other one."""
    issue = OperationalIssue.objects.get(name="KeyError")

    for address in ("", "overview/", f"{issue.pk}/change/", f"{issue.pk}/requeue/", "requeue-jobs/"):
        html = team.get(LIST + address).content.decode()
        assert f"{LIST}" in html
        assert 'href="/admin/issue_tracker' not in html
        assert 'action="/admin/' not in html


def test_the_stock_site_is_what_it_was(admin_client: Client) -> None:
    """Subclassing for one site changes nothing on the other."""
    tell(Story(name="Foreign", task="posters.render", message="m"))

    assert b"Foreign" in admin_client.get("/admin/issue_tracker/operationalissue/").content
