"""What one experiment found: counts that must be nought, figures, and in words what did not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was begun against what arrived."""

    injected: int = 0
    """Failures that were made to happen."""
    captured: int = 0
    """Of them, how many were found."""
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    """Found, but not whole: another message, no traceback, an issue that miscounts its rows."""

    def __add__(self, other: Tally) -> Tally:
        """Return the sums."""
        return Tally(
            injected=self.injected + other.injected,
            captured=self.captured + other.captured,
            lost=self.lost + other.lost,
            doubled=self.doubled + other.doubled,
            torn=self.torn + other.torn,
        )

    def complaints(self) -> list[str]:
        """Say what is not nought and has to be."""
        found = {"lost": self.lost, "doubled": self.doubled, "torn": self.torn}
        return [f"{number} {word}" for word, number in found.items() if number]


def compared(begun: list[str], arrived: list[str], *, torn: int = 0) -> Tally:
    """Hold what was begun against what arrived, by id; what arrived unasked counts as doubled if it came twice only."""
    wanted, found = Counter(begun), Counter(arrived)
    return Tally(
        injected=len(begun),
        captured=sum((wanted & found).values()),
        lost=sum((wanted - found).values()),
        doubled=sum(count - max(wanted[name], 1) for name, count in found.items() if count > max(wanted[name], 1)),
        torn=torn,
    )


@dataclass(slots=True, kw_only=True)
class Finding:
    """The outcome of one experiment."""

    promises: tuple[str, ...]
    """Such as ("P7", "P11")."""
    title: str
    faults: Counter[str] = field(default_factory=Counter)
    """What was done to it, how often."""
    tally: Tally = field(default_factory=Tally)
    figures: dict[str, str] = field(default_factory=dict)
    """Name to value with its unit; a target stands in parentheses."""
    broken: list[str] = field(default_factory=list)
    """What did not hold, in words; empty when it did."""
    skipped: str = ""
    """Why it was not run here."""
    seconds: float = 0.0

    def require(self, is_held: bool, otherwise: str) -> None:  # noqa: FBT001  reads like an assertion
        """Note a sentence unless a condition holds."""
        if not is_held:
            self.broken.append(otherwise)

    def at_most(self, name: str, value: float, bound: float, unit: str) -> None:
        """Keep a figure with its bound, and note it when the bound is passed."""
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        self.figures[name] = f"{shown} {unit} (≤ {bound:g})"
        self.require(value <= bound, f"{name}: {shown} {unit}, more than {bound:g}")

    @property
    def complaints(self) -> list[str]:
        """Everything that makes this run a failure."""
        return [*self.tally.complaints(), *self.broken]

    @property
    def verdict(self) -> str:
        """One word: held, broken or skipped."""
        if self.skipped:
            return "skipped"
        return "broken" if self.complaints else "held"


class NotHereError(Exception):
    """This machine lacks what an experiment needs; the text says what."""
