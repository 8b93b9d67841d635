"""Client of The Movie Database (TMDB), API version 3: search a title, read the details. Every fault is a TMDBError.

The access token travels in a header and never in a URL or a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx
from django.conf import settings

LANGUAGE = "es-CO"


class TMDBError(Exception):
    """TMDB did not give what was asked for; the text says why."""


class MovieUnknownError(TMDBError):
    """TMDB has no such movie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A movie as TMDB describes it."""

    tmdb_id: int
    title: str
    original_title: str
    release_date: date | None
    runtime_minutes: int | None


def find_movie(name: str) -> Details:
    """Return the details of the best match for a title. Raises MovieUnknownError, or TMDBError."""
    candidates = _get("/search/movie", query=name, language=LANGUAGE).get("results")
    if not candidates:
        raise MovieUnknownError(f'TMDB knows no movie named "{name}"')
    return movie_details(candidates[0]["id"])


def movie_details(tmdb_id: int) -> Details:
    """Return the details of a movie. Raises MovieUnknownError, or TMDBError."""
    found = _get(f"/movie/{tmdb_id}", language=LANGUAGE)
    released = found.get("release_date")
    try:
        return Details(
            tmdb_id=found["id"],
            title=found["title"],
            original_title=found.get("original_title") or "",
            release_date=date.fromisoformat(released) if released else None,
            runtime_minutes=found.get("runtime"),
        )
    except (KeyError, ValueError) as error:
        raise TMDBError(f"TMDB's description of movie {tmdb_id} is not what it was: {error!r}") from error


def _get(path: str, **parameters: str) -> dict[str, Any]:
    answer = _ask(path, parameters)
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise MovieUnknownError(f"TMDB answered 404 to {path}: {_status_message(answer)}")
    if not answer.is_success:
        raise TMDBError(f"TMDB answered {answer.status_code} to {path}: {_status_message(answer)}")
    try:
        body = answer.json()
    except ValueError as error:
        raise TMDBError(f"TMDB's answer to {path} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise TMDBError(f"TMDB's answer to {path} is no JSON object")
    return body


def _ask(path: str, parameters: dict[str, str]) -> httpx.Response:
    timeout = settings.UPSTREAM_TIMEOUT_SECONDS
    headers = {"Authorization": f"Bearer {settings.TMDB_READ_ACCESS_TOKEN}", "Accept": "application/json"}
    try:
        return httpx.get(f"{settings.TMDB_URL}{path}", params=parameters, headers=headers, timeout=timeout)
    except httpx.TimeoutException as error:
        raise TMDBError(f"TMDB did not answer {path} within {timeout:g} s") from error
    except httpx.HTTPError as error:
        raise TMDBError(f"TMDB could not be reached for {path}: {error}") from error


def _status_message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["status_message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
