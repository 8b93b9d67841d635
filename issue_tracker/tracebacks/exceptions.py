"""What an exception is and says, without running its own code where that can be avoided. Left of the seam.

Celery and billiard wrap exceptions that can't be pickled or that cross a process; `describe` names what is inside.
Nothing here raises: what a foreign class overrides is guarded, or passed by (BaseException's own slots are read).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from issue_tracker.serializer import name_of, scrubbed_text_of, text_of

from .frames import sections_of_text
from .trimming import written

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE_CHARACTERS: Final = 8_192
"""Of a message, as Sentry's Relay keeps."""

MAX_CAUSES: Final = 15
"""Exceptions of a chain that are looked at. As many as CPython shows of a group."""

MAX_CLASSES: Final = 512
"""Classes of which it is remembered what they stand for."""

_names_by_id: Final[dict[int, tuple[type, list[tuple[str, str]]]]] = {}

traceback_of: Callable[[BaseException], Any] = BaseException.__dict__["__traceback__"].__get__
cause_of: Callable[[BaseException], BaseException | None] = BaseException.__dict__["__cause__"].__get__
context_of: Callable[[BaseException], BaseException | None] = BaseException.__dict__["__context__"].__get__
hides_context: Callable[[BaseException], bool] = BaseException.__dict__["__suppress_context__"].__get__
members_of: Callable[[BaseException], tuple[BaseException, ...]] = BaseExceptionGroup.__dict__["exceptions"].__get__
_args_of: Callable[[BaseException], tuple[Any, ...]] = BaseException.__dict__["args"].__get__
_qualname_of: Callable[[type], str] = type.__dict__["__qualname__"].__get__
_module_of: Callable[[type], Any] = type.__dict__["__module__"].__get__
_mro_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_dict_of: Callable[[type], Any] = type.__dict__["__dict__"].__get__

_WRAPPERS: Final = {
    ("billiard", "ExceptionInfo"): "exception",
    ("billiard", "ExceptionWithTraceback"): "exc",
    ("multiprocessing", "ExceptionWithTraceback"): "exc",
    ("concurrent", "_ExceptionWithTraceback"): "exc",
    ("celery", "Retry"): "exc",
}
"""Where the exception itself is, by the wrapper's package and name: by name, so that nothing need be imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """An exception in plain texts, taken out of whatever it was wrapped in."""

    type_name: str
    """"package.module.Class", builtins without module; empty for a text or None in an exception's place."""
    short_name: str
    """"Class"."""
    message: str
    """What str() gives, masked, at most 8,192 characters; of an exception whose str() fails, a note of that."""
    exception: object = field(default=None, repr=False, compare=False)
    """The exception itself, or the wrapper where Celery kept no more of it than its name."""
    cause: Described | None = None
    """What led to it, only where the exception says nothing by itself: retries exhausted, a rejected message."""


def describe(value: object) -> Described:
    """Describe an exception by what it stands for: the one that Celery or billiard wrapped, or that a retry is for."""
    if is_ordinary(value):
        return _described(value, message_of(value))
    real = unwrapped(value)
    described = _describe_alone(real)
    cause = _cause_worth_telling(real)
    return described if cause is None else replace(described, cause=_describe_alone(unwrapped(cause)))


def is_ordinary(value: object) -> TypeGuard[BaseException]:
    """Tell whether a value is an exception that stands for itself: neither a wrapper nor one that another led to."""
    cls = type(value)
    return issubclass(cls, BaseException) and not _known_names_of(cls)


def _describe_alone(real: object) -> Described:
    for names in _known_names_of(type(real)):
        if names in _SPECIAL:
            return _SPECIAL[names](real)
    if real is None or issubclass(type(real), str):
        return Described(type_name="", short_name="", message=_message(real or ""))
    return _described(real, message_of(real))


def unwrapped(value: object) -> object:
    """Return the exception inside the wrappers of Celery, billiard and multiprocessing; anything else as it is."""
    for _ in range(MAX_CAUSES):
        inner = _inside(value)
        if inner is None:
            break
        value = inner
    return value


def standing_for(value: object) -> object:
    """Return the exception that tells where it went wrong: unwrapped; for exhausted retries, that of the last try."""
    real = unwrapped(value)
    return _led_to(real) or real if ("celery", "MaxRetriesExceededError") in _known_names_of(type(real)) else real


def causes_of(value: object) -> Iterator[BaseException]:
    """Yield an exception and what led to it, nearest first: its cause, else what was being handled; at most 15."""
    seen: set[int] = set()
    error = value if is_exception(value) else unwrapped(value)
    while is_exception(error) and id(error) not in seen and len(seen) < MAX_CAUSES:
        yield error
        seen.add(id(error))
        error = cause_of(error) or context_of(error)


def is_exception(value: object) -> TypeGuard[BaseException]:
    """Tell whether a value is an exception, by its real type and not by the one that it claims."""
    return issubclass(type(value), BaseException)


def type_name_of(cls: type) -> str:
    """Return "package.module.Class", builtins without module."""
    module, qualname = _module_of(cls), _qualname_of(cls)
    if type(module) is not str:
        return f"<unknown>.{qualname}"
    return qualname if module == "builtins" else f"{module}.{qualname}"


def message_of(value: object) -> str:
    """Return what str() gives, masked, at most 8,192 characters; where the class allows it, cut before it is written.

    Masked here, since whoever masks it later sees only half of a secret at the cut.
    """
    if is_exception(value):
        args = _args_of(value)
        own = next(_dict_of(cls)["__str__"] for cls in _mro_of(type(value)) if "__str__" in _dict_of(cls))
        if own is _PLAIN_STR and len(args) == 1:
            value = written(args[0]) if type(args[0]) in _CONTAINERS else args[0]
        elif own is _PLAIN_STR:
            value = written(args) if args else ""
        elif own is _KEY_STR and len(args) == 1:
            value = written(args[0])  # KeyError alone says repr() of its argument
    return _message(value)


def _message(value: object) -> str:
    return scrubbed_text_of(value, max_chars=MAX_MESSAGE_CHARACTERS)


def attribute(value: object, name: str) -> Any:
    """Read an attribute of a foreign object; None where there is none, or where reading it fails in whatever way."""
    try:
        return getattr(value, name, None)
    except BaseException:  # noqa: BLE001  a property may raise anything, SystemExit too
        return None


def text_of_remote(error: object) -> str:
    """Return the formatted traceback that a RemoteTraceback carries from another process, else ""."""
    if any(_SPECIAL.get(names) is _describe_remote for names in _known_names_of(type(error))):
        text = attribute(error, "tb")
        return text if type(text) is str else ""
    return ""


def _inside(value: object) -> object:
    for names in _known_names_of(type(value)):
        if names in _WRAPPERS:
            inner = attribute(value, _WRAPPERS[names])
            if is_exception(inner) or (inner is None and names[1] != "Retry"):
                return inner
            return _led_to(value) if is_exception(value) else None
    return None


def _led_to(error: object) -> BaseException | None:
    led_to = (cause_of(error) or context_of(error)) if is_exception(error) else None
    return None if text_of_remote(led_to) else led_to


def _known_names_of(cls: type) -> list[tuple[str, str]]:
    """Return package and name of those among a class and its bases whose names are known here; for most, none."""
    # By id, for a metaclass may say what it likes when it is hashed; the class is kept, so that its id stays its own.
    found = _names_by_id.get(id(cls))
    if found is None:
        known = [base for base in _mro_of(cls) if _qualname_of(base) in _KNOWN_NAMES]
        names = [(str(_module_of(base)).partition(".")[0], _qualname_of(base)) for base in known]
        if len(_names_by_id) >= MAX_CLASSES:
            _names_by_id.clear()
        found = _names_by_id[id(cls)] = (cls, names)
    return found[1]


def _cause_worth_telling(error: object) -> BaseException | None:
    names = _known_names_of(type(error))
    if ("celery", "MaxRetriesExceededError") in names:
        return _led_to(error)
    reason = attribute(error, "reason") if ("celery", "Reject") in names else None
    return reason if is_exception(reason) else None


def _described(value: object, message: str) -> Described:
    name = type_name_of(type(value))
    return Described(type_name=name_of(name), short_name=_short(name), message=message, exception=value)


def _short(type_name: str) -> str:
    return name_of(type_name.rpartition(".")[2] or type_name)


def _describe_unpickleable(error: object) -> Described:
    """Celery keeps the name, the arguments and the repr() of an exception that can't be pickled."""
    name = text_of(attribute(error, "exc_cls_name") or "Exception", max_chars=MAX_MESSAGE_CHARACTERS)
    module = text_of(attribute(error, "exc_module") or "", max_chars=MAX_MESSAGE_CHARACTERS)
    full = name if module in {"", "builtins"} else f"{module}.{name}"
    args = attribute(error, "exc_args")
    if type(args) in {list, tuple} and args:
        message = message_of(Exception(*args))
    else:
        message = _message(attribute(error, "text") or "")
        message = "" if message == f"{name}()" else message
    return Described(type_name=name_of(full), short_name=_short(full), message=message, exception=error)


def _describe_remote(error: object) -> Described:
    """A text from another process names the exception in its last lines."""
    sections = sections_of_text(text_of_remote(error))
    name, _, message = (sections[-1].headline if sections else "").partition(": ")
    if not name or any(letter.isspace() for letter in name):
        return _described(error, message_of(error))
    return Described(type_name=name_of(name), short_name=_short(name), message=_message(message), exception=error)


def _describe_retry(error: object) -> Described:
    """A retry that is for no exception: what it says, or the text that was given for one."""
    said = attribute(error, "message") or attribute(error, "exc") or attribute(error, "excs")
    return _described(error, _message(said) if said else message_of(error))


def _describe_reject(error: object) -> Described:
    """Celery rejects a message itself when a retry can't be sent; the reason is then the broker's error."""
    reason = attribute(error, "reason")
    return _described(error, message_of(reason) if reason is not None else "")


_SPECIAL: Final[dict[tuple[str, str], Callable[[object], Described]]] = {
    ("celery", "UnpickleableExceptionWrapper"): _describe_unpickleable,
    ("celery", "Retry"): _describe_retry,
    ("celery", "Reject"): _describe_reject,
    ("billiard", "RemoteTraceback"): _describe_remote,
    ("multiprocessing", "RemoteTraceback"): _describe_remote,
    ("concurrent", "_RemoteTraceback"): _describe_remote,
}

_KNOWN_NAMES: Final = frozenset(name for _package, name in (*_WRAPPERS, *_SPECIAL)) | {"MaxRetriesExceededError"}
_PLAIN_STR: Final = BaseException.__dict__["__str__"]
_KEY_STR: Final = KeyError.__dict__["__str__"]
_CONTAINERS: Final = frozenset({list, tuple, dict, set, frozenset, bytes, bytearray})
