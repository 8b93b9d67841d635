"""Requeue from the admin: what the confirmation says, what is sent, how a job is watched. A broker in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from celery import Celery, current_app
from django.contrib.admin.models import LogEntry
from kombu import Connection

from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob
from tests.issues import Story, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = pytest.mark.django_db

ADMIN = "/admin/issue_tracker/operationalissue/"
TASK = "cinema.download"


def download(**_kwargs: object) -> None:
    """The task; nobody runs it here."""


@pytest.fixture
def broker() -> Iterator[Connection]:
    """The project's Celery app, with one task, on a broker in memory that nobody reads from but the test."""
    before = current_app._get_current_object()
    app = Celery("requeue", broker="memory://requeue", set_as_current=True)
    app.task(name=TASK)(download)
    app.finalize()
    with app.connection_for_write() as connection:
        connection.default_channel.queue_declare("celery")
        connection.default_channel.queue_purge("celery")
        yield connection
    before.set_current()


def waiting(broker: Connection) -> int:
    """Return how many messages the broker holds."""
    return int(broker.default_channel.queue_declare("celery", passive=True).message_count)


def failed(count: int = 3, **changes: object) -> OperationalIssue:
    """Store an issue whose occurrences can be sent again."""
    return tell(Story(name="Timeout", task=TASK, message="m", count=count, kwargs={"city": "bogota"}, **changes))  # type: ignore[arg-type]


def test_the_page_says_what_would_be_sent_and_sends_nothing(admin_client: Client, broker: Connection) -> None:
    """Asking is free."""
    issue = failed()

    page = admin_client.get(f"{ADMIN}{issue.pk}/requeue/")

    html = page.content.decode()
    assert "3 task runs would be sent again" in html
    assert TASK in html
    assert "confirm" in html
    assert waiting(broker) == 0
    assert not Occurrence.objects.exclude(requeued_as="").exists()


def test_confirmed_it_sends_each_once(admin_client: Client, broker: Connection) -> None:
    """Three messages, a link on each occurrence, an entry in the history; the second time there is nothing left."""
    issue = failed()

    answers = [
        admin_client.post(f"{ADMIN}{issue.pk}/requeue/", {"confirmed": "1", "note": "after the outage"}) for _ in "12"
    ]

    assert [answer.url for answer in answers] == [f"{ADMIN}{issue.pk}/change/"] * 2
    assert waiting(broker) == 3
    assert Occurrence.objects.filter(outcome="requeued").exclude(requeued_as="").count() == 3
    assert LogEntry.objects.filter(change_message__contains="after the outage").count() == 3
    html = admin_client.get(f"{ADMIN}{issue.pk}/change/").content.decode()
    assert Occurrence.objects.filter(issue=issue)[0].requeued_as in html


def test_a_single_occurrence_is_sent_alone(admin_client: Client, broker: Connection) -> None:
    """The others stay as they are."""
    issue = failed()
    chosen = Occurrence.objects.filter(issue=issue)[1]
    address = f"{ADMIN}{issue.pk}/occurrences/{chosen.pk}/requeue/"

    assert "1 task run would be sent again" in admin_client.get(address).content.decode()
    admin_client.post(address, {"confirmed": "1"})

    assert waiting(broker) == 1
    assert list(Occurrence.objects.exclude(requeued_as="").values_list("pk", flat=True)) == [chosen.pk]


def test_selected_issues_are_confirmed_first(admin_client: Client, broker: Connection) -> None:
    """The action leads to the page that asks; its form sends what was selected, and comes back to the same list."""
    one, other = failed(), failed(2, culprit="b")
    failed(2, culprit="c")
    form = {"action": "requeue_selected", "_selected_action": [one.pk, other.pk]}

    page = admin_client.post(f"{ADMIN}?severity__exact=error", {**form, "index": 0})
    assert "5 task runs would be sent again" in page.content.decode()
    assert page.content.decode().count('name="_selected_action"') == 2
    assert waiting(broker) == 0

    answer = admin_client.post(f"{ADMIN}?severity__exact=error", {**form, "confirmed": "1"})
    assert answer.url == f"{ADMIN}?severity__exact=error"
    assert waiting(broker) == 5


def test_refusals_are_told_with_their_reason(admin_client: Client, broker: Connection) -> None:
    """Before and after: a masked argument can't be sent again."""
    issue = failed(2)
    Occurrence.objects.filter(issue=issue).update(payload_note="scrubbed")

    page = admin_client.get(f"{ADMIN}{issue.pk}/requeue/")
    answer = admin_client.post(f"{ADMIN}{issue.pk}/requeue/", {"confirmed": "1"}, follow=True)

    assert "2 × a secret among its arguments" in page.content.decode()
    assert "Send again" not in page.content.decode()
    assert "2 × Not sent: a secret among its arguments" in answer.content.decode()
    assert waiting(broker) == 0


def test_a_large_group_becomes_a_job_with_a_page(admin_client: Client, broker: Connection) -> None:
    """More than a request may send: a worker does it; the page shows how far it is, stops and resumes it."""
    issue = failed(150)

    answer = admin_client.post(f"{ADMIN}{issue.pk}/requeue/", {"confirmed": "1"})
    job = RequeueJob.objects.get()
    assert answer.url == f"{ADMIN}requeue-jobs/{job.pk}/"
    assert "0 / 150" in admin_client.get(answer.url).content.decode()

    admin_client.post(answer.url, {"verb": "stop"})
    job.refresh_from_db()
    assert job.status == "stopped"
    admin_client.post(answer.url, {"verb": "resume"})
    job.refresh_from_db()
    assert job.status == "running"
    assert admin_client.post(answer.url, {"verb": "nonsense"}).status_code == 302
    assert f"requeue-jobs/{job.pk}/" in admin_client.get(f"{ADMIN}requeue-jobs/").content.decode()


def test_the_pages_of_a_job_keep_the_filters_of_the_list(admin_client: Client, broker: Connection) -> None:
    """From the issue to its job, stopped, to all jobs and up: to the list the issue was opened from."""
    issue = failed(150)
    filters = "_changelist_filters=severity__exact%3Derror"

    job = admin_client.post(f"{ADMIN}{issue.pk}/requeue/?{filters}", {"confirmed": "1"}).url
    stopped = admin_client.post(job, {"verb": "stop"}).url
    html = admin_client.get(stopped).content.decode()
    jobs = f"{ADMIN}requeue-jobs/?{filters}"

    assert job == stopped == f"{ADMIN}requeue-jobs/{RequeueJob.objects.get().pk}/?{filters}"
    assert f'href="{jobs}"' in html
    assert f'href="{ADMIN}?severity__exact=error"' in html
    assert f'href="{job}"' in admin_client.get(jobs).content.decode()


def test_nothing_to_send_says_so(admin_client: Client, broker: Connection) -> None:
    """A report is no run of a task."""
    issue = OperationalIssue.objects.create(name="By hand", task=TASK, error_message="m")

    assert "nothing to send again" in admin_client.get(f"{ADMIN}{issue.pk}/requeue/").content.decode()
    answer = admin_client.post(f"{ADMIN}{issue.pk}/requeue/", {"confirmed": "1"}, follow=True)
    assert "There was nothing to send again." in answer.content.decode()
