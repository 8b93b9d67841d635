"""Addresses to include: `path("issue-tracker/", include("issue_tracker.urls"))` gives `issue-tracker/metrics`.

Right of the seam. Without the extra `metrics` including it raises an ImportError that says what to install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.http import HttpResponse
from django.urls import path
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import conf
from .metrics import exposition

if TYPE_CHECKING:
    from django.http import HttpRequest

app_name: Final = "issue_tracker"
PERMISSION: Final = "issue_tracker.view_operationalissue"


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus, in the format that it asks for."""
    if not _may_read(request):
        text = f"Send METRICS_TOKEN as a bearer token, or log in as a user with {PERMISSION}.\n"
        return HttpResponse(text, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    body, content_type = exposition(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=content_type)


def _may_read(request: HttpRequest) -> bool:
    token = conf.current().metrics_token
    if token and constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}"):
        return True
    user = getattr(request, "user", None)  # absent without the middleware of django.contrib.auth
    return user is not None and user.is_active and user.has_perm(PERMISSION)


urlpatterns = [path("metrics", metrics, name="metrics")]
