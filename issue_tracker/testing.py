"""For the host's own tests: which issues did this test make? Right of the seam.

Public: `CapturedIssues`, which the pytest fixture `issues` (`pytest_plugin.py`) gives, and `IssuesMixin`. While one is
open, records go to a spool of this process's own and only the test's own thread drains, into the test's own
transaction: so tests that run in parallel, and those before and after, don't see each other's issues. Works with eager
tasks, with the worker that `celery.contrib.testing` embeds, and with reports; not with a worker in another process,
which has a database and a spool of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Max, Q
from django.test import override_settings

from . import conf
from .drain import drain, inline
from .inflight import is_any_on
from .models import Occurrence, OperationalIssue
from .plain import issue_text
from .spool import current

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from django.test import SimpleTestCase

    _Base = SimpleTestCase
else:
    _Base = object

RUN_SECONDS: Final = 10.0
"""How long an assertion waits for the tasks that an embedded worker is running. Ours: a test's task takes less."""
POLL_SECONDS: Final = 0.02
SHOWN: Final = 5
"""Issues that a failed assertion shows whole."""


class CapturedIssues:
    """The issues of one test: `with CapturedIssues() as issues:`. Needs the test to have access to the database.

    New is what was captured, reported or created since the block began, in this process. Tasks that an embedded worker
    has begun are waited for; of a task that was only sent, wait for the result first, or give `within_seconds`.
    """

    def __init__(self) -> None:
        """Nothing is touched before the block begins."""
        self._stack = ExitStack()
        self._last_issue = self._last_occurrence = 0

    def __enter__(self) -> Self:
        """Begin: whatever waited from before is thrown away."""
        if not conf.current().enabled:
            raise RuntimeError("Nothing is captured: set ISSUE_TRACKER['ENABLED'] to True in the tests' settings.")
        chosen = {**conf.configured(), "SPOOL_DIR": _spool_dir()}
        self._stack.enter_context(override_settings(ISSUE_TRACKER=chosen))
        self._stack.enter_context(inline.by_this_thread_alone())
        _throw_away()
        using = conf.current().database
        self._last_issue = _last(OperationalIssue, using)
        self._last_occurrence = _last(Occurrence, using)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End: settings and drain are as they were."""
        self._stack.close()

    def new(
        self,
        name: str = "",
        *,
        task: str = "",
        kind: str = "",
        severity: str = "",
        context: dict[str, Any] | None = None,
    ) -> list[OperationalIssue]:
        """Return the new issues that fit all that is given, oldest first.

        `task` is a task's name or its end behind a dot; `context` holds what the issue's context must hold, among other
        things. An issue that was there before counts as new when this test added to it.
        """
        _wait_for_runs()
        drain()
        table = OperationalIssue._base_manager.using(conf.current().database)
        touched = Q(pk__gt=self._last_issue) | Q(occurrences__pk__gt=self._last_occurrence)
        exact = {"name": name, "kind": kind, "severity": severity}
        found = table.filter(touched, **{key: value for key, value in exact.items() if value})
        if task:
            found = found.filter(Q(task=task) | Q(task__endswith=f".{task}"))
        wanted = (context or {}).items()
        return [issue for issue in found.distinct().order_by("pk") if wanted <= issue.context.items()]

    def assert_none(self, name: str = "", **filters: Any) -> None:
        """Fail, showing them, when there are new issues (that fit the filters of `new`)."""
        __tracebackhide__ = True
        found = self.new(name, **filters)
        if found:
            raise AssertionError(f"{_counted(found)}, none was expected{_described(name, filters)}.\n\n{_shown(found)}")

    def assert_one(self, name: str = "", *, within_seconds: float = 0.0, **filters: Any) -> OperationalIssue:
        """Return the one new issue that fits the filters of `new`; fail, showing all, when there is none or several.

        With `within_seconds`, look again until there is one or the time is over.
        """
        __tracebackhide__ = True
        found = _until_any(lambda: self.new(name, **filters), within_seconds)
        if len(found) == 1:
            return found[0]
        everything = found or self.new()
        expected = f"{_counted(found)}, one was expected{_described(name, filters)}."
        raise AssertionError(f"{expected}\n\n{_shown(everything) or 'Nothing was captured at all.'}")


class IssuesMixin(_Base):
    """For Django's TestCase and its kin: `class MyTests(IssuesMixin, TestCase)`.

    Adds `self.issues` and two assertions.
    """

    issues: CapturedIssues
    """The issues of the running test."""

    def setUp(self) -> None:
        """Begin to look for new issues."""
        super().setUp()
        self.issues = self.enterContext(CapturedIssues())

    def assertNoIssues(self, name: str = "", **filters: Any) -> None:  # noqa: N802  as unittest names its assertions
        """Fail when this test made an issue (that fits the filters of `CapturedIssues.new`)."""
        self.issues.assert_none(name, **filters)

    def assertIssue(self, name: str = "", **filters: Any) -> OperationalIssue:  # noqa: N802  as unittest names its assertions
        """Return the one issue of this test that fits the filters; fail when there is none or several."""
        return self.issues.assert_one(name, **filters)


@cache
def _spool_dir_of(pid: int) -> str:
    directory = tempfile.mkdtemp(prefix="issue-tracker-tests-")
    atexit.register(_remove, directory, pid)
    return directory


def _spool_dir() -> str:
    """Return the directory of this process's spools: pytest-xdist's workers have one each. Removed at its end."""
    return _spool_dir_of(os.getpid())


def _remove(directory: str, pid: int) -> None:
    if os.getpid() == pid:  # not in a child that was forked from a test
        shutil.rmtree(directory, ignore_errors=True)


def _throw_away() -> None:
    """Forget what tests before this one left: records of a worker that went on, or of tests without a database."""
    spool = current()
    while not spool.is_empty() and (records := spool.claim(max_records=1_000, max_bytes=1 << 24)):
        spool.ack(records)


def _last(model: type[OperationalIssue | Occurrence], using: str) -> int:
    found = model._base_manager.using(using).aggregate(last=Max("pk"))["last"]
    return int(found or 0)


def _wait_for_runs() -> None:
    """Wait for running tasks: Celery stores a result before it tells of the failure."""
    deadline = time.monotonic() + RUN_SECONDS
    while is_any_on() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _until_any(look: Callable[[], list[OperationalIssue]], within_seconds: float) -> list[OperationalIssue]:
    deadline = time.monotonic() + within_seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return found


def _counted(issues: list[OperationalIssue]) -> str:
    return f"{len(issues):,} new issue{'' if len(issues) == 1 else 's'}"


def _described(name: str, filters: dict[str, Any]) -> str:
    given = {**({"name": name} if name else {}), **filters}
    return f" with {', '.join(f'{key}={value!r}' for key, value in given.items())}" if given else ""


def _shown(issues: list[OperationalIssue]) -> str:
    texts = [issue_text(issue) for issue in issues[:SHOWN]]
    return "\n\n".join([*texts, *([f"… and {len(issues) - SHOWN:,} more"] if len(issues) > SHOWN else [])])
