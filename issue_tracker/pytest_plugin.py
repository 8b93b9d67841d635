"""The pytest plugin: the fixture `issues`. Loaded by pytest wherever this distribution is installed.

Right of the seam. Imports nothing of Django before a test asks for the fixture, for pytest loads it before the settings
are known, and in projects that have no Django at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from issue_tracker.testing import CapturedIssues


@pytest.fixture
def issues(db: None) -> Iterator[CapturedIssues]:  # asked for at run time, pytest-django would not make the database
    """The issues that this test makes: `issues.assert_none()`, `issues.assert_one("TimeoutError", task="scrape")`.

    Needs pytest-django, whose `db` it asks for.
    """
    from issue_tracker.testing import CapturedIssues

    with CapturedIssues() as found:
        yield found
