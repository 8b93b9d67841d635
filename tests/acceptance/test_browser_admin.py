"""The admin pages in a real browser, under `default-src 'self'`: what is seen, clicked, typed and read aloud.

SCREENSHOTS=1 writes the pictures of the docs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from issue_tracker.models import OperationalIssue
from tests.browsing import Visit, visit
from tests.issues import tell_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from playwright.sync_api import Browser
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "/admin/issue_tracker/operationalissue/"


@pytest.fixture
def site(settings: SettingsWrapper, live_server: LiveServer) -> str:
    """The address of a site with issues, under a strict policy."""
    settings.MIDDLEWARE = ["tests.csp.StrictPolicy", *settings.MIDDLEWARE]
    tell_all()
    return str(live_server.url)


@pytest.fixture
def desk(browser: Browser, site: str, admin_user: User) -> Iterator[Visit]:
    """An administrator's browser, which must end without a complaint."""
    found = visit(browser, site, admin_user)
    yield found
    found.page.context.close()
    assert found.complaints == []


def issue_path(name: str = "ConnectTimeout") -> str:
    """Return the address of an issue's page."""
    return f"{LIST}{OperationalIssue.objects.get(name=name).pk}/change/"


def test_the_list(desk: Visit) -> None:
    """Rows, sparklines, histogram; nothing blocked by the policy."""
    page = desk.open(LIST)

    assert page.locator("#result_list tbody tr").count() == 12
    assert page.locator(".it-spark path").count() == 12
    assert page.get_by_role("link", name="Open 12").get_attribute("aria-current") == "page"
    assert desk.violations() == []
    desk.shoot("list")


def test_the_issue_page(desk: Visit) -> None:
    """Own frames open, library frames folded until they are asked for."""
    page = desk.open(issue_path())

    assert page.get_by_text("page = self._get(").first.is_visible()
    assert not page.get_by_text("R = retval = fun(*args, **kwargs)").first.is_visible()
    page.get_by_role("button", name="All frames").click()
    assert page.get_by_text("R = retval = fun(*args, **kwargs)").first.is_visible()
    page.get_by_role("button", name="Own code").click()
    assert desk.violations() == []
    desk.shoot("issue")
