"""The `ISSUE_TRACKER` settings dict: typed defaults, read late, so that tests and late configuration are seen.

Left of the seam. Unknown keys and wrong types are ignored here and named by a system check (`checks.py`).
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.signals import setting_changed

from . import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MEBIBYTE: Final = 1024 * 1024
RELEASE_VARIABLE: Final = "ISSUE_TRACKER_RELEASE"
"""Where a deployment may say which release it is, if no setting does."""


class WrongTypeError(ValueError):
    """A value of the settings dict is not of the kind its key asks for; the text says which is."""


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongTypeError("must be True or False")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str | os.PathLike):
        raise WrongTypeError("must be text")
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise WrongTypeError("must be a list of texts")
    if not all(isinstance(item, str) for item in value):
        raise WrongTypeError("must hold nothing but texts")
    return tuple(value)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise WrongTypeError("must be a whole number of at least 1")
    return value


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 86_400 * 36_500:
        return timedelta(seconds=value)
    raise WrongTypeError("must be a timedelta or a number of seconds, 0 or more")


def _duration_or_never(value: object) -> timedelta | None:
    try:
        return None if value is None else _duration(value)
    except WrongTypeError as error:
        raise WrongTypeError(f"{error}, or None (never)") from None


def _count_or_none(value: object) -> int | None:
    try:
        return None if value is None else _count(value)
    except WrongTypeError as error:
        raise WrongTypeError(f"{error}, or None (no bound)") from None


def _sync(value: object) -> str:
    if not isinstance(value, str) or value not in {"normal", "full"}:
        raise WrongTypeError('must be "normal" or "full"')
    return value


def _severities(value: object) -> dict[str, str | None]:
    allowed = ("error", "warning", "info", None)  # a tuple: whatever stands in the settings need not be hashable
    if not isinstance(value, dict) or not all(isinstance(k, str) and v in allowed for k, v in value.items()):
        raise WrongTypeError('must map kinds to "error", "warning", "info" or None (None: do not record)')
    return dict(value)


def _retries(value: object) -> str | int:
    if value in {"all", "last"} or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise WrongTypeError('must be "all", "last", or the number of the first attempt to record (1 or more)')


def _policies(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(k, str) and v in {"safe", "confirm", "never"} for k, v in value.items()
    ):
        raise WrongTypeError('must map names of tasks to "safe", "confirm" or "never"')
    return dict(value)


def _rules(value: object) -> tuple[rules.Rule, ...]:
    try:
        return rules.parse(value)
    except ValueError as error:
        raise WrongTypeError(str(error)) from error


def _key(default: Any, parse: Callable[[object], Any]) -> Any:
    metadata = {"parse": parse}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force. Each field is the lower-case name of a key of `ISSUE_TRACKER`."""

    enabled: bool = _key(True, _flag)
    """False connects nothing and starts nothing; rows that exist stay visible."""
    spool_dir: str = _key("", _text)
    """Directory that holds the spools. Empty: a directory of the user's own below /var/tmp."""
    spool_sync: str = _key("normal", _sync)
    """"normal" survives kill -9; "full" survives a power cut too, at one fsync a record."""
    spool_max_bytes: int = _key(256 * MEBIBYTE, _count)
    """Bytes that one spool may take on disk before records are reduced to stubs and counts."""
    dedup_window: timedelta = _key(timedelta(days=7), _duration)
    """How long an open issue may be quiet and still take repeats. 0 gives every failure an issue of its own."""
    record_retries: str | int = _key("all", _retries)
    """Which attempts that will be retried are recorded: "all", "last" (none but the exhausted one),
    or from the n-th on.
    """
    database: str = _key("default", _text)
    """Alias in DATABASES that holds the issues."""
    base_url: str = _key("", _text)
    """Address of the site, such as "https://example.com", for links in messages."""
    release: str = _key("", _text)
    """Version of the host's code, kept with every occurrence. Without this key: ISSUE_TRACKER_RELEASE of the
    environment.
    """
    requeue: dict[str, str] = _key({}, _policies)
    """By name of a task, whether it may be sent again: "safe", "confirm" (the default), "never"."""
    own_packages: tuple[str, ...] = _key((), _texts)
    """Top-level packages that are the project's own even when they are installed into site-packages."""
    secret_keys: tuple[str, ...] = _key((), _texts)
    """Further fragments of key names whose values are masked."""
    secret_patterns: tuple[str, ...] = _key((), _texts)
    """Further regular expressions whose matches are masked in any text."""
    share_tracebacks: bool = _key(True, _flag)
    """Let Celery's log take the traceback that Celery has formatted for the result, instead of formatting it again."""
    severities: dict[str, str | None] = _key({}, _severities)
    """Severity by kind, instead of the default; None leaves that kind unrecorded."""
    prune_resolved_after: timedelta | None = _key(timedelta(days=30), _duration_or_never)
    """How long a resolved issue is kept, counted from its last failure or its resolution, whichever came later."""
    prune_open_after: timedelta | None = _key(None, _duration_or_never)
    """How long an open issue may be quiet before it is deleted. None: an open issue is never deleted."""
    prune_occurrences_after: timedelta | None = _key(timedelta(days=90), _duration_or_never)
    """How long an occurrence is kept; the newest of each issue stays as long as the issue does."""
    prune_max_occurrences: int | None = _key(1_000_000, _count_or_none)
    """Occurrences kept, the newest ones, whatever their age; the newest of each issue stays all the same."""
    metrics_token: str = _key("", _text)
    """Whoever sends it as "Authorization: Bearer …" may read the metrics. Empty: only users who may view issues."""
    capture_locals: bool = _key(False, _flag)
    """Keep the local variables of the project's own frames, scrubbed and bounded as arguments are."""
    notify: tuple[rules.Rule, ...] = _key((), _rules)
    """Who is told of what, a rule for each channel; none: nothing leaves the machine."""


KEYS: Final[dict[str, Field[Any]]] = {f.name.upper(): f for f in fields(Settings)}
"""The keys of `ISSUE_TRACKER`, each with its field."""

_state: dict[str, Settings] = {}


def current() -> Settings:
    """Return the settings in force, read once and again whenever a test overrides them."""
    found = _state.get("current")
    if found is None:
        found = _state["current"] = _read(configured())
    return found


def configured() -> Mapping[str, Any]:
    """Return the host's dict as it stands, or an empty one."""
    value = getattr(settings, "ISSUE_TRACKER", None)
    return value if isinstance(value, dict) else {}


def default_of(key: str) -> Any:
    """Return the default of a key of `ISSUE_TRACKER`."""
    f = KEYS[key]
    return f.default if f.default_factory is MISSING else f.default_factory()


def spool_root() -> Path:
    """Return the directory of all spools of this user: `SPOOL_DIR`, else one below /var/tmp
    (which outlives a reboot).
    """
    chosen = current().spool_dir
    if chosen:
        return Path(chosen)
    base = Path("/var/tmp")  # noqa: S108  ownership, mode and symlinks are checked when the spool is opened  # nosec B108
    return (base if base.is_dir() else Path(tempfile.gettempdir())) / f"issue-tracker-{os.getuid()}"


def _read(chosen: Mapping[str, Any]) -> Settings:
    values = {}
    for key, value in chosen.items():
        if key in KEYS:
            try:
                values[KEYS[key].name] = KEYS[key].metadata["parse"](value)
            except WrongTypeError:
                continue
    values.setdefault("release", os.environ.get(RELEASE_VARIABLE, ""))
    return Settings(**values)


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting in {"ISSUE_TRACKER", "DATABASES"}:
        _state.clear()


setting_changed.connect(_forget, dispatch_uid="issue_tracker.conf", weak=False)
