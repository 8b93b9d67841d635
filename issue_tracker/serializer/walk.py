"""One pass over a value with an explicit stack: the tree of plain JSON values, and what was lost on the way.

Guarantee: no recursion, at most `Limits.max_nodes` steps, and only `NotWholeError` leaves it on purpose. What is
scrubbed: strings by their look, values by the name of their key, also in {"name": "token", "value": …} and
("X-Api-Key", …).
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from issue_tracker.scrubber import MASK, Verdict, are_names, is_secret_key

from .leaves import MAX_CACHED_KEY, Leaves, NotWholeError
from .plain_text import class_name, cut, unprintable
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
        tree = self._node(value, is_suspect=False)
        while self.stack:
            self._fill(self.stack[-1])
        if self.depth > self.limits.max_shown_depth:
            self.note_cut()
            _collapse(tree, self.limits.max_shown_depth)
        return tree

    def max_size(self) -> int:
        """Return what the tree takes as JSON at most, in bytes: dearer to know exactly, and hardly ever needed."""
        return self.weight * MAX_BYTES_PER_CHARACTER + (self.nodes + 1) * MAX_BYTES_PER_NODE

    def _fill(self, frame: _Frame) -> None:
        """Take items until one is a container, which is filled first."""
        stack = self.stack
        depth = len(stack)
        try:
            if frame.is_mapping:
                for key, value in frame.items:
                    self._add_pair(frame, key, value)
                    if len(stack) > depth:
                        return
            else:
                add, is_suspect = frame.target.append, frame.is_suspect
                for value in frame.items:
                    add(self._node(value, is_suspect=is_suspect))
                    if len(stack) > depth:
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
        del stack[depth - 1 :]
        self.path.discard(id(frame.value))

    def _add_pair(self, frame: _Frame, key: object, value: object) -> None:
        name, verdict = self.name(key)
        target = frame.target
        if name in target:
            name = _distinct(name, target)
        if (verdict is Verdict.NEVER and not (frame.has_secret_value and name == "value")) or _says_nothing(value):
            target[name] = self._node(value, is_suspect=False)
        elif verdict is Verdict.MAYBE:
            target[name] = self._node(value, is_suspect=True)
        else:
            self.note_scrubbed()
            target[name] = MASK

    def _node(self, value: Any, *, is_suspect: bool) -> Any:
        """Return what stands for a value in the tree; a container's is empty yet and filled next."""
        cls = type(value)
        if cls is str:
            return self.string(value, len(value), is_suspect=is_suspect)
        if cls is int:
            return self.integer(value)
        if value is None or cls is bool:
            return value
        if cls is float:
            return self.real(value)
        return self._other(value, cls, is_suspect=is_suspect)

    def _other(self, value: Any, cls: type, *, is_suspect: bool) -> Any:
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
            return self._open(value, found, is_suspect=is_suspect)
        return self.text(*found) if isinstance(found, tuple) else self.text(found, str.__len__(found))

    def _open(self, value: Any, items: Items, *, is_suspect: bool) -> Any:
        self.is_exact = self.is_exact and items.is_exact
        size, is_mapping, limits, depth = items.size, items.is_mapping, self.limits, len(self.stack) + 1
        target: Any = {} if is_mapping else []
        if depth > limits.max_walked_depth or id(value) in self.path:
            self.note_cut()
            return "… [cycle]" if id(value) in self.path else f"… [{size:,} items, too deep]"
        if depth > self.depth:
            self.depth = depth
        if size == 0:
            return target
        if size == 2 and depth > 1 and _is_secret_pair(value):
            self.note_scrubbed()
            return [value[0] if type(value[0]) is str else value[0].decode("ascii", "replace"), MASK]
        taken = max(0, min(size, limits.max_items, limits.max_nodes - self.nodes))
        if taken < size and limits.is_all_or_nothing:
            self.note_cut()
        self.nodes += taken
        frame = _Frame(value, islice(items.entries, taken), target, size, is_mapping=is_mapping)
        frame.is_suspect = is_suspect and not is_mapping
        frame.has_secret_value = type(value) is dict and "value" in value and _names_a_secret(value)
        self.stack.append(frame)
        self.path.add(id(value))
        return target


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
