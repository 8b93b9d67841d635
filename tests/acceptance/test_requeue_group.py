"""After an outage: a group of a thousand is sent again in the background, once each, and the issue resolves itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob
from tests import workers
from tests.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.brokers import Broker

COUNT: Final = 1_000
STILL_BROKEN: Final = 7
"""Of them that fail once more in the second test."""


def the_only(issues: Any) -> OperationalIssue:
    """The one issue that there is; a second one is named."""
    found: list[OperationalIssue] = list(issues.all())
    assert len(found) == 1, [(issue.name, issue.task, issue.error_message) for issue in found]
    return found[0]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_thousand_are_sent_once_each_and_their_success_resolves_the_issue(
    request: pytest.FixtureRequest, tmp_path: Path, broker: Broker, database: str, attach: Callable[[str], str]
) -> None:
    """By one command of a person; everything else happens by itself."""
    host = workers.Host(
        directory=tmp_path, broker_url=broker.url, database_url=request.getfixturevalue(f"live_{database}")
    )
    upstream, done = tmp_path / "upstream", tmp_path / "done"
    alias = attach(host.database_url)
    rows, issues = Occurrence.objects.using(alias), OperationalIssue.objects.using(alias)
    with workers.running(host), host.client() as app:
        for number in range(COUNT):
            app.send_task("tests.project.tasks.need", args=[str(upstream), str(done), number])
        until(lambda: rows.count() == COUNT, why="all have failed", timeout_seconds=120, every_seconds=0.1)
        assert list(issues.values_list("status", "occurrence_count")) == [("open", COUNT)]
        upstream.touch()

        said = host.run("tests.project.manage", "issues", "requeue", "--task", "need", "--yes")

        assert said.returncode == 0, said.stdout + said.stderr
        until(
            lambda: the_only(issues).status == "resolved", why="the issue is resolved", timeout_seconds=120,
            every_seconds=0.1,
        )  # fmt: skip
        assert until(lambda: RequeueJob.objects.using(alias).get().status == "done", why="the job has ended")

    assert sorted(map(int, done.read_text().split())) == list(range(COUNT))
    assert RequeueJob.objects.using(alias).values_list("sent_count", "refused_count", "total_count").get() == (
        COUNT, 0, COUNT,
    )  # fmt: skip
    assert rows.filter(outcome="succeeded").values("requeued_as").distinct().count() == COUNT
    assert the_only(issues).recovered_count == the_only(issues).occurrence_count == COUNT


@pytest.mark.timeout(300)
def test_what_fails_again_joins_the_story_and_keeps_it_open(
    tmp_path: Path, broker: Broker, live_sqlite: str, attach: Callable[[str], str]
) -> None:
    """The issue stays open by them alone; sent once more, with success, it resolves itself."""
    host = workers.Host(directory=tmp_path, broker_url=broker.url, database_url=live_sqlite)
    upstream, later, done = tmp_path / "upstream", tmp_path / "later", tmp_path / "done"
    alias = attach(host.database_url)
    rows, issues = Occurrence.objects.using(alias), OperationalIssue.objects.using(alias)
    with workers.running(host), host.client() as app:
        for number in range(60):
            needed = later if number < STILL_BROKEN else upstream
            app.send_task("tests.project.tasks.need", args=[str(needed), str(done), number])
        until(lambda: rows.count() == 60, why="all have failed", timeout_seconds=60)
        upstream.touch()

        host.run("tests.project.manage", "issues", "requeue", "--task", "need", "--yes")

        good = rows.filter(outcome="succeeded")
        until(lambda: good.count() == 60 - STILL_BROKEN, why="most have succeeded", timeout_seconds=60)
        until(lambda: rows.filter(outcome="failed_again").count() == STILL_BROKEN, why="some have failed again")
        assert list(issues.values_list("status", "occurrence_count")) == [("open", 60 + STILL_BROKEN)]

        later.touch()
        host.run("tests.project.manage", "issues", "requeue", "--task", "need", "--yes")
        until(lambda: the_only(issues).status == "resolved", why="the issue is resolved", timeout_seconds=60)

    assert sorted(map(int, done.read_text().split())) == list(range(60))
    assert set(rows.values_list("outcome", flat=True)) == {"succeeded"}
