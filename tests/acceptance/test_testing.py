"""The helpers for the host's own tests, as a host has them: a project and a pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
SECRET_KEY = "only-for-tests"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "issue_tracker"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
ISSUE_TRACKER = {"SPOOL_DIR": "/proc/nowhere"}  # production's, which a machine that only runs tests has not
"""

SHOP = """
import os
import issue_tracker
from celery import Celery, shared_task
from django.contrib.auth.models import Group
from django.db import transaction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "host_settings")
app = Celery("shop", broker="memory://", backend="cache+memory://")
app.set_default()


@app.task
def charge(order_id):
    raise ValueError(f"no price for order {order_id}")


@app.task
def ship(order_id):
    return "shipped"


@app.task
def check_stock(order_id):
    with transaction.atomic():
        issue_tracker.report("Out of stock", context={"order_id": order_id})
        Group.objects.create(name="rolled back")
        raise RuntimeError("rolled back")
"""

EAGER = """
import pytest
import issue_tracker
from issue_tracker.models import OperationalIssue
from shop import app, charge, check_stock, ship


@pytest.fixture(autouse=True)
def eager():
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def test_a_failure_is_one_issue(issues):
    charge.delay(17)
    charge.delay(18)

    issue = issues.assert_one("ValueError", task="charge", kind="failure", severity="error")
    assert issue.occurrence_count == 2
    assert issues.assert_one(context={"args": [17]}) == issue
    assert list(OperationalIssue.objects.open()) == [issue]


@pytest.mark.parametrize("order_id", range(4))
def test_a_success_is_none(issues, order_id):
    ship.delay(order_id)

    issues.assert_none()


def test_a_rollback_keeps_the_report(issues):
    check_stock.delay(5)

    issues.assert_one("Out of stock", context={"order_id": 5}, severity="warning")
    issues.assert_one("RuntimeError")
    assert len(issues.new()) == 2
    issues.assert_none(kind="time_limit")


def test_what_was_there_before_is_not_new(issues):
    OperationalIssue.objects.create(name="By hand", task="t", error_message="m")

    issues.assert_one("By hand")


def test_no_database_no_trouble():
    charge.delay(19)


@pytest.mark.django_db(transaction=True)
def test_with_commits(issues):
    charge.delay(20)

    issues.assert_one("ValueError")
"""

EMBEDDED = """
import pytest
from celery.contrib.testing.worker import start_worker
from shop import app, charge, ship


@pytest.fixture(scope="module", autouse=True)
def worker():
    with start_worker(app, perform_ping_check=False):
        yield


@pytest.mark.parametrize("order_id", range(8))
def test_a_failure_is_there_once_its_result_is(issues, order_id):
    with pytest.raises(ValueError):
        charge.delay(order_id).get(timeout=20)

    issue = issues.assert_one("ValueError", task="charge")
    assert (issue.occurrence_count, issue.context["args"]) == (1, [order_id])


@pytest.mark.parametrize("order_id", range(4))
def test_a_success_is_none(issues, order_id):
    ship.delay(order_id).get(timeout=20)

    issues.assert_none()


def test_a_task_that_was_only_sent(issues):
    charge.delay(5)

    issues.assert_one("ValueError", within_seconds=20)
"""

MIXIN = """
from django.test import TestCase, TransactionTestCase
from issue_tracker.testing import IssuesMixin
from shop import charge, ship


class ChargeTests(IssuesMixin, TestCase):
    def test_one(self):
        charge.apply((1,))
        self.assertEqual(self.assertIssue("ValueError", task="charge").occurrence_count, 1)

    def test_none(self):
        ship.apply((1,))
        self.assertNoIssues()


class CommittedTests(IssuesMixin, TransactionTestCase):
    def test_one(self):
        charge.apply((1,))
        self.assertIssue("ValueError")
        self.assertEqual(len(self.issues.new()), 1)
"""

FAILING = """
import pytest
from shop import charge, ship


def test_unexpected(issues):
    charge.apply((1,))
    issues.assert_none(severity="error")


def test_missing(issues):
    ship.apply((1,))
    issues.assert_one("ValueError")


def test_another(issues):
    charge.apply((1,))
    issues.assert_one("TimeoutError", task="charge")
"""

OURS = ("PYTHONPATH", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "TEST_DATABASE")


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host's project: settings, a module of tasks, a pytest.ini, no test yet."""
    (tmp_path / "host_settings.py").write_text(SETTINGS)
    (tmp_path / "shop.py").write_text(SHOP)
    ini = "[pytest]\nDJANGO_SETTINGS_MODULE = host_settings\npythonpath = .\nfilterwarnings = error\n"
    (tmp_path / "pytest.ini").write_text(ini)
    return tmp_path


def run_pytest(host: Path, *options: str, code: int = 0) -> str:
    """Run the host's tests, of which pytest-celery's containers are no part; return what pytest printed."""
    variables = {key: value for key, value in os.environ.items() if key not in OURS}
    command = [sys.executable, "-m", "pytest", "-p", "no:pytest_celery", "-p", "no:randomly", *options]
    done = subprocess.run(command, cwd=host, env=variables, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_host_asserts_on_the_issues_of_its_eager_tasks(host: Path, options: tuple[str, ...]) -> None:
    """Each test sees its own issues only, whatever ran before or beside it."""
    (host / "test_shop.py").write_text(EAGER)

    assert "9 passed" in run_pytest(host, *options)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_host_asserts_on_the_issues_of_an_embedded_worker(host: Path, options: tuple[str, ...]) -> None:
    """The worker's thread commits nothing: the rows go with the test's own transaction."""
    (host / "test_shop.py").write_text(EMBEDDED)

    assert "13 passed" in run_pytest(host, *options)


def test_a_host_with_django_s_own_test_runner(host: Path) -> None:
    """The mixin needs no pytest; Django's parallel runner forks."""
    (host / "host_settings.py").write_text(SETTINGS.replace("/proc/nowhere", str(host / "spool")))  # it runs the checks
    (host / "test_shop.py").write_text(MIXIN)
    variables = {key: value for key, value in os.environ.items() if key not in OURS}
    command = [sys.executable, "-W", "error", "-m", "django", "test", "--parallel", "2", "--settings", "host_settings"]

    done = subprocess.run(
        command, cwd=host, env={**variables, "PYTHONPATH": str(host)}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 3 tests" in done.stderr


def test_a_failed_assertion_shows_what_was_captured(host: Path) -> None:
    """Whoever reads the failure sees the issue with its traceback, without a second run."""
    (host / "test_shop.py").write_text(FAILING)

    printed = run_pytest(host, code=1)

    assert "3 failed" in printed
    assert "1 new issue, none was expected with severity='error'." in printed
    assert "0 new issues, one was expected with name='ValueError'." in printed
    assert "Nothing was captured at all." in printed
    assert "0 new issues, one was expected with name='TimeoutError', task='charge'." in printed
    assert re.search(r"ValueError: no price for order 1\n.*raise ValueError", printed, re.DOTALL)


def test_a_host_that_captures_nothing_is_told(host: Path) -> None:
    """Otherwise `assert_none` would always hold."""
    (host / "host_settings.py").write_text(SETTINGS + "ISSUE_TRACKER['ENABLED'] = False\n")
    (host / "test_shop.py").write_text("def test_it(issues):\n    issues.assert_none()\n")

    printed = run_pytest(host, code=1)

    assert "Nothing is captured: set ISSUE_TRACKER['ENABLED'] to True" in printed


def test_a_project_without_django_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest loads the plugin wherever it is installed; only asking for the fixture asks for anything."""
    code = """
    import sys


    def test_nothing_was_loaded():
        assert "issue_tracker.pytest_plugin" in sys.modules
        assert not [name for name in sys.modules if name.split(".")[0] in {"django", "celery"}]
    """
    (tmp_path / "test_it.py").write_text(textwrap.dedent(code))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # those of this environment load Django and Celery

    assert "1 passed" in run_pytest(tmp_path, "-p", "issue_tracker.pytest_plugin")
