"""One pass over a value with an explicit stack: the tree of plain JSON values, and what was lost on the way.

Guarantee: no recursion, at most `Limits.max_nodes` steps, and only `NotWholeError` leaves it on purpose. What is scrubbed:
strings by their look, values by the name of their key, also in {"name": "token", "value": …} and ("X-Api-Key", …).
"""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from .plain_text import OVERLAP_CHARACTERS, class_name, clean, cut, integer_text, name_of, scrubbed_cut, unprintable
from .scrubber import MASK, is_secret_key, scrub, verdict_on
from .secret_formats import looks_random
from .secret_names import Verdict
from .secret_pairs import are_names
from .shapes import Items, shape_of, text_key

if TYPE_CHECKING:
    from .limits import Limits

MAX_COLLAPSED_CHARACTERS: Final = 256
"""Of the line that stands for what lies below the shown depth."""

MAX_BYTES_PER_CHARACTER: Final = 6
"""A control character in JSON is \\u0000."""

MAX_BYTES_PER_NODE: Final = 48
"""Separators, quotes, the longest number, the mark of a cut."""

CACHED_KEYS: Final = 2_048
MAX_CACHED_KEY: Final = 64

_EMPTY: Final = frozenset({str, list, dict, tuple})


class NotWholeError(Exception):
    """The value doesn't fit, and a part of it is of no use. Its argument: whether something was scrubbed."""


class _Frame:
    """A container that is being filled."""

    __slots__ = ("has_secret_value", "is_mapping", "is_suspect", "items", "size", "target", "value")

    def __init__(self, value: object, items: Any, target: Any, size: int, *, is_mapping: bool) -> None:
        self.value = value
        self.items = items
        self.target = target
        self.size = size
        self.is_mapping = is_mapping
        self.is_suspect = False
        """Its key says that strings in it are secret where they look random."""
        self.has_secret_value = False
        """It is {"name": "password", "value": …}."""


class Walk:
    """One pass. `tree_of` is called once."""

    __slots__ = ("depth", "is_cut", "is_exact", "is_scrubbed", "limits", "nodes", "path", "stack", "weight")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.is_exact = True
        self.is_cut = False
        self.is_scrubbed = False
        self.nodes = 0
        self.weight = 0
        """Characters of all texts."""
        self.depth = 0
        """The deepest level reached."""
        self.stack: list[_Frame] = []
        self.path: set[int] = set()

    def tree_of(self, value: object) -> Any:
        """Return the tree. Raises NotWholeError where the limits want all or nothing."""
        root: list[Any] = []
        self._add(_Frame(None, None, root, 1, is_mapping=False), None, value)
        while self.stack:
            self._fill(self.stack[-1])
        if self.depth > self.limits.max_shown_depth:
            self.note_cut()
            _collapse(root[0], self.limits.max_shown_depth)
        return root[0]

    def max_size(self) -> int:
        """Return what the tree takes as JSON at most, in bytes: dearer to know exactly, and hardly ever needed."""
        return self.weight * MAX_BYTES_PER_CHARACTER + (self.nodes + 1) * MAX_BYTES_PER_NODE

    def note_cut(self) -> None:
        """Note that something is missing."""
        self.is_cut, self.is_exact = True, False
        if self.limits.is_all_or_nothing:
            raise NotWholeError(self.is_scrubbed)

    def _note_scrubbed(self) -> None:
        self.is_scrubbed, self.is_exact = True, False

    def _fill(self, frame: _Frame) -> None:
        """Take items until one is a container, which is filled first."""
        depth = len(self.stack)
        try:
            for item in frame.items:
                if frame.is_mapping:
                    self._add_pair(frame, *item)
                else:
                    self._add(frame, None, item)
                if len(self.stack) > depth:
                    return
        except NotWholeError:
            raise
        except BaseException as error:  # noqa: BLE001  a foreign iterator, or a dict that another thread changes
            self.note_cut()
            _mark(frame, f"… [not readable further: {class_name(type(error))}]")
        else:
            if frame.size > len(frame.target):
                self.note_cut()
                _mark(frame, f"… [{frame.size - len(frame.target):,} more items]")
        del self.stack[depth - 1 :]
        self.path.discard(id(frame.value))

    def _add_pair(self, frame: _Frame, key: object, value: object) -> None:
        name, verdict = self._name(key)
        if name in frame.target:
            name = _distinct(name, frame.target)
        if verdict is Verdict.NEVER and not (frame.has_secret_value and name == "value"):
            self._add(frame, name, value)
        elif _says_nothing(value):
            self._add(frame, name, value)
        elif verdict is Verdict.MAYBE:
            frame.is_suspect = True
            self._add(frame, name, value)
            frame.is_suspect = False
        else:
            self._note_scrubbed()
            frame.target[name] = MASK

    def _add(self, frame: _Frame, name: str | None, value: Any) -> None:
        cls = type(value)
        node: Any
        if cls is str:
            node = self._string(value, len(value), is_suspect=frame.is_suspect)
        elif cls is int:
            node = self._integer(value)
        elif value is None or cls is bool:
            node = value
        elif cls is float:
            node = self._float(value)
        else:
            node = self._other(value, cls, frame)
        if name is None:
            frame.target.append(node)
        else:
            frame.target[name] = node

    def _name(self, key: object) -> tuple[str, Verdict]:
        if type(key) is not str:
            self.is_exact = False
            key = _text_key(key)
        if len(key) > self.limits.max_key_characters:
            self.note_cut()
            key = name_of(key, max_chars=self.limits.max_key_characters)
        self.weight += len(key)
        known = _known_key(key) if len(key) <= MAX_CACHED_KEY else _known_key.__wrapped__(key)
        if known[0] != key:
            self.is_exact = False
            self.is_scrubbed = self.is_scrubbed or known[0] != clean(key)
        return known

    def _string(self, text: str, size: int, *, is_suspect: bool = False) -> str:
        """Return a string scrubbed and within the limit; `size` is its length before it was cut to be handed over."""
        limit = self.limits.max_string_characters
        if is_suspect and looks_random(text):
            self._note_scrubbed()
            return MASK
        if size > limit:
            self.note_cut()
            head = clean(text[: limit + OVERLAP_CHARACTERS])
            self.is_scrubbed = self.is_scrubbed or scrub(head) != head
            found = scrubbed_cut(head, max_chars=limit, size=size)
        else:
            found = scrub(clean(text))
            if found != text:
                self.is_exact = False
                self.is_scrubbed = self.is_scrubbed or found != clean(text)
        self.weight += len(found)
        if self.weight > self.limits.max_bytes and self.limits.is_all_or_nothing:
            self.note_cut()
        return found

    def _integer(self, value: int) -> int | str:
        limit = self.limits.max_integer
        if -limit <= value <= limit:
            return value
        self.is_exact = False
        text = integer_text(value)
        return self._string(text, len(text))

    def _float(self, value: float) -> float | str:
        if value - value == 0:  # neither infinite nor NaN
            return value
        self.is_exact = False
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124  NaN alone differs from itself

    def _other(self, value: Any, cls: type, parent: _Frame) -> Any:
        """Return the node of a value that is no plain scalar; a container's is empty yet and filled next."""
        try:
            found = self._scalar(value, cls)
            if found is None:
                found = shape_of(cls)(value)
        except NotWholeError:
            raise
        except BaseException as error:  # noqa: BLE001  foreign code may raise anything, SystemExit too
            self.is_exact = False
            return unprintable(value, error)
        if isinstance(found, Items):
            return self._open(value, found, parent)
        return found if issubclass(cls, str | int | float) else self._text(found)

    def _scalar(self, value: Any, cls: type) -> str | int | float | None:
        """Return the plain value of a subclass of str, int or float, without running any code of that class."""
        if issubclass(cls, str):
            head = str.__getitem__(value, slice(0, self.limits.max_string_characters + OVERLAP_CHARACTERS))
            return self._string(head, str.__len__(value))
        if issubclass(cls, int):
            return self._integer(int.__int__(value))
        return self._float(float.__float__(value)) if issubclass(cls, float) else None

    def _text(self, text: str) -> str:
        self.is_exact = False
        return self._string(text, len(text))

    def _open(self, value: Any, items: Items, parent: _Frame) -> Any:
        depth, limits = len(self.stack) + 1, self.limits
        self.is_exact = self.is_exact and items.is_exact
        if id(value) in self.path:
            self.note_cut()
            return "… [cycle]"
        if depth > limits.max_walked_depth:
            self.note_cut()
            return f"… [{items.size:,} items, too deep]"
        if depth > 1 and items.size == 2 and _is_secret_pair(value):
            self._note_scrubbed()
            return [self._string(value[0], len(value[0])), MASK]
        if limits.is_all_or_nothing and items.size > min(limits.max_items, limits.max_nodes - self.nodes):
            self.note_cut()
        taken = max(0, min(items.size, limits.max_items, limits.max_nodes - self.nodes))
        self.nodes += taken
        self.depth = max(self.depth, depth)
        frame = _Frame(value, islice(items.entries, taken), {} if items.is_mapping else [], items.size, is_mapping=items.is_mapping)
        if items.is_mapping:
            frame.has_secret_value = type(value) is dict and "value" in value and _names_a_secret(value)
        else:
            frame.is_suspect = parent.is_suspect
        self.stack.append(frame)
        self.path.add(id(value))
        return frame.target


def _says_nothing(value: object) -> bool:
    """Tell values that can be no secret, and whose absence may be the very bug."""
    return value is None or value is True or value is False or (type(value) in _EMPTY and not value)


def _is_secret_pair(value: Any) -> bool:
    """Tell ("X-Api-Key", "abc") and (b"authorization", b"Basic x"), as headers come in lists."""
    if type(value) not in {list, tuple} or type(value[1]) not in {str, bytes}:
        return False
    name = value[0]
    if type(name) is not str or len(name) > MAX_CACHED_KEY or not is_secret_key(name):
        return False
    return type(value[1]) is bytes or bool(value[1]) and not are_names(name, value[1][:64])


def _names_a_secret(value: dict[Any, Any]) -> bool:
    """Tell {"name": "password", "value": "x"}, as forms, headers and environments come in lists."""
    name = value.get("name") or value.get("key")
    return type(name) is str and is_secret_key(name)


@lru_cache(maxsize=CACHED_KEYS)
def _known_key(key: str) -> tuple[str, Verdict]:
    return scrub(clean(key)), verdict_on(key)


def _text_key(key: object) -> str:
    try:
        return text_key(key)
    except BaseException as error:  # noqa: BLE001  foreign code may raise anything, SystemExit too
        return unprintable(key, error)


def _distinct(name: str, taken: dict[str, Any]) -> str:
    number = 2
    while f"{name} #{number}" in taken:
        number += 1
    return f"{name} #{number}"


def _mark(frame: _Frame, mark: str) -> None:
    if frame.is_mapping:
        frame.target[_distinct("…", frame.target) if "…" in frame.target else "…"] = mark
    else:
        frame.target.append(mark)


def _collapse(tree: Any, levels: int) -> None:
    """Put one line of JSON in the place of each container below so many levels."""
    pending = [(tree, 1)]
    while pending:
        node, level = pending.pop()
        for key, child in list(node.items() if type(node) is dict else enumerate(node)):
            if type(child) not in {dict, list} or not child:
                continue
            if level < levels:
                pending.append((child, level + 1))
            else:
                node[key] = cut(json.dumps(child, ensure_ascii=False), max_chars=MAX_COLLAPSED_CHARACTERS)
