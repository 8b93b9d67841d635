"""Sending a failed task again: once, with the stored payload, and with a broker that may be away or frozen."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import Celery, current_app

from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob
from issue_tracker.requeue import jobs as requeue_jobs
from issue_tracker.requeue import policy_of, requeue_all, warnings_of, why_not
from issue_tracker.requeue.again import RequeueRefused, requeue
from issue_tracker.requeue.sending import NotSentError
from tests import brokers
from tests.events import an_event, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

TASK = "cinema.tasks.download"
MAX_ANSWER_SECONDS = 8.0
"""The promise: a frozen broker answers within that with a clear error."""


@pytest.fixture(scope="module")
def server() -> Iterator[brokers.Broker]:
    """A broker that tests may freeze."""
    with brokers.running() as broker:
        yield broker


@pytest.fixture
def app(server: brokers.Broker) -> Iterator[Celery]:
    """The host's Celery app with one task; nobody runs it here."""
    yield from _an_app(server.url)
    server.thaw()
    server.flush()


@pytest.fixture
def app_without_broker() -> Iterator[Celery]:
    """The same, with a broker that refuses connections."""
    yield from _an_app("redis://127.0.0.1:1/0")


def download(*_args: object, **_kwargs: object) -> None:
    """The task."""


def _an_app(url: str) -> Iterator[Celery]:
    before = current_app._get_current_object()
    app = Celery("host", broker=url, set_as_current=True)
    app.task(name=TASK)(download)
    app.finalize()
    yield app
    before.set_current()


def failed(**values: Any) -> Occurrence:
    event = an_event(task=TASK, **values)
    stored(event)
    return Occurrence.objects.select_related("issue").get(event_id=event.event_id)


def messages(server: brokers.Broker) -> list[dict[str, Any]]:
    with redis.Redis.from_url(server.url) as client:
        queues = client.keys("celery*")  # one for each step of priority
        return [json.loads(raw) for queue in queues for raw in client.lrange(queue, 0, -1)]


def test_it_sends_the_original_arguments_to_the_original_queue(app: Celery, server: brokers.Broker) -> None:
    """The message names the task, carries its payload, and says what it is the requeue of."""
    occurrence = failed(args=["bogota", 5], kwargs={"day": "monday"}, options={"routing_key": "celery", "priority": 3})

    task_id = requeue(occurrence, confirmed=True)

    (message,) = messages(server)
    assert json.loads(b64decode(message["body"]))[:2] == [["bogota", 5], {"day": "monday"}]
    assert message["headers"]["task"] == TASK
    assert message["headers"]["id"] == task_id
    assert message["headers"]["issue_tracker_requeue_of"] == occurrence.event_id
    assert message["properties"]["priority"] == 3
    assert Occurrence.objects.values_list("requeued_as", "outcome").get() == (task_id, "requeued")


def test_it_prefers_the_exact_payload_to_what_is_shown(app: Celery, server: brokers.Broker) -> None:
    """Long arguments are shown cut and sent whole."""
    occurrence = failed(args=["x… [cut]"], payload={"args": ["x" * 5_000], "kwargs": {}})

    requeue(occurrence, confirmed=True)

    (message,) = messages(server)
    assert json.loads(b64decode(message["body"]))[0] == ["x" * 5_000]


def test_it_sends_once_whoever_asks(app: Celery, server: brokers.Broker) -> None:
    """Two people with the same page: the second is told."""
    occurrence = failed()
    stale = Occurrence.objects.select_related("issue").get(pk=occurrence.pk)
    requeue(occurrence, confirmed=True)

    with pytest.raises(RequeueRefused, match="somebody else"):
        requeue(stale, confirmed=True)

    assert len(messages(server)) == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"payload_note": "scrubbed"}, "a secret among its arguments was masked"),
        ({"payload_note": "cut"}, "too large"),
        ({"payload_note": "arguments unknown"}, "without telling its arguments"),
        ({"task_id": "", "event_id": "e" * 32, "kind": "report"}, "no run of a task"),
    ],
)
def test_it_refuses_what_can_not_be_sent_as_it_was(app: Celery, values: dict[str, Any], reason: str) -> None:
    """Each with its reason."""
    occurrence = failed(**values)

    assert reason in why_not(occurrence)
    with pytest.raises(RequeueRefused, match=reason):
        requeue(occurrence, confirmed=True)


def test_it_refuses_a_task_that_is_not_registered(app: Celery) -> None:
    """Nothing named in stored data is called but a task of the project's own registry."""
    occurrence = failed()
    OperationalIssue.objects.update(task="os.system")
    occurrence.issue.refresh_from_db()

    with pytest.raises(RequeueRefused, match=r"no task named os\.system"):
        requeue(occurrence, confirmed=True)


def test_a_policy_may_ask_first_or_forbid(app: Celery, settings: SettingsWrapper) -> None:
    """The settings go first, the task's own word comes second, "confirm" is the default."""
    occurrence = failed()
    assert policy_of(TASK) == "confirm"
    with pytest.raises(RequeueRefused, match="confirmation"):
        requeue(occurrence)

    app.tasks[TASK].issue_tracker_requeue = "safe"
    assert policy_of(TASK) == "safe"

    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "REQUEUE": {TASK: "never"}}
    assert "never sent again" in why_not(occurrence)


def test_it_warns_of_what_will_not_run_with_it() -> None:
    """A chain's next steps, a chord's body, a group's others."""
    options = {"is_chain": True, "is_chord": True, "group": "g"}

    assert [warning.split(":")[0] for warning in warnings_of(failed(options=options))] == [
        "It belonged to a chord",
        "It belonged to a chain",
        "It belonged to a group",
    ]


def test_a_broker_that_is_away_sends_nothing_and_may_be_tried_again(app_without_broker: Celery) -> None:
    """The claim is given back."""
    occurrence = failed()

    with pytest.raises(NotSentError, match="nothing was sent"):
        requeue(occurrence, confirmed=True)

    assert Occurrence.objects.values_list("requeued_as", "outcome").get() == ("", "")


def test_a_frozen_broker_answers_soon_and_never_sends_twice(app: Celery, server: brokers.Broker) -> None:
    """It may have taken the message: the claim stays, so nobody sends it a second time."""
    occurrence = failed()
    server.freeze()
    started_at = time.monotonic()

    with pytest.raises((RequeueRefused, NotSentError)):
        requeue(occurrence, confirmed=True)

    assert time.monotonic() - started_at < MAX_ANSWER_SECONDS
    server.thaw()
    sent = len(messages(server))
    if not Occurrence.objects.get().requeued_as:
        requeue(Occurrence.objects.select_related("issue").get(), confirmed=True)
    assert len(messages(server)) <= max(1, sent)


def test_a_group_ends_with_a_broker_that_is_away(app_without_broker: Celery) -> None:
    """One wait, not a hundred."""
    for number in range(3):
        failed(task_id=f"t{number}")

    done = requeue_all(Occurrence.objects.select_related("issue"), confirmed=True)

    assert (done.sent, done.refused.total()) == ({}, 0)
    assert "can't be reached" in done.stopped_by


def test_a_job_sends_all_in_batches_and_counts(app: Celery, server: brokers.Broker) -> None:
    """Batch by batch, each occurrence once; refusals by reason."""
    events = [an_event(task=TASK, task_id=f"t{n}", payload_note="cut" if n % 50 == 0 else "") for n in range(250)]
    stored(*events)

    job = requeue_jobs.start(list(OperationalIssue.objects.all()), note="after the outage")
    batches = 0
    while requeue_jobs.work_off_batch(job.pk):
        batches += 1

    job.refresh_from_db()
    assert (job.status, job.total_count, job.sent_count, job.refused_count) == ("done", 250, 245, 5)
    assert batches == 3
    ids = [message["headers"]["id"] for message in messages(server) if message["headers"]["task"] == TASK]
    assert len(ids) == len(set(ids)) == 245


def test_a_job_ends_though_all_that_it_sends_fails_again(app: Celery, server: brokers.Broker) -> None:
    """It sends what there was when somebody confirmed it, and nothing that came since."""
    stored(*[an_event(task=TASK, task_id=f"t{n}") for n in range(150)])
    job = requeue_jobs.start(list(OperationalIssue.objects.all()))

    batches = 1
    while requeue_jobs.work_off_batch(job.pk) and batches < 9:
        batches += 1
        stored(*[an_event(task=TASK, task_id=f"again {batches} {n}") for n in range(100)])

    job.refresh_from_db()
    assert (job.status, job.total_count, job.sent_count, batches) == ("done", 150, 150, 3)


def test_a_stopped_job_goes_on_where_it_was(app: Celery, server: brokers.Broker) -> None:
    """Stop and resume."""
    stored(*[an_event(task=TASK, task_id=f"t{n}") for n in range(150)])
    job = requeue_jobs.start(list(OperationalIssue.objects.all()))
    assert requeue_jobs.work_off_batch(job.pk)

    assert requeue_jobs.stop(job)
    assert not requeue_jobs.work_off_batch(job.pk)
    assert requeue_jobs.resume(job)
    assert requeue_jobs.work_off_batch(job.pk)
    assert not requeue_jobs.work_off_batch(job.pk)

    assert RequeueJob.objects.values_list("status", "sent_count").get() == ("done", 150)


def test_attempts_that_celery_retried_are_not_sent_again(app: Celery) -> None:
    """Their task went on by itself."""
    stored(an_event(task=TASK, kind="retry", severity="warning"), an_event(task=TASK))

    assert requeue_jobs.sendable(list(OperationalIssue.objects.all())).values_list("kind", flat=True).get() == "failure"


def test_it_goes_to_the_queue_that_it_came_from(app: Celery, server: brokers.Broker) -> None:
    """Though the app would route it elsewhere by now."""
    app.conf.task_routes = {TASK: {"queue": "elsewhere"}}
    occurrence = failed(options={"routing_key": "posters"})

    requeue(occurrence, confirmed=True)

    with redis.Redis.from_url(server.url) as client:
        assert (client.llen("posters"), client.llen("elsewhere"), client.llen("celery")) == (1, 0, 0)


@pytest.mark.parametrize("outcome", ["recovered", "succeeded"])
def test_it_refuses_what_succeeded_in_the_end(app: Celery, outcome: str) -> None:
    """There is nothing left to do."""
    occurrence = failed()
    Occurrence.objects.update(outcome=outcome)
    occurrence.refresh_from_db()

    assert why_not(occurrence) == "it succeeded in the end"


def test_it_refuses_what_was_sent_already_and_says_as_what(app: Celery, server: brokers.Broker) -> None:
    """The person finds the run that it led to."""
    occurrence = failed()
    task_id = requeue(occurrence, confirmed=True)

    with pytest.raises(RequeueRefused, match=f"sent again already, as {task_id}"):
        requeue(occurrence, confirmed=True)


def test_many_at_once_send_each_once(app: Celery, server: brokers.Broker) -> None:
    """Four people press the button for the same group."""
    stored(*[an_event(task=TASK, task_id=f"t{number}") for number in range(20)])
    everything = list(Occurrence.objects.select_related("issue"))

    done = [requeue_all(everything, confirmed=True) for _person in range(4)]

    assert [len(one.sent) for one in done] == [20, 0, 0, 0]
    assert len(messages(server)) == 20


def test_a_frozen_broker_stops_a_job_soon_and_it_goes_on_later(app: Celery, server: brokers.Broker) -> None:
    """Started or resumed: the answer comes within seconds, says why, and nothing is sent twice."""
    stored(*[an_event(task=TASK, task_id=f"t{n}") for n in range(3)])
    server.freeze()
    started_at = time.monotonic()

    job = requeue_jobs.start(list(OperationalIssue.objects.all()))

    assert time.monotonic() - started_at < MAX_ANSWER_SECONDS
    job.refresh_from_db()
    assert job.status == "stopped"
    assert "no worker could be asked: the broker redis://" in job.stopped_by
    server.thaw()
    assert requeue_jobs.resume(job)
    assert requeue_jobs.work_off_batch(job.pk)
    assert not requeue_jobs.work_off_batch(job.pk)
    job.refresh_from_db()
    assert (job.status, job.sent_count, job.stopped_by) == ("done", 3, "")
    assert len([message for message in messages(server) if message["headers"]["task"] == TASK]) == 3


def test_a_broker_that_freezes_in_the_middle_of_a_job_stops_it(app: Celery, server: brokers.Broker) -> None:
    """It says so; resumed, the rest is sent, each once, and what was refused is counted once."""
    stored(*[an_event(task=TASK, task_id=f"t{n}", payload_note="cut" if n == 0 else "") for n in range(4)])
    job = requeue_jobs.start(list(OperationalIssue.objects.all()))
    server.freeze()

    assert not requeue_jobs.work_off_batch(job.pk)

    job.refresh_from_db()
    assert (job.status, job.sent_count) == ("stopped", 0)
    assert "broker" in job.stopped_by
    server.thaw()
    requeue_jobs.resume(job)
    while requeue_jobs.work_off_batch(job.pk):
        pass
    job.refresh_from_db()
    assert (job.status, job.sent_count, job.refused_count, sum(job.reasons.values())) == ("done", 3, 1, 1)


def test_what_a_killed_worker_left_of_its_batch_is_sent_in_the_end(app: Celery, server: brokers.Broker) -> None:
    """It had claimed the batch and sent a part of it; the message comes again, and the job goes over the whole."""
    stored(*[an_event(task=TASK, task_id=f"t{n}", payload_note="cut" if n == 0 else "") for n in range(130)])
    job = requeue_jobs.start(list(OperationalIssue.objects.all()))
    first = list(requeue_jobs.sendable(list(OperationalIssue.objects.all())).select_related("issue")[:100])
    RequeueJob.objects.update(last_occurrence_id=first[-1].pk)
    requeue_all(first[:40], confirmed=True)

    while requeue_jobs.work_off_batch(job.pk):
        pass

    job.refresh_from_db()
    assert (job.status, job.refused_count) == ("done", 1)
    ids = [message["headers"]["id"] for message in messages(server) if message["headers"]["task"] == TASK]
    assert len(ids) == len(set(ids)) == 129


def test_a_batch_is_worked_off_by_one_worker(app: Celery, server: brokers.Broker) -> None:
    """The message that asked for it came twice."""
    stored(*[an_event(task=TASK, task_id=f"t{n}") for n in range(150)])
    job = requeue_jobs.start(list(OperationalIssue.objects.all()))

    at_once = [requeue_jobs.work_off_batch(job.pk), requeue_jobs.work_off_batch(job.pk)]

    assert at_once == [True, True]
    job.refresh_from_db()
    assert (job.sent_count, job.refused_count) == (150, 0)
