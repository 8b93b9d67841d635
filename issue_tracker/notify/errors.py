"""What is said of a channel that failed: never its address, which is a secret. Right of the seam."""

from __future__ import annotations

import os
from typing import Final

MAX_ERROR_CHARACTERS: Final = 200


class ChannelError(Exception):
    """A channel did not take a message; the text says why, without the channel's address."""

    def __init__(self, text: str, *, retry_after_seconds: float | None = None) -> None:
        """Keep how long the channel asked to be left alone."""
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


def said(error: BaseException) -> str:
    """Return our own text of an error, or of a foreign one the type of its first cause and the system's word for it."""
    if isinstance(error, ChannelError):
        return str(error)[:MAX_ERROR_CHARACTERS]
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ""
    return f"{type(error).__name__}: {text}".removesuffix(": ")
