"""Strings, numbers and keys as the leaves of a tree: scrubbed, within the limits, and what was lost on the way noted.

Guarantee: no code of a subclass of str, int or float is run.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from issue_tracker.scrubber import MASK, looks_random, scrub, verdict_on

from .plain_text import OVERLAP_CHARACTERS, clean, integer_text, name_of, scrubbed_cut, unprintable
from .shapes import text_key

if TYPE_CHECKING:
    from issue_tracker.scrubber import Verdict

    from .limits import Limits

CACHED_KEYS: Final = 2_048
MAX_CACHED_KEY: Final = 64


class NotWholeError(Exception):
    """The value doesn't fit, and a part of it is of no use. Its argument: whether something was scrubbed."""


class Leaves:
    """Makes leaves within the limits, and keeps what was lost on the way."""

    __slots__ = ("is_cut", "is_exact", "is_scrubbed", "limits", "weight")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.is_exact = True
        self.is_cut = False
        self.is_scrubbed = False
        self.weight = 0
        """Characters of all texts."""

    def note_cut(self) -> None:
        """Note that something is missing."""
        self.is_cut, self.is_exact = True, False
        if self.limits.is_all_or_nothing:
            raise NotWholeError(self.is_scrubbed)

    def note_scrubbed(self) -> None:
        """Note that a secret was masked."""
        self.is_scrubbed, self.is_exact = True, False

    def name(self, key: object) -> tuple[str, Verdict]:
        """Return a key as text within the limit, and what it says about its value."""
        if type(key) is not str:
            self.is_exact = False
            key = _text_key(key)
        if len(key) > self.limits.max_key_characters:
            self.note_cut()
            key = name_of(key, max_chars=self.limits.max_key_characters)
        self.weight += len(key)
        known = known_key(key) if len(key) <= MAX_CACHED_KEY else known_key.__wrapped__(key)
        if known[0] != key:
            self.is_exact = False
            self.is_scrubbed = self.is_scrubbed or known[0] != clean(key)
        return known

    def string(self, text: str, size: int, *, is_suspect: bool = False) -> str:
        """Return a string scrubbed and within the limit; `size` is its length before it was cut to be handed over."""
        limit = self.limits.max_string_characters
        if is_suspect and looks_random(text):
            self.note_scrubbed()
            return MASK
        if size > limit:
            self.note_cut()
            head = clean(text[: limit + OVERLAP_CHARACTERS])
            self.is_scrubbed = self.is_scrubbed or scrub(head) != head
            found = scrubbed_cut(head, max_chars=limit, size=size)
        else:
            found = scrub(clean(text))
            if MASK in found:  # put there now, or before the text came here: Celery's text of arguments from a slot
                self.note_scrubbed()
            elif found != text:
                self.is_exact = False
        self.weight += len(found)
        if self.weight > self.limits.max_bytes and self.limits.is_all_or_nothing:
            self.note_cut()
        return found

    def text(self, text: str, size: int) -> str:
        """Return what stands for a value that JSON has no word for; `size` is the length of the whole."""
        self.is_exact = False
        return self.string(str.__str__(text), size)  # a foreign `__str__` may return a subclass

    def integer(self, value: int) -> int | str:
        """Return an integer, as text where readers of JSON would round it."""
        limit = self.limits.max_integer
        if -limit <= value <= limit:
            return value
        text = integer_text(value)
        return self.text(text, len(text))

    def real(self, value: float) -> float | str:
        """Return a float, as text where JSON has none."""
        if value - value == 0:  # neither infinite nor NaN
            return value
        self.is_exact = False
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"

    def scalar(self, value: Any, cls: type) -> str | int | float | None:
        """Return the plain value of a subclass of str, int or float, without running any code of that class."""
        if issubclass(cls, str):
            head = str.__getitem__(value, slice(0, self.limits.max_string_characters + OVERLAP_CHARACTERS))
            return self.string(head, str.__len__(value))
        if issubclass(cls, int):
            return self.integer(int.__int__(value))
        return self.real(float.__float__(value)) if issubclass(cls, float) else None


@lru_cache(maxsize=CACHED_KEYS)
def known_key(key: str) -> tuple[str, Verdict]:
    """Return a short key masked, and what it says about its value; cached."""
    return scrub(clean(key)), verdict_on(key)


def _text_key(key: object) -> str:
    try:
        return text_key(key)
    except BaseException as error:  # noqa: BLE001  foreign code may raise anything, SystemExit too
        return unprintable(key, error)
