"""Who misbehaves how in the stand-in for colombia.com and TMDB: two tables, by theater and by movie.

Whoever asks picks the trouble by the address or title asked for, so every run sees the same. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TheaterPage:
    """What a theater's page at colombia.com does."""

    movies: tuple[str, ...] = ()
    """Movies shown on each day offered."""
    status: int = 200
    has_dates: bool = True
    is_hanging: bool = False
    """True: the connection is accepted and never answered."""
    quiet_pages: int = 0
    """How many pages asked for have no showtimes before the first that has some; a visit asks for one a day."""
    broken_pages: int = 0
    """How many pages asked for are answered 503 before the outage is over."""


THEATERS: Final[dict[str, TheaterPage]] = {
    "vizcaya-medellin-s9": TheaterPage(movies=("Avatar: Fuego Y Cenizas", "La Empleada")),
    "acqua-ibague-s247": TheaterPage(
        movies=("La Empleada", "Demasiadas Preguntas", "Servidor En Llamas", "Json A Medias", "Cine Sin Ficha")
    ),
    "sin-fechas-cali-s31": TheaterPage(has_dates=False),
    "sin-funciones-pasto-s32": TheaterPage(),
    "lento-bogota-s33": TheaterPage(is_hanging=True),
    "saturado-bucaramanga-s34": TheaterPage(status=429),
    "caido-cartagena-s35": TheaterPage(status=500),
    "reabre-manizales-s36": TheaterPage(movies=("La Empleada",), quiet_pages=2),
    "apagon-tunja-s37": TheaterPage(movies=("La Empleada",), broken_pages=3),
}
"""By the last part of the page's address, /cine/<name>."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """What TMDB does when it is asked about a movie."""

    tmdb_id: int = 0
    """0: TMDB has never heard of it."""
    original_title: str = ""
    release_date: str = ""
    runtime_minutes: int = 0
    status: int = 200
    is_malformed: bool = False
    """True: the answer is JSON that breaks off half-way."""
    is_hanging: bool = False


TITLES: Final[dict[str, Title]] = {
    "Avatar: Fuego Y Cenizas": Title(
        tmdb_id=83533, original_title="Avatar: Fire and Ash", release_date="2025-12-17", runtime_minutes=197
    ),
    "La Empleada": Title(
        tmdb_id=1368166, original_title="The Housemaid", release_date="2025-12-18", runtime_minutes=131
    ),
    "Cine Sin Ficha": Title(),
    "Demasiadas Preguntas": Title(status=429),
    "Servidor En Llamas": Title(status=500),
    "Json A Medias": Title(is_malformed=True),
    "La Larga Espera": Title(is_hanging=True),
}
"""By the title searched for; a title that is not listed is unknown to TMDB."""
