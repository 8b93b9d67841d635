"""Secrets planted wherever a task can leak them, and searched for wherever the product writes: none is found."""

from __future__ import annotations

import io
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from django.apps import apps
from django.core import mail, serializers
from django.core.management import call_command
from django.db import connection, transaction
from django.urls import reverse

import issue_tracker
from issue_tracker import recording
from issue_tracker.drain import drain
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.spool import current
from tests.canaries import SHAPES, Planted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "mysql", reason="the same pages and rows as on the other databases"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

NOT_KEPT = {"at the cut", "header", "repr"}
"""Plants of which not even the harmless marker is kept: objects have no repr taken, headers are not looked at."""

PREFIX = "admin:issue_tracker_operationalissue_"
PAGES_OF_ISSUES = ("change", "text", "markdown", "json", "requeue", "history")
LIST = "/admin/issue_tracker/operationalissue/"


class Talkative:
    """An object whose repr tells all it knows."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"<Talkative {self.text}>"


class HostError(Exception):
    """An error of the host's."""


def _message(text: str) -> None:
    raise HostError(text)


def _cause(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as error:
        raise HostError("the cause tells") from error


def _context(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        raise HostError("the context tells")  # noqa: B904  the implicit one is meant


def _note(text: str) -> None:
    error = HostError("the note tells")
    error.add_note(text)
    raise error


def _group(text: str) -> None:
    raise ExceptionGroup("the group tells", [ValueError(text), KeyError("other")])


def _key(text: str) -> None:
    {}[text]


def _local(text: str) -> None:
    told = {"text": text}
    raise HostError(f"a local of {len(told)} tells")


def _arguments(text: str) -> None:
    raise HostError("an argument of the exception tells", Talkative(text))


def _sql(text: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nowhere WHERE note = %s", [text])


def _bound(text: str) -> None:
    issue_tracker.bind(note=text)
    raise HostError("what was bound tells")


def _reported(text: str) -> None:
    issue_tracker.report("Reported", task="t", error_message=text, context={"note": text}, traceback=text)


def _watched(text: str) -> None:
    with issue_tracker.watch(text[:200], context={"note": text}, reraise=False):
        raise HostError(text)


def _thread(text: str) -> None:
    def die() -> None:
        raise HostError("the thread's name tells")

    thread = threading.Thread(target=die, name=text)
    thread.start()
    thread.join()
    raise HostError("a thread died")


LEAKS: dict[str, Callable[[str], None]] = {
    "message": _message,
    "cause": _cause,
    "context": _context,
    "note": _note,
    "group": _group,
    "KeyError": _key,
    "local": _local,
    "exception's argument": _arguments,
    "SQL": _sql,
    "bound": _bound,
    "reported": _reported,
    "watched": _watched,
    "thread's name": _thread,
}

app = Celery("canaries", set_as_current=False, broker="memory://")


@app.task(name="canaries.leak", max_retries=0)
def leak(place: str, number: int) -> None:
    """Leak a text that is found by its number, so that no argument carries it."""
    LEAKS[place](_texts[number])


@app.task(name="canaries.fail")
def fail(*_args: Any, **_kwargs: Any) -> None:
    raise HostError("its arguments tell")


@app.task(name="canaries.retry", bind=True, max_retries=1)
def retry(self: Any, number: int) -> None:
    raise self.retry(exc=HostError(_texts[number]), countdown=0)


_texts: list[str] = []


@pytest.fixture
def planted(settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch) -> Planted:
    """Every place × every shape, recorded and not drained."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "CAPTURE_LOCALS": True, "DEDUP_WINDOW": 0}
    monkeypatch.setattr(recording, "listeners", [])
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    found = Planted()
    _texts.clear()
    for shape in SHAPES:
        for place in LEAKS:
            _texts.append(found.text(place, shape))
            leak.apply([place, len(_texts) - 1])
        _texts.append(found.text("retry", shape))
        retry.apply([len(_texts) - 1])
        _plant_arguments(found, shape)
    _plant_keys(found)
    return found


def _plant_arguments(found: Planted, shape: str) -> None:
    text = found.text
    _fail(text("argument", shape))
    _fail(note=text("keyword", shape))
    _fail({"deep": [{"down": [text("nested", shape)]}]})
    _fail(Talkative(text("repr", shape)))
    _fail(text("bytes", shape).encode())
    fail.apply([1], headers={"note": text("header", shape)})
    _fail({text("key of a dict", shape): 1})
    _fail(found.plant("before the cut").marker, "x" * 990 + text("at the cut", shape) + "y" * 1_000)


def _fail(*args: Any, **kwargs: Any) -> None:
    """Run the task here and now: what no message could carry is an argument too."""
    fail.apply(args, kwargs)


def _plant_keys(found: Planted) -> None:
    """Where the name alone tells that it is a secret."""
    for name in ("password", "apiKey", "X-Auth-Token", "client_secret", "DATABASE_URL_PASSWORD", "sessionid"):
        canary = found.plant(f"value of {name}")
        _fail(canary.marker, {name: canary.secret}, **{name.replace("-", "_"): canary.secret})
        canary = found.plant(f"pair of {name}")
        _fail(canary.marker, [(name, canary.secret)])
        canary = found.plant(f"bytes of {name}")
        _fail(canary.marker, {name: canary.secret.encode()})


def _spooled(directory: Path) -> str:
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def _rows() -> str:
    models = apps.get_app_config("issue_tracker").get_models()
    return "\n".join(serializers.serialize("json", model._base_manager.all()) for model in models)


def _pages(client: Client) -> Iterator[tuple[str, str]]:
    """Yield every kind of page and every export, each with its text; of issues and occurrences, each seventh.

    A page shows no more than its rows, which are all looked at.
    """
    addresses = [f"{LIST}?status=all", f"{LIST}?status=all&q=marker", f"{LIST}overview/"]
    for issue in OperationalIssue.objects.order_by("pk")[::7]:
        addresses += [reverse(f"{PREFIX}{name}", args=[issue.pk]) for name in PAGES_OF_ISSUES]
        occurrences = Occurrence.objects.filter(issue=issue)
        addresses += [reverse(f"{PREFIX}occurrence", args=[issue.pk, found.pk]) for found in occurrences]
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200, address
        yield address, answer.content.decode()
    for form in ("csv", "json"):
        data = {"action": f"export_{form}", "select_across": "1", "_selected_action": ["0"], "index": 0}
        answer = client.post(f"{LIST}?status=all", data)
        yield f"export {form}", b"".join(answer.streaming_content).decode()


def _said(*arguments: str) -> str:
    output = io.StringIO()
    call_command("issues", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def _commands() -> str:
    some = [str(issue.pk) for issue in OperationalIssue.objects.order_by("pk")[::7]]
    shown = [_said("show", pk) for pk in some]
    return "\n".join([_said("list", "--status", "all"), _said("stats"), *shown])


def test_no_canary_is_in_anything_that_is_written(
    planted: Planted, admin_client: Client, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Spool files, rows, pages, exports, commands, our own log lines, stderr, mails; and every plant arrived."""
    caplog.set_level(logging.DEBUG, logger="issue_tracker")
    spooled = _spooled(current().directory)

    drain()
    rows = _rows()

    assert planted.leaks(spooled) == []
    assert planted.leaks(rows) == []
    assert {place.partition(",")[0] for place in planted.missing(rows)} == NOT_KEPT
    written = dict(_pages(admin_client))
    written["commands"] = _commands()
    written["log"] = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("issue_tracker"))
    written["stderr"] = "\n".join(line for line in capsys.readouterr().err.splitlines() if "issue_tracker:" in line)
    written["mails"] = "\n".join(f"{sent.subject}\n{sent.body}" for sent in getattr(mail, "outbox", []))
    assert {place: found for place, text in written.items() if (found := planted.leaks(text))} == {}


def test_no_canary_is_in_what_is_said_of_a_refused_record(
    planted: Planted, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Our own error texts: quarantine's reasons, outages, complaints."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(Occurrence, "issue_tracker_occurrence", "gone")
    try:
        with pytest.raises(Exception) as outage:  # noqa: PT011  whatever it says is what is looked at
            drain()
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Occurrence, "gone", "issue_tracker_occurrence")

    told = [str(outage.value), capsys.readouterr().err, *(record.getMessage() for record in caplog.records)]
    told += [reason for _body, reason, _at in current().quarantined()]
    ours = [text for text in told if "issue_tracker" in text or "Error" in text]
    assert ours
    assert (
        planted.leaks("\n".join([str(outage.value), *(text for text in told if text.startswith("issue_tracker"))]))
        == []
    )


def test_no_canary_is_in_the_reserve(planted: Planted, settings: SettingsWrapper) -> None:
    """What a full spool reduces to a stub is masked as everything else."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "SPOOL_MAX_BYTES": 1}
    spool = current()
    for shape in SHAPES:
        _fail(planted.text("reserve", shape), password=planted.plant("reserve, keyword").secret)
        with pytest.raises(HostError):
            _message(planted.text("reserve's message", shape))

    assert spool.reserve.entries()
    assert planted.leaks(_spooled(spool.directory)) == []
