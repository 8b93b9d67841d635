"""Locals of own frames: only when asked for, bounded, scrubbed, and never a reason for an error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from issue_tracker.tracebacks.frame_locals import MAX_CHARACTERS, MAX_FRAMES, MAX_VARIABLES, context_of

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper


@pytest.fixture
def _asked_for(settings: SettingsWrapper) -> None:
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "CAPTURE_LOCALS": True}


def raised(**variables: Any) -> BaseException:
    """Return an exception raised in a frame that holds these variables."""
    code = "".join(f"    {name} = given[{name!r}]\n" for name in variables)
    namespace: dict[str, Any] = {"given": variables}
    exec(compile(f"def fail():\n{code}    1 / 0\n", __file__, "exec"), namespace)  # noqa: S102  frames of any shape
    try:
        namespace["fail"]()
    except ZeroDivisionError as error:
        return error
    raise AssertionError


def deepest(error: BaseException) -> dict[str, str]:
    """Return the locals of the deepest frame."""
    return dict(context_of(error)["locals"][-1]["variables"])


def test_nothing_is_kept_unless_asked_for() -> None:
    """Locals may hold anything; the default is not to look."""
    assert context_of(raised(order_id=5)) == {}


@pytest.mark.usefixtures("_asked_for")
def test_keeps_the_variables_of_own_frames_by_place() -> None:
    """Under "file:line", as the traceback names it; library frames are left out."""
    error = raised(order_id=5, name="Ana", rows=[1, 2])

    assert context_of(error)["locals"][-1] == {
        "at": f"{__file__}:5",
        "variables": {"order_id": "5", "name": "Ana", "rows": "[1, 2]"},
    }


@pytest.mark.usefixtures("_asked_for")
def test_secrets_are_masked_by_name_and_by_form() -> None:
    """As in arguments."""
    shown = json.dumps(deepest(raised(password="hunter2", url="https://ana:hunter2@example.com/", n=1)))

    assert "hunter2" not in shown


@pytest.mark.usefixtures("_asked_for")
def test_everything_is_bounded() -> None:
    """Frames, variables of a frame, characters of a value."""

    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        raise ValueError("deep enough")

    with pytest.raises(ValueError, match="deep enough") as caught:
        dive(50)
    wide = deepest(raised(**{f"v{n}": "x" * 10_000 for n in range(100)}))

    assert len(context_of(caught.value)["locals"]) <= MAX_FRAMES
    assert len(wide) <= MAX_VARIABLES + 1
    assert all(len(value) <= MAX_CHARACTERS for value in wide.values())


class Nasty:
    """Fights back."""

    def __repr__(self) -> str:
        """End the process, if anybody lets it."""
        sys.exit(1)

    __str__ = __repr__


@pytest.mark.usefixtures("_asked_for")
def test_hostile_values_and_foreign_things_raise_nothing() -> None:
    """A row without them is better than none."""
    assert "nasty" in deepest(raised(nasty=Nasty(), huge=10**5_000))
    for thing in (None, "text", object(), ValueError("never raised")):
        assert context_of(thing) == {}
