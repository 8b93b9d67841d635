"""The TMDB client: what it finds, and the TMDBError that everything else becomes."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from demo import upstream
from demo.cinema import tmdb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper

TOKEN = "eyJ.secret.token"


@pytest.fixture(scope="module")
def sites() -> Iterator[str]:
    """Address of the stand-in."""
    with upstream.running() as server:
        yield server.url


@pytest.fixture(autouse=True)
def client_settings(settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch, sites: str) -> None:
    """Ask the stand-in, give up after a moment, and let no proxy of the environment get between."""
    settings.TMDB_URL = f"{sites}/3"
    settings.TMDB_READ_ACCESS_TOKEN = TOKEN
    settings.UPSTREAM_TIMEOUT_SECONDS = 4.0
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_known_title_gives_its_details() -> None:
    """The best match's details are read."""
    assert tmdb.find_movie("La Empleada") == tmdb.Details(
        tmdb_id=1368166,
        title="La Empleada",
        original_title="The Housemaid",
        release_date=date(2025, 12, 18),
        runtime_minutes=131,
    )


def test_an_unknown_title_is_told_apart() -> None:
    """No match is an error of its own kind, with the title in it."""
    with pytest.raises(tmdb.MovieUnknownError, match="Cine Sin Ficha"):
        tmdb.find_movie("Cine Sin Ficha")


def test_an_unknown_number_is_told_apart() -> None:
    """A 404 says what TMDB said."""
    with pytest.raises(tmdb.MovieUnknownError, match="could not be found"):
        tmdb.movie_details(404)


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Demasiadas Preguntas", "answered 429 to /search/movie: Your request count"),
        ("Servidor En Llamas", "answered 500 to /search/movie: Internal error"),
        ("Json A Medias", "is not JSON"),
        ("La Larga Espera", "did not answer /search/movie within 4 s"),
    ],
)
def test_each_misbehaviour_is_a_tmdb_error_that_says_so(title: str, said: str) -> None:
    """Cause and path are in the message; the token is not."""
    with pytest.raises(tmdb.TMDBError) as caught:
        tmdb.find_movie(title)

    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert not isinstance(caught.value, tmdb.MovieUnknownError)


def test_a_server_that_is_down_is_a_tmdb_error(settings: SettingsWrapper) -> None:
    """A refused connection is said as such."""
    settings.TMDB_URL = "http://127.0.0.1:1/3"

    with pytest.raises(tmdb.TMDBError, match="could not be reached"):
        tmdb.movie_details(1)
