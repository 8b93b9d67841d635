"""A module of tasks that can't be imported."""

from __future__ import annotations

import no_such_module_broken_import  # type: ignore[import-not-found]  # noqa: F401
