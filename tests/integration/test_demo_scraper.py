"""The colombia.com scraper: what it reads from a page, and what it says when there is none to read."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import TYPE_CHECKING

import pytest

from demo import upstream
from demo.cinema import scraper
from demo.misbehaviour import TheaterPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper


@pytest.fixture(scope="module")
def sites() -> Iterator[str]:
    """Address of the stand-in."""
    with upstream.running() as server:
        yield server.url


@pytest.fixture(autouse=True)
def no_proxy(settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no proxy of the environment get between; be patient with a busy machine where nobody has to time out."""
    settings.UPSTREAM_TIMEOUT_SECONDS = 20.0
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12:50 pm", time(12, 50)),
        ("12:05 am", time(0, 5)),
        (" 4:30 PM ", time(16, 30)),
        ("9:15 a.m.", time(9, 15)),
        ("11:59 P. M.", time(23, 59)),
        ("Sala 3, 8:50 pm", time(20, 50)),
        ("25:00 pm", None),
        ("0:30 am", None),
        ("7:75 pm", None),
        ("agotado", None),
        ("", None),
    ],
)
def test_a_time_of_day_is_read_or_left_out(text: str, expected: time | None) -> None:
    """Colombian clocks have twelve hours; whatever is none of them is None."""
    assert scraper.time_of(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("1/20/2026", date(2026, 1, 20)), ("20/1/2026", None), ("hoy", None)])
def test_a_day_is_written_month_first(text: str, expected: date | None) -> None:
    """The values of the select are American, although the page is Colombian."""
    assert scraper.day_of(text) == expected


def test_days_keep_the_order_of_the_page_and_unreadable_ones_are_left_out() -> None:
    """One broken option does not cost the others."""
    page = (
        '<select name="fecha"><option value="1/21/2026">x<option value="pronto">y<option value="1/20/2026">z</select>'
    )

    assert scraper.date_options(page) == [date(2026, 1, 21), date(2026, 1, 20)]


def test_no_readable_day_says_what_was_there() -> None:
    """The error names the place looked at and the values found there."""
    with pytest.raises(scraper.NoDateOptionsError, match=r"fecha.*pronto"):
        scraper.date_options('<select name="fecha"><option value="pronto">y</select>')


def test_listings_hold_movie_format_and_times() -> None:
    """A movie in two formats is two listings; white space within a name is one space."""
    page = upstream.theater_page(TheaterPage(movies=("Avatar:  Fuego\n Y Cenizas",)), day=None)

    assert scraper.listings(page) == [
        scraper.Listing(
            movie_name="Avatar: Fuego Y Cenizas", format="2D - Doblado", start_times=(time(13, 10), time(16, 20))
        ),
        scraper.Listing(
            movie_name="Avatar: Fuego Y Cenizas", format="3D - Subtitulado", start_times=(time(19, 30), time(22, 5))
        ),
    ]


@pytest.mark.parametrize(
    "page",
    [
        "",
        "<html><body>En mantenimiento</body></html>",
        '<div class="caja-cinema"></div>',
        '<div class="caja-cinema"><div class="nombre-pelicula"><a> </a></div><div class="info-pelicula">'
        '<div class="horarios-funcion"><li>1:10 pm</li></div></div></div>',
        '<div class="caja-cinema"><div class="nombre-pelicula"><a>X</a></div><div class="info-pelicula">'
        '<div class="horarios-funcion"><li>agotado</li></div></div></div>',
    ],
)
def test_a_page_without_showtimes_gives_no_listings(page: str) -> None:
    """Neither a nameless movie nor one without a readable time is a listing."""
    assert scraper.listings(page) == []


def test_the_markup_of_a_real_page_is_understood() -> None:
    """Nesting, icons and line breaks as colombia.com writes them."""
    page = """
      <form class="form-inline" method="post"><select aria-label="Fecha" class="form-select" name="fecha">
        <option selected="" value="1/19/2026">HOY - Ene 19 / 2026</option>
        <option value="1/20/2026">Martes - Ene 20 / 2026</option></select></form>
      <div class="caja-cinema"><div class="nombre-pelicula"><a href="/cine/x-1">La
          Empleada</a></div><div class="cont-pelicula"><div class="row"><div class="info-pelicula">
        <div class="formato-pelicula ml-2"><svg><path d="M76"></path></svg>
           2D - Subtitulado </div>
        <div class="horarios-funcion"><ul><li>12:50 pm</li><li>4:50 pm</li></ul></div></div></div></div></div>"""

    assert scraper.date_options(page) == [date(2026, 1, 19), date(2026, 1, 20)]
    assert scraper.listings(page) == [
        scraper.Listing(movie_name="La Empleada", format="2D - Subtitulado", start_times=(time(12, 50), time(16, 50)))
    ]


def test_another_day_is_asked_for_by_form(sites: str) -> None:
    """The second day's page is that of the day chosen."""
    address = f"{sites}/cine/vizcaya-medellin-s9"
    today, tomorrow = scraper.date_options(scraper.fetch_page(address))

    page = scraper.fetch_page(address, day=tomorrow)

    assert tomorrow == today + timedelta(days=1)
    assert f'value="{tomorrow.month}/{tomorrow.day}/{tomorrow.year}" selected' in page


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ("lento-bogota-s33", scraper.ScrapeTimeoutError, "no answer within 0.3 s"),
        ("saturado-bucaramanga-s34", scraper.ScrapeError, "429 Too Many Requests"),
        ("caido-cartagena-s35", scraper.ScrapeError, "500 Internal Server Error"),
        ("nowhere-s1", scraper.ScrapeError, "404 Not Found"),
    ],
)
def test_what_goes_wrong_is_said_with_its_address(
    sites: str, place: str, error: type[scraper.ScrapeError], said: str, settings: SettingsWrapper
) -> None:
    """One error type per cause that a person treats differently; the message holds cause and address."""
    if error is scraper.ScrapeTimeoutError:
        settings.UPSTREAM_TIMEOUT_SECONDS = 0.3
    with pytest.raises(error) as caught:
        scraper.fetch_page(f"{sites}/cine/{place}")

    assert said in str(caught.value)
    assert place in str(caught.value)


def test_a_site_that_is_down_is_a_scrape_error() -> None:
    """A refused connection is no timeout, and keeps its cause."""
    with pytest.raises(scraper.ScrapeError, match="could not be reached") as caught:
        scraper.fetch_page("http://127.0.0.1:1/cine/x")

    assert not isinstance(caught.value, scraper.ScrapeTimeoutError)
    assert caught.value.__cause__ is not None
