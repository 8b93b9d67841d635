"""What a value of any type is to the serializer: a line of text, or items to walk. Left of the seam: no `django.db`
here.

Guarantee: only types that are known to be harmless are iterated; a model is its label and key, read without touching
a deferred field; a queryset, a generator, a file is its type. What a foreign class does may raise: callers guard.
"""

from __future__ import annotations

import datetime
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from django.utils.functional import LazyObject, Promise, empty

from issue_tracker.scrubber import MASK

from .plain_text import bytes_text, class_name, clean, message_of, placeholder, text_of, unprintable

MAX_TEXT_CHARACTERS: Final = 65_536
"""Of a value that is shown as text, before the serializer's own limit."""


@dataclass(slots=True)
class Items:
    """A value to walk: its pairs or items, and how many there are."""

    entries: Iterator[Any]
    """(key, value) pairs of a mapping, else items."""
    size: int
    is_mapping: bool = False
    is_exact: bool = True
    """False where JSON would not give the same kind of value back."""


Shape = Callable[[Any], "Items | str | tuple[str, int]"]
"""How a value is read: as items, as text, or as the beginning of a text and the length of the whole."""


def _dict(value: Any) -> Items:
    return Items(iter(dict.items(value)), dict.__len__(value), is_mapping=True)


def _list(value: Any) -> Items:
    return Items(list.__iter__(value), list.__len__(value))


def _tuple(value: Any) -> Items:
    return Items(tuple.__iter__(value), tuple.__len__(value))


def _set(value: Any) -> Items:
    base = set if issubclass(type(value), set) else frozenset
    entries: Iterable[Any] = base.__iter__(value)
    size = base.__len__(value)
    if size <= 50:
        found = list(entries)
        # One order in every process, where comparing runs no foreign code.
        entries = sorted(found) if {*map(type, found)} in ({str}, {int}) else found
    return Items(iter(entries), size, is_exact=False)


def _sized(value: Any) -> Items:
    return Items(iter(value), len(value), is_exact=False)


def _mapping(value: Any) -> Items:
    """Walk a foreign mapping by its keys, one value at a time, so that a huge one is not copied."""
    return Items(((key, value[key]) for key in value), len(value), is_mapping=True, is_exact=False)


def _named_tuple(value: Any) -> Items:
    names = type(value)._fields
    return Items(
        iter(zip(names, tuple.__iter__(value), strict=False)), tuple.__len__(value), is_mapping=True, is_exact=False
    )


def _data(value: Any) -> Items:
    """Walk the fields of a dataclass; one that its author keeps out of the `repr` is masked."""
    known = fields(type(value))
    return Items(((f.name, _field(value, f)) for f in known), len(known), is_mapping=True, is_exact=False)


def _field(value: Any, field: Field[Any]) -> Any:
    if not field.repr:
        return MASK
    try:
        return object.__getattribute__(value, field.name)
    except BaseException as error:  # noqa: BLE001  a descriptor of the host's, or a field that was never set
        return unprintable(value, error)


def _model(value: Any) -> str:
    """Return "app.Model(pk)" from what is in memory: asking a deferred primary key for its value would query."""
    meta = type(value)._meta
    loaded = object.__getattribute__(value, "__dict__")
    fields = getattr(meta, "pk_fields", None) or [meta.pk]
    keys = [text_of(loaded.get(field.attname, "not loaded"), max_chars=128) for field in fields]
    return f"{meta.label}({', '.join(keys)})"


def _query_set(value: Any) -> str:
    model = object.__getattribute__(value, "__dict__").get("model")
    return f"<{class_name(type(value))} of {model._meta.label}>" if model is not None else placeholder(value)


def _lazy(value: Any) -> str:
    wrapped = object.__getattribute__(value, "__dict__").get("_wrapped", empty)
    if wrapped is empty:
        return placeholder(value)
    cls: type = type(wrapped)
    found = shape_of(cls)(wrapped)
    return found if isinstance(found, str) else placeholder(wrapped)


def _exception(value: BaseException) -> tuple[str, int]:
    name, message = class_name(type(value)), message_of(value)
    return f"{name}: {message[:MAX_TEXT_CHARACTERS]}", len(name) + 2 + len(message)


def _function(value: Any) -> str:
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", "?")
    return f"<{class_name(type(value))} {f'{module}.{name}' if type(module) is str else name}>"


def _enum(value: Any) -> str:
    name = object.__getattribute__(value, "__dict__").get("_name_")
    return f"{type(value).__name__}.{name}" if name else str(value)


_SHAPES: Final[dict[type, Shape]] = {
    dict: _dict,
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    deque: _sized,
    type({}.keys()): _sized,
    type({}.values()): _sized,
    type({}.items()): _sized,
    Decimal: str,
    Fraction: str,
    complex: str,
    datetime.datetime: lambda value: str(value.isoformat()),
    datetime.date: lambda value: str(value.isoformat()),
    datetime.time: lambda value: str(value.isoformat()),
    datetime.timedelta: str,
    datetime.tzinfo: str,
    UUID: str,
    PurePath: str,
    range: str,
    Promise: str,
    LazyObject: _lazy,
    Enum: _enum,
    bytes: bytes_text,
    bytearray: bytes_text,
    memoryview: lambda value: f"<memoryview of {value.nbytes:,} bytes>",
    BaseException: _exception,
    type: lambda value: f"<class {class_name(value)}>",
    types.ModuleType: lambda value: f"<module {value.__name__}>",
    **dict.fromkeys(
        (
            types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.GeneratorType, types.CoroutineType,
            types.AsyncGeneratorType,
        ),
        _function,
    ),
}  # fmt: skip
"""By class; a subclass takes what the first of its bases has."""


@lru_cache(maxsize=512)
def shape_of(cls: type[Any]) -> Shape:
    """Return how values of a class are read. May raise what a metaclass raises."""
    bases = type.__dict__["__mro__"].__get__(cls)
    names = {name for base in bases for name in vars(base)}
    if tuple in bases and "_fields" in names:
        return _named_tuple
    for base in bases:
        if base in _SHAPES:
            return _SHAPES[base]
    if "__dataclass_fields__" in names:
        return _data
    if "_meta" in names and hasattr(cls._meta, "pk") and hasattr(cls._meta, "label"):
        return _model
    if "_result_cache" in names or {"_fetch_all", "query"} <= names:
        return _query_set
    return _mapping if issubclass(cls, Mapping) else placeholder


def text_key(key: object) -> str:
    """Return a key that is no text as text, with its type, so that 1 and "1" stay two keys."""
    cls = type(key)
    if cls is bytes:
        text = key[:MAX_TEXT_CHARACTERS].decode("ascii", "backslashreplace")  # type: ignore[index]
    elif cls is tuple and len(key) <= 8:  # type: ignore[arg-type]
        text = f"({', '.join(text_of(part, max_chars=64) for part in key)})"  # type: ignore[attr-defined]
    else:
        text = text_of(key, max_chars=MAX_TEXT_CHARACTERS)
    return f"{clean(text)} ({cls.__name__})"
