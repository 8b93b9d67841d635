"""The issue list: what it shows, finds, filters and does, and what it makes of nonsense."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from issue_tracker.models import Occurrence, OperationalIssue
from tests.issues import STORIES, Story, tell, tell_all

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST = "/admin/issue_tracker/operationalissue/"


@pytest.fixture
def stories() -> list[OperationalIssue]:
    """All the stories, a few occurrences each."""
    return tell_all(rows=5)


def names(client: Client, query: str = "") -> list[str]:
    """Return the names on the list, in its order."""
    page = client.get(f"{LIST}{query}")
    assert page.status_code == 200
    return [issue.name for issue in page.context_data["cl"].result_list]


def test_opens_on_open_issues_newest_first(admin_client: Client, stories: list[OperationalIssue]) -> None:
    """The first look is at what is broken now."""
    shown = names(admin_client)

    assert shown[:2] == ["KeyError", "ConnectTimeout"]
    assert "IntegrityError" not in shown
    assert "ZeroDivisionError" not in shown


def test_a_row_shows_name_message_task_severity_status_count_and_times(admin_client: Client) -> None:
    """A row answers what, where, how bad, how often and since when."""
    tell(next(story for story in STORIES if story.name == "ConnectTimeout"))

    row = re.search(r"<tr>.*?</tr>", admin_client.get(LIST).content.decode().partition("<tbody>")[2], re.DOTALL)

    assert row is not None
    for text in (
        "ConnectTimeout",
        "timed out",
        "colombia_com_download_task",
        "Error",
        "Open",
        "340",
        "1 wk ago",
        "Returned",
    ):
        assert text in row[0].replace("\xa0", " ")
    assert "<svg" in row[0]
    assert re.search(r'<time title="\d\d/\d\d/\d{4} \d\d:\d\d:\d\d -05">1.wk ago</time>', row[0])


def test_a_row_says_that_an_issue_recovered_by_itself_at_times(admin_client: Client) -> None:
    """Flaky, in words; others are not."""
    flaky = tell(Story(name="Flaky one", task="t", message="m"))
    tell(Story(name="Steady one", task="t", message="m"))
    OperationalIssue.objects.filter(pk=flaky.pk).update(recovered_count=1)

    rows = re.findall(r"<tr>.*?</tr>", admin_client.get(LIST).content.decode().partition("<tbody>")[2], re.DOTALL)

    assert {"Flaky one" in row: '<span class="it-flag">Flaky</span>' in row for row in rows} == {
        True: True,
        False: False,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?status=muted", {"IntegrityError"}),
        ("?status=resolved", {"HardTimeLimit", "ZeroDivisionError"}),
        ("?severity__exact=info", {"Movie without poster"}),
        ("?severity=info", {"Movie without poster"}),
        ("?kind__exact=worker_lost", {"WorkerLostError"}),
        ("?task__exact=posters.tasks.render_poster", {"SoftTimeLimitExceeded", "WorkerLostError"}),
        ("?q=tax_id", {"KeyError"}),
        ("?q=keyerror", {"KeyError"}),
        ("?q=%22no+showtimes%22", {"No showtimes found"}),
        ("?last_seen_at__within=1h&severity=info", {"Movie without poster"}),
        ("?first_seen_at__within=24h", {"NotRegistered"}),
    ],
)
def test_views_filters_and_search_narrow_the_list(
    admin_client: Client, stories: list[OperationalIssue], query: str, expected: set[str]
) -> None:
    """Each filter keeps what it says, and nothing else."""
    assert set(names(admin_client, query)) == expected


def test_all_and_recurring_views(admin_client: Client, stories: list[OperationalIssue]) -> None:
    """All shows everything; recurring what came back or went on for more than a day, unless it is resolved."""
    assert len(names(admin_client, "?status=all")) == len(STORIES)

    recurring = names(admin_client, "?status=recurring")
    assert "ConnectTimeout" in recurring
    assert "IntegrityError" in recurring
    assert "NotRegistered" not in recurring
    assert "HardTimeLimit" not in recurring


def test_a_range_of_days_counts_the_last_day_whole(admin_client: Client) -> None:
    """`until` is the end of that day, in the reader's time zone."""
    moment = timezone.make_aware(timezone.datetime(2026, 3, 10, 23, 30))
    tell(Story(name="Late", task="t", message="m", began_days=0.01, last_minutes=0), now=moment)

    assert names(admin_client, "?last_seen_at__since=2026-03-10&last_seen_at__until=2026-03-10") == ["Late"]
    assert names(admin_client, "?last_seen_at__until=2026-03-09") == []
    assert names(admin_client, "?last_seen_at__since=2026-03-11") == []


def test_search_finds_the_exact_id_of_a_task(admin_client: Client, stories: list[OperationalIssue]) -> None:
    """An id from a log leads to its issue; a part of an id does not."""
    occurrence = Occurrence.objects.filter(issue__name="KeyError")[0]

    assert names(admin_client, f"?q={occurrence.task_id}") == ["KeyError"]
    assert names(admin_client, f"?q={occurrence.task_id[:-1]}") == []


def test_views_carry_counts_under_the_present_filters(admin_client: Client, stories: list[OperationalIssue]) -> None:
    """The count beside a view is the number of rows behind its link."""
    page = admin_client.get(f"{LIST}?severity__exact=error")

    for view in page.context_data["cl"].views():
        assert len(names(admin_client, view["query"])) == int(view["count"]), view["name"]


def test_each_filter_link_leads_to_as_many_rows_as_it_says(
    admin_client: Client, stories: list[OperationalIssue]
) -> None:
    """Counts beside severities, kinds and tasks are true."""
    changelist = admin_client.get(f"{LIST}?status=all").context_data["cl"]

    checked = 0
    for spec in changelist.filter_specs:
        for choice in spec.choices(changelist):
            if choice.get("count"):
                assert str(len(names(admin_client, choice["query_string"]))) == choice["count"], choice
                checked += 1
    assert checked > 15


def test_each_bar_of_the_histogram_leads_to_its_issues(admin_client: Client, stories: list[OperationalIssue]) -> None:
    """A bar's height is the number of rows behind its link, by day and, within a day, by hour."""
    by_day = admin_client.get(f"{LIST}?status=all").context_data["cl"].histogram
    bars = [bar for bar in by_day.bars if bar.count]
    by_hour = admin_client.get(LIST + bars[-1].query).context_data["cl"].histogram

    assert not by_day.is_hourly
    assert by_hour.is_hourly
    assert by_hour.total == bars[-1].count
    for bar in [*bars, *(bar for bar in by_hour.bars if bar.count)]:
        assert len(names(admin_client, bar.query)) == bar.count


def test_filters_survive_the_way_to_an_issue_and_back(admin_client: Client, stories: list[OperationalIssue]) -> None:
    """The list one comes back to is the list one left, also after an action on the page."""
    page = admin_client.get(f"{LIST}?severity__exact=info").content.decode()
    link = re.search(r'class="it-one"><a href="([^"]+)"', page)
    assert link is not None

    issue_page = admin_client.get(link[1].replace("&amp;", "&"))
    assert issue_page.context_data["list_url"] == f"{LIST}?severity__exact=info"

    answer = admin_client.post(issue_page.context_data["state_url"], {"verb": "resolve"})
    assert admin_client.get(answer.url).context_data["list_url"] == f"{LIST}?severity__exact=info"


@pytest.mark.parametrize(
    ("action", "start", "end"),
    [
        ("resolve_selected", "open", "resolved"),
        ("reopen_selected", "resolved", "open"),
        ("mute_selected", "open", "muted"),
        ("mute_selected_for_a_week", "open", "muted"),
    ],
)
def test_actions_change_the_selected_and_leave_a_log_entry(
    admin_client: Client, stories: list[OperationalIssue], action: str, start: str, end: str
) -> None:
    """Each action changes what was ticked, nothing else, and the history says who did it."""
    first, second = OperationalIssue.objects.filter(status=start)[:2]
    before = dict(OperationalIssue.objects.values_list("pk", "status"))

    answer = admin_client.post(
        f"{LIST}?status=all", {"action": action, "_selected_action": [first.pk, second.pk], "index": 0}
    )

    assert answer.status_code == 302
    assert answer.url.endswith("?status=all")
    changed = {pk for pk, status in OperationalIssue.objects.values_list("pk", "status") if before[pk] != status}
    assert changed == {first.pk, second.pk}
    assert set(OperationalIssue.objects.filter(pk__in=changed).values_list("status", flat=True)) == {end}
    entries = LogEntry.objects.all()
    assert {entry.object_id for entry in entries} == {str(first.pk), str(second.pk)}
    assert {entry.user.username for entry in entries} == {"admin"}


def test_a_mute_for_a_week_ends(admin_client: Client, stories: list[OperationalIssue]) -> None:
    """The end is a week ahead."""
    issue = OperationalIssue.objects.filter(status="open")[0]

    admin_client.post(LIST, {"action": "mute_selected_for_a_week", "_selected_action": [issue.pk], "index": 0})

    issue.refresh_from_db()
    assert issue.muted_until is not None
    assert timedelta(days=6) < issue.muted_until - timezone.now() <= timedelta(days=7)


def test_who_may_only_view_gets_no_actions(client: Client, stories: list[OperationalIssue]) -> None:
    """Without `change` the actions are neither shown nor obeyed."""
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_operationalissue"))
    client.force_login(user)

    page = client.get(LIST)
    client.post(LIST, {"action": "resolve_selected", "_selected_action": [stories[0].pk], "index": 0})

    assert page.status_code == 200
    assert "resolve_selected" not in page.content.decode()
    assert OperationalIssue.objects.get(pk=stories[0].pk).status == "open"


@pytest.mark.parametrize(
    "query",
    [
        "?status=nonsense",
        "?severity__exact=nonsense",
        "?severity__in=a,b",
        "?severity__year=5",
        "?kind__exact=%00",
        "?task__exact=" + "x" * 5000,
        "?last_seen_at__since=yesterday",
        "?last_seen_at__since=0001-01-01",
        "?last_seen_at__since=9999-12-31&last_seen_at__until=9999-12-31",
        "?last_seen_at__until=2026-02-30",
        "?last_seen_at__since=2026-01-01T25:00",
        "?last_seen_at__within=5y",
        "?last_seen_at__foo=1",
        "?last_seen_at=1",
        "?p=0",
        "?p=-1",
        "?p=99999999999999999999999",
        "?p=x",
        "?o=99.-1.x.--2",
        "?o=" + "1." * 500,
        "?all=",
        "?e=1",
        "?_to_field=password",
        "?_popup=1",
        "?_facets=True",
        "?context__secret=1",
        "?pk__in=1,2",
        "?occurrences__kwargs__contains=x",
        "?q=" + "a" * 10_240,
        "?q=" + "a+" * 5_120,
        "?q=%00",
        "?q=%ff%fe",
        "?q=%22%27%22",
        "?q=%25_%5C",
        "?" + "&".join(f"x{n}=1" for n in range(500)),
    ],
)
def test_nonsense_gives_a_normal_page(admin_client: Client, stories: list[OperationalIssue], query: str) -> None:
    """Whatever the address says, the answer is the list."""
    page = admin_client.get(LIST + query, follow=True)

    assert page.status_code == 200
    assert b'id="changelist"' in page.content


def test_a_filter_that_is_none_is_named_and_filters_nothing(admin_client: Client) -> None:
    """A filter on context would tell arguments to those who may not see them, one guess at a time."""
    tell(Story(name="Secretive", task="t", message="m", context={"card": "4111"}))

    right, wrong = (admin_client.get(f"{LIST}?context__card={card}") for card in ("4111", "4112"))

    assert [i.name for i in right.context_data["cl"].result_list] == ["Secretive"]
    assert [i.name for i in wrong.context_data["cl"].result_list] == ["Secretive"]
    assert "context__card" in wrong.content.decode()


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(admin_client: Client) -> None:
    """At most 12, at ten rows and at a hundred."""
    counts = []
    for rows in (10, 90):
        for n in range(rows):
            tell(Story(name=f"Issue {rows} {n}", task=f"task_{n % 20}", message="m", count=3))
        admin_client.get(LIST)
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(f"{LIST}?status=all")
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 12


def test_the_empty_list_says_how_to_check_the_setup(admin_client: Client) -> None:
    """Nothing captured may mean that nothing is captured."""
    assert "issues doctor" in admin_client.get(LIST).content.decode()


def test_nobody_adds_an_issue(admin_client: Client) -> None:
    """There is no add page and no link to one."""
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert f"{LIST}add/" not in admin_client.get(LIST).content.decode()
