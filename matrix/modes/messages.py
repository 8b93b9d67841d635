"""Messages that are not what a worker expects: unknown tasks, undecodable bodies, odd headers."""

from __future__ import annotations

import base64
import json
import pickle
from typing import TYPE_CHECKING, Any

from celery import shared_task

from matrix.expectations import NOTHING, failed, told
from matrix.mode import POOLS, mode, scene

if TYPE_CHECKING:
    from matrix.stage import Stage

TARGET = "matrix.modes.messages.target"
DECODE = ("DecodeError", "JSONDecodeError")
REFUSED = ("rejected", "undecodable")
KILLS = {"alone": POOLS, "leaves_messages": True}
"""Messages that end the worker."""


@shared_task
def target(token: str, *args: Any, **kwargs: Any) -> str:
    """Be what the messages name."""
    return token


class Unloadable:
    """Raises when it is unpickled."""

    def __reduce__(self) -> Any:
        return _raise_on_load, ("on load",)


class ReprRaises:
    """Has no repr."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def _raise_on_load(text: str) -> None:
    raise ValueError(text)


@scene("13", "unregistered task", failed("NotRegistered", "KeyError", task="matrix.nowhere"), is_listed=True)
def unregistered(stage: Stage) -> None:
    stage.send(task="matrix.nowhere")


@scene("14a", "the body is no JSON", failed(*DECODE, task=TARGET), is_listed=True)
def no_json(stage: Stage) -> None:
    _put(stage, f"{{{stage.token}")


@scene("14b", "a content type that is not accepted (pickle)", failed("ContentDisallowed", task=TARGET), is_listed=True)
def not_accepted(stage: Stage) -> None:
    body = base64.b64encode(pickle.dumps([[stage.token], {}, {}])).decode()
    _put(stage, body, content_type="application/x-python-serialize", content_encoding="binary")


@scene(
    "14c",
    "the body is JSON, but not the triple",
    failed("ValueError", task=TARGET),
    restarts=1,
    is_listed=True,
    **KILLS,
)
def no_triple(stage: Stage) -> None:
    _put(stage, json.dumps([stage.token]))


@scene("14c2", "the body is a JSON number", failed("TypeError", "ValueError", task=TARGET), restarts=1, **KILLS)
def a_number(stage: Stage) -> None:
    _put(stage, "5")


@scene("14d", "arguments that do not fit the signature", failed("TypeError", task=TARGET), is_listed=True)
def wrong_signature(stage: Stage) -> None:
    stage.ids.append(stage.app.send_task(TARGET, kwargs={"surplus": stage.token}).id)


@scene("14e", "no headers of a task", told(*REFUSED, task=None), is_listed=True)
def no_headers(stage: Stage) -> None:
    stage.put(stage.body(), headers={})


@scene("14e2", "no headers, and a body that is no JSON", failed(*DECODE, task=None))
def no_headers_no_json(stage: Stage) -> None:
    stage.put(f"{{{stage.token}", headers={})


@scene("14f", "kwargs are no mapping", failed("InvalidTaskError", task=TARGET), is_listed=True)
def no_mapping(stage: Stage) -> None:
    _put(stage, json.dumps([[stage.token], [1, 2], {}]))


@scene("14g", "garbage in the Redis queue", failed("JSONDecodeError", task=None), restarts=1, is_listed=True, **KILLS)
def garbage(stage: Stage) -> None:
    stage.host.redis.lpush("celery", f"\x00garbage {stage.token}")
    stage.until_gone()


@scene("14i", "an eta that is no time", failed("InvalidTaskError", "ValueError", task=TARGET), is_listed=True)
def invalid_eta(stage: Stage) -> None:
    _put(stage, stage.body(), eta="the day after tomorrow")


@scene("14i2", "an eta far out of range", is_listed=True)
def eta_out_of_range(stage: Stage) -> None:
    _put(stage, stage.body(), eta="0001-01-01T00:00:00+23:59")


@scene("14j", "an unknown compression", failed("KeyError", "LookupError", "DecodeError", task=TARGET))
def unknown_compression(stage: Stage) -> None:
    _put(stage, stage.body(), compression="application/x-nothing")


@scene(
    "14k", "an unknown content type", failed("SerializerNotInstalled", "ContentDisallowed", "DecodeError", task=TARGET)
)
def unknown_type(stage: Stage) -> None:
    stage.put(stage.body(), headers=_headers(stage), content_type="application/x-nothing")


@scene(
    "14l", "retries is a text", failed("TypeError", "InvalidTaskError", "ValueError", task=TARGET), on={POOLS: NOTHING}
)
def retries_text(stage: Stage) -> None:
    _put(stage, stage.body(), retries="many")


@scene("14m", "expires is no time", failed("InvalidTaskError", "ValueError", task=TARGET))
def expires_text(stage: Stage) -> None:
    _put(stage, stage.body(), expires="never")


@scene(
    "14n",
    "timelimit is no pair",
    failed("InvalidTaskError", "TypeError", "ValueError", task=TARGET),
    restarts=1,
    **KILLS,
)
def timelimit_text(stage: Stage) -> None:
    _put(stage, stage.body(), timelimit=5)


@scene("14o", "the task's name is null", told(*REFUSED, "unknown_task", task=None))
def null_name(stage: Stage) -> None:
    stage.put(stage.body(), headers={**_headers(stage), "task": None})


@scene("14p", "arguments nested 100,000 deep", failed("RecursionError", *DECODE, task=TARGET), restarts=1, **KILLS)
def deep_arguments(stage: Stage) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    _put(stage, f'[["{stage.token}", {deep}], {{}}, {{}}]')


@scene("14q", "bytes that are no UTF-8", failed("UnicodeDecodeError", *DECODE, task=TARGET))
def no_utf8(stage: Stage) -> None:
    stage.put(b"\xff\xfe" + stage.token.encode(), headers=_headers(stage))


@scene(
    "14r",
    "a message of protocol 1 whose task fails",
    failed("ValueError", shows="in plain", task="matrix.modes.exceptions.plain"),
)
def protocol_1(stage: Stage) -> None:
    body = {
        "task": "matrix.modes.exceptions.plain",
        "id": stage.token,
        "args": [stage.token],
        "kwargs": {},
        "retries": 0,
    }
    stage.put(json.dumps(body), headers={})
    stage.ids.append(stage.token)


@mode(
    "14s",
    "an argument that can't be unpickled",
    failed("ValueError", "DecodeError", shows="_raise_on_load"),
    config={"accept_content": ["json", "pickle"]},
    alone=POOLS,
    play=lambda stage: _put_pickle(stage, Unloadable()),
    restarts=1,
    leaves_messages=True,
)
def unloadable(token: str, *args: Any) -> str:
    return token


@mode(
    "32a",
    "an argument whose repr raises (pickle)",
    failed("ValueError", shows="in odd_argument"),
    config={"accept_content": ["json", "pickle"]},
    alone=POOLS,
    play=lambda stage: _put_pickle(stage, ReprRaises()),
    is_listed=True,
)
def odd_argument(token: str, *args: Any) -> None:
    raise ValueError(f"broke {token}")


def _headers(stage: Stage, **more: Any) -> dict[str, Any]:
    return {**stage.headers("unused"), "task": TARGET, "id": stage.token, "root_id": stage.token, **more}


def _put(stage: Stage, body: str, **more: Any) -> None:
    """Publish a message that names the target; its id is the token."""
    properties = {key: more.pop(key) for key in ("content_type", "content_encoding") if key in more}
    stage.ids.append(stage.token)
    stage.put(body, headers=_headers(stage, **more), **properties)


def _put_pickle(stage: Stage, argument: object) -> None:
    stage.send(argument, serializer="pickle")
