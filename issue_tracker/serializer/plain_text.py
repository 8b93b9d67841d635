"""Any object as a bounded line of clean text, and the cuts: every one leaves a mark with the original size.

Guarantee: nothing here raises, whatever the object's own code does, SystemExit included (`guard` holds real signals
back). Never `repr` of a container or of an unknown object: it may be huge, slow, or show a secret. Left of the seam.
"""

from __future__ import annotations

import re
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from issue_tracker.scrubber import MASK, scrub

MAX_INTEGER_BITS: Final = 14_280
"""Below CPython's own limit of 4,300 digits, beyond which `str` raises."""

OVERLAP_CHARACTERS: Final = 1_024
"""Read beyond a cut and thrown away once masked, so that a secret at the border is seen whole. Ours: a long JWT."""

MAX_NAME_CHARACTERS: Final = 255
"""The seed's columns."""

_REFUSED: Final = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"
_SMALL_ARGUMENT: Final = 65_536


def clean(text: str) -> str:
    """Replace what databases refuse in text: NUL and lone surrogates. 30 ns where there is none, in ASCII."""
    if text.isascii():
        return text.replace("\x00", _REPLACEMENT) if "\x00" in text else text
    return _REFUSED.sub(_REPLACEMENT, text)


def cut(text: str, *, max_chars: int, size: int | None = None) -> str:
    """Cut a text to `max_chars` characters, mark included; `size` is the original length of one that was cut before."""
    size = len(text) if size is None else size
    if size <= max_chars and len(text) <= max_chars:
        return text
    mark = f"… [cut, {size:,} characters]"
    return text[: max_chars - len(mark)] + mark if max_chars > len(mark) else text[:max_chars]


def text_of(value: object, *, max_chars: int) -> str:
    """Return what `str` says of a value, clean and cut to `max_chars`; not scrubbed.

    Containers come as their type and size, objects without a `__str__` of their own as "<module.Class object>", and
    what can't be printed as "<unprintable module.Class: SystemExit>".
    """
    text, size = _raw_text(value, max_chars)
    return cut(clean(text), max_chars=max_chars, size=size)


def scrubbed_text_of(value: object, *, max_chars: int) -> str:
    """Return `text_of` a value with its secrets masked, those at the cut too."""
    if type(value) is str and len(value) <= max_chars:
        masked = scrub(clean(value))
        return masked if len(masked) <= max_chars else cut(masked, max_chars=max_chars, size=len(value))
    text, size = _raw_text(value, max_chars + OVERLAP_CHARACTERS)
    return scrubbed_cut(text, max_chars=max_chars, size=size)


def scrubbed_cut(text: str, *, max_chars: int, size: int | None = None) -> str:
    """Clean, mask, then cut a text. `size` is the original length where the text was cut, to the overlap, before."""
    size = len(text) if size is None else size
    head = text[: max_chars + OVERLAP_CHARACTERS]
    masked = scrub(clean(head))
    if size > len(head):
        # What ends at the border may be half of a secret. Before the last mask, nothing reaches it.
        masked = masked[: max(len(masked) - OVERLAP_CHARACTERS, masked.rfind(MASK) + len(MASK), 0)]
        return cut(masked, max_chars=max_chars, size=size)
    return cut(masked, max_chars=max_chars, size=size) if len(masked) > max_chars else masked


def name_of(value: object, *, max_chars: int = MAX_NAME_CHARACTERS) -> str:
    """Return a value as a name: one longer than `max_chars` ends with a hash of the whole, to stay distinct."""
    if type(value) is str and len(value) <= max_chars:
        return value if value.isascii() and "\x00" not in value else clean(value)
    text, size = _raw_text(value, 1 << 20)
    text = clean(text)
    if size <= max_chars and len(text) <= max_chars:
        return text
    tail = "…" + blake2b(f"{size}:{text}".encode("utf-8", "replace"), digest_size=6).hexdigest()
    return text[: max(0, max_chars - len(tail))] + tail[-max_chars:]


def class_name(cls: type) -> str:
    """Return "module.Class", builtins without module; never raises."""
    try:
        return _class_name(cls)
    except BaseException:  # noqa: BLE001  a metaclass may do anything
        return "?"


@lru_cache(maxsize=256)
def _class_name(cls: type) -> str:
    module, name = cls.__module__, cls.__qualname__
    if type(module) is not str or type(name) is not str:
        return "?"
    return clean((name if module == "builtins" else f"{module}.{name}")[:MAX_NAME_CHARACTERS])


def unprintable(value: object, error: BaseException) -> str:
    """Return what stands for an object whose own code failed."""
    return f"<unprintable {class_name(type(value))}: {class_name(type(error))}>"


def placeholder(value: object) -> str:
    """Return what stands for an object that nothing more is known of."""
    return f"<{class_name(type(value))} object>"


def integer_text(value: int) -> str:
    """Return the digits of an integer, or its size where they are more than CPython prints."""
    bits = int.bit_length(value)
    with suppress(ValueError):  # the host may have lowered the limit
        if bits <= MAX_INTEGER_BITS:
            return int.__repr__(value)
    return f"int of {bits:,} bits"


def _raw_text(value: object, max_chars: int) -> tuple[str, int]:
    """Return the beginning of a value's text and the length of the whole."""
    cls = type(value)
    try:
        text: Any = value if issubclass(cls, str) else _own_text(value, cls)
        return str.__getitem__(text, slice(0, max_chars)), str.__len__(text)
    except BaseException as error:  # noqa: BLE001  foreign code may raise anything, SystemExit too
        text = unprintable(value, error)
        return text, len(text)


def _own_text(value: Any, cls: type) -> str:
    if issubclass(cls, int) and not issubclass(cls, bool | Enum):
        return integer_text(value)
    if issubclass(cls, BaseException):
        return message_of(value)
    if issubclass(cls, bytes | bytearray):
        return bytes_text(value)
    if issubclass(cls, list | tuple | set | frozenset | dict):
        return f"<{class_name(cls)} of {cls.__len__(value):,} items>"
    if cls.__str__ is object.__str__ and cls.__repr__ is object.__repr__:
        return placeholder(value)
    return str(value)


def bytes_text(value: bytes | bytearray, *, max_chars: int = 64) -> str:
    """Return bytes as short text with their number, "<5 bytes: hello>"; a secret is masked before the cut."""
    size = len(value)
    text = bytes(value[: max_chars + OVERLAP_CHARACTERS]).decode("utf-8", "backslashreplace")
    if size > max_chars:
        text = scrubbed_cut(text, max_chars=2 * OVERLAP_CHARACTERS + max_chars, size=max(size, len(text)))
    return f"<{size:,} bytes: {text[:max_chars]}{'…' if len(text) > max_chars or size > max_chars + 1 else ''}>"


def message_of(error: BaseException) -> str:
    """Return what `str` says of an exception, but never the `repr` of a container among its arguments. May raise."""
    args: tuple[Any, ...] = BaseException.args.__get__(error)  # type: ignore[attr-defined]
    own = type(error).__str__
    if own is not BaseException.__str__ and own is not KeyError.__str__:
        return str(error)
    if (
        all(type(arg) in _PLAIN or (type(arg) is str and len(arg) <= _SMALL_ARGUMENT) for arg in args[:16])
        and len(args) <= 16
    ):
        return str(error)
    texts = [_raw_text(arg, _SMALL_ARGUMENT)[0] for arg in args[:16]]
    more = f", … [{len(args) - 16:,} more items]" if len(args) > 16 else ""
    if len(args) == 1:
        arg = args[0]
        return arg if type(arg) is str else texts[0]
    return f"({', '.join(texts)}{more})"


_PLAIN: Final = frozenset({int, float, bool, type(None), complex})
