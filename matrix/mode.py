"""A mode: one way a task can die (or only seems to), as an entry of the table. `@mode` makes the entry and its task.

    @mode("01", "plain exception", failed("ValueError"))
    def plain(token: str) -> None:
        raise ValueError(token)

The first argument of every task is the mode's token, by which its records are found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from celery import shared_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .expectations import Death
    from .stage import Stage

PREFORK: Final = ("prefork",)
THREADS: Final = ("threads",)
SOLO: Final = ("solo",)
GREEN: Final = ("gevent", "eventlet")
ONE_PROCESS: Final = (*THREADS, *SOLO, *GREEN)
POOLS: Final = (*PREFORK, *ONE_PROCESS)

FRESH: Final[dict[str, Any]] = {"alone": ONE_PROCESS, "options": ("--max-tasks-per-child", "1", "--concurrency", "16")}
"""For modes that damage their task's process: a child of its own on prefork (of sixteen, for Celery replaces them every
5 s only), else a worker of its own."""


class Place(StrEnum):
    """Where a mode plays."""

    WORKER = "worker"
    CLIENT = "client"
    """A process that publishes or runs eagerly; the mode's function runs there, and is no task."""
    BEAT = "beat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One entry of the table."""

    id: str
    title: str
    deaths: tuple[Death, ...]
    deaths_on: Mapping[str, tuple[Death, ...]] = field(default_factory=dict)
    """By pool, where it differs."""
    task: str = ""
    """Full name of its task; empty for a mode without one."""
    play: Callable[[Stage], None] | None = None
    """What the matrix does; None: it sends the task, once."""
    run: Callable[[str], object] | None = None
    """What a client does."""
    place: Place = Place.WORKER
    pools: tuple[str, ...] = POOLS
    alone_on: tuple[str, ...] = ()
    """Pools on which it gets a worker of its own, since it ends the worker, or leaves damage behind."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of Celery."""
    options: tuple[str, ...] = ()
    """Of the command `celery worker`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0
    """How often a worker that ended is started again."""
    ends_on: tuple[str, ...] = ()
    """Pools whose worker Celery ends because of it, which takes a while."""
    has_worker: bool = True
    """False: the worker is not expected to get ready."""
    leaves_messages: bool = False
    """True: a message that stays with the broker or the worker belongs to it."""
    max_seconds: float = 30.0
    """How long it may take to be over, at the most."""
    varies: tuple[str, ...] = ()
    """Fields of Behaviour that depend on a race of Celery's own, so that no two runs have to agree on them."""
    is_listed: bool = False
    """True: an entry of the measured list that the totals are compared with; False: found since."""
    lacks: Callable[[], str] | None = None
    """Returns what this machine lacks for it, or "" when it can run."""

    def deaths_in(self, pool: str) -> tuple[Death, ...]:
        """Return what has to be recorded on a pool."""
        return self.deaths_on.get(pool, self.deaths)

    @property
    def is_process_level(self) -> bool:
        """Whether it runs outside any pool."""
        return self.place is not Place.WORKER


TABLE: Final[dict[str, Mode]] = {}
"""All modes by id."""


def mode(
    id: str,  # noqa: A002  the word of the table
    title: str,
    *deaths: Death,
    on: Mapping[tuple[str, ...], tuple[Death, ...]] | None = None,
    alone: tuple[str, ...] = (),
    task_options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the decorated function as a task and a mode that sends it. `more` are fields of Mode."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        task: Callable[..., Any] = shared_task(**(task_options or {}))(function)
        name = (task_options or {}).get("name") or f"{function.__module__}.{function.__name__}"
        _enter(Mode(id=id, title=title, deaths=deaths, deaths_on=_by_pool(on), task=name, alone_on=alone, **more))
        return task

    return enter


def scene(
    id: str,  # noqa: A002
    title: str,
    *deaths: Death,
    on: Mapping[tuple[str, ...], tuple[Death, ...]] | None = None,
    alone: tuple[str, ...] = (),
    **more: Any,
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Enter the decorated function as what the matrix does in a mode that has no task of its own."""

    def enter(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
        _enter(Mode(id=id, title=title, deaths=deaths, deaths_on=_by_pool(on), play=play, alone_on=alone, **more))
        return play

    return enter


def client(
    id: str,  # noqa: A002
    title: str,
    *deaths: Death,
    **more: Any,
) -> Callable[[Callable[[str], object]], Callable[[str], object]]:
    """Enter the decorated function as what a client does: it publishes, or runs a task eagerly."""

    def enter(run: Callable[[str], object]) -> Callable[[str], object]:
        _enter(Mode(id=id, title=title, deaths=deaths, run=run, place=Place.CLIENT, **more))
        return run

    return enter


def _by_pool(on: Mapping[tuple[str, ...], tuple[Death, ...]] | None) -> dict[str, tuple[Death, ...]]:
    return {pool: deaths for pools, deaths in (on or {}).items() for pool in pools}


def _enter(entry: Mode) -> None:
    if entry.id in TABLE:
        raise ValueError(f"There are two modes {entry.id!r}: give {entry.title!r} an id of its own.")
    TABLE[entry.id] = entry


def order() -> None:
    """Put the table into the order of the ids: 2 before 10, "14a" before "14b"."""
    entries = sorted(
        TABLE.items(), key=lambda item: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", item[0])]
    )
    TABLE.clear()
    TABLE.update(entries)
