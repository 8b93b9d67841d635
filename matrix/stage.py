"""What a mode plays on: it sends, waits, asks the broker and ends processes; and it knows when a mode is over."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from celery import Celery

from tests.processes import is_running, until

from . import witness
from .host import Host, Worker, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .mode import Mode

QUIET_SECONDS: Final = 0.12
"""A mode that nothing was heard of for so long, and that has nothing open, is over."""
LONG_QUIET_SECONDS: Final = 1.0
"""The same for a mode that may be about to end its worker or child, or of which nothing was heard at all."""
LOST_SECONDS: Final = 6.5
"""A main process tells of a lost child within 4.9 s (measured), or never."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """One mode's turn on a worker."""

    mode: Mode
    pool: str
    host: Host
    worker: Worker
    is_alone: bool
    """Whether the worker plays nothing else."""
    token: str = field(default_factory=lambda: f"token{uuid.uuid4().hex[:12]}")
    ids: list[str] = field(default_factory=list)
    """Of what it sent itself; see `all_ids`."""
    offset: int = 0
    """Where the witness's file ended before."""
    log_offset: int = 0
    app: Celery = field(init=False)

    def __post_init__(self) -> None:
        """Make an app that sends, and is nobody's current app."""
        url = self.host.broker_url
        self.app = Celery("matrix.stage", broker=url, backend=url, set_as_current=False)
        self.offset, self.log_offset = size_of(self.host.witness), size_of(self.host.log)

    def send(self, *args: Any, task: str = "", **options: Any) -> str:
        """Send a task of the mode, with its token as the first argument; returns the task id."""
        task_id = options.setdefault("task_id", str(uuid.uuid4()))
        self.ids.append(task_id)
        self.app.send_task(task or self.mode.task, args=[self.token, *args], **options)
        return str(task_id)

    def signature(self, task: str, *args: Any, **options: Any) -> Any:
        """Return a signature of a task that runs with the token, for a canvas."""
        return self.app.signature(task, args=(self.token, *args), options=options, immutable=True)

    def apply(self, canvas: Any) -> None:
        """Send a canvas."""
        self.ids.append(canvas.apply_async().id)

    def put(self, body: str | bytes, *, headers: Mapping[str, Any] | None = None, **properties: Any) -> str:
        """Publish a body as it stands, by default under the headers of a task of this mode; returns the task id."""
        task_id = str(uuid.uuid4())
        self.ids.append(task_id)
        properties = {"content_type": "application/json", "content_encoding": "utf-8", **properties}
        with self.app.connection_for_write() as connection, connection.channel() as channel:
            message = channel.prepare_message(
                body,
                headers=dict(self.headers(task_id) if headers is None else headers),
                properties={"correlation_id": task_id, "reply_to": "", "delivery_mode": 2},
                **properties,
            )
            channel.basic_publish(message, exchange="", routing_key="celery")
        return task_id

    def headers(self, task_id: str, **more: Any) -> dict[str, Any]:
        """Return the headers of a valid message of the mode's task."""
        return {
            "lang": "py",
            "task": self.mode.task or "matrix.modes.messages.never_called",
            "id": task_id,
            "root_id": task_id,
            "parent_id": None,
            "argsrepr": repr((self.token,)),
            "kwargsrepr": "{}",
            "retries": 0,
            **more,
        }

    def body(self, *args: Any, **kwargs: Any) -> str:
        """Return the body of a valid message."""
        return json.dumps([[self.token, *args], kwargs, {}])

    def notes(self) -> list[witness.Note]:
        """Return what the witness noted of the mode since it began."""
        notes = self.host.notes(self.offset)
        known = {"", *self._ids_in(notes)}
        return [note for note in notes if note.task_id in known]

    def all_ids(self) -> set[str]:
        """Return every task id that belongs to the mode: those it sent, and what they led to."""
        return self._ids_in(self.host.notes(self.offset))

    def _ids_in(self, notes: list[witness.Note]) -> set[str]:
        known = {self.token, *self.ids}
        for note in notes:
            if note.task_id and (self.is_alone or note.root_id in known):
                known.add(note.task_id)
        return known

    def until_running(self, task_id: str = "", *, timeout_seconds: float = 40) -> int:
        """Wait until a task runs; returns the process that runs it."""
        task_id = task_id or self.ids[-1]
        return until(
            lambda: next((n.pid for n in self.notes() if n.task_id == task_id and n.signal in witness.BIRTHS), 0),
            why=f"{self.mode.id}: the task runs",
            timeout_seconds=timeout_seconds,
        )

    def until_accepted(self) -> None:
        """Wait until the main process knows that the task runs; what it is told before that takes another way."""
        self.until_running()
        if self.pool != "solo":  # whose main process answers nobody meanwhile
            inspect = self.app.control.inspect(timeout=0.3)
            until(lambda: self.ids[-1] in str(inspect.active()), why=f"{self.mode.id}: the worker knows that it runs")

    def until_gone(self, *, timeout_seconds: float = 60) -> None:
        """Wait until the worker's main process has ended."""
        until(lambda: self.worker.exit_code() is not None, why="the worker ends", timeout_seconds=timeout_seconds)

    def close(self) -> None:
        """Give back what it sent by: left to the garbage collector, each connection is a warning."""
        self.app.backend.client.connection_pool.disconnect()
        self.app.close()

    def settle(self) -> bool:
        """Wait until the mode is over; False when it was not within its time."""
        deadline = time.monotonic() + self.mode.max_seconds
        over = _Over(self)
        while time.monotonic() < deadline:
            if self.worker.exit_code() is not None or over.is_over():
                return True
            time.sleep(0.02)
        return False


class _Over:
    """Tells when nothing of a mode is open any more."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._size = -1
        self._changed_at = 0.0
        self._gone_at: dict[int, float] = {}

    def is_over(self) -> bool:
        """Nothing queued, nothing running, nothing heard for a moment."""
        size = size_of(self._stage.host.witness)
        if size != self._size:
            self._size, self._changed_at = size, time.monotonic()
            return False
        notes = self._stage.notes()
        if not self._is_quiet(QUIET_SECONDS if notes and not self._stage.is_alone else LONG_QUIET_SECONDS):
            return False
        if self._stage.host.queued() and not self._stage.mode.leaves_messages:
            return False
        return not self._is_open(notes)

    def _is_quiet(self, seconds: float) -> bool:
        return time.monotonic() - self._changed_at >= seconds

    def _is_open(self, notes: list[witness.Note]) -> bool:
        heard = {note.task_id for note in notes}
        if self._stage.mode.task and not heard.issuperset(self._stage.ids) and not self._stage.mode.leaves_messages:
            return True
        open_runs = Counter(n.task_id for n in notes if n.signal in witness.BIRTHS)
        open_runs -= Counter(n.task_id for n in notes if self._is_end(n))
        return any(self._runs_on(task_id, notes) for task_id in open_runs)

    def _is_end(self, note: witness.Note) -> bool:
        """Tell whether a run ended for good: without a state, its process may be about to end, and be told of."""
        is_sure = note.detail != "None" or note.pid == self._stage.worker.pid or self._stage.pool != "prefork"
        return note.signal in witness.ENDS and is_sure

    def _runs_on(self, task_id: str, notes: list[witness.Note]) -> bool:
        """Tell whether a run without an end may still be told of."""
        main = self._stage.worker.pid
        own = [n for n in notes if n.task_id == task_id]
        last = [n.pid for n in own if n.signal in witness.BIRTHS][-1]
        if last != main and any(n.signal in witness.REPORTS and n.pid == main for n in own):
            return False
        if is_running(last):
            return own[-1].signal in witness.BIRTHS or not self._is_quiet(LONG_QUIET_SECONDS)
        return time.monotonic() - self._gone_at.setdefault(last, time.monotonic()) < LOST_SECONDS
