"""What can be said of a broker message that never became a run: unknown task, bad headers, undecodable body.

Left of the seam.
"""

from __future__ import annotations

from typing import Any, Final

from issue_tracker.event import Kind
from issue_tracker.recording import Failure
from issue_tracker.serializer import text_of
from issue_tracker.tracebacks import describe

MAX_BODY_CHARACTERS: Final = 2_048
"""Of a body that can't be decoded, kept in the context."""

HOW_TO_REMOVE: Final = (
    "The worker dies of this message, and again when it is delivered anew. Remove it from the queue, "
    "for example: celery -A <app> amqp queue.get <queue> (RabbitMQ), or LREM <queue> 1 <message> in redis-cli."
)


def failure_of_message(
    message: Any, *, kind: Kind, error: object, name: str = "", task: str = "", task_id: str = ""
) -> Failure:
    """Describe a message that Celery refused: its task, id and arguments as far as they can be read."""
    headers = message.headers if isinstance(getattr(message, "headers", None), dict) else {}
    delivery = message.delivery_info if isinstance(getattr(message, "delivery_info", None), dict) else {}
    described = describe(error) if error is not None else None
    args, kwargs = arguments_of(message, headers)
    return Failure(
        kind=kind,
        name=name or (described.short_name if described else "Message refused"),
        task=text_of(task or headers.get("task") or "", max_chars=1_024),
        message=described.message if described else "The message has no task headers; it was deleted.",
        exception_type=described.type_name if described else "",
        task_id=text_of(task_id or headers.get("id") or "", max_chars=255),
        attempt=headers["retries"] if isinstance(headers.get("retries"), int) else 0,
        args=args,
        kwargs=kwargs,
        queue=text_of(delivery.get("routing_key") or "", max_chars=255),
        context=_context(message, headers),
        options={key: str(value) for key in ("exchange", "routing_key") if (value := delivery.get(key))},
        grouping_message="" if kind is Kind.UNKNOWN_TASK else None,
    )


def arguments_of(message: Any, headers: dict[str, Any]) -> tuple[Any, Any]:
    """Return the real arguments where the body can be decoded, else Celery's text of them from the headers,
    else None.
    """
    try:
        args, kwargs, _embed = message.decode()
        if isinstance(args, list | tuple) and isinstance(kwargs, dict):
            return list(args), kwargs
    except Exception:  # noqa: BLE001, S110  a body that can't be decoded is what we are here to report
        pass
    return headers.get("argsrepr"), headers.get("kwargsrepr")


def _context(message: Any, headers: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "content_type": getattr(message, "content_type", None),
        "content_encoding": getattr(message, "content_encoding", None),
        "origin": headers.get("origin"),
        "eta": headers.get("eta"),
    }
    if not headers.get("argsrepr"):
        found["body"] = _body_text(getattr(message, "body", None))
    return {key: value for key, value in found.items() if value}


def _body_text(body: object) -> str:
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body[: MAX_BODY_CHARACTERS * 4]).decode("utf-8", "replace")[:MAX_BODY_CHARACTERS]
    return text_of(body, max_chars=MAX_BODY_CHARACTERS) if body is not None else ""
