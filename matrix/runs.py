"""A run: one collector on one pool, all chosen modes, in groups side by side. What runs have found is a JSON file."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests import brokers

from . import sink
from .behaviour import Behaviour
from .grading import Grade, Mark
from .host import Host, template_database
from .mode import Mode, Place
from .playing import Group, Outcome, play

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .collectors import Collector
    from .sink import Sink

CALLER: Final = "caller"
"""The column of modes that play outside any pool."""
DATABASES: Final = range(1, 16)
"""Of one Redis, so many groups may play at once."""


@dataclass(slots=True, kw_only=True)
class Theatre:
    """What all runs of a call share: a broker, a sink, a database to copy, a directory."""

    directory: Path
    broker: brokers.Broker
    sink: Sink
    template: Path
    jobs: int
    """Groups that play at once."""
    is_kept: bool = False
    """Whether logs and databases stay, for who looks for the cause of something."""
    free: queue.Queue[int] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        """Offer the broker's databases."""
        for number in DATABASES:
            self.free.put(number)

    @contextlib.contextmanager
    def host(self, collector: Collector, title: str) -> Iterator[Host]:
        """Yield a host of its own for a group."""
        number = self.free.get()
        directory = self.directory / collector.name / title
        host = Host(directory=directory, collector=collector, broker_url=self.broker.database(number), sink=self.sink)
        host.prepare(self.template)
        try:
            yield host
        finally:
            host.clean()
            self.free.put(number)
            if not self.is_kept:
                shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def theatre(*, jobs: int, keep: Path | None = None) -> Iterator[Theatre]:
    """Start what runs share, and end it afterwards."""
    with contextlib.ExitStack() as stack:
        directory = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matrix-")))
        directory.mkdir(parents=True, exist_ok=True)
        yield Theatre(
            directory=directory,
            broker=stack.enter_context(brokers.running()),
            sink=stack.enter_context(sink.running()),
            template=template_database(directory),
            jobs=jobs,
            is_kept=keep is not None,
        )


def run(stage: Theatre, collector: Collector, pool: str, modes: Iterable[Mode]) -> list[Outcome]:
    """Play modes with one collector on one pool; returns their outcomes in the order of the table."""
    chosen = [
        mode for mode in modes if mode.is_process_level == (pool == CALLER) and (pool == CALLER or pool in mode.pools)
    ]
    lacking = {mode.id: mode.lacks() for mode in chosen if mode.lacks and mode.lacks()}
    groups = list(_groups([mode for mode in chosen if mode.id not in lacking], pool))
    with ThreadPoolExecutor(stage.jobs) as executor:
        found = executor.map(lambda group: play_group(stage, collector, group), groups)
        outcomes = {outcome.mode.id: outcome for part in found for outcome in part}
    for group in groups:  # what broke down, as with a connection under load, gets a second chance, alone
        if all(outcomes[mode.id].grade.mark is Mark.NOT_PLAYED for mode in group.modes):
            outcomes.update((outcome.mode.id, outcome) for outcome in play_group(stage, collector, group))
    for mode in chosen:
        if mode.id in lacking:
            outcomes[mode.id] = _not_played(mode, pool, lacking[mode.id])
    return [outcomes[mode.id] for mode in chosen]


def _groups(modes: list[Mode], pool: str) -> Iterator[Group]:
    """Yield the modes that share a process first, since they take longest, then those alone."""
    shared: dict[str, list[Mode]] = {}
    alone = []
    for mode in modes:
        if pool in mode.alone_on or mode.place is Place.BEAT:
            alone.append(mode)
        else:
            key = (mode.place, mode.config, mode.options, mode.environment, _is_slow(mode, pool))
            shared.setdefault(repr(key), []).append(mode)
    for together in shared.values():
        yield Group(place=together[0].place, pool=pool, modes=tuple(together), is_alone=False)
    for mode in alone:
        yield Group(place=mode.place, pool=pool, modes=(mode,), is_alone=True)


def _is_slow(mode: Mode, pool: str) -> tuple[bool, bool]:
    """Whether Celery takes seconds to notice the death: such modes play apart, so that the others need not wait."""
    deaths = mode.deaths_in(pool)
    return any(death.needs_arguments for death in deaths), any(not death.shows for death in deaths)


def play_group(stage: Theatre, collector: Collector, group: Group) -> list[Outcome]:
    """Play modes that share a process, on a host of their own."""
    begun = time.monotonic()
    title = f"{group.pool}-{group.modes[0].id}-{len(group.modes)}"
    try:
        with stage.host(collector, title) as host:
            outcomes = play(group, host)
    except Exception as error:  # noqa: BLE001  one group that can't be played must not cost the others
        reason = f"could not be played: {type(error).__name__}: {str(error)[:2000]}"
        outcomes = [_not_played(mode, group.pool, reason) for mode in group.modes]
    _say(collector, group, outcomes, time.monotonic() - begun)
    return outcomes


def _not_played(mode: Mode, pool: str, reason: str) -> Outcome:
    nothing = Behaviour(exit_code="", states="", left=0, signals="")
    return Outcome(mode=mode, pool=pool, grade=Grade(mark=Mark.NOT_PLAYED, reason=reason), behaviour=nothing)


def _say(collector: Collector, group: Group, outcomes: list[Outcome], seconds: float) -> None:
    marks = " ".join(f"{outcome.mode.id}={outcome.grade.mark}" for outcome in outcomes)
    sys.stderr.write(f"{collector.name} {group.pool} {seconds:5.1f} s: {marks}\n")
    sys.stderr.flush()


def as_json(outcomes: Iterable[Outcome], *, is_compared: bool) -> dict[str, Any]:
    """Return outcomes as plain values, by mode; what the worker did is kept where it will be compared."""
    return {
        outcome.mode.id: {
            "mark": outcome.grade.mark.value,
            "reason": outcome.grade.reason,
            "faults": list(outcome.grade.faults),
            "behaviour": asdict(outcome.behaviour) if is_compared else None,
        }
        for outcome in outcomes
    }


def load(path: Path) -> dict[str, Any]:
    """Return what earlier runs have found: collector → pool → mode."""
    with contextlib.suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    return {}


def store(path: Path, findings: dict[str, Any]) -> None:
    """Write what runs have found, a line for each mode."""
    text = json.dumps(findings, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(re.sub(r"\n {4,}(?=\S)|\n {3}(?=[}\]])", " ", text) + "\n")
