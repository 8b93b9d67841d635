"""One failure's traceback told for a like one that differs in its message only. Left of the seam; pure.

Ten thousand failures of one issue mostly have one traceback, but for the numbers in the message that it ends with: kept
once, with the issue, they take half the room.
"""

from __future__ import annotations


def retold(traceback: str, *, message: str, other: str) -> str:
    """Return a traceback with another message in the place of its own, wherever that ends a line "Type: message".

    Whether that gives the traceback of the other failure is for the caller to compare.
    """
    return traceback.replace(f": {message}\n", f": {other}\n") if message != other else traceback
