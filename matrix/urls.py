"""One address, whose view does what the mode that asks for it wants done in a view."""

from __future__ import annotations

from typing import TYPE_CHECKING
from wsgiref.util import setup_testing_defaults

from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

if TYPE_CHECKING:
    from collections.abc import Callable

_wanted: list[Callable[[], object]] = []


def through_view(wanted: Callable[[], object]) -> str:
    """Do something inside a view, as a server does on a browser's request; returns the status of the answer."""
    statuses: list[str] = []
    environ: dict[str, object] = {}
    setup_testing_defaults(environ)
    _wanted.append(wanted)
    response = WSGIHandler()(environ, lambda status, _headers: statuses.append(status))  # type: ignore[arg-type]
    response.close()
    return statuses[-1]


def _view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(_wanted.pop()()))


urlpatterns = [path("", _view)]
