"""Local variables of the project's own frames, where `ISSUE_TRACKER["CAPTURE_LOCALS"]` asks for them. Left of the seam.

Bounded and scrubbed as arguments are, and shown to the same people: they may hold anything that a task works with.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final

from issue_tracker import conf
from issue_tracker.serializer import Limits, serialize

from .exceptions import is_exception, traceback_of, unwrapped
from .own_code import is_own_code

MAX_FRAMES: Final = 5
"""Deepest own frames looked at. Ours: the error is hardly ever further away."""

MAX_VARIABLES: Final = 15
"""Of one frame, as rails_error_dashboard keeps."""

MAX_SCANNED: Final = 2_000
"""Frames walked to find them, as for the traceback itself."""

MAX_CHARACTERS: Final = 200
"""Of one value, as rails_error_dashboard keeps."""

LIMITS: Final = Limits(
    max_bytes=2 * 1024,
    max_shown_depth=3,
    max_walked_depth=3,
    max_items=10,
    max_nodes=200,
    max_key_characters=128,
    max_string_characters=MAX_CHARACTERS,
    max_integer=2**53 - 1,
)
"""Of one frame: five of them leave room in the context, 16 KiB, for what was bound."""


def context_of(error: object) -> dict[str, Any]:
    """Return {"locals": [{"at": "file:line", "variables": {name: text}}]}, the deepest last; {} where not asked for.

    A list, since a file called tokens.py would make a key that the scrubber takes for a secret's.
    """
    if not conf.current().capture_locals:
        return {}
    frames: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_FRAMES)
    real = unwrapped(error)
    step, walked = traceback_of(real) if is_exception(real) else None, 0
    while step is not None and walked < MAX_SCANNED:
        filename = step.tb_frame.f_code.co_filename
        if is_own_code(filename):
            frames.append((f"{filename}:{step.tb_lineno}", step.tb_frame.f_locals))
        step, walked = step.tb_next, walked + 1
    found = [{"at": place, "variables": _texts(variables)} for place, variables in frames]
    return {"locals": found} if found else {}


def _texts(variables: dict[str, Any]) -> dict[str, str]:
    names = [name for name in variables if not name.startswith("__")][:MAX_VARIABLES]
    tree = serialize({name: variables[name] for name in names}, limits=LIMITS).tree
    if not isinstance(tree, dict):
        return {}
    return {name: _text(value) for name, value in tree.items()}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
