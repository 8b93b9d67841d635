"""Rules of the benchmarks' plots: SVG that every page shows, on light and on dark."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from benchmarks.plots import Lines, bars

SVG = "{http://www.w3.org/2000/svg}"


def some_lines(*, is_log: bool = False) -> str:
    """A plot of two series over three steps."""
    series = {"list & page": [10.0, 200.0, 3_000.0], "overview": [5.0, 5.0, 5.0]}
    return Lines(title="CPU < wall", steps=["1", "2", "3"], step_title="rows", series=series, is_log=is_log).svg()


@pytest.mark.parametrize(
    "svg", [bars("CPU ÷ bare", {"bare": 1.0, "<ours>": 1.05}, mark=1), some_lines(), some_lines(is_log=True)]
)
def test_a_plot_is_drawn_by_attributes_alone(svg: str) -> None:
    """A style or a script is dropped by the pages that show it; a ground would be wrong on half of them."""
    names = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}  # noqa: S314  our own text

    assert names <= {"svg", "title", "text", "rect", "line", "polyline", "circle"}
    assert "#000" not in svg
    assert "#fff" not in svg


def test_a_longer_bar_is_more() -> None:
    """In proportion."""
    root = ElementTree.fromstring(bars("t", {"one": 1.0, "two": 2.0}))  # noqa: S314  our own text

    one, two = (float(bar.attrib["width"]) for bar in root.iter(f"{SVG}rect"))
    assert two == pytest.approx(2 * one)


@pytest.mark.parametrize("is_log", [False, True])
def test_a_higher_point_is_more(*, is_log: bool) -> None:
    """And all of them stand within the plot."""
    root = ElementTree.fromstring(some_lines(is_log=is_log))  # noqa: S314  our own text

    heights = [float(dot.attrib["cy"]) for dot in root.iter(f"{SVG}circle")][:3]
    assert all(lower > higher for lower, higher in pairwise(heights))
    assert min(heights) >= 40
