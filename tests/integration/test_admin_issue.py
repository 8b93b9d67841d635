"""The issue page: what it shows in which order, to whom, and what its forms do."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from issue_tracker.models import Occurrence, OperationalIssue
from tests.issues import STORIES, Story, tell

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

ADMIN = "/admin/issue_tracker/operationalissue/"


@pytest.fixture
def issue() -> OperationalIssue:
    """An issue with a chained traceback, arguments, context and 60 occurrences."""
    return tell(next(story for story in STORIES if story.name == "ConnectTimeout"), rows=60)


@pytest.fixture
def viewer(client: Client) -> Client:
    """Somebody who may view issues and nothing else."""
    return _with_permissions(client, "view_operationalissue")


@pytest.fixture
def viewer_of() -> Any:
    """Make such a visitor in a browser of their own."""
    from django.test import Client as Browser

    return lambda: _with_permissions(Browser(), "view_operationalissue")


def _with_permissions(client: Client, *codenames: str) -> Client:
    user = User.objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def page_of(issue: OperationalIssue, rest: str = "change/") -> str:
    """Return an address of the issue."""
    return f"{ADMIN}{issue.pk}/{rest}"


def test_shows_the_parts_in_their_order(admin_client: Client, issue: OperationalIssue) -> None:
    """Header, message, causes, traceback, arguments, context, attempts, recurrence, occurrences, history, raw data."""
    html = admin_client.get(page_of(issue)).content.decode()

    marks = [
        "<h1>ConnectTimeout",
        "message",
        "causes",
        "traceback",
        "arguments",
        "context",
        "timeline",
        "recurrence",
        "occurrences",
        "history",
        "raw",
    ]
    places = [html.index(mark if mark.startswith("<") else f'<section class="it-card" id="{mark}"') for mark in marks]
    assert places == sorted(places)


def test_traceback_opens_own_frames_and_folds_libraries(admin_client: Client, issue: OperationalIssue) -> None:
    """Own frames and the raising one are open; the rest is folded and counted; code is highlighted by classes."""
    html = admin_client.get(page_of(issue)).content.decode()

    assert html.count('class="it-frame it-own" open') == 3
    assert "3 of your own" in html
    assert "2 library frames" in html
    assert "httpcore.ConnectTimeout" in html
    assert '<span class="bp">self</span>' in html
    assert "style=" not in html


def test_who_may_view_payload_sees_arguments_and_context(admin_client: Client, issue: OperationalIssue) -> None:
    """Arguments as JSON, context as a table."""
    html = admin_client.get(page_of(issue)).content.decode()

    assert "bogota" in html
    assert "Avatar" in html
    assert "theater_id" in html


def test_captured_locals_are_shown_at_their_frame(
    admin_client: Client, viewer_of: Any, issue: OperationalIssue
) -> None:
    """To who may view payload, and to nobody else."""
    frames = [{"at": "/srv/cinema/showtimes/colombia_com.py:44", "variables": {"path": "/cine/bogota/colonia"}}]
    latest = Occurrence.objects.filter(issue=issue)[0]
    Occurrence.objects.filter(pk=latest.pk).update(context={"locals": frames, "movie_name": "Avatar"})

    html = admin_client.get(page_of(issue)).content.decode()
    assert "/cine/bogota/colonia" in html.partition('class="it-locals"')[2].partition("</table>")[0]
    assert "/cine/bogota/colonia" not in viewer_of().get(page_of(issue)).content.decode()


@pytest.mark.parametrize("rest", ["change/", "issue.txt", "issue.md", "issue.json", "occurrences/{}/"])
def test_who_may_not_view_payload_sees_none_of_it(viewer: Client, issue: OperationalIssue, rest: str) -> None:
    """No argument and no context value is anywhere in the answer."""
    occurrence = Occurrence.objects.filter(issue=issue)[0]

    answer = viewer.get(page_of(issue, rest.format(occurrence.pk)))

    assert answer.status_code == 200
    text = answer.content.decode()
    assert "ConnectTimeout" in text
    for secret in ("bogota", "Avatar", "IMAX", "theater_id"):
        assert secret not in text


def test_permission_view_payload_opens_it(client: Client, issue: OperationalIssue) -> None:
    """The permission of its own is enough, without `change`."""
    client = _with_permissions(client, "view_operationalissue", "view_payload")

    assert "Avatar" in client.get(page_of(issue)).content.decode()
    assert "Avatar" in client.get(page_of(issue, "issue.md")).content.decode()


def test_nothing_captured_can_be_edited(admin_client: Client, issue: OperationalIssue) -> None:
    """The page has no field of the model, and a POST to it changes nothing."""
    html = admin_client.get(page_of(issue)).content.decode()
    answer = admin_client.post(page_of(issue), {"name": "other", "_save": "1"})

    assert 'name="error_message"' not in html
    assert answer.status_code == 405
    issue.refresh_from_db()
    assert issue.name == "ConnectTimeout"


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"verb": "resolve"}, "resolved", "resolved"),
        ({"verb": "resolve", "note": "fixed in 2.1"}, "resolved", "resolved: fixed in 2.1"),
        ({"verb": "mute", "until": "ever"}, "muted", "muted"),
        ({"verb": "mute", "until": "day"}, "muted", "muted until"),
        ({"verb": "mute", "until": "moment", "moment": "2099-01-01T10:00"}, "muted", "muted until 2099-01-01"),
        ({"verb": "mute", "until": "more", "more": "1000"}, "muted", "muted until 1,000 more"),
        ({"verb": "note", "note": "seen by <b>Ana</b>"}, "open", "note: seen by <b>Ana</b>"),
    ],
)
def test_forms_change_the_state_and_leave_a_log_entry(
    admin_client: Client, issue: OperationalIssue, form: dict[str, str], status: str, words: str
) -> None:
    """Who did what is on the page afterwards."""
    answer = admin_client.post(page_of(issue, "state/"), form)

    assert answer.url == page_of(issue)
    issue.refresh_from_db()
    assert issue.status == status
    entry = LogEntry.objects.get()
    assert words in entry.get_change_message()
    assert entry.user.username == "admin"
    html = admin_client.get(page_of(issue)).content.decode()
    assert "admin" in html.partition('id="history"')[2]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"verb": "explode"},
        {"verb": "note", "note": "  "},
        {"verb": "mute"},
        {"verb": "mute", "until": "x"},
        {"verb": "mute", "until": "moment", "moment": "2001-01-01T10:00"},
        {"verb": "mute", "until": "moment", "moment": "9999-99-99"},
        {"verb": "mute", "until": "more"},
        {"verb": "mute", "until": "more", "more": "0"},
        {"verb": "mute", "until": "more", "more": "9" * 100},
        {"verb": "mute", "until": "more", "more": "-1"},
        {"verb": "reopen"},
        {"verb": "\x00", "note": "\x00"},
    ],
)
def test_a_form_that_makes_no_sense_changes_nothing(
    admin_client: Client, issue: OperationalIssue, form: dict[str, str]
) -> None:
    """It leads back to the page with a word about it."""
    answer = admin_client.post(page_of(issue, "state/"), form, follow=True)

    assert answer.status_code == 200
    assert [str(message) for message in answer.context["messages"]]
    issue.refresh_from_db()
    assert issue.status == "open"
    assert not LogEntry.objects.exists()


def test_state_changes_by_post_only(admin_client: Client, issue: OperationalIssue) -> None:
    """A link, a crawler or an image tag can't resolve anything."""
    assert admin_client.get(page_of(issue, "state/"), {"verb": "resolve"}).status_code == 405
    issue.refresh_from_db()
    assert issue.status == "open"


def test_state_changes_need_a_csrf_token(issue: OperationalIssue, admin_user: User) -> None:
    """A form of another site is refused."""
    from django.test import Client as TestClient

    client = TestClient(enforce_csrf_checks=True)
    client.force_login(admin_user)

    assert client.post(page_of(issue, "state/"), {"verb": "resolve"}).status_code == 403


def test_who_may_only_view_changes_nothing(viewer: Client, issue: OperationalIssue) -> None:
    """No buttons, and no effect without them."""
    html = viewer.get(page_of(issue)).content.decode()
    answer = viewer.post(page_of(issue, "state/"), {"verb": "resolve"})

    assert 'value="resolve"' not in html
    assert answer.status_code == 403
    issue.refresh_from_db()
    assert issue.status == "open"


def test_occurrences_are_paged_by_keys_in_both_directions(admin_client: Client, issue: OperationalIssue) -> None:
    """Walking to the oldest and back meets each occurrence once each way."""
    expected = list(Occurrence.objects.filter(issue=issue).order_by("-occurred_at", "-pk").values_list("pk", flat=True))

    def walk(query: str, key: str, step: str) -> list[list[int]]:
        pages = []
        while True:
            shown = admin_client.get(page_of(issue) + query).context_data["page"]["occurrences"]
            pages.append([row.pk for row in shown.rows])
            if not (edge := getattr(shown, step)):
                return pages
            query = f"?{key}={edge}"

    down = walk("", "before", "older")
    last = admin_client.get(f"{page_of(issue)}?before={_edge(expected[-2])}").context_data["page"]["occurrences"]
    up = walk(f"?after={last.newer}", "after", "newer")

    assert [pk for rows in down for pk in rows] == expected
    assert [pk for rows in reversed(up) for pk in rows] == expected[:-1]


def _edge(pk: int) -> str:
    moment = Occurrence.objects.get(pk=pk).occurred_at
    return f"{round(moment.timestamp() * 1_000_000)}~{pk}"


@pytest.mark.parametrize(
    "edge", ["x", "~", "1~x", "99999999999999999999999~1", "1~99999999999999999999999", "-1~-1", "%00"]
)
def test_a_cursor_that_makes_no_sense_gives_a_page(admin_client: Client, issue: OperationalIssue, edge: str) -> None:
    """Never an error."""
    assert admin_client.get(f"{page_of(issue)}?before={edge}").status_code == 200
    assert admin_client.get(f"{page_of(issue)}?after={edge}").status_code == 200


def test_older_and_newer_step_through_the_occurrences(admin_client: Client, issue: OperationalIssue) -> None:
    """Each occurrence has a permalink that knows its neighbours."""
    expected = list(Occurrence.objects.filter(issue=issue).order_by("-occurred_at", "-pk").values_list("pk", flat=True))

    context = admin_client.get(page_of(issue)).context_data
    assert context["newer_url"] == ""
    walked = [context["page"]["occurrence"].pk]
    while context["older_url"]:
        context = admin_client.get(context["older_url"]).context_data
        walked.append(context["page"]["occurrence"].pk)
        if len(walked) == 5:
            break

    assert walked == expected[:5]
    assert context["newer_url"].endswith(f"/occurrences/{expected[3]}/")


def _links(html: str) -> set[str]:
    """Return where the links and forms of a page lead within this admin; Django's sidebar is not ours."""
    own = html.partition('class="breadcrumbs"')[2].partition("</div>")[0] + html.partition('id="content-main"')[2]
    found = {unescape(address) for address in re.findall(r'(?:href|action)="([^"#]*)', own)}
    pages = {address for address in found if address.startswith((ADMIN, "?"))}
    return {address for address in pages if not re.search(r"/issue\.(txt|md|json)", address)}


@pytest.mark.parametrize("rest", ["change/", "occurrences/{}/", "requeue/", "occurrences/{}/requeue/"])
def test_every_link_keeps_the_filters_of_the_list(admin_client: Client, issue: OperationalIssue, rest: str) -> None:
    """Wherever one goes from an issue, the way up leads to the list it was opened from."""
    related = tell(Story(name="ReadTimeout", task=issue.task, message="m"))
    OperationalIssue.objects.filter(pk=issue.pk).update(previous=related)
    chosen = Occurrence.objects.filter(issue=issue)[30]
    filters = urlencode({"_changelist_filters": "severity__exact=error&q=timed out"})
    cursor = _edge(Occurrence.objects.filter(issue=issue)[20].pk)
    address = page_of(issue, rest.format(chosen.pk))

    html = admin_client.get(f"{address}?before={cursor}&{filters}").content.decode()

    links = _links(html)
    lists = {link for link in links if link.partition("?")[0] == ADMIN}
    assert lists == {f"{ADMIN}?severity__exact=error&q=timed+out"}
    assert [link for link in links - lists if filters not in link] == []
    for link in links - lists - {page_of(issue, f"state/?{filters}")}:
        answer = admin_client.get(address + link if link.startswith("?") else link)
        assert lists <= _links(answer.content.decode()), link
    expected = (
        ["/requeue/"] if rest.startswith("change") else ["/change/"] if rest.endswith("requeue/") else ["/state/"]
    )
    assert all(any(part in link for link in links) for part in expected)


def test_the_answer_to_a_form_keeps_the_filters_of_the_list(admin_client: Client, issue: OperationalIssue) -> None:
    """After a change of state one goes on where one was."""
    filters = urlencode({"_changelist_filters": "severity__exact=error"})

    answer = admin_client.post(page_of(issue, f"state/?{filters}"), {"verb": "resolve"})

    assert answer.url == page_of(issue, f"change/?{filters}")


def test_an_occurrence_of_another_issue_is_not_found(admin_client: Client, issue: OperationalIssue) -> None:
    """The permalink belongs to its issue."""
    other = tell(Story(name="Other", task="t", message="m"))
    foreign = Occurrence.objects.filter(issue=other)[0]

    assert admin_client.get(page_of(issue, f"occurrences/{foreign.pk}/")).status_code == 404
    assert admin_client.get(page_of(issue, f"occurrences/{10**30}/")).status_code == 404


def test_an_issue_recorded_by_hand_has_a_page(admin_client: Client) -> None:
    """The seed's own example, without any occurrence."""
    made = OperationalIssue.objects.create(
        name="TMDB API Timeout",
        task="colombia_com_download_task",
        error_message="Connection timed out after 30 seconds",
        traceback="Traceback (most recent call last):\n  ...",
        context={"movie_name": "Avatar", "theater_id": 5},
        severity="error",
    )

    html = admin_client.get(page_of(made)).content.decode()

    assert "Connection timed out after 30 seconds" in html
    assert "Avatar" in html


@pytest.mark.parametrize(
    "context", [{}, [], None, "text", 5, {"a": {"b": [1]}}, {"args": None, "kwargs": 7, "locals": [1]}]
)
def test_any_context_has_a_page(admin_client: Client, context: Any) -> None:
    """Whatever JSON a call site stored."""
    made = OperationalIssue.objects.create(
        name="Odd", task="t", error_message="", context=context if context is not None else {}
    )

    for rest in ("change/", "issue.txt", "issue.md", "issue.json"):
        assert admin_client.get(page_of(made, rest)).status_code == 200


def test_attempts_of_a_task_are_one_timeline(admin_client: Client, issue: OperationalIssue) -> None:
    """All attempts of the task id, oldest first, in whatever issue they ended up."""
    latest = Occurrence.objects.filter(issue=issue)[0]
    other = tell(Story(name="First attempt", task="t", message="m"))
    Occurrence.objects.filter(issue=other).update(task_id=latest.task_id)
    Occurrence.objects.filter(pk=latest.pk).update(attempt=1)

    html = admin_client.get(page_of(issue)).content.decode().partition('id="timeline"')[2].partition("</section>")[0]

    assert html.index("attempt 1") < html.index("attempt 2")
    assert f"/{other.pk}/occurrences/" in html


def test_what_was_sent_again_is_one_story_from_wherever_it_is_opened(admin_client: Client) -> None:
    """The first failure, the run that it was sent again as, and the next; within the page's bound on queries."""
    issue = tell(Story(name="Story", task="t", message="m", count=3))
    runs = list(Occurrence.objects.filter(issue=issue).order_by("occurred_at"))
    for number, run in enumerate(runs):
        Occurrence.objects.filter(pk=run.pk).update(
            task_id=f"run {number}",
            requeued_as=f"run {number + 1}" if number < 2 else "",
            options={"requeue_of": runs[number - 1].event_id} if number else {},
        )

    for run in runs:
        address = page_of(issue, f"occurrences/{run.pk}/")
        with CaptureQueriesContext(connection) as queries:
            html = admin_client.get(address).content.decode().partition('id="timeline"')[2].partition("</section>")[0]
        assert [f"/occurrences/{other.pk}/" in html for other in runs] == [True, True, True]
        assert html.count("Sent again, attempt") == 2
        assert len(queries) <= 12


def test_recurrence_names_the_release_that_brought_it(admin_client: Client, issue: OperationalIssue) -> None:
    """Where an earlier release is known; the oldest issue has none before it."""
    later = tell(Story(name="New", task="t", message="m", count=3, began_days=1))
    Occurrence.objects.filter(issue=later).update(release="2026.11.4")

    assert "Since release 2026.11.4." in admin_client.get(page_of(later)).context_data["page"]["recurrence"]
    assert "Since release" not in admin_client.get(page_of(issue)).content.decode()


def test_no_release_is_named_when_the_first_occurrences_are_pruned(
    admin_client: Client, issue: OperationalIssue
) -> None:
    """What is left does not tell when it began."""
    later = tell(Story(name="New", task="t", message="m", count=9, began_days=1))
    Occurrence.objects.filter(issue=later).update(release="2026.11.4")
    Occurrence.objects.filter(issue=later, occurred_at=later.first_seen_at).delete()

    assert "Since release" not in admin_client.get(page_of(later)).content.decode()


def test_related_issues_are_grouped(admin_client: Client) -> None:
    """The same minute, the same task, the same exception."""
    now = timezone.now()
    one, incident = (
        tell(Story(name=name, task=name, message="m", began_days=2), now=now) for name in ("One", "Incident")
    )
    same_task = tell(Story(name="Two", task="One", message="m", began_days=5), now=now)
    far = tell(Story(name="One", task="elsewhere", message="other", began_days=9), now=now)

    groups = {
        str(title): issues for title, issues in admin_client.get(page_of(one)).context_data["page"]["related_groups"]
    }

    assert groups == {"Began in the same minute": [incident], "Same task": [same_task], "Same exception": [far]}


def test_text_and_markdown_hold_the_whole_issue(admin_client: Client, issue: OperationalIssue) -> None:
    """Uncut, as text that no browser takes for a page."""
    for rest in ("issue.txt", "issue.md"):
        answer = admin_client.get(page_of(issue, rest))
        text = answer.content.decode()
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer["X-Content-Type-Options"] == "nosniff"
        for part in (
            "ConnectTimeout",
            "colombia_com_download_task",
            "340",
            "timed out",
            issue.traceback.strip(),
            "bogota",
            f"/{issue.pk}/change/",
        ):
            assert part in text


def test_json_is_the_whole_record(admin_client: Client, issue: OperationalIssue) -> None:
    """All columns of issue and occurrence."""
    tree = json.loads(admin_client.get(page_of(issue, "issue.json")).content)

    assert tree["issue"]["name"] == "ConnectTimeout"
    assert tree["occurrence"]["kwargs"]["city"] == "bogota"


def test_a_huge_record_stays_under_a_megabyte_and_is_there_as_text(admin_client: Client) -> None:
    """256 KiB of the characters that escape to the most."""
    noise = "<&\"'" * 16_384
    frames = "".join(f'  File "/app/x{n}.py", line {n}, in f\n    x = "<&>"\n' for n in range(2_000))
    made = OperationalIssue.objects.create(
        name="Huge",
        task="t",
        error_message=noise,
        traceback=f"Traceback (most recent call last):\n{frames}ValueError: {noise}",
        context={"args": [noise], "kwargs": {"a": noise}, "b": noise},
    )

    page = admin_client.get(page_of(made))
    assert len(page.content) < 1_000_000
    assert f"{made.pk}/issue.txt" in page.content.decode()
    assert noise in admin_client.get(page_of(made, "issue.txt")).content.decode()


def test_locals_are_shown_once_and_within_bounds(admin_client: Client) -> None:
    """However often a frame stands in the traceback, and however much somebody put into the context."""
    frames = '  File "/app/shop.py", line 7, in again\n    again()\n' * 400
    places = [f"/app/x{number}.py:1" for number in range(20)] + ["/app/shop.py:7"]
    variables = {f"name{number}": "<&\"'" * 200 for number in range(100)}
    issue = tell(Story(name="Deep", task="task", message="m"))
    Occurrence.objects.filter(issue=issue).update(
        traceback=f"Traceback (most recent call last):\n{frames}RecursionError: deep",
        context={"locals": [{"at": place, "variables": variables} for place in places]},
    )

    content = admin_client.get(page_of(issue)).content.decode()

    assert content.count('<th scope="row">name14</th>') == 1
    assert '<th scope="row">name15</th>' not in content
    assert len(content) < 1_000_000


@pytest.mark.parametrize("rest", ["change/", "occurrences/{}/"])
def test_the_number_of_queries_is_constant(admin_client: Client, rest: str) -> None:
    """At most 12, at three occurrences and at three hundred."""
    counts = []
    for rows in (3, 300):
        made = tell(Story(name=f"Issue {rows}", task="task", message="m", count=rows, context={"a": 1}))
        address = page_of(made, rest.format(Occurrence.objects.filter(issue=made)[1].pk))
        admin_client.get(address)
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(address)
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 12


def test_deleting_an_issue_deletes_its_occurrences(admin_client: Client, issue: OperationalIssue) -> None:
    """With the confirmation page that says how many, not which."""
    page = admin_client.get(page_of(issue, "delete/"))
    answer = admin_client.post(page_of(issue, "delete/"), {"post": "yes"})

    assert page.status_code == 200
    assert "60" in page.content.decode()
    assert len(page.content) < 50_000
    assert answer.status_code == 302
    assert not Occurrence.objects.exists()


def test_the_chart_covers_thirty_days(admin_client: Client) -> None:
    """A bar a day, today the last."""
    made = tell(Story(name="Steady", task="t", message="m", count=30, began_days=29, last_minutes=0))
    Occurrence.objects.filter(issue=made).delete()
    now = timezone.now()
    Occurrence.objects.bulk_create(
        Occurrence(issue=made, event_id=f"e{n}", occurred_at=now - timedelta(days=n), kind="failure", severity="error")
        for n in range(40)
    )

    chart = admin_client.get(page_of(made)).context_data["page"]["chart"]

    assert [bar.count for bar in chart.bars] == [1] * 30
