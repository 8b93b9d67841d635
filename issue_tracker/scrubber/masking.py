"""Masks secrets in texts and names the keys whose values are secret, before anything reaches disk. Left of the seam.

Guarantees: never raises; linear in the length of the text; masking twice is masking once. Secrets are told by the
name beside them (secret_names), or by their own look (secret_formats). Over-masking is preferred to a leak where both
can't be had.

Fast where it counts: nearly every traceback repeats frames that were seen before, so each frame's text is judged once
and remembered. 3 KB of known frames cost 5 µs, of new ones 0.2 ms. Messages and arguments repeat but for their numbers:
a short text that differs from a harmless one in digits only, where digits make no secret, is told in 0.5 µs.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from issue_tracker import conf

from .formats import MASK, PEM_BEGIN, Span, is_free_of_formats, spans_of_formats, spans_of_pem
from .names import DJANGO_FRAGMENTS, MAX_NAME_CHARACTERS, Verdict, verdict_of, words_together
from .pairs import may_hold_pairs, spans_of_pairs

__all__ = ["MASK", "is_plain", "is_secret_key", "scrub", "verdict_on"]

MAX_CACHED_CHARACTERS: Final = 2_048
"""Longest ASCII text that is remembered; a quarter of it for others, which may take four bytes a character."""

CACHED_TEXTS: Final = 1_024
CACHED_NAMES: Final = 2_048
MAX_SPANS: Final = 2_000
"""Secrets masked one by one in a text; a text with more of them is masked to its end, so that its cost is bounded."""

MIN_SECRET_CHARACTERS: Final = 13
"""Shorter words hold no secret that its own look gives away; the shortest is a card number."""

MAX_PASSES: Final = 4
"""A mask may bring to light what its secret hid; the second pass hardly ever finds anything."""

_NO_NAMES: Final[tuple[tuple[tuple[str, str], ...], Any]] = ((), None)
_FRAME: Final = '\n  File "'
_DEFAULT_FILTER: Final = "django.views.debug.SafeExceptionReporterFilter"


def is_secret_key(key: str) -> bool:
    """Tell whether whatever stands under a key of this name is secret."""
    return verdict_on(key) is Verdict.ALWAYS


def verdict_on(key: str) -> Verdict:
    """Judge the name of a key, by the host's words too; cached."""
    return _verdict(key) if len(key) <= MAX_NAME_CHARACTERS else _verdict.__wrapped__(key)


def is_plain(text: str) -> bool:
    """Tell whether nothing in a text, nor in a part of it, is to be masked; False where the host has patterns of its
    own, which may ask for the end of a text. 0.4 µs where the text was seen before but for its digits.
    """
    shape = text.encode("utf-8", "surrogatepass").translate(_WITHOUT_DIGITS)
    return shape in _harmless or (scrub(text) == text and not _host_patterns())


def scrub(text: str) -> str:
    """Replace each secret in a text by MASK. About 60 ns a character when new, 0.3 µs in all when seen before."""
    if len(text) <= MAX_CACHED_CHARACTERS and _FRAME not in text:
        return _part(text)
    whole = _masked_where(text, list(spans_of_pem(text))) if PEM_BEGIN in text else text
    if _host_patterns():
        whole = _without_host_patterns(whole)
    head, frame, last = whole.rpartition(_FRAME)
    known = _known.get(head)
    if known is None:
        known = _FRAME.join([_part(part) for part in head.split(_FRAME)])
        _remember(head, known)
    return known + frame + _part(last)


def _part(text: str) -> str:
    known = _known.get(text)
    if known is not None:
        return known
    # As bytes, whose `translate` takes a tenth of the time.
    shape = text.encode("utf-8", "surrogatepass").translate(_WITHOUT_DIGITS)
    if shape in _harmless:
        return text
    found = _masked(text)
    if found == text and len(text) <= MAX_CACHED_CHARACTERS and _is_harmless(shape):
        if len(_harmless) >= CACHED_TEXTS:
            _harmless.clear()
        _harmless.add(shape)
    else:
        _remember(text, found)
    return found


def _remember(text: str, masked: str) -> None:
    if len(text) <= MAX_CACHED_CHARACTERS and (text.isascii() or len(text) * 4 <= MAX_CACHED_CHARACTERS):
        if len(_known) >= CACHED_TEXTS:
            _known.clear()
        _known[text] = masked


_known: Final[dict[str, str]] = {}
"""Texts seen before, and what they are masked. Forgotten all at once when there are many: a failure that repeats is
back after one."""
_WITHOUT_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_harmless: Final[set[bytes]] = set()
"""Shapes (texts with a 0 for each digit) of which no digits whatever make a secret."""


def _is_harmless(shape: bytes) -> bool:
    """Tell whether nothing in a text that holds no secret would look like one with other digits."""
    text = shape.decode("utf-8", "surrogatepass")
    low = _lowered(text)
    return is_free_of_formats(text, low) and not may_hold_pairs(low) and not _host_patterns() and _has_no_names()


def _has_no_names() -> bool:
    return _host_names() == _NO_NAMES


def _masked(text: str) -> str:
    if len(text) < MIN_SECRET_CHARACTERS and (text.isalnum() or text.isidentifier()) and not _host_patterns():
        return text
    for _ in range(MAX_PASSES):
        before, text = text, _masked_once(text)
        if text == before:
            break
    return text


def _masked_once(text: str) -> str:
    if PEM_BEGIN in text:
        text = _masked_where(text, list(spans_of_pem(text)))
    text = _without_host_patterns(text)
    low = _lowered(text)
    spans = list(spans_of_formats(text, low))
    if may_hold_pairs(low) or not _has_no_names():
        spans += spans_of_pairs(text, low, verdict_on)
    return _masked_where(text, spans)


def _lowered(text: str) -> str:
    """Return the text in lower case with every character in its place; "İ" alone becomes two."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(c.lower()) > 1 else c.lower() for c in text)


def _masked_where(text: str, spans: list[Span]) -> str:
    """Replace the spans, those that touch each other by one mask; a text without any is returned as it is."""
    if not spans:
        return text
    spans.sort()
    if len(spans) > MAX_SPANS:
        spans[MAX_SPANS:] = [(spans[MAX_SPANS][0], len(text))]
    pieces: list[str] = []
    position = -1
    for begin, end in spans:
        if begin > position:
            pieces += text[max(position, 0) : begin], MASK
        position = max(position, end)
    return "".join(pieces) + text[position:]


@lru_cache(maxsize=CACHED_NAMES)
def _verdict(key: str) -> Verdict:
    if _is_secret_to_host(key):
        return Verdict.ALWAYS
    return verdict_of(key)


def _is_secret_to_host(key: str) -> bool:
    fragments, pattern = _host_names()
    if fragments:
        low, together = key.lower(), words_together(key)
        if any(fragment in low or words in together for fragment, words in fragments):
            return True
    if pattern is None:
        return False
    with suppress(Exception):
        return bool(pattern.search(key))
    return False


def _without_host_patterns(text: str) -> str:
    for pattern in _host_patterns():
        # Not across a mask, so that no pattern can match what an earlier pass left.
        text = MASK.join([pattern.sub(_mask_of, piece) for piece in text.split(MASK)])
    return text


def _mask_of(found: re.Match[str]) -> str:
    return MASK if found[0] else ""


@lru_cache(maxsize=1)
def _host_patterns() -> tuple[re.Pattern[str], ...]:
    patterns = []
    for pattern in _setting("secret_patterns"):
        with suppress(re.error, RecursionError, OverflowError):  # the system check names it
            patterns.append(re.compile(pattern))
    return tuple(patterns)


@lru_cache(maxsize=1)
def _host_names() -> tuple[tuple[tuple[str, str], ...], Any]:
    """Return the host's fragments, each in lower case and as words alone, and the pattern of its exception filter."""
    extra, pattern = _filter_of_host()
    fragments = [*_setting("secret_keys"), *extra]
    return tuple((f.lower(), words_together(f) or f.lower()) for f in fragments if f), pattern


def _filter_of_host() -> tuple[list[str], Any]:
    """Read DEFAULT_EXCEPTION_REPORTER_FILTER: what the host added to Django's alternatives, else its pattern as it is.

    Django's own alternatives are compared as whole words (secret_names): as fragments they would mask "author".
    """
    with suppress(Exception):
        path = settings.DEFAULT_EXCEPTION_REPORTER_FILTER
        if path != _DEFAULT_FILTER:
            pattern = import_string(path).hidden_settings
            text = pattern.pattern
            if re.fullmatch(r"[\w|-]*", text):
                return [part for part in text.split("|") if part and part.upper() not in DJANGO_FRAGMENTS], None
            return [], pattern
    return [], None


def _setting(name: str) -> tuple[str, ...]:
    with suppress(Exception):  # settings that can't be read are a fault of the host's that must not cost the masking
        return tuple(getattr(conf.current(), name))
    return ()


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting in {"ISSUE_TRACKER", "DEFAULT_EXCEPTION_REPORTER_FILTER"}:
        for cached in (_host_patterns, _host_names, _verdict):
            cached.cache_clear()
        _known.clear()
        _harmless.clear()


setting_changed.connect(_forget, dispatch_uid="issue_tracker.scrubber", weak=False)
