"""The Python of the README and of the pages that teach by example is run, block by block."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from issue_tracker import context, signals
from issue_tracker.models import OperationalIssue
from tests.documents import DOCS, blocks
from tests.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db


class UpstreamError(Exception):
    """What the examples' upstream raises."""


def find(_name: str) -> None:
    """An upstream that doesn't answer."""
    raise UpstreamError("read timed out")


def namespace() -> dict[str, Any]:
    """What the examples take as given."""
    return {
        "timedelta": timedelta,
        "name": "Avatar",
        "tmdb": SimpleNamespace(find=find),
        "find_movie": lambda _name: None,
        "theater": SimpleNamespace(id=5, pk=5),
        "fetch_showtimes": lambda **_where: [],
        "next_monday": timezone.now() + timedelta(days=7),
        "request": SimpleNamespace(user=User.objects.create_user("ana")),
        "post_to_chat": lambda _text: None,
    }


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a page connects and binds is taken off again."""
    context.forget()
    sent = [value for value in vars(signals).values() if isinstance(value, signals.Signal)]
    before = [list(signal.receivers) for signal in sent]
    yield
    context.forget()
    for signal, receivers in zip(sent, before, strict=True):
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", DOCS / "api.md", DOCS / "model.md", DOCS / "signals.md"], ids=lambda p: p.name
)
def test_the_examples_of_a_page_run(page: Path) -> None:
    """As written, in order, without an exception."""
    names = namespace()
    for block in blocks(page, language="python"):
        names.setdefault("issue", OperationalIssue(pk=1))
        if block.title.startswith("settings"):
            continue
        if "issue.mute" in block.text:
            names["issue"] = OperationalIssue.objects.get()
        exec(compile(block.text, str(block), "exec"), names)  # noqa: S102  a page of ours


def test_the_readme_records_what_it_says() -> None:
    """The report is there, then the watched error; the report was cleared in the end."""
    names = namespace()
    for block in blocks(ROOT / "README.md", language="python"):
        exec(compile(block.text, str(block), "exec"), names)  # noqa: S102  a page of ours

    found = {issue.name: issue for issue in OperationalIssue.objects.all()}

    assert found["No showtimes found"].status == OperationalIssue.Status.RESOLVED
    assert found["No showtimes found"].task == "save_showtimes_for_theater"
    assert found["TMDB API Error"].context == {"movie_name": "Avatar"}
