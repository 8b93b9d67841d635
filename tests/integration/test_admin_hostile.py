"""Hostile text in every captured field: no page gets an element or an attribute more than with harmless text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from issue_tracker.admin import texts
from issue_tracker.admin.frames import parts
from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

LIST = "/admin/issue_tracker/operationalissue/"

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "</pre></code></td></details></section><iframe src=//evil>",
    "</textarea></title></style><svg/onload=alert(1)>",
    "javascript:alert(1)//",
    "{{ 7|add:7 }}{% now 'Y' %}{0.__class__}%(name)s%s",
    "<!--[if IE]><b>--><![CDATA[",
    "&lt;b&gt;&#60;i&#62;<b>",
    "\u202e\u2028\x1b[2J\x9b31m<a href=//evil>",
]


class Shape(HTMLParser):
    """The elements of a page, each with the names of its attributes."""

    def __init__(self, html: str) -> None:
        """Read a page."""
        super().__init__()
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.addresses: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.add((tag, tuple(sorted(name for name, _value in attrs))))
        self.addresses |= {value or "" for name, value in attrs if name in {"href", "src", "action", "formaction"}}


def record(text: str) -> OperationalIssue:
    """Store an issue with a text in each captured field."""
    short = text[:255]
    frames = f'  File "{text}", line 7, in {text}\n    {text}\n'
    issue = OperationalIssue.objects.create(
        name=short,
        task=short,
        error_message=text,
        traceback=f"Traceback (most recent call last):\n{frames}{text}: {text}\n",
        context={text: text, "args": [text], "kwargs": {text: [text]}},
        exception_type=short,
        culprit=short,
        fingerprint="f" * 64,
        is_returned=True,
        recovered_count=1,
    )
    for n in range(2):
        Occurrence.objects.create(
            issue=issue,
            event_id=f"{n}",
            occurred_at=issue.last_seen_at,
            kind="failure",
            severity="error",
            task_id="same" + short[:200],
            worker=short,
            queue=short,
            args=[text],
            kwargs={text: text},
            context={text: text, "locals": [{"at": f"{text}:7", "variables": {text: text}}]},
            error_message=text,
            release=short,
            requeued_as=short if n else "",
            payload_note=short[:64] if n else "",
        )
    RequeueJob.objects.create(note=short, reasons={text: 1}, stopped_by=text).issues.add(issue)
    return issue


def pages(client: Client, issue: OperationalIssue) -> dict[str, str]:
    """Return every page that shows the issue."""
    occurrence = Occurrence.objects.filter(issue=issue)[0]
    client.post(f"{LIST}{issue.pk}/state/", {"verb": "note", "note": issue.error_message})
    addresses = {
        "list": f"{LIST}?status=all",
        "search": f"{LIST}?status=all&q=x&task__exact=y",
        "issue": f"{LIST}{issue.pk}/change/",
        "occurrence": f"{LIST}{issue.pk}/occurrences/{occurrence.pk}/",
        "requeue": f"{LIST}{issue.pk}/requeue/",
        "job": f"{LIST}requeue-jobs/{RequeueJob.objects.get().pk}/",
        "jobs": f"{LIST}requeue-jobs/",
        "overview": f"{LIST}overview/",
        "history": f"{LIST}{issue.pk}/history/",
        "delete": f"{LIST}{issue.pk}/delete/",
    }
    answers = {name: client.get(address) for name, address in addresses.items()}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {name: answer.content.decode() for name, answer in answers.items()}


@pytest.fixture
def harmless(admin_client: Client) -> dict[str, Shape]:
    """The shapes of all pages with plain words, and then nothing in the database again."""
    shapes = {name: Shape(html) for name, html in pages(admin_client, record("plain.words: 'x' 1 # y")).items()}
    OperationalIssue.objects.all().delete()
    RequeueJob.objects.all().delete()
    return shapes


@pytest.mark.parametrize("text", HOSTILE)
def test_no_page_gets_a_new_element_or_attribute(admin_client: Client, harmless: dict[str, Shape], text: str) -> None:
    """The set of elements with their attributes' names is the same; no address leads elsewhere."""
    for name, html in pages(admin_client, record(text)).items():
        shape = Shape(html)
        assert shape.elements <= harmless[name].elements, name
        assert not [a for a in shape.addresses if not a.startswith(("/", "?", "#")) and a], name
        assert not [a for a in shape.addresses if a.startswith("//")], name


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_search_is_shown_as_text(admin_client: Client, harmless: dict[str, Shape], text: str) -> None:
    """What comes from the address is no better than what was captured."""
    parameters = {"q": text, "task__exact": text, text: text, "last_seen_at__since": text, "status": "all"}

    shape = Shape(admin_client.get(LIST, parameters).content.decode())

    extra = {("p", ("class",)), ("div", ("class",)), ("a", ("href",)), ("strong", ())}
    assert {tag for tag, _attributes in shape.elements} <= {tag for tag, _a in harmless["search"].elements | extra}
    assert not [names for _tag, names in shape.elements if any(name.startswith("on") for name in names)]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_keeps_it_in_code(text: str) -> None:
    """Each line that holds captured text is an inline code span or inside a fence."""
    fence, outside = "", []
    for line in texts.markdown(record(text), None, with_payload=True).splitlines():
        if line.startswith("```"):
            fence = "" if line == fence else fence or line.rstrip("abcdefghijklmnopqrstuvwxyz-")
        elif not fence:
            outside.append(line)

    for line in outside:
        spans = line.split("`")
        assert all("<" not in part for part in spans[::2]), line


@pytest.mark.parametrize("text", ["\x1b[31m", "a\rb", "\x9bX", "\u202eabc", "\x07"])
def test_plain_text_sends_no_control_characters(text: str) -> None:
    """A terminal obeys nothing that was captured."""
    shown = texts.plain(record(text), None, with_payload=True)

    assert not [c for c in shown if not (c.isprintable() or c == "\n")]


def test_backticks_do_not_end_a_fence() -> None:
    """A fence longer than any run of backticks within."""
    text = "```\n`````\n# heading"

    block = texts.fenced(text, "json")

    assert block.startswith("``````json\n")
    assert block.endswith("\n``````")
    assert texts.code("a``b") == "``` a``b ```"


def test_a_traceback_of_any_shape_is_shown() -> None:
    """Cut in the middle, nested, without frames, with a million spaces: never an error."""
    for text in (
        "",
        "x",
        "Traceback (most recent call last):",
        '  File "',
        '  File "a", line 1, in f\n' * 5_000,
        " " * 100_000,
        "| " * 50_000,
    ):
        issue = OperationalIssue(name="n", task="t", error_message="m", traceback=text)
        assert isinstance(parts(issue, None, with_locals=True)["sections"], list)
