"""axe-core on every page, in both themes: nothing serious, nothing critical."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from demo.cinema.models import Theater
from issue_tracker.models import OperationalIssue, RequeueJob
from tests.browsing import visit
from tests.issues import tell_all

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "/admin/issue_tracker/operationalissue/"

PAGES = {
    "list": "",
    "list of all, searched": "?status=all&q=a",
    "list without issues": "?q=nothing-at-all",
    "overview": "overview/",
    "issue": "{issue}/change/",
    "requeue": "{issue}/requeue/",
    "job": "requeue-jobs/{job}/",
    "jobs": "requeue-jobs/",
    "issue that was resolved": "{resolved}/change/",
    "an object with open issues": "../../cinema/theater/{theater}/change/",
}

OURS = {"an object with open issues": ".field-open_issues"}
"""The part to look at, of pages that are the host's: the breadcrumbs of Django's own ones have a fault."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages(browser: Browser, live_server: LiveServer, admin_user: User, scheme: str) -> None:
    """Contrast, names, roles, landmarks, as WCAG 2.2 AA has them; Django's own parts of the page included."""
    source = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    tell_all()
    job = RequeueJob.objects.create(total_count=10, sent_count=4)
    issue = OperationalIssue.objects.get(name="ConnectTimeout")
    resolved = OperationalIssue.objects.get(name="ZeroDivisionError")
    theater = Theater.objects.create(pk=5, name="Cine Colonia", slug="cine-colonia", city="Bogotá")
    found = visit(browser, str(live_server.url), admin_user, color_scheme=scheme)

    faults = {}
    for name, path in PAGES.items():
        page = found.open(LIST + path.format(issue=issue.pk, job=job.pk, resolved=resolved.pk, theater=theater.pk))
        page.evaluate("document.querySelectorAll('.it details').forEach((d) => { d.open = true; })")
        page.evaluate(source)
        result: dict[str, Any] = page.evaluate(
            "(part) => axe.run(part, {resultTypes: ['violations']})", OURS.get(name, "html")
        )
        if serious := [_told(v) for v in result["violations"] if v["impact"] in {"serious", "critical"}]:
            faults[name] = serious

    assert faults == {}
    assert found.complaints == []


def _told(violation: dict[str, Any]) -> str:
    places = [
        f"{node['html'][:160]} – {node['any'][0]['message'][:160] if node['any'] else ''}"
        for node in violation["nodes"][:3]
    ]
    return f"{violation['id']}: {' | '.join(places)}"
