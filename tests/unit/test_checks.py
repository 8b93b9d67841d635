"""System checks: what is wrong with the set-up is named before anything fails, with what to do about it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from issue_tracker.spool import current

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db
"""Django 6.1 asks the database what it can, to check the models."""


def found(**chosen: Any) -> list[CheckMessage]:
    """What our checks say of this `ISSUE_TRACKER`, beside the test's own spool directory."""
    own = django_settings.ISSUE_TRACKER
    with override_settings(ISSUE_TRACKER={**own, **chosen}):
        return [message for message in run_checks() if str(message.id).startswith("issue_tracker.")]


def only(**chosen: Any) -> tuple[str, str, str]:
    """The id, text and hint of the one message."""
    [message] = found(**chosen)
    return str(message.id), message.msg, str(message.hint)


def test_a_sound_set_up_is_silent() -> None:
    """With the defaults, and with every kind of value that is allowed."""
    assert found() == []
    assert found(DEDUP_WINDOW=0, SPOOL_SYNC="full", SEVERITIES={"retry": None}, BASE_URL="https://example.com") == []


@pytest.mark.parametrize("value", [[], "text", 5, None])
def test_settings_that_are_no_dict_are_named(value: Any) -> None:
    """And nothing else is said."""
    with override_settings(ISSUE_TRACKER=value):
        ids = [str(message.id) for message in run_checks() if str(message.id).startswith("issue_tracker.E00")]

    assert "issue_tracker.E001" in ids


def test_an_unknown_key_is_named_with_the_likely_one() -> None:
    """Or with all there are."""
    assert only(SPOOL_DIRECTORY="/x") == (
        "issue_tracker.E002", "ISSUE_TRACKER has an unknown key 'SPOOL_DIRECTORY'.", "Did you mean 'SPOOL_DIR'?"
    )  # fmt: skip
    assert "'DEDUP_WINDOW'" in only(dedup_window=5)[2]
    _id, _text, hint = only(XYZZY=1)
    assert hint.startswith("The keys are ")
    assert "DEDUP_WINDOW" in hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DEDUP_WINDOW", "7d"), ("SPOOL_SYNC", "off"), ("SPOOL_SYNC", ["full"]), ("SPOOL_MAX_BYTES", 0),
        ("SEVERITIES", {"retry": "fatal"}), ("SEVERITIES", {"retry": ["error"]}), ("BASE_URL", 5), ("ENABLED", "no"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_named_with_what_is_in_force(key: str, value: Any) -> None:
    """Until it is mended, the default is."""
    number, text, hint = only(**{key: value})

    assert number == "issue_tracker.E003"
    assert text.startswith(f"ISSUE_TRACKER['{key}'] must ")
    assert "The default, " in hint


@pytest.mark.parametrize(
    ("chosen", "ids"),
    [
        ({"NOTIFY": [{"to": ["ops@example.com"]}], "BASE_URL": "https://example.com"}, []),
        ({"NOTIFY": [{"to": "slack://A/B/C"}], "BASE_URL": "https://example.com"}, []),
        ({"NOTIFY": [{"to": ["ops@example.com"]}]}, ["issue_tracker.W023"]),
        ({"NOTIFY": [{"to": "mail"}], "BASE_URL": "https://example.com"}, ["issue_tracker.W022"]),
        ({"NOTIFY": [{"to": "mail", "reasons": ["always"]}]}, ["issue_tracker.E003"]),
    ],
)
def test_channels_that_can_not_work_are_named(chosen: dict[str, Any], ids: list[str]) -> None:
    """Nobody in ADMINS, no way to link, a rule that makes no sense."""
    assert [message.id for message in found(**chosen)] == ids


def test_a_url_needs_apprise(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra; the check says how to get it."""
    monkeypatch.setitem(sys.modules, "apprise", None)

    number, _text, hint = only(NOTIFY=[{"to": "slack://A/B/C"}], BASE_URL="https://example.com")

    assert number == "issue_tracker.E021"
    assert "[notify]" in hint


def test_every_fault_is_named() -> None:
    """Not only the first."""
    assert len(found(DEDUP_WINDOW="x", SPOOL_SYNC="y", NO_SUCH_KEY=1)) == 3


def test_a_pattern_that_is_none_is_named() -> None:
    """It masks nothing."""
    number, text, _hint = only(SECRET_PATTERNS=[r"(unclosed", r"fine\d+"])

    assert number == "issue_tracker.E005"
    assert "(unclosed" in text


def test_an_alias_that_is_none_is_named() -> None:
    """With those there are."""
    number, text, hint = only(DATABASE="tracker")

    assert (number, "'tracker'" in text, "default" in hint) == ("issue_tracker.E006", True, True)


@pytest.mark.parametrize("kind", ["a file", "below a file", "others may write", "a link", "a NUL"])
def test_a_spool_directory_that_can_not_be_used_is_named(tmp_path: Path, kind: str) -> None:
    """With the reason and what to do; asking never raises."""
    place = tmp_path / "place"
    if kind == "others may write":
        with override_settings(ISSUE_TRACKER={"SPOOL_DIR": str(place)}):
            directory = current().directory
        directory.mkdir(parents=True)
        directory.chmod(0o777)
    elif kind == "a link":
        place.symlink_to("/nowhere/at/all")
    elif kind != "a NUL":
        place.write_text("")

    chosen = {"a NUL": f"{place}\0", "below a file": f"{place}/deeper"}.get(kind, str(place))
    number, text, hint = only(SPOOL_DIR=chosen)

    assert number == "issue_tracker.E004"
    assert text.startswith("The spool can't be used: ")
    assert "SPOOL_DIR" in hint


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_spool_directory_of_another_user_is_named(tmp_path: Path) -> None:
    """A worker and a web process that run as different users need a spool each."""
    with override_settings(ISSUE_TRACKER={"SPOOL_DIR": str(tmp_path)}):
        directory = current().directory
    directory.mkdir(mode=0o700)
    os.chown(directory, 65_534, 65_534)

    number, text, hint = only(SPOOL_DIR=str(tmp_path))

    assert (number, "65534" in text, "SPOOL_DIR" in hint) == ("issue_tracker.E004", True, True)


def test_a_tracker_that_is_switched_off_needs_no_spool(tmp_path: Path) -> None:
    """Its rows stay visible."""
    (tmp_path / "file").write_text("")

    assert found(ENABLED=False, SPOOL_DIR=str(tmp_path / "file")) == []


def test_the_command_says_it() -> None:
    """`manage.py check` fails on what loses something."""
    wrong = override_settings(ISSUE_TRACKER={**django_settings.ISSUE_TRACKER, "SPOOL_SYNC": "off"})
    with wrong, pytest.raises(SystemCheckError, match="E003"):
        call_command("check", verbosity=0)
    call_command("check", verbosity=0)
