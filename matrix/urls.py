"""One address, whose view does what the mode that asks for it wants done in a view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

if TYPE_CHECKING:
    from collections.abc import Callable

_wanted: list[Callable[[], object]] = []


def through_view(wanted: Callable[[], object]) -> int:
    """Do something inside a view, as a request that a browser made would; returns the status of the answer."""
    _wanted.append(wanted)
    return int(Client(raise_request_exception=False).get("/").status_code)


def _view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(_wanted.pop()()))


urlpatterns = [path("", _view)]
