"""The cinema's tasks against the stand-in: showtimes are saved, and each integration point of the seed records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from celery.exceptions import Retry

from demo import upstream
from demo.cinema import failing, tasks
from demo.cinema.models import Movie, Showtime, Theater
from issue_tracker.models import OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def sites() -> Iterator[upstream.Upstream]:
    """The stand-in, with no visits counted yet."""
    with upstream.running() as server:
        yield server


@pytest.fixture(autouse=True)
def cinema_settings(settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch, sites: upstream.Upstream) -> None:
    """Ask the stand-in, and give up after a moment."""
    settings.COLOMBIA_COM_URL = sites.url
    settings.TMDB_URL = f"{sites.url}/3"
    settings.TMDB_READ_ACCESS_TOKEN = "for the stand-in"
    settings.UPSTREAM_TIMEOUT_SECONDS = 4.0
    settings.SCRAPE_RETRY_SECONDS = 0
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def theater(place: str) -> Theater:
    """Store a theater whose page is one of the stand-in's."""
    return Theater.objects.create(name=place, slug=place, city="Medellín", colombia_com_path=f"/cine/{place}")


def issues(**values: object) -> list[OperationalIssue]:
    """Return the issues with these values, oldest first."""
    return list(OperationalIssue.objects.filter(**values).order_by("id"))


def test_showtimes_of_both_days_are_saved_with_their_movies() -> None:
    """Two movies, two formats, two times each, on two days."""
    place = theater("vizcaya-medellin-s9")

    assert tasks.save_showtimes_for_theater(place) == 16
    assert sorted(Movie.objects.values_list("title", flat=True)) == ["Avatar: Fuego Y Cenizas", "La Empleada"]
    assert Showtime.objects.values("start_date").distinct().count() == 2
    assert issues() == []


def test_a_second_download_replaces_the_showtimes_and_asks_tmdb_no_more(sites: upstream.Upstream) -> None:
    """The same page twice gives the same rows, and a known movie costs no request."""
    place = theater("vizcaya-medellin-s9")
    tasks.save_showtimes_for_theater(place)
    asked = sites.visits["/3/search/movie"]

    tasks.save_showtimes_for_theater(place)

    assert Showtime.objects.count() == 16
    assert sites.visits["/3/search/movie"] == asked


def test_a_theater_without_showtimes_is_recorded() -> None:
    """save_showtimes_for_theater records it, as a warning with the theater's id."""
    place = theater("sin-funciones-pasto-s32")

    assert tasks.save_showtimes_for_theater(place) == 0

    (issue,) = issues(name="No Showtimes Found")
    assert (issue.task, issue.severity) == ("save_showtimes_for_theater", "warning")
    assert issue.context["theater_id"] == place.pk


@pytest.mark.parametrize(
    ("place", "name", "severity", "said"),
    [
        ("lento-bogota-s33", "Scrape Timeout", "error", "no answer within 4 s"),
        ("saturado-bucaramanga-s34", "Scrape Failed", "error", "429 Too Many Requests"),
        ("caido-cartagena-s35", "Scrape Failed", "error", "500 Internal Server Error"),
        ("sin-fechas-cali-s31", "No Date Options Found", "warning", "offers no day"),
    ],
)
def test_what_goes_wrong_with_one_theater_is_recorded_and_stops_no_other(
    place: str, name: str, severity: str, said: str
) -> None:
    """colombia_com_download_task records it with traceback and theater, and saves the others' showtimes."""
    broken = theater(place)
    theater("vizcaya-medellin-s9")

    result = tasks.colombia_com_download_task.apply()

    (issue,) = issues()
    assert result.get() == 16
    assert (issue.name, issue.task, issue.severity) == (name, "colombia_com_download_task", severity)
    assert said in issue.error_message
    assert "Traceback" in issue.traceback
    assert issue.context["theater_id"] == broken.pk
    assert issue.context["url"] == broken.url


def test_a_fault_that_nobody_foresaw_in_one_theater_stops_no_other() -> None:
    """It is recorded by `watch`, under the download's name."""
    Theater.objects.create(name="Typo", slug="typo", city="Cali", colombia_com_path=":not-a-port/cine")
    theater("vizcaya-medellin-s9")

    result = tasks.colombia_com_download_task.apply()

    (issue,) = issues(name="Theater Processing Failed")
    assert result.get() == 16
    assert issue.severity == "error"
    assert issue.context["theater_name"] == "Typo"


def test_tmdb_errors_are_recorded_and_cost_only_their_movie() -> None:
    """_get_or_create_movie records each cause, with the movie's name; the movies that TMDB knows are saved."""
    place = theater("acqua-ibague-s247")

    assert tasks.save_showtimes_for_theater(place) == 8

    found = issues(name="TMDB API Error")
    assert {issue.task for issue in found} == {"_get_or_create_movie"}
    assert {issue.context["movie_name"] for issue in found} == {
        "Demasiadas Preguntas",
        "Servidor En Llamas",
        "Json A Medias",
        "Cine Sin Ficha",
    }
    assert all("Traceback" in issue.traceback for issue in found)
    assert [movie.title for movie in Movie.objects.all()] == ["La Empleada"]


def test_when_no_theater_can_be_read_the_download_is_retried_once() -> None:
    """The trouble is not the theaters' then: the task itself fails, after one retry."""
    theater("caido-cartagena-s35")

    result = tasks.colombia_com_download_task.apply()

    assert result.state == "FAILURE"
    assert isinstance(result.result, tasks.NoTheaterReadError)
    assert tasks.colombia_com_download_task.max_retries == 1


def test_without_theaters_there_is_nothing_to_do() -> None:
    """Nothing to scrape is no failure."""
    Theater.objects.create(name="Not scraped", slug="not-scraped", city="Cali")

    assert tasks.colombia_com_download_task.apply().get() == 0
    assert issues() == []


def test_a_task_rolled_back_keeps_its_warning_and_loses_its_update() -> None:
    """What report() says inside atomic() stays; what the task wrote there goes."""
    place = theater("vizcaya-medellin-s9")

    result = failing.rollback_with_warning.apply(kwargs={"theater_id": place.pk, "price": "gratis"})

    place.refresh_from_db()
    assert result.state == "FAILURE"
    assert place.name == "vizcaya-medellin-s9"
    assert [issue.context["theater_id"] for issue in issues(name="Missing Ticket Price")] == [place.pk]


@pytest.mark.parametrize(
    ("task", "kwargs", "error"),
    [
        (failing.plain_exception, {"theater_id": 2, "seats_sold": 180, "seats": 0}, ZeroDivisionError),
        (failing.chained_exception, {"price": "12.000 COP"}, failing.TicketPriceError),
        (failing.retries_exhausted, {"theater_id": 2}, ConnectionError),
        (failing.unknown_tmdb_movie, {"tmdb_id": 404}, Exception),
    ],
)
def test_a_task_made_to_fail_does(task: object, kwargs: dict[str, object], error: type[Exception]) -> None:
    """Each way to die that needs no worker."""
    result = task.apply(kwargs=kwargs)  # type: ignore[attr-defined]

    assert result.state == "FAILURE"
    assert isinstance(result.result, error)


def test_retry_then_success_succeeds_at_the_second_run() -> None:
    """The first run asks for a retry, the second has its result."""
    assert failing.retry_then_success.apply(kwargs={"movie_name": "La Empleada"}).get() == (
        "poster of La Empleada, attempt 2"
    )
    with pytest.raises(Retry):
        failing.retry_then_success.apply(kwargs={"movie_name": "La Empleada"}, retries=0, throw=True)
