"""The pages in Spanish: no English sentence of ours is left, and numbers in the reader's form break no drawing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from issue_tracker.lifecycle import remember
from issue_tracker.models import OperationalIssue, RequeueJob
from tests.issues import tell_all
from tests.unit.test_locale import CATALOGUES, entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

LIST = "/admin/issue_tracker/operationalissue/"

PAGES = [
    "",
    "?status=all&q=a&nonsense=1&last_seen_at__since=nonsense",
    "?q=nothing-at-all",
    "overview/",
    "{issue}/change/",
    "{empty}/change/",
    "{issue}/requeue/",
    "{issue}/delete/",
    "requeue-jobs/",
    "requeue-jobs/{job}/",
]

SHOWN_ATTRIBUTES = {"title", "aria-label", "placeholder", "alt", "value"}


class Shown(HTMLParser):
    """Collects what a person sees, hears or hovers over, and what stands in drawings."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.texts: list[str] = []
        self.numbers: list[str] = []
        self.language = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep attributes that are shown, and the measures of SVG elements."""
        given = {name: value or "" for name, value in attrs}
        self.texts += [value for name, value in given.items() if name in SHOWN_ATTRIBUTES]
        if tag in {"svg", "rect"}:
            self.numbers += [given[name] for name in ("viewbox", "x", "y", "width", "height") if name in given]
        if tag == "html":
            self.language = given["lang"]

    def handle_data(self, data: str) -> None:
        """Keep text; the words that the script shows are among it."""
        self.texts.append(data)


@pytest.fixture
def spanish(settings: SettingsWrapper, admin_user: User) -> Iterator[Client]:
    """An administrator whose browser asks for Spanish."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    client = Client(headers={"accept-language": "es"})
    client.force_login(admin_user)
    with translation.override(
        translation.get_language()
    ):  # the middleware leaves the thread in the last one's language
        yield client


@pytest.fixture
def addresses(admin_user: User) -> dict[str, int]:
    """Keys of an issue with everything, of one without anything, and of a job."""
    tell_all(rows=25)
    issue = OperationalIssue.objects.get(name="ConnectTimeout")
    empty = OperationalIssue.objects.create(name="x", task="", error_message="")
    remember(OperationalIssue, [issue.pk], by=admin_user, text="note: nada", using="default")
    job = RequeueJob.objects.create(total_count=2_000, sent_count=1_500, reasons={"x": 3})
    return {"issue": issue.pk, "empty": empty.pk, "job": job.pk}


def english() -> list[tuple[str, re.Pattern[str]]]:
    """Return our sentences of two words and more that differ in Spanish, each as what would be seen of it."""
    (catalogue,) = (path for path in CATALOGUES if path.parent.parent.name == "es")
    texts = [text for text, found in entries_of(catalogue).items() if " " in text.strip() and text not in found]
    return [(text, re.compile(rf"(?<!\w){_seen(text)}(?!\w)")) for text in texts if len(_words(text)) > 1]


@pytest.mark.parametrize("path", PAGES)
def test_no_english_is_left(spanish: Client, addresses: dict[str, int], path: str) -> None:
    """Of ours; what was captured stays as it was."""
    page = spanish.get(LIST + path.format(**addresses))

    shown = Shown(page.content.decode())
    text = " ".join(" ".join(shown.texts).split())
    assert page.status_code == 200
    assert shown.language == "es"
    assert [sentence for sentence, pattern in english() if pattern.search(text)] == []
    assert [number for number in shown.numbers if not re.fullmatch(r"[\d\s]+", number)] == []


def test_the_same_pages_in_english_are_full_of_them(admin_client: Client, addresses: dict[str, int]) -> None:
    """So the test above would see one that is left."""
    seen = set()
    for path in PAGES:
        text = " ".join(Shown(admin_client.get(LIST + path.format(**addresses)).content.decode()).texts)
        seen |= {sentence for sentence, pattern in english() if pattern.search(" ".join(text.split()))}

    assert len(seen) > 70


def test_numbers_and_times_are_those_of_the_language(spanish: Client, addresses: dict[str, int]) -> None:
    """1 204 times, hace 3 h."""
    page = spanish.get(LIST).content.decode()

    assert re.search(">1[.\xa0]204<", page)
    assert re.search(r">hace \d+ h<", page)


def _seen(text: str) -> str:
    parts = re.split(r"(%\(\w+\)\d*[sd]|%\d*[sd]|\{\w*\}|</?\w+>)", " ".join(text.split()))
    return "".join(r".{0,40}?" if n % 2 else re.escape(part) for n, part in enumerate(parts))


def _words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]{2,}", re.sub(r"%\(\w+\)", "%", text))
