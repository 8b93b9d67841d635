"""The experiments, in the order in which they are played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import broker, calls, clocks, damage, databases, deaths, disks, kills, sharing, shutdown, soak, speed, storms

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.finding import Finding
    from chaos.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment: what it is called on the command line, and what plays it."""

    name: str
    promises: tuple[str, ...]
    title: str
    play: Callable[[Stage, Finding], None]


def _of(name: str, promises: str, title: str, play: Callable[[Stage, Finding], None]) -> Experiment:
    return Experiment(name=name, promises=tuple(promises.split()), title=title, play=play)


EXPERIMENTS: Final = (
    _of("receivers", "P1", "Time inside the receiver, database healthy and frozen", speed.receivers),
    _of("giants", "P2", "Giant messages, arguments and nestings", speed.giants),
    _of("linear", "P15", "Masking of texts that make careless patterns slow", speed.linear),
    _of("calls", "P7 P11", "kill -9 at each system call of the spool and of the drain", calls.play),
    _of("kills", "P7 P8 P11", "kill -9 of child, main process and drainer at random", kills.play),
    _of("mid-run", "P8", "Tasks killed in mid-run", deaths.play),
    _of(
        "databases",
        "P6",
        "Database frozen, refused, restarted, read-only, locked, not migrated, refusing",
        databases.play,
    ),
    _of("disks", "P9", "Disk full, out of inodes, read-only; spool removed, replaced, closed", disks.play),
    _of("damage", "P10", "Flipped bits, cuts and zeroed pages in the spool's files", damage.play),
    _of("clocks", "P11", "Clocks that jump", clocks.play),
    _of("broker", "P3", "Broker frozen and restarted", broker.play),
    _of("sharing", "P11", "Two workers and two drainers on one spool", sharing.play),
    _of("storms", "P12", "10,000 equal and 10,000 different failures", storms.play),
    _of("shutdown", "P18", "Shutdown of worker and drainer", shutdown.play),
    _of("soak", "P19 P6 P7", "Everything mixed", soak.play),
)
"""All of them."""
