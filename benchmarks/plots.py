"""Plots as SVG: bars, and lines over steps. Attributes only, no style and no script, so that every page shows them.

The ground is left to the page and the colours are of middle lightness: readable on white and on black.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WIDTH: Final = 720
TEXT: Final = "#7a8088"
GRID: Final = "#8a9098"
COLOURS: Final = ("#2f81f7", "#d4742c", "#2da44e", "#a371f7", "#d1495b", "#8a8f98")
FONT: Final = "system-ui, sans-serif"

BAR: Final = 26
"""Pixels from one bar to the next."""
LABELS: Final = 190
"""Pixels left of the bars, for their names."""

LEFT, RIGHT, TOP, BOTTOM = 64, 200, 44, 52
HEIGHT: Final = 320


def bars(title: str, rows: Mapping[str, float], *, form: str = ".2f", mark: float = 0.0) -> str:
    """Draw a horizontal bar for each row, with its value; `mark` draws a line across, such as 1 for "no more than"."""
    room = WIDTH - LABELS - 70
    longest = max([*rows.values(), mark, 1e-9])
    parts = [_text(8, 22, title, size=15, weight="600")]
    for place, (name, value) in enumerate(rows.items()):
        y = 40 + place * BAR
        width = max(1.0, room * value / longest)
        parts += [
            _text(LABELS - 8, y + 15, name, anchor="end"),
            f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="18" rx="2" fill="{_colour(place)}"/>',
            _text(LABELS + width + 6, y + 14, f"{value:{form}}"),
        ]
    height = 48 + len(rows) * BAR
    if mark:
        parts.append(_line(LABELS + room * mark / longest, 34, LABELS + room * mark / longest, height - 10, dash="4 3"))
    return _svg(title, parts, height=height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """A plot of one line a series over the same steps (which stand at equal distances, whatever their values)."""

    title: str
    steps: Sequence[str]
    step_title: str
    series: Mapping[str, Sequence[float]]
    is_log: bool = False
    """Each line of the grid is ten times the one below."""
    form: str = ",.0f"

    def svg(self) -> str:
        """Draw it."""
        scale, ticks = self._scale()
        parts = [_text(8, 22, self.title, size=15, weight="600"), *self._grid(scale, ticks)]
        for place, (name, values) in enumerate(self.series.items()):
            parts += self._curve(name, values, scale, _colour(place))
        parts += self._names(scale)
        return _svg(self.title, parts, height=HEIGHT)

    def _x(self, place: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * place / max(1, len(self.steps) - 1)

    def _scale(self) -> tuple[Callable[[float], float], list[float]]:
        """Return where a value stands, in pixels from the top, and the values of the grid's lines."""
        values = [value for each in self.series.values() for value in each]
        base, room = HEIGHT - BOTTOM, HEIGHT - TOP - BOTTOM
        if not self.is_log:
            ticks = _steps(max([*values, 1e-9]))
            return lambda value: base - room * value / ticks[-1], ticks
        low = math.floor(math.log10(min(values)))
        high = max(low + 1, math.ceil(math.log10(max(values))))
        ticks = [10.0**power for power in range(low, high + 1)]
        return lambda value: base - room * (math.log10(value) - low) / (high - low), ticks

    def _grid(self, scale: Callable[[float], float], ticks: list[float]) -> list[str]:
        parts = [_line(LEFT, scale(tick), WIDTH - RIGHT, scale(tick), opacity="0.35") for tick in ticks]
        parts += [_text(LEFT - 8, scale(tick) + 4, f"{tick:{_form_of(tick)}}", anchor="end") for tick in ticks]
        base = HEIGHT - BOTTOM + 20
        parts += [_text(self._x(place), base, step, anchor="middle") for place, step in enumerate(self.steps)]
        return [*parts, _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, base + 22, self.step_title, anchor="middle")]

    def _curve(self, name: str, values: Sequence[float], scale: Callable[[float], float], colour: str) -> list[str]:
        points = [(self._x(place), scale(value)) for place, value in enumerate(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dots = [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}">'
            f"<title>{escape(name)}: {value:{self.form}}</title></circle>"
            for (x, y), value in zip(points, values, strict=True)
        ]
        return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]

    def _names(self, scale: Callable[[float], float]) -> list[str]:
        """Write each series' name and last value at its end, moved apart where they would meet."""
        ends = sorted((scale(values[-1]), place, name) for place, (name, values) in enumerate(self.series.items()))
        parts, free = [], 0.0
        for y, place, name in ends:
            at = max(y + 4, free)
            free = at + 16
            last = f"{self.series[name][-1]:{self.form}}"
            parts.append(_text(WIDTH - RIGHT + 10, at, f"{name}: {last}", colour=_colour(place)))
        return parts


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _steps(highest: float) -> list[float]:
    """Return round values from 0 to beyond the highest, about five."""
    power = 10.0 ** math.floor(math.log10(highest / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor * 5 >= highest)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def _form_of(tick: float) -> str:
    return ",.0f" if tick >= 10 or tick == int(tick) else "g"


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", weight: str = "400", colour: str = TEXT
) -> str:
    look = f'font-family="{FONT}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, *, opacity: str = "0.8", dash: str = "none") -> str:
    look = f'stroke="{GRID}" stroke-opacity="{opacity}" stroke-dasharray="{dash}"'
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'


def _svg(title: str, parts: Sequence[str], *, height: float) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts, "</svg>", ""])
