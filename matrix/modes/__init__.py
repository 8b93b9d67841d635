"""The table: one module a family, ordered by id. A new entry is one decorated function (see `matrix.mode`)."""

from __future__ import annotations

from matrix.mode import TABLE as TABLE
from matrix.mode import order

from . import (
    arguments,  # noqa: F401
    bases,  # noqa: F401
    beat,  # noqa: F401
    canvas,  # noqa: F401
    eager,  # noqa: F401
    exceptions,  # noqa: F401
    exits,  # noqa: F401
    hooks,  # noqa: F401
    libraries,  # noqa: F401
    limits,  # noqa: F401
    messages,  # noqa: F401
    publishing,  # noqa: F401
    refusals,  # noqa: F401
    results,  # noqa: F401
    retries,  # noqa: F401
    revocation,  # noqa: F401
    sabotage,  # noqa: F401
    shutdown,  # noqa: F401
    transactions,  # noqa: F401
    workers,  # noqa: F401
)

order()
