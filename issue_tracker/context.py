"""What is going on in this task, request or thread: context bound by the host, and the run that Celery is in.

Left of the seam. Both live in context variables, so that threads, greenlets and coroutines see their own.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import TracebackType

MAX_BOUND_KEYS: Final = 50
"""Keys that one task or request may bind; the serializer shows no more than that on one level."""

_bound: ContextVar[dict[str, Any] | None] = ContextVar("issue_tracker_bound", default=None)


class Binding:
    """What `bind` returns: as a context manager it takes its keys back at the end of the block."""

    __slots__ = ("_before",)

    def __init__(self, before: dict[str, Any] | None) -> None:
        """Keep what was bound before."""
        self._before = before

    def __enter__(self) -> None:
        """Nothing to do: the keys are bound already."""

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Restore what was bound before; an error that leaves the block keeps the keys until it has been recorded."""
        if error is None:
            _bound.set(self._before)


def bind(**values: Any) -> Binding:
    """Attach context to whatever is captured later in the same task or request; later values win. Never raises.

    Lasts until the task or request ends, or, as `with bind(…):`, until the block ends. 1 µs.
    """
    before = _bound.get()
    merged = {**before, **values} if before else values
    if len(merged) > MAX_BOUND_KEYS:
        merged = dict(list(merged.items())[-MAX_BOUND_KEYS:])
    _bound.set(merged)
    return Binding(before)


def bound() -> dict[str, Any]:
    """Return what is bound here and now."""
    return _bound.get() or {}


def restore(values: dict[str, Any]) -> None:
    """Bind these and nothing else; for an eager task that gives its caller's context back."""
    _bound.set(values or None)


forget = partial(_bound.set, None)
"""Drop everything bound; called when a task or request begins and ends."""
