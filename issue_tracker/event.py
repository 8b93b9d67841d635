"""The Event: one failure in flight, made of plain JSON values, and the bytes it travels in.

Left of the seam: imports nothing of ours but the rules of grouping, and no Django. `encode` never raises; what can't be
kept whole becomes a stub.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

from .fingerprint import VERSION, Pieces, fingerprint

MAX_RECORD_BYTES: Final = 256 * 1024
"""Largest record written (bytes of UTF-8 JSON).

Ours: MySQL's packets and the admin's pages stay comfortable below it.
"""

STUB_TEXT_CHARACTERS: Final = 400
"""Characters of message and traceback that a stub keeps, so that a stub stays below 2 KiB in the usual alphabets."""
MAX_STUB_BYTES: Final = 3_900
"""Largest stub written, however its text is encoded: one page of the reserve, less its header."""

EVENT_ID_CHARACTERS: Final = 23
"""Of a hash: 92 bits, by which 100 million deaths have two alike once in 10¹² times. With the byte of its length an
entry of PostgreSQL's unique index takes 36 bytes; one more character, and it takes 44 (52 for 32).
"""


class UnreadableRecordError(ValueError):
    """The bytes are no record of ours; the drain puts them into quarantine."""


class Severity(StrEnum):
    """How bad it is. The values are the seed's own."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Kind(StrEnum):
    """How a task died, or that the host's own code reported something."""

    FAILURE = "failure"
    RETRY = "retry"
    SOFT_TIME_LIMIT = "soft_time_limit"
    TIME_LIMIT = "time_limit"
    WORKER_LOST = "worker_lost"
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNKNOWN_TASK = "unknown_task"
    REJECTED = "rejected"
    UNDECODABLE = "undecodable"
    INTERNAL_ERROR = "internal_error"
    RESULT_NOT_STORED = "result_not_stored"
    INTERRUPTED = "interrupted"
    NEVER_RAN = "never_ran"
    NOT_PUBLISHED = "not_published"
    THREAD_DIED = "thread_died"
    OPEN_TRANSACTION = "open_transaction"
    HOOK_FAILED = "hook_failed"
    BEAT_FAILED = "beat_failed"
    WORKER_FAILED = "worker_failed"
    EXITED = "exited"
    REPORT = "report"
    RECOVERED = "recovered"
    CLEARED = "cleared"


RANKS: Final[dict[str, int]] = {
    Kind.REVOKED: 90,
    Kind.EXPIRED: 90,
    Kind.TIME_LIMIT: 80,
    Kind.SOFT_TIME_LIMIT: 80,
    Kind.FAILURE: 80,
    Kind.REJECTED: 75,
    Kind.INTERRUPTED: 60,
    Kind.RETRY: 60,
    Kind.RESULT_NOT_STORED: 55,
    Kind.INTERNAL_ERROR: 50,
    Kind.NEVER_RAN: 45,
    Kind.EXITED: 40,
    Kind.WORKER_LOST: 30,
    Kind.OPEN_TRANSACTION: 20,
}
"""Which of two reports of one death names it: revoked, failure > retry > postrun > slot. Kinds not listed rank 70.

`exited` (the task's own SystemExit, seen by the child) ranks above `worker_lost` (what the main process makes of it).
"""

DEFAULT_RANK: Final = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One failure in flight. All values are plain JSON, bounded and scrubbed already."""

    event_id: str
    """23 hex characters; equal for every report of the same death, so that replays and double signals meet."""
    kind: str
    severity: str
    name: str
    task: str
    error_message: str = ""
    traceback: str = ""
    exception_type: str = ""
    """Qualified, "package.module.Class"; builtins without module; empty where nothing was raised."""
    culprit: str = ""
    """"module:function" of the deepest frame in the project's own code, or empty."""
    fingerprint: str = ""
    """Empty until it is needed (see `keyed`), unless the host gave it."""
    fingerprint_version: int = 0
    """0: given by the host's code, or made without the rules."""
    given_key: str = ""
    """The head of what a fingerprint that is not of the rules was made of, for a person to read."""
    grouping_type: str = ""
    """Takes the place of `exception_type` in the fingerprint, where several types tell one story."""
    grouping_message: str | None = None
    """Takes the place of the message in the fingerprint."""
    occurred_at: float = 0.0
    """Seconds since the epoch."""
    task_id: str = ""
    attempt: int = 0
    """0 for the first run of a task id, as Celery's `retries`."""
    worker: str = ""
    queue: str = ""
    args: Any = None
    kwargs: Any = None
    context: dict[str, Any] = field(default_factory=dict)
    """What was bound or given with `context=`; flat."""
    payload: Any = None
    """{"args", "kwargs"} exactly as sent, only where it differs from what is shown; for requeue alone."""
    payload_note: str = ""
    """Why the task can't be sent again from this record ("scrubbed", "cut", …); empty when it can."""
    release: str = ""
    """Of the host, when it happened; the drain may come after the next deploy."""
    options: dict[str, Any] = field(default_factory=dict)
    """How the message was sent (routing key, priority, …) and which canvas it belonged to."""
    is_stub: bool = False

    def keyed(self) -> str:
        """Return the fingerprint. Made where it is needed, behind the spool: 10 µs there, 60 in a busy worker."""
        return self.fingerprint or fingerprint(**self.pieces())

    def pieces(self) -> Pieces:
        """Return what the rules make the fingerprint of."""
        return {
            "task": self.task,
            "exception_type": self.grouping_type or self.exception_type or self.name,
            "culprit": self.culprit,
            "message": self.error_message if self.grouping_message is None else self.grouping_message,
        }

    @property
    def rank(self) -> int:
        """Precedence among reports of the same death; the higher one names it. Second-hand counts a little less."""
        return RANKS.get(self.kind, DEFAULT_RANK) - ("told_by" in self.options)


FIELD_NAMES: Final = tuple(f.name for f in fields(Event))
_KNOWN: Final = frozenset(FIELD_NAMES)
_TEXTS: Final = tuple(f.name for f in fields(Event) if f.type == "str")
_texts_of: Final = attrgetter(*_TEXTS)
_values_of: Final = attrgetter(*FIELD_NAMES)
_KEPT_EMPTY: Final = frozenset({"args", "kwargs", "payload", "grouping_message"}) | {
    f.name for f in fields(Event) if f.default is MISSING and f.default_factory is MISSING
}
"""Written unless None: an empty list of arguments is something else than no arguments."""


def event_id_of(*parts: object) -> str:
    """Derive the idempotency key: EVENT_ID_CHARACTERS hex characters of a hash over the parts."""
    text = "\x1f".join(map(str, parts))
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()[:EVENT_ID_CHARACTERS]


def encode(event: Event) -> bytes:
    """Write an event as UTF-8 JSON of at most MAX_RECORD_BYTES; a bigger or unencodable one becomes a stub."""
    try:
        body = _dumps(event)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return encode_stub(event, reason="could not be encoded")
    if len(body) > MAX_RECORD_BYTES:
        return encode_stub(event, reason=f"was {len(body):,} bytes")
    return body


def encode_stub(event: Event, *, reason: str) -> bytes:
    """Write the stub of an event in at most MAX_STUB_BYTES; where an alphabet is that wide, its names are cut too."""
    reduced = stub(event, reason=reason)
    body = _dumps(reduced)
    for characters in (100, 40):
        if len(body) > MAX_STUB_BYTES:
            body = _dumps(replace(reduced, **{name: getattr(reduced, name)[:characters] for name in _CUT_IN_STUBS}))
    return body


_CUT_IN_STUBS: Final = (
    "name", "task", "error_message", "traceback", "exception_type", "culprit", "task_id", "worker", "queue"
)  # fmt: skip


def stub(event: Event, *, reason: str) -> Event:
    """Reduce an event to what identifies it (about 2 KiB), with the reason in its context."""
    return replace(
        event,
        error_message=event.error_message[:STUB_TEXT_CHARACTERS],
        traceback=event.traceback[-STUB_TEXT_CHARACTERS:],
        args=None,
        kwargs=None,
        context={"reduced": f"This record {reason}; only its head was kept."},
        payload=None,
        payload_note="cut",
        options={},
        fingerprint=event.keyed(),
        fingerprint_version=event.fingerprint_version if event.fingerprint else VERSION,
        is_stub=True,
    )


def decode(body: bytes, *, is_keyed: bool = False) -> Event:
    """Read a record back, with its fingerprint made if that is asked for.

    Keys that this version doesn't know are dropped, so that versions may mix on a host.
    Raises UnreadableRecordError, with what is wrong, for anything that `encode` did not write.
    """
    try:
        values = _decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise UnreadableRecordError(f"not JSON: {error}") from error
    if not isinstance(values, dict):
        raise UnreadableRecordError("not a JSON object")
    try:
        event = Event(**{key: value for key, value in values.items() if key in _KNOWN})
    except TypeError as error:
        raise UnreadableRecordError(f"a field is missing: {error}") from error
    _check(event)
    if is_keyed and not event.fingerprint:
        # Frozen for everybody but who makes it; `replace` would make it anew.
        object.__setattr__(event, "fingerprint", event.keyed())
        object.__setattr__(event, "fingerprint_version", VERSION)
    return event


def _dumps(event: Event) -> bytes:
    values = {
        name: value
        for name, value in zip(FIELD_NAMES, _values_of(event), strict=True)
        if value or (value is not None and name in _KEPT_EMPTY)
    }
    return _encode(values).encode("utf-8", "replace")


# Bound here: a task that replaces `json.dumps` or `json.loads` in its process must not take its own failure with it.
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decode: Final = json.JSONDecoder().decode


def _check(decoded: Event) -> None:
    event: Any = decoded  # it came from JSON: its annotations hold once this has passed
    texts = _texts_of(event)
    if set(map(type, texts)) != {str}:  # exactly, as JSON gives them; told in one step, for every record passes here
        wrong = next(name for name, text in zip(_TEXTS, texts, strict=True) if type(text) is not str)
        raise UnreadableRecordError(f"{wrong} is not text")
    if not isinstance(event.grouping_message, str | None):
        raise UnreadableRecordError("grouping_message is not text")
    if not isinstance(event.occurred_at, int | float) or isinstance(event.occurred_at, bool):
        raise UnreadableRecordError("occurred_at is not a number of seconds")
    if not isinstance(event.attempt, int) or not 0 <= event.attempt < 2**31:
        raise UnreadableRecordError("attempt is not a whole number from 0 to 2,147,483,647")
    if not event.event_id or not isinstance(event.context, dict) or not isinstance(event.options, dict):
        raise UnreadableRecordError("event_id, context or options is missing or of the wrong type")
