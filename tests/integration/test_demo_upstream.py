"""The stand-in for colombia.com and TMDB: the same misbehaviour at every run, from the standard library alone."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from demo import upstream
from tests.processes import ROOT, end

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = {"Authorization": "Bearer anything"}


@pytest.fixture(scope="module")
def sites() -> Iterator[upstream.Upstream]:
    """The stand-in, served from this process."""
    with upstream.running() as server:
        yield server


@pytest.fixture
def client(sites: upstream.Upstream) -> Iterator[httpx.Client]:
    """A client of the stand-in that no proxy of the environment gets between."""
    with httpx.Client(base_url=sites.url, trust_env=False, timeout=5) as client:
        yield client


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/cine/vizcaya-medellin-s9", 200),
        ("/cine/saturado-bucaramanga-s34", 429),
        ("/cine/caido-cartagena-s35", 500),
        ("/cine/nowhere-s1", 404),
        ("/3/search/movie?query=La+Empleada", 200),
        ("/3/search/movie?query=Demasiadas+Preguntas", 429),
        ("/3/search/movie?query=Servidor+En+Llamas", 500),
        ("/3/movie/1368166", 200),
        ("/3/movie/404", 404),
        ("/3/movie/0", 404),
        ("/anything/else", 404),
    ],
)
def test_an_address_has_one_status(client: httpx.Client, address: str, status: int) -> None:
    """Each address misbehaves in its own way, and in no other."""
    assert client.get(address, headers=TOKEN).status_code == status


def test_tmdb_wants_a_token(client: httpx.Client) -> None:
    """Without a bearer token TMDB answers 401, in its own words."""
    answer = client.get("/3/movie/1368166")

    assert answer.status_code == 401
    assert answer.json()["status_code"] == 7


def test_a_hanging_page_holds_up_nobody_else(client: httpx.Client) -> None:
    """One client waits in vain; another is answered meanwhile."""
    with pytest.raises(httpx.ReadTimeout):
        client.get("/cine/lento-bogota-s33", timeout=0.2)

    assert client.get("/cine/vizcaya-medellin-s9").status_code == 200


def test_closing_lets_go_of_who_hangs() -> None:
    """The end of the server does not wait for the patience of a hanging page."""
    with upstream.running() as server, pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{server.url}/cine/lento-bogota-s33", timeout=0.2, trust_env=False)

    assert server.is_closing.is_set()


def test_too_many_requests_says_when_to_come_back(client: httpx.Client) -> None:
    """A 429 carries Retry-After, as the real sites' do."""
    assert client.get("/cine/saturado-bucaramanga-s34").headers["Retry-After"] == "60"


def test_a_quiet_theater_has_showtimes_at_the_second_visit() -> None:
    """The condition that clears itself: a visit asks for two days' pages; they are empty at the first only."""
    with upstream.running() as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        pages = [client.get("/cine/reabre-manizales-s36").text for _page in range(4)]

    assert ["horarios-funcion" in page for page in pages] == [False, False, True, True]


def test_an_outage_is_over_after_three_pages() -> None:
    """What failed in it succeeds when it is sent again."""
    with upstream.running() as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        statuses = [client.get("/cine/apagon-tunja-s37").status_code for _page in range(4)]

    assert statuses == [503, 503, 503, 200]


def test_it_runs_on_the_standard_library_alone() -> None:
    """`python -m demo.upstream` needs no installed package: -S leaves site-packages out."""
    process = subprocess.Popen([sys.executable, "-S", "-m", "demo.upstream"], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        address = process.stdout.readline().decode().strip()
        answered = httpx.get(f"{address}/cine/vizcaya-medellin-s9", trust_env=False).status_code
    finally:
        begun = time.monotonic()
        code = end(process)
        process.stdout.close()

    assert (answered, code) == (200, 0)
    assert time.monotonic() - begun < 5
