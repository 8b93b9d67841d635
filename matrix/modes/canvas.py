"""Chains, groups, chords and callbacks, of which one part fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from celery import chain, chord, current_app, group, shared_task
from celery.result import allow_join_result

from matrix.expectations import failed
from matrix.mode import mode, scene

if TYPE_CHECKING:
    from matrix.stage import Stage

PLAIN: Final = "matrix.modes.exceptions.plain"
SUCCEED: Final = "matrix.modes.exceptions.succeed"
NOWHERE: Final = "matrix.nowhere"
BROKEN: Final = failed("ValueError", shows="in plain", task=PLAIN)


@shared_task
def old_errback(task_id: str) -> None:
    """Fail as an errback of the old style: called in the failing task's process."""
    raise RuntimeError(f"errback of {task_id}")


@shared_task
def new_errback(request: Any, exc: BaseException, traceback: Any) -> None:
    """Fail as an errback of the new style, called likewise."""
    raise RuntimeError(f"errback of {request.id}")


@shared_task
def sent_errback(token: str) -> None:
    """Fail as an errback that is sent as a task of its own."""
    raise RuntimeError(f"errback {token}")


@shared_task
def callback_fails(result: object, token: str) -> None:
    """Fail as a callback that takes the result."""
    raise ValueError(f"callback {token}")


@scene("18a", "chord: the header fails", BROKEN, is_listed=True)
def header_fails(stage: Stage) -> None:
    stage.apply(chord([stage.signature(SUCCEED), stage.signature(PLAIN)], stage.signature(SUCCEED), app=stage.app))


@scene("18b", "chord: the body is not registered", failed("NotRegistered", "KeyError", task=NOWHERE), is_listed=True)
def body_unknown(stage: Stage) -> None:
    stage.apply(chord([stage.signature(SUCCEED), stage.signature(SUCCEED)], stage.signature(NOWHERE), app=stage.app))


@scene("18b3", "chord: the body fails", BROKEN, is_listed=True)
def body_fails(stage: Stage) -> None:
    stage.apply(chord([stage.signature(SUCCEED), stage.signature(SUCCEED)], stage.signature(PLAIN), app=stage.app))


@scene("18c", "link_error, old style, raises: the task's own failure", BROKEN, is_listed=True)
def old_style(stage: Stage) -> None:
    _with_errback(stage, stage.app.signature("matrix.modes.canvas.old_errback"))


@scene(
    "18c1",
    "link_error, old style, raises: the errback's failure",
    failed("RuntimeError", shows="in old_errback", task=None),
)
def old_style_itself(stage: Stage) -> None:
    _with_errback(stage, stage.app.signature("matrix.modes.canvas.old_errback"))


@scene(
    "18c2",
    "link_error sent as a task, and it fails",
    BROKEN,
    failed("RuntimeError", task="matrix.modes.canvas.sent_errback"),
    is_listed=True,
)
def errback_task(stage: Stage) -> None:
    _with_errback(stage, stage.signature("matrix.modes.canvas.sent_errback"))


@scene(
    "18c3",
    "link_error, new style, raises: both failures",
    BROKEN,
    failed("RuntimeError", shows="in new_errback", task=None),
)
def new_style(stage: Stage) -> None:
    _with_errback(stage, stage.app.signature("matrix.modes.canvas.new_errback"))


@scene("18d", "a link callback that can't be published", failed("SerializerNotInstalled", task=SUCCEED), is_listed=True)
def link_unsent(stage: Stage) -> None:
    signature = stage.signature(SUCCEED)
    signature.link(stage.signature(SUCCEED, serializer="nothing"))
    stage.apply(signature)


@scene("18e", "chain: the middle fails", BROKEN, is_listed=True)
def middle_fails(stage: Stage) -> None:
    _apply_chain(stage, stage.signature(SUCCEED), stage.signature(PLAIN), stage.signature(SUCCEED))


@scene("18f", "group: one member fails", BROKEN, is_listed=True)
def member_fails(stage: Stage) -> None:
    canvas = group([stage.signature(SUCCEED), stage.signature(PLAIN)], app=stage.app)
    stage.ids.extend(child.id for child in canvas.apply_async())


@scene("18g", "a link callback fails", failed("ValueError", task="matrix.modes.canvas.callback_fails"))
def callback(stage: Stage) -> None:
    signature = stage.signature(SUCCEED)
    signature.link(stage.app.signature("matrix.modes.canvas.callback_fails", args=(stage.token,)))
    stage.apply(signature)


@scene("18h", "chord: the error callback of its body raises", BROKEN)
def chord_errback(stage: Stage) -> None:
    body = stage.signature(SUCCEED).on_error(stage.app.signature("matrix.modes.canvas.old_errback"))
    stage.apply(chord([stage.signature(SUCCEED), stage.signature(PLAIN)], body, app=stage.app))


@scene("18i", "chain: a later step is not registered", failed("NotRegistered", "KeyError", task=NOWHERE))
def step_unknown(stage: Stage) -> None:
    _apply_chain(stage, stage.signature(SUCCEED), stage.signature(NOWHERE))


@scene("18j", "chord in a group in a chain, whose leaf fails", BROKEN)
def nested(stage: Stage) -> None:
    inner = chord([stage.signature(SUCCEED), stage.signature(PLAIN)], stage.signature(SUCCEED), app=stage.app)
    _apply_chain(stage, stage.signature(SUCCEED), group([inner, stage.signature(SUCCEED)], app=stage.app))


@mode("37", "waits for a subtask that fails (.get)", failed("RuntimeError", "ValueError"), BROKEN, is_listed=True)
def waits(token: str) -> None:
    current_app.signature(PLAIN, args=(token,)).apply_async().get(timeout=3)


@mode("37b", "waits for a subtask that fails, allowed to", failed("ValueError", "TimeoutError"), BROKEN)
def waits_allowed(token: str) -> None:
    with allow_join_result():
        current_app.signature(PLAIN, args=(token,)).apply_async().get(timeout=1)


def _with_errback(stage: Stage, errback: Any) -> None:
    signature = stage.signature(PLAIN)
    signature.link_error(errback)
    stage.apply(signature)


def _apply_chain(stage: Stage, *steps: Any) -> None:
    result = chain(*steps, app=stage.app).apply_async()
    while result is not None:
        stage.ids.append(result.id)
        result = result.parent
