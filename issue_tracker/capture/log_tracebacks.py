"""One formatting of a traceback instead of two: Celery's log takes the text that Celery has made for the result.

Python 3.11 and later parse each frame's source line to underline the part that failed: formatting is the dearest part
of a failing task, and Celery does it twice. `logging` keeps a record's traceback once it is formatted, for all
handlers; it is put there before the first one. Guarantee: the log says the same, to the letter, or is left alone.
Left of the seam.
"""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from typing import Any, Final

from celery.app.log import TaskFormatter
from celery.utils.log import ColorFormatter

from issue_tracker import conf

LOGGER: Final = "celery.app.trace"
MAX_FRAMES: Final = 100
"""Of billiard's copies of a traceback, which the log would show, only the first 125 frames or so are there."""
_STOCK: Final = frozenset({type(None), logging.Formatter, ColorFormatter, TaskFormatter})
"""Formatters that write a traceback as Python does. Any other one may have its own way and is asked for it."""


def install() -> None:
    """Share tracebacks in this process, unless the settings leave Celery's log alone."""
    if conf.current().share_tracebacks:
        logging.getLogger(LOGGER).addFilter(share)


def uninstall() -> None:
    """Let Celery's log format for itself again."""
    logging.getLogger(LOGGER).removeFilter(share)


def share(line: logging.LogRecord) -> bool:
    """Give a line of the log the traceback that came with it; returns True, for nothing is left out."""
    if type(line.exc_info) is tuple and not line.exc_text:
        with suppress(Exception):  # whatever it was, the log does without
            text = getattr(line, "data", {}).get("traceback")
            if type(text) is str and _says_the_same(text, line.exc_info) and _is_written_as_usual(line.name):
                line.exc_text = text.removesuffix("\n")
    return True


def _says_the_same(text: str, exc_info: tuple[Any, Any, Any]) -> bool:
    """Tell whether formatting anew would give this text: the exception may have been replaced by one to be pickled."""
    kind, error, frame = exc_info
    if type(error) is not kind or isinstance(error, BaseExceptionGroup):
        return False
    for _ in range(MAX_FRAMES):
        if frame is None:
            return text.endswith("".join(traceback.format_exception_only(kind, error)))
        frame = frame.tb_next
    return False


def _is_written_as_usual(name: str) -> bool:
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if any(type(handler.formatter) not in _STOCK for handler in logger.handlers):
            return False
        logger = logger.parent if logger.propagate else None
    return True
