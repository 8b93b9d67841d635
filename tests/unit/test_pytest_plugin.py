"""The pytest plugin is found by its entry point: what a host installs is enough."""

from __future__ import annotations

from importlib.metadata import entry_points


def test_pytest_finds_the_plugin() -> None:
    """pytest loads what stands under `pytest11`."""
    found = {point.name: point.value for point in entry_points(group="pytest11")}

    assert found["issue_tracker"] == "issue_tracker.pytest_plugin"
