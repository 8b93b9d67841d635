"""Medians, spreads and percentiles: timings here are noisy, so no mean is ever shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

Values = Sequence[float]


def median(values: Values) -> float:
    """Return the middle value."""
    return statistics.median(values)


def spread(values: Values) -> float:
    """Return the interquartile range; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def percentile(values: Values, percent: float) -> float:
    """Return the smallest value that at least `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def with_spread(values: Values, form: str) -> str:
    """Return "median ± half the interquartile range", each in that format."""
    return f"{median(values):{form}} ± {spread(values) / 2:{form}}"
