"""One pass over a value with an explicit stack: the tree of plain JSON values, and what was lost on the way.

Guarantee: no recursion, at most `Limits.max_nodes` steps, and only `NotWholeError` leaves it on purpose. What is
scrubbed: strings by their look, values by the name of their key, also in {"name": "token", "value": …} and
("X-Api-Key", …).
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from .leaves import MAX_CACHED_KEY, Leaves, NotWholeError
from .plain_text import class_name, cut, unprintable
from .scrubber import MASK, is_secret_key
from .secret_names import Verdict
from .secret_pairs import are_names
from .shapes import Items, shape_of

if TYPE_CHECKING:
    from .limits import Limits

MAX_COLLAPSED_CHARACTERS: Final = 256
"""Of the line that stands for what lies below the shown depth."""

MAX_BYTES_PER_CHARACTER: Final = 6
"""A control character in JSON is \\u0000."""

MAX_BYTES_PER_NODE: Final = 48
"""Separators, quotes, the longest number, the mark of a cut."""

_CONTAINERS: Final = frozenset({dict, list, tuple})
_EMPTY: Final = frozenset({str, list, dict, tuple})


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


class Walk(Leaves):
    """One pass. `tree_of` is called once."""

    __slots__ = ("depth", "nodes", "path", "stack")

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.nodes = 0
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
        name, verdict = self.name(key)
        if name in frame.target:
            name = _distinct(name, frame.target)
        if (verdict is Verdict.NEVER and not (frame.has_secret_value and name == "value")) or _says_nothing(value):
            self._add(frame, name, value)
        elif verdict is Verdict.MAYBE:
            frame.is_suspect = True
            self._add(frame, name, value)
            frame.is_suspect = False
        else:
            self.note_scrubbed()
            frame.target[name] = MASK

    def _add(self, frame: _Frame, name: str | None, value: Any) -> None:
        cls = type(value)
        node: Any
        if cls is str:
            node = self.string(value, len(value), is_suspect=frame.is_suspect)
        elif cls is int:
            node = self.integer(value)
        elif value is None or cls is bool:
            node = value
        elif cls is float:
            node = self.real(value)
        else:
            node = self._other(value, cls, frame)
        if name is None:
            frame.target.append(node)
        else:
            frame.target[name] = node

    def _other(self, value: Any, cls: type, parent: _Frame) -> Any:
        """Return the node of a value that is no plain scalar; a container's is empty yet and filled next."""
        try:
            if cls not in _CONTAINERS and (plain := self.scalar(value, cls)) is not None:
                return plain
            found = shape_of(cls)(value)
        except NotWholeError:
            raise
        except BaseException as error:  # noqa: BLE001  foreign code may raise anything, SystemExit too
            self.is_exact = False
            return unprintable(value, error)
        if isinstance(found, Items):
            return self._open(value, found, parent)
        return self.text(*found) if type(found) is tuple else self.text(found, str.__len__(found))

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
            self.note_scrubbed()
            return [value[0] if type(value[0]) is str else value[0].decode("ascii", "replace"), MASK]
        if limits.is_all_or_nothing and items.size > min(limits.max_items, limits.max_nodes - self.nodes):
            self.note_cut()
        taken = max(0, min(items.size, limits.max_items, limits.max_nodes - self.nodes))
        self.nodes += taken
        self.depth = max(self.depth, depth)
        frame = _Frame(
            value, islice(items.entries, taken), {} if items.is_mapping else [], items.size, is_mapping=items.is_mapping
        )
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
    if type(value) not in {list, tuple} or type(value[0]) is not type(value[1]):
        return False
    name, other = value
    if type(name) is bytes:
        return is_secret_key(name[:MAX_CACHED_KEY].decode("ascii", "replace"))
    return type(name) is str and is_secret_key(name) and other != "" and not are_names(name, other[:64])


def _names_a_secret(value: dict[Any, Any]) -> bool:
    """Tell {"name": "password", "value": "x"}, as forms, headers and environments come in lists."""
    return any(type(name) is str and is_secret_key(name) for name in (value.get("name"), value.get("key")))


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
