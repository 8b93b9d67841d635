"""The admin pages in a real browser, under `default-src 'self'`: what is seen, clicked and typed.

SCREENSHOTS=1 writes the pictures of the docs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from issue_tracker.models import Occurrence, OperationalIssue
from tests.browsing import Visit, visit
from tests.issues import tell_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from playwright.sync_api import Browser, Page
    from pytest_django.fixtures import SettingsWrapper
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "/admin/issue_tracker/operationalissue/"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def site(settings: SettingsWrapper, live_server: LiveServer) -> str:
    """The address of a site with issues, under a strict policy."""
    settings.MIDDLEWARE = ["tests.csp.StrictPolicy", *settings.MIDDLEWARE]
    tell_all()
    return str(live_server.url)


@pytest.fixture
def desk(browser: Browser, site: str, admin_user: User) -> Iterator[Visit]:
    """An administrator's browser, which must end without a complaint."""
    found = visit(browser, site, admin_user, permissions=["clipboard-read", "clipboard-write"])
    yield found
    found.page.context.close()
    assert found.complaints == []


def issue_path(name: str = "ConnectTimeout") -> str:
    """Return the address of an issue's page."""
    return f"{LIST}{OperationalIssue.objects.get(name=name).pk}/change/"


def status_of(name: str) -> str:
    """Return an issue's status, read afresh."""
    return OperationalIssue.objects.get(name=name).status


def at(page: Page) -> str:
    """Return the name of the issue that the keyboard is at."""
    return page.locator("#result_list tr.it-at .it-one a").inner_text()


def is_as_wide_as_the_screen(page: Page) -> bool:
    """Tell whether nothing sticks out to the side."""
    return bool(page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth"))


def test_the_list(desk: Visit) -> None:
    """Rows, sparklines, histogram; nothing blocked by the policy."""
    page = desk.open(LIST)

    expect(page.locator("#result_list tbody tr")).to_have_count(12)
    expect(page.locator(".it-spark path")).to_have_count(12)
    expect(page.get_by_role("link", name="Open 12")).to_have_attribute("aria-current", "page")
    assert desk.violations() == []
    desk.shoot("list")


def test_the_issue_page(desk: Visit) -> None:
    """Own frames open, library frames folded until they are asked for."""
    page = desk.open(issue_path())
    library = page.get_by_text("R = retval = fun(*args, **kwargs)").first

    expect(page.get_by_text("page = self._get(").first).to_be_visible()
    expect(library).to_be_hidden()
    assert desk.violations() == []
    desk.shoot("issue")
    desk.shoot("issue-whole", full=True)

    page.get_by_role("button", name="All frames").click()
    expect(library).to_be_visible()
    page.get_by_role("button", name="Own code").click()
    expect(library).to_be_hidden()
    expect(page.get_by_text("page = self._get(").first).to_be_visible()


def test_the_overview(desk: Visit) -> None:
    """A number of the matrix leads to its issues."""
    page = desk.open(f"{LIST}overview/")
    assert desk.violations() == []
    desk.shoot("overview", full=True)

    row = page.locator("#matrix tr", has_text="posters.tasks.render_poster")
    row.get_by_role("link").last.click()

    expect(page.locator("#result_list tbody tr")).to_have_count(2)


def test_resolve_and_reopen_by_button(desk: Visit) -> None:
    """The answer is on the page, and so is who did it."""
    page = desk.open(issue_path())

    page.get_by_role("button", name="Resolve").click()
    expect(page.locator(".messagelist")).to_contain_text("The issue is resolved.")
    assert status_of("ConnectTimeout") == "resolved"

    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".messagelist")).to_contain_text("The issue is open.")
    expect(page.locator("#history")).to_contain_text("admin")
    assert status_of("ConnectTimeout") == "open"


def test_mute_with_a_note(desk: Visit) -> None:
    """Two small menus of one form: the note goes with the action."""
    page = desk.open(issue_path())

    page.locator("summary", has_text="Note").click()
    page.get_by_label("Note, kept with").fill("until the partner is back")
    page.locator("summary", has_text="Mute").click()
    page.get_by_label("How long").select_option("week")
    page.locator(".it-pop button", has_text="Mute").click()

    expect(page.locator("#history")).to_contain_text("until the partner is back")
    assert status_of("ConnectTimeout") == "muted"


def test_bulk_resolve_keeps_the_filters(desk: Visit) -> None:
    """Tick two, resolve, and see the same list without them."""
    page = desk.open(f"{LIST}?severity__exact=warning")

    for name in ("TMDB API Error", "No showtimes found"):
        page.locator("tr", has_text=name).locator(".action-select").check()
    page.get_by_label("Action:").select_option("resolve_selected")
    page.get_by_role("button", name="Go").click()

    expect(page.locator(".messagelist")).to_contain_text("2 issues resolved.")
    assert page.url.endswith("?severity__exact=warning")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)


def test_requeue_asks_first(desk: Visit) -> None:
    """The button leads to a page that says what would happen."""
    page = desk.open(issue_path())

    page.get_by_role("link", name="Requeue…").click()

    expect(page.locator("#content")).to_contain_text("task runs would be sent again")
    assert desk.violations() == []


def test_filters_by_day_and_by_link(desk: Visit) -> None:
    """Two date boxes and the presets, without a line of script."""
    page = desk.open(LIST)
    boxes = page.locator("details[data-filter-title='last seen']")

    boxes.get_by_label("From").fill("2099-01-01")
    boxes.get_by_role("button", name="Show").click()
    expect(page.locator("#changelist")).to_contain_text("No issue matches.")

    page.locator("details[data-filter-title='last seen']").get_by_role("link", name="Last hour").click()
    assert "last_seen_at__within=1h" in page.url
    expect(page.locator("#result_list tbody tr")).to_have_count(5)


def test_the_keyboard_on_the_list(desk: Visit) -> None:
    """j and k move, x ticks, o opens, r resolves, ? helps."""
    page = desk.open(LIST)

    page.keyboard.press("j")
    page.keyboard.press("j")
    assert at(page) == "ConnectTimeout"
    page.keyboard.press("k")
    assert at(page) == "KeyError"
    page.keyboard.press("x")
    expect(page.locator(".action-select:checked")).to_have_count(1)
    page.keyboard.press("x")
    expect(page.locator(".action-select:checked")).to_have_count(0)

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next issue")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.locator("#content h1").first.click()

    page.keyboard.press("r")
    expect(page.locator(".messagelist")).to_contain_text("1 issue resolved.")
    assert status_of("KeyError") == "resolved"

    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page.locator("h1", has_text="ConnectTimeout")).to_be_visible()


def test_the_keyboard_on_the_issue_page(desk: Visit) -> None:
    """j and k step through occurrences, r resolves, u goes back; typing a note does none of it."""
    page = desk.open(f"{LIST}?severity__exact=error")
    page.get_by_role("link", name="ConnectTimeout").click()

    page.locator("summary", has_text="Note").click()
    page.get_by_label("Note, kept with").type("jkru?")
    assert status_of("ConnectTimeout") == "open"
    page.locator("h1").click()

    page.keyboard.press("j")
    page.wait_for_url(re.compile("/occurrences/"))
    page.keyboard.press("k")
    newest = Occurrence.objects.filter(issue__name="ConnectTimeout")[0].pk
    page.wait_for_url(re.compile(f"/occurrences/{newest}/"))

    page.go_back()
    page.go_back()
    page.keyboard.press("u")
    page.wait_for_url(re.compile(r"severity__exact=error"))


def test_copy_buttons_fill_the_clipboard(desk: Visit) -> None:
    """The message alone, and the whole issue as Markdown."""
    page = desk.open(issue_path())

    page.locator("#message .it-copy").click()
    expect(page.locator("#message .it-copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "timed out"

    page.get_by_role("link", name="Copy as Markdown").click()
    expect(page.get_by_role("link", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("# `ConnectTimeout`")


def test_auto_refresh_is_remembered(desk: Visit) -> None:
    """In this browser, until it is switched off."""
    page = desk.open(LIST)
    button = page.get_by_role("button", name="Auto-refresh")

    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")


def test_dark_mode(browser: Browser, site: str, admin_user: User) -> None:
    """The pages follow the system's colours, and the admin's own switch."""
    found = visit(browser, site, admin_user, color_scheme="dark")

    page = found.open(issue_path())
    assert page.evaluate("getComputedStyle(document.querySelector('.it-card')).backgroundColor") == "rgb(25, 25, 25)"
    found.shoot("dark")
    for _ in range(2):
        page.locator(".theme-toggle").first.click()
    theme = page.evaluate("document.documentElement.dataset.theme")
    color = page.evaluate("getComputedStyle(document.querySelector('.it-card')).backgroundColor")
    assert (theme, color) in {("light", "rgb(255, 255, 255)"), ("dark", "rgb(25, 25, 25)")}
    assert found.violations() == []
    assert found.complaints == []


@pytest.mark.parametrize("place", ["list", "issue", "overview"])
def test_a_phone(browser: Browser, site: str, admin_user: User, place: str) -> None:
    """Nothing sticks out to the side; the actions are there."""
    found = visit(browser, site, admin_user, **PHONE)
    paths = {"list": LIST, "issue": issue_path(), "overview": f"{LIST}overview/"}

    page = found.open(paths[place])

    assert is_as_wide_as_the_screen(page)
    if place == "issue":
        expect(page.get_by_role("button", name="Resolve")).to_be_in_viewport()
    found.shoot(f"phone-{place}")
    assert found.complaints == []


def test_a_narrow_window_stacks_the_rows(browser: Browser, site: str, admin_user: User) -> None:
    """Between sidebar and filters little is left for the list: the rows go by its width, not by the window's."""
    found = visit(browser, site, admin_user, viewport={"width": 1024, "height": 768})

    page = found.open(LIST)
    name = page.get_by_role("link", name="Retry exhausted: TimeoutError").bounding_box()

    assert is_as_wide_as_the_screen(page)
    assert name is not None
    assert name["width"] > 150
    expect(page.locator("#result_list thead")).to_be_hidden()
    assert found.complaints == []


def test_the_mute_menu_shows_what_the_choice_needs(desk: Visit) -> None:
    """A moment or a number of times, only when they are chosen."""
    page = desk.open(issue_path())
    page.locator("summary", has_text="Mute").click()

    expect(page.get_by_label("Moment", exact=True)).to_be_hidden()
    page.get_by_label("How long").select_option("more")
    expect(page.get_by_label("Moment", exact=True)).to_be_hidden()
    page.get_by_label("Times", exact=True).fill("100")
    page.locator(".it-pop button", has_text="Mute").click()

    issue = OperationalIssue.objects.get(name="ConnectTimeout")
    assert (issue.status, issue.muted_until_count) == ("muted", 440)


def test_without_javascript(browser: Browser, site: str, admin_user: User) -> None:
    """Everything but the comforts works: filters, folding, changing the state, paging."""
    found = visit(browser, site, admin_user, java_script_enabled=False)

    page = found.page
    page.goto(found.base + LIST)
    page.get_by_role("link", name="Resolved 2").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)

    page.goto(found.base + issue_path())
    page.locator(".it-run summary").first.click()
    page.locator("#occurrences").get_by_role("link", name="Older").click()
    expect(page.locator("#occurrences").get_by_role("link", name="Newer")).to_be_visible()
    page.locator("summary", has_text="Mute").click()
    page.locator(".it-pop button", has_text="Mute").click()
    assert status_of("ConnectTimeout") == "muted"
    page.get_by_role("button", name="Resolve").click()
    assert status_of("ConnectTimeout") == "resolved"
