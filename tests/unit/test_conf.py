"""The settings dict: typed defaults, wrong values ignored here (a check names them), overrides seen at once."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from issue_tracker import conf
from issue_tracker.rules import Rule
from tests.processes import ROOT


def read(**chosen: Any) -> conf.Settings:
    """The settings in force with this dict."""
    with override_settings(ISSUE_TRACKER=chosen):
        return conf.current()


def test_an_empty_dict_gives_the_defaults() -> None:
    """The app works without a word of configuration."""
    found = read()

    assert found == conf.Settings()
    assert (found.enabled, found.spool_sync, found.dedup_window) == (True, "normal", timedelta(days=7))
    assert found.spool_max_bytes == 256 * 1024 * 1024
    assert {key: conf.default_of(key) for key in conf.KEYS} == {
        f.name.upper(): getattr(found, f.name) for f in fields(found)
    }


@pytest.mark.parametrize("missing", [None, [], "text", 5])
def test_settings_that_are_no_dict_give_the_defaults(missing: Any) -> None:
    """The check says so; nothing else may break meanwhile."""
    with override_settings(ISSUE_TRACKER=missing):
        assert conf.current() == conf.Settings()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("ENABLED", False, False),
        ("SPOOL_DIR", "/srv/spool", "/srv/spool"),
        ("SPOOL_DIR", Path("/srv/spool"), "/srv/spool"),
        ("SPOOL_SYNC", "full", "full"),
        ("SPOOL_MAX_BYTES", 1, 1),
        ("DEDUP_WINDOW", 90, timedelta(seconds=90)),
        ("DEDUP_WINDOW", 0.5, timedelta(seconds=0.5)),
        ("DEDUP_WINDOW", timedelta(hours=1), timedelta(hours=1)),
        ("DEDUP_WINDOW", 0, timedelta(0)),
        ("PRUNE_RESOLVED_AFTER", 86_400, timedelta(days=1)),
        ("PRUNE_RESOLVED_AFTER", None, None),
        ("PRUNE_OPEN_AFTER", timedelta(days=365), timedelta(days=365)),
        ("PRUNE_MAX_OCCURRENCES", 5, 5),
        ("PRUNE_MAX_OCCURRENCES", None, None),
        ("OWN_PACKAGES", ["cinema"], ("cinema",)),
        ("SECRET_KEYS", {"pin"}, ("pin",)),
        ("SEVERITIES", {"retry": None, "expired": "error"}, {"retry": None, "expired": "error"}),
        ("BASE_URL", "https://example.com", "https://example.com"),
        ("NOTIFY", [], ()),
        ("NOTIFY", [{"to": "mail"}], (Rule(to="mail"),)),
    ],
)
def test_a_value_is_taken(key: str, value: Any, expected: Any) -> None:
    """Each key, in each form that it may have."""
    assert getattr(read(**{key: value}), key.lower()) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ENABLED", 1), ("ENABLED", "yes"), ("SPOOL_DIR", 5), ("SPOOL_DIR", None),
        ("SPOOL_SYNC", "off"), ("SPOOL_SYNC", ["full"]), ("SPOOL_SYNC", {}),
        ("SPOOL_MAX_BYTES", 0), ("SPOOL_MAX_BYTES", True), ("SPOOL_MAX_BYTES", 1.5),
        ("DEDUP_WINDOW", -1), ("DEDUP_WINDOW", timedelta(-1)), ("DEDUP_WINDOW", float("nan")),
        ("DEDUP_WINDOW", 1e300), ("DEDUP_WINDOW", True), ("DEDUP_WINDOW", "7d"),
        ("PRUNE_RESOLVED_AFTER", "30d"), ("PRUNE_OPEN_AFTER", False), ("PRUNE_MAX_OCCURRENCES", 0),
        ("OWN_PACKAGES", "cinema"), ("SECRET_KEYS", [1]), ("SECRET_PATTERNS", None),
        ("SEVERITIES", ["error"]), ("SEVERITIES", {"retry": "fatal"}), ("SEVERITIES", {"retry": ["error"]}),
        ("SEVERITIES", {1: "error"}), ("NOTIFY", "mail"), ("NOTIFY", {"to": "mail"}), ("NOTIFY", [{"to": 5}]),
    ],
)  # fmt: skip
def test_a_wrong_value_leaves_the_default(key: str, value: Any) -> None:
    """A typing error in the settings must not stop the host from starting, whatever kind of object stands there."""
    assert read(**{key: value}) == conf.Settings()
    with pytest.raises(conf.WrongTypeError, match="must"):
        conf.KEYS[key].metadata["parse"](value)


def test_one_wrong_value_does_not_cost_the_others() -> None:
    """And neither do keys that don't exist."""
    assert read(SPOOL_SYNC=5, BASE_URL="https://example.com", NO_SUCH_KEY=1).base_url == "https://example.com"


def test_an_override_is_seen_and_taken_back() -> None:
    """The settings are read late: a test may change them."""
    before = conf.current()

    with override_settings(ISSUE_TRACKER={"BASE_URL": "x"}):
        assert conf.current().base_url == "x"

    assert conf.current() == before
    assert conf.current() is conf.current()


def test_spools_are_below_the_chosen_directory() -> None:
    """SPOOL_DIR, where there is one."""
    with override_settings(ISSUE_TRACKER={"SPOOL_DIR": "/srv/spool"}):
        assert conf.spool_root() == Path("/srv/spool")


def test_spools_outlive_a_reboot_by_default() -> None:
    """Below /var/tmp, apart for each user; nothing is made by asking."""
    with override_settings(ISSUE_TRACKER={}):
        assert conf.spool_root() == Path(f"/var/tmp/issue-tracker-{os.getuid()}")


def test_defaults_are_not_shared() -> None:
    """Whoever changes a dict of one reading changes nothing else."""
    read().severities["retry"] = None

    assert read().severities == {}


def test_the_docs_have_every_key() -> None:
    """The table of docs/settings.md and the code name the same keys."""
    table = (ROOT / "docs" / "settings.md").read_text().partition("## Kinds")[0]

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)) == set(conf.KEYS)


@pytest.mark.parametrize(
    ("chosen", "variable", "expected"),
    [({}, "2.1", "2.1"), ({}, None, ""), ({"RELEASE": "2.0"}, "2.1", "2.0"), ({"RELEASE": ""}, "2.1", "")],
)
def test_the_release_comes_from_the_setting_or_the_environment(
    settings: Any, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], variable: str | None, expected: str
) -> None:
    """A deployment may say it without a change of the settings; the setting goes first."""
    monkeypatch.delenv("ISSUE_TRACKER_RELEASE", raising=False)
    if variable is not None:
        monkeypatch.setenv("ISSUE_TRACKER_RELEASE", variable)
    settings.ISSUE_TRACKER = chosen

    assert conf.current().release == expected
