"""The scheduler: what it can't send."""

from __future__ import annotations

from typing import Any, Final

from matrix.expectations import Death, failed
from matrix.mode import TABLE, Mode, Place

TARGET: Final = "matrix.modes.messages.target"
OFTEN_SECONDS: Final = 0.5


def _enter(id: str, title: str, *deaths: Death, **more: Any) -> None:  # noqa: A002  the word of the table
    TABLE[id] = Mode(id=id, title=title, deaths=deaths, place=Place.BEAT, max_seconds=6, **more)


_enter(
    "25a",
    "beat: the broker is down",
    failed("OperationalError", "ConnectionError", "ConnectionRefusedError", shows="", task=None),
    config={
        "broker_url": "redis://127.0.0.1:1/0",
        "beat_schedule": {"often": {"task": TARGET, "schedule": OFTEN_SECONDS, "args": ("token",)}},
    },
    is_listed=True,
)
_enter(
    "25b",
    "beat: an entry with arguments that can't be serialised",
    failed("SchedulingError", "EncodeError", "TypeError", task=TARGET),
    config={"beat_schedule": {"often": {"task": TARGET, "schedule": OFTEN_SECONDS, "args": (object(),)}}},
    is_listed=True,
)
