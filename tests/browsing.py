"""A signed-in browser page that writes down what a person would not see: policy violations, errors, failed requests."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.test import Client

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

IMAGES = Path(__file__).parent.parent / "docs" / "images"

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) =>
  window.violations.push([e.violatedDirective, e.blockedURI, e.sample].join(" ")));
"""


@dataclass(kw_only=True)
class Visit:
    """A browser page on the live server, signed in."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)
    """Console errors, page errors and answers of 400 and above."""

    def open(self, path: str) -> Page:
        """Go to an address of the site and wait until nothing loads any more."""
        self.page.goto(self.base + path, wait_until="networkidle")
        return self.page

    def violations(self) -> list[str]:
        """Return what the policy blocked on this page."""
        return list(self.page.evaluate("window.violations"))

    def shoot(self, name: str, *, full: bool = False) -> None:
        """Take a picture for the docs, when SCREENSHOTS is set: a test run must not change the working tree."""
        if os.environ.get("SCREENSHOTS"):
            IMAGES.mkdir(exist_ok=True)
            self.page.screenshot(path=IMAGES / f"{name}.png", full_page=full)


def visit(browser: Browser, base: str, user: User | None, **options: Any) -> Visit:
    """Open a page in a context of its own (options: viewport, color_scheme, locale, java_script_enabled, …)."""
    context = browser.new_context(**{"viewport": {"width": 1360, "height": 860}, "reduced_motion": "reduce", **options})
    context.set_default_timeout(15_000)
    context.add_init_script(WATCH)
    if user:
        _sign_in(context, base, user)
    page = context.new_page()
    found = Visit(page=page, base=base)
    page.on("console", lambda message: _hear(found, message))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("response", lambda answer: _note(found, answer.status, answer.url))
    return found


def _hear(found: Visit, message: ConsoleMessage) -> None:
    if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
        found.complaints.append(message.text)


def _note(found: Visit, status: int, url: str) -> None:
    if status >= 400 and not url.endswith("/favicon.ico"):
        found.complaints.append(f"{status} {url}")


def _sign_in(context: BrowserContext, base: str, user: User) -> None:
    client = Client()
    client.force_login(user)
    context.add_cookies(
        [
            {
                "name": settings.SESSION_COOKIE_NAME,
                "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
                "url": base,
            }
        ]
    )
