"""The verbs of `manage.py issues`: one module for each group of like ones, each a table of `Verb`s.

A further verb is one more line in `VERBS`.
"""

from __future__ import annotations

from . import adopting, draining, examining, looking, notifying, pruning, requeueing, triage
from .verb import Console, Verb

__all__ = ["VERBS", "Console", "Verb"]

VERBS: dict[str, Verb] = {
    verb.name: verb
    for module in (looking, triage, requeueing, draining, notifying, pruning, examining, adopting)
    for verb in module.VERBS
}
