"""Secrets planted for tests: each in a shape that a host's code gives it, searched for in every form it may take."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPES: Final[dict[str, Callable[[str], str]]] = {
    "named": lambda secret: f"password={secret}",
    "named in JSON": lambda secret: json.dumps({"user": "bob", "api_key": secret}),
    "named in JSON in JSON": lambda secret: json.dumps(json.dumps({"client_secret": secret})),
    "named in a repr": lambda secret: repr({"auth_token": secret}),
    "in a query": lambda secret: f"https://host.example/path?page=2&token={secret}&lang=es",
    "in an escaped query": lambda secret: f"next={quote(f'https://host.example/?access_token={secret}', safe='')}",
    "in a URL": lambda secret: f"postgres://bob:{secret}@db.example:5432/app",
    "Bearer": lambda secret: f"Authorization: Bearer {secret}",
    "Basic": lambda secret: f"Authorization: Basic {base64.b64encode(f'bob:{secret}'.encode()).decode()}",
    "cookie": lambda secret: f"Cookie: theme=dark; sessionid={secret}",
    "PEM": lambda secret: f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----",
    "PEM without its end": lambda secret: f"-----BEGIN RSA PRIVATE KEY-----\n{secret}",
    "known prefix": lambda secret: f"key gh{'p_'}{secret.ljust(36, '0')}",
    "SQL": lambda secret: f"(1062, \"Duplicate entry '{secret}' for key 'authtoken_token.PRIMARY'\")",
    "command line": lambda secret: f"mysqldump --password {secret} cinema",
}
"""What makes a text a secret's; the harmless marker stands in front, on a line of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One planted secret, with a harmless marker beside it that must come through."""

    number: int

    @property
    def secret(self) -> str:
        """26 letters and digits, as a random key has; its halves are its own too."""
        return f"Zx9Qw{self.number:04}Kp3Lm8Vt{self.number:04}Rb1Nc"

    @property
    def marker(self) -> str:
        """What must be found, or the plant never arrived."""
        return f"marker-{chr(97 + self.number // 676)}{chr(97 + self.number // 26 % 26)}{chr(97 + self.number % 26)}"

    def text(self, shape: str) -> str:
        """Return marker and secret in a shape."""
        return f"{self.marker}\n{SHAPES[shape](self.secret)}"

    def forms(self) -> Iterator[str]:
        """Yield every form in which it may stand somewhere: as it is, by its half, and in base64 wherever it begins."""
        yield self.secret
        yield self.secret[-12:]
        yield self.secret[:12]
        for shift in range(3):
            encoded = base64.b64encode(b"x" * shift + self.secret.encode()).decode()
            yield encoded[(0, 2, 4)[shift] + 2 : -4]

    def is_in(self, text: str) -> bool:
        """Tell whether it leaked into a text."""
        return any(form in text for form in self.forms())


class Planted:
    """All canaries of a test, each with where it was put."""

    def __init__(self) -> None:
        """Begin with none."""
        self.places: dict[Canary, str] = {}

    def text(self, place: str, shape: str) -> str:
        """Plant another one in a shape; returns the text that carries it."""
        return self.plant(f"{place}, {shape}").text(shape)

    def plant(self, place: str) -> Canary:
        """Make another one and note where it goes."""
        canary = Canary(number=len(self.places))
        self.places[canary] = place
        return canary

    def leaks(self, text: str) -> list[str]:
        """Return where those were planted that are found in a text."""
        return [place for canary, place in self.places.items() if canary.is_in(text)]

    def missing(self, text: str) -> list[str]:
        """Return where those were planted whose marker is not in a text: they never came that far."""
        return [place for canary, place in self.places.items() if canary.marker not in text]
